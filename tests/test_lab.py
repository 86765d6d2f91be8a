"""The lab that recipes talk to: what it trains, tunes, searches, judges and draws."""

import contextlib
import dataclasses
import math

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from recipes._lab import evidence
from recipes._lab import lab as lab_module
from recipes._lab.errors import UserError
from recipes._lab.files import Store
from recipes._lab.lab import LEARNING_RATES, QUICK, Lab, Options
from recipes._lab.training import population
from tests.tiny import TINY, MadeUpTraining, flowers, silent

TUNING_SEEDS = Lab.TUNING_SEEDS
HIGHER = (0.1, 0.3, 1.0)  # learning rates


@pytest.fixture(scope="module")
def flowers_path(tmp_path_factory):
    return flowers(tmp_path_factory.mktemp("data"))


@pytest.fixture
def lab(flowers_path):
    """`lab(**options)` is a lab outside any run."""

    def make(log=lambda line: None, progress=silent, store=None, **options):
        return Lab(Options(**{"data": flowers_path} | options), store, log, progress)

    return make


@pytest.fixture(scope="module")
def build_model():
    names = {}
    exec(TINY, names)
    return names["build_model"]


@pytest.fixture
def training(monkeypatch):
    """`training(measure)` takes the place of all training, see `MadeUpTraining`."""

    def make(measure=lambda arguments, seed: {}):
        made_up = MadeUpTraining(measure)
        monkeypatch.setattr(lab_module.population, "train", made_up)
        return made_up

    return make


# data


def test_every_seed_has_a_split_of_its_own_and_members_of_a_seed_share_it(lab, build_model):
    lab = lab(seeds=3)
    data = lab.data()
    results = lab.train(build_model, {"a": {}, "b": {"learning_rate": 0.1}}, data, epochs=1)
    for seed in range(3):
        of_seed = {results.members[(name,), seed].data for name in "ab"}
        assert of_seed == {data.split(seed)}
    first, second = (data.split(seed).train.x for seed in (0, 1))
    assert set(map(tuple, first)) != set(map(tuple, second))
    assert data.train.x.shape == (3, 72, 4)


def test_a_quick_run_takes_a_thousand_examples_of_each_part(lab, tmp_path):
    y = np.arange(7000) % 2
    np.savez(tmp_path / "many.npz", x=np.linspace(0, 1, 7000)[:, None], y=y)
    whole = lab().data(str(tmp_path / "many.npz")).split(0)
    quick = lab(quick=True).data(str(tmp_path / "many.npz")).split(0)
    assert [len(part) for part in whole.parts] == [4200, 1400, 1400]
    for few, all_of_it in zip(quick.parts, whole.parts, strict=True):
        np.testing.assert_array_equal(few.x, all_of_it.x[:1000])


def sizes(data):
    return [len(part) for part in data.split(0).parts]


def test_a_recipe_may_train_on_fewer_examples_of_embedded_data(lab, monkeypatch):
    digits = lab(data="digits")
    assert sizes(digits.data(examples=30)) == [30, 359, 359]
    assert digits.remarks == [
        "trained on 30 of 1079 training examples (EXAMPLES= takes more or fewer)"
    ]
    monkeypatch.setattr(lab_module, "FEWEST_VALIDATION", 10)
    assert sizes(digits.data(examples=15)) == [15, 15, 359]
    assert sizes(digits.data(examples=5)) == [10, 10, 359]  # one of every class
    assert sizes(lab(data="digits", quick=True).data(examples=30)) == [30, 30, 359]


def test_of_the_users_own_data_all_are_trained_on(lab):
    own = lab()
    assert sizes(own.data(examples=30)) == [72, 24, 24]
    assert own.remarks == [
        "trained on all 72 training examples, where the recipe itself takes 30 (EXAMPLES=recipe)"
    ]
    assert lab().remarks == []
    assert sizes(lab(examples="recipe").data(examples=30)) == [30, 24, 24]


def test_the_users_number_of_examples_wins(lab):
    asked = lab(examples=20)
    assert sizes(asked.data(examples=30)) == sizes(asked.data()) == [20, 24, 24]
    assert sizes(lab(data="digits", examples=50).data(examples=30)) == [50, 359, 359]
    assert sizes(lab(data="digits", examples=500, quick=True).data())[0] == 500


def test_images_are_given_to_recipes_that_ask_for_them(lab):
    assert lab().data("digits").input_shape == (64,)
    assert lab().data("digits", images=True).input_shape == (8, 8, 1)
    with pytest.raises(UserError, match="needs images"):
        lab().data(images=True).split(0)


