"""The recipe activation_functions: its scales and dead units by value, its claims where planted."""

import types

import keras
import numpy as np
import pytest

from recipes import activation_functions as recipe
from recipes._lab.lab import Lab, Options

SIGMOID, TANH, RELU, BEST, HIGH = recipe.SIGMOID, recipe.TANH, recipe.RELU, recipe.BEST, recipe.HIGH


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "ReLU"])
def test_the_networks(name):
    model = recipe.build_model((100,), 10, **recipe.VARIANTS[name, "best lr"] | {"init_gain": 3.0})
    kinds = [keras.layers.Dense, keras.layers.Activation] * 8
    assert [type(layer) for layer in model.layers[:-2]] == kinds  # and no normalization
    for n in range(1, 9):
        kernel = model.get_layer(f"h{n}").kernel.numpy()
        assert kernel.std() == pytest.approx(0.3, rel=0.05)
        assert model.get_layer(f"h{n}_act").activation is keras.activations.get(name.lower())


def test_the_default_scale_is_hes():
    kernel = recipe.build_model((1000,), 10).get_layer("h1").kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / 1000), rel=0.02)


def test_a_unit_is_dead_that_is_zero_for_all_inputs():
    alive = np.ones((2, 3, 4))
    outputs = {f"h{n}_act": alive.copy() for n in range(1, 9)}
    outputs["h3_act"][0, :, :2] = 0  # two of the 32 units of the first model
    outputs["h4_act"][1, 0, :] = 0  # for one example alone
    models = types.SimpleNamespace(outputs=lambda x: outputs)
    np.testing.assert_allclose(recipe.dead_units(models, None), [100 * 2 / 32, 0])


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(ends, dead)` runs the recipe on made-up final accuracies and dead units in %."""

    def run(ends, dead):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, **candidates):
                ((argument, values),) = candidates.items()
                assert {function for function, _ in variants} == set(values)
                return {key: of | {argument: values[key[0]][1]} for key, of in variants.items()}

            def train(self, build_model, variants, data, *, epochs):
                assert variants[RELU, HIGH]["learning_rate"] == pytest.approx(0.3)
                assert variants[RELU, HIGH]["init_gain"] == variants[RELU, BEST]["init_gain"]
                assert variants[SIGMOID, BEST]["init_gain"] == 8
                runs = {}
                for key in variants:
                    runs[key] = [
                        {"accuracy": [0.1, ends[key[0]] / 100 + noise]}
                        for noise in rng.normal(0, 0.002, 6)
                    ]
                self.results = made_up(runs, chance=0.1)
                self.results.models = lambda key: key
                return self.results

        noise = rng.normal(0, 0.1, 6)
        monkeypatch.setattr(recipe, "dead_units", lambda key, x: dead[key[1]] + noise)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-dead-units.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_notes_are_right_every_claim_holds(judged):
    ends = {SIGMOID: 93, TANH: 95, RELU: 98}
    noise = np.random.default_rng(1).normal(0, 0.1, 6)
    assert judged(ends, {BEST: 5, HIGH: 20 + noise}) == ["holds"] * 5


def test_where_they_are_wrong_none_does(judged):
    ends = {SIGMOID: 85, TANH: 84, RELU: 80}
    noise = np.random.default_rng(1).normal(0, 0.1, 6)
    assert judged(ends, {BEST: 5, HIGH: 2 + noise}) == ["does not hold"] * 5
