"""A recipe's run: its files, what is kept of unfinished work, the model that is saved."""

import csv
import dataclasses
import html
import importlib.util
import io
import json
import math
import shutil
import sys
import zipfile

import keras
import numpy as np
import pytest
from matplotlib.image import imread
from rich.console import Console

from recipes._lab import data as data_module
from recipes._lab import digest
from recipes._lab import lab as lab_module
from recipes._lab.errors import UserError
from recipes._lab.output import terminal
from tests.tiny import TINY, MadeUpTraining, flowers, run_tiny

# Keras, where it turns its variables into arrays to save them.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


@pytest.fixture(scope="module")
def flowers_path(tmp_path_factory):
    return flowers(tmp_path_factory.mktemp("data"))


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """`recipe(source)` makes a recipe called tiny of a text, or of a function `run(lab)`."""

    def make(source=TINY, run=None):
        path = tmp_path / "tiny.py"
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("recipes.tiny", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if run is not None:
            module.run = run
        monkeypatch.setitem(sys.modules, "recipes.tiny", module)
        return module

    return make


# The files of a run


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory, flowers_path):
    """One finished run of the tiny recipe: its lab and folder."""
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("recipe") / "tiny.py"
        path.write_text(TINY, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("recipes.tiny", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        patch.setitem(sys.modules, "recipes.tiny", module)
        return run_tiny(tmp_path_factory.mktemp("out"), flowers_path, seeds=3)


def read_json(path):
    """Parse strictly: NaN and Infinity are no JSON."""

    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_a_run_leaves_its_files_and_nothing_else(tiny_run, flowers_path):
    _, folder = tiny_run
    out = folder.parent.parent
    assert folder == out / "tiny" / "flowers"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("claims.json", "figure.png", "report.html", "results.csv", "run.json", "tensorboard"),
    ]
    assert [path.name for path in (out / ".cache").iterdir()] == ["tiny-flowers.lock"]
    assert imread(folder / "figure.png").shape[2] == 4
    for path in folder.glob("*.*"):
        if path.suffix != ".html":  # it shows the recipe, whatever is in it
            assert str(flowers_path).encode() not in path.read_bytes()


def test_a_run_says_what_it_understood_of_a_table(recipe, tmp_path):
    recipe(run=lambda lab: None)
    _, folder = run_tiny(tmp_path / "out", flowers(tmp_path / "own"))
    written = read_json(folder / "run.json")["understood"]
    assert (written["file"], written["target"]) == ("flowers.csv", "kind")
    assert sum(written["classes"].values()) == written["rows_read"]
    assert {column["kind"] for column in written["columns"]} == {"numeric"}
    assert "<h2>The data</h2>" in (folder / "report.html").read_text(encoding="utf-8")
    _, folder = run_tiny(tmp_path / "out", "digits")
    assert read_json(folder / "run.json")["understood"] is None
    assert "<h2>The data</h2>" not in (folder / "report.html").read_text(encoding="utf-8")


def test_results_read_back_are_those_of_the_run_bit_by_bit(tiny_run, read_results):
    lab, folder = tiny_run
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["recipe", "data", "variant", "seed", "epoch", "metric", "value"]
    assert {(row["recipe"], row["data"]) for row in rows} == {("tiny", "flowers")}
    curves = read_results(folder)
    assert len(curves) == 2 * 3 * 6
    for ((variant,), seed), result in lab.results.outcomes.items():
        for metric, values in result.history.items():
            assert curves.pop((variant, seed, metric)) == values.tolist()
        for metric, value in result.test.items():
            assert curves.pop((variant, seed, metric)) == [value]
    assert curves == {}
    tests = [row for row in rows if row["metric"].startswith("test_")]
    assert {row["epoch"] for row in tests} == {"4"}


def test_results_keep_divergence_and_early_stopping(recipe, made_up, tmp_path, read_results):
    nan, inf = math.nan, math.inf
    runs = [{"accuracy": [0.1, 0.7, 0.6, nan], "loss": [2.0, 1.0, inf, nan], "epoch": 1}]

    def run(lab):
        lab.results = made_up({"v": runs}, first_seed=7)
        lab.arguments = {("v",): {}}

    recipe(run=run)
    _, folder = run_tiny(tmp_path, "digits")
    curves = read_results(folder)
    np.testing.assert_array_equal(curves["v", 7, "loss"], [2.0, 1.0, inf])
    np.testing.assert_array_equal(curves["v", 7, "accuracy"], [0.1, 0.7, 0.6])
    assert "tiny,digits,v,7,1,test_accuracy,0.7\n" in (folder / "results.csv").read_text()


def test_claims_are_written_with_all_their_numbers(tiny_run):
    lab, folder = tiny_run
    claims = read_json(folder / "claims.json")
    assert [claim["primary"] for claim in claims] == [True, False]
    assert [claim["source"] for claim in claims] == ["Book, 1", "ours"]
    for written, claim in zip(claims, lab.claims, strict=True):
        assert (written["claim"], written["detail"]) == (claim.text, claim.detail)
        for name in ("verdict", "kind", "estimate", "low", "high", "level", "unit", "seeds"):
            assert written[name] == getattr(claim.judgement, name)
    test = lab.results.final("test_accuracy")
    fast, slow = (test[name].array() for name in lab.results.names.values())
    assert claims[0]["estimate"] == pytest.approx(np.mean(fast - slow))
    assert (claims[0]["unit"], claims[0]["seeds"]) == ("percentage points", 3)


def test_a_run_says_how_it_was_made(tiny_run):
    _, folder = tiny_run
    run = read_json(folder / "run.json")
    assert (run["recipe"], run["question"]) == ("tiny", "Does a tiny recipe work?")
    assert run["seeds"] == [0, 1, 2]
    asked = {name: run["arguments"][name] for name in ("data", "seeds", "epochs", "quick")}
    assert asked == {"data": "flowers", "seeds": 3, "epochs": None, "quick": False}
    assert run["versions"]["keras"] == keras.__version__
    assert run["versions"]["numpy"] == np.__version__
    assert run["versions"]["python"].split(".")[:2] == [str(n) for n in sys.version_info[:2]]
    assert run["digest"] == digest.of_recipe(TINY)
    assert run["seconds"]["total"] > 0


def test_a_recipe_that_trains_nothing_still_reports(recipe, tmp_path):
    recipe(run=lambda lab: lab.claim("gradients agree", that=lab.exact([1e-9], 1e-6)))
    _, folder = run_tiny(tmp_path, "digits")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("claims.json", "report.html", "run.json"),
    ]
    assert read_json(folder / "claims.json")[0]["verdict"] == "holds"
    with pytest.raises(UserError, match="trains no model on the data as they are"):
        run_tiny(tmp_path, "digits", save_model=str(tmp_path / "best.keras"))
    assert not (tmp_path / "best.keras").exists()


