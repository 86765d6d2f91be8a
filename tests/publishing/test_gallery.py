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
        claim |= {"source": "a book", "primary": True, "verdict": "holds", "kind": "difference"}
        claim |= {"estimate": 1.0}
        if options.first_seed == gallery.FIRST_CHECK_SEED and options.data == "digits":
            claim["verdict"] = "not detected"
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


def build(*names, data=("digits",)):
    """Build with data that are shown under their own names; return what is logged."""
    lines = []
    gallery.build(names, dict(zip(data, data, strict=True)), lines.append, progress=None)
    return lines


def make_stale(name, *, data=None, what="runs"):
    """Make stored results those of other code, on all data or on one."""
    results = catalogue.results(name)
    for of, run in results[what].items():
        if data in (None, of):
            run["digest"] = "other"
    (catalogue.RESULTS / f"{name}.json").write_text(json.dumps(results))


def test_reference_runs_have_seeds_of_their_own(runs):
    build("bn_vs_nobn", data=("digits", "breast_cancer"))
    of_digits, of_others = (options for _, options in runs)
    assert (of_digits.data, of_digits.seeds, of_digits.first_seed) == ("digits", 20, 1000)
    assert (of_others.data, of_others.seeds, of_others.first_seed) == ("breast_cancer", 10, 1000)
    assert not of_digits.quick
    assert not of_others.quick


def test_what_is_kept_says_which_code_it_is_of_and_nothing_of_the_machine(runs):
    build("bn_vs_nobn")
    results = catalogue.results("bn_vs_nobn")
    assert (results["seconds"], results["cores"]) == (12.3, population.cores())
    (claim,) = results["runs"]["digits"].pop("claims")
    assert claim["claim"] == "on digits"
    assert "detail" not in claim
    assert results["runs"] == {
        "digits": {
            "digest": catalogue.read("bn_vs_nobn").digest,
            "seeds": [1000],
            "versions": {"keras": "3"},
            "tuned": [],
        }
    }
    assert "check" not in results


def test_times_alone_may_be_measured(runs):
    gallery.time_runs(["bn_vs_nobn"], log=lambda text: None)
    assert not runs
    results = catalogue.results("bn_vs_nobn")
    assert (results["runs"], results["seconds"]) == ({}, 12.3)


def test_pictures_are_of_the_first_data(runs):
    build("bn_vs_nobn")
    pictures = catalogue.read("bn_vs_nobn").pictures
    assert [path.name for path in pictures] == ["bn_vs_nobn.png", "bn_vs_nobn-detail.png"]
    for path in pictures:
        path.write_text("kept")
    build("bn_vs_nobn", data=("digits", "mnist"))
    assert [path.read_text() for path in pictures] == ["kept", "kept"]


def test_what_has_been_made_is_not_made_again(runs):
    build("bn_vs_nobn")
    build("bn_vs_nobn", "weight_init", data=("digits", "mnist"))
    assert [(name, options.data) for name, options in runs] == [
        ("bn_vs_nobn", "digits"),
        ("bn_vs_nobn", "mnist"),
        ("weight_init", "digits"),
        ("weight_init", "mnist"),
    ]
    assert list(catalogue.results("bn_vs_nobn")["runs"]) == ["digits", "mnist"]


def test_results_on_data_not_asked_for_stay_while_they_are_fresh(runs):
    build("bn_vs_nobn", data=("digits", "old", "mnist"))
    build("bn_vs_nobn", data=("digits", "new", "mnist"))
    assert list(catalogue.results("bn_vs_nobn")["runs"]) == ["digits", "new", "mnist", "old"]
    make_stale("bn_vs_nobn", data="digits")
    make_stale("bn_vs_nobn", data="old")
    build("bn_vs_nobn", data=("digits", "mnist"))
    assert list(catalogue.results("bn_vs_nobn")["runs"]) == ["digits", "mnist", "new"]


