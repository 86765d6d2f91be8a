"""The lab that recipes talk to: what it trains, judges and writes, with a recipe of seconds."""

import contextlib
import csv
import dataclasses
import html
import importlib.util
import io
import itertools
import json
import math
import shutil
import sys
import zipfile

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from rich.console import Console

from recipes._lab import data as data_module
from recipes._lab import evidence
from recipes._lab import lab as lab_module
from recipes._lab.errors import UserError
from recipes._lab.files import RunFolder
from recipes._lab.histories import Difference
from recipes._lab.lab import LEARNING_RATES, QUICK, TUNING_SEEDS, Lab, Options
from recipes._lab.output import terminal
from recipes._lab.run import run
from recipes._lab.training import members as members_module
from recipes._lab.training import population

TINY = '''"""Does a tiny recipe work?"""
import keras

def build_model(input_shape=(4,), num_classes=3, *, learning_rate=0.5, optimizer="SGD"):
    model = keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ])
    optimizer = getattr(keras.optimizers, optimizer)(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def run(lab):
    data = lab.data()
    variants = {"fast, lr .5": {}, "slow <lr .001>": {"learning_rate": 0.001}}
    histories = lab.train(build_model, variants, data, epochs=4, batch_size=10)
    names = histories.variants
    difference = histories.difference("test_accuracy", *names)
    lab.claim("fast is better", "Book, 1", difference, unit="points")
    lower = histories.difference("loss", *names[::-1])
    lab.claim("its loss is lower here", "Book, 2", {"here": lower.values}, at_least=1)
    lab.figure(lab.panels(histories, {"all": {name: name for name in names}}))
'''


# Keras, where it turns its variables into arrays to save them.
SAVING = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


