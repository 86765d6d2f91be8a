"""Scores of probabilities, against values worked out by hand and scikit-learn's."""

import warnings

import numpy as np
import pytest
from sklearn import metrics

from recipes._lab.scores import (
    average_precision,
    balanced_accuracy,
    brier_score,
    expected_calibration_error,
)


def drawn(classes, examples=200):
    """Random probabilities and labels."""
    random = np.random.default_rng(classes)
    probabilities = random.dirichlet(np.ones(classes), examples)
    return probabilities, random.integers(0, classes, examples)


def test_the_calibration_error_is_the_gap_of_each_bin_by_its_share():
    """Two examples at .8 of which one is right: .3 apart; three at .95, all right: .05 apart."""
    confidence = np.array([0.8, 0.8, 0.95, 0.95, 0.95])
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    y = np.array([0, 1, 0, 0, 0])
    assert expected_calibration_error(probabilities, y) == pytest.approx(2 / 5 * 0.3 + 3 / 5 * 0.05)


def test_errors_of_opposite_sign_cancel_within_a_bin_alone():
    """.75 and .79 share the bin from 11/15 to 12/15; .85 lies in the next but one."""

    def error(*confidence):
        probabilities = np.stack([confidence, 1 - np.array(confidence)], axis=1)
        return expected_calibration_error(probabilities, np.array([0, 1]))

    assert error(0.75, 0.79) == pytest.approx(abs(0.25 - 0.79) / 2)
    assert error(0.75, 0.85) == pytest.approx((0.25 + 0.85) / 2)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_calibration_error_is_that_of_a_loop_over_bins(classes):
    probabilities, y = drawn(classes)
    confidence, answers = probabilities.max(axis=1), probabilities.argmax(axis=1)
    expected = 0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if inside.any():
            gap = (answers == y)[inside].mean() - confidence[inside].mean()
            expected += inside.mean() * abs(gap)
    assert expected_calibration_error(probabilities, y) == pytest.approx(expected)


def test_the_brier_score_by_hand():
    """(.7 - 1)² + .2² + .1² and .5² + (.3 - 1)² + .2²."""
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.3, 0.2]])
    assert brier_score(probabilities, np.array([0, 1])) == pytest.approx((0.14 + 0.78) / 2)


@pytest.mark.parametrize("classes", [2, 5])
def test_scores_are_those_of_scikit_learn(classes):
    probabilities, y = drawn(classes)
    assert brier_score(probabilities, y) == pytest.approx(
        metrics.brier_score_loss(y, probabilities, scale_by_half=False, labels=range(classes))
    )
    answers = probabilities.argmax(axis=1)
    assert balanced_accuracy(probabilities, y) == metrics.balanced_accuracy_score(y, answers)
    truth = y if classes == 2 else np.eye(classes)[y]
    given = probabilities[:, 1] if classes == 2 else probabilities
    expected = metrics.average_precision_score(truth, given)
    assert average_precision(probabilities, y) == pytest.approx(expected)


def test_a_class_without_examples_counts_nowhere():
    probabilities, y = drawn(3)
    y[y == 2] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = balanced_accuracy(probabilities, y), average_precision(probabilities, y)
    of_others = [metrics.average_precision_score(y == c, probabilities[:, c]) for c in (0, 1)]
    recalls = [(probabilities.argmax(axis=1) == c)[y == c].mean() for c in (0, 1)]
    assert found == pytest.approx((np.mean(recalls), np.mean(of_others)))
