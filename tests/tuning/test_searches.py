"""What repeated searches have found: measures, and diverged trials at chance."""

import types

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


def test_diverged_trials_are_scored_at_chance(monkeypatch):
    found = types.SimpleNamespace(
        values={"learning_rate": np.array([0.1, 9.0])},
        val_accuracy=np.array([0.9, 0.0]),
        test_accuracy=np.array([0.8, 0.0]),
        curves={
            "loss": np.array([[1, 0.5, np.nan], [1, np.inf, np.nan]]),
            "val_accuracy": np.array([[0.1, 0.9, np.nan], [0.3, 0.7, 0.6]]),
        },
        ranking=[0],
        best=0,
    )
    monkeypatch.setattr(module, "Searched", lambda stages: found)
    read = module.read(None, 0.25)
    assert read.val_accuracy == pytest.approx([90, 25])
    assert read.test_accuracy == pytest.approx([80, 25])
    np.testing.assert_allclose(read.val_curves, [[10, 90, np.nan], [30, 25, 25]])
    assert read.best == 0