# train


def test_every_variant_is_trained_with_every_seed(lab, build_model):
    lab = lab(seeds=3)
    results = lab.train(build_model, {"b": {"learning_rate": 0.1}, "a": {}}, lab.data(), epochs=2)
    assert results.keys == [("b",), ("a",)]
    assert results.seeds("b") == results.seeds("a") == lab.seeds == [0, 1, 2]
    for ((variant,), seed), member in results.members.items():
        assert (member.label, member.seed, member.epochs) == (variant, seed, 2)
        rate = float(member.build().optimizer.learning_rate.numpy())
        assert rate == pytest.approx({"b": 0.1, "a": 0.5}[variant])
    assert results.curve("train_accuracy", "a").shape == (3, 3)
    assert lab.arguments == {
        ("b",): {"learning_rate": 0.1, "optimizer": "SGD"},
        ("a",): {"learning_rate": 0.5, "optimizer": "SGD"},
    }


def test_six_seeds_are_the_default_since_unanimity_decides_from_there(lab):
    assert len(lab().seeds) == evidence.FEWEST_IDENTICAL


@pytest.mark.parametrize(
    ("variants", "names"),
    [
        ({("with", 0.1): {"rate": 0.1}}, ["with, rate 0.1"]),
        ({("a", 0.0): {"momentum": 0.0, "drop": 0.0}, ("a", 0.2): {"momentum": 0.0, "drop": 0.2}},
         ["a, drop 0", "a, drop 0.2"]),
        ({("a", 3): {}}, ["a, 3"]),
        ({(256,): {"units": 256}, (0.00123,): {"units": 0.00123}}, ["units 256", "units 0.0012"]),
        ({"only words": {"rate": 1}}, ["only words"]),
        ({(0.5, 2): {"rate": 0.5, "layers": 2}}, ["rate 0.5, layers 2"]),
    ],
)  # fmt: skip
def test_numbers_in_a_key_are_called_by_their_argument(variants, names, lab, training):
    training()

    def build_model(input_shape, num_classes, **arguments):
        model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(num_classes)])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    lab = lab(seeds=1)
    results = lab.train(build_model, variants, lab.data(), epochs=1)
    assert list(results.names.values()) == names


def test_what_is_trained_differently_is_given_by_variant(lab, build_model):
    lab = lab(seeds=2)
    data = lab.data()
    turned = data.map(lambda dataset, random: dataset.with_train(y=2 - dataset.train.y))
    results = lab.train(
        build_model,
        {("short", 1): {}, ("long", 1): {}, ("long", 2): {}},
        {("long", 2): turned, ("short", 1): data, ("long", 1): data},
        epochs={"short": 2, "long": 20},
        batch_size={1: 10, 2: 7},
        patience={1: None, 2: 30},
    )
    plans = {
        key: (member.epochs, member.batch_size, member.patience)
        for (key, seed), member in results.members.items()
        if seed == 0
    }
    assert plans == {
        ("short", 1): (2, 10, None),
        ("long", 1): (20, 10, None),
        ("long", 2): (20, 7, 30),
    }
    test = results.final("test_accuracy")
    assert test["long", 1].array().min() > 85
    assert test["long", 2].array().max() < 50  # its labels are turned round


def test_early_stopping_watches_every_epoch(lab, build_model):
    lab = lab(seeds=1)
    with pytest.raises(ValueError, match="leave evaluate_every at 1"):
        lab.train(build_model, {"a": {}}, lab.data(), epochs=4, patience=2, evaluate_every=2)


def test_examples_of_weight_zero_are_not_learned(lab, build_model):
    lab = lab(seeds=1)
    data = lab.data().map(lambda dataset, random: dataset.with_train(weights=dataset.train.y == 1))
    results = lab.train(build_model, {"a": {}}, data, epochs=20, batch_size=10)
    x = lab.data().split(0).test.x
    assert set(results.models("a").predict(x).argmax(axis=-1).ravel()) == {1}