def flowers(folder, seed=0, name="flowers.csv"):
    """Write three classes of forty examples, four numbers each, that are easy to tell apart."""
    rng = np.random.default_rng(seed)
    lines = ["a,b,c,d,kind"]
    for kind, centre in (("iris", -2), ("rose", 0), ("tulip", 2)):
        for row in rng.normal(centre, 1, size=(40, 4)):
            lines.append(",".join(f"{value:.3f}" for value in row) + f",{kind}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def flowers_path(tmp_path_factory):
    return flowers(tmp_path_factory.mktemp("data"))


@contextlib.contextmanager
def silent(description, total):
    yield lambda epochs: None


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


def run_tiny(out, data, log=lambda line: None, progress=silent, **options):
    """Run the recipe called tiny and return its lab and folder."""
    return run("tiny", Options(data=data, out=str(out), **options), tell, progress)


@pytest.fixture
def lab(tmp_path, flowers_path):
    """`lab(**options)` is a lab outside any run."""
    with contextlib.ExitStack() as stack:

        def make(log=lambda line: None, progress=silent, **options):
            folder = stack.enter_context(RunFolder(tmp_path, "tiny", f"d{len(made)}"))
            made.append(Lab(Options(data=flowers_path, **options), folder, ["x"], tell, progress))
            return made[-1]

        made = []
        yield make


@pytest.fixture(scope="module")
def build_model():
    names = {}
    exec(TINY, names)
    return names["build_model"]


# train


def test_every_variant_is_trained_with_every_seed(lab, build_model):
    variants = {"b": {"learning_rate": 0.1}, "a": {}}
    lab = lab(seeds=3)
    histories = lab.train(build_model, variants, lab.data(), epochs=2)
    assert histories.variants == ["b", "a"]
    assert histories.seeds("b") == histories.seeds("a") == lab.seeds == [0, 1, 2]
    for (variant, seed), member in histories.members.items():
        assert (member.label, member.seed, member.epochs, member.batch_size) == (
            *(variant, seed),
            *(2, 100),
        )
        rate = float(member.build().optimizer.learning_rate.numpy())
        assert rate == pytest.approx({"b": 0.1, "a": 0.5}[variant])
    assert histories.curve("accuracy", "a").shape == (3, 3)
    assert lab.arguments == {
        "b": {"learning_rate": 0.1, "optimizer": "SGD"},
        "a": {"learning_rate": 0.5, "optimizer": "SGD"},
    }


def test_a_variant_may_override_how_it_is_trained(lab, build_model, tmp_path):
    lab = lab(seeds=1)
    data, other = lab.data(), lab.data(flowers(tmp_path, seed=1))
    fit = {"data": other, "epochs": 5, "batch_size": 7, "class_weight": {0: 2.0}}
    variants = {"plain": {}, "own": {"fit": fit}, "patient": {"fit": {"patience": 1}}}
    histories = lab.train(build_model, variants, data, epochs=3, batch_size=20)
    plain, own, patient = histories.members.values()
    assert (plain.data, plain.epochs, plain.batch_size) == (data, 3, 20)
    assert (plain.class_weight, plain.patience) == (None, None)
    assert {name: getattr(own, name) for name in fit} == fit
    assert (patient.patience, patient.epochs, patient.data) == (1, 3, data)
    lengths = [len(result.history["loss"]) for result in histories.results.values()]
    assert lengths == [4, 6, 4]


def test_each_seed_may_have_data_of_its_own(lab, build_model):
    """The labels of one seed are turned round, so its model learns to be wrong."""
    lab = lab(seeds=2)
    data = lab.data()
    turned = data_module.Split(data.train.x, 2 - data.train.y)
    own = {0: data, 1: dataclasses.replace(data, train=turned)}
    variants = {"own": {"fit": {"data": own}}, "plain": {}}
    histories = lab.train(build_model, variants, data, epochs=20, batch_size=10)
    assert [histories.members["own", seed].data for seed in (0, 1)] == [own[0], own[1]]
    first, second = histories.final("test_accuracy", "own")
    assert first == histories.final("test_accuracy", "plain")[0] > 0.9
    assert second < 0.5
    models = histories.models("own")
    assert models.accuracy(data.test) == pytest.approx([first, second])


def test_copies_have_other_random_numbers_and_the_same_seeds(lab, build_model):
    lab = lab(seeds=2)
    numbers = {
        "plain": {},
        "one": {"copy": 1},
        "same": {"copy": 1},
        "two": {"copy": 2, "record": (1,)},
    }
    variants = {name: {"fit": fit} for name, fit in numbers.items()}
    histories = lab.train(build_model, variants, lab.data(), epochs=2, batch_size=10)
    assert list(histories.results) == [(name, seed) for name in variants for seed in (0, 1)]
    losses = {key: result.history["loss"].tolist() for key, result in histories.results.items()}
    assert all(losses["one", seed] == losses["same", seed] for seed in (0, 1))
    different = [losses[name, seed] for name in ("plain", "one", "two") for seed in (0, 1)]
    assert len({loss[0] for loss in different}) == len({loss[2] for loss in different}) == 6
    plain = histories.members["plain", 1]
    assert plain.seed == 1
    drawn = {histories.members[name, seed].seed for name in ("one", "two") for seed in (0, 1)}
    assert len(drawn) == 4
    assert not drawn & {0, 1}
    assert (histories.recorded("two"), histories.recorded("one")) == ([1], [])
    weights = histories.models("two").weights["softmax/kernel"]
    np.testing.assert_array_equal(weights[1], histories.results["two", 1].weights[0])


def test_overrides_do_not_reach_into_the_recipe(lab, build_model):
    variants = {"v": {"learning_rate": 0.1, "fit": {"epochs": 1}}}
    lab = lab(seeds=1)
    lab.train(build_model, variants, lab.data(), epochs=3)
    assert variants == {"v": {"learning_rate": 0.1, "fit": {"epochs": 1}}}
    assert "fit" not in lab.arguments["v"]


def test_a_variant_may_learn_from_less_than_the_others(lab, build_model):
    """The override changes what is learned, not only what is noted."""
    lab = lab(seeds=1)
    data = lab.data()
    few = data_module.Split(data.train.x[:10], data.train.y[:10])
    variants = {
        "all": {},
        "few": {"fit": {"data": dataclasses.replace(data, train=few)}},
        "one class": {"fit": {"class_weight": {0: 0.0, 1: 1.0, 2: 0.0}}},
    }
    histories = lab.train(build_model, variants, data, epochs=20, batch_size=10)
    assert histories.final("test_accuracy", "all") > 0.9
    model = histories.model("one class", 0)
    assert set(model.predict(data.test.x, verbose=0).argmax(axis=1)) == {1}
    (few_curve,) = histories.curve("loss", "few")
    (all_curve,) = histories.curve("loss", "all")
    assert few_curve[-1] != all_curve[-1]


def test_weights_are_recorded_when_asked(lab, build_model):
    lab = lab(seeds=2)
    histories = lab.train(build_model, {"v": {}}, lab.data(), epochs=3, record=[0, 2, 3])
    for seed in (0, 1):
        result = histories.results["v", seed]
        assert sorted(result.snapshots) == [0, 2, 3]
        for last, final in zip(result.snapshots[3], result.weights, strict=True):
            np.testing.assert_array_equal(last, final)
        assert not np.array_equal(result.snapshots[0][0], result.snapshots[2][0])
        x, y = lab.data().train.x, lab.data().train.y
        for epoch in (0, 2, 3):
            model = histories.model("v", seed, epoch)
            hits = model.predict(x, verbose=0).argmax(axis=1) == y
            assert hits.mean() == pytest.approx(result.history["accuracy"][epoch], abs=1e-6)


@pytest.mark.parametrize(
    ("options", "seeds", "epochs"),
    [
        ({}, 5, [10, 30, 1]),
        ({"quick": True}, 2, [3, 3, 1]),
        ({"epochs": 7}, 5, [7, 7, 7]),
        ({"quick": True, "epochs": 6, "seeds": 3}, 3, [6, 6, 6]),
        ({"seeds": 1, "first_seed": 1000}, 1, [10, 30, 1]),
    ],
)
def test_what_the_user_asks_wins_then_quick_then_the_variant(
    options, seeds, epochs, lab, build_model, monkeypatch
):
    trained = []

    def train(members, **_):
        trained.extend(members)
        return [None] * len(members)

    monkeypatch.setattr(lab_module.population, "train", train)
    monkeypatch.setattr(experiment, "QUICK", {"seeds": 2, "epochs": 3, "examples": 1000})
    lab = lab(**options)
    variants = {"v": {}, "long": {"fit": {"epochs": 30}}, "short": {"fit": {"epochs": 1}}}
    lab.train(build_model, variants, lab.data(), epochs=10)
    first = options.get("first_seed", 0)
    assert lab.seeds == list(range(first, first + seeds))
    assert [(m.label, m.seed, m.epochs) for m in trained] == [
        (variant, seed, count)
        for variant, count in zip(variants, epochs, strict=True)
        for seed in lab.seeds
    ]


def test_a_quick_run_takes_a_thousand_examples_of_each_part(lab, tmp_path):
    y = np.arange(7000) % 2
    np.savez(tmp_path / "many.npz", x=np.linspace(0, 1, 7000)[:, None], y=y)
    whole = lab().data(str(tmp_path / "many.npz"))
    quick = lab(quick=True).data(str(tmp_path / "many.npz"))
    assert [len(part) for part in (whole.train, whole.validation, whole.test)] == [4200, 1400, 1400]
    for part in ("train", "validation", "test"):
        few, all_of_it = getattr(quick, part), getattr(whole, part)
        np.testing.assert_array_equal(few.x, all_of_it.x[:1000])
        np.testing.assert_array_equal(few.y, all_of_it.y[:1000])


def test_a_recipe_may_train_on_fewer_examples(lab, flowers_path):
    data = lab().data(examples=30)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [30, 24, 24]
    assert len(lab(quick=True).data(examples=30).train) == 30
    assert len(lab().data().train) == 72


def test_images_are_given_to_recipes_that_ask_for_them(lab):
    assert lab().data("digits").input_shape == (64,)
    assert lab().data("digits", images=True).input_shape == (8, 8, 1)
    with pytest.raises(UserError, match="needs images"):
        lab().data(images=True)


def test_what_cannot_be_stacked_is_trained_by_fit_and_told(lab, build_model):
    told = []
    lab = lab(log=told.append, seeds=1)
    variants = {"sgd": {}, "nadam": {"optimizer": "Nadam"}, "lion": {"optimizer": "Lion"}}
    histories = lab.train(build_model, variants, lab.data(), epochs=1)
    assert told == [
        "nadam and the like are trained one by one, with fit: the optimizer is Nadam",
        "lion and the like are trained one by one, with fit: the optimizer is Lion",
    ]
    (fitted,) = histories.curve("loss", "nadam")
    assert fitted[1] < fitted[0]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_trials_trained_by_fit_are_not_taken_for_those_of_another_search(lab):
    """Their store can't look into the model, so it goes by search, repetition, round and trial."""

    def tunable(momentum):
        def build_tunable(hp, input_shape, num_classes):
            layer = keras.layers.Dense(num_classes, activation="softmax")
            model = keras.Sequential([keras.Input(input_shape), layer])
            rate = hp.Float("learning_rate", 0.1, 0.2)
            optimizer = keras.optimizers.SGD(rate, momentum, clipnorm=1e3)
            model.compile(optimizer, "sparse_categorical_crossentropy")
            return model

        return build_tunable

    lab = lab(seeds=2)
    plan = {"trials": 1, "epochs": 2}
    found = {m: lab.search(tunable(m), lab.data(), name=f"m {m}", **plan) for m in (0.0, 0.9)}
    losses = [search.curves["loss"][0, 2] for of in found.values() for search in of]
    assert len(set(losses)) == 4
    assert lab.repetitions == [[0, 1], [0, 1]]
    with pytest.raises(ValueError, match=r"there already is a search 'm 0.9'"):
        lab.search(tunable(0.5), lab.data(), name="m 0.9", **plan)


def test_progress_counts_every_epoch_of_every_model(lab, build_model):
    seen = []

    @contextlib.contextmanager
    def progress(description, total):
        seen.append((description, total, []))
        yield seen[-1][2].append

    lab = lab(progress=progress, seeds=2)
    variants = {"a": {}, "b": {"fit": {"epochs": 1}}}
    lab.train(build_model, variants, lab.data(), epochs=3)
    ((description, total, steps),) = seen
    assert description == "training 4 models: 2 variants x 2 seeds"
    assert total == sum(steps) == 2 * 3 + 2 * 1


@pytest.mark.parametrize("names", [("lr .1", "lr,.1"), ("With BN", "with BN"), ("a/b", "a b")])
def test_variants_that_would_share_a_folder_are_refused(names, lab, build_model):
    lab = lab(seeds=1)
    message = f"variants {names[0]!r} and {names[1]!r} would share a folder"
    with pytest.raises(ValueError, match=message):
        lab.train(build_model, {name: {} for name in names}, lab.data(), epochs=1)
    assert lab.histories.variants == []
    lab.train(build_model, {names[0]: {}}, lab.data(), epochs=1)
    for again in names:
        with pytest.raises(ValueError, match="would share a folder"):
            lab.train(build_model, {again: {}}, lab.data(), epochs=1)


def test_histories_of_two_calls_merge(lab, build_model):
    lab = lab(seeds=2)
    one = lab.train(build_model, {"a": {}}, lab.data(), epochs=1)
    two = lab.train(build_model, {"b": {"learning_rate": 0.1}}, lab.data(), epochs=2)
    merged = one | two
    assert merged.variants == lab.histories.variants == ["a", "b"]
    assert merged.difference("accuracy", "a", "b").values.shape == (2,)
    assert merged.results == lab.histories.results


# tune

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")
HIGHER = (0.1, 0.3, 1.0)  # learning rates


class MadeUpTraining:
    """`population.train` with made-up results; keeps whom it was asked to train, call by call.

    Args:
        measure: `measure(arguments, seed)` returns the final metrics that aren't 0.5.
    """

    def __init__(self, measure):
        self.measure, self.calls = measure, []

    def __call__(self, members, **_):
        self.calls.append(members)
        results = []
        for member in members:
            final = dict.fromkeys(METRICS, 0.5) | self.measure(member.build.keywords, member.seed)
            # Before, everything is the other way round.
            history = {m: np.linspace(1 - final[m], final[m], member.epochs + 1) for m in METRICS}
            test = {m: final[m] for m in METRICS[4:]}
            history = {m: history[m] for m in METRICS[:4]}
            results.append(members_module.Result(history, test, member.epochs, []))
        return results

    def asked(self):
        """Return the values of each call by variant, told apart by their optimizer."""
        return [
            {
                optimizer: sorted({m.build.keywords["learning_rate"] for m in of})
                for optimizer, of in itertools.groupby(
                    members, lambda m: m.build.keywords.get("optimizer", "SGD")
                )
            }
            for members in self.calls
        ]


@pytest.fixture
def made_up(monkeypatch):
    """`made_up(measure)` takes the place of all training, see `MadeUpTraining`."""

    def make(measure):
        training = MadeUpTraining(measure)
        monkeypatch.setattr(lab_module.population, "train", training)
        return training

    return make


def nearer(best):
    """Measure validation as the better the nearer the learning rate is to the best."""
    return lambda arguments, _: {
        "val_accuracy": 1 / (1 + abs(math.log(arguments["learning_rate"] / best)))
    }


def test_tuning_chooses_by_the_mean_on_validation_and_by_nothing_else(lab, build_model, made_up):
    by_rate = {
        0.1: {"accuracy": 1.0, "loss": 0.0, "val_accuracy": 0.7},
        0.2: {"val_accuracy": 0.8, "val_loss": 0.9, "test_accuracy": 0.1, "test_loss": 3.0},
        0.3: {"val_accuracy": 0.75, "val_loss": 0.1, "test_accuracy": 1.0, "test_loss": 0.0},
    }

    def measure(arguments, seed):
        metrics = dict(by_rate[arguments["learning_rate"]])
        if "optimizer" in arguments:  # there, 0.3 is best by far for one of the seeds
            metrics["val_accuracy"] = {0.1: 0.79, 0.2: 0.6, 0.3: {-1: 1.0}.get(seed, 0.5)}[
                arguments["learning_rate"]
            ]
        return metrics

    made_up(measure)
    lab = lab()
    variants = {"sgd": {"fit": {"patience": 3}}, "adam": {"optimizer": "Adam"}}
    tuned = lab.tune(build_model, variants, lab.data(), epochs=3, values=by_rate, extend=False)
    assert tuned == {
        "sgd": {"fit": {"patience": 3}, "learning_rate": 0.2},
        "adam": {"optimizer": "Adam", "learning_rate": 0.1},
    }
    assert variants == {"sgd": {"fit": {"patience": 3}}, "adam": {"optimizer": "Adam"}}


def test_of_equal_accuracies_the_lower_validation_loss_is_chosen(lab, build_model, made_up):
    losses = {0.1: 0.4, 0.2: 0.6, 0.3: 0.3, 0.4: 0.3, 0.5: 0.5}
    made_up(lambda arguments, _: {"val_loss": losses[arguments["learning_rate"]]})
    lab = lab()
    (chosen,) = lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, values=losses).values()
    assert chosen == {"learning_rate": 0.3}  # and of equal losses the first


