"""`make search` end to end: its files, its manners, and going on after whatever ended it."""

import contextlib
import csv
import itertools
import json
import re
import shlex
import signal
import subprocess
import sys
import types
import warnings
import zipfile
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from matplotlib.image import imread
from rich.console import Console

from recipes._lab import cli, data, saving
from recipes._lab.errors import UserError
from recipes._lab.output import figures
from recipes._lab.training import population
from recipes._lab.training.members import METRICS
from recipes._lab.tuning import halving, search, space, tuner
from recipes._lab.tuning.search import Options

with warnings.catch_warnings():  # from the libraries that TensorBoard bundles
    warnings.simplefilter("ignore", DeprecationWarning)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

pytestmark = [
    # keras-tuner
    pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning"),
    # Keras, where a model's variables are saved
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
]


def table_of(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# The command

RECIPE = "cross_validation"  # whose model is a small one
ARGUMENTS = ("search", RECIPE, "--quick", "--stages", "2", "--seeds", "2")


@pytest.fixture(scope="module")
def quick_search(recipes, tmp_path_factory):
    """What came of a quick search, undisturbed."""
    out = tmp_path_factory.mktemp("quick-search")
    saved = out / "mine.keras"
    code, stdout, stderr = recipes.run_here(*ARGUMENTS, "--out", out, "--save-model", saved)
    assert code == 0, stderr
    folder = out / RECIPE / "digits-search"
    return types.SimpleNamespace(stdout=stdout, stderr=stderr, out=out, folder=folder)


def test_the_command_tells_everything_on_stdout_and_nothing_on_stderr(quick_search):
    assert quick_search.stderr == ""
    lines = quick_search.stdout.splitlines()
    assert lines[:2] == ["training 4 trials x 2 seeds"] * 2
    assert "8 trials: 0 diverged, 0 failed, 0 pruned" in lines
    assert "importance  not estimated: too few trials, or all have the same score" in lines
    (best,) = (line for line in lines if "has the best validation accuracy" in line)
    about = json.loads((quick_search.folder / "search.json").read_text(encoding="utf-8"))["best"]
    assert best.startswith(f"trial {about['trial']} has the best")
    assert f"accuracy, {100 * about['val_accuracy']:.1f} %" in best
    test = 100 * np.mean(about["test_accuracy"])
    assert best.endswith(f"its test accuracy: {test:.1f} %")
    for kind, file in (
        ("trials", "trials.csv"),
        ("figure", "figure.png"),
        ("figure", "figure-parallel.png"),
    ):
        assert f"{kind:12}{quick_search.folder / file}" in lines
    mine = quick_search.out / "mine.keras"
    assert f"model       {mine}" in lines
    assert mine.read_bytes() == (quick_search.folder / "best.keras").read_bytes()
    assert lines[-1].startswith("TensorBoard ")
    assert lines[-1].endswith(f"--logdir {quick_search.folder / 'tensorboard'}")


def test_a_search_leaves_its_tables(quick_search):
    trials = table_of(quick_search.folder / "trials.csv")
    assert [(row["stage"], row["trial"]) for row in trials] == [
        (stage, str(n)) for stage in "12" for n in range(4)
    ]
    assert list(trials[0])[:5] == ["stage", "trial", "status", "val_accuracy", "message"]
    assert list(trials[0])[5:] == ["dropout", "learning_rate"]
    assert {(row["status"], row["message"]) for row in trials} == {("COMPLETED", "")}
    curves = {}
    for row in table_of(quick_search.folder / "history.csv"):
        of = curves.setdefault((row["stage"], row["trial"], row["seed"], row["metric"]), {})
        assert row["epoch"] not in of
        of[row["epoch"]] = float(row["value"])
    assert len(curves) == 8 * 2 * len(METRICS)
    assert {tuple(of) for of in curves.values()} == {("0", "1", "2")}
    for row in trials:
        last = [curves[row["stage"], row["trial"], seed, "val_accuracy"]["2"] for seed in "01"]
        assert float(row["val_accuracy"]) == np.mean(last)


def test_the_second_stage_draws_around_the_best_of_the_first(quick_search):
    """Three of four count as the best; a tenth of each whole range is left around their values."""
    trials = table_of(quick_search.folder / "trials.csv")
    first, second = trials[:4], trials[4:]
    best = sorted(first, key=lambda row: -float(row["val_accuracy"]))[:3]
    for name, low, high in (("learning_rate", -3, 0), ("dropout", 0, 0.5)):
        scale = np.asarray if name == "dropout" else np.log10
        known = scale([float(row[name]) for row in best])
        drawn = scale([float(row[name]) for row in second])
        margin = (high - low) / 10
        assert max(low, known.min() - margin) <= drawn.min() + 1e-12
        assert drawn.max() <= min(high, known.max() + margin) + 1e-12
    assert not {row["dropout"] for row in first} & {row["dropout"] for row in second}


def quick_data(seed):
    """The split of a quick search's seed: a thousand examples of each part, at the most."""
    digits = data.read("digits").split(seed)
    # As scikit-learn has them: 8 x 8 pixels of 0 to 16.
    return {part: (16 * split.x[:1000, ..., 0], split.y[:1000]) for part in ("validation", "test")
            for split in [getattr(digits, part)]}  # fmt: skip


def test_the_best_model_is_an_ordinary_keras_file_that_keeps_its_promise(quick_search):
    path = quick_search.folder / "best.keras"
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("recipe.json"))
    trials = table_of(quick_search.folder / "trials.csv")
    best = max(trials, key=lambda row: float(row["val_accuracy"]))
    assert about["val_accuracy"] == float(best["val_accuracy"])
    assert about["class_names"] == list("0123456789")
    assert {name: repr(value) for name, value in about["hyperparameters"].items()} == {
        name: best[name] for name in ("dropout", "learning_rate")
    }
    model = keras.models.load_model(path)
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(
        float(best["learning_rate"])
    )
    ends = [
        float(row["value"])
        for row in table_of(quick_search.folder / "history.csv")
        if (row["stage"], row["trial"]) == (best["stage"], best["trial"])
        and (row["metric"], row["epoch"]) == ("val_accuracy", "2")
    ]
    seed = int(np.argmax(ends))
    parts = quick_data(seed)
    validation, test = (
        model.evaluate(*parts[part], verbose=0)[1] for part in ("validation", "test")
    )
    assert validation == pytest.approx(max(ends), abs=1e-6)
    assert test == pytest.approx(about["test"]["accuracy"], abs=1e-6)