def test_copies_have_other_random_numbers_on_the_same_split(lab, build_model):
    lab = lab(seeds=2)
    results = lab.train(
        build_model,
        {"plain": {}, "one": {}, "same": {}, "two": {}},
        lab.data(),
        epochs=2,
        batch_size=10,
        copy={"plain": None, "one": 1, "same": 1, "two": 2},
    )
    losses = {key: outcome.history["loss"].tolist() for key, outcome in results.outcomes.items()}
    assert all(losses[("one",), seed] == losses[("same",), seed] for seed in (0, 1))
    different = [losses[(name,), seed] for name in ("plain", "one", "two") for seed in (0, 1)]
    assert len({loss[0] for loss in different}) == len({loss[2] for loss in different}) == 6
    for seed in (0, 1):
        shared = {results.members[(name,), seed].data for name in ("plain", "one", "two")}
        assert len(shared) == 1


def test_weights_are_recorded_when_asked_also_by_numpys_numbers(lab, build_model, tmp_path):
    data = lab().data()
    kept = []
    for _ in range(2):  # the second time from the store
        of = lab(seeds=2, store=Store(tmp_path))
        results = of.train(build_model, {"v": {}}, data, epochs=3, record=np.arange(0, 4, 2))
        assert results.recorded("v") == [0, 2]
        kept.append(results.models("v", epoch=2).weights["softmax/kernel"])
    np.testing.assert_array_equal(*kept)
    assert list(tmp_path.iterdir())
    curve = results.curve("train_accuracy", "v")[:, 2]
    assert 100 * results.models("v", epoch=2).accuracy(of.data().train) == pytest.approx(curve)


@pytest.mark.parametrize(
    ("options", "seeds", "epochs"),
    [
        ({}, 6, [10, 30, 1]),
        ({"quick": True}, 2, [2, 2, 1]),
        ({"epochs": 6}, 6, [2, 6, 1]),  # in proportion, and at least one
        ({"epochs": 60, "seeds": 3}, 3, [20, 60, 2]),
        ({"seeds": 1, "first_seed": 1000}, 1, [10, 30, 1]),
    ],
)
def test_the_users_epochs_scale_all_trainings_and_are_said(
    options, seeds, epochs, lab, build_model, training
):
    made_up, lab = training(), lab(**options)
    first = options.get("first_seed", 0)
    assert lab.seeds == list(range(first, first + seeds))
    asked = {"middle": 10, "long": 30, "short": 1}
    lab.train(build_model, {name: {} for name in asked}, lab.data(), epochs=asked)
    (members,) = made_up.calls
    assert [m.epochs for m in members if m.seed == first] == epochs
    assert bool(lab.remarks) == ("epochs" in options)
    assert all("EPOCHS=" in r and "up to 30 epochs" in r for r in lab.remarks)


def test_a_variant_that_goes_on_alone_in_tuning_is_trained_as_long_as_before(
    lab, build_model, training
):
    best = {"SGD": 0.3, "Adam": 10.0}
    made_up = training(lambda a, s: nearer(best[a.get("optimizer", "SGD")])(a, s))
    lab = lab(epochs=6)
    asked = {"long": 60, "short": 20}
    variants = {"long": {}, "short": {"optimizer": "Adam"}}
    lab.tune(build_model, variants, lab.data(), epochs=asked, learning_rate=HIGHER)
    stages = [{m.label.partition(",")[0]: m.epochs for m in of} for of in made_up.calls]
    assert stages == [{"long": 6, "short": 2}, {"short": 2}, {"short": 2}]


def test_a_recipe_is_told_how_many_epochs_a_run_has(lab):
    assert lab().epochs(20) == 20
    assert lab(quick=True).epochs(20) == QUICK["epochs"]
    assert lab(epochs=7).epochs(20) == 7


def test_what_cannot_be_stacked_is_trained_by_fit_and_said(lab):
    said = []

    def build_model(input_shape, num_classes, optimizer="SGD", **options):
        layer = keras.layers.Dense(num_classes, activation="softmax")
        model = keras.Sequential([keras.Input(input_shape), layer])
        optimizer = getattr(keras.optimizers, optimizer)(0.1, **options)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        return model

    lab = lab(log=said.append, seeds=1)
    free = {"optimizer": "ScheduleFreeAdamW"}
    variants = {"sgd": {}, "free": free, "scaled": {"loss_scale_factor": 8.0}}
    results = lab.train(build_model, variants, lab.data(), epochs=1)
    assert said == [
        "free and the like are trained one by one, with fit: the optimizer is ScheduleFreeAdamW",
        "scaled and the like are trained one by one, with fit: the optimizer uses "
        "loss_scale_factor",
    ]
    (fitted,) = results.curve("train_loss", "free")
    assert fitted[1] < fitted[0]


