"""The recipe linear_scaling: its rates and schedule by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import linear_scaling as recipe
from recipes._lab.lab import Lab, Options

BASE, SAME, SCALED, WARMED = recipe.VARIANTS


def test_a_batch_16_times_as_large_takes_16_times_the_rate():
    assert recipe.SIZES[WARMED] / recipe.SIZES[BASE] == 16
    rates = [arguments["learning_rate"] for arguments in recipe.VARIANTS.values()]
    assert rates == pytest.approx([0.03, 0.03, 0.48, 0.48])


def test_a_warm_up_grows_from_the_small_batchs_rate_in_five_epochs():
    rate = recipe.build_model(**recipe.VARIANTS[WARMED]).optimizer._learning_rate
    found = [float(rate(step)) for step in (0, 10, 20, 1000)]  # 4 steps of 128 are an epoch
    assert found == pytest.approx([0.03, (0.03 + 0.48) / 2, 0.48, 0.48])


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up (mean training, test) accuracies in %."""

    def run(*ends):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size):
                assert variants == recipe.VARIANTS
                assert batch_size == recipe.SIZES
                noise = np.random.default_rng(0).normal(0, 0.001, 6)
                runs = {
                    key: [
                        {"accuracy": [0.1, speed / 100 + n], "test_accuracy": test / 100 + k * n}
                        for n in noise
                    ]
                    for k, (key, (speed, test)) in enumerate(zip(variants, ends, strict=True), 1)
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_rule_is_right_every_claim_holds(judged):
    found = judged((90, 95), (70, 85), (80, 90), (90, 95.2))
    assert found == [("holds", 0), ("holds", 20), ("holds", 5)]


def test_where_it_is_wrong_none_does(judged):
    found = judged((70, 95), (90, 85), (80, 92), (90, 80))
    assert found == [("does not hold", -15), ("does not hold", -20), ("does not hold", -12)]
