"""What a draw comes to: all that its model asks for is drawn; failures; the end of a space."""

import contextlib
import dataclasses
import itertools

import keras
import keras_tuner
import numpy as np
import pytest

from recipes._lab.data import Split
from recipes._lab.errors import UserError
from recipes._lab.training import population
from recipes._lab.tuning import tuner
from recipes._lab.tuning.halving import search_in_stages
from recipes._lab.tuning.oracles import make_oracle
from recipes._lab.tuning.start import parse
from recipes._lab.tuning.tuner import PopulationTuner
from tests.tuning.test_tuner import (
    CLASSES,
    DATA,
    FEATURES,
    Fake,
    KilledError,
    L,
    build_model,
    functional,
    make,
    model,
    rates,
    searched,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:(currentThread|getName):DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
]


@pytest.fixture
def fake(monkeypatch):
    """Let training take no time; the score is the learning rate's."""
    stand_in = Fake()
    monkeypatch.setattr(population, "train", stand_in)
    return stand_in


def layered(hp):
    """Build as keras-tuner's guide does: a number of layers, and units for each of them."""
    hidden = [L.Dense(hp.Int(f"units_{n}", 4, 400), "relu") for n in range(hp.Int("layers", 1, 3))]
    made = keras.Sequential([keras.Input((FEATURES,)), *hidden, L.Dense(CLASSES, "softmax")])
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    made.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return made


def values_of(made):
    return [trial.hyperparameters.values for trial in made.trials()]


# Everything that is asked for is drawn


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_units_of_every_layer_are_drawn_in_the_first_batch(kind, fake):
    values = values_of(searched(kind, trials=16, build=layered, batch=16))
    for n in (1, 2):
        deep = [of[f"units_{n}"] for of in values if of["layers"] > n]
        assert len(set(deep)) > len(deep) / 2 > 1
        assert not any(f"units_{n}" in of for of in values if of["layers"] <= n)
    assert all(set(of) >= {"layers", "units_0", "learning_rate"} for of in values)


def test_what_an_if_hides_is_drawn_too_also_a_scope_inside_it(fake):
    def build(hp):
        momentum = noise = 0.0
        if hp.Boolean("fast"):
            momentum = hp.Float("momentum", 0.1, 0.9)
            hp.Choice("kind", ["plain", "noisy"])
            with hp.conditional_scope("kind", "noisy"):
                noise = hp.Float("noise", 0.1, 0.5)
        rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
        return model(dropout=noise or 0.0, optimizer=keras.optimizers.SGD(rate, momentum))

    values = values_of(searched(trials=24, build=build, batch=24))
    fast = [of for of in values if of["fast"]]
    assert len({of["momentum"] for of in fast}) == len(fast) > 5
    noisy = [of for of in fast if of["kind"] == "noisy"]
    assert len({of["noise"] for of in noisy}) == len(noisy) > 1
    slow = [of for of in values if not of["fast"]]
    assert {frozenset(of) for of in slow} == {frozenset({"fast", "learning_rate"})}


def test_a_foreign_oracle_draws_everything_too(fake):
    oracle = keras_tuner.oracles.RandomSearchOracle(
        keras_tuner.Objective("val_accuracy", "max"), max_trials=12, seed=3
    )
    values = values_of(searched(oracle, build=layered, batch=12))
    deep = [of["units_1"] for of in values if of["layers"] > 1]
    assert len(set(deep)) > len(deep) / 2 > 1


OBJECTIVE = keras_tuner.Objective("val_accuracy", "max")