def test_a_diverged_trial_counts_at_chance(lab, build_model, made_up):
    diverged = {"loss": math.nan, "val_accuracy": 0.9}
    made_up(lambda arguments, _: diverged if arguments["learning_rate"] > 0.1 else {})
    lab = lab()
    lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, values=(0.1, 0.2))
    assert lab.tuned[0]["val_accuracy"] == {"0.1": 0.5, "0.2": pytest.approx(1 / 3)}
    assert lab.tuned[0]["value"] == 0.1


@pytest.mark.parametrize(
    ("best", "rounds"),
    [
        (0.3, []),
        (3.0, [[3, 10]]),
        (10.0, [[3, 10], [30, 100]]),
        (1e9, [[3, 10], [30, 100]]),  # not further, though the best is at the end
        (0.03, [[0.01, 0.03]]),
        (1e-9, [[0.01, 0.03], [0.001, 0.003]]),
    ],
)
@pytest.mark.parametrize("values", [HIGHER, HIGHER[::-1]])
def test_values_go_on_beyond_an_end_where_the_best_lies(
    values, best, rounds, lab, build_model, made_up
):
    training = made_up(nearer(best))
    lab = lab()
    (chosen,) = lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, values=values).values()
    asked = [call["SGD"] for call in training.asked()]
    assert asked == [list(HIGHER), *map(pytest.approx, rounds)]
    everything = [rate for call in asked for rate in call]
    nearest = min(everything, key=lambda rate: abs(math.log(rate / best)))
    assert chosen["learning_rate"] == nearest


