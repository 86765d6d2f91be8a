"""A search by populations is keras-tuner's: its draws, scores and ranks; kills change nothing."""

import functools
import gc
import json
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest
from keras_tuner.src import utils as keras_tuner_utils

from recipes._lab.data import Dataset, Split
from recipes._lab.errors import UserError
from recipes._lab.seeding import seed_from
from recipes._lab.training import population
from recipes._lab.training.architecture import read
from recipes._lab.training.members import METRICS, Member, Pause, Result
from recipes._lab.tuning import halving, searches, tuner
from recipes._lab.tuning.halving import search_in_stages, search_together
from recipes._lab.tuning.oracles import make_oracle
from recipes._lab.tuning.tuner import PopulationTuner

pytestmark = [
    # keras-tuner
    pytest.mark.filterwarnings("ignore:currentThread:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:getName:DeprecationWarning"),
    # Keras copies TensorFlow's variables in a way that NumPy 2 will stop to support.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
]

L = keras.layers
FEATURES, CLASSES = 5, 3


def blobs(sizes=(48, 30, 24)):
    """Overlapping clouds, one for each class."""
    random = np.random.default_rng(0)
    centers = random.normal(size=(CLASSES, FEATURES))
    parts = []
    for size in sizes:
        y = random.permutation(np.arange(size) % CLASSES).astype(np.int32)
        x = centers[y] + random.normal(size=(size, FEATURES))
        parts.append(Split(x.astype(np.float32), y))
    return Dataset("blobs", tuple("abc"), *parts)


DATA = blobs()


def model(learning_rate=0.1, dropout=0.0, optimizer=None):
    layers = [L.Dense(6, "relu"), L.Dropout(dropout), L.Dense(CLASSES, "softmax")]
    made = keras.Sequential([keras.Input((FEATURES,)), *layers])
    optimizer = optimizer or keras.optimizers.SGD(learning_rate)
    made.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def build_model(hp):
    return model(
        hp.Float("learning_rate", 1e-3, 1.0, sampling="log"), hp.Float("dropout", 0.0, 0.5)
    )


def rate_only(hp):
    return model(hp.Float("learning_rate", 1e-3, 1.0, sampling="log"))


def rates(*values):
    """The kind of oracle that gives trials of these learning rates."""
    return lambda random: [{"learning_rate": float(value)} for value in values]


def make(oracle="random", trials=4, seed=0, build=build_model, **options):
    """A tuner of a few small trials; an oracle may be given by its kind."""
    if not isinstance(oracle, keras_tuner.Oracle):
        oracle = make_oracle(oracle, trials, seed)
    plan = {"epochs": 3, "batch_size": 16, "log": lambda text: pytest.fail(text)}
    return PopulationTuner(oracle, build, DATA, **plan | options)


def searched(*arguments, **options):
    made = make(*arguments, **options)
    made.search()
    return made


def directly(values, seed, epochs=3, batch_size=16, **plan):
    """What training one execution by itself comes to, without any search."""
    build = functools.partial(model, **values)
    return population.train(
        [Member("alone", build, read(build), seed, DATA, epochs, batch_size, **plan)]
    )[0]


class KilledError(Exception):
    """Ends a search where it stands."""


class Fake:
    """Stands for `population.train`: accuracies by a formula, in no time.

    Args:
        accuracy: `accuracy(learning rate, seed, epochs)` returns them, (epochs + 1,); where they
            are NaN, so is the loss.
        calls: that it answers; the next one is interrupted.
    """

    def __init__(self, accuracy=lambda rate, seed, epochs: rate / (1 + rate) + epochs / 100):
        self.accuracy, self.calls, self.trained, self.starts = accuracy, np.inf, [], []

    def __call__(self, members, *, store=None, progress=None):
        if len(self.trained) >= self.calls:
            raise KilledError
        self.trained.append([(member.label.rpartition(" ")[2], member.seed) for member in members])
        self.starts.append({member.start and member.start.epoch for member in members})
        return [self._result(member) for member in members]

    def _result(self, member):
        if member.spec is None:
            rate = float(member.build().optimizer.learning_rate.numpy())
        else:
            rate = member.spec.learning_rate
        rate = round(rate, 6)  # Keras keeps it in 32 bits
        first = member.start.epoch if member.start else -1
        last = member.stop or member.epochs
        epochs = np.arange(member.epochs + 1)
        curve = self.accuracy(rate, member.seed, epochs)
        shown = (epochs > first) & (epochs <= last)
        history = {
            metric: np.where(shown, np.nan_to_num(curve) if "acc" in metric else 2 - curve, np.nan)
            for metric in METRICS
        }
        weights = [np.array([rate, member.seed])]
        pause = Pause(last, weights, []) if last < member.epochs else None
        test = {"test_loss": 1.0, "test_accuracy": rate / 2}
        return Result(history, test, last, weights, pause=pause)


