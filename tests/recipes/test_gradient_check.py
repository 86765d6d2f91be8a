"""The recipe gradient_check: its differences by value, and its claims on planted errors."""

import keras
import numpy as np
import pytest

from recipes import gradient_check as recipe
from recipes._lab.lab import Lab, Options

FLOAT64, FLOAT32 = recipe.FLOAT64, recipe.FLOAT32


def test_a_quotient_is_that_of_one_weight_which_is_as_it_was():
    kernel = keras.Variable(np.array([[1.0, 2.0], [3.0, 4.0]]), dtype="float64")

    def cubed():
        return np.sum(kernel.numpy() ** 3)

    assert recipe.quotient(cubed, kernel, 1, (0.1, -0.1)) == pytest.approx(3 * 2**2 + 0.1**2)
    assert recipe.quotient(cubed, kernel, 3, (0.1, 0)) == pytest.approx(3 * 4**2 + 1.2 + 0.1**2)
    assert kernel.numpy().tolist() == [[1, 2], [3, 4]]


def test_the_relative_error_is_that_of_the_notes():
    found = recipe.relative_error(np.array([1.0, -2.0, 5.0]), np.array([1.1, 2.0, 5.0]))
    np.testing.assert_allclose(found, [0.1 / 1.1, 2, 1e-17])


def test_the_planted_tanh_is_right_forward_and_wrong_backward():
    import tensorflow as tf

    x = tf.Variable([0.5, -2.0])
    with tf.GradientTape() as tape:
        y = recipe.wrong_tanh(x)
    np.testing.assert_allclose(y, np.tanh([0.5, -2.0]), rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(y, x), 1 - np.tanh([0.5, -2.0]), rtol=1e-5)


def test_keras_computes_right_gradients_and_the_policy_is_as_it_was():
    data = Lab(Options(), None, None, None).data(examples=20)
    model = recipe.model_of(FLOAT64, data)
    assert {weight.dtype for weight in model.trainable_weights} == {"float64"}
    assert keras.config.dtype_policy().name == "float32"
    x, y = data.train.x[0].astype("float64"), data.train.y[0]
    loss = recipe.loss_of(model)
    assert recipe.relative_errors(model, loss, x, y, (1e-5, -1e-5)).shape == (4, recipe.PLACES)
    assert np.median(recipe.relative_errors(model, loss, x, y, (1e-5, -1e-5))) < 1e-7


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(error)` runs the recipe on made-up errors, as functions of what is compared."""

    def run(right, one_sided, single, mistaken):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs):
                self.results = made_up({recipe.MODEL: [{"accuracy": [0.1, 0.9]}] * 6}, chance=0.1)
                self.results.model = lambda key, seed: keras.Sequential()
                return self.results

        def errors(model, loss, trained, data, ends):
            if model == "wrong":
                found = np.array(mistaken)
            else:
                found = np.full(4, {FLOAT64: right, FLOAT32: single}[model])
            if ends[1] == 0:
                found = found * one_sided
            noise = np.random.default_rng(0).lognormal(0, 0.1, (6, 4, 5))
            return found[:, np.newaxis] * noise

        def model_of(dtype, data, activation="tanh"):
            return dtype if activation == "tanh" else "wrong"

        monkeypatch.setattr(recipe, "model_of", model_of)
        monkeypatch.setattr(recipe, "loss_of", lambda model: None)
        monkeypatch.setattr(recipe, "errors", errors)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-layers.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_check_works_every_claim_holds(judged):
    mistaken = [0.5, 0.3, 1e-8, 1e-9]
    assert judged(1e-9, one_sided=1e4, single=0.01, mistaken=mistaken) == ["holds"] * 5


def test_where_it_does_not_none_does(judged):
    mistaken = [1e-8, 1e-8, 0.1, 0.1]
    assert judged(1e-6, one_sided=2, single=1e-5, mistaken=mistaken) == ["does not hold"] * 5