def test_progress_counts_every_epoch_of_every_model(lab, build_model):
    seen = []

    @contextlib.contextmanager
    def progress(description, total):
        seen.append((description, total, []))
        yield seen[-1][2].append

    lab = lab(progress=progress, seeds=2)
    lab.train(build_model, {"a": {}, "b": {}}, lab.data(), epochs={"a": 3, "b": 1})
    ((description, total, steps),) = seen
    assert description == "training 4 models: 2 variants x 2 seeds"
    assert total == sum(steps) == 2 * 3 + 2 * 1


@pytest.mark.parametrize("names", [("lr .1", "lr,.1"), ("With BN", "with BN"), ("a/b", "a b")])
def test_variants_that_would_share_a_folder_are_refused(names, lab, build_model, training):
    training()
    lab = lab(seeds=1)
    with pytest.raises(ValueError, match="would share a folder"):
        lab.train(build_model, {name: {} for name in names}, lab.data(), epochs=1)
    assert lab.results.keys == []
    lab.train(build_model, {names[0]: {}}, lab.data(), epochs=1)
    for again in names:
        with pytest.raises(ValueError, match="would share a folder"):
            lab.train(build_model, {again: {}}, lab.data(), epochs=1)


@pytest.mark.parametrize(
    ("watch", "options", "watched"),
    [
        (None, {}, [("a", 1), ("a", 2), ("b", 1)]),
        (["a"], {}, [("a", 1), ("a", 2)]),
        ([("a", 2), "b"], {}, [("a", 2), ("b", 1)]),
        ([], {}, []),
        (None, {"quick": True}, [("b", 1)]),
    ],
)
def test_the_first_seed_of_chosen_variants_is_watched(
    watch, options, watched, lab, build_model, training
):
    made_up, lab = training(), lab(seeds=2, **options)
    variants = {key: {"learning_rate": float(key[1])} for key in [("a", 1), ("a", 2), ("b", 1)]}
    results = lab.train(build_model, variants, lab.data(), epochs=9, watch=watch)
    assert [where for where, member in results.members.items() if member.watch] == [
        (key, 0) for key in watched
    ]
    many = {("many", n): {"learning_rate": float(n)} for n in range(1, 41)}
    results = lab.train(build_model, many, lab.data(), epochs=9)
    assert sum(bool(m.watch) for m in made_up.calls[1]) == (1 if options else lab_module.WATCHED)


# tune


def nearer(best):
    """Measure validation as the better the nearer the learning rate is to the best."""
    return lambda arguments, _: {
        "val_accuracy": 1 / (1 + abs(math.log(arguments["learning_rate"] / best)))
    }


def test_tuning_chooses_by_the_mean_on_validation_and_by_nothing_else(lab, build_model, training):
    by_rate = {
        0.1: {"accuracy": 1.0, "loss": 0.0, "val_accuracy": 0.7},
        0.2: {"val_accuracy": 0.8, "val_loss": 0.9, "test_accuracy": 0.1, "test_loss": 3.0},
        0.3: {"val_accuracy": 0.75, "val_loss": 0.1, "test_accuracy": 1.0, "test_loss": 0.0},
    }

    def measure(arguments, seed):
        metrics = dict(by_rate[arguments["learning_rate"]])
        if "optimizer" in arguments:  # there, 0.3 is best by far for one of the seeds
            spoilt = {0.1: 0.7, 0.2: 0.75, 0.3: 1.0 if seed == -1 else 0.6}
            metrics["val_accuracy"] = spoilt[arguments["learning_rate"]]
        return metrics

    training(measure)
    lab = lab()
    variants = {"sgd": {}, "adam": {"optimizer": "Adam"}}
    tuned = lab.tune(build_model, variants, lab.data(), epochs=3, learning_rate=list(by_rate))
    assert tuned == {
        ("sgd",): {"learning_rate": 0.2},
        ("adam",): {"optimizer": "Adam", "learning_rate": 0.2},
    }
    assert variants == {"sgd": {}, "adam": {"optimizer": "Adam"}}


def test_another_metric_may_decide(lab, build_model, training):
    balanced = {0.1: 0.7, 0.2: 0.9, 0.3: 0.8}
    training(
        lambda arguments, _: {
            "val_accuracy": arguments["learning_rate"],
            "val_balanced_accuracy": balanced[arguments["learning_rate"]],
        }
    )
    lab, metric = lab(), "val_balanced_accuracy"
    plan = {"epochs": 1, "learning_rate": list(balanced), "by": metric}
    tuned = lab.tune(build_model, {"v": {}}, lab.data(), **plan)
    assert tuned["v",] == {"learning_rate": 0.2}
    assert lab.tuned[0][metric] == {"0.1": pytest.approx(0.7), "0.2": 0.9, "0.3": 0.8}


