"""What repeated searches have found: measures, and diverged trials at chance."""

import numpy as np
import pytest

from recipes._lab.tuning import searches as module
from recipes._lab.tuning.searches import Search, Searches


def search(val_accuracy, test_accuracy, **values):
    val_accuracy = np.array(val_accuracy)
    curves = np.stack([np.full(len(val_accuracy), 10.0), val_accuracy], axis=1)
    return Search(values, val_accuracy, np.array(test_accuracy), curves, int(val_accuracy.argmax()))


def test_the_best_on_validation_is_asked_for_its_test_accuracy():
    first, second = search([50.0, 90.0], [99.0, 80.0]), search([60.0, 20.0], [55.0, 98.0])
    searches = Searches({"a": [first, second], ("b", 2): [second, second]})
    assert searches.keys == [("a",), ("b", 2)]
    assert searches["b", 2] == [second, second]
    best = searches.best()
    assert (best.unit, best.label) == ("%", "test accuracy of the best trial")
    assert best["a"].array().tolist() == [80, 55]
    assert searches.best("val_accuracy")["a"].array().tolist() == [90, 60]
    lowest = searches.measure(lambda found: found.val_accuracy.min(), "%", "worst trial")
    assert (lowest.unit, lowest.label) == ("%", "worst trial")
    assert lowest["b", 2].array().tolist() == [20, 20]


def random_searches(score, repetitions):
    """Make up searches of 30 trials, whose accuracy follows from values between 0 and 1."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(repetitions):
        values = {name: rng.random(30) for name in ("a", "b", "c")}
        found.append(search(score(values), score(values), **values))
    return Searches({("v", 1): found})


def test_importances_tell_what_accuracy_depends_on():
    searches = random_searches(lambda v: 20 + 30 * (v["a"] > 0.5) + 10 * (v["b"] > 0.5), 5)
    found = searches.importances()
    assert found.keys == [("v", 1, "a"), ("v", 1, "b"), ("v", 1, "c")]
    assert found.unit == "importance"
    # Of two equal halves, permuting moves half of the trials by 30 or 10: the squared error grows
    # by 450 or 50, and the variance is 225 + 25.
    means = [found["v", 1, name].array().mean() for name in "abc"]
    assert means == pytest.approx([1.8, 0.2, 0.0], abs=0.2)


def test_importances_are_widened_as_forests_share_trials(monkeypatch):
    searches = random_searches(lambda v: v["a"], 5)
    monkeypatch.setattr(module, "_growth", lambda searches, number: [1 + number, 0, 0])
    # Five repetitions: 1 + 5 / 4 = 1.5 squared.
    assert searches.importances()["a"].array() == pytest.approx([0, 1.5, 3, 4.5, 6])


def test_a_forest_has_not_seen_the_trials_that_it_is_asked_about():
    luck = np.random.default_rng(1)
    found = random_searches(lambda v: luck.random(30), 3).importances()
    assert all(values.mean() < 0.3 for values in found.values.values())  # .7 if it had
    constant = random_searches(lambda v: np.ones(30), 1).importances()
    assert all(values == 0 for values in constant.values.values())
