"""The recipe regression_bias_init: data and errors by value, and its claims on planted curves."""

import keras
import numpy as np
import pytest

from recipes import regression_bias_init as recipe
from recipes._lab.lab import Lab, Options

ZERO, MEAN, STANDARDIZED = recipe.ARMS


def test_every_patient_is_in_one_part_and_inputs_are_standardized_by_the_first():
    parts = recipe.diabetes(0)
    assert [x.shape for x, _ in parts] == [(242, 10), (100, 10), (100, 10)]
    x, _ = parts[0]
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0)], [[0] * 10, [1] * 10], atol=1e-9)
    targets = np.concatenate([y for _, y in parts])
    assert targets.mean() == pytest.approx(152.13, abs=0.01)
    assert not np.array_equal(recipe.diabetes(1)[0][1], parts[0][1])


def test_the_last_bias_starts_at_the_mean_and_the_rest_is_as_it_was():
    models = []
    for mean in (0, 50):
        keras.utils.set_random_seed(0)
        models.append(recipe.build_model((3,), target_mean=mean))
    *rest, bias = zip(*(model.get_weights() for model in models), strict=True)
    assert np.ravel(bias).tolist() == [0, 50]
    for zero, fifty in rest:
        np.testing.assert_array_equal(zero, fifty)


def test_a_model_whose_variables_are_set_back_trains_as_if_it_were_new():
    model, rng = recipe.build_model((3,)), np.random.default_rng(0)
    initial = [variable.numpy() for variable in recipe.changing(model)]
    x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    ends = []
    for _ in range(2):
        for variable, value in zip(recipe.changing(model), initial, strict=True):
            variable.assign(value)
        assert sum(1 for _ in recipe.fit_batches(model, x, y, 3)) == 4
        ends.append([variable.numpy() for variable in recipe.changing(model)])
    for first, second in zip(*ends, strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(ends[0][0], initial[0])


class Constant:
    """A model that predicts 0, then 1 more after every batch of training."""

    targets, value = [], 0.0

    def train_on_batch(self, x, y):
        self.targets.append(y)
        self.value += 1

    def predict_on_batch(self, x):
        return np.full((len(x), 1), self.value)


@pytest.mark.parametrize("standardize", [False, True])
def test_errors_are_shares_of_those_of_the_mean(standardize):
    """The training mean is 4, its standard deviation 2; 4 is 2 away from the other targets."""
    x = np.zeros((2, 1))
    parts = [(x, np.array([2.0, 6.0])), (x, np.array([6.0, 6.0])), (x, np.array([2.0, 2.0]))]
    model = Constant()
    model.targets = []
    found = recipe.learning_curves(model, parts, 2, standardize)
    # Predicted are 0, 1, 2; or 4, 6, 8.
    expected = [[100, 0, 100], [100, 200, 300]] if standardize else [[300, 250, 200], [100, 50, 0]]
    np.testing.assert_allclose(found, expected)
    assert sorted(model.targets[0]) == ([-1, 1] if standardize else [2, 6])


@pytest.fixture
def judged(monkeypatch):
    """`judged(curves)` runs the recipe on made-up curves: `{arm: (first error, later errors)}`."""

    def run(curves):
        noise = iter(np.random.default_rng(0).normal(0, 0.1, 6 * len(recipe.VARIANTS)))

        def learning_curves(model, parts, epochs, standardize):
            bias = float(model.get_layer("output").bias[0])
            assert bias == pytest.approx(parts[0][1].mean()) or bias == 0
            arm = STANDARDIZED if standardize else MEAN if bias else ZERO
            first, later = curves[arm]
            # The rate of 0.01 is the best one on validation data.
            slow = 0 if np.isclose(model.optimizer.learning_rate, 0.01) else 5
            curve = np.array([first] + [later + slow] * epochs)
            return np.stack([curve, curve + next(noise)])

        monkeypatch.setattr(recipe, "learning_curves", learning_curves)
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_bias_and_standardizing_help_every_claim_holds(judged):
    found = judged({ZERO: (220, 90), MEAN: (100, 80), STANDARDIZED: (150, 81)})
    assert [verdict for verdict, _ in found] == ["holds"] * 4
    assert [estimate for _, estimate in found[1:]] == [220 - 100, 90 - 80, 81 - 80]


def test_where_they_do_not_none_does(judged):
    found = judged({ZERO: (100, 80), MEAN: (220, 90), STANDARDIZED: (150, 60)})
    assert [verdict for verdict, _ in found] == ["does not hold"] * 4
