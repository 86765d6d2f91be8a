"""The recipe gradient_check: its differences by value, and its claims on planted errors."""

import keras
import numpy as np
import pytest

from recipes import gradient_check as recipe
from recipes._lab.lab import Lab, Options

FLOAT64, FLOAT32 = recipe.FLOAT64, recipe.FLOAT32


def test_a_quotient_is_that_of_one_weight_which_is_as_it_was():
    kernel = keras.Variable(np.array([[1.0, 2.0], [3.0, 4.0]]), dtype="float64")

    def cubed(factor):
        return factor * np.sum(kernel.numpy() ** 3)

    found = recipe.quotient(cubed, (2,), kernel, 1, 0.1)
    assert found == pytest.approx(2 * (3 * 2**2 + 0.1**2))
    assert kernel.numpy().tolist() == [[1, 2], [3, 4]]


def test_the_relative_error_is_that_of_the_notes(monkeypatch):
    numeric = {1: 1.1, 2: 2.0, 4: 5.0}  # by place
    monkeypatch.setattr(recipe, "PLACES", 3)
    monkeypatch.setattr(recipe, "quotient", lambda loss, batch, kernel, place, h: numeric[place])
    gradient = np.array([[0.0, 1.0], [-2.0, 0.0], [5.0, 0.0]])
    found = recipe.relative_errors(None, None, None, gradient, 1e-5)
    np.testing.assert_allclose(found, [0.1 / 1.1, 2, 1e-17], rtol=1e-6)


def test_the_planted_tanh_is_right_forward_and_wrong_backward():
    import tensorflow as tf

    x = tf.Variable([0.5, -2.0])
    with tf.GradientTape() as tape:
        y = recipe.wrong_tanh(x)
    np.testing.assert_allclose(y, np.tanh([0.5, -2.0]), rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(y, x), 1 - np.tanh([0.5, -2.0]), rtol=1e-5)


def test_keras_computes_right_gradients_and_the_policy_is_as_it_was():
    data = Lab(Options(seeds=1), None, None, None).data(examples=20)
    model = recipe.model_of(FLOAT64, data)
    assert {weight.dtype for weight in model.trainable_weights} == {"float64"}
    assert keras.config.dtype_policy().name == "float32"
    coarse, fine = recipe.check(model, [model.get_weights()], data, (0.1, 1e-5))
    assert fine.shape == (1, 4, recipe.PLACES)
    assert np.median(fine) < 1e-7 < np.median(coarse)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(...)` runs the recipe on made-up errors: of right gradients, and of wrong ones."""

    def run(right, single, mistaken):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs):
                self.results = made_up({recipe.MODEL: [{"accuracy": [0.1, 0.9]}] * 6}, chance=0.1)
                self.results.model = lambda key, seed: keras.Sequential()
                return self.results

        of_layers = {FLOAT64: [right] * 4, FLOAT32: [single] * 4, "wrong": mistaken}

        def check(model, weights, data, steps):
            noise = np.random.default_rng(0).lognormal(0, 0.1, (len(steps), 6, 4, 5))
            return np.array(of_layers[model])[:, np.newaxis] * noise

        def model_of(dtype, data, activation="tanh"):
            return dtype if activation == "tanh" else "wrong"

        monkeypatch.setattr(recipe, "model_of", model_of)
        monkeypatch.setattr(recipe, "check", check)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-layers.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_check_works_every_claim_holds(judged):
    assert judged(1e-9, single=0.01, mistaken=[0.5, 0.3, 1e-8, 1e-9]) == ["holds"] * 3


def test_where_it_does_not_none_does(judged):
    mistaken = [1e-8, 1e-8, 0.1, 0.1]
    assert judged(1e-6, single=1e-5, mistaken=mistaken) == ["does not hold"] * 3


def test_a_layer_behind_that_disagrees_is_no_evidence_of_the_place(judged):
    found = judged(1e-9, single=0.01, mistaken=[0.5, 0.3, 0.3, 1e-9])
    assert found == ["holds", "holds", "does not hold"]
