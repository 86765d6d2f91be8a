"""The recipe activation_functions: its models by value, dead units counted, signs of its claims."""

import functools

import keras
import numpy as np
import pytest

from recipes import activation_functions
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.histories import Histories
from recipes._lab.lab import Options
from recipes._lab.training import architecture
from recipes._lab.training.members import Member, Result


def test_the_variants_are_plain_nets_of_every_activation_and_rate():
    assert len(activation_functions.VARIANTS) == 42
    rates = [10 ** (n / 3 - 2) for n in range(7)]
    functions = {
        "sigmoid": keras.activations.sigmoid,
        "tanh": keras.activations.tanh,
        "ReLU": keras.activations.relu,
        "leaky ReLU": keras.activations.leaky_relu,
        "ELU": keras.activations.elu,
        "GELU": keras.activations.gelu,
    }
    for activation, function in functions.items():
        for rate in rates:
            arguments = activation_functions.VARIANTS[f"{activation}, lr {rate:.2g}"]
            assert arguments["learning_rate"] == pytest.approx(rate)
        model = activation_functions.build_model((5,), 3, **arguments)
        hidden = [name for n in range(1, 9) for name in (f"h{n}", f"h{n}_act")]
        assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
        for n in range(8):
            assert model.layers[2 * n].units == 100
            assert type(model.layers[2 * n].kernel_initializer) is keras.initializers.HeNormal
            assert model.layers[2 * n + 1].activation is function


def test_normalization_stands_before_the_activation():
    names = [layer.name for layer in activation_functions.build_model().layers]
    assert names[:6] == ["h1", "h1_bn", "h1_act", "h2", "h2_bn", "h2_act"]


@pytest.fixture
def trained():
    """Two ReLU nets of positive weights with 50 units of the third layer shut; one diverged."""
    arguments = {"activation": "relu", "batch_norm": False}
    build = functools.partial(activation_functions.build_model, (5,), 3, **arguments)
    model = build()
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.01 if "kernel" in weight.path else 0.0))
    model.get_layer("h3").bias.assign(np.r_[np.full(50, -1e3), np.zeros(50)])
    weights = [weight.numpy() for weight in model.weights]
    members, results = {}, {}
    for seed, loss in enumerate([[1.0, 0.5], [1.0, np.nan]]):
        member = Member("ReLU", build, architecture.read(build), seed, None, 1)
        history = {"loss": np.array(loss), "accuracy": np.array([0.1, 0.2])}
        members["ReLU", seed] = member
        results["ReLU", seed] = Result(history, {}, 1, weights)
    return Histories(members, results)


def test_a_dead_unit_is_zero_for_all_inputs(trained):
    x = np.random.default_rng(0).uniform(size=(20, 5)).astype(np.float32)
    dead = activation_functions.dead_units(trained, "ReLU", x)
    np.testing.assert_allclose(dead, [100 * 50 / 800, np.nan])
    # A unit that a single input wakes is alive.
    trained.results["ReLU", 0].weights[1][:30] = -1.0
    assert activation_functions.dead_units(trained, "ReLU", x)[0] == 100 * 80 / 800
    x[7] = 1000.0
    assert activation_functions.dead_units(trained, "ReLU", x)[0] == 100 * 50 / 800


def test_the_claims_of_made_up_runs(hand_made, monkeypatch):
    """Each activation is best at lr .1, tanh leads, and ReLU dies from .46 on and diverges at 1."""
    ends = {"sigmoid": 0.1, "tanh": 0.98, "ReLU": 0.95, "leaky ReLU": 0.95}
    dead = {0.01: 9, 0.022: 8, 0.046: 5, 0.1: 2, 0.22: 6, 0.46: 30, 1.0: np.nan}

    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, **_):
            made = {}
            for name in variants:
                activation, rate = name.split(", lr ")
                end = ends.get(activation, 0.96) - 0.01 * (float(rate) != 0.1)
                run = {"accuracy": np.r_[0.1, np.linspace(0.1, end, 20)], "test_accuracy": end}
                made[name] = [run] * 6
            self.histories = hand_made(made, chance=0.1, classes=10)
            return self.histories

    def dead_units(histories, variant, x):
        activation, rate = variant.split(", lr ")
        assert len(x) == 1000
        return np.full(6, dead[float(rate)] if activation == "ReLU" else 0.0)

    monkeypatch.setattr(activation_functions, "dead_units", dead_units)
    lab = MadeUpLab(Options(), None, None, None)
    activation_functions.run(lab)
    found = [claim.judgement.estimate for claim in lab.claims]
    assert found == pytest.approx(
        [10 - 100 * 36 / 359, 85, -3, 4, -1.5, 0.5, 30 - 2, 30 - 9, 0], abs=1e-9
    )
    holds, fails = "holds", "does not hold"
    verdicts = [claim.judgement.verdict for claim in lab.claims]
    assert verdicts == [holds, holds, fails, holds, fails, holds, holds, holds, holds]
    accuracy = {
        row: 100 * lab.histories.final("test_accuracy", *key).mean()
        for row, key in lab.rows.items()
    }
    assert list(accuracy.items())[:3] == [
        ("sigmoid (best)", pytest.approx(10)),
        ("tanh (best)", pytest.approx(98)),
        ("ReLU (best)", pytest.approx(95)),
    ]