@pytest.mark.parametrize(
    "oracle",
    [
        keras_tuner.oracles.GridSearchOracle(OBJECTIVE, max_trials=40),
        keras_tuner.oracles.HyperbandOracle(OBJECTIVE, max_epochs=9, seed=1),
        keras_tuner.oracles.BayesianOptimizationOracle(OBJECTIVE, max_trials=12, seed=1),
    ],
    ids=lambda oracle: type(oracle).__name__,
)
def test_keras_tuners_own_oracles_come_to_their_end(oracle, fake):
    def build(hp):
        hp.Choice("units", [4, 8])
        deep = hp.Boolean("deep")
        dropout = hp.Choice("dropout", [0.1, 0.3]) if deep else 0.0
        return model(hp.Choice("learning_rate", [0.1, 0.2]), dropout)

    made = searched(oracle, build=build, log=lambda text: None)
    deep = [of for of in values_of(made) if of["deep"]]
    assert {of["dropout"] for of in deep} == {0.1, 0.3}
    assert len(made.trials()) >= 12


def test_what_is_drawn_does_not_depend_on_the_batch_or_on_where_a_search_went_on(fake, tmp_path):
    expected = values_of(searched(trials=12, build=layered, batch=12))
    for batch in (4, 12):
        directory = tmp_path / str(batch)
        for trials in (3, 7, 12):
            made = searched(trials=trials, build=layered, batch=batch, directory=directory)
        assert values_of(made) == expected


def test_a_kill_between_two_files_changes_nothing_in_a_space_found_on_the_way(
    fake, tmp_path, monkeypatch
):
    plan = {"trials": 5, "batch": 3, "discard": (1 / 3,), "build": layered}
    expected = searched(**plan).tables()
    write = tuner.write
    for count in range(1, 23, 4):
        left = itertools.count(count, -1)

        def killed(path, content, left=left):
            if next(left) == 0:
                raise KilledError
            write(path, content)

        directory = tmp_path / str(count)
        with monkeypatch.context() as patched:
            patched.setattr(tuner, "write", killed)
            with pytest.raises(KilledError):
                searched(directory=directory, **plan)
        assert searched(directory=directory, **plan).tables() == expected


def test_a_name_under_two_scopes_is_drawn_from_the_range_of_the_scope(fake):
    def build(hp):
        hp.Choice("kind", ["low", "high"])
        with hp.conditional_scope("kind", "low"):
            low = hp.Float("rate", 0.1, 0.2)
        with hp.conditional_scope("kind", "high"):
            high = hp.Float("rate", 0.5, 0.6)
        return model(low or high)

    made = searched(trials=12, build=build)
    assert {trial.status for trial in made.trials()} == {"COMPLETED"}
    for of in values_of(made):
        low, high = (0.1, 0.2) if of["kind"] == "low" else (0.5, 0.6)
        assert low <= of["rate"] <= high
    assert len({of["rate"] for of in values_of(made)}) == 12


def test_scopes_that_exclude_each_other_do_not_hang_the_search(fake):
    def build(hp):
        kind = hp.Choice("kind", ["a", "b"])
        if kind == "a":
            with hp.conditional_scope("kind", "b"):
                hp.Float("never", 0.0, 1.0)
        return model(hp.Float("learning_rate", 0.1, 0.2) if kind == "a" else 0.1)

    assert not any("never" in of for of in values_of(searched(trials=3, build=build)))


def test_batch_size_and_epochs_that_only_the_oracle_knows_are_kept(fake):
    space = keras_tuner.HyperParameters()
    space.Int("epochs", 1, 3)
    space.Choice("batch_size", [8, 16])
    made = searched(make_oracle("random", 6, 0, space))
    assert len({(of["epochs"], of["batch_size"]) for of in values_of(made)}) > 2


# Failures


def shallow(hp):
    """Build what fails for more than one layer."""
    if hp.Int("layers", 1, 2) > 1:
        raise ValueError("too many\n  poolings")
    return model(hp.Float("learning_rate", 1e-3, 1.0, sampling="log"))


