"""Results by variant and seed, against numbers worked out by hand."""

import csv
import math

import keras
import numpy as np
import pytest
from sklearn import metrics

from recipes._lab.lab import Lab, Options
from recipes._lab.run import _results_csv
from recipes._lab.training.members import METRICS
from tests.tiny import flowers, silent

NAN, INF = math.nan, math.inf
LN_4 = 1.3862943611198906  # what a model loses that gives four classes 1/4 each

DIVERGED = {
    "accuracy": [0.2, 0.9, 0.1, 0.1],
    "loss": [1.5, 0.5, INF, NAN],
    "val_accuracy": [0.2, 0.8, 0.1, 0.1],
    "val_loss": [1.5, 0.6, NAN, NAN],
    "test_loss": NAN,
    "test_accuracy": 0.1,
}


def steady(*accuracy, **more):
    return {"accuracy": list(accuracy), **more}


@pytest.mark.parametrize(
    ("metric", "curve"),
    [
        ("train_accuracy", [20, 90, 25, 25]),
        ("val_accuracy", [20, 80, 25, 25]),
        ("train_loss", [1.5, 0.5, LN_4, LN_4]),
        ("val_loss", [1.5, 0.6, LN_4, LN_4]),
    ],
)
def test_diverged_epochs_count_at_chance(metric, curve, made_up):
    results = made_up({"v": [DIVERGED]})
    np.testing.assert_allclose(results.curve(metric, "v"), [curve])
    assert results.final(metric)["v"].array() == pytest.approx(curve[-1:])
    assert results.mean_over_epochs(metric)["v"].array() == pytest.approx([np.mean(curve[1:])])


def test_a_run_that_diverged_counts_at_chance_even_if_it_came_back(made_up):
    back = steady(0.2, 0.1, 0.9, loss=[1.5, NAN, 0.1], test_accuracy=0.8)
    results = made_up({"v": [back, steady(0.2, 0.3, 0.7)]})
    np.testing.assert_allclose(results.curve("train_accuracy", "v")[0], [20, 25, 90])
    np.testing.assert_allclose(results.final("test_accuracy")["v"].array(), [25, 70])
    np.testing.assert_allclose(results.final("test_loss")["v"].array(), [LN_4, 1])
    np.testing.assert_array_equal(results.diverged()["v"].array(), [1, 0])


def test_units_and_labels(made_up):
    results = made_up({"v": [steady(0.2, 0.7)]})
    accuracy, loss = results.final("test_accuracy"), results.final("val_loss")
    assert (accuracy.unit, accuracy.label) == ("%", "test accuracy")
    assert (loss.unit, loss.label) == ("nats", "validation loss")


def test_thresholds(made_up):
    results = made_up({"v": [steady(0.1, 0.5, 0.9), steady(0.1, 0.9, 0.4), steady(0.1, 0.2, 0.3)]})
    np.testing.assert_array_equal(results.reached("train_accuracy", 90)["v"].array(), [1, 1, 0])
    np.testing.assert_array_equal(results.epochs_to("train_accuracy", 90)["v"].array(), [2, 1, INF])
    above = results.above_chance()["v"]
    assert above.unit == "percentage points"
    np.testing.assert_allclose(above.array(), [65, 15, 5])


def test_which_runs_learned_nothing_stands_behind_each_number(made_up):
    """With chance at 25 %, 32.5 % is a tenth of what chance gets wrong above it."""
    results = made_up({"v": [steady(0.2, 0.27), steady(0.2, 0.28), steady(0.2, 0.9), DIVERGED]})
    runs = results.final("test_accuracy").runs["v",]
    assert runs == {(("v",), 0): True, (("v",), 1): False, (("v",), 2): False, (("v",), 3): True}
    own = results.measure({"v": [1, 2, 3, 4]}, unit="nats")
    assert own.runs["v",] == runs
    assert own.unit == "nats"


def test_the_best_variant_is_chosen_on_validation(made_up):
    def ends(accuracy, validation):
        loss = [1.0, 2.0 - validation]
        return [steady(0.1, accuracy, val_accuracy=[0.1, validation], val_loss=loss)] * 2

    results = made_up(
        {
            ("a", 1): ends(0.9, 0.5),
            ("a", 2): ends(0.8, 0.6),
            ("b", 1): ends(0.7, 0.7),
        }
    )
    assert results.best() == ("b", 1)
    assert results.best("a") == ("a", 2)
    assert results.best(1, by="val_loss") == ("b", 1)
    assert results.best("a", by="train_accuracy") == ("a", 1)


def test_a_key_is_found_by_its_parts_in_any_order(made_up):
    results = made_up({("a", 0.1, 0.3): [steady(0.1)], ("a", 0.3, 0.1): [steady(0.1)]})
    assert results.key("a", (0.3, 0.1)) == ("a", 0.3, 0.1)
    assert results.key((0.1, 0.3), "a") == ("a", 0.1, 0.3)
    with pytest.raises(KeyError, match="not exactly one variant"):
        results.key("a")
    assert results.seeds(("a", 0.1, 0.3)) == [0]


