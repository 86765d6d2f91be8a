"""Verdicts and effects over data sets, against numbers computed by hand."""

import dataclasses

import numpy as np
import pytest

from recipes._lab.evidence import (
    DOES_NOT_HOLD,
    HOLDS,
    MARKS,
    NO_DIFFERENCE,
    NOT_DETECTED,
    Judgement,
    judge_difference,
    judge_equality,
    judge_exact,
)
from recipes._lab.publishing.meta_analysis import (
    DEPENDS,
    MARKS_OVER_DATA,
    over_datasets,
    random_effects,
    standard_error,
)


def judged(*verdicts):
    """Return judgements without numbers, on data sets a, b, ..."""
    return {
        data: Judgement(verdict, "exact", 0.0)
        for data, verdict in zip("abcd", verdicts, strict=False)
    }


@pytest.mark.parametrize(
    ("verdicts", "verdict", "words"),
    [
        ([HOLDS], HOLDS, "holds on a"),
        ([HOLDS] * 3, HOLDS, "holds on all 3 data sets"),
        ([NOT_DETECTED] * 2, NOT_DETECTED, "not detected on both data sets"),
        ([NOT_DETECTED, HOLDS, HOLDS], HOLDS, "holds on 2 of 3 data sets, not detected on 1"),
        ([NOT_DETECTED, NO_DIFFERENCE], NO_DIFFERENCE, "makes no difference on 1 of 2 data sets"),
        ([NOT_DETECTED, NOT_DETECTED, HOLDS], NOT_DETECTED, "holds on 1 of 3 data sets, not"),
        (
            [HOLDS, DOES_NOT_HOLD, NOT_DETECTED],
            DEPENDS,
            "depends on the data: holds on a, does not hold on b, not detected on c",
        ),
        ([HOLDS, NO_DIFFERENCE], DEPENDS, "depends on the data: holds on a, makes no difference"),
    ],
)
def test_verdicts_are_counted_over_data_sets(verdicts, verdict, words):
    overall = over_datasets(judged(*verdicts))
    assert overall.verdict == verdict
    assert overall.words.startswith(words)
    assert overall.pooled is None


def test_each_verdict_has_a_mark_of_its_own():
    assert len(set(MARKS_OVER_DATA.values())) == len(MARKS) + 1


def test_two_equal_errors_are_pooled_as_by_hand():
    """Of 1 and 3 ± .5: between² = 2²/2 - .25, and the error of the mean is half of the distance."""
    pooled = random_effects([1, 3], [0.5, 0.5], "nats")
    assert pooled.estimate == pytest.approx(2)
    assert pooled.spread**2 == pytest.approx(1.75)
    assert pooled.high - pooled.estimate == pytest.approx(12.7062, abs=1e-4)  # t of one degree
    assert pooled.low == pytest.approx(2 - 12.7062, abs=1e-4)
    assert pooled.heterogeneity == pytest.approx(1 - 1 / 8)  # squares of 8, where 1 is expected
    assert (pooled.datasets, pooled.unit) == (2, "nats")


def test_studies_that_agree_are_weighted_by_their_errors():
    """Distances below their errors leave no variance between: weights 1 and 4, t of one degree."""
    pooled = random_effects([0.0, 0.5], [1.0, 0.5])
    assert pooled.spread == pooled.heterogeneity == 0
    assert pooled.estimate == pytest.approx(0.4)
    assert pooled.high - pooled.estimate == pytest.approx(12.7062 / np.sqrt(5), abs=1e-4)


def test_the_variance_between_studies_explains_their_distances():
    """Paule and Mandel's condition, and a narrower interval for more studies."""
    random = np.random.default_rng(0)
    values, errors = random.normal(3, 2, 8), random.uniform(0.1, 1, 8)
    pooled = random_effects(values, errors)
    weights = 1 / (errors**2 + pooled.spread**2)
    assert weights @ (values - pooled.estimate) ** 2 == pytest.approx(7)
    assert pooled.high - pooled.low < np.diff(np.sort(values)[[0, -1]])[0]


def test_identical_estimates_have_no_heterogeneity():
    pooled = random_effects([2, 2, 2], [0.1, 0.2, 0.3])
    assert (pooled.estimate, pooled.spread, pooled.heterogeneity) == (2, 0, 0)


def test_an_interval_gives_its_standard_error_back():
    differences = np.array([1.0, 2.0, 4.0, 3.0, 2.5, 0.5])
    expected = differences.std(ddof=1) / np.sqrt(6)
    assert standard_error(judge_difference(differences)) == pytest.approx(expected)
    equality = judge_equality(differences, within=5)  # whose interval is one of 90 %
    assert equality.level == 0.9
    assert standard_error(equality) == pytest.approx(expected)
    assert standard_error(judge_exact([0.0], 1e-6)) is None


def test_effects_are_pooled_where_every_data_set_has_an_interval():
    first = judge_difference(np.array([1.0, 2.0, 4.0, 3.0]), unit="percentage points")
    second = dataclasses.replace(first, estimate=first.estimate + 1)
    pooled = over_datasets({"digits": first, "mnist": second}).pooled
    assert pooled.estimate == pytest.approx(3.0)
    assert pooled.unit == "percentage points"
    assert over_datasets({"digits": first, "mnist": judge_exact([0.0], 1)}).pooled is None