def test_a_build_that_raises_is_a_failed_trial_and_the_search_goes_on(fake, tmp_path):
    told = []
    plan = {"trials": 12, "build": shallow, "log": told.append, "batch": 5}
    made = searched(directory=tmp_path, **plan)
    status = [
        (of["layers"], t.status) for of, t in zip(values_of(made), made.trials(), strict=True)
    ]
    assert set(status) == {(1, "COMPLETED"), (2, "FAILED")}
    failed = [trial for trial in made.trials() if trial.status == "FAILED"]
    assert {trial.message for trial in failed} == {"failed: ValueError: too many poolings"}
    assert told == [
        f"trial {failed[0].trial_id} failed: ValueError: too many poolings "
        "(further failures are only counted)"
    ]
    rows, _ = made.tables()
    assert [row[1] for row in rows[1:]] == [trial.status for trial in made.trials()]
    assert np.isnan(made.history(failed[0])["loss"]).all()
    assert (made.test_accuracy(failed[0]) == 0).all()
    trained = len(fake.trained)
    assert searched(directory=tmp_path, **plan).tables() == made.tables()
    assert len(fake.trained) == trained


def test_models_that_cannot_take_the_images_are_failed_trials():
    """Shapes are found out where the weights are made, which a sketch leaves out."""

    def build(hp):
        made = keras.Sequential([keras.Input((FEATURES,)), L.Reshape((FEATURES, 1))])
        for _ in range(hp.Int("poolings", 1, 4)):
            made.add(L.MaxPooling1D(2))
        made.add(L.Flatten())
        made.add(L.Dense(CLASSES, "softmax"))
        rate = hp.Float("learning_rate", 0.01, 0.1)
        made.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        return made

    made = searched(trials=6, build=build, epochs=1, log=lambda text: None)
    status = {
        (of["poolings"] > 2, t.status) for of, t in zip(values_of(made), made.trials(), strict=True)
    }
    assert status == {(False, "COMPLETED"), (True, "FAILED")}


def test_what_only_fit_raises_is_a_failed_trial_too():
    def build(hp):
        made = functional(hp)
        if hp.Boolean("text"):
            made.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])  # a mistake
        return made

    told = []
    made = searched(trials=4, build=build, epochs=1, log=told.append)
    status = {(of["text"], t.status) for of, t in zip(values_of(made), made.trials(), strict=True)}
    assert status == {(False, "COMPLETED"), (True, "FAILED")}
    (line,) = [line for line in told if " failed: " in line]
    assert line.isprintable()


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (None, "build_model returns NoneType, not a compiled Keras model"),
        (keras_tuner.errors.FailedTrialError("too large"), "FailedTrialError: too large"),
    ],
)
def test_other_ways_to_fail(result, words, fake):
    def build(hp):
        rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
        if rate > 0.03:
            if result is not None:
                raise result
            return None
        return model(rate)

    made = searched(trials=8, build=build, log=lambda text: None)
    messages = {trial.message for trial in made.trials()}
    assert len(messages) == 2
    assert any(message and words in message for message in messages)


@pytest.mark.parametrize("kind", [keras_tuner.errors.FailedTrialError, ValueError])
def test_a_default_that_fails_ends_nothing(kind, fake):
    def build(hp):
        rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
        if rate == 1e-3:
            raise kind("the default")
        return model(rate)

    assert len(searched(trials=3, build=build).completed()) == 3


def test_many_failures_in_a_row_end_the_search_in_one_line_also_on_resumption(fake, tmp_path):
    def build(hp):
        rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
        if rate > 1e-3:
            raise ValueError("mine")
        return model(rate)

    for _ in range(2):
        made = make(trials=60, build=build, directory=tmp_path, batch=25, log=lambda text: None)
        with pytest.raises(UserError) as caught:
            made.search()
        assert str(caught.value) == (
            "25 trials in a row have failed, so the search ends; the last: ValueError: mine; "
            "mend the function that builds the model, or narrow its ranges"
        )
        assert len(made.trials()) == 25
    assert fake.trained == []


def test_an_error_that_keras_tuner_calls_fatal_ends_the_search(fake):
    def build(hp):
        if hp.Float("learning_rate", 1e-3, 1.0) > 1e-3:
            raise keras_tuner.errors.FatalValueError("stop")
        return model()

    with pytest.raises(keras_tuner.errors.FatalValueError, match="stop"):
        searched(build=build)