@pytest.fixture
def fake(monkeypatch):
    """Let training take no time; change `fake.accuracy` for other results."""
    stand_in = Fake()
    monkeypatch.setattr(population, "train", stand_in)
    return stand_in


def rows_of(made):
    """Number, status, score and values of each trial."""
    return [
        (int(t.trial_id), t.status, t.score, t.message, dict(t.hyperparameters.values))
        for t in made.trials()
    ]


# Trials


@pytest.fixture(scope="module")
def found():
    """A finished search of six trials with two executions each."""
    return searched(trials=6, seeds=(0, 3))


def test_a_trial_is_its_executions_trained_directly(found):
    values = [trial.hyperparameters.values for trial in found.trials()]
    assert len({(of["learning_rate"], of["dropout"]) for of in values}) == 6
    for trial, of in zip(found.trials(), values, strict=True):
        expected = [directly(of, seed) for seed in (0, 3)]
        history = found.history(trial)
        assert set(history) == set(METRICS)
        for metric, curves in history.items():
            np.testing.assert_array_equal(curves, [one.history[metric] for one in expected])
        last = [one.history["val_accuracy"][-1] for one in expected]
        assert trial.score == np.mean(last)
        assert trial.best_step == 3
        tests = [one.test["test_accuracy"] for one in expected]
        np.testing.assert_array_equal(found.test_accuracy(trial), tests)
        best = expected[int(np.argmax(last))]
        for ours, theirs in zip(found.load_model(trial).get_weights(), best.weights, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert len({trial.score for trial in found.trials()}) > 3


def test_keras_tuners_own_questions_are_answered(found, capsys):
    ranked = sorted(found.trials(), key=lambda trial: -trial.score)
    hyperparameters = found.get_best_hyperparameters(6)
    assert [hp.values for hp in hyperparameters] == [t.hyperparameters.values for t in ranked]
    (best,) = found.get_best_models(1)
    _, accuracy = best.evaluate(DATA.validation.x, DATA.validation.y, verbose=0)
    curves = found.history(ranked[0])["val_accuracy"]
    assert accuracy == pytest.approx(curves[:, -1].max(), abs=1e-6)
    assert float(best.optimizer.learning_rate.numpy()) == pytest.approx(
        ranked[0].hyperparameters.get("learning_rate")
    )
    found.results_summary(2)
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if line.startswith("Score: ")] == [
        f"Score: {trial.score}" for trial in ranked[:2]
    ]
    found.search_space_summary()
    assert "learning_rate (Float)" in capsys.readouterr().out


def test_a_hypermodel_and_a_function_make_the_same_search(found):
    class Ours(keras_tuner.HyperModel):
        def build(self, hp):
            return build_model(hp)

    assert searched(trials=6, seeds=(0, 3), build=Ours()).tables() == found.tables()


def test_trials_are_those_of_plain_keras_tuner_with_the_same_draws(found, tmp_path):
    """The same oracle, asked by keras-tuner's own tuner, gives the same values, one by one."""

    class Plain(keras_tuner.Tuner):
        def run_trial(self, trial):
            return found.oracle.trials[trial.trial_id].score

    oracle = make_oracle("random", 6, 0)
    oracle.objective = keras_tuner.Objective("default_objective", "max")
    oracle.verbose = 0
    plain = Plain(oracle, build_model, directory=tmp_path)
    plain.search()
    assert [trial.hyperparameters.values for trial in oracle.trials.values()] == [
        trial.hyperparameters.values for trial in found.trials()
    ]
    assert [t.trial_id for t in oracle.get_best_trials(6)] == [
        t.trial_id for t in found.oracle.get_best_trials(6)
    ]


def test_batch_size_and_epochs_are_used_if_drawn():
    def build(hp):
        hp.Int("epochs", 1, 3)
        hp.Choice("batch_size", [16, 24])
        return rate_only(hp)

    made = searched(trials=6, build=build)
    drawn = [trial.hyperparameters.values for trial in made.trials()]
    assert len({(of["epochs"], of["batch_size"]) for of in drawn}) >= 4
    for trial, of in zip(made.trials(), drawn, strict=True):
        plan = of["epochs"], of["batch_size"]
        expected = directly({"learning_rate": of["learning_rate"]}, 0, *plan)
        curves = made.history(trial)["val_loss"]
        np.testing.assert_array_equal(curves, [expected.history["val_loss"]])
        assert curves.shape == (1, of["epochs"] + 1)
        assert trial.score == expected.history["val_accuracy"][-1]


