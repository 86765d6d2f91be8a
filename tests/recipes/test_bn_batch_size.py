"""The recipe bn_batch_size: its models and its noise by value, its claims on made-up numbers."""

import keras
import numpy as np
import pytest

from recipes import bn_batch_size
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

ARMS = {
    "no normalization": (None, ""),
    "BN": (keras.layers.BatchNormalization, "_bn"),
    "LayerNorm": (keras.layers.LayerNormalization, "_ln"),
}


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("size", [2, 4, 8, 32])
def test_the_layers_of_each_variant(arm, size):
    arguments = dict(bn_batch_size.VARIANTS[f"{arm}, batch {size}"])
    assert arguments.pop("fit") == {"batch_size": size, "epochs": 10}
    model = bn_batch_size.build_model((7,), 3, **arguments)
    kind, ending = ARMS[arm]
    parts = ["", ending, "_act"] if kind else ["", "_act"]
    expected = [f"h{n}{part}" for n in (1, 2) for part in parts]
    assert [layer.name for layer in model.layers] == [*expected, "dropout", "softmax"]
    assert model.get_layer("dropout").rate == 0
    assert model.optimizer.gradient_accumulation_steps is None
    if kind:
        layer = model.get_layer(f"h2{ending}")
        assert type(layer) is kind
        assert layer.epsilon == 1e-5
    if arm == "BN":  # so that batches of any size add up to 512 examples in the averages
        assert layer.momentum == 1 - size / 512


@pytest.mark.parametrize(("size", "steps"), [(8, 16), (32, 4), (128, None)])
@pytest.mark.parametrize("rate", [0.1, 0.3, 1])
def test_ghost_batches_make_updates_of_128_examples(size, steps, rate):
    arguments = dict(bn_batch_size.GHOST_VARIANTS[f"ghost {size}, lr {rate:g}"])
    assert arguments.pop("fit") == {"batch_size": size, "epochs": 40}
    model = bn_batch_size.build_model((7,), 3, **arguments)
    assert model.optimizer.gradient_accumulation_steps == steps
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(rate)
    assert model.get_layer("h1_bn").momentum == 1 - size / 512


class Centred:
    """Two models that take the batch's mean away, one of them in other units."""

    def __init__(self):
        self.weights = {"h1/kernel": np.array([1.0, 10.0])}

    def outputs(self, x, training):
        assert training
        x = np.broadcast_to(x, (len(self.weights["h1/kernel"]), *x.shape[-2:]))
        scaled = x * self.weights["h1/kernel"][:, None, None]
        return {"h2_bn": scaled - scaled.mean(axis=1, keepdims=True), "softmax": None}

    def predict(self, x, training):
        return np.zeros((6, len(x), 3)) + 1e-7 * len(x)


def test_the_noise_of_a_mean_is_that_of_statistics():
    x = np.random.default_rng(1).normal(5, 3, (4000, 2))
    noise = bn_batch_size.noise_of(Centred(), x, (4, 16, 64), draws=4000)
    # The mean of n examples, one of which is given, varies by (n - 1) / n^2 of the variance.
    expected = [np.sqrt(n - 1) / n for n in (4, 16, 64)]
    np.testing.assert_allclose(noise, [expected] * 2, rtol=0.05)
    np.testing.assert_allclose(noise[0], noise[1])


def test_the_claims_of_made_up_histories(hand_made, monkeypatch):
    rng = np.random.default_rng(0)
    accuracy = {"no normalization, batch 2": 0.9, "BN, batch 2": 0.6, "BN, batch 32": 0.95}
    accuracy |= {"LayerNorm, batch 2": 0.93, "LayerNorm, batch 32": 0.92}
    accuracy |= {"ghost 8, lr 0.3": 0.97, "ghost 128, lr 1": 0.94}  # the best ones
    loss = {"ghost 8, lr 0.1": 0.2, "ghost 128, lr 0.1": 0.3}
    loss |= {"ghost 8, lr 0.3": 0.15, "ghost 128, lr 1": 0.1}

    def made_up(name):
        values = accuracy.get(name, 0.8) + rng.normal(0, 1e-4, 6)
        losses = loss.get(name, 0.5) + rng.normal(0, 1e-4, 6)
        return [{"accuracy": [0, v], "test_loss": z} for v, z in zip(values, losses, strict=True)]

    class MadeUpLab(Lab):
        def data(self, examples):
            part = Split(np.zeros((examples, 7)), np.zeros(examples, int))
            return Dataset("made up", ("a", "b"), part, part, part)

        def tune(self, build_model, variants, data, *, epochs, **_):
            assert (variants, epochs) == (bn_batch_size.VARIANTS, 10)
            return {v: arguments | {"learning_rate": 7} for v, arguments in variants.items()}

        def train(self, build_model, variants, data, **_):
            assert all(variants[v]["learning_rate"] == 7 for v in bn_batch_size.VARIANTS)
            self.histories = hand_made({v: made_up(v) for v in variants})
            self.histories.models = lambda variant: Centred()
            return self.histories

    noise = np.array(bn_batch_size.NOISE_SIZES) ** -0.45 * rng.uniform(1, 2, (6, 1))
    monkeypatch.setattr(bn_batch_size, "noise_of", lambda models, x, sizes: noise)
    lab = MadeUpLab(Options(), None, None, None)
    bn_batch_size.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, no = "holds", "does not hold"
    expected = [(yes, 30), (yes, 35), (yes, 1), (yes, 31e-7), (yes, 0.05)]
    expected += [(yes, 0.1), (no, -0.05), (yes, 3)]
    assert found == [(verdict, pytest.approx(n, abs=0.05 * abs(n))) for verdict, n in expected]
    assert list(lab.figures) == ["figure.png", "figure-ghost.png"]