def test_only_variants_with_their_best_at_an_end_go_on(lab, build_model, made_up):
    best = {"SGD": 0.3, "Adam": 0.03, "RMSprop": 100.0}
    training = made_up(lambda a, s: nearer(best[a["optimizer"]])(a, s))
    lab = lab()
    variants = {name: {"optimizer": name} for name in best}
    tuned = lab.tune(build_model, variants, lab.data(), epochs=1, values=HIGHER)
    assert training.asked() == [
        {optimizer: list(HIGHER) for optimizer in best},
        {"Adam": pytest.approx([0.01, 0.03]), "RMSprop": pytest.approx([3, 10])},
        {"RMSprop": pytest.approx([30, 100])},
    ]
    assert {v: a["learning_rate"] for v, a in tuned.items()} == pytest.approx(best)


@pytest.mark.parametrize(
    ("values", "best", "options"),
    [(HIGHER, 9.0, {"extend": False}), ((0.1, 1.0), 9.0, {}), ((0.1,), 9.0, {})],
)
def test_values_stay_as_they_are_if_asked_or_too_few(
    values, best, options, lab, build_model, made_up
):
    training = made_up(nearer(best))
    lab = lab()
    lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, values=values, **options)
    assert training.asked() == [{"SGD": list(values)}]


@pytest.mark.parametrize("extend", [True, False])
@pytest.mark.parametrize("best", [0.0, 0.5])
def test_values_that_begin_with_zero_have_no_factor_to_go_on_by(
    best, extend, lab, build_model, made_up
):
    training = made_up(lambda a, _: {"val_accuracy": 1 - abs(a["learning_rate"] - best)})
    lab = lab()
    values = (0.0, 0.25, 0.5)
    plan = {"epochs": 1, "values": values, "extend": extend}
    tuned = lab.tune(build_model, {"v": {}}, lab.data(), **plan)
    assert training.asked() == [{"SGD": list(values)}]
    assert tuned == {"v": {"learning_rate": best}}


