"""The recipe regression_bias_init: data and errors by value, and its claims on planted curves."""

import keras
import numpy as np
import pytest

from recipes import regression_bias_init as recipe
from recipes._lab.lab import Lab, Options

ZERO, MEAN, STANDARDIZED = recipe.ARMS


def test_every_patient_is_in_one_part_and_inputs_are_standardized_by_the_first():
    x, y = recipe.diabetes(0)
    parts = np.concatenate(
        [np.arange(442)[p] for p in (recipe.TRAIN, recipe.VALIDATION, recipe.TEST)]
    )
    assert (x.shape, parts.tolist()) == ((442, 10), list(range(442)))
    train = x[recipe.TRAIN]
    np.testing.assert_allclose(
        [train.mean(axis=0), train.std(axis=0)], [[0] * 10, [1] * 10], atol=1e-9
    )
    assert y.mean() == pytest.approx(152.13, abs=0.01)
    assert not np.array_equal(recipe.diabetes(1)[1], y)


def test_the_last_bias_starts_at_the_mean_and_the_rest_is_as_it_was():
    models = []
    for mean in (0, 50):
        keras.utils.set_random_seed(0)
        models.append(recipe.build_model((3,), target_mean=mean))
    *rest, bias = zip(*(model.get_weights() for model in models), strict=True)
    assert np.ravel(bias).tolist() == [0, 50]
    for zero, fifty in rest:
        np.testing.assert_array_equal(zero, fifty)


class Counting:
    """A model that counts the examples it has learned from, and predicts as many."""

    def __init__(self):
        self.seen = []

    def train_on_batch(self, x, y):
        np.testing.assert_array_equal(x[:, 0], y)
        self.seen += y.tolist()

    def predict_on_batch(self, x):
        return np.full((len(x), 1), len(self.seen))


def test_it_learns_from_the_training_part_and_predicts_all():
    model, y = Counting(), np.arange(442)
    predicted = recipe.learn(model, y[:, np.newaxis], y, 2)
    assert predicted.shape == (3, 442)
    assert predicted[:, 400].tolist() == [0, 242, 484]
    assert sorted(model.seen) == sorted([*range(242)] * 2)
    assert model.seen[:242] != model.seen[242:] != list(range(242))


def test_errors_are_shares_of_that_of_the_mean(monkeypatch):
    """The mean of the training part is 4, which is 2 away from the others."""
    monkeypatch.setattr(recipe, "TRAIN", slice(0, 2))
    y = np.array([2.0, 6.0, 6.0, 6.0])
    predicted = np.array([[9.0, 9, 0, 0], [9, 9, 6, 6], [9, 9, 5, 7]])
    np.testing.assert_allclose(recipe.relative_error(predicted, y, slice(2, 4)), [300, 0, 50])


@pytest.fixture
def judged(monkeypatch):
    """`judged(curves)` runs the recipe on made-up curves: `{arm: (first error, later errors)}`."""

    def run(curves):
        rng = np.random.default_rng(0)
        starts = {}

        def assert_starts_anew(model):
            """All trainings of a seed begin with the same weights and with the first step."""
            kernel, steps = model.get_layer("h1").kernel, model.optimizer.iterations
            start = starts.setdefault(model, kernel.numpy())
            np.testing.assert_array_equal(kernel.numpy(), start)
            assert int(steps) == 0
            kernel.assign(start + 1)
            steps.assign(5)

        def learn(model, x, y, epochs):
            """Return errors of the same size, which those of the recipe are shares of."""
            assert_starts_anew(model)
            train = y[recipe.TRAIN]
            bias = float(model.get_layer("output").bias[0])
            assert bias == pytest.approx(train.mean()) or bias == 0
            arm = STANDARDIZED if abs(train.mean()) < 1e-9 else MEAN if bias else ZERO
            first, later = curves[arm]
            # The rate of 0.01 is the best one on validation data.
            slow = 0 if np.isclose(model.optimizer.learning_rate, 0.01) else 5
            shares = np.array([first] + [later + slow] * epochs) + rng.normal(0, 0.1)
            shares = np.tile(shares[:, np.newaxis], len(y))
            if arm == ZERO and slow:
                shares[:, recipe.TEST] -= 6  # better on test data, which do not choose
            return y + shares / 100 * (train.mean() - y)

        monkeypatch.setattr(recipe, "learn", learn)
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        assert len(starts) == 6
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_bias_and_standardizing_help_every_claim_holds(judged):
    found = judged({ZERO: (220, 90), MEAN: (100, 80), STANDARDIZED: (150, 81)})
    assert [verdict for verdict, _ in found] == ["holds"] * 3
    assert [estimate for _, estimate in found[1:]] == [90 - 80, 81 - 80]


def test_where_they_do_not_none_does(judged):
    found = judged({ZERO: (100, 80), MEAN: (220, 90), STANDARDIZED: (150, 60)})
    assert [verdict for verdict, _ in found] == ["does not hold"] * 3
