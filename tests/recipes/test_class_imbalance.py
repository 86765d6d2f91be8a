"""The recipe class_imbalance: its data by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import class_imbalance as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

NOTHING, WEIGHTS, OVER = recipe.NOTHING, recipe.WEIGHTS, recipe.OVER
RANDOM = np.random.default_rng(0)


def dataset(labels):
    """Return data with these labels in each part; inputs count the rows."""
    x = np.arange(len(labels), dtype=np.float32)[:, np.newaxis]
    split = Split(x, np.array(labels, np.int32))
    return Dataset("made up", tuple("abc"), split, split, split)


def test_the_last_class_becomes_rare_but_not_in_test():
    whole = dataset(np.arange(1000) % 3)
    changed = recipe.one_in_a_hundred(whole, RANDOM)
    assert changed.class_names == ("others", "c")
    for part, copies in ((changed.train, 2), (changed.validation, 1)):
        assert np.bincount(part.y).tolist() == [copies * 743, copies * 7]
        np.testing.assert_array_equal(part.y, part.x[:, 0] % 3 == 2)
    assert np.bincount(changed.test.y).tolist() == [667, 333]


TWICE = dataset(2 * ([0] * 90 + [1] * 10))


def test_oversampling_repeats_rare_examples_and_keeps_all_others():
    train = recipe.oversampled(TWICE, RANDOM).train
    assert np.bincount(train.y).tolist() == [100, 100]
    assert set(train.x[train.y == 0, 0]) == set(range(90))
    assert set(train.x[train.y == 1, 0]) == set(range(90, 100))


def test_weights_make_the_classes_count_the_same():
    train = recipe.weighted(TWICE, RANDOM).train
    sums = [train.weights[train.y == label].sum() for label in (0, 1)]
    np.testing.assert_allclose(sums, [100, 100], rtol=1e-5)
    assert len(set(train.weights)) == 2


# What a network with nothing says of an example of the others and of a rare one: never that it is
# rare, but less surely not of the rare one, or of the other.
IT_KNOWS, IT_DOES_NOT = [[0.995, 0.005], [0.95, 0.05]], [[0.95, 0.05], [0.995, 0.005]]


@pytest.fixture
def judged(made_up):
    """`judged(balanced, accuracy, probabilities)` runs the recipe on made-up scores in %.

    Args:
        balanced: `{method: (after 2 epochs, after 32)}`.
        accuracy: on validation.
        probabilities: of the network with nothing, for one of the others and a rare example.
    """

    def run(balanced, accuracy, probabilities):
        noise = np.random.default_rng(0).normal(0, 0.1, (18, 6))

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every):
                assert variants == recipe.VARIANTS
                shares = [data[method].train.y.mean() for method in (NOTHING, OVER)]
                assert shares == pytest.approx([1 / 101, 1 / 2], rel=0.15)
                assert data[NOTHING].train.weights is None
                assert data[WEIGHTS].train.weights.max() > 10
                runs = {
                    (method, length): [
                        {
                            "accuracy": [0.5, 1],
                            "val_accuracy": [0.5, (accuracy + n / 10) / 100],
                            "test_balanced_accuracy": (balanced[method][length > 8] + n) / 100,
                        }
                        for n in noise[number]
                    ]
                    for number, (method, length) in enumerate(variants)
                }
                self.results = made_up(runs, chance=0.9, classes=2)
                predicted = np.tile(probabilities, (6, 1, 1))
                models = types.SimpleNamespace(predict=lambda x: predicted)
                self.results.models = lambda key: models
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_sources_are_right_every_claim_holds(judged):
    found = judged(
        balanced={NOTHING: (50, 60), WEIGHTS: (80, 70), OVER: (80, 75)},
        accuracy=99,
        probabilities=IT_KNOWS,
    )
    # Weights gain 30 points at first and 10 at the end; divided, all answers are right.
    assert found == [("holds", 15), ("holds", 39), ("holds", 20), ("holds", 40)]


def test_where_they_are_wrong_none_does(judged):
    found = judged(
        balanced={NOTHING: (70, 90), WEIGHTS: (70, 95), OVER: (80, 80)},
        accuracy=95,
        probabilities=IT_DOES_NOT,
    )
    assert found == [
        ("does not hold", -10),
        ("does not hold", 5),
        ("does not hold", -5),
        ("does not hold", -90),
    ]