@pytest.mark.parametrize(
    ("values", "tried"),
    [
        (LEARNING_RATES, [0.003, 0.1, 1.0]),
        ((0.03, 0.1, 0.3, 1.0), [0.03, 0.3, 1.0]),
        ((1.0, 0.3), [0.3, 1.0]),
    ],
)
def test_a_quick_run_tries_three_values_with_one_seed(values, tried, lab, build_model, made_up):
    training = made_up(nearer(9.0))
    lab = lab(quick=True)
    lab.tune(build_model, {"v": {}}, lab.data(), epochs=20, values=values)
    assert training.asked() == [{"SGD": tried}]  # nor does it go on beyond an end
    (members,) = training.calls
    assert {member.seed for member in members} == set(TUNING_SEEDS[:1])
    assert {member.epochs for member in members} == {QUICK["epochs"]}


@pytest.mark.parametrize("options", [{}, {"seeds": 1}, {"seeds": 20, "first_seed": 1000}])
def test_tuning_has_seeds_of_its_own(options, lab, build_model, made_up):
    training = made_up(nearer(9.0))
    lab = lab(**options)
    lab.tune(build_model, {"v": {}, "w": {}}, lab.data(), epochs=1, values=HIGHER)
    assert len(training.calls) == 3
    for members in training.calls:
        for variant in {member.label for member in members}:
            seeds = [member.seed for member in members if member.label == variant]
            assert seeds == list(TUNING_SEEDS)
    assert not set(TUNING_SEEDS) & set(lab.seeds)
    assert max(TUNING_SEEDS) < 0  # which nobody can ask for


