"""The recipe bn_and_dropout: the order of its layers, and its claims on planted effects."""

import numpy as np
import pytest

from recipes import bn_and_dropout as recipe
from recipes._lab.lab import Lab, Options

WITHOUT, WITH, BEHIND = "without BN", "with BN", "BN behind Dropout"


@pytest.mark.parametrize(
    ("arm", "parts"),
    [
        (WITHOUT, ["", "_act", "_dropout"]),
        (WITH, ["", "_bn", "_act", "_dropout"]),
        (BEHIND, ["", "_dropout", "_bn", "_act"]),
    ],
)
def test_the_order_of_the_layers(arm, parts):
    model = recipe.build_model(**recipe.VARIANTS[arm, "batches of 20", "Dropout 0.5"])
    expected = [f"h{n}{part}" for n in (1, 2, 3) for part in parts]
    assert [layer.name for layer in model.layers] == [*expected, "softmax"]
    assert {layer.rate for layer in model.layers if layer.name.endswith("_dropout")} == {0.5}


@pytest.fixture
def judged(made_up):
    """`judged(test)` runs the recipe on made-up test accuracies in %; training ends at 100 %.

    A variant that is not given has 80 %. Validation is as accurate as test.
    """

    def run(test):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, learning_rate, **plan):
                self.plan = plan
                for batch, size in (("batches of 20", 20), ("batches of 100", 100)):
                    assert plan["batch_size"][batch] == size
                    assert plan["epochs"][batch] * 300 / size == 450  # steps
                return variants

            def train(self, build_model, variants, data, *, evaluate_every, watch, **plan):
                assert plan == self.plan  # trained as it was tuned
                assert set(test) <= set(variants)
                runs = {}
                for key in variants:
                    ends = test.get(key, 80) / 100 + rng.normal(0, 0.001, 6)
                    runs[key] = [
                        {"accuracy": [0.1, 1.0], "val_accuracy": [0.1, end], "test_accuracy": end}
                        for end in ends
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_both_help_every_claim_holds(judged):
    """Gaps of 10 and 5 points, then 9 and 6; Dropout gains 6 points without BN, 2 with it."""
    found = judged(
        {
            (WITHOUT, "batches of 20", "no Dropout"): 90,
            (WITH, "batches of 20", "no Dropout"): 95,
            (WITHOUT, "batches of 100", "no Dropout"): 91,
            (WITH, "batches of 100", "no Dropout"): 94,
            (WITHOUT, "batches of 20", "Dropout 0.2"): 96,
            (WITH, "batches of 20", "Dropout 0.5"): 97,
            (BEHIND, "batches of 20", "Dropout 0.5"): 92,
        }
    )
    assert found == [("holds", n) for n in (5, 3, 4, 2, 5)]


def test_where_both_do_harm_none_does(judged):
    """Without BN the best rate of Dropout is 0; with it, Dropout gains 3 points."""
    found = judged(
        {
            (WITHOUT, "batches of 20", "no Dropout"): 95,
            (WITH, "batches of 20", "no Dropout"): 90,
            (WITHOUT, "batches of 100", "no Dropout"): 94,
            (WITH, "batches of 100", "no Dropout"): 91,
            (WITH, "batches of 20", "Dropout 0.2"): 93,
            (BEHIND, "batches of 20", "Dropout 0.5"): 85,
        }
    )
    assert found[:3] == [("does not hold", -5), ("does not hold", -3), ("does not hold", -3)]
    assert found[3:] == [("holds", 3), ("does not hold", -5)]


def test_where_no_rate_gains_the_need_is_gone(judged):
    found = judged({(arm, "batches of 20", "no Dropout"): 95 for arm in (WITHOUT, WITH)})
    assert found[3] == ("makes no difference", 0)
