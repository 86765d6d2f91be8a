"""The recipe class_imbalance: its data by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import class_imbalance as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

TENTH, HUNDREDTH = recipe.TENTH, recipe.HUNDREDTH
NOTHING, WEIGHTS, FOCAL = recipe.NOTHING, recipe.WEIGHTS, recipe.FOCAL
OVER, DIVIDED = recipe.OVER, recipe.DIVIDED
RANDOM = np.random.default_rng(0)


def dataset(labels):
    """Return data with these labels in each part; inputs count the rows."""
    x = np.arange(len(labels), dtype=np.float32)[:, np.newaxis]
    split = Split(x, np.array(labels, np.int32))
    return Dataset("made up", tuple("abc"), split, split, split)


@pytest.mark.parametrize(("ratio", "others", "rare"), [(10, 682, 68), (100, 743, 7)])
def test_the_last_class_becomes_rare_but_not_in_test(ratio, others, rare):
    whole = dataset(np.arange(1000) % 3)
    changed = recipe.with_imbalance(ratio)(whole, RANDOM)
    assert changed.class_names == ("others", "c")
    for part in (changed.train, changed.validation):
        assert np.bincount(part.y).tolist() == [others, rare]
        np.testing.assert_array_equal(part.y, part.x[:, 0] % 3 == 2)
    assert np.bincount(changed.test.y).tolist() == [667, 333]


IMBALANCED = dataset([0] * 90 + [1] * 10)


def test_each_method_has_twice_as_many_rows():
    for change in recipe.CHANGES.values():
        assert len(change(IMBALANCED, RANDOM).train) == 200


def test_oversampling_repeats_rare_examples_and_keeps_all_others():
    train = recipe.CHANGES[OVER](IMBALANCED, RANDOM).train
    # 180 rows are balanced; 20 fill them up.
    assert abs(np.mean(train.y) - 0.5) < 0.05
    assert set(train.x[:, 0]) == set(range(100))
    np.testing.assert_array_equal(train.y, train.x[:, 0] >= 90)


def test_weights_make_the_classes_count_the_same():
    train = recipe.CHANGES[WEIGHTS](IMBALANCED, RANDOM).train
    sums = [train.weights[train.y == label].sum() for label in (0, 1)]
    np.testing.assert_allclose(sums, [100, 100], rtol=1e-5)
    assert len(set(train.weights)) == 2


def test_division_by_frequencies_finds_a_rare_class():
    """Probabilities of .95 and .05 of who has seen one rare example in a hundred."""
    y = np.array([[0] * 99 + [1]])
    part = types.SimpleNamespace(x=None, y=np.array([[0, 1]]))
    data = types.SimpleNamespace(train=types.SimpleNamespace(y=y), test=part)
    probabilities = np.array([[[0.995, 0.005], [0.95, 0.05]]])
    results = types.SimpleNamespace(
        models=lambda key, epoch: types.SimpleNamespace(predict=lambda x: probabilities),
        score=lambda metric, of: types.SimpleNamespace(
            array=lambda: np.mean(next(iter(of.values())).argmax(axis=-1) == part.y, axis=-1)
        ),
    )
    values = recipe.balanced_accuracy(results, dict.fromkeys(recipe.VARIANTS, data), [4])
    assert values[HUNDREDTH, NOTHING, 4].tolist() == [0.5]
    assert values[HUNDREDTH, DIVIDED, 4].tolist() == [1]
    assert len(values) == 10


def test_the_focal_loss_is_that_of_the_paper():
    loss = recipe.build_model((4,), 2, focal=True).loss
    p = np.array([[0.9, 0.1], [0.4, 0.6]], np.float32)
    found = loss.call(np.eye(2, dtype=np.float32), p)
    # alpha (1 - p)^2 * -log p, of the others .75, of the rare class .25
    expected = [-0.75 * 0.1**2 * np.log(0.9), -0.25 * 0.4**2 * np.log(0.6)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(balanced, accuracy, precision)` runs the recipe on made-up scores in %.

    Args:
        balanced: `{(ratio, method): (after 2 epochs, after 32)}`; of others it is 50.
        accuracy: of the networks with nothing on validation, by ratio.
        precision: average precision, by method.
    """

    def run(balanced, accuracy, precision):
        noise = np.random.default_rng(0).normal(0, 0.1, (8, 6))

        def balanced_accuracy(results, data, epochs):
            assert epochs == [1, 2, 4, 8, 16, 32]
            values = {}
            for ratio in (TENTH, HUNDREDTH):
                for n, method in enumerate((*recipe.ARMS, DIVIDED)):
                    early, late = balanced.get((ratio, method), (50, 50))
                    for epoch in epochs:
                        values[ratio, method, epoch] = (early if epoch < 8 else late) + noise[n]
            return values

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, record):
                assert variants == recipe.VARIANTS
                shares = [data[ratio, NOTHING].train.y.mean() for ratio in (TENTH, HUNDREDTH)]
                assert shares == [pytest.approx(1 / 11, abs=0.01), pytest.approx(0.01, abs=0.002)]
                runs = {
                    (ratio, arm): [
                        {
                            "accuracy": [0.5, 1],
                            "val_accuracy": [0.5, (accuracy[ratio] + n) / 100],
                            "test_average_precision": (precision.get(arm, 80) + n) / 100,
                        }
                        for n in noise[number]
                    ]
                    for number, (ratio, arm) in enumerate(variants)
                }
                self.results = made_up(runs, chance=0.9, classes=2)
                return self.results

        monkeypatch.setattr(recipe, "balanced_accuracy", balanced_accuracy)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-precision.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_sources_are_right_every_claim_holds(judged):
    found = judged(
        balanced={
            (TENTH, NOTHING): (80, 90),
            (HUNDREDTH, NOTHING): (50, 60),
            (HUNDREDTH, WEIGHTS): (80, 70),
            (HUNDREDTH, OVER): (80, 75),
            (HUNDREDTH, DIVIDED): (50, 85),
        },
        accuracy={TENTH: 95, HUNDREDTH: 99},
        precision={FOCAL: 85, NOTHING: 80},
    )
    # Weights gain 30 points at first and 10 at the end.
    assert found == [
        ("holds", 15),
        ("holds", 2),
        ("holds", 20),
        ("holds", 25),
        ("holds", 5),
    ]


def test_where_they_are_wrong_none_does(judged):
    found = judged(
        balanced={
            (TENTH, NOTHING): (80, 80),
            (HUNDREDTH, NOTHING): (70, 90),
            (HUNDREDTH, WEIGHTS): (70, 95),
            (HUNDREDTH, OVER): (80, 80),
            (HUNDREDTH, DIVIDED): (50, 70),
        },
        accuracy={TENTH: 99, HUNDREDTH: 95},
        precision={FOCAL: 75, NOTHING: 80},
    )
    assert found == [
        ("does not hold", -10),
        ("does not hold", 0),
        ("does not hold", -5),
        ("does not hold", -20),
        ("does not hold", -5),
    ]
