"""The recipe coarse_to_fine: its ranges and thirds by value, its claims on planted effects."""

import keras_tuner
import numpy as np
import pytest

from recipes import coarse_to_fine as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.tuning.searches import Search, Searches

ONE, THREE = recipe.ONE, recipe.THREE


def test_the_wide_ranges():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("one_minus_momentum", 0.02)
    assert recipe.build_tunable(hp, (5,), 3).optimizer.momentum == pytest.approx(0.98)
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3)
    assert {p.name: (p.min_value, p.max_value, p.sampling) for p in hp.space} == {
        "weight_decay": (1e-8, 1e-4, "log"),
        "one_minus_momentum": (1e-3, 1e-1, "log"),
        "learning_rate": (1e-6, 10.0, "log"),
    }


def searched(validation, test):
    """Make up a search of these accuracies in %."""
    validation, test = np.array(validation, float), np.array(test, float)
    values = {"learning_rate": np.ones(len(test))}
    return Search(values, validation, test, None, int(validation.argmax()))


def test_the_stages_of_a_search():
    search = searched([30, 90, 50, 60, 70, 40], [1, 2, 3, 4, 5, 6])
    assert [recipe.best_of_stage(search, n) for n in range(3)] == [2, 4, 5]
    assert recipe.median_of_last_stage(search, 3) == 55  # of 70 and 40
    assert recipe.median_of_last_stage(search, 1) == 55  # of 50 and 60
    assert recipe.median_of_last_stage(search, 2) == 60  # of 60, 70 and 40


@pytest.fixture
def verdicts():
    """`verdicts(accuracies)` runs the recipe on searches of six trials each, on test as well."""

    def run(accuracies):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def search(self, build_tunable, variants, data, *, trials, stages, **plan):
                assert (trials, stages) == (36, {ONE: 1, THREE: 3})
                found = {}
                for key in variants:
                    noisy = [accuracies[key] + rng.normal(0, 0.1, 6) for _ in range(6)]
                    found[key] = [searched(scores, scores) for scores in noisy]
                return Searches(found)

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-trials.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_zooming_in_pays_every_claim_holds(verdicts):
    found = verdicts({ONE: [50, 80, 10, 20, 30, 40], THREE: [50, 80, 60, 70, 82, 90]})
    assert found == [("holds", 10), ("holds", 10), ("holds", 51)]


def test_where_it_leads_astray_none_does(verdicts):
    found = verdicts({ONE: [50, 80, 10, 85, 80, 70], THREE: [50, 80, 60, 70, 60, 60]})
    assert found == [("does not hold", -5), ("does not hold", -20), ("does not hold", -15)]
