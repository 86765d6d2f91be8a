"""Every recipe on data of one's own: text labels, missing values, unbalanced and many classes."""

import csv
import json

import numpy as np
import pytest

from recipes._lab import catalogue

IMAGES = {"cnn_bn", "overfitting", "preprocessing", "rnn_normalization"}  # ask for images


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A .csv of 160 rows: numbers, categories, missing values, two unbalanced text labels."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("own") / "own table.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["size", "kind", "weight", "name"])
        for n in range(160):
            label = "<script>" if n % 8 == 0 else "rather common, $x_1$"
            size = "" if n % 11 == 0 else f"{rng.normal() + 3 * (n % 8 == 0):.3f}"
            rows.writerow([size, rng.choice(["red", "green", ""]), f"{rng.gamma(2):.3f}", label])
    return path


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An .npz of 100 classes, the largest with thirty times as many examples as the smallest."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(100), np.linspace(5, 15, 100).astype(int))
    y = np.concatenate([y, np.zeros(150, int)])
    centres = rng.normal(size=(100, 12))
    path = tmp_path_factory.mktemp("own") / "many.npz"
    np.savez(path, x=centres[y] + 0.3 * rng.normal(size=(len(y), 12)), y=y)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["table", "many"])
@pytest.mark.parametrize("name", catalogue.names())
def test_a_recipe_runs_on_data_of_ones_own(name, kind, recipes, tmp_path, request):
    path = request.getfixturevalue(kind)
    code, _, error = recipes.run("run", name, "--quick", "--data", path, "--out", tmp_path)
    if name in IMAGES:
        assert code == 2
        assert "images" in error
        assert len(error.splitlines()) == 1
        return
    assert (code, error) == (0, "")
    folder = tmp_path / name / path.stem.replace(" ", "_")
    assert len(json.loads((folder / "claims.json").read_text(encoding="utf-8"))) > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
