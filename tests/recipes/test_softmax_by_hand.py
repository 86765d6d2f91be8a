"""The recipe softmax_by_hand: its layer by value, its claims on planted outputs."""

import types

import numpy as np
import pytest

from recipes import softmax_by_hand as recipe
from recipes._lab.lab import Lab, Options


def test_the_layer_has_the_weights_that_it_is_given():
    layer = recipe.softmax_layer(np.array([[0.0, 1.0]]), np.log([3.0, 1.0]))
    np.testing.assert_allclose(layer.predict(np.array([[0.0]]), verbose=0), [[0.75, 0.25]])
    odds = np.e / 3
    outputs = layer.predict(np.array([[1.0]]), verbose=0)
    np.testing.assert_allclose(outputs, [[1 / (1 + odds), odds / (1 + odds)]], rtol=1e-6)


@pytest.mark.parametrize(("label", "probability"), [(0, 0.75), (1, 0.25)])
def test_the_loss_and_its_gradient_by_differences(label, probability):
    def loss(logits):
        return recipe.loss_and_gradient(np.array(logits), label)[0]

    z = np.log([3.0, 1.0])
    assert loss(z) == pytest.approx(-np.log(probability))
    _, gradient = recipe.loss_and_gradient(z, label)
    slopes = [(loss(z + step) - loss(z - step)) / 2e-2 for step in 1e-2 * np.eye(2)]
    np.testing.assert_allclose(gradient, slopes, atol=1e-4)


@pytest.fixture
def verdicts(monkeypatch):
    """`verdicts(activation, loss, gradient)` runs the recipe on made-up functions of logits."""

    def run(activation, loss, gradient):
        def layer(kernel, bias):
            return types.SimpleNamespace(predict=lambda x, verbose: activation(x @ kernel + bias))

        def loss_and_gradient(logits, label):
            output = np.exp(logits)  # which sums to 1
            return loss(output[label]), gradient(output, np.eye(4)[label])

        monkeypatch.setattr(recipe, "softmax_layer", layer)
        monkeypatch.setattr(recipe, "loss_and_gradient", loss_and_gradient)
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        assert all(claim.any_data for claim in lab.claims)
        return [claim.verdict for claim in lab.claims]

    return run


def softmax(z):
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_where_the_course_is_right_every_claim_holds(verdicts):
    found = verdicts(softmax, lambda p: -np.log(p), lambda output, label: output - label)
    assert found == ["holds"] * 5


def test_where_it_is_wrong_none_does(verdicts):
    found = verdicts(np.tanh, lambda p: 1 - p, lambda output, label: label - output)
    assert found == ["does not hold"] * 5


def test_a_softmax_that_is_never_cold_is_no_hardmax(verdicts):
    found = verdicts(
        lambda z: softmax(np.minimum(z, 5)), lambda p: -np.log(p), lambda output, label: output
    )
    assert found == ["holds", "holds", "does not hold", "holds", "does not hold"]
