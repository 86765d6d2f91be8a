"""Reference runs: what is run, what is kept, and what a stopped build goes on with."""

import io
import json
import types

import numpy as np
import pytest
from PIL import Image

from recipes._lab import catalogue
from recipes._lab.errors import UserError
from recipes._lab.publishing import gallery
from recipes._lab.training import population


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The options of all runs; they are not made, but leave files as if they had been."""
    made = []

    def run(name, options, tell, progress):
        made.append((name, options))
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        run = {"seeds": [1000], "versions": {"keras": "3"}, "tuned": [], "seconds": {"total": 9}}
        (folder / "run.json").write_text(json.dumps(run | {"arguments": {"data": options.data}}))
        claim = {"claim": f"on {options.data}", "detail": "in words"}
        (folder / "claims.json").write_text(json.dumps([claim]))
        picture = io.BytesIO()
        noise = np.random.default_rng(0).integers(0, 256, (80, 2000, 3), dtype=np.uint8)
        Image.fromarray(noise).save(picture, "PNG")
        figures = dict.fromkeys(("figure.png", "figure-detail.png"), picture.getvalue())
        return types.SimpleNamespace(figures=figures), folder

    monkeypatch.setattr(gallery, "run", run)
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(gallery, "seconds", lambda name: 12.3)
    return made


def build(*names, datasets=("digits",)):
    gallery.build(names, datasets, log=lambda text: None, progress=None)


def test_reference_runs_have_seeds_of_their_own(runs):
    build("bn_vs_nobn")
    ((name, options),) = runs
    assert (name, options.data, options.quick) == ("bn_vs_nobn", "digits", False)
    assert (options.seeds, options.first_seed) == (20, 1000)


def test_what_is_kept_says_which_code_it_is_of_and_nothing_of_the_machine(runs):
    build("bn_vs_nobn")
    results = catalogue.results("bn_vs_nobn")
    assert (results["seconds"], results["cores"]) == (12.3, population.cores())
    assert results["runs"] == {
        "digits": {
            "code": catalogue.read("bn_vs_nobn").code,
            "seeds": [1000],
            "versions": {"keras": "3"},
            "tuned": [],
            "claims": [{"claim": "on digits"}],
        }
    }


def test_pictures_are_small_and_no_older_one_stays(runs):
    catalogue.RESULTS.mkdir()
    for name in ("bn_vs_nobn-old.png", "bn_vs_nobn.png", "bn_placement.png"):
        (catalogue.RESULTS / name).write_text("old")
    build("bn_vs_nobn")
    pictures = catalogue.read("bn_vs_nobn").pictures
    assert [path.name for path in pictures] == ["bn_vs_nobn.png", "bn_vs_nobn-detail.png"]
    for path in pictures:
        picture = Image.open(path)
        assert picture.size == (1000, 40)
        assert len(picture.getcolors()) <= 64
    assert (catalogue.RESULTS / "bn_placement.png").read_text() == "old"


def test_what_has_been_made_is_not_made_again(runs, tmp_path):
    build("bn_vs_nobn")
    rng = np.random.default_rng(0)
    other = tmp_path / "other.npz"
    np.savez(other, x=rng.normal(size=(60, 3)), y=np.arange(60) % 3)
    build("bn_vs_nobn", "weight_init", datasets=("digits", str(other)))
    assert [(name, options.data) for name, options in runs] == [
        ("bn_vs_nobn", "digits"),
        ("bn_vs_nobn", str(other)),
        ("weight_init", "digits"),
        ("weight_init", str(other)),
    ]
    assert list(catalogue.results("bn_vs_nobn")["runs"]) == ["digits", "other"]


def test_results_are_those_of_the_data_asked_for(runs, tmp_path):
    """Else those on data that nobody gives any more would stay, and be of old code one day."""
    build("bn_vs_nobn")
    rng = np.random.default_rng(0)
    files = [tmp_path / "old.npz", tmp_path / "new.npz"]
    for file in files:
        np.savez(file, x=rng.normal(size=(60, 3)), y=np.arange(60) % 3)
        build("bn_vs_nobn", datasets=("digits", str(file)))
    assert list(catalogue.results("bn_vs_nobn")["runs"]) == ["digits", "new"]


def test_a_recipe_that_changes_while_it_runs_is_told_from_its_results(runs, monkeypatch):
    source = (catalogue.FOLDER / "bn_vs_nobn.py").read_text()
    texts = iter([source, source, source.replace("0.05", "0.06")])
    monkeypatch.setattr(catalogue, "read", lambda name: catalogue.parse(name, next(texts)))
    with pytest.raises(UserError, match=r"recipes/bn_vs_nobn\.py was changed while it ran"):
        build("bn_vs_nobn")
    assert catalogue.results("bn_vs_nobn") == {"runs": {}}


def test_results_of_other_code_are_made_anew(runs):
    build("bn_vs_nobn")
    path = catalogue.RESULTS / "bn_vs_nobn.json"
    path.write_text(path.read_text().replace(catalogue.read("bn_vs_nobn").code, "other"))
    build("bn_vs_nobn")
    assert len(runs) == 2
    assert "other" not in path.read_text()


@pytest.mark.parametrize("name", sorted(path.stem for path in catalogue.RESULTS.glob("*.json")))
def test_committed_results_are_of_the_recipe_as_it_is(name):
    assert name in catalogue.names()
    results = catalogue.results(name)
    assert results["runs"]
    for run in results["runs"].values():
        assert run["code"] == catalogue.read(name).code
        assert len(run["claims"]) > 0
        assert min(run["seeds"]) >= 1000
    pictures = catalogue.read(name).pictures
    assert pictures
    for path in pictures:  # nothing of it is cut off
        grey = np.asarray(Image.open(path).convert("L"))
        for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1]):
            assert edge.min() > 200, path.name
