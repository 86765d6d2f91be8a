"""The recipe modern_optimizers: its trials by value, its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import modern_optimizers as recipe
from recipes._lab.lab import Lab, Options

SGD, ADAM, ADAMW, NADAM, LION, MUON = recipe.ARMS


@pytest.mark.parametrize(
    ("arm", "kind"),
    [
        (SGD, keras.optimizers.SGD),
        (ADAM, keras.optimizers.Adam),
        (ADAMW, keras.optimizers.AdamW),
        (NADAM, keras.optimizers.Nadam),
        (LION, keras.optimizers.Lion),
        (MUON, keras.optimizers.Muon),
    ],
)
def test_the_optimizers(arm, kind):
    rate = recipe.RATES[arm][2]
    optimizer = recipe.build_model(**recipe.VARIANTS[arm, rate]).optimizer
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == pytest.approx(rate)
    assert optimizer.weight_decay == (0.003 if arm in (ADAMW, LION, MUON) else 0)
    if arm == MUON:
        assert optimizer.adam_weight_decay == 0.003
        assert optimizer.exclude_layers == ["softmax"]


def test_every_optimizer_has_seven_trials_and_its_default_rate_among_them():
    trials = {arm: [] for arm in recipe.ARMS}
    for arm, rate in recipe.VARIANTS:
        trials[arm].append(rate)
    for arm, rates in trials.items():
        assert len(rates) == 7
        np.testing.assert_allclose(np.diff(np.log10(rates)), 0.5, atol=0.03)
        kind = getattr(keras.optimizers, arm)
        assert recipe.DEFAULTS[arm] in rates
        assert float(kind().learning_rate) == pytest.approx(recipe.DEFAULTS[arm])
    with_decay = [arguments["weight_decay"] for arguments in recipe.VARIANTS.values()]
    assert sorted(set(with_decay)) == [0, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]


@pytest.fixture
def judged(made_up):
    """`judged(accuracies, numbers)` runs the recipe on made-up results.

    Args:
        accuracies: of the best trial, in %, by arm: halfway on validation, and on test at the end.
        numbers: of the best trial, by arm; each of the others is 10 points worse.
    """

    def run(accuracies, numbers):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)

        def one(arm, rate, seed):
            worse = 0 if recipe.RATES[arm].index(rate) == numbers[arm] else 0.1
            halfway, end = (of / 100 - worse for of in accuracies[arm])
            end += noise[seed] * (1 + recipe.ARMS.index(arm))
            return {"accuracy": [0.1, halfway, end]}

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, **plan):
                assert variants == recipe.VARIANTS
                assert plan == {"epochs": 10, "batch_size": 50, "evaluate_every": 2}
                runs = {key: [one(*key, seed) for seed in range(6)] for key in variants}
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def by_arm(*of):
    return dict(zip(recipe.ARMS, of, strict=True))


def test_where_the_sources_are_right_every_claim_holds(judged):
    same = (80, 95)
    accuracies = by_arm(same, same, same, same, same, (88, 95))
    numbers = by_arm(2, 2, 3, 2, 2, 2)  # AdamW's best rate is .003
    found = judged(accuracies, numbers)
    assert found == [
        ("holds", 4),
        ("holds", pytest.approx(0, abs=0.2)),
        ("holds", pytest.approx(4, abs=0.2)),
    ]


def test_where_they_are_wrong_none_does(judged):
    accuracies = by_arm((80, 97), (80, 90), (80, 95), (80, 95), (80, 95), (70, 95))
    numbers = by_arm(3, 3, 2, 3, 5, 3)  # AdamW's .001 is a default rate
    found = judged(accuracies, numbers)
    assert found == [
        ("does not hold", 0),
        ("does not hold", pytest.approx(5, abs=0.2)),  # of AdamW over Adam, which was tuned
        ("does not hold", pytest.approx(-5, abs=0.2)),
    ]
