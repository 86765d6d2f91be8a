"""The recipe bn_placement: its networks and measures by value, its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import bn_placement as recipe
from recipes._lab.lab import Lab, Options

ORDER = {
    ("ReLU", "before"): ["", "_bn", "_act"],
    ("ReLU", "after"): ["", "_act", "_bn"],
    ("sigmoid", "gamma and beta"): ["", "_bn", "_act"],
    ("sigmoid", "neither"): ["", "_bn", "_act"],
}


@pytest.mark.parametrize("network", ORDER)
def test_the_layers_of_each_network(network):
    model = recipe.build_model((64,), 10, **recipe.VARIANTS[*network, 0.3])
    names = [f"h{n}{part}" for n in range(1, 6) for part in ORDER[network]]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    activation = {"ReLU": "relu", "sigmoid": "sigmoid"}[network[0]]
    learns = network[1] != "neither"
    for n in range(1, 6):
        norm = model.get_layer(f"h{n}_bn")
        assert (norm.center, norm.scale, norm.momentum) == (learns, learns, 0.9)
        assert model.get_layer(f"h{n}_act").activation is getattr(keras.activations, activation)
        assert model.get_layer(f"h{n}").use_bias  # whose redundancy is tested
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.3)


def test_what_is_pasted_has_no_bias_that_does_nothing():
    assert not any(recipe.build_model().get_layer(f"h{n}").use_bias for n in range(1, 6))


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


def test_largest_bias_is_that_of_hidden_layers_and_1_where_training_diverged():
    weights = {f"h{n}/bias": np.full((3, 2), 0.1 * n) for n in range(1, 6)}
    weights["h2/bias"][1, 1] = -4
    weights["h5/bias"][2, 0] = np.nan
    weights["softmax/bias"] = np.full((3, 2), 9.0)
    assert recipe.largest_bias(types.SimpleNamespace(weights=weights)).tolist() == [0.5, 4, 1]


def test_straightness():
    x = np.array([-1.0, 0, 1])[None, :, None] * np.ones((2, 1, 2))
    y = np.concatenate([3 * x[..., :1] + 1, np.abs(x[..., 1:])], axis=2)  # a line, and none
    y[1] = 1  # constant, as units that are saturated
    outputs = {f"h{n}_{name}": of for n in range(1, 6) for name, of in (("bn", x), ("act", y))}
    models = types.SimpleNamespace(outputs=lambda x: outputs)
    np.testing.assert_allclose(recipe.straightness(models, None), [50, 0], atol=1e-9)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(planted)` runs the recipe on (best accuracy, largest bias, straightness)."""

    def run(planted):
        def runs(activation, arm, rate):
            high = planted[activation, arm][0] / 100 if rate == 1.0 else 0.3
            noise = np.random.default_rng(0).normal(0, 1e-3, 6)
            return [{"accuracy": [0.1, high], "test_accuracy": high / 2 + n} for n in noise]

        class MadeUpLab(Lab):
            def data(self, examples):
                plane = types.SimpleNamespace(test=types.SimpleNamespace(x=None))
                return types.SimpleNamespace(map=lambda change: plane)

            def train(self, build_model, variants, data, *, epochs, evaluate_every, watch):
                assert (build_model, variants) == (recipe.build_model, recipe.VARIANTS)
                assert data.keys() == epochs.keys() == {"ReLU", "sigmoid"}
                self.results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                self.results.models = lambda key: types.SimpleNamespace(key=key[:-1])
                return self.results

        monkeypatch.setattr(recipe, "largest_bias", lambda models: [planted[models.key][1]] * 6)
        monkeypatch.setattr(recipe, "straightness", lambda models, x: [planted[models.key][2]] * 6)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-gamma.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 2)) for claim in lab.claims]

    return run


def test_where_everything_is_as_the_course_says_every_claim_holds(judged):
    planted = [(94, 1e-7, 0), (95, 1, 0), (98, 0, 80), (60, 0, 99)]
    found = judged(dict(zip(ORDER, planted, strict=True)))
    assert found == [("holds", n) for n in (-0.5, 0, 4, 15, 19)]


def test_where_it_is_not_none_does(judged):
    planted = [(90, 1e-3, 0), (98, 1, 0), (60, 0, 99), (98, 0, 80)]
    found = judged(dict(zip(ORDER, planted, strict=True)))
    assert found == [("does not hold", n) for n in (-4, 0, -15, -4, -19)]