def test_of_equal_accuracies_the_lower_validation_loss_is_chosen(lab, build_model, training):
    losses = {0.1: 0.4, 0.2: 0.6, 0.3: 0.3, 0.4: 0.3, 0.5: 0.5}
    training(lambda arguments, _: {"val_loss": losses[arguments["learning_rate"]]})
    lab = lab()
    tuned = lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, learning_rate=list(losses))
    assert tuned["v",] == {"learning_rate": 0.3}  # and of equal losses the first


def test_five_seeds_of_its_own_tune_on_splits_of_their_own(lab, build_model, training):
    made_up, lab = training(nearer(0.3)), lab(seeds=20, first_seed=1000)
    data = lab.data()
    lab.tune(build_model, {"v": {}, "w": {}}, data, epochs=1, learning_rate=HIGHER)
    (members,) = made_up.calls
    assert len(TUNING_SEEDS) == 5
    assert max(TUNING_SEEDS) < 0  # which nobody can ask for
    assert {(member.seed, member.data) for member in members} == {
        (seed, data.split(seed)) for seed in TUNING_SEEDS
    }
    assert len(members) == 2 * 3 * 5


@pytest.mark.parametrize(
    ("best", "stages"),
    [
        (0.3, []),
        (3.0, [[3, 10]]),
        (10.0, [[3, 10], [30, 100]]),
        (2000.0, [[3, 10], [30, 100], [300, 1000], [3000, 10000]]),
        (0.03, [[0.01, 0.03]]),
        (1e-3, [[0.01, 0.03], [0.001, 0.003], [0.0001, 0.0003]]),
    ],
)
@pytest.mark.parametrize("values", [HIGHER, HIGHER[::-1]])
def test_values_go_on_until_the_best_lies_inside(values, best, stages, lab, build_model, training):
    made_up, lab = training(nearer(best)), lab()
    tuned = lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, learning_rate=values)
    asked = [call["SGD"] for call in made_up.asked()]
    assert asked == [list(HIGHER), *map(pytest.approx, stages)]
    everything = [rate for call in asked for rate in call]
    nearest = min(everything, key=lambda rate: abs(math.log(rate / best)))
    assert tuned["v",]["learning_rate"] == nearest


def test_only_variants_with_their_best_at_an_end_go_on(lab, build_model, training):
    best = {"SGD": 0.3, "Adam": 0.03, "RMSprop": 10.0}
    made_up, lab = training(lambda a, s: nearer(best[a["optimizer"]])(a, s)), lab()
    variants = {name: {"optimizer": name} for name in best}
    tuned = lab.tune(build_model, variants, lab.data(), epochs=1, learning_rate=HIGHER)
    assert made_up.asked() == [
        {optimizer: list(HIGHER) for optimizer in best},
        {"Adam": pytest.approx([0.01, 0.03]), "RMSprop": pytest.approx([3, 10])},
        {"RMSprop": pytest.approx([30, 100])},
    ]
    assert {v: a["learning_rate"] for (v,), a in tuned.items()} == pytest.approx(best)


@pytest.mark.parametrize("values", [(0.1, 1.0), (0.1,), (0.0, 0.25, 0.5)])
def test_too_few_values_or_zero_lead_nowhere_else(values, lab, build_model, training):
    made_up, lab = training(lambda a, _: {"val_accuracy": 1 - a["learning_rate"] / 10}), lab()
    lab.tune(build_model, {"v": {}}, lab.data(), epochs=1, learning_rate=values)
    assert made_up.asked() == [{"SGD": list(values)}]


def test_nothing_is_chosen_where_nothing_learned(lab, build_model, training):
    """Accuracies of .33, .34 and .33 at chance are no reason for a learning rate."""
    at_chance = {0.1: 0.33, 0.3: 0.34, 1.0: 0.33}
    said = {"val_accuracy": 0.9}

    def measure(arguments, seed):
        accuracy = at_chance.get(arguments["learning_rate"], 0.33)
        stuck = {"accuracy": accuracy, "val_accuracy": accuracy}
        return said | {"accuracy": 0.9} if arguments.get("optimizer") == "Adam" else stuck

    made_up, lab = training(measure), lab()
    variants = {"stuck": {}, "fine": {"optimizer": "Adam"}}
    tuned = lab.tune(build_model, variants, lab.data(), epochs=1, learning_rate=HIGHER)
    assert tuned["stuck",] == {}
    assert "learning_rate" in tuned["fine",]
    assert lab.tuned[0]["value"] is None
    assert lab.remarks == [
        "stuck: did not learn with any learning_rate (0.1, 0.3, 1), so none is chosen"
    ]
    assert all("SGD" not in call for call in made_up.asked()[1:])  # nor are more values tried