@pytest.mark.parametrize(("kind", "moments"), [("random", range(6)), ("bayesian", (1, 4))])
def test_a_search_with_failures_interrupted_ends_as_if_nothing_had_been(
    kind, moments, fake, quick_process, tmp_path
):
    plan = {"build": shallow, "batch": 3, "discard": (1 / 3,), "log": lambda text: None}
    plan |= {"trials": 8}
    expected = searched(kind, **plan).tables()
    for calls in moments:
        fake.calls = len(fake.trained) + calls
        again = make(kind, directory=tmp_path / str(calls), **plan)
        with contextlib.suppress(KilledError):
            again.search()
        fake.calls = np.inf
        again = searched(kind, directory=tmp_path / str(calls), **plan)
        assert again.tables() == expected


# The end of a space


def three(hp):
    return model(hp.Choice("learning_rate", [0.1, 0.2, 0.3]))


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_a_space_of_three_points_says_when_it_is_exhausted(kind, fake, tmp_path):
    told = []
    plan = {"trials": 50, "build": three, "directory": tmp_path, "log": told.append, "batch": 2}
    made = searched(kind, **plan)
    assert sorted(of["learning_rate"] for of in values_of(made)) == [0.1, 0.2, 0.3]
    assert told == ["the search space is exhausted: 3 different trials were found, of 50 asked for"]
    assert len(searched(kind, **plan).trials()) == 3


def test_trials_that_differ_only_in_what_is_not_asked_for_are_one(fake):
    def build(hp):
        if hp.Choice("kind", ["plain", "fast"]) == "fast":
            return model(hp.Choice("learning_rate", [0.1, 0.2]))
        return model()

    made = searched(trials=30, build=build, log=lambda text: None)
    assert len(made.trials()) == 3


def test_nothing_but_fixed_values_is_one_trial(fake):
    told = []
    made = searched(build=lambda hp: model(hp.Fixed("learning_rate", 0.1)), log=told.append)
    assert len(made.trials()) == len(told) == 1


def test_stages_do_not_repeat_the_trials_of_those_before(fake):
    told = []

    def build(hp):
        return model(hp.Choice("learning_rate", [0.1, 0.2, 0.3, 0.4]))

    def make_tuner(oracle, repetition, stage):
        return make(oracle, build=build, log=told.append)

    (stages,), _ = search_in_stages(make_tuner, "random", 8, 2, [0])
    values = [of["learning_rate"] for made in stages for of in values_of(made)]
    assert sorted(values) == [0.1, 0.2, 0.3, 0.4]
    assert told == ["the search space is exhausted: 0 different trials were found, of 4 asked for"]


def test_given_points_may_repeat(fake):
    made = searched(rates(0.1, 0.1), build=lambda hp: model(hp.Float("learning_rate", 0.0, 1.0)))
    assert len(made.trials()) == 2


# What is refused, start values, evenly spread points


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.linspace(0, 1, 48), "labels are float64, not whole numbers from 0"),
        (np.eye(3)[np.arange(48) % 3], r"labels of shape \(48, 3\)"),
    ],
)
def test_labels_of_other_tasks_are_refused(labels, words):
    data = dataclasses.replace(DATA, train=Split(DATA.train.x, labels))
    with pytest.raises(UserError, match=words):
        PopulationTuner(make_oracle("random", 2, 0), model_of_rate, data, epochs=1)


def model_of_rate(hp):
    return model(hp.Float("learning_rate", 1e-3, 1.0, sampling="log"))


def test_a_tuple_is_no_data():
    with pytest.raises(UserError, match=r"data is a tuple; give a Dataset .* each part a Split"):
        PopulationTuner(make_oracle("random", 2, 0), model_of_rate, (1, 2), epochs=1)


def test_search_takes_no_data():
    made = make()
    with pytest.raises(UserError, match=r"only minutes, not data, epochs: give data, epochs and"):
        made.search(DATA.train.x, DATA.train.y, epochs=3)


def test_a_fit_of_ones_own_is_refused():
    class Ours(keras_tuner.HyperModel):
        def build(self, hp):
            return model_of_rate(hp)

        def fit(self, hp, model, *args, **kwargs):
            return model.fit(*args, **kwargs)

    with pytest.raises(UserError, match="Ours has a fit of its own, which can't train"):
        make(build=Ours())