def test_tuning_trains_as_training_does(lab, build_model, made_up):
    training, seen = made_up(nearer(0.3)), []

    @contextlib.contextmanager
    def progress(description, total):
        seen.append((description, total))
        yield None

    lab = lab(progress=progress)
    data, less = lab.data(), lab.data(examples=20)
    variants = {"v": {}, "own": {"fit": {"epochs": 5, "data": less}}}
    lab.tune(build_model, variants, data, epochs=3, batch_size=7, values=HIGHER)
    (members,) = training.calls
    plans = [(m.data, m.epochs, m.batch_size, m.record, m.watch) for m in members]
    assert plans == [(data, 3, 7, (), ())] * 6 + [(less, 5, 7, (), ())] * 6
    assert seen == [("tuning learning_rate 12 models: 6 variants x 2 seeds", 3 * 6 + 5 * 6)]
    lab.options = dataclasses.replace(lab.options, epochs=9)
    lab.tune(build_model, variants, data, epochs=3, values=HIGHER)
    assert {member.epochs for member in training.calls[1]} == {9}


def test_what_was_tuned_is_trained_with_other_seeds(lab, build_model):
    """Nothing made up: the choice is that of the tuning seeds' own results."""
    lab = lab(seeds=2)
    data, rates = lab.data(), (0.0001, 0.3)
    plan = {"epochs": 3, "batch_size": 10}
    variants = {"a": {}, "b": {"optimizer": "Adam"}}
    tuned = lab.tune(build_model, variants, data, values=rates, **plan)
    assert (lab.histories.variants, lab.arguments) == ([], {})
    histories = lab.train(build_model, tuned, data, **plan)
    assert list(histories.members) == [(v, seed) for v in variants for seed in lab.seeds]
    assert {v: a["learning_rate"] for v, a in lab.arguments.items()} == {"a": 0.3, "b": 0.3}
    for variant, choice in zip(variants, lab.tuned, strict=True):
        member = histories.members[variant, 0]
        assert float(member.build().optimizer.learning_rate.numpy()) == pytest.approx(0.3)
        seeds = TUNING_SEEDS
        again = population.train([dataclasses.replace(member, seed=seed) for seed in seeds])
        accuracy = np.mean([result.history["val_accuracy"][-1] for result in again])
        assert choice["val_accuracy"]["0.3"] == pytest.approx(accuracy)
        assert choice["val_accuracy"]["0.0001"] < 0.8 < accuracy


def test_another_argument_can_be_tuned(lab, build_model, made_up):
    def build_momentum(input_shape, num_classes, *, momentum=0.0):
        model = build_model(input_shape, num_classes)
        model.optimizer.momentum = momentum
        return model

    made_up(lambda arguments, _: {"val_accuracy": 1 - abs(arguments["momentum"] - 0.5)})
    lab = lab()
    plan = {"argument": "momentum", "values": np.array([0.1, 0.5, 0.9]), "epochs": 1}
    assert lab.tune(build_momentum, {"v": {}}, lab.data(), **plan) == {"v": {"momentum": 0.5}}
    assert lab.tuned == [
        {
            "variant": "v",
            "argument": "momentum",
            "value": 0.5,
            "val_accuracy": {"0.1": pytest.approx(0.6), "0.5": 1.0, "0.9": pytest.approx(0.6)},
        }
    ]