def test_a_search_says_how_it_was_made(quick_search):
    made = json.loads((quick_search.folder / "search.json").read_text(encoding="utf-8"))
    assert made["recipe"] == RECIPE
    asked = made["arguments"]
    assert (asked["data"], asked["trials"], asked["stages"], asked["seeds"]) == ("digits", 8, 2, 2)
    assert (asked["oracle"], asked["quick"], made["epochs"]) == ("random", True, 2)
    assert made["importance"] == {}
    assert {"keras", "tensorflow", "keras-tuner", "python"} <= set(made["versions"])
    with zipfile.ZipFile(quick_search.folder / "best.keras") as archive:
        about = json.loads(archive.read("recipe.json"))
    assert {name: made["best"][name] for name in about} == about
    assert made["best"]["test_accuracy"][about["seed"]] == about["test"]["accuracy"]


def test_the_figures_show_something(quick_search):
    for name in ("figure.png", "figure-parallel.png"):
        figure = imread(quick_search.folder / name)
        assert min(figure.shape[:2]) > 200
        assert np.ptp(figure) == 1  # not blank


def test_tensorboard_shows_the_mean_curves_of_every_trial(quick_search):
    curves = {}
    for row in table_of(quick_search.folder / "history.csv"):
        number = 4 * (int(row["stage"]) - 1) + int(row["trial"])
        of = curves.setdefault((number, row["metric"]), np.zeros(3))
        of[int(row["epoch"])] += float(row["value"]) / 2
    logs = quick_search.folder / "tensorboard"
    assert {path.name for path in logs.iterdir() if path.is_dir()} == {
        f"trial-{n}" for n in range(8)
    }
    for number in (0, 7):
        events = EventAccumulator(str(logs / f"trial-{number}"), {"tensors": 0})
        events.Reload()
        for part, prefix in (("train", ""), ("validation", "val_")):
            for metric in ("loss", "accuracy"):
                found = events.Tensors(f"{metric}/{part}")
                values = [tf.make_ndarray(event.tensor_proto).item() for event in found]
                assert values == pytest.approx(curves[number, prefix + metric], rel=1e-6)


