"""The recipe momentum: weights by hand, and its claims where the effect is planted."""

import numpy as np
import pytest

from recipes import momentum as recipe
from recipes._lab.lab import Lab, Options


def test_the_weight_of_older_gradients_by_hand():
    assert recipe.weight_of_older(0.5, 1) == pytest.approx(0.5)
    assert recipe.weight_of_older(0.5, 3) == pytest.approx(0.5**3)
    assert recipe.weight_of_older(0.0, 1) == pytest.approx(0)


def test_variants_have_equal_effective_rates():
    assert len(recipe.VARIANTS) == 36
    for (name, rate), arguments in recipe.VARIANTS.items():
        assert name == f"β {arguments['momentum']:g}"
        assert arguments["learning_rate"] / (1 - arguments["momentum"]) == pytest.approx(rate)


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up accuracies in %, by β, at the fourth rate."""

    def run(ends):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, watch):
                assert variants == recipe.VARIANTS
                rng = np.random.default_rng(0)
                runs = {
                    (name, rate): [
                        {"accuracy": [0.1, (ends[name] - 9 * (n != 3)) / 100 + e]}
                        for e in rng.normal(0, 0.001, 6)
                    ]
                    for name in recipe.BETAS
                    for n, rate in enumerate(recipe.RATES)
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        assert [claim.any_data for claim in lab.claims] == [True, False, False, False]
        return [claim.verdict for claim in lab.claims]

    return run


def by_beta(*ends):
    return dict(zip(recipe.BETAS, ends, strict=True))


def test_where_beta_matters_as_it_is_said_to_every_claim_holds(judged):
    found = judged(by_beta(95, 97, 97.2, 97, 90, 80))  # 0, .9, .9005, .99, .999, .9995
    assert found == ["holds"] * 4


def test_where_it_matters_in_the_opposite_way_none_of_those_on_training_does(judged):
    found = judged(by_beta(97, 90, 80, 97, 95, 95))
    assert found == ["holds", *["does not hold"] * 3]


def test_where_keras_does_not_average_the_first_claim_fails(judged, monkeypatch):
    monkeypatch.setattr(recipe, "weight_of_older", lambda beta, count: 0)
    found = judged(by_beta(95, 97, 97.2, 97, 90, 80))
    assert found == ["does not hold", *["holds"] * 3]
