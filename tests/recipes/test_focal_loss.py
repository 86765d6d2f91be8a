"""The recipe focal_loss: its data and losses by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import focal_loss as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

WEIGHTED, HALF, ONE, TWO, FIVE = recipe.FOCAL.values()


def test_the_last_class_becomes_rare_but_not_in_test():
    y = np.arange(3000) % 3
    split = Split(np.arange(3000, dtype=np.float32)[:, np.newaxis], y.astype(np.int32))
    whole = Dataset("made up", tuple("abc"), split, split, split)
    changed = recipe.one_in_a_hundred(whole, np.random.default_rng(0))
    assert changed.class_names == ("others", "c")
    for part in (changed.train, changed.validation):
        assert np.bincount(part.y).tolist() == [2000, 20]
        np.testing.assert_array_equal(part.y, part.x[:, 0] % 3 == 2)
    assert np.bincount(changed.test.y).tolist() == [2000, 1000]


def test_of_few_examples_one_is_rare():
    y = np.array([0] * 30 + [1] * 30)
    split = Split(np.zeros((60, 1), np.float32), y.astype(np.int32))
    whole = Dataset("made up", tuple("ab"), split, split, split)
    changed = recipe.one_in_a_hundred(whole, np.random.default_rng(0))
    assert np.bincount(changed.train.y).tolist() == [30, 1]


def test_the_losses_are_those_of_the_paper():
    p = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    for gamma, alpha in recipe.ALPHA.items():
        arguments = recipe.VARIANTS[recipe.FOCAL[gamma]]
        loss = recipe.build_model((4,), 2, **arguments).loss
        # alpha (1 - p)^gamma * -log p; the rare class has alpha, the other what is left of 1
        expected = [
            -(1 - alpha) * 0.1**gamma * np.log(0.9),
            -alpha * 0.4**gamma * np.log(0.6),
        ]
        found = loss.call(np.eye(2, dtype=np.float32), p)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.fixture
def judged(made_up):
    """`judged(precision, balanced)` runs the recipe on made-up scores in %, by variant."""

    def run(precision, balanced):
        noise = np.random.default_rng(0).normal(0, 0.1, (6, 6))

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, evaluate_every):
                assert variants == recipe.VARIANTS
                assert data.train.y.mean() == pytest.approx(0.01, abs=0.001)
                runs = {
                    name: [
                        {
                            "accuracy": [0.5, 1],
                            "test_average_precision": (precision.get(name, 80) + n) / 100,
                            "test_balanced_accuracy": (balanced.get(name, 80) + n) / 100,
                        }
                        for n in noise[number]
                    ]
                    for number, name in enumerate(variants)
                }
                self.results = made_up(runs, chance=0.9, classes=2)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-balanced-accuracy.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_paper_is_right_every_claim_holds(judged):
    found = judged(
        precision={WEIGHTED: 80, HALF: 83, ONE: 85, TWO: 85, FIVE: 82},
        balanced={recipe.CROSS_ENTROPY: 70, TWO: 80},
    )
    assert found == ["holds"] * 3


def test_where_it_is_wrong_none_does(judged):
    found = judged(
        precision={WEIGHTED: 85, HALF: 84, ONE: 83, TWO: 80, FIVE: 75},
        balanced={recipe.CROSS_ENTROPY: 80, TWO: 70},
    )
    assert found == ["does not hold"] * 3