def test_what_was_tuned_is_written_printed_and_shown(recipe, made_up, tmp_path, flowers_path):
    module = recipe()
    made_up(lambda a, s: nearer({"Adam": 0.03}.get(a.get("optimizer"), 0.3))(a, s))

    def run(lab):
        for variants in ({"sgd [x]": {}}, {"adam <y>": {"optimizer": "Adam"}}):
            lab.tune(module.build_model, variants, lab.data(), epochs=1, values=HIGHER)

    module.run = run
    lab, folder = run_tiny(tmp_path, flowers_path)
    written = read_json(folder / "run.json")["tuned"]
    assert written == lab.tuned
    assert [(t["variant"], t["argument"], t["value"]) for t in written] == [
        ("sgd [x]", "learning_rate", 0.3),
        ("adam <y>", "learning_rate", pytest.approx(0.03)),
    ]
    assert list(written[0]["val_accuracy"]) == ["0.1", "0.3", "1"]
    assert list(written[1]["val_accuracy"]) == ["0.01", "0.03", "0.1", "0.3", "1"]
    assert written[0]["val_accuracy"]["0.3"] == 1
    out = io.StringIO()
    terminal.show_run(Console(file=out, width=200), lab, folder, 1.0)
    words = "sgd [x] 0.3, adam <y> 0.03"
    assert f"learning_rate chosen on validation: {words}\n" in out.getvalue()
    page = (folder / "report.html").read_text(encoding="utf-8")
    sentence = "learning_rate, chosen on validation with seeds of its own"
    assert f"<p>{sentence}: {html.escape(words)}.</p>" in page


def test_a_run_without_tuning_says_nothing_of_it(tiny_run):
    lab, folder = tiny_run
    assert read_json(folder / "run.json")["tuned"] == lab.tuned == []
    assert "chosen on validation" not in (folder / "report.html").read_text(encoding="utf-8")


# claim, figure, table

DIFFERENCES = [1.0, 2.0, 3.0, 4.0, 5.0]


def test_claims_are_judged_by_what_they_give(lab):
    lab = lab()
    family = {"here": DIFFERENCES, "there": [-d for d in DIFFERENCES]}
    exact = evidence.judge_exact([1e-9], 1e-6)
    given = [
        lab.claim("array", "s", np.array(DIFFERENCES), at_least=1, unit="points"),
        lab.claim("equality", "s", DIFFERENCES, within=9, unit="points"),
        lab.claim("difference", "s", Difference(np.array(DIFFERENCES), 2, 10), unit="points"),
        lab.claim("settings", "s", family, at_least=1, unit="scales"),
        lab.claim("judgement", "s", exact),
    ]
    expected = [
        evidence.judge(DIFFERENCES, at_least=1, unit="points"),
        evidence.judge(DIFFERENCES, within=9, unit="points"),
        evidence.judge(DIFFERENCES, unit="points", collapsed=2, runs=10),
        evidence.judge_count(family, at_least=1, unit="scales"),
        exact,
    ]
    assert given == [claim.judgement for claim in lab.claims] == expected
    assert [claim.primary for claim in lab.claims] == [True, False, False, False, False]
    assert [(c.claim, c.source) for c in lab.claims][:2] == [("array", "s"), ("equality", "s")]
    assert "2 of 10 runs diverged" in lab.claims[2].judgement.detail


def test_figures_have_names_of_their_own(lab):
    lab = lab()
    figure = Figure(figsize=(2, 1))
    lab.figure(figure)
    lab.figure(figure, "at the book's rate")
    assert list(lab.figures) == ["figure.png", "figure-at_the_book_s_rate.png"]
    assert all(content.startswith(b"\x89PNG") for content in lab.figures.values())
    for name in (None, "at the book's-rate".replace("-", " ")):
        with pytest.raises(ValueError, match=r"there already is a figure.*\.png"):
            lab.figure(figure, name)


def test_the_table_shows_the_chosen_variants_by_their_row_names(lab, hand_made):
    lab = lab()
    run = {"accuracy": [0.1, 0.95], "test_accuracy": 0.5}
    lab.histories = hand_made({"a": [run, run], "b": [run | {"test_accuracy": 0.75}]})
    lab.table({"best": "b"})
    assert lab.rows == [("best", "75.0", "1", "0 of 1")]
    lab.table(["a", "b"])
    assert [row[:2] for row in lab.rows] == [("a", "50.0"), ("b", "75.0")]


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


def test_results_read_back_are_the_histories_bit_by_bit(tiny_run, read_results):
    lab, folder = tiny_run
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["recipe", "data", "variant", "seed", "epoch", "metric", "value"]
    assert {(row["recipe"], row["data"]) for row in rows} == {("tiny", "flowers")}
    curves = read_results(folder)
    assert len(curves) == 2 * 3 * 6
    for (variant, seed), result in lab.histories.results.items():
        for metric, values in result.history.items():
            assert curves.pop((variant, seed, metric)) == values.tolist()
        for metric, value in result.test.items():
            assert curves.pop((variant, seed, metric)) == [value]
    assert curves == {}
    tests = [row for row in rows if row["metric"].startswith("test_")]
    assert {row["epoch"] for row in tests} == {"4"}