def test_a_search_killed_in_its_second_stage_ends_as_if_nothing_had_been(
    recipes, quick_search, tmp_path
):
    process = recipes.start(*ARGUMENTS, "--out", tmp_path)
    second_stage = "search-*/stage-2-*/tuner0.json"
    recipes.wait_for(process, lambda: any((tmp_path / ".cache").glob(second_stage)))
    process.kill()
    _, err = process.communicate()
    assert (process.returncode, err) == (-signal.SIGKILL, "")
    folder = tmp_path / RECIPE / "digits-search"
    assert not folder.exists()
    code, out, err = recipes.run_here(*ARGUMENTS, "--out", tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "going on with the search that was begun with these settings"
    for name in ("trials.csv", "history.csv", "figure.png", "figure-parallel.png"):
        assert (folder / name).read_bytes() == (quick_search.folder / name).read_bytes(), name


# In this process, with a recipe of a moment


def tiny(hp, input_shape=(64,), num_classes=10):
    layers = [keras.layers.Dense(4, "relu"), keras.layers.Dense(num_classes, "softmax")]
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(), *layers])
    rate = keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1.0, sampling="log"))
    model.compile(rate, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def tiny_recipe(monkeypatch, tmp_path):
    """`tiny_recipe(build_tunable)` makes it the only function of a recipe called tiny."""

    def add(build_tunable=tiny, text="TEXT = 1"):
        module = types.ModuleType("recipes.tiny")
        module.__file__ = str(tmp_path / "tiny.py")
        Path(module.__file__).write_text(text, encoding="utf-8")
        if build_tunable:
            module.build_tunable = build_tunable
        monkeypatch.setitem(sys.modules, "recipes.tiny", module)

    add()
    return add


PREPARED = {}


def prepared(prepare):
    """Return a function that prepares data for each shape once: graphs are traced for an object."""

    def remembered(module, options, log):
        shape = module.build_tunable.__defaults__[0] if hasattr(module, "build_tunable") else None
        if shape not in PREPARED:
            PREPARED[shape] = prepare(module, options, log)
        return PREPARED[shape]

    return remembered


@pytest.fixture
def run(tiny_recipe, tmp_path, monkeypatch):
    """`run(**options)` searches in one folder and returns what was told, done and left there."""
    trained = []
    train = population.train

    def counted(members, **options):
        trained.append(len(members))
        return train(members, **options)

    def progress(description, total):
        return contextlib.nullcontext(lambda epochs: None)

    monkeypatch.setattr(population, "train", counted)
    monkeypatch.setattr(search, "_data", prepared(search._data))

    def search_tiny(**options):
        told = []
        trained.clear()
        plan = {"quick": True, "out": str(tmp_path / "runs"), "trials": 4} | options
        found, folder = search.run("tiny", Options(**plan), told.append, progress)
        return types.SimpleNamespace(
            told=told, trained=sum(trained), found=found, folder=folder,
            trials=table_of(folder / "trials.csv"),
        )  # fmt: skip

    return search_tiny


@pytest.fixture
def bare(monkeypatch):
    """Draw no figures and save no model, which takes most of the time of a search."""

    def describe(member, result, source, seed, about, path, *, refit):
        return about

    monkeypatch.setattr(figures, "png", lambda figure: b"")
    monkeypatch.setattr(saving, "save_member", describe)


@pytest.mark.usefixtures("bare")
def test_the_same_command_again_trains_nothing_and_tells_so(run):
    first = run()
    assert (first.told, first.trained) == ([], 4)
    again = run()
    assert again.told == ["going on with the search that was begun with these settings"]
    assert again.trained == 0
    assert again.trials == first.trials


@pytest.mark.usefixtures("bare")
def test_raised_trials_go_on_and_are_those_of_a_search_of_as_many(run, tmp_path):
    few = run(trials=4)
    more = run(trials=7)
    assert more.trained == 3
    assert more.trials[:4] == few.trials
    assert more.trials == run(trials=7, out=str(tmp_path / "other")).trials


@pytest.mark.usefixtures("bare")
def test_changed_settings_are_a_new_search_and_said(run, tiny_recipe):
    run()
    for options, changed in (
        ({"epochs": 1}, "epochs"),
        ({"seeds": 2, "oracle": "bayesian"}, "epochs, seeds, oracle"),
        ({"discard": True, "stages": 2}, "seeds, oracle, stages, discard"),
    ):
        made = run(**options)
        assert made.told[0] == f"a new search, since there is a change in: {changed}"
        assert made.trained >= 4
    back = run()
    assert back.told == ["going on with the search that was begun with these settings"]
    assert back.trained == 0
    tiny_recipe(text="TEXT = 2")
    made = run()
    assert made.told == ["a new search, since there is a change in: recipe"]
    assert made.trained == 4


@pytest.mark.usefixtures("bare")
def test_a_quick_search_has_no_stage_without_trials(run):
    """keras-tuner takes a search of no trials for one without end."""
    made = run(trials=None, stages=20)
    assert [row["stage"] for row in made.trials] == list("12345678")


@pytest.mark.usefixtures("bare")
def test_discarded_trials_are_told_and_never_the_best(run):
    made = run(trials=8, epochs=9, discard=True)
    messages = [row["message"] for row in made.trials]
    assert messages.count("pruned after 1 of 9 epochs") == 4
    assert messages.count("pruned after 3 of 9 epochs") == 2
    assert made.found.ranking[0].message is None
    for row in table_of(made.folder / "history.csv"):
        message = messages[int(row["trial"])]
        last = int(message.split()[2]) if message else 9
        assert np.isfinite(float(row["value"])) == (int(row["epoch"]) <= last)


def test_what_is_understood_of_a_table_is_logged_before_a_search(tiny_recipe, tmp_path):
    rows = "".join(f"{n / 7:.3f},{'ab'[n % 2]}\n" for n in range(40))
    (tmp_path / "own.csv").write_text("size,kind\n" + rows)
    console = Console(width=100)
    options = Options(data=str(tmp_path / "own.csv"))
    with console.capture() as shown:
        data = search._data(sys.modules["recipes.tiny"], options, console.print)
    assert data.class_names == ("a", "b")
    assert "target   'kind', 2 classes: 'a' 50.0%, 'b' 50.0%" in shown.get()


@pytest.mark.usefixtures("bare")
def test_images_are_given_to_a_template_that_takes_them(run, tiny_recipe):
    shapes = set()

    def images(hp, input_shape=(8, 8, 1), num_classes=10):
        shapes.add(input_shape)
        return tiny(hp, input_shape, num_classes)

    tiny_recipe(images)
    run(trials=2)
    assert shapes == {(8, 8, 1)}


def test_a_condition_leaves_gaps_in_table_and_figures(run, tiny_recipe):
    def build_tunable(hp, input_shape=(64,), num_classes=10):
        hp.Choice("kind", ["plain", "other"])
        with hp.conditional_scope("kind", "other"):
            hp.Float("more", 0.0, 1.0)
        return tiny(hp, input_shape, num_classes)

    tiny_recipe(build_tunable)
    made = run(trials=6)
    assert {(row["kind"], row["more"] == "") for row in made.trials} == {
        ("plain", True),
        ("other", False),
    }
    assert imread(made.folder / "figure-parallel.png").size


@pytest.mark.usefixtures("bare")
def test_twenty_trials_tell_what_matters(run, monkeypatch):
    monkeypatch.setattr(space, "growth_of_error", partial(space.growth_of_error, trees=3))
    monkeypatch.setattr(search, "QUICK_TRIALS", 20)
    made = run(trials=20)
    assert set(made.found.importance) == {"learning_rate"}
    assert set(made.found.figures) == {"figure.png", "figure-importance.png"}
    told = json.loads((made.folder / "search.json").read_text(encoding="utf-8"))["importance"]
    assert told == {"learning_rate": list(made.found.importance["learning_rate"])}
    _, half_width = told["learning_rate"]
    assert half_width > 0


@pytest.mark.usefixtures("bare")
def test_an_explicit_number_of_trials_wins_over_quick(run):
    assert len(run(trials=None).trials) == 8
    assert len(run(trials=9).trials) == 9


@pytest.mark.usefixtures("bare")
def test_values_to_start_with_are_the_first_trial_and_leave_the_others_alone(run):
    usual = run().trials
    made = run(start="learning_rate=0.5")
    assert made.told == ["a new search, since there is a change in: start"]
    assert float(made.trials[0]["learning_rate"]) == 0.5
    drawn = [row["learning_rate"] for row in made.trials[1:]]
    assert drawn == [row["learning_rate"] for row in usual[1:]]
    staged = run(start="learning_rate=0.5", stages=2).trials
    assert [float(row["learning_rate"]) == 0.5 for row in staged] == [True, False, False, False]


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("learning_rat=0.1", "no hyperparameter 'learning_rat' (did you mean 'learning_rate'?)"),
        ("learning_rate=7", "learning_rate can't be 7; it is a number, 0.001 to 1.0"),
        ("learning_rate=fast", "learning_rate can't be 'fast'; it is a number, 0.001 to 1.0"),
    ],
)
def test_values_to_start_with_that_are_none_are_one_line(start, words, run):
    with pytest.raises(UserError) as caught:
        run(start=start)
    assert words in str(caught.value)


