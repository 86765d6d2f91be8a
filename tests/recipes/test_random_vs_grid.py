"""The recipe random_vs_grid: its model by value, its grids, signs of its claims, what it saves."""

import csv
import json
import types
import zipfile

import keras_tuner
import numpy as np
import pytest

from recipes import random_vs_grid
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


def test_normalization_can_be_left_out():
    names = [layer.name for layer in random_vs_grid.build_model((5,), 3).layers]
    parts = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert names == [*parts, "dropout", "softmax"]
    bare = random_vs_grid.build_model((5,), 3, batch_norm=False)
    assert [layer.name for layer in bare.layers] == [name for name in names if "bn" not in name]


def test_weight_decay_adds_half_the_squared_weights_to_the_loss():
    model = random_vs_grid.build_model((5,), 3, weight_decay=0.02)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 2.0))
    kernels = 5 * 100 + 2 * 100 * 100 + 100 * 3
    assert float(sum(model.losses)) == pytest.approx(0.02 / 2 * kernels * 2.0**2, rel=1e-5)


def values_of(points):
    return {name: np.array([point[name] for point in points]) for name in points[0]}


@pytest.mark.parametrize("make", [random_vs_grid.grid, random_vs_grid.offset_grid])
def test_a_grid_crosses_five_rates_with_five_decays(make):
    values = values_of(make(np.random.default_rng(0)))
    rates, decays = (np.unique(values[name]) for name in ("learning_rate", "weight_decay"))
    assert (len(rates), len(decays)) == (5, 5)
    assert len(set(zip(*values.values(), strict=True))) == 25
    for name, ends in (("learning_rate", (1e-4, 1.0)), ("weight_decay", (1e-8, 1e-4))):
        assert ends[0] * (1 - 1e-9) <= values[name].min()
        assert values[name].max() <= ends[1] * (1 + 1e-9)
    assert list(values["learning_rate"]) != sorted(values["learning_rate"])


def test_one_grid_is_fixed_and_the_other_lies_anywhere():
    seeds = range(200)
    fixed = [values_of(random_vs_grid.grid(np.random.default_rng(seed))) for seed in seeds]
    for values in fixed:
        np.testing.assert_allclose(np.unique(values["learning_rate"]), 10.0 ** np.arange(-4, 1))
        np.testing.assert_allclose(np.unique(values["weight_decay"]), 10.0 ** np.arange(-8, -3))
    moved = [values_of(random_vs_grid.offset_grid(np.random.default_rng(seed))) for seed in seeds]
    places = []
    for values in moved:
        logs = np.log10([np.unique(values[name]) for name in values])  # (2, 5)
        np.testing.assert_allclose(np.diff(logs), 0.8)
        places.append((logs[:, 0] - [-4, -8]) / 0.8)
    assert np.max(places) < 1
    assert np.min(places) >= 0
    np.testing.assert_allclose(np.mean(places, axis=0), 0.5, atol=0.08)
    assert abs(np.corrcoef(np.transpose(places))[0, 1]) < 0.2  # an offset each


def test_random_and_grid_search_the_same_ranges():
    hp = keras_tuner.HyperParameters()
    random_vs_grid.build_tunable(hp)
    ranges = {p.name: (p.sampling, p.min_value, p.max_value) for p in hp.space}
    assert ranges == {"learning_rate": ("log", 1e-4, 1.0), "weight_decay": ("log", 1e-8, 1e-4)}


def test_strength_is_the_size_of_the_rank_correlation():
    assert random_vs_grid.strength([1, 2, 30], [5, 4, 0]) == pytest.approx(1)
    assert random_vs_grid.strength([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(0.8)
    assert random_vs_grid.strength([1, 2, 3], [7, 7, 7]) == 0


def test_the_claims_of_made_up_searches():
    """Random finds what is 2 points better; grids with an offset vary, and more than random."""
    shares = np.linspace(0, 1, 25)

    class MadeUpLab(Lab):
        def search(self, build_tunable, data, *, name, oracle, **plan):
            assert plan == {"trials": 25, "epochs": 10, "batch_size": 20}
            found = []
            for n in range(10):
                rates = {
                    "learning_rate": 10.0 ** (4 * shares - 4),
                    "weight_decay": np.sin(9 * shares),
                }
                values = (
                    rates if oracle == "random" else values_of(oracle(np.random.default_rng(n)))
                )
                best = {"random": 0.9 + n / 1e4, "grid": 0.88, "grid, offset": 0.93 - n / 100}[name]
                scores = best - 0.5 * shares[::-1]
                found.append(
                    types.SimpleNamespace(
                        values=values, val_accuracy=scores, test_accuracy=scores - 0.03, best=24
                    )
                )
            return found

    lab = MadeUpLab(Options(), None, None, None)
    random_vs_grid.run(lab)
    claims = [claim.judgement for claim in lab.claims]
    decay = random_vs_grid.strength(np.sin(9 * shares), shares)
    expected = [20, 2.045, 2.045, 1.545, 1.545, 1 - decay, 2.5 - 0.025]
    assert [claim.estimate for claim in claims] == pytest.approx(expected)
    verdicts = [claim.verdict for claim in claims]
    assert [verdicts[n] for n in (0, 1, 2, 5, 6)] == ["holds"] * 5


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
