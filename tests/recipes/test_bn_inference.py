"""The recipe bn_inference: its models and helpers by value, and its claims on made-up numbers."""

import functools
import types

import keras
import numpy as np
import pytest

from recipes import bn_inference
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


@pytest.mark.parametrize("momentum", [0.9, 0.99, 0.999])
def test_the_layers_of_each_variant(momentum):
    arguments = bn_inference.VARIANTS[f"momentum {momentum:g}"]
    model = bn_inference.build_model((7,), 3, **arguments)
    expected = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*expected, "dropout", "softmax"]
    for n in (1, 2, 3):
        layer = model.get_layer(f"h{n}_bn")
        assert (layer.momentum, layer.epsilon) == (momentum, 1e-5)
    assert model.get_layer("dropout").rate == 0
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.1)


def test_corrected_averages_of_constant_statistics_are_these_statistics():
    left = 0.9**7  # of the initial 0 and 1
    weights = {
        "h1/kernel": np.array([2.0]),
        "h1_bn/moving_mean": np.array([3 * (1 - left)]),
        "h1_bn/moving_variance": np.array([5 * (1 - left) + left]),
    }
    bn_inference.correct(weights, 0.9, 7)
    assert {name: float(w[0]) for name, w in weights.items()} == pytest.approx(
        {"h1/kernel": 2, "h1_bn/moving_mean": 3, "h1_bn/moving_variance": 5}
    )


def test_usable_is_the_step_after_the_last_that_loses_too_much():
    lost = np.array([[9, 3, 2, 1], [1, 9, 0, 0], [0, 0, 0, 0], [9, 0, 0, 3]])
    assert bn_inference.usable_from([5, 10, 20, 40], lost).tolist() == [20, 20, 5, 40]


def test_the_averages_of_keras_are_found_right_and_others_wrong(monkeypatch):
    x = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    assert bn_inference.error_of_averages(x, seed=1) < 1e-5
    other = functools.partial(keras.layers.BatchNormalization, synchronized=False)
    monkeypatch.setattr(
        keras.layers, "BatchNormalization", lambda momentum: other(momentum=momentum + 0.01)
    )
    assert bn_inference.error_of_averages(x, seed=1) > 0.01


def test_what_single_examples_change():
    """A model that adds the batch's mean to its outputs, and forgets at each call in training."""
    calls = []

    def model(x, training):
        calls.append(training)
        if training:
            return np.full((1, 2), len(calls) % 2)  # 0 or 1
        wrong = sum(calls) > 0
        return (x[:, ::-1] if wrong else x) + 0.25 * (len(x) == 20)

    x = np.tile([[1.0, 0.0]], (30, 1))
    y = np.array([0] * 27 + [1] * 3)
    changed, spread, cost = bn_inference.one_by_one(model, x, y)
    assert (changed, spread, cost) == (0.25, 1, pytest.approx(90 - 10))
    assert sum(calls) == 20


def test_the_claims_of_made_up_histories(hand_made, monkeypatch):
    """Of 100 examples 90 are answered right by batches, some fewer by averages at early steps."""
    steps = {"momentum 0.9": 10, "momentum 0.99": 150, "momentum 0.999": 1500}

    def models(variant, epoch):
        def predict(x, training=False):
            corrected = made.weights["h1_bn/moving_mean"] != 1
            late = 5 * epoch >= steps[variant]
            right = 90 if training else 89 if corrected else 88 if late else 60
            return np.stack([np.eye(2)[(np.arange(100) >= right).astype(int)]] * 6)

        made = types.SimpleNamespace(weights={"h1_bn/moving_mean": 1.0}, predict=predict)
        return made

    class MadeUpLab(Lab):
        def data(self, examples):
            assert examples == 500
            train, test = (Split(np.zeros((n, 7)), np.zeros(n, int)) for n in (500, 100))
            return Dataset("made up", ("a", "b"), train, test, test)

        def train(self, build_model, variants, data, *, epochs, batch_size, record):
            assert (epochs, batch_size, record[-1]) == (400, 100, 400)
            histories = hand_made({v: [{"accuracy": [0, 1]}] * 6 for v in variants})
            histories.models, histories.recorded = models, lambda _: list(record)
            histories.model = lambda variant, seed: (variant, seed)
            return histories

    shown = {("momentum 0.9", seed): (1e-7, 2e-7, 9.5 + seed) for seed in range(6)}
    monkeypatch.setattr(bn_inference, "one_by_one", lambda model, x, y: shown[model])
    monkeypatch.setattr(bn_inference, "error_of_averages", lambda x, seed: 3e-7)
    lab = MadeUpLab(Options(), None, None, None)
    bn_inference.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, no = "holds", "does not hold"
    expected = [(yes, 1e-7), (yes, 3e-7), (yes, 2e-7), (yes, 2), (no, 30), (no, 30), (yes, 1)]
    expected += [(yes, 150 - 10), (yes, 1500 - 150), (yes, 12)]
    assert found == [(verdict, pytest.approx(number)) for verdict, number in expected]
    assert [n for n in range(10) if "after 100 steps" in lab.claims[n].text] == [3, 4, 5, 6]
    assert list(lab.figures) == ["figure.png"]