def test_a_hyperparameter_that_only_some_trials_ask_for_is_found(fake):
    def build(hp):
        slow = hp.Choice("pace", ["fast", "slow"]) == "slow"
        return model(hp.Float("slow_rate", 1e-3, 1e-2) if slow else 0.1)

    made = searched(trials=20, build=build, batch=5)
    asked = [t.hyperparameters.values for t in made.trials()]
    assert {of["pace"] for of in asked} == {"fast", "slow"}
    drawn = [of["slow_rate"] for of in asked if of["pace"] == "slow"]
    assert len(set(drawn)) == len(drawn) >= 3
    assert all(1e-3 < rate <= 1e-2 for rate in drawn)
    assert sum(of["pace"] == "fast" for of in asked) == 1  # one model, not again and again


def functional(hp):
    """A model that only `fit` can train: it uses a layer twice."""
    inputs = keras.Input((FEATURES,))
    layer = L.Dense(FEATURES)
    outputs = L.Dense(CLASSES, "softmax")(layer(layer(inputs)))
    made = keras.Model(inputs, outputs)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    loss = "sparse_categorical_crossentropy"
    made.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return made


def test_a_model_that_cannot_be_stacked_is_trained_by_fit():
    told = []
    made = searched(trials=2, build=functional, seeds=(1,), epochs=2, log=told.append)
    assert told == [
        "trial 0 and the like are trained one by one, with fit: layer dense is used 2 times"
    ]
    trial = made.trials()[1]
    build = functools.partial(functional, trial.hyperparameters)
    (expected,) = population.train([Member("alone", build, None, 1, DATA, 2, 16)])
    curves = made.history(trial)
    for metric in METRICS:
        np.testing.assert_array_equal(curves[metric], [expected.history[metric]])
    assert trial.score == expected.history["val_accuracy"][-1]
    (best,) = made.get_best_models()
    _, accuracy = best.evaluate(DATA.validation.x, DATA.validation.y, verbose=0)
    assert accuracy == pytest.approx(made.oracle.get_best_trials()[0].score, abs=1e-6)


def test_other_optimizers_are_told_once_and_pruned_by_nobody(fake):
    """`fit` can't pause, so such trials are trained to the end whatever `discard` says."""

    def build(hp):
        rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
        return model(optimizer=keras.optimizers.ScheduleFreeAdamW(rate))

    told = []
    options = {"batch": 2, "seeds": (0, 1), "discard": (1 / 3,), "log": told.append}
    made = searched(trials=6, build=build, **options)
    assert told == [
        "trial 0 and the like are trained one by one, with fit: the optimizer is ScheduleFreeAdamW"
    ]
    assert [trial.message for trial in made.trials()] == [None] * 6
    assert all(np.isfinite(made.history(trial)["loss"]).all() for trial in made.trials())


# Divergence


def test_a_diverging_trial_has_failed_with_its_epoch_and_is_not_among_the_best():
    values = [0.05, *[1e30] * 5, 0.1]
    made = searched(rates(*values), 9, build=rate_only)
    lost = directly({"learning_rate": 1e30}, 0).history["loss"]
    epoch = int(np.argmin(np.isfinite(lost)))
    assert not np.isfinite(lost[epoch:]).any()
    assert [trial.status for trial in made.trials()] == [
        "COMPLETED" if value < 1 else "FAILED" for value in values
    ]
    for trial in made.trials()[1:6]:
        assert trial.message == f"diverged in epoch {epoch} (seed 0)"
        assert trial.score is None
        assert made.test_accuracy(trial) == [0.0]
    best = made.oracle.get_best_trials(100)
    assert {trial.trial_id for trial in best} == {"0", "6"}
    assert [trial.trial_id for trial in made.completed()] == ["0", "6"]


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_many_diverging_trials_in_a_row_do_not_end_the_search(kind, fake):
    fake.accuracy = lambda rate, seed, epochs: np.where(epochs < 2, 0.3, np.nan)
    made = searched(kind, trials=30)
    assert len(made.trials()) == 30
    assert {trial.status for trial in made.trials()} == {"FAILED"}
    assert made.oracle.get_best_trials(3) == made.get_best_models(3) == []


def test_one_lost_execution_is_named_and_fails_its_trial(fake):
    def accuracy(rate, seed, epochs):
        lost = (seed == 2) & (epochs >= 2) | (seed == 3) & (epochs == 1)  # 3 comes back
        return np.where(lost & (rate > 0.1), np.nan, 0.5 + epochs / 100)

    fake.accuracy = accuracy
    made = searched(rates(0.2, 0.1), build=rate_only, seeds=(1, 2, 3))
    lost, fine = made.trials()
    assert (lost.status, fine.status) == ("FAILED", "COMPLETED")
    assert lost.message == "diverged in epoch 2 (seed 2), epoch 1 (seed 3)"
    assert fine.score == pytest.approx(0.53)


# Giving up early (successive halving)


def curve(order):
    """A score by learning rate and epoch: `order[epoch]` names the rates from best to worst."""

    def accuracy(rate, seed, epochs):
        ranks = [order[max(e for e in order if e <= epoch)].index(round(rate)) for epoch in epochs]
        return 0.9 - np.array(ranks) / 10

    return accuracy


