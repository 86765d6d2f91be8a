"""The recipe bayesian_search: its ranges and first trials, its claims on planted effects."""

import keras_tuner
import numpy as np
import pytest

from recipes import bayesian_search as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options
from recipes._lab.tuning import tuner
from recipes._lab.tuning.oracles import make_oracle
from recipes._lab.tuning.searches import Search, Searches

RANDOM, BAYESIAN, WIDE, CHOSEN = recipe.RANDOM, recipe.BAYESIAN, recipe.WIDE, recipe.CHOSEN


@pytest.mark.parametrize(
    ("ranges", "distance", "rate"),
    [(WIDE, (1e-3, 0.1), (1e-6, 10.0)), (CHOSEN, (1e-2, 0.1), (1e-3, 1.0))],
)
def test_the_ranges(ranges, distance, rate):
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3, **recipe.RANGES[ranges])
    assert {p.name: (p.min_value, p.max_value, p.sampling) for p in hp.space} == {
        "one_minus_momentum": (*distance, "log"),
        "learning_rate": (*rate, "log"),
    }


@pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:getName:DeprecationWarning")
def test_both_kinds_begin_with_the_same_six_trials_and_then_part():
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3)
    part = Split(np.zeros((3, 5), np.float32), np.arange(3, dtype=np.int32))
    data = Dataset("made up", tuple("abc"), part, part, part)
    drawn = {}
    for kind in ("random", "bayesian"):
        oracle = make_oracle(kind, 7, seed=3, space=hp)
        made = tuner.PopulationTuner(oracle, recipe.build_tunable, data, epochs=1, batch=1)
        drawn[kind] = []
        for score in np.linspace(0.3, 0.9, 7):
            (trial,) = made.ask()
            drawn[kind].append(trial.hyperparameters.values)
            made.oracle.update_trial(trial.trial_id, {"val_accuracy": score})
            trial.status = "COMPLETED"
            made.oracle.end_trial(trial)
    same = [a == b for a, b in zip(drawn["random"], drawn["bayesian"], strict=True)]
    assert same == [True] * 6 + [False]


def searched(accuracy):
    """Make up a search of these accuracies in %, on validation and on test."""
    accuracy = np.array(accuracy, float)
    return Search({"learning_rate": np.ones(4)}, accuracy, accuracy, None, int(accuracy.argmax()))


def test_the_median_of_later_trials():
    assert recipe.median_of_later(searched([5, 3, 8, 6])) == 7
    assert recipe.median_of_later(searched([5, 3, 8, 6, 2])) == 6


@pytest.fixture
def verdicts():
    """`verdicts(accuracies)` runs the recipe on searches of four trials each."""

    def run(accuracies):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def search(self, build_tunable, variants, data, *, trials, batch, **plan):
                assert (trials, batch[BAYESIAN]) == (16, 1)
                assert list(variants) == list(recipe.VARIANTS)
                return Searches(
                    {
                        key: [searched(of + rng.normal(0, 0.1, 4)) for _ in range(6)]
                        for key, of in accuracies.items()
                    }
                )

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-trials.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_bayesian_search_is_better_and_ranges_decide_every_claim_holds(verdicts):
    accuracies = {(RANDOM, WIDE): [10, 20, 30, 80], (BAYESIAN, WIDE): [10, 20, 80, 85]}
    accuracies |= {(RANDOM, CHOSEN): [80, 80, 90, 80], (BAYESIAN, CHOSEN): [80, 80, 90, 93]}
    assert verdicts(accuracies) == ["holds"] * 4


def test_where_random_search_is_better_and_ranges_do_harm_none_does(verdicts):
    accuracies = {(RANDOM, WIDE): [10, 20, 80, 99], (BAYESIAN, WIDE): [10, 20, 30, 85]}
    accuracies |= {(RANDOM, CHOSEN): [50, 50, 50, 82], (BAYESIAN, CHOSEN): [50, 50, 50, 70]}
    assert verdicts(accuracies) == ["does not hold"] * 4