def test_a_search_of_fixed_values_is_refused(run, tiny_recipe):
    def build_tunable(hp, input_shape=(64,), num_classes=10):
        hp.Fixed("depth", 3)
        return tiny(types.SimpleNamespace(Float=lambda *_, **__: 0.1), input_shape, num_classes)

    tiny_recipe(build_tunable)
    with pytest.raises(UserError, match="asks hp for nothing that varies"):
        run()


def test_a_search_in_which_all_fails_ends_in_one_line(run, tiny_recipe):
    def build_tunable(hp, input_shape=(64,), num_classes=10):
        model = tiny(hp, input_shape, num_classes)
        if fails:
            raise ValueError("mine")
        return model if hp.get("learning_rate") == 1e-3 else None

    tiny_recipe(build_tunable)
    for fails, words in (
        (False, "build_model returns NoneType, not a compiled Keras model"),
        (True, "ValueError: mine"),
    ):
        with pytest.raises(UserError) as caught:
            run(epochs=1 + fails)
        assert str(caught.value) == (
            f"4 of 4 trials failed and none is left; the last: {words}; mend build_tunable, or "
            "narrow its ranges"
        )


@pytest.mark.usefixtures("bare")
def test_the_time_is_up_and_the_same_command_goes_on(run, monkeypatch, tmp_path):
    monkeypatch.setattr(tuner, "BATCH", 2)
    expected = run(out=str(tmp_path / "other"))
    clock = itertools.count(0, 61)  # every question takes a minute
    with monkeypatch.context() as patched:
        patched.setattr(halving.time, "monotonic", lambda: next(clock))
        made = run(minutes=1)
    assert made.told == ["the time is up, after 2 of 4 trials"]
    assert made.trials == expected.trials[:2]
    assert run(minutes=1).trials == expected.trials


