"""The recipe bn_gamma_beta: its networks and measures by value, its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import bn_gamma_beta as recipe
from recipes._lab.lab import Lab, Options

NETWORKS = [
    (activation, arm) for activation in ("sigmoid", "ReLU") for arm in ("gamma and beta", "neither")
]


@pytest.mark.parametrize("network", NETWORKS)
def test_the_layers_of_each_network(network):
    model = recipe.build_model((64,), 10, **recipe.VARIANTS[*network, 0.5])
    names = [f"h{n}{part}" for n in range(1, 6) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    activation = {"ReLU": "relu", "sigmoid": "sigmoid"}[network[0]]
    learns = network[1] != "neither"
    for n in range(1, 6):
        norm = model.get_layer(f"h{n}_bn")
        assert (norm.center, norm.scale, norm.momentum) == (learns, learns, 0.9)
        assert model.get_layer(f"h{n}_act").activation is getattr(keras.activations, activation)
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.5)


def test_the_arms_of_the_spiral():
    """Without noise an arm starts at its own angle and turns by 4 radians up to radius 1."""
    radii = np.array([0.25, 0.5, 1.0, 0.5])
    random = types.SimpleNamespace(uniform=lambda *_: radii, normal=lambda *_: np.zeros(4))
    x, y = recipe.spirals(np.array([0, 1, 5, 9]), random)
    assert y.tolist() == [0, 1, 2, 0]
    np.testing.assert_allclose(np.hypot(*x.T), radii)
    angles = np.arctan2(x[:, 0], x[:, 1])
    expected = np.array([0, 1, 5, 9]) * 2 * np.pi / 3 + 4 * radii
    np.testing.assert_allclose(np.exp(1j * angles), np.exp(1j * expected))


def test_straightness():
    x = np.array([-1.0, 0, 1])[None, :, None] * np.ones((2, 1, 2))
    y = np.concatenate([3 * x[..., :1] + 1, np.maximum(x[..., 1:], 0)], axis=2)  # a line, a ReLU
    y[1] = 1  # constant, as units that are saturated
    outputs = {f"h{n}_{name}": of for n in range(1, 6) for name, of in (("bn", x), ("act", y))}
    models = types.SimpleNamespace(outputs=lambda x: outputs)
    # The ReLU's outputs 0, 0, 1 have a correlation of sqrt(3) / 2 with -1, 0, 1.
    np.testing.assert_allclose(recipe.straightness(models, None), [87.5, 0], atol=1e-9)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(best, straight)` runs the recipe on made-up numbers.

    Args:
        best: test accuracy in % at the best rate, of each network.
        straight: straightness of the sigmoids without gamma and beta in %.
    """

    def run(best, straight):
        best = dict(zip(NETWORKS, best, strict=True))

        def runs(activation, arm, rate):
            high = best[activation, arm] / 100 if rate == 0.5 else 0.3
            noise = np.random.default_rng(0).normal(0, 1e-3, 6)
            return [{"accuracy": [0.1, high], "test_accuracy": high + n} for n in noise]

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, watch):
                assert (build_model, variants) == (recipe.build_model, recipe.VARIANTS)
                assert data.input_shape == (2,)
                self.results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                self.results.models = lambda key: key
                return self.results

        def straightness(key, x):
            assert key == ("sigmoid", "neither", 0.5)  # the best rate
            return [straight] * 6

        monkeypatch.setattr(recipe, "straightness", straightness)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_sigmoids_need_them_and_relu_does_not_every_claim_holds(judged):
    found = judged(best=[98, 60, 98, 97.8], straight=99)
    assert found == [("holds", n) for n in (38, 4, 0)]


def test_where_it_is_the_other_way_round_none_does(judged):
    found = judged(best=[60, 98, 98, 80], straight=80)
    assert found == [("does not hold", n) for n in (-38, -15, -18)]