def test_results_merge(made_up):
    both = made_up({"a": [steady(0.1)]}) | made_up({"b": [steady(0.2)]})
    assert both.keys == [("a",), ("b",)]
    np.testing.assert_allclose(both.final("train_accuracy")["b"].array(), [20])


# Scores, which are computed from the trained weights


class Scaled(keras.layers.Layer):
    """A layer of one's own, which can't be stacked."""

    def call(self, inputs):
        return 2 * inputs


def build_model(input_shape, num_classes, *, layers=(), learning_rate=0.5):
    softmax = keras.layers.Dense(num_classes, activation="softmax", name="softmax")
    model = keras.Sequential([keras.Input(input_shape), *(layer() for layer in layers), softmax])
    optimizer = keras.optimizers.SGD(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def trained(tmp_path):
    """Two variants, one of them trained by `fit`; seeds 0 and 1, and the weights of two epochs."""
    lab = Lab(Options(data=flowers(tmp_path), seeds=2), None, lambda line: None, silent)
    variants = {"stacked": {}, "fitted": {"layers": (Scaled,)}}
    return lab.train(build_model, variants, lab.data(), epochs=3, batch_size=10, record=(0, 2))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_scores_are_those_of_the_models_that_keras_predicts_with(trained):
    brier = trained.final("test_brier_score")
    assert (brier.unit, brier.label) == ("", "test brier score")
    balanced = trained.final("test_balanced_accuracy")
    assert balanced.unit == "%"
    for (key, seed), member in trained.members.items():
        x, y = member.data.test.x, member.data.test.y
        given = trained.model(key, seed).predict(x, verbose=0)
        expected = metrics.brier_score_loss(y, given, scale_by_half=False)
        assert brier[key].array()[seed] == pytest.approx(expected, rel=1e-5)
        expected = 100 * metrics.balanced_accuracy_score(y, given.argmax(axis=1))
        assert balanced[key].array()[seed] == pytest.approx(expected)


def test_scores_by_epoch_are_those_of_the_recorded_weights_and_the_last(trained):
    name = "val_balanced_accuracy"
    curve = trained.curve(name, "stacked")
    assert np.isnan(curve).tolist() == [[False, True, False, False]] * 2
    for seed in (0, 1):
        validation = trained.members[("stacked",), seed].data.validation
        given = trained.model("stacked", seed, epoch=2).predict(validation.x, verbose=0)
        expected = 100 * metrics.balanced_accuracy_score(validation.y, given.argmax(axis=1))
        assert curve[seed, 2] == pytest.approx(expected)
    np.testing.assert_array_equal(trained.final(name)["stacked"].array(), curve[:, 3])


def test_scores_that_nobody_asks_for_are_not_computed(trained):
    assert all(outcome.history.keys() == set(METRICS) for outcome in trained.outcomes.values())
    trained.final("val_average_precision")
    rows = list(csv.DictReader(_results_csv(trained, "r", "d").splitlines()))
    asked = [int(row["epoch"]) for row in rows if row["metric"] == "val_average_precision"]
    assert asked == [0, 2, 3] * 4  # of two variants with two seeds
    assert sum(row["metric"] == "val_loss" for row in rows) == 4 * 4
    with pytest.raises(KeyError, match="'val_f1' is no metric"):
        trained.final("val_f1")


def test_a_recipes_own_probabilities_are_scored_as_those_of_the_models(trained):
    of_test = np.stack([trained.members[("stacked",), s].data.test.x for s in (0, 1)])
    given = trained.models("stacked").predict(of_test)
    found = trained.score("test_expected_calibration_error", {"stacked": given})
    expected = trained.final("test_expected_calibration_error")
    np.testing.assert_allclose(found["stacked"].array(), expected["stacked"].array())
    assert (found.unit, found.runs["stacked",]) == ("%", expected.runs["stacked",])
    certain = np.zeros_like(given)
    certain[..., 0] = 1  # a third of the examples is of the first class
    assert trained.score("test_brier_score", {"stacked": certain}).array() == pytest.approx(4 / 3)


def test_a_run_that_diverged_scores_as_who_always_answers_with_the_shares(trained):
    weights = trained.outcomes[("stacked",), 1].weights
    weights[0] = np.full_like(weights[0], np.nan)
    brier = trained.final("test_brier_score")["stacked"].array()
    assert brier[0] < brier[1]
    assert brier[1] == pytest.approx(2 / 3)  # (2/3)² + 2 (1/3)², in each of three equal classes
    precision = trained.final("test_average_precision")["stacked"].array()
    assert precision[1] == pytest.approx(100 / 3)


def test_of_errors_the_lowest_is_the_best(made_up):
    def ends(error, accuracy):
        known = {"test_expected_calibration_error": error, "test_balanced_accuracy": accuracy}
        return [steady(0.1, 0.9, **known)] * 2

    results = made_up({"a": ends(0.2, 0.7), "b": ends(0.1, 0.6)})
    assert results.best(by="test_expected_calibration_error") == ("b",)
    assert results.best(by="test_balanced_accuracy") == ("a",)
    np.testing.assert_allclose(results.final("test_balanced_accuracy")["a"].array(), [70, 70])