def test_a_search_that_is_killed_has_its_tables_and_a_figure_so_far(run, monkeypatch, tmp_path):
    monkeypatch.setattr(tuner, "BATCH", 2)
    monkeypatch.setattr(search.Growing, "SECONDS", 0)
    train = population.train

    def killed(members, **options):
        if members[0].label.endswith("2"):
            raise KeyboardInterrupt
        return train(members, **options)

    with monkeypatch.context() as patched:
        patched.setattr(population, "train", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    folder = tmp_path / "runs" / "tiny" / "digits-search-unfinished"
    assert len(table_of(folder / "trials.csv")) == 2
    assert len(table_of(folder / "history.csv")) == 2 * len(METRICS) * 3
    assert imread(folder / "figure.png").size
    made = run()
    assert len(made.trials) == 4
    assert not folder.exists()


def test_what_an_expert_would_ask_is_remarked(run):
    made = run(seeds=2, start="learning_rate=1")
    told = json.loads((made.folder / "search.json").read_text(encoding="utf-8"))["remarks"]
    assert told == made.found.remarks
    assert made.found.saved["test"]["majority"] < 0.2  # is shown with the model
    assert re.search(r"ahead of the second, ± [\d.]+ over 2 seeds \(95 % interval\)", told[-1])


def test_a_search_in_which_all_diverges_ends_in_one_line(run, tiny_recipe):
    def build_tunable(hp, input_shape=(64,), num_classes=10):
        hp.Float("learning_rate", 1e30, 1e31, sampling="log")
        return tiny(hp, input_shape, num_classes)

    tiny_recipe(build_tunable)
    for stages in (1, 2):
        with pytest.raises(UserError, match="all trials diverged; search smaller learning rates"):
            run(stages=stages)


@pytest.mark.usefixtures("bare")
def test_a_search_goes_on_if_all_of_its_first_stage_diverges(run, tiny_recipe, tmp_path):
    """The same command once more finds all that there was, and trains nothing."""
    usual = run(trials=3, stages=3, out=str(tmp_path / "usual")).trials
    first = usual[0]["learning_rate"]

    def build_tunable(hp, input_shape=(64,), num_classes=10):
        model = tiny(hp, input_shape, num_classes)
        if repr(hp.get("learning_rate")) == first:
            model.optimizer.learning_rate = 1e30
        return model

    tiny_recipe(build_tunable, "TEXT = 2")
    made = run(trials=3, stages=3)
    assert made.told == ["no trial has finished yet, so stage 2 keeps the whole ranges"]
    assert [row["status"] for row in made.trials] == ["FAILED", "COMPLETED", "COMPLETED"]
    assert made.trials[1]["learning_rate"] != usual[1]["learning_rate"]
    assert made.found.ranking[0].status == "COMPLETED"
    again = run(trials=3, stages=3)
    assert (again.trained, again.trials) == (0, made.trials)


def test_a_recipe_without_a_search_space_is_refused(run, tiny_recipe):
    tiny_recipe(None)
    with pytest.raises(UserError, match="has no build_tunable, so nothing to search"):
        run()


def test_a_regression_is_refused(run, tiny_recipe):
    tiny_recipe(lambda hp, input_shape=(10,), num_outputs=1: None)
    with pytest.raises(UserError, match="takes no num_classes: this search is for classifiers"):
        run()


@pytest.mark.usefixtures("bare")
def test_a_state_that_is_none_is_one_line_and_stays(run, tmp_path):
    run()
    (state,) = (tmp_path / "runs" / ".cache").glob("search-*/stage-1-*/oracle.json")
    state.write_text("mine")
    with pytest.raises(UserError) as caught:
        run()
    message = str(caught.value)
    assert f"{str(state.parent)!r} holds no sound state of a search" in message
    assert message.isprintable()
    assert state.read_text() == "mine"


# What a user types


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    """`refused(*arguments)` returns the one line with which a search is refused."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["__main__.py", "search", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, "")
        assert err.startswith("error: ")
        message = err.removesuffix("\n")
        assert message.isprintable(), "more than one line"
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        return message

    return run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: NAME"),
        (["bn_vs_nobm"], "no recipe is called 'bn_vs_nobm' (did you mean 'bn_vs_nobn'?)"),
        (["../x"], "no recipe is called '../x'"),
        (
            ["bn_vs_nobn", "--trials", "0"],
            "argument --trials (TRIALS=): '0' is not a whole number from 1",
        ),
        (
            ["bn_vs_nobn", "--trials", "many"],
            "argument --trials (TRIALS=): 'many' is not a whole number",
        ),
        (
            ["bn_vs_nobn", "--stages", "0"],
            "argument --stages (STAGES=): '0' is not a whole number from 1",
        ),
        (["bn_vs_nobn", "--stages", "21"], "'21' is not a whole number from 1 to 20"),
        (
            ["bn_vs_nobn", "--seeds", "-1"],
            "argument --seeds (SEEDS=): '-1' is not a whole number from 1",
        ),
        (
            ["bn_vs_nobn", "--epochs", "1.5"],
            "argument --epochs (EPOCHS=): '1.5' is not a whole number",
        ),
        (["bn_vs_nobn", "--trials", "3", "--stages", "4"], "3 trials are too few for 4 stages"),
        (
            ["bn_vs_nobn", "--minutes", "0"],
            "argument --minutes (MINUTES=): '0' is not a whole number from 1",
        ),
        (["bn_vs_nobn", "--start", "0.1"], "'0.1' does not say where to start; give name=value"),
        (
            ["bn_vs_nobn", "--oracle", "delphi"],
            "argument --oracle (ORACLE=): invalid choice: 'delphi'",
        ),
        (["bn_vs_nobn", "--data", "digit"], "no data is called 'digit' (did you mean 'digits'?)"),
        (["bn_vs_nobn", "--target", "kind"], "the target 'kind' is for a table"),
        (["bn_vs_nobn", "--out", ""], "argument --out (OUT=): '' is no path"),
        (["bn_vs_nobn", "--out", "file"], "can't write 'file/bn_vs_nobn/digits-search': "),
        (["bn_vs_nobn", "--out", "file/below"], "give another folder (OUT=... or --out ...)"),
        (["bn_vs_nobn", "--save-model", "x.h5"], "--save-model 'x.h5' must end in .keras"),
    ],
)
def test_a_mistake_is_one_line(arguments, words, refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert words in refused(*arguments)
    assert (tmp_path / "file").read_text() == "mine"


def made_by_make(root, environment, *arguments):
    """Return what `make search` would run, as the arguments of `python -m recipes`."""
    known = (".venv/installed", ".venv/cluster")
    command = ["make", *(f"--assume-old={file}" for file in known), "-n", "search", *arguments]
    clean = {name: value for name, value in environment.items() if not name.startswith("M")}
    done = subprocess.run(command, cwd=root, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (made,) = re.findall(r"-m recipes (.*)$", done.stdout.replace("\\\n", " "), flags=re.M)
    return shlex.split(made)


def test_make_search_passes_every_option(root, environment):
    first = ("NAME=bn_vs_nobn", "DATA=Bob's data.csv", "TARGET=a b", "OUT=my runs", "TRIALS=0")
    more = (
        "START=units=3,kind=a b",
        "MINUTES=30",
        "STAGES=3",
        "ORACLE=bayesian",
        "SEEDS=2",
        "EPOCHS=7",
        "DISCARD=1",
        "QUICK=1",
    )
    assert made_by_make(root, environment, *first, *more, "CLUSTER=auto") == [
        *("search", "bn_vs_nobn", "--data", "Bob's data.csv", "--target", "a b"),
        *("--seeds", "2", "--epochs", "7", "--quick", "--out", "my runs", "--cluster", "auto"),
        *("--trials", "0", "--stages", "3", "--oracle", "bayesian"),
        *("--start", "units=3,kind=a b", "--minutes", "30", "--discard"),
    ]


def test_make_search_leaves_the_defaults_to_the_command(root, environment):
    expected = ["search", "bn_vs_nobn", "--data", "digits", "--out", "runs"]
    for options in ((), ("DISCARD=0", "QUICK=0")):
        assert made_by_make(root, environment, "NAME=bn_vs_nobn", *options) == expected


def test_a_search_space_is_told_the_steps_that_its_schedule_depends_on(tmp_path):
    """A decay by epochs needs the real number of steps in one, not a constant."""
    y = np.arange(1000) % 2
    np.savez(tmp_path / "many.npz", x=np.linspace(0, 1, 1000)[:, None], y=y)
    splits = data.Splits(data.read(str(tmp_path / "many.npz")), [0])

    def some(hp, input_shape, num_classes, *, epochs=1, steps_per_epoch=1):
        """Ask for two of them."""

    def examples_only(hp, input_shape, num_classes, *, examples=1):
        """Ask for the third."""

    def nothing(hp, input_shape, num_classes):
        """Ask for none."""

    assert search._known(some, splits, 7) == {"epochs": 7, "steps_per_epoch": 6}
    assert search._known(examples_only, splits, 7) == {"examples": 600}
    assert search._known(nothing, splits, 7) == {}


def test_the_decay_of_a_searched_schedule_ends_with_training():
    import keras_tuner

    from recipes import learning_rate_decay

    model = learning_rate_decay.build_tunable(
        keras_tuner.HyperParameters(), epochs=30, steps_per_epoch=6
    )
    schedule = model.optimizer._learning_rate
    assert schedule.decay_steps == 30 * 6