def test_a_failing_recipe_leaves_the_finished_run(recipe, tmp_path, flowers_path):
    recipe()
    _, folder = run_tiny(tmp_path / "out", flowers_path, seeds=1, epochs=1)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def fail(lab):
        raise ZeroDivisionError

    recipe(run=fail)
    with pytest.raises(ZeroDivisionError):
        run_tiny(tmp_path / "out", flowers_path, seeds=1, epochs=1)
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_what_was_tuned_is_written_printed_and_shown(recipe, monkeypatch, tmp_path, flowers_path):
    best = {"Adam": 0.03, "SGD": 0.3}

    def measure(arguments, seed):
        rate = arguments["learning_rate"] / best[arguments.get("optimizer", "SGD")]
        return {"val_accuracy": 1 / (1 + abs(math.log(rate)))}

    monkeypatch.setattr(lab_module.population, "train", MadeUpTraining(measure))

    def run(lab):
        for variants in ({"sgd [x]": {}}, {"adam <y>": {"optimizer": "Adam"}}):
            rates = (0.1, 0.3, 1.0)
            lab.tune(module.build_model, variants, lab.data(), epochs=1, learning_rate=rates)

    module = recipe(run=run)
    lab, folder = run_tiny(tmp_path, flowers_path)
    written = read_json(folder / "run.json")["tuned"]
    assert written == lab.tuned
    assert [(t["variant"], t["argument"], t["value"]) for t in written] == [
        ("sgd [x]", "learning_rate", 0.3),
        ("adam <y>", "learning_rate", pytest.approx(0.03)),
    ]
    assert list(written[1]["val_accuracy"]) == ["0.01", "0.03", "0.1", "0.3", "1"]
    out = io.StringIO()
    terminal.show_run(Console(file=out, width=200), lab, folder, 1.0)
    words = "sgd [x]: 0.3; adam <y>: 0.03"
    assert f"learning_rate chosen on validation: {words}\n" in out.getvalue()
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert html.escape(words) in page


