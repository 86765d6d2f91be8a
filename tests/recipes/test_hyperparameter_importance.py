"""The recipe hyperparameter_importance: its models and ranges, importances, signs of its claims."""

import types

import keras
import keras_tuner
import numpy as np
import pytest

from recipes import hyperparameter_importance as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

SGD, ADAM = recipe.VARIANTS


def test_the_layers_and_numbers():
    arguments = {"hidden_layers": 3, "units": 7, "learning_rate": 0.6, "momentum": 0.8}
    model = recipe.build_model((5,), 3, **arguments, decay=0.5, steps_per_epoch=4)
    hidden = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
    assert model.get_layer("h3").units == 7
    assert model.optimizer.momentum == 0.8
    # After two epochs of four steps the rate is halved: .6 / (1 + .5 x 2).
    rate = model.optimizer._learning_rate
    assert [float(rate(step)) for step in (0, 4, 8)] == pytest.approx([0.6, 0.4, 0.3])
    model = recipe.build_model((5,), 3, optimizer="Adam", batch_norm=False, beta_2=0.5, epsilon=0.1)
    assert not any(isinstance(layer, keras.layers.BatchNormalization) for layer in model.layers)
    rule = model.optimizer
    assert (rule.beta_1, rule.beta_2, rule.epsilon) == (0.9, 0.5, 0.1)


@pytest.mark.parametrize("name", recipe.VARIANTS)
def test_the_ranges(name):
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3, examples=500, **recipe.VARIANTS[name])
    ranges = {p.name: (p.min_value, p.max_value, p.sampling) for p in hp.space}
    shared = {
        "batch_size": (32, 128, "log"),
        "learning_rate": (1e-4, 1.0, "log"),
        "units": (50, 100, "linear"),
        "hidden_layers": (2, 4, "linear"),
        "decay": (0.01, 1.0, "log"),
    }
    own = {
        SGD: {"one_minus_momentum": (1e-3, 0.1, "log")},
        ADAM: {
            "one_minus_beta_1": (1e-3, 0.1, "log"),
            "one_minus_beta_2": (1e-4, 1e-2, "log"),
            "epsilon": (1e-10, 1e-6, "log"),
        },
    }
    assert ranges == shared | own[name]
    names = {h.removeprefix("one_minus_") for h in ranges}
    assert names <= {h for rank in recipe.RANKS.values() for h in rank}
    sizes = next(p for p in hp.space if p.name == "batch_size")
    assert {sizes.prob_to_value(p) for p in np.linspace(0, 0.999, 9)} == {32, 128}


def test_values_reach_the_model_and_an_epoch_has_as_many_steps_as_batches():
    hp = keras_tuner.HyperParameters()
    for name, value in {
        "batch_size": 128,
        "one_minus_beta_1": 0.02,
        "one_minus_beta_2": 3e-4,
    }.items():
        hp.Fixed(name, value)
    rule = recipe.build_tunable(hp, (5,), 3, examples=500, optimizer="Adam").optimizer
    assert (rule.beta_1, rule.beta_2) == (pytest.approx(0.98), pytest.approx(0.9997))
    assert rule._learning_rate.decay_steps == 3  # of 128 examples each


def made_up(score, names, repetitions=5, trials=30):
    """Searches whose scores follow from values between 0 and 1."""
    rng = np.random.default_rng(0)
    searches = []
    for _ in range(repetitions):
        values = {name: rng.random(trials) for name in names}
        searches.append(types.SimpleNamespace(values=values, val_accuracy=score(values)))
    return searches


def test_importances_tell_what_the_score_depends_on():
    score = lambda v: 0.2 + 0.3 * (v["a"] > 0.5) + 0.1 * (v["one_minus_b"] > 0.5)  # noqa: E731
    found = recipe.importances(made_up(score, ["a", "one_minus_b", "c"]), 0.1)
    assert list(found) == ["a", "b", "c"]
    # Of two equal halves, shuffling moves half of the trials by .3 or .1: the squared error grows
    # by .045 or .005, and the variance is .0225 + .0025.
    means = [of.mean() for of in found.values()]
    assert means == pytest.approx([1.8, 0.2, 0.0], abs=0.2)
    assert found["c"].shape == (5,)
    diverged = recipe.importances(made_up(lambda v: 0.1 * (v["a"] > 0.5), ["a", "c"]), 0.1)
    assert np.all([*diverged.values()] == np.zeros((2, 5)))  # zeros count at chance, as all do


def test_a_forest_has_not_seen_the_trials_that_it_is_asked_about():
    luck = np.random.default_rng(1)
    found = recipe.importances(made_up(lambda v: luck.random(30), ["a", "c"], repetitions=3), 0.0)
    assert all(of.mean() < 0.15 for of in found.values())  # .7 if it had


def test_a_single_repetition_is_asked_about_its_own_trials():
    found = recipe.importances(made_up(lambda v: v["a"] > 0.5, ["a", "c"], repetitions=1), 0.1)
    assert found["a"].shape == (1,)
    assert found["a"][0] > 1
    assert recipe.widened(found["a"]) == found["a"]


def test_widened_by_hand():
    # Five repetitions: 1 + 5 / 4 = 1.5 squared.
    assert recipe.widened(np.array([1.0, 2, 3, 4, 5])) == pytest.approx([0, 1.5, 3, 4.5, 6])


def test_the_claims_of_made_up_importances(monkeypatch):
    by_rank = {"first": 0.9, "second": 0.5, "third": 0.2, "never": 0.01}
    plans = []

    class MadeUpLab(Lab):
        def search(self, build_tunable, data, *, name, **plan):
            plans.append((name, plan, build_tunable.keywords))
            return name

    def importances(name, chance):
        wanted = {SGD: ("momentum",), ADAM: ("beta_1", "beta_2", "epsilon")}[name]
        own = {"momentum", *recipe.RANKS["never"]} - set(wanted)
        ripple = 1 + 1e-6 * np.arange(10)
        return {
            h: by_rank[rank] * ripple
            for rank, of in recipe.RANKS.items()
            for h in of
            if h not in own
        }

    monkeypatch.setattr(recipe, "importances", importances)
    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    plan = {"trials": 20, "epochs": 10, "repetitions": 10}
    kinds = {"examples": 500, "batch_norm": False}
    assert plans == [(SGD, plan, kinds), (ADAM, plan, kinds | {"optimizer": "Adam"})]
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([0.4, 0.4, 0.3, 0.3, 5, 0.03], abs=1e-4)
    assert {claim.judgement.verdict for claim in lab.claims} == {"holds"}
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 5
    assert list(lab.figures) == ["figure.png"]