def test_the_worse_half_is_pruned_at_each_share_of_the_epochs(fake):
    # At epochs 1 and 3 of 9: who leads at the end may have been pruned long before.
    fake.accuracy = curve({0: [1, 2, 3, 4, 5], 1: [5, 3, 1, 2, 4], 3: [2, 3, 1, 5, 4]})
    options = {"epochs": 9, "discard": (1 / 9, 1 / 3)}
    made = searched(rates(1, 2, 3, 4, 5), 5, build=rate_only, **options)
    trials = {int(t.hyperparameters.get("learning_rate")): t for t in made.trials()}
    # Three of five are the better half, then two of three.
    assert fake.trained == [
        [(str(n), 0) for n in range(5)],
        [("4", 0), ("2", 0), ("0", 0)],
        [("2", 0), ("0", 0)],
    ]
    assert fake.starts == [{None}, {1}, {3}]
    assert {rate: trial.message for rate, trial in trials.items()} == {
        1: None,
        2: "pruned after 1 of 9 epochs",
        3: None,
        4: "pruned after 1 of 9 epochs",
        5: "pruned after 3 of 9 epochs",
    }
    assert {trial.status for trial in trials.values()} == {"COMPLETED"}
    for rate, last in {1: 9, 2: 1, 3: 9, 4: 1, 5: 3}.items():
        expected = fake.accuracy(rate, 0, np.arange(10))
        np.testing.assert_array_equal(
            made.history(trials[rate])["val_accuracy"][0],
            np.where(np.arange(10) <= last, expected, np.nan),
        )
        assert trials[rate].score == expected[last]
        assert trials[rate].best_step == last


def test_who_has_diverged_is_pruned_first(fake):
    """What is lost may by chance answer as often right as others do."""
    fake.accuracy = lambda rate, seed, epochs: np.full(len(epochs), 0.1 * rate)
    result = fake._result

    def with_loss(member):
        made = result(member)
        if made.weights[0][0] == 4:
            made.history["loss"][:] = np.nan
        return made

    fake._result = with_loss
    made = searched(rates(1, 2, 3, 4), build=rate_only, discard=(1 / 3,))
    assert [trial.message for trial in made.trials()] == [
        "pruned after 1 of 3 epochs",
        None,
        None,
        "diverged in epoch 0 (seed 0)",
    ]
    assert made.test_accuracy(made.trials()[3]) == [0.0]


def test_who_was_pruned_ranks_behind_all_others(fake):
    # The third is pruned with a better score than the first two end with.
    fake.accuracy = curve({0: [1, 2, 3, 4], 2: [9, 8, 7, 2, 1, 3, 4]})
    made = searched(rates(1, 2, 3, 4), build=rate_only, discard=(1 / 3,))
    scores = {int(t.hyperparameters.get("learning_rate")): t.score for t in made.trials()}
    assert scores == pytest.approx({1: 0.5, 2: 0.6, 3: 0.7, 4: 0.6})
    ranked = [int(hp.get("learning_rate")) for hp in made.get_best_hyperparameters(9)]
    assert ranked == [2, 1, 3, 4]
    repetition = searches.read([made], 0.0)
    assert repetition.values["learning_rate"][repetition.best] == 2


def test_equal_scores_rank_by_number_also_when_numbers_got_longer(fake, tmp_path):
    fake.accuracy = lambda rate, seed, epochs: np.full(len(epochs), 0.5)
    for trials in (9, 12):
        made = searched(trials=trials, directory=tmp_path)
    assert [int(t.trial_id) for t in made.oracle.get_best_trials(12)] == list(range(12))


def test_survivors_end_bit_for_bit_as_without_giving_up():
    plain = searched(trials=8, seeds=(0, 3))
    early = searched(trials=8, seeds=(0, 3), discard=(1 / 3, 2 / 3))
    survivors = [trial for trial in early.trials() if trial.message is None]
    assert len(survivors) == 2
    pruned = {t.message for t in early.trials()} - {None}
    assert pruned == {"pruned after 1 of 3 epochs", "pruned after 2 of 3 epochs"}
    for trial in early.trials():
        full = plain.oracle.trials[trial.trial_id]
        assert trial.hyperparameters.values == full.hyperparameters.values
        last = trial.best_step
        for metric, curves in plain.history(full).items():
            ours = early.history(trial)[metric]
            np.testing.assert_array_equal(ours[:, : last + 1], curves[:, : last + 1])
            assert np.isnan(ours[:, last + 1 :]).all()
    for trial in survivors:
        full = plain.oracle.trials[trial.trial_id]
        assert trial.score == full.score
        np.testing.assert_array_equal(early.test_accuracy(trial), plain.test_accuracy(full))
        ours, theirs = early.load_model(trial), plain.load_model(full)
        for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


# Several searches together, and draws


