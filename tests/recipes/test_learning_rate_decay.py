"""The recipe learning_rate_decay: its decay by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import learning_rate_decay as recipe
from recipes._lab.lab import Lab, Options

RIGHT, WRONG, HIGH = recipe.RIGHT, recipe.WRONG, recipe.HIGH


def test_the_rate_falls_by_as_many_factors_of_ten():
    def rates(decades):
        model = recipe.build_model(decades=decades, steps=100, learning_rate=0.5)
        return [float(model.optimizer._learning_rate(step)) for step in (0, 50, 100)]

    assert rates(2) == pytest.approx([0.5, 0.5 / (1 + 99 / 2), 0.005])
    assert rates(0) == [0.5] * 3


def test_unrest_is_the_mean_change_over_the_last_quarter():
    curve = [0, 50, 0, 50, 60, 70, 80, 83, 82]  # eight epochs, the last two of which count
    np.testing.assert_allclose(recipe.unrest(np.array([curve, np.zeros(9)])), [(3 + 1) / 2, 0])


@pytest.fixture
def judged(made_up):
    """`judged(ends, swings)` runs the recipe on made-up test accuracies and unrests, in %."""

    def run(ends, swings):
        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, batch_size, **candidates):
                if "decades" in candidates:
                    assert set(variants) == {key for key in ends if recipe.DECAY in key}
                    return {key: of | {"decades": 0.5} for key, of in variants.items()}
                assert set(variants) == {key for key in ends if HIGH not in key}
                return {key: of | {"learning_rate": 0.3} for key, of in variants.items()}

            def train(self, build_model, variants, data, *, epochs, batch_size):
                assert data[RIGHT] is data[HIGH]
                assert data[RIGHT] is not data[WRONG]
                rng, runs = np.random.default_rng(0), {}
                for key, arguments in variants.items():
                    assert arguments["steps"] == 600
                    assert arguments["learning_rate"] == (1.0 if HIGH in key else 0.3)
                    assert arguments["decades"] == (0.5 if recipe.DECAY in key else 0)
                    swing = swings[key[1]] / 100 * (np.arange(31) % 2)
                    runs[key] = [
                        {
                            "accuracy": 0.9 + swing + rng.normal(0, 0.001, 31),
                            "test_accuracy": ends[key] / 100 + rng.normal(0, 0.001),
                        }
                        for _ in range(6)
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-high.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def ends(right, wrong, high):
    return dict(zip(recipe.VARIANTS, [*right, *wrong, *high], strict=True))


def test_where_decay_helps_every_claim_holds(judged):
    swings = {recipe.CONSTANT: 5, recipe.DECAY: 1}
    assert judged(ends((95, 97), (85, 90), (10, 95)), swings) == ["holds"] * 4


def test_where_it_does_harm_none_does(judged):
    swings = {recipe.CONSTANT: 0, recipe.DECAY: 2}
    assert judged(ends((97, 95), (90, 85), (90, 50)), swings) == ["does not hold"] * 4