def test_results_keep_divergence_and_early_stopping(recipe, hand_made, tmp_path, read_results):
    nan, inf = math.nan, math.inf
    runs = [{"accuracy": [0.1, 0.7, 0.6, nan], "loss": [2.0, 1.0, inf, nan], "epoch": 1}]

    def run(lab):
        lab.histories = hand_made({"v": runs}, first_seed=7)
        lab.arguments = {"v": {}}

    recipe(run=run)
    _, folder = run_tiny(tmp_path, "digits")
    curves = read_results(folder)
    np.testing.assert_array_equal(curves["v", 7, "loss"], [2.0, 1.0, inf, nan])
    np.testing.assert_array_equal(curves["v", 7, "accuracy"], [0.1, 0.7, 0.6, nan])
    assert "tiny,digits,v,7,1,test_accuracy,0.7\n" in (folder / "results.csv").read_text()


def test_claims_are_written_with_all_their_numbers(tiny_run):
    lab, folder = tiny_run
    claims = read_json(folder / "claims.json")
    assert [claim["primary"] for claim in claims] == [True, False]
    for written, claim in zip(claims, lab.claims, strict=True):
        assert (written["claim"], written["source"]) == (claim.claim, claim.source)
        fields = ("verdict", "estimate", "low", "high", "unit", "seeds", "smallest_detectable")
        for name in fields:
            assert written[name] == getattr(claim.judgement, name)
        assert written["detail"] == claim.judgement.detail
    by_seed = lab.histories.difference("test_accuracy", *lab.histories.variants).values
    assert claims[0]["estimate"] == pytest.approx(by_seed.mean())
    assert (claims[0]["unit"], claims[0]["seeds"]) == ("points", 3)


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
    assert run["seconds"]["total"] > 0


def test_a_recipe_that_trains_nothing_still_reports(recipe, tmp_path):
    recipe(run=lambda lab: lab.claim("gradients agree", "s", evidence.judge_exact([1e-9], 1e-6)))
    _, folder = run_tiny(tmp_path, "digits")
    assert sorted(path.name for path in folder.iterdir()) == [
        *("claims.json", "report.html", "run.json"),
    ]
    assert read_json(folder / "claims.json")[0]["verdict"] == "holds"
    with pytest.raises(UserError, match="trains no model that could be saved"):
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
        store_of(seeds=6),
        store_of(epochs=9),
        store_of(quick=True),
        store_of(first_seed=1000),
        store_of("digits"),
        store_of(flowers(tmp_path / "other", seed=1)),
        store_of(target="kind"),
        store_of(source=TINY + "# changed\n"),
    ]
    monkeypatch.setattr(experiment, "version", lambda library: f"{library} 99")
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
    data = data_module.load("digits").flat()
    assert len(data.test) < 1000  # a quick run has them all
    model = keras.saving.load_model(path)
    probabilities = model.predict(data.test.x, verbose=0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    hits = probabilities.argmax(axis=1) == data.test.y
    assert hits.mean() == pytest.approx(about["test_accuracy"], abs=1e-6)
    curves = read_results(run.folder)
    assert curves[about["variant"], about["seed"], "test_accuracy"] == [about["test_accuracy"]]
    # The best variant by its mean on validation, and of that the best seed.
    final = {}
    for (variant, _, metric), values in curves.items():
        if metric == "val_accuracy":
            final.setdefault(variant, []).append(values[-1])
    best = max(final, key=lambda variant: np.mean(final[variant]))
    assert (about["variant"], about["seed"]) == (best, int(np.argmax(final[best])))
    assert about["val_accuracy"] == max(final[best])


def test_the_saved_model_can_be_trained_on(quick_run):
    model = keras.saving.load_model(quick_run().out / "best.keras")
    data = data_module.load("digits").flat()
    history = model.fit(data.train.x, data.train.y, epochs=1, verbose=0).history
    assert history["loss"][0] < math.log(10)


def test_a_run_repeated_gives_the_same_numbers_bit_by_bit(quick_run, recipes, tmp_path):
    """As python -m recipes.bn_vs_nobn, which is the same command."""
    arguments = ("--quick", "--out", tmp_path)
    code, _, err = recipes.run(*arguments, module="recipes.bn_vs_nobn")
    assert (code, err) == (0, "")
    again, first = tmp_path / "bn_vs_nobn" / "digits", quick_run().folder
    for name in ("results.csv", "claims.json", "figure.png", "figure-book-rate.png"):
        assert (again / name).read_bytes() == (first / name).read_bytes()