def test_repetitions_searched_together_are_those_searched_alone():
    together = [make(seed=seed, seeds=(seed,)) for seed in (1, 2)]
    search_together(together)
    for seed, one in enumerate(together, 1):
        assert one.tables() == searched(seed=seed, seeds=(seed,)).tables()


def test_repetitions_give_up_only_their_own_trials(fake):
    """Else a repetition would depend on how good the others happen to be."""
    options = {"build": rate_only, "discard": (1 / 3,)}
    kinds = rates(1, 2, 3, 4), rates(5, 6, 7, 8)
    together = [make(kind, **options) for kind in kinds]
    search_together(together)
    for one, kind in zip(together, kinds, strict=True):
        assert one.tables() == searched(kind, **options).tables()
        assert [trial.message is None for trial in one.trials()] == [False, False, True, True]


def test_a_search_that_ends_before_others_leaves_them_going(fake):
    short, long = (make(trials=trials, batch=2) for trials in (2, 6))
    search_together([short, long])
    assert (len(short.trials()), len(long.trials())) == (2, 6)
    assert [len(members) for members in fake.trained] == [4, 2, 2]


def drawn_by(oracle, count):
    oracle.update_space(space())
    return [oracle.populate_space(str(n))["values"] for n in range(count)]


def space():
    hp = keras_tuner.HyperParameters()
    build_model(hp)
    return hp


def test_no_two_oracles_share_a_value():
    """keras-tuner counts its seeds up, so those of neighbours would repeat each other's draws."""
    seen = [
        value
        for seed in (*range(20), 10_000, 20_000)
        for values in drawn_by(make_oracle("random", 30, seed), 30)
        for value in values.values()
    ]
    assert len(set(seen)) == len(seen) == 22 * 30 * 2


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_a_draw_depends_on_the_number_of_the_trial_and_nothing_before_it(kind):
    expected = drawn_by(make_oracle(kind, 9, 5), 5)
    oracle = make_oracle(kind, 9, 5)
    oracle.update_space(space())
    for n in (3, 0, 4, 4, 1, 2):
        assert oracle.populate_space(f"{n:03}")["values"] == expected[n]
    assert drawn_by(make_oracle(kind, 99, 6), 5) != expected


def test_rates_are_drawn_evenly_on_their_scales():
    values = drawn_by(make_oracle("random", 2000, 0), 2000)
    for name, low, high in (("learning_rate", -3.0, 0.0), ("dropout", 0.0, 0.5)):
        drawn = [of[name] for of in values]
        places = (np.log10(drawn) if name == "learning_rate" else np.array(drawn)) - low
        shares, _ = np.histogram(places / (high - low), 4, (0, 1))
        assert shares.sum() == 2000
        assert abs(shares / 2000 - 0.25).max() < 0.04  # four standard errors


def test_points_are_given_as_they_are_and_what_they_leave_out_is_the_default(fake):
    def points(random):
        return [{"learning_rate": float(rate)} for rate in random.uniform(0.1, 0.2, 7)]

    made = searched(points, trials=5)
    values = [trial.hyperparameters.values for trial in made.trials()]
    expected = points(np.random.default_rng(1 + seed_from(0, "search")))[:5]
    assert values == [point | {"dropout": 0.0} for point in expected]
    again = searched(points, trials=5)
    assert again.tables() == made.tables()
    assert len(searched(points, trials=50).trials()) == 7


def test_the_gaussian_process_comes_nearer_to_the_best_from_batch_to_batch(fake):
    fake.accuracy = lambda rate, seed, epochs: np.full(
        len(epochs), 0.9 - (np.log10(rate) + 2) ** 2 / 4
    )
    made = searched("bayesian", trials=11, build=rate_only)
    assert [len(members) for members in fake.trained] == [8, 3]
    values = [trial.hyperparameters.get("learning_rate") for trial in made.trials()]
    assert len(set(values)) == 11
    away = abs(np.log10(values) + 2)
    assert away[8:].mean() < away[:8].mean() / 2


def test_stages_share_the_trials_and_narrow_the_ranges(fake):
    made = []

    def make_tuner(oracle, repetition, stage):
        made.append((repetition, stage, oracle.max_trials, oracle.seed))
        return make(oracle, build=rate_only)

    found, original = search_in_stages(make_tuner, "random", 8, 3, [0, 7])
    assert [entry[:3] for entry in made] == [
        *((0, 0, 2), (1, 0, 2)),
        *((0, 1, 3), (1, 1, 3)),
        *((0, 2, 3), (1, 2, 3)),
    ]
    assert len({entry[3] for entry in made}) == 6
    assert [[len(of.trials()) for of in repetition] for repetition in found] == [[2, 3, 3]] * 2
    (rate,) = original.space
    assert (rate.min_value, rate.max_value) == (1e-3, 1.0)
    for repetition in found:
        before = []
        for one in repetition:
            if before:
                expected = halving.narrowed(original, before).space[0]
                (ours,) = one.oracle.get_space().space
                assert ours.get_config() == expected.get_config()
                for trial in one.trials():
                    value = trial.hyperparameters.get("learning_rate")
                    assert expected.min_value <= value <= expected.max_value
            before += one.trials()


