"""The recipe weight_init_activations: its measures by value, its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import weight_init_activations as recipe
from recipes._lab.lab import Lab, Options

SIGMOID, TANH = "sigmoid", "tanh"


def test_the_share_of_saturated_outputs():
    # Slopes are s (1 - s), at most 1/4, and 1 - t^2, at most 1: a tenth is at .0257 and .9487.
    outputs = np.array([[[0.02, 0.03, 0.5, 0.98]], [[0.5, 0.5, 0.5, 0.99]]])
    np.testing.assert_allclose(recipe.saturated(outputs, SIGMOID), [50, 25])
    outputs = np.array([[[-0.95, -0.94, 0, 0.96]]])
    np.testing.assert_allclose(recipe.saturated(outputs, TANH), [50])


def test_the_spread_is_over_examples_and_units():
    values = np.array([[[1.0, -1.0], [1.0, -1.0]], [[0.01, 0.01], [-0.01, -0.01]]])
    np.testing.assert_allclose(recipe.spread(values), [0, -2])


@pytest.mark.parametrize(
    ("name", "deviations"),
    [
        ("std .01", (0.01, 0.01, 0.01)),
        ("Xavier", (1 / 20, 1 / 10, 1 / 10)),
        ("Glorot", (np.sqrt(2 / 500), 1 / 10, np.sqrt(2 / 110))),
        ("He", (np.sqrt(2 / 400), np.sqrt(2 / 100), np.sqrt(2 / 100))),
    ],
)
def test_the_initial_weights(name, deviations):
    keras.utils.set_random_seed(0)
    model = recipe.build_model((400,), 10, **recipe.VARIANTS[TANH, name])
    found = [model.get_layer(layer).kernel.numpy().std() for layer in ("h1", "h5", "softmax")]
    assert found == pytest.approx(deviations, rel=0.05)


class MadeUpModels:
    """Eight models whose outputs and gradients are given as a power of ten for each layer."""

    def __init__(self, outputs, gradients):
        self._outputs, self._gradients = outputs, gradients

    def _spread(self, powers):
        signs = np.array([[[1.0, -1.0]]]) * np.ones((8, 2, 1))
        return [10**power * signs for power in powers]

    def outputs(self, x):
        return {f"h{n}_act": 0.25 + o for n, o in enumerate(self._spread(self._outputs), 1)}

    def gradients(self, split):
        return {f"h{n}/kernel": g for n, g in enumerate(self._spread(self._gradients), 1)}


@pytest.fixture
def verdicts(made_up):
    """`verdicts(models)` runs the recipe on made-up models, `{key: MadeUpModels}`."""

    def run(models):
        class MadeUpLab(Lab):
            def data(self, examples):
                return types.SimpleNamespace(train=types.SimpleNamespace(x=None))

            def train(self, build_model, variants, data, *, epochs, record):
                assert record == [0]
                self.results = made_up({key: [{"accuracy": [0.1, 0.1]}] * 8 for key in variants})
                self.results.models = lambda key, epoch: models(*key)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-gradients.png"]
        return [claim.verdict for claim in lab.claims]

    return run


LEVEL, FALLING, RISING = [0.0] * 5, [0.0, -1, -2, -3, -4], [-4.0, -3, -2, -1, 0]


def test_where_the_textbooks_are_right_every_claim_holds(verdicts):
    def models(function, name):
        if name in ("std 1", "std .01"):
            return MadeUpModels([1.0] * 5, RISING)  # about +10 and -10, which is saturated
        return MadeUpModels(LEVEL, LEVEL)

    assert verdicts(models) == ["holds"] * 4


def test_where_they_are_wrong_none_does(verdicts):
    def models(function, name):
        if name in ("std 1", "std .01"):
            return MadeUpModels([-1.0] * 5, LEVEL)
        return MadeUpModels(FALLING, RISING)

    assert verdicts(models) == ["does not hold"] * 4


def test_sigmoids_alone_that_saturate_are_not_enough(verdicts):
    def models(function, name):
        far = 1.0 if function == SIGMOID else -1.0
        return MadeUpModels([far] * 5 if name == "std 1" else LEVEL, LEVEL)

    assert verdicts(models)[0] == "does not hold"
