"""The recipe random_vs_grid: its grids by value, its claims where the effect is planted."""

import csv
import json
import zipfile

import keras_tuner
import numpy as np
import pytest

from recipes import random_vs_grid as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.tuning import searches
from recipes._lab.tuning.searches import Search, Searches

RANDOM, POWERS, PLACED = recipe.RANDOM, recipe.POWERS, recipe.PLACED


def test_weight_decay_is_the_optimizers():
    optimizer = recipe.build_model(weight_decay=0.02, learning_rate=0.3).optimizer
    assert (optimizer.weight_decay, float(optimizer.learning_rate)) == (0.02, pytest.approx(0.3))
    assert not recipe.build_model().losses


def test_random_and_grids_search_the_same_ranges():
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp)
    ranges = {p.name: (p.sampling, p.min_value, p.max_value) for p in hp.space}
    assert ranges == {"learning_rate": ("log", 1e-4, 1.0), "weight_decay": ("log", 1e-8, 1e-4)}


def logs_of(points):
    """Return the values of both hyperparameters in a grid as powers of ten, (2, 5)."""
    names = ("learning_rate", "weight_decay")
    columns = [np.log10([point[name] for point in points]) for name in names]
    assert len(set(zip(*columns, strict=True))) == 25
    return np.array([np.unique(column.round(9)) for column in columns])


def test_the_grids():
    fixed = logs_of(recipe.powers_of_ten(None))
    np.testing.assert_allclose(fixed, [[-4, -3, -2, -1, 0], [-8, -7, -6, -5, -4]])
    placed = np.array(
        [logs_of(recipe.placed_at_random(np.random.default_rng(n))) for n in range(200)]
    )
    np.testing.assert_allclose(np.diff(placed), 0.8)
    places = (placed[:, :, 0] - [-4, -8]) / 0.8
    assert 0 <= places.min() < 0.1 < 0.9 < places.max() < 1
    np.testing.assert_allclose(places.mean(axis=0), 0.5, atol=0.08)
    assert abs(np.corrcoef(places.T)[0, 1]) < 0.2  # an offset each


@pytest.fixture
def judged(monkeypatch):
    """`judged(best, decisive)` runs the recipe; the best test accuracies and what decides."""
    growth = searches.growth_of_error
    monkeypatch.setattr(searches, "growth_of_error", lambda *of, trees: growth(*of, trees=5))

    def run(best, decisive):
        rng = np.random.default_rng(0)

        def search(test):
            values = {name: rng.permutation(25) for name in ("learning_rate", "weight_decay")}
            accuracy = 50.0 + values[decisive]
            reported = np.where(accuracy == accuracy.max(), test + rng.normal(0, 0.1), 0.0)
            return Search(values, accuracy, reported, None, int(accuracy.argmax()))

        class MadeUpLab(Lab):
            def search(self, build_tunable, variants, data, *, trials, oracle, **plan):
                assert (trials, plan) == (25, {"epochs": 10, "batch_size": 20, "repetitions": 6})
                assert list(variants) == list(oracle) == list(best)
                return Searches(
                    {key: [search(test) for _ in range(6)] for key, test in best.items()}
                )

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-best.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_random_is_better_every_claim_holds(judged):
    assert judged({RANDOM: 95, POWERS: 92, PLACED: 93}, "learning_rate") == ["holds"] * 3


def test_where_it_is_worse_none_does(judged):
    best = {RANDOM: 92, POWERS: 95, PLACED: 94}
    assert judged(best, "weight_decay") == ["does not hold"] * 3


def test_less_than_a_point_makes_no_difference(judged):
    best = {RANDOM: 95.3, POWERS: 95, PLACED: 95}
    assert judged(best, "learning_rate") == ["makes no difference"] * 2 + ["holds"]


def test_the_best_trial_of_all_searches_is_saved(quick_run):
    run = quick_run("random_vs_grid")
    rows = [
        row
        for file in sorted(run.folder.glob("trials-*.csv"))
        for row in csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    ]
    best = max(float(row["val_accuracy"] or 0) for row in rows)
    with zipfile.ZipFile(run.out / "best.keras") as archive:
        about = json.loads(archive.read("recipe.json"))
    assert about["val_accuracy"] == best
    rates = [float(row["learning_rate"]) for row in rows if row["val_accuracy"] == repr(best)]
    assert about["hyperparameters"]["learning_rate"] in rates