def test_there_are_never_more_stages_than_trials(fake):
    """keras-tuner takes a search of no trials for one without end."""
    fake.calls = 10
    tuners, _ = search_in_stages(lambda oracle, *_: make(oracle), "random", 2, 5, [0])
    assert [[len(of.trials()) for of in repetition] for repetition in tuners] == [[1, 1]]


def test_ranges_stay_whole_until_a_trial_has_finished(fake):
    """In the first repetition all trials of the first stage diverge, in the second none."""

    def accuracy(rate, seed, epochs):
        lost = len(fake.trained) == 1 and seed == 0
        return np.full(len(epochs), np.nan) if lost else rate + epochs / 100

    def make_tuner(oracle, repetition, stage):
        return make(oracle, build=rate_only, seeds=(repetition,), log=told.append)

    told, fake.accuracy = [], accuracy
    (first, second), original = search_in_stages(make_tuner, "random", 9, 3, [0, 7])
    assert told == [
        "no trial has finished yet in 1 of 2 repetitions, so stage 2 keeps the whole ranges"
    ]
    assert [trial.status for trial in first[0].trials()] == ["FAILED"] * 3
    spaces = [of.oracle.get_space().space[0].get_config() for of in (first[1], first[2], second[1])]
    assert spaces[0] == original.space[0].get_config()
    assert spaces[1] == halving.narrowed(original, first[1].trials()).space[0].get_config()
    assert spaces[2] == halving.narrowed(original, second[0].trials()).space[0].get_config()
    assert spaces[0] not in spaces[1:]


def test_stages_in_which_all_diverges_come_to_their_end(fake):
    fake.accuracy = lambda rate, seed, epochs: np.full(len(epochs), np.nan)
    told = []
    plan = {"build": rate_only, "log": told.append}
    (found,), _ = search_in_stages(lambda oracle, *_: make(oracle, **plan), "random", 5, 3, [0])
    assert told == [
        f"no trial has finished yet, so stage {n} keeps the whole ranges" for n in (2, 3)
    ]
    drawn = [trial.hyperparameters.get("learning_rate") for of in found for trial in of.trials()]
    assert len(set(drawn)) == 5


def test_the_epochs_that_are_trained_where_half_is_pruned():
    def epochs(trials, each, discard, **plan):
        build = functools.partial(rate_only, keras_tuner.HyperParameters())
        plan = {"spec": read(build)} | plan
        one = Member("", build, seed=0, data=None, epochs=each, **plan)
        return halving._epochs([[one, one]] * trials, discard)

    assert epochs(8, 18, ()) == 2 * 8 * 18
    assert epochs(8, 18, (1 / 9, 1 / 3)) == 2 * (8 * 2 + 4 * 4 + 2 * 12)
    assert epochs(8, 2, (1 / 9, 1 / 3)) == 2 * (8 * 1 + 0 + 2 * 1)  # at least one epoch each
    assert epochs(3, 10, (0.5,)) == 2 * (3 * 5 + 2 * 5)  # of three, two go on
    assert epochs(8, 18, (1 / 9,), spec=None) == 2 * 8 * 18  # `fit` does not pause


def test_a_trial_that_gets_nothing_right_on_validation_has_not_diverged(fake):
    fake.accuracy = lambda rate, seed, epochs: 0.0 * epochs
    made = searched(rates(0.1), build=rate_only)
    results = [fake._result(member) for member in made.members(made.trials()[0])]
    results[0].test["test_accuracy"] = 0.3
    assert halving.test_accuracies(results)[0] == 0.3
    results[0].history["loss"][-1] = np.nan
    assert halving.test_accuracies(results)[0] == 0


def test_a_repetition_is_told_as_arrays(fake):
    fake.accuracy = lambda rate, seed, epochs: np.where(
        (rate == 0.3) & (epochs == 3), np.nan, rate + seed + epochs / 100
    )
    made = searched(rates(0.1, 0.3, 0.2), build=rate_only, seeds=(0, 0.1))
    one = searches.read([made], 0.2)
    np.testing.assert_array_equal(one.values["learning_rate"], [0.1, 0.3, 0.2])
    # The second has diverged, and counts at chance from then on.
    assert one.val_accuracy == pytest.approx([18, 20, 28])
    assert one.test_accuracy == pytest.approx([5, 20, 10])
    assert one.val_curves.shape == (3, 4)
    assert one.val_curves[1] == pytest.approx([35, 36, 37, 20])
    assert one.val_curves[2] == pytest.approx([25, 26, 27, 28])
    assert one.best == 2