def test_a_model_of_two_outputs_is_a_failed_trial():
    def build(hp):
        inputs = keras.Input((FEATURES,))
        made = keras.Model(inputs, [L.Dense(CLASSES)(inputs), L.Dense(1)(inputs)])
        made.compile(keras.optimizers.SGD(hp.Float("learning_rate", 0.1, 0.2)), ["mse", "mse"])
        return made

    made = searched(trials=1, build=build, log=lambda text: None)
    assert "has 2 outputs, and each example one label" in made.trials()[0].message


def test_trials_start_with_given_values_and_go_on_as_without(fake, tmp_path):
    plain = values_of(searched(trials=5, build=layered))
    start = [{"layers": 3, "units_2": 50, "learning_rate": 1}, {"units_0": 7}]
    for _ in range(2):
        made = searched(trials=5, build=layered, start=start, directory=tmp_path)
        values = values_of(made)
        assert values[0] == {
            **{"layers": 3, "units_0": 4, "units_1": 4, "units_2": 50},
            "learning_rate": 1.0,
        }
        assert values[1] == {"layers": 1, "units_0": 7, "learning_rate": 1e-3}
        assert [of["layers"] for of in values[2:]] == [of["layers"] for of in plain[2:]]


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ({"unit_0": 7}, r"no hyperparameter 'unit_0' \(did you mean 'units_0'\?\); it asks for"),
        ({"layers": 4}, "layers can't be 4; it is a whole number, 1 to 3"),
        ({"layers": 1.5}, "layers can't be 1.5; it is a whole number, 1 to 3"),
        ({"learning_rate": "high"}, "learning_rate can't be 'high'; it is a number, 0.001 to 1.0"),
    ],
)
def test_a_start_that_is_none_is_refused(start, words):
    with pytest.raises(UserError, match=words):
        make(build=layered, start=[start])


def test_a_foreign_oracle_takes_no_start():
    oracle = keras_tuner.oracles.RandomSearchOracle("val_accuracy", max_trials=2)
    with pytest.raises(UserError, match="RandomSearchOracle takes no values; use make_oracle"):
        make(oracle, start=[{"dropout": 0.1}])


def test_a_start_is_read_from_text():
    assert parse("rate=1e-2, kind=relu,units=32,on=True") == {
        **{"rate": 0.01, "kind": "relu", "units": 32, "on": True}
    }
    assert parse("a={1},b=(,c='x'") == {"a": "{1}", "b": "(", "c": "x"}
    for text in ("rate", "rate=", "=3", "rate=1,,", "rate 1"):
        with pytest.raises(UserError, match="does not say where to start"):
            parse(text)


def test_sobol_points_are_spread_evenly_and_keyed_by_their_number(fake, tmp_path):
    made = searched("sobol", trials=16, build=build_model)
    hp = made.oracle.get_space()
    for parameter in hp.space:
        places = [parameter.value_to_prob(of[parameter.name]) for of in values_of(made)]
        counts, _ = np.histogram(places, 16, (0, 1))
        assert (counts == 1).all()  # one in each of 16 parts: a net in base 2
    for trials in (5, 16):
        again = searched("sobol", trials=trials, build=build_model, directory=tmp_path, batch=5)
    assert values_of(again) == values_of(made)
    assert values_of(searched("sobol", seed=1, build=build_model)) != values_of(made)[:4]
    deep = values_of(searched("sobol", trials=16, build=layered, batch=3))
    assert len({of["units_1"] for of in deep if of["layers"] > 1}) > 5


def test_the_time_is_up_after_a_batch(fake, tmp_path):
    made = make(trials=9, batch=4, directory=tmp_path)
    made.search(minutes=1e-9)
    assert len(made.trials()) == 4
    assert searched(trials=9, batch=4, directory=tmp_path).tables() == (
        searched(trials=9, batch=4).tables()
    )