@pytest.mark.parametrize(
    ("values", "tried"),
    [
        (LEARNING_RATES, [0.003, 0.1, 1.0]),
        ((0.03, 0.1, 0.3, 1.0), [0.03, 0.3, 1.0]),
        ((1.0, 0.3), [0.3, 1.0]),
    ],
)
def test_a_quick_run_tries_three_values_with_one_seed(values, tried, lab, build_model, training):
    made_up, lab = training(nearer(9.0)), lab(quick=True)
    lab.tune(build_model, {"v": {}}, lab.data(), epochs=20, learning_rate=values)
    assert made_up.asked() == [{"SGD": tried}]  # nor does it go on beyond an end
    (members,) = made_up.calls
    assert {member.seed for member in members} == set(TUNING_SEEDS[:1])
    assert {member.epochs for member in members} == {QUICK["epochs"]}


def test_tuning_trains_as_training_does(lab, build_model, training):
    made_up, seen = training(nearer(0.3)), []

    @contextlib.contextmanager
    def progress(description, total):
        seen.append((description, total))
        yield None

    lab = lab(progress=progress)
    data = lab.data()
    less = data.map(lambda dataset, random: dataset.first(20))
    lab.tune(
        build_model,
        {("v", 1): {}, ("own", 1): {}},
        {"v": data, "own": less},
        epochs={"v": 3, "own": 5},
        batch_size=7,
        learning_rate={1: HIGHER},
    )
    (members,) = made_up.calls
    plans = {(m.label, len(m.data.train), m.epochs, m.batch_size, m.watch) for m in members}
    assert plans == {
        (f"{name}, 1, learning_rate {rate:g}", size, epochs, 7, ())
        for name, size, epochs in (("v", 72, 3), ("own", 20, 5))
        for rate in HIGHER
    }
    assert seen == [("tuning learning_rate 30 models: 6 variants x 5 seeds", 15 * 3 + 15 * 5)]


def test_what_was_tuned_is_trained_with_other_seeds(lab, build_model):
    """Nothing made up: the choice is that of the tuning seeds' own results."""
    lab = lab(seeds=2)
    data, plan = lab.data(), {"epochs": 3, "batch_size": 10}
    variants = {"a": {}, "b": {"optimizer": "Adam"}}
    tuned = lab.tune(build_model, variants, data, learning_rate=(0.0001, 0.3), **plan)
    assert (lab.results.keys, lab.arguments) == ([], {})
    results = lab.train(build_model, tuned, data, **plan)
    for key, choice in zip(results.keys, lab.tuned, strict=True):
        member = results.members[key, 0]
        assert float(member.build().optimizer.learning_rate.numpy()) == pytest.approx(0.3)
        again = population.train(
            [dataclasses.replace(member, seed=s, data=data.split(s)) for s in TUNING_SEEDS]
        )
        accuracy = np.mean([outcome.history["val_accuracy"][-1] for outcome in again])
        assert choice["val_accuracy"]["0.3"] == pytest.approx(accuracy)
        assert choice["val_accuracy"]["0.0001"] < 0.8 < accuracy


def build_momentum(input_shape, num_classes, *, momentum=0.0):
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(num_classes)])
    model.compile(keras.optimizers.SGD(0.1, momentum), "sparse_categorical_crossentropy")
    return model


def test_no_value_is_tried_that_the_model_refuses(lab, training):
    """There is no momentum of 2.7, though the best of three lies at their end."""
    made_up = training(lambda arguments, _: {"val_accuracy": arguments["momentum"]})
    lab = lab()
    tuned = lab.tune(build_momentum, {"v": {}}, lab.data(), epochs=1, momentum=(0.1, 0.3, 0.9))
    assert tuned == {("v",): {"momentum": 0.9}}
    assert len(made_up.calls) == 1