# Going on


KINDS = {
    "random": {"kind": "random", "trials": 5, "batch": 2, "discard": (1 / 3,)},
    "bayesian": {"kind": "bayesian", "trials": 5, "batch": 2},
}


def started(directory, kind, trials, **options):
    options = {"build": rate_only, "directory": directory} | options
    return make(kind, trials, **options)


@pytest.fixture
def undisturbed(fake, quick_process):
    """`undisturbed(name)` returns the tables of a whole search of KINDS."""
    # Coarse, so that the order of the trials decides who of equals is pruned.
    fake.accuracy = lambda rate, seed, epochs: np.round(rate, 1) + epochs / 100

    def search(name):
        made = started(None, **KINDS[name])
        made.search()
        return made.tables()

    return search


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("calls", range(5))
def test_a_search_interrupted_in_training_ends_as_if_nothing_had_been(
    calls, name, fake, undisturbed, tmp_path
):
    expected = undisturbed(name)
    fake.calls = len(fake.trained) + calls
    made = started(tmp_path, **KINDS[name])
    try:
        made.search()
    except KilledError:
        assert len(made.completed()) < 5
    fake.calls = np.inf
    again = started(tmp_path, **KINDS[name])
    again.search()
    assert again.tables() == expected
    more = started(tmp_path, **KINDS[name])
    trained = len(fake.trained)
    more.search()
    assert len(fake.trained) == trained, "finished trials were trained again"
    assert more.tables() == expected


@pytest.mark.parametrize("kind", ["random", "bayesian"])
def test_a_search_in_earnest_interrupted_in_its_second_batch_goes_on(kind, tmp_path, monkeypatch):
    options = {"kind": kind, "trials": 5, "batch": 3}
    expected = started(None, **options)
    expected.search()
    train = population.train
    calls = []

    def interrupted(*arguments, **options):
        calls.append(arguments)
        if len(calls) == 2:
            raise KilledError
        return train(*arguments, **options)

    monkeypatch.setattr(population, "train", interrupted)
    with pytest.raises(KilledError):
        started(tmp_path, **options).search()
    again = started(tmp_path, **options)
    again.search()
    assert again.tables() == expected.tables()
    for ours, theirs in zip(again.trials(), expected.trials(), strict=True):
        pairs = zip(again._arrays(ours).items(), expected._arrays(theirs).items(), strict=True)
        for (name, one), (other_name, other) in pairs:
            assert name == other_name
            np.testing.assert_array_equal(one, other)


@pytest.fixture
def kill_after(monkeypatch):
    """`kill_after(n)` lets the n-th writing of a file from now on never happen."""
    write = tuner.write

    def arm(count):
        left = [count]

        def counted(path, content):
            if left[0] == 0:
                raise KilledError
            left[0] -= 1
            write(path, content)

        monkeypatch.setattr(tuner, "write", counted)

    return arm


@pytest.mark.parametrize(("first", "name"), [*enumerate(KINDS)])
def test_a_kill_between_any_two_files_changes_nothing(
    first, name, undisturbed, kill_after, tmp_path
):
    """All kinds write the same files: each is killed before another part of them."""
    expected = undisturbed(name)
    for count in range(first, 1000, len(KINDS)):
        directory = tmp_path / str(count)
        kill_after(count)
        try:
            started(directory, **KINDS[name]).search()
            break
        except KilledError:
            pass
        kill_after(1000)
        again = started(directory, **KINDS[name])
        again.search()
        assert again.tables() == expected, f"killed after {count} files"
    # A file of results for each trial; each trial's state when it is asked for and when it is
    # told; the oracle's and the tuner's with each batch asked for or told.
    assert count >= 5 + 2 * 5 + 2 * 6


@pytest.mark.parametrize("name", KINDS)
def test_kill_after_kill_changes_nothing(name, undisturbed, kill_after, tmp_path):
    expected = undisturbed(name)
    random = np.random.default_rng(0)
    for _ in range(100):
        kill_after(int(random.integers(2, 14)))  # a batch has up to thirteen
        try:
            made = started(tmp_path, **KINDS[name])
            made.search()
            break
        except KilledError:
            continue
    assert made.tables() == expected


def test_keras_tuner_itself_writes_nothing(fake, tmp_path, monkeypatch):
    """It writes in place, which a kill can tear; `write` does not, see test_files.py."""
    opened = keras_tuner.src.backend.io.File

    def read_only(path, mode):
        assert mode == "r", path
        return opened(path, mode)

    monkeypatch.setattr(keras_tuner_utils.backend.io, "File", read_only)
    made = searched(directory=tmp_path)
    state = json.loads((tmp_path / "search" / "oracle.json").read_text())
    assert state["end_order"] == [trial.trial_id for trial in made.trials()]
    assert make(directory=tmp_path).tables() == made.tables()


