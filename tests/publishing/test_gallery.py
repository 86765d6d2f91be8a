"""Reference runs: what is run, what is kept, and what a stopped build goes on with."""

import io
import json
import types

import numpy as np
import pytest
from PIL import Image

from recipes._lab import catalogue
from recipes._lab.errors import UserError
from recipes._lab.publishing import claims, gallery
from recipes._lab.training import population

# Of these the committed results were made by an earlier version of the code, which all pages say.
# Make them anew with make gallery NAME=..., and take the name away; none may be added.
# fmt: off
STALE = {
    "activation_functions", "batch_size", "bayesian_search", "binary_classifier", "bn_and_dropout",
    "bn_batch_size", "bn_covariate_shift", "bn_inference", "bn_learning_rate", "bn_placement",
    "bn_vs_nobn", "cnn_bn", "coarse_to_fine", "data_inspection", "dropout", "ensembles",
    "gradient_check", "hyperparameter_importance", "learning_rate_decay", "log_sampling",
    "optimizer_paths", "optimizers", "output_bias_init", "overfitting", "panda_vs_caviar",
    "preprocessing", "random_search", "random_vs_grid", "rnn_normalization", "sanity_checks",
    "selection_bias", "settings_transfer", "softmax_logits", "softmax_regression", "weight_decay",
    "weight_init", "weight_init_activations",
}
# fmt: on


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """The options of all runs; they are not made, but leave files as if they had been."""
    made = []

    def run(name, options, log, progress):
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
    build("bn_vs_nobn", datasets=("digits", "breast_cancer"))
    of_digits, of_others = (options for _, options in runs)
    assert (of_digits.data, of_digits.seeds, of_digits.first_seed) == ("digits", 20, 1000)
    assert (of_others.data, of_others.seeds, of_others.first_seed) == ("breast_cancer", 10, 1000)
    assert not of_digits.quick
    assert not of_others.quick


def test_what_is_kept_says_which_code_it_is_of_and_nothing_of_the_machine(runs):
    build("bn_vs_nobn")
    results = catalogue.results("bn_vs_nobn")
    assert (results["seconds"], results["cores"]) == (12.3, population.cores())
    assert results["runs"] == {
        "digits": {
            "digest": catalogue.read("bn_vs_nobn").digest,
            "seeds": [1000],
            "versions": {"keras": "3"},
            "tuned": [],
            "claims": [{"claim": "on digits"}],
        }
    }


def test_times_alone_may_be_measured(runs):
    gallery.time_runs(["bn_vs_nobn"], log=lambda text: None)
    assert not runs
    results = catalogue.results("bn_vs_nobn")
    assert (results["runs"], results["seconds"]) == ({}, 12.3)


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
    texts = iter([source, source, f"{source}X = 1\n"])
    monkeypatch.setattr(catalogue, "read", lambda name: catalogue.parse(name, next(texts)))
    with pytest.raises(UserError, match=r"recipes/bn_vs_nobn\.py was changed while it ran"):
        build("bn_vs_nobn")
    assert catalogue.results("bn_vs_nobn") == {"runs": {}}


def test_results_of_other_code_are_made_anew(runs):
    build("bn_vs_nobn")
    path = catalogue.RESULTS / "bn_vs_nobn.json"
    path.write_text(path.read_text().replace(catalogue.read("bn_vs_nobn").digest, "other"))
    build("bn_vs_nobn")
    assert len(runs) == 2
    assert "other" not in path.read_text()


def test_results_from_before_there_were_digests_are_made_anew(runs):
    build("bn_vs_nobn")
    results = catalogue.results("bn_vs_nobn")
    results["runs"]["digits"]["code"] = results["runs"]["digits"].pop("digest")
    (catalogue.RESULTS / "bn_vs_nobn.json").write_text(json.dumps(results))
    build("bn_vs_nobn")
    assert len(runs) == 2


def test_a_recipe_is_timed_once_a_version(runs, monkeypatch):
    build("bn_vs_nobn")
    monkeypatch.setattr(gallery, "seconds", lambda name: 45.6)
    build("bn_vs_nobn")
    results = catalogue.results("bn_vs_nobn")
    assert (results["seconds"], results["timed"]) == (12.3, catalogue.read("bn_vs_nobn").digest)
    (catalogue.RESULTS / "bn_vs_nobn.json").write_text(json.dumps(results | {"timed": "other"}))
    build("bn_vs_nobn")
    results = catalogue.results("bn_vs_nobn")
    assert (results["seconds"], results["timed"]) == (45.6, catalogue.read("bn_vs_nobn").digest)
    assert len(runs) == 1


WITH_RESULTS = sorted(path.stem for path in catalogue.RESULTS.glob("*.json"))


def test_stale_results_are_known():
    """A recipe or shared code may change before its results are made anew, but not unseen."""
    stale = {
        name
        for name in WITH_RESULTS
        for run in catalogue.results(name)["runs"].values()
        if claims.is_stale(catalogue.read(name), run)
    }
    assert stale == STALE, "make gallery NAME=... makes results anew; STALE may only shrink"


@pytest.mark.parametrize("name", WITH_RESULTS)
def test_committed_results_are_whole(name):
    assert name in catalogue.names()
    results = catalogue.results(name)
    assert results["runs"]
    for run in results["runs"].values():
        assert len(run["claims"]) > 0
        assert min(run["seeds"]) >= 1000
    pictures = catalogue.read(name).pictures
    assert pictures
    for path in pictures:  # nothing of it is cut off
        grey = np.asarray(Image.open(path).convert("L"))
        for edge in (grey[0], grey[-1], grey[:, 0], grey[:, -1]):
            assert edge.min() > 200, path.name