def test_what_the_user_has_changed_is_said_beside_the_verdicts(recipe, tmp_path, flowers_path):
    recipe()
    lab, folder = run_tiny(tmp_path, flowers_path, seeds=1, epochs=2)
    (remark,) = read_json(folder / "run.json")["remarks"]
    assert remark.startswith("EPOCHS=2: the verdicts are those of trainings as long as this")
    out = io.StringIO()
    terminal.show_findings(Console(file=out, width=300), lab)
    assert remark in out.getvalue()


def test_a_run_without_tuning_says_nothing_of_it(tiny_run):
    lab, folder = tiny_run
    assert read_json(folder / "run.json")["tuned"] == lab.tuned == []
    assert "chosen on validation" not in (folder / "report.html").read_text(encoding="utf-8")


# What is kept of unfinished work


def test_work_is_kept_apart_by_everything_that_results_depend_on(
    recipe, tmp_path, flowers_path, monkeypatch
):
    stores = []

    def store_of(data=flowers_path, source=TINY, **options):
        recipe(source, run=lambda lab: stores.append(lab.store.folder.name))
        out = options.pop("out", tmp_path / "out")
        run_tiny(out, data, **options)
        return stores[-1]

    reference = store_of()
    assert store_of() == reference
    assert store_of(out=tmp_path / "elsewhere") == reference
    copied = shutil.copy(flowers_path, tmp_path / "renamed.csv")
    assert store_of(copied) == reference  # what counts is what is in it
    others = [
        store_of(seeds=7),
        store_of(epochs=9),
        store_of(quick=True),
        store_of(first_seed=1000),
        store_of("digits"),
        store_of(flowers(tmp_path / "other", seed=1)),
        store_of(target="kind"),
        store_of(source=TINY.replace("epochs=4", "epochs=5")),
    ]
    for same in (TINY + "# changed\n", TINY.replace("lab.panels(results)", "None")):
        assert store_of(source=same) == reference
    monkeypatch.setattr(digest, "version", lambda library: f"{library} 99")
    others.append(store_of())
    assert len({reference, *others}) == 1 + len(others)


def test_unfinished_work_is_used_again_and_then_forgotten(recipe, tmp_path, flowers_path):
    module = recipe()
    kept = []

    def interrupted(lab, run=module.run):
        run(lab)
        kept.extend(sorted(lab.store.folder.iterdir()))
        raise KeyboardInterrupt

    module.run, run = interrupted, module.run
    with pytest.raises(KeyboardInterrupt):
        run_tiny(tmp_path / "out", flowers_path, seeds=2)
    assert kept
    assert all(path.exists() for path in kept)
    times = {path: path.stat().st_mtime_ns for path in kept}

    def watched(lab):
        run(lab)
        assert {path: path.stat().st_mtime_ns for path in lab.store.folder.iterdir()} == times

    module.run = watched
    _, resumed = run_tiny(tmp_path / "out", flowers_path, seeds=2)
    module.run = run
    _, undisturbed = run_tiny(tmp_path / "another", flowers_path, seeds=2)
    for name in ("results.csv", "claims.json", "figure.png"):
        assert (resumed / name).read_bytes() == (undisturbed / name).read_bytes()
    assert [path.name for path in (tmp_path / "out" / ".cache").iterdir()] == ["tiny-flowers.lock"]


@SAVING
def test_a_model_that_cannot_be_saved_costs_no_training(recipe, tmp_path, flowers_path):
    recipe()
    (tmp_path / "file").write_text("mine")
    save = str(tmp_path / "file" / "best.keras")
    with pytest.raises(UserError, match=r"can't write .*best\.keras"):
        run_tiny(tmp_path / "out", flowers_path, seeds=1, save_model=save)
    assert (tmp_path / "out" / "tiny" / "flowers" / "results.csv").exists()
    assert list((tmp_path / "out" / ".cache").glob("*/*.npz"))  # so the next try takes no time