def test_another_argument_can_be_tuned_but_only_one(lab, training):
    training(lambda arguments, _: {"val_accuracy": 1 - abs(arguments["momentum"] - 0.5)})
    lab = lab()
    values = np.array([0.1, 0.5, 0.9])
    tuned = lab.tune(build_momentum, {"v": {}}, lab.data(), epochs=1, momentum=values)
    assert tuned == {("v",): {"momentum": 0.5}}
    assert lab.tuned == [
        {
            "variant": "v",
            "argument": "momentum",
            "value": 0.5,
            "val_accuracy": {"0.1": pytest.approx(0.6), "0.5": 1.0, "0.9": pytest.approx(0.6)},
        }
    ]
    with pytest.raises(TypeError, match="tune chooses one argument, not momentum, units"):
        lab.tune(build_momentum, {"v": {}}, lab.data(), epochs=1, momentum=values, units=(1, 2))


# search


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_trials_trained_by_fit_are_not_taken_for_those_of_another_search(lab, tmp_path):
    """Their store can't look into the model, so it goes by search, repetition, stage and trial."""

    def build_tunable(hp, input_shape, num_classes, momentum):
        layer = keras.layers.Dense(num_classes, activation="softmax")
        model = keras.Sequential([keras.Input(input_shape), layer])
        rate = hp.Float("learning_rate", 0.1, 0.2)
        optimizer = keras.optimizers.SGD(rate, momentum, loss_scale_factor=8.0)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        return model

    lab = lab(seeds=2, store=Store(tmp_path))
    plan = {"trials": 1, "epochs": 2}
    variants = {("m", value): {"momentum": value} for value in (0.0, 0.9)}
    lab.search(build_tunable, variants, lab.data(), **plan)
    losses = [
        stage.history(stage.trials()[0])["loss"][0, 2]
        for repetitions in lab.searches.values()
        for (stage,) in repetitions
    ]
    assert len(set(losses)) == 4
    assert lab.repetitions == [[0, 1], [0, 1]]
    with pytest.raises(ValueError, match=r"there already is a search 'm, momentum 0'"):
        lab.search(build_tunable, variants, lab.data(), **plan)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_searches_have_variants_and_options_by_variant(lab, build_model):
    def build_tunable(hp, input_shape, num_classes, *, high=0.2):
        rate = hp.Float("learning_rate", 0.1, high)
        return build_model(input_shape, num_classes, learning_rate=rate)

    lab = lab(seeds=2)
    searches = lab.search(
        build_tunable,
        {"as it is": {}, "higher": {"high": 2.0}, "few": {}},
        lab.data(),
        trials={"as it is": 4, "higher": 4, "few": 2},
        epochs=1,
    )
    assert searches.keys == [("as it is",), ("higher",), ("few",)]
    one, higher, few = (searches[key][1].values["learning_rate"] for key in searches.keys)
    assert [len(one), len(few)] == [4, 2]
    np.testing.assert_array_equal(one[:2], few)  # the same draws in the same order
    np.testing.assert_allclose(higher - 0.1, 19 * (one - 0.1))
    assert not np.array_equal(one, searches["as it is"][0].values["learning_rate"])
    best = searches.best("val_accuracy")
    assert best.unit == "%"
    for key in searches.keys:
        assert best[key].array().tolist() == [search.val_accuracy.max() for search in searches[key]]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_the_users_epochs_scale_all_searches_in_proportion(lab, build_model):
    def build_tunable(hp, input_shape, num_classes):
        rate = hp.Float("learning_rate", 0.1, 0.2)
        return build_model(input_shape, num_classes, learning_rate=rate)

    lab = lab(seeds=1, epochs=4)
    epochs = {"short": 10, "long": 40}
    searches = lab.search(
        build_tunable, {key: {} for key in epochs}, lab.data(), trials=1, epochs=epochs
    )
    lengths = {key: searches[key][0].val_curves.shape[1] - 1 for key in epochs}
    assert lengths == {"short": 1, "long": 4}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_a_repetition_of_a_search_has_a_split_of_its_own_and_trials_their_epochs(lab, build_model):
    def build_tunable(hp, input_shape, num_classes):
        hp.Int("epochs", 1, 4)
        rate = hp.Float("learning_rate", 0.1, 0.2)
        return build_model(input_shape, num_classes, learning_rate=rate)

    lab = lab(seeds=2)
    data = lab.data()
    searches = lab.search(build_tunable, {"search": {}}, data, trials=6, epochs=3)
    for seed, (stage,) in enumerate(lab.searches["search"]):
        assert {m.data for t in stage.trials() for m in stage.members(t)} == {data.split(seed)}
    for search in searches["search"]:
        epochs = search.values["epochs"]
        assert len(set(epochs)) > 1
        curves = search.val_curves
        assert curves.shape == (6, 1 + epochs.max())
        assert (~np.isnan(curves)).sum(axis=1).tolist() == (1 + epochs).tolist()