def test_a_raised_number_of_trials_continues(fake, tmp_path):
    expected = rows_of(searched(trials=13, batch=5))
    for trials, trained in ((4, 4), (4, 0), (13, 9), (6, 0)):
        fake.trained.clear()
        made = searched(trials=trials, batch=5, directory=tmp_path)
        assert sum(map(len, fake.trained)) == trained
    assert rows_of(made) == expected
    assert rows_of(make(trials=4, directory=tmp_path)) == expected


def test_a_search_without_a_folder_leaves_none(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(tuner.tempfile, "tempdir", str(tmp_path))
    made = searched()
    assert len(made.trials()) == 4
    assert made.history(made.trials()[0])["loss"].shape == (1, 4)
    del made
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def torn(content):
    return content[: len(content) // 2]


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("oracle.json", torn),
        ("oracle.json", lambda content: b""),
        ("oracle.json", lambda content: b"\xff\xfe\x00"),
        ("oracle.json", lambda content: b"[]"),
        ("oracle.json", lambda content: b"null"),
        ("oracle.json", lambda content: b'"mine"'),
        ("oracle.json", lambda content: b'{"mine": 1}'),
        (
            "oracle.json",
            lambda content: content.replace(b'"hyperparameters": {', b'"hyperparameters": {"x": '),
        ),
        ("oracle.json", None),
        ("trial_2/trial.json", torn),
        ("trial_2/trial.json", lambda content: b"{}"),
        ("trial_2/trial.json", None),
        ("trial_2/history.npz", None),
        ("tuner0.json", torn),
    ],
)
def test_what_is_no_state_of_a_search_is_refused_and_left_as_it_is(file, change, fake, tmp_path):
    searched(directory=tmp_path)
    path = tmp_path / "search" / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    before = contents(tmp_path)
    with pytest.raises(UserError) as caught:
        make(directory=tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{str(tmp_path / 'search')!r} holds no sound state of a search")
    assert message.isprintable()
    assert contents(tmp_path) == before


def test_a_search_of_plain_keras_tuner_is_not_taken_for_ours(fake, tmp_path):
    class Plain(keras_tuner.RandomSearch):
        def run_trial(self, trial):
            return 0.5

    made = Plain(build_model, max_trials=2, directory=tmp_path, project_name="search")
    made.search(verbose=0)
    before = contents(tmp_path)
    with pytest.raises(UserError, match="holds no sound state of a search"):
        make(directory=tmp_path)
    assert contents(tmp_path) == before


def test_a_mistake_in_the_model_is_not_blamed_on_the_state(fake, tmp_path):
    def build(hp):
        raise KeyError("mine")

    (tmp_path / "search").mkdir()
    (tmp_path / "search" / "oracle.json").write_text("{}")
    with pytest.raises(KeyError, match="mine"):
        make(build=build, directory=tmp_path)


@pytest.fixture
def plain(tmp_path, quick_process):
    """keras-tuner's own oracle with three finished trials; the next one is the process's."""
    objective = keras_tuner.Objective("val_accuracy", "max")
    oracle = keras_tuner.oracles.BayesianOptimizationOracle(objective, max_trials=9, seed=1)
    oracle._set_project_dir(tmp_path, "plain")
    oracle.verbose = 0
    hp = keras_tuner.HyperParameters()
    hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    oracle.update_space(hp)
    for score in (0.1, 0.2, 0.3):
        trial = oracle.create_trial("slot")
        oracle.update_trial(trial.trial_id, {"val_accuracy": score})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
    return oracle


def test_keras_tuner_still_keeps_its_seeds_where_a_draw_sets_them(plain):
    """Names that are nobody's to rely on, here and in the next two tests."""
    process = plain.populate_space
    random = functools.partial(keras_tuner.oracles.RandomSearchOracle.populate_space, plain)
    for draw, name, states in (
        (random, "_seed_state", (5, 5, 6)),
        (process, "_random_state", map(np.random.RandomState, (5, 5, 6))),
    ):
        drawn = []
        for state in states:
            assert hasattr(plain, name)
            setattr(plain, name, state)
            drawn.append(draw("3")["values"]["learning_rate"])
        assert drawn[0] == drawn[1] != drawn[2]


def test_keras_tuner_still_takes_open_trials_from_the_end_of_its_queue(plain):
    assert plain._retry_queue == []
    plain._retry_queue = ["2", "0", "1"]
    assert [plain.create_trial(f"slot{n}").trial_id for n in range(4)] == ["1", "0", "2", "3"]
    assert plain._retry_queue == []


def test_keras_tuner_still_writes_its_state_with_one_function(plain, monkeypatch):
    files = []
    monkeypatch.setattr(keras_tuner_utils, "save_json", lambda path, _: files.append(Path(path)))
    plain.create_trial("slot")
    assert {path.name for path in files} == {"trial.json", "oracle.json"}
