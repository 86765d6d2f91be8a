"""The recipe bayesian_search: its model and ranges by value, its helpers, signs of its claims."""

import types

import keras_tuner
import numpy as np
import pytest

from recipes import bayesian_search as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.tuning import halving, tuner
from recipes._lab.tuning.oracles import make_oracle

WIDE, CHOSEN = recipe.RANGES
RANDOM, BAYESIAN = recipe.ORACLES


def lab_of(kind=Lab):
    return kind(Options(), None, None, None)


def test_the_layers_and_numbers():
    model = recipe.build_model((5,), 3, dropout=0.4, momentum=0.7, learning_rate=0.2)
    names = ["h1", "h1_bn", "h1_act", "h2", "h2_bn", "h2_act", "dropout", "softmax"]
    assert [layer.name for layer in model.layers] == names
    assert model.get_layer("dropout").rate == 0.4
    assert model.optimizer.momentum == 0.7
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("ranges", "dropout", "distance", "rate"),
    [(WIDE, 0.9, (1e-3, 0.1), (1e-6, 10.0)), (CHOSEN, 0.5, (1e-2, 0.1), (1e-3, 1.0))],
)
def test_the_ranges(ranges, dropout, distance, rate):
    hp = keras_tuner.HyperParameters()
    hp.Fixed("one_minus_momentum", 0.02)
    model = recipe.build_tunable(hp, (5,), 3, **recipe.RANGES[ranges])
    assert model.optimizer.momentum == pytest.approx(0.98)
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3, **recipe.RANGES[ranges])
    found = {p.name: (p.min_value, p.max_value, p.sampling) for p in hp.space}
    assert found == {
        "dropout": (0.0, dropout, "linear"),
        "one_minus_momentum": (*map(pytest.approx, distance), "log"),
        "learning_rate": (*rate, "log"),
    }


def test_helpers_by_hand():
    search = types.SimpleNamespace(val_accuracy=np.array([0.5, 0.3, 0.7, 0.6]))
    assert recipe.best_so_far(search) == pytest.approx([50, 50, 70, 70])
    goals = {40: 1, 50: 1, 60: 3, 71: 4}  # never: all of them
    assert {goal: recipe.trials_to(search, goal) for goal in goals} == goals


@pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:getName:DeprecationWarning")
def test_both_kinds_begin_with_the_same_nine_trials_and_then_part():
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3)
    drawn = {}
    for kind in ("random", "bayesian"):
        made = tuner.PopulationTuner(
            make_oracle(kind, 10, seed=3, space=hp),
            recipe.build_tunable,
            None,
            epochs=1,
            batch=1,
        )
        drawn[kind] = []
        for score in np.linspace(0.3, 0.9, 10):
            (trial,) = made.ask()
            drawn[kind].append(trial.hyperparameters.values)
            made.oracle.update_trial(trial.trial_id, {"val_accuracy": score})
            trial.status = "COMPLETED"
            made.oracle.end_trial(trial)
    same = [a == b for a, b in zip(drawn["random"], drawn["bayesian"], strict=True)]
    assert same == [True] * 9 + [False]


def test_the_claims_of_made_up_searches():
    """The last trial of each wins; in wide ranges Bayesian searches reach .8 a trial earlier."""
    rng = np.random.default_rng(0)
    scores = {  # in 5 trials, on validation
        (RANDOM, WIDE): [0.0, 0.2, 0.4, 0.7, 0.8],
        (BAYESIAN, WIDE): [0.0, 0.5, 0.6, 0.8, 0.9],
        (RANDOM, CHOSEN): [0.8, 0.8, 0.8, 0.8, 0.95],
        (BAYESIAN, CHOSEN): [0.8, 0.8, 0.8, 0.8, 0.97],
    }
    asked = {}

    class MadeUpLab(Lab):
        def search(self, build_tunable, data, *, name, **plan):
            asked[name] = plan, build_tunable.keywords
            val = np.array(scores[recipe.VARIANTS[name]])
            test = val - 0.1 + rng.normal(0, 1e-6, 5)
            found = types.SimpleNamespace(val_accuracy=val, test_accuracy=test, best=4)
            return [found] * 10

    lab = lab_of(MadeUpLab)
    recipe.run(lab)
    same = {"trials": 25, "epochs": 10, "repetitions": 10}
    kinds = {RANDOM: {"oracle": "random"}, BAYESIAN: {"oracle": "bayesian", "batch": 1}}
    assert asked == {
        f"{kind}, {ranges}": (same | kinds[kind], recipe.RANGES[ranges])
        for kind, ranges in recipe.VARIANTS.values()
    }
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([10, 1, 20, -2, 5], abs=1e-3)
    verdicts = [claim.judgement.verdict for claim in lab.claims]
    assert verdicts == ["holds"] * 3 + ["does not hold", "holds"]
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 4
    assert list(lab.figures) == ["figure.png", "figure-each.png"]


def test_the_lab_passes_on_how_many_trials_are_asked_for_at_once(monkeypatch):
    asked = []
    monkeypatch.setattr(tuner, "PopulationTuner", lambda *_, batch, **__: asked.append(batch))
    monkeypatch.setattr(halving, "search_in_stages", lambda make, *_: ([make(None, 0, 0)], None))
    monkeypatch.setattr(tuner, "Searched", lambda stages: stages)
    lab = lab_of()
    for options in ({"batch": 1, "name": "one by one"}, {}):
        lab.search(recipe.build_tunable, lab.data(), trials=5, epochs=1, **options)
    assert asked == [1, None]