# claim, figure, table


def test_a_claim_is_the_comparison_that_it_asserts(lab):
    lab = lab()
    low, high = lab.measure([1, 2, 3, 4, 5.0], "nats"), lab.measure([5, 6, 7, 9, 9.0], "nats")
    lab.claim("greater", source="Book", that=high > low)
    lab.claim("no more", that=low <= high)
    lab.claim("equal", source="Book", that=low.within(9, of=high))
    lab.claim("two of three", that=lab.at_least(2, [high > low, high > low, low > high], "things"))
    lab.claim("all", that=lab.every([high > low]))
    lab.claim("to the bit", source="Book", that=lab.exact([[1e-9], [0]], 1e-6), any_data=True)
    differences = [4, 4, 4, 5, 4.0]
    assert [claim.judgement for claim in lab.claims][:3] == [
        evidence.judge_difference(differences, unit="nats"),
        evidence.judge_difference(differences, inclusive=True, unit="nats"),
        evidence.judge_equality(np.negative(differences), 9, unit="nats"),
    ]
    assert [claim.verdict for claim in lab.claims] == ["holds"] * 6
    assert "at least 2 required" in lab.claims[3].detail
    assert [claim.primary for claim in lab.claims] == [True, *[False] * 5]
    assert [claim.ours for claim in lab.claims] == [False, True, False, True, True, False]
    assert [claim.any_data for claim in lab.claims] == [False] * 5 + [True]


def test_what_matters_is_said_by_the_claim(lab):
    lab = lab()
    first, second = lab.measure([3.1, 3.2, 3.0], "nats"), lab.measure([3, 3, 3.0], "nats")
    assert lab.claim("a", that=first > second).verdict == evidence.NOT_DETECTED
    assert lab.claim("b", that=first > second, matters=1).verdict == evidence.NO_DIFFERENCE


@pytest.mark.parametrize(
    ("that", "message"),
    [
        (True, "must be a comparison such as a > b, not True"),
        ([1.0, 2.0], "compares 2 variants at once"),
    ],
)
def test_what_is_no_comparison_is_no_claim(that, message, lab):
    lab = lab()
    with pytest.raises(TypeError, match=f"'it is so'.*{message}"):
        lab.claim("it is so", that=that)
    assert lab.claims == []


def test_figures_have_names_of_their_own(lab):
    lab = lab()
    figure = Figure(figsize=(2, 1))
    lab.figure(figure)
    lab.figure(figure, "at the book's rate")
    assert list(lab.figures) == ["figure.png", "figure-at_the_book_s_rate.png"]
    assert all(content.startswith(b"\x89PNG") for content in lab.figures.values())
    for name in (None, "at the book s rate"):
        with pytest.raises(ValueError, match=r"there already is a figure.*\.png"):
            lab.figure(figure, name)


def test_the_table_shows_the_chosen_variants_by_their_row_names(lab, made_up):
    lab = lab()
    lab.results = made_up({("a", 1): [{"accuracy": [0.1]}], ("b", 2): [{"accuracy": [0.1]}]})
    lab.table({"best": ("b", 2), "first": "a"})
    assert lab.rows == {"best": ("b", 2), "first": ("a", 1)}
    lab.table([("a", 1)])
    assert lab.rows == {"a, 1": ("a", 1)}


def test_the_fastest_of_so_many_calls_is_timed(lab, monkeypatch):
    clock, spent = [10.0], iter([0.5, 2, 0.25, 3])
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def work(a, b):
        assert (a, b) == (1, 2)
        clock[0] += next(spent)

    assert lab().milliseconds(work, 1, 2) == 500
    assert lab().milliseconds(work, 1, 2, fastest_of=3) == 250


def test_rank_correlation_is_spearmans(lab):
    assert lab().rank_correlation([1, 2, 3, 4], [1, 4, 9, 10]) == pytest.approx(1)
    assert lab().rank_correlation([1, 2, 3], [3, 2, 2.5]) == pytest.approx(-0.5)
    assert lab().rank_correlation([1, 1, 1], [3, 2, 1]) == 0
