"""The recipe hyperparameter_importance: its models and ranges, its claims on planted effects."""

import keras
import keras_tuner
import numpy as np
import pytest

from recipes import hyperparameter_importance as recipe
from recipes._lab.lab import Lab, Options

SGD, ADAM = recipe.SGD, recipe.ADAM


def test_the_layers_and_numbers():
    model = recipe.build_model((5,), 3, hidden_layers=3, units=7, learning_rate=0.6, decay_steps=8)
    hidden = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
    assert model.get_layer("h3").units == 7
    rate = model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 4, 8)] == pytest.approx([0.6, 0.4, 0.3])
    arguments = {"optimizer": "Adam", "momentum": 0.8, "beta_2": 0.5, "epsilon": 0.1}
    adam = recipe.build_model((5,), 3, batch_norm=False, **arguments).optimizer
    assert type(adam) is keras.optimizers.Adam
    assert (adam.beta_1, adam.beta_2, adam.epsilon) == (0.8, 0.5, 0.1)


@pytest.mark.parametrize("name", recipe.VARIANTS)
def test_the_ranges(name):
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3, **recipe.VARIANTS[name])
    ranges = {p.name: (p.min_value, p.max_value, p.sampling) for p in hp.space}
    shared = {
        "learning_rate": (1e-4, 1.0, "log"),
        "one_minus_momentum": (1e-3, 0.1, "log"),
        "decay_steps": (10, 1000, "log"),
    }
    own = {
        SGD: {
            "units": (50, 100, "linear"),
            "hidden_layers": (2, 4, "linear"),
            "batch_size": (32, 128, "log"),
        },
        ADAM: {"one_minus_beta_2": (1e-4, 1e-2, "log"), "epsilon": (1e-10, 1e-6, "log")},
    }
    assert ranges == shared | own[name]
    ranked = {SGD: recipe.SECOND + recipe.THIRD, ADAM: ("decay_steps", *recipe.NEVER)}
    assert {"learning_rate", *ranked[name]} == set(ranges)
    places = np.linspace(0, 0.999, 9)
    drawn = {p.name: {p.prob_to_value(place) for place in places} for p in hp.space}
    assert drawn.get("batch_size", {32, 128}) == {32, 128}


@pytest.fixture
def judged():
    """`judged(importances)` runs the recipe on made-up importances, {(optimizer, name): mean}."""

    def run(importances):
        class Found:
            def importances(self):
                rng = np.random.default_rng(0)
                values = {key: mean + rng.normal(0, 0.005, 8) for key, mean in importances.items()}
                return lab.measure(values, "importance")

        class MadeUpLab(Lab):
            def search(self, build_tunable, variants, data, *, trials, epochs, repetitions):
                assert (variants, trials, repetitions) == (recipe.VARIANTS, 20, 6)
                return Found()

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, claim.judgement.estimate) for claim in lab.claims]

    return run


def by_rank(first, second, third, never):
    """Name importances by the course's ranks."""
    sgd = {"learning_rate": first}
    sgd |= dict.fromkeys(recipe.SECOND, second) | dict.fromkeys(recipe.THIRD, third)
    adam = {"learning_rate": first, "decay_steps": third} | dict.fromkeys(recipe.NEVER, never)
    return {(SGD, name): of for name, of in sgd.items()} | {
        (ADAM, name): of for name, of in adam.items()
    }


def test_in_the_courses_order_every_claim_holds(judged):
    found = judged(by_rank(0.9, 0.5, 0.2, 0.01))
    assert found == [("holds", 5), ("holds", 6), ("holds", 4), ("holds", 3)]


def test_in_the_opposite_order_none_does(judged):
    found = judged(by_rank(0.1, 0.2, 0.5, 0.9))
    assert [verdict for verdict, _ in found] == ["does not hold"] * 4


def test_one_pair_in_another_order_refutes_a_rank(judged):
    importances = by_rank(0.9, 0.5, 0.2, 0.01)
    importances[SGD, "units"] = 0.1
    assert judged(importances)[1] == ("does not hold", 4)