def test_files_of_one_name_share_a_folder_but_no_results(recipe, tmp_path, read_results):
    """The folder holds the latest run; another file of that name is trained anew."""
    recipe()
    one, two = flowers(tmp_path / "one", seed=1), flowers(tmp_path / "two", seed=2)
    _, folder = run_tiny(tmp_path / "out", one, seeds=1)
    first = read_results(folder)
    _, again = run_tiny(tmp_path / "out", two, seeds=1)
    assert again == folder
    assert read_results(again) != first
    _, expected = run_tiny(tmp_path / "fresh", two, seeds=1)
    assert read_results(again) == read_results(expected)


def test_a_file_called_digits_is_not_taken_for_digits(recipe, tmp_path):
    recipe(run=lambda lab: None)
    path = flowers(tmp_path, name="digits.csv")
    _, builtin = run_tiny(tmp_path / "out", "digits")
    _, own = run_tiny(tmp_path / "out", path)
    assert (builtin.name, own.name) == ("digits", "digits.csv")
    assert read_json(own / "run.json")["arguments"]["data"] == "digits.csv"


# The model that is kept


def test_the_saved_model_is_the_best_one_and_plain_keras_loads_it(quick_run, read_results):
    run = quick_run()
    path = run.out / "best.keras"
    about = json.loads(zipfile.ZipFile(path).read("recipe.json"))
    assert about["class_names"] == [str(digit) for digit in range(10)]
    test = data_module.read("digits").split(about["seed"]).test
    assert len(test) < 1000  # a quick run has them all
    model = keras.saving.load_model(path)
    pixels = 16 * test.x[..., 0]  # as scikit-learn has them
    probabilities = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    hits = probabilities.argmax(axis=1) == test.y
    assert hits.mean() == about["test"]["accuracy"]
    curves = read_results(run.folder)
    assert curves[about["variant"], about["seed"], "test_accuracy"] == pytest.approx([hits.mean()])
    # The best variant by its mean on validation, and of that the best seed.
    final = {}
    for (variant, _, metric), values in curves.items():
        if metric == "val_accuracy":
            final.setdefault(variant, []).append(values[-1])
    best = max(final, key=lambda variant: np.mean(final[variant]))
    assert (about["variant"], about["seed"]) == (best, int(np.argmax(final[best])))
    assert about["val_accuracy"] == pytest.approx(max(final[best]))


@SAVING
def test_only_a_model_trained_on_the_data_as_they_are_is_saved(recipe, tmp_path, flowers_path):
    """Five examples that are memorized, tested on themselves, are no model to keep."""

    def memorize(dataset, random):
        few = dataset.train.first(5)
        return dataclasses.replace(dataset, train=few, validation=few, test=few)

    def run(lab, own=True):
        data = lab.data()
        variants = {"memorized": {}} | ({"own": {"learning_rate": 1e-9}} if own else {})
        by_variant = {"memorized": data.map(memorize), "own": data}
        lab.train(module.build_model, variants, by_variant, epochs=20, batch_size=5)

    module = recipe(run=run)
    path = tmp_path / "best.keras"
    lab, _ = run_tiny(tmp_path / "out", flowers_path, seeds=1, save_model=str(path))
    assert lab.results.final("test_accuracy")["memorized"].array() == 100
    about = json.loads(zipfile.ZipFile(path).read("recipe.json"))
    assert about["variant"] == "own"
    assert about["test"]["accuracy"] < 0.9
    module.run = lambda lab: run(lab, own=False)
    with pytest.raises(UserError, match="trains no model on the data as they are") as caught:
        run_tiny(tmp_path / "none", flowers_path, seeds=1, save_model=str(path))
    folder = tmp_path / "none" / "tiny" / "flowers"
    assert f"the results of the run are in {str(folder)!r}" in str(caught.value)
    assert (folder / "results.csv").exists()


def test_the_saved_model_can_be_trained_on(quick_run):
    model = keras.saving.load_model(quick_run().out / "best.keras")
    train = data_module.load("digits").train
    history = model.fit(16 * train.x[..., 0], train.y, epochs=1, verbose=0).history
    assert history["loss"][0] < math.log(10)
