"""Results by variant and seed, against numbers worked out by hand."""

import math

import numpy as np
import pytest

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
    np.testing.assert_allclose(results.highest("train_accuracy")["v"].array(), [90, 90, 30])
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