def test_stale_results_stay_until_they_are_made_anew(runs, monkeypatch):
    build("bn_vs_nobn", data=("digits", "mnist"))
    make_stale("bn_vs_nobn")
    of_fixture = gallery.run

    def stopped(name, options, *others):
        if options.data == "mnist":
            raise KeyboardInterrupt
        return of_fixture(name, options, *others)

    monkeypatch.setattr(gallery, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        build("bn_vs_nobn", data=("digits", "mnist"))
    results = catalogue.results("bn_vs_nobn")["runs"]
    fresh = catalogue.read("bn_vs_nobn").digest
    assert {data: run["digest"] for data, run in results.items()} == {
        "digits": fresh,
        "mnist": "other",
    }


def refusing(data, monkeypatch):
    """Make runs on some data fail as those of a recipe that can't take them."""
    of_fixture = gallery.run

    def run(name, options, *others):
        if options.data == data:
            raise UserError("8 examples are too few")
        return of_fixture(name, options, *others)

    monkeypatch.setattr(gallery, "run", run)


def test_data_that_a_recipe_cannot_take_are_skipped_and_not_remembered(runs, monkeypatch):
    build("bn_vs_nobn", data=("digits", "small", "mnist"))
    make_stale("bn_vs_nobn")
    refusing("small", monkeypatch)
    for _ in range(2):  # it is tried again
        lines = build("bn_vs_nobn", data=("digits", "small", "mnist"))
        assert lines.count("skipped: 8 examples are too few") == 1
        assert list(catalogue.results("bn_vs_nobn")["runs"]) == ["digits", "mnist"]


def test_a_recipe_that_cannot_run_on_the_first_data_is_an_error(runs, monkeypatch):
    refusing("digits", monkeypatch)
    with pytest.raises(UserError, match="8 examples"):
        build("bn_vs_nobn", data=("digits", "mnist"))
    assert not runs


def test_a_recipe_that_changes_while_it_runs_is_told_from_its_results(runs, monkeypatch):
    source = (catalogue.FOLDER / "bn_vs_nobn.py").read_text()
    texts = iter([source, source, f"{source}X = 1\n"])
    monkeypatch.setattr(catalogue, "read", lambda name: catalogue.parse(name, next(texts)))
    with pytest.raises(UserError, match=r"recipes/bn_vs_nobn\.py was changed while it ran"):
        build("bn_vs_nobn")
    assert catalogue.results("bn_vs_nobn") == {"runs": {}}


def test_results_of_other_code_are_made_anew(runs):
    build("bn_vs_nobn")
    make_stale("bn_vs_nobn")
    build("bn_vs_nobn")
    assert len(runs) == 2
    assert "other" not in (catalogue.RESULTS / "bn_vs_nobn.json").read_text()


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


@pytest.fixture
def loaded(monkeypatch):
    """Data as if they were loaded: files are there, and what is named in the set downloads."""
    downloads = set()

    def load(name):
        if name in ("mnist", "fashion_mnist") and name not in downloads:
            raise UserError(f"no {name} here")
        if name == "gone.npz":
            raise UserError("gone.npz does not exist")
        return types.SimpleNamespace(name=name.removesuffix(".npz"))

    monkeypatch.setattr(gallery, "load", load)
    return downloads


@pytest.mark.parametrize(
    ("downloads", "files", "expected"),
    [
        ({"mnist", "fashion_mnist"}, {}, ["digits", "mnist", "fashion_mnist"]),
        (set(), {}, ["digits", "breast_cancer"]),
        (set(), {"mnist": "m.npz"}, ["digits", "m", "breast_cancer"]),
        (set(), {"mnist": "m.npz", "fashion": "f.npz"}, ["digits", "m", "f"]),
        (set(), {"fashion": "f.npz"}, ["digits", "f"]),
    ],
)
def test_the_third_data_are_fashion_mnist_or_else_breast_cancer(loaded, downloads, files, expected):
    loaded |= downloads
    lines = []
    assert list(gallery.datasets(lines.append, **files).values()) == expected
    missing = [
        f"without {name}, which could not be downloaded; {option.upper()}=file.npz brings it"
        for name, option in (("mnist", "mnist"), ("fashion_mnist", "fashion"))
        if name not in downloads and option not in files
    ]
    assert lines == missing


def test_a_file_that_cannot_be_read_is_an_error(loaded):
    with pytest.raises(UserError, match=r"gone\.npz does not exist"):
        gallery.datasets(print, mnist="m.npz", fashion="gone.npz")
    with pytest.raises(UserError, match=r"gone\.npz does not exist"):
        gallery.digits_and_files("gone.npz", None)
    with pytest.raises(UserError, match="called alike"):
        gallery.digits_and_files("m", "m.npz")
    assert gallery.digits_and_files(None, "f.npz") == {"digits": "digits", "f.npz": "f"}


def check(*names, data=("digits",)):
    lines = []
    gallery.check(names, dict(zip(data, data, strict=True)), lines.append, progress=None)
    return lines


def test_a_check_has_seeds_of_its_own_and_is_kept_beside_the_run(runs):
    both = ("digits", "mnist")
    build("bn_vs_nobn", data=both)
    before = catalogue.results("bn_vs_nobn")
    lines = check("bn_vs_nobn", data=both)
    references, checks = runs[:2], runs[2:]
    for (_, reference), (_, other) in zip(references, checks, strict=True):
        assert (reference.data, reference.seeds) == (other.data, other.seeds)
        assert other.first_seed == 2000
        assert other.out != reference.out
    results = catalogue.results("bn_vs_nobn")
    assert {name: results[name] for name in before} == before
    assert list(results["check"]) == ["digits", "mnist"]
    assert lines[-2:] == [
        "on digits, on digits: holds; with other seeds: not detected",
        "2 published claims: 1 unchanged, 1 not detected in one of the two runs",
    ]
    assert check("bn_vs_nobn", data=both) == lines[-2:]  # nothing is made again
    assert len(runs) == 4


def test_a_check_needs_fresh_results_and_goes_with_them(runs):
    assert check("bn_vs_nobn") == [
        "bn_vs_nobn on digits is skipped: no results of this code to compare with "
        "(make gallery NAME=bn_vs_nobn makes them)"
    ]
    build("bn_vs_nobn")
    check("bn_vs_nobn")
    make_stale("bn_vs_nobn")
    assert len(check("bn_vs_nobn")) == 1  # a stale run is none
    make_stale("bn_vs_nobn", what="check")
    build("bn_vs_nobn")
    assert "check" not in catalogue.results("bn_vs_nobn")
    check("bn_vs_nobn")
    make_stale("bn_vs_nobn", what="check")
    check("bn_vs_nobn")
    assert [options.first_seed for _, options in runs] == [1000, 2000, 1000, 2000, 2000]


WITH_RESULTS = sorted(path.stem for path in catalogue.RESULTS.glob("*.json"))


def test_no_committed_result_is_stale():
    """A change of a recipe or of shared code does not go unseen: its results are made anew."""
    stale = {
        name
        for name in WITH_RESULTS
        for run in catalogue.results(name)["runs"].values()
        if claims.is_stale(catalogue.read(name), run)
    }
    assert not stale, "make gallery NAME=... makes these anew"


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
