import dataclasses
import itertools
import json
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from recipes._lab import evidence
from recipes._lab.evidence import (
    DOES_NOT_HOLD,
    HOLDS,
    NO_DIFFERENCE,
    NOT_DETECTED,
    Judgement,
    false_discovery_rates,
    judge_difference,
    judge_equality,
    judge_exact,
    judge_family,
    smallest_detectable,
)

# Student's t in tables, by degrees of freedom: 95 % lie within ± the first, 90 % within the second.
T_95 = {4: 2.776445, 5: 2.570582, 19: 2.093024}
T_90 = {4: 2.131847, 5: 2.015048, 19: 1.729133}

# Mean 3; squared deviations 4 + 1 + 0 + 1 + 4 = 10, so variance 10 / 4 = 2.5 and standard error
# sqrt(2.5 / 5) = .70711: 95 % interval 3 ± 1.96324 = 1.03676 to 4.96324, 90 % 1.49256 to 4.50744.
ONE_TO_FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]
# Mean 0, variance .1 / 4, standard error sqrt(.025 / 5) = .070711: 95 % ± .196324, 90 % ± .150744.
AROUND_ZERO = [-0.2, -0.1, 0.0, 0.1, 0.2]
MIRRORED = {HOLDS: DOES_NOT_HOLD, DOES_NOT_HOLD: HOLDS}


def tail(t):
    """Return how often Student's t exceeds t >= 0 at 4 degrees of freedom, in closed form."""
    s = t / math.sqrt(1 + t**2 / 4)
    return 1 / 2 - 3 / 8 * s * (1 - s**2 / 12)


def test_a_difference_by_hand():
    judgement = judge_difference(ONE_TO_FIVE)
    assert (judgement.verdict, judgement.estimate, judgement.seeds) == (HOLDS, 3, 5)
    assert (judgement.low, judgement.high) == pytest.approx((1.03676, 4.96324), abs=1e-5)
    assert judgement.level == 0.95
    assert judgement.p_value == pytest.approx(2 * tail(3 / math.sqrt(0.5)))
    assert judgement.smallest == pytest.approx(1.682 * math.sqrt(2.5), rel=1e-3)
    assert judge_difference(ONE_TO_FIVE, bound=2).p_value == pytest.approx(
        2 * tail(1 / math.sqrt(0.5))
    )


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        (0, HOLDS),
        (-1, HOLDS),
        (1.0367, HOLDS),
        (1.0368, NOT_DETECTED),
        (3, NOT_DETECTED),
        (4.9632, NOT_DETECTED),
        (4.9633, DOES_NOT_HOLD),
    ],
)
def test_a_difference_is_judged_by_the_side_its_interval_lies_on(bound, verdict):
    assert judge_difference(ONE_TO_FIVE, bound=bound).verdict == verdict
    mirrored = judge_difference(np.negative(ONE_TO_FIVE), bound=-bound)
    assert mirrored.verdict == MIRRORED.get(verdict, verdict)


@pytest.mark.parametrize(
    ("differences", "matters", "verdict"),
    [
        (AROUND_ZERO, 0.1964, NO_DIFFERENCE),
        (AROUND_ZERO, 0.1963, NOT_DETECTED),  # the 90 % interval lies within, the 95 % one does not
        (ONE_TO_FIVE, 4.9633, NO_DIFFERENCE),  # p = .013, and yet it does not matter
        (ONE_TO_FIVE, 4.9632, HOLDS),
        (ONE_TO_FIVE, 0.1, HOLDS),
    ],
)
def test_it_makes_no_difference_where_the_interval_lies_within_what_matters(
    differences, matters, verdict
):
    judgement = judge_difference(differences, matters=matters)
    assert judgement.verdict == verdict
    assert judgement.level == 0.95
    mirrored = judge_difference(np.negative(differences), matters=matters)
    assert mirrored.verdict == MIRRORED.get(verdict, verdict)
    nearer = np.mean(differences) - (matters if verdict == NO_DIFFERENCE else 0)
    p_value = 2 * tail(abs(nearer) / stats.sem(differences))
    assert judgement.p_value == pytest.approx(p_value)
    assert mirrored.p_value == pytest.approx(p_value)


@pytest.mark.parametrize("bound", [-0.5, -1e-6, 1e-6, 0.5])
def test_another_bound_than_zero_asks_for_more_than_no_difference(bound):
    for differences in (AROUND_ZERO, ONE_TO_FIVE, [0.1] * 6):
        judgement = judge_difference(differences, bound=bound, matters=10)
        assert judgement == judge_difference(differences, bound=bound)
        assert judgement.verdict != NO_DIFFERENCE


@pytest.mark.parametrize(
    ("differences", "within", "verdict"),
    [
        (AROUND_ZERO, 0.1508, HOLDS),  # the 90 % interval decides: the 95 % one reaches .196
        (AROUND_ZERO, 0.1507, NOT_DETECTED),
        (ONE_TO_FIVE, 4.5075, HOLDS),
        (ONE_TO_FIVE, 4.5074, NOT_DETECTED),
        (ONE_TO_FIVE, 1.0368, NOT_DETECTED),
        (ONE_TO_FIVE, 1.0367, DOES_NOT_HOLD),  # the 95 % interval decides: the 90 % one is at 1.49
    ],
)
def test_an_equality_is_judged_by_its_margin(differences, within, verdict):
    table, level = (T_90, 0.9) if verdict == HOLDS else (T_95, 0.95)
    standard_error = stats.sem(differences)
    for sign in (1, -1):
        signed = np.multiply(sign, differences)
        judgement = judge_equality(signed, within)
        assert (judgement.verdict, judgement.level) == (verdict, level)
        ends = signed.mean() + np.array([-1, 1]) * table[4] * standard_error
        assert (judgement.low, judgement.high) == pytest.approx(tuple(ends), abs=1e-5)
        # Of the margin nearer to the mean: one side, or both where the equality does not hold.
        t = (within - abs(signed.mean())) / standard_error
        p_value = tail(t) if t > 0 else 1 - tail(-t)
        expected = 2 * tail(-t) if verdict == DOES_NOT_HOLD else p_value
        assert judgement.p_value == pytest.approx(expected)


def test_an_equality_says_the_smallest_margin_that_is_proven():
    for differences in (AROUND_ZERO, ONE_TO_FIVE, np.negative(ONE_TO_FIVE)):
        smallest = judge_equality(differences, 1.0).smallest
        half = T_90[4] * stats.sem(differences)
        assert smallest == pytest.approx(abs(np.mean(differences)) + half)
        assert judge_equality(differences, smallest * 1.0001).verdict == HOLDS
        assert judge_equality(differences, smallest * 0.9999).verdict == NOT_DETECTED


def test_an_equality_that_is_small_but_not_zero_says_both():
    for sign in (1, -1):
        assert "small but not zero" in judge_equality(np.multiply(sign, ONE_TO_FIVE), 6).finding
    assert "not zero" not in judge_equality(AROUND_ZERO, 6).finding
    assert "not zero" not in judge_equality(ONE_TO_FIVE, 2).finding  # it is not shown to be small
    # The mean is 2.4 standard errors: the 90 % interval excludes zero, the 95 % one does not.
    between = np.subtract(ONE_TO_FIVE, 3 - 2.4 * math.sqrt(0.5))
    assert "not zero" not in judge_equality(between, 6).finding


def test_the_p_value_tells_whether_a_claim_is_decided():
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(60):
        differences = rng.normal(rng.normal(), 0.5, size=6)
        margin = rng.uniform(0.2, 2)
        for judgement in (
            judge_difference(differences, matters=margin),
            judge_difference(differences, bound=margin),
            judge_equality(differences, margin),
        ):
            assert (judgement.p_value < 0.05) == (judgement.verdict != NOT_DETECTED)
            verdicts.add((judgement.kind, judgement.verdict))
    assert len(verdicts) == 4 + 3


@pytest.mark.parametrize("seeds", [1, 5, 6])
@pytest.mark.parametrize(
    ("value", "bounds", "verdict"),
    [
        (2.5, {}, HOLDS),
        (-2.5, {}, DOES_NOT_HOLD),
        (2.5, {"bound": 2}, HOLDS),
        (2.5, {"bound": 2.5, "inclusive": True}, HOLDS),
        (2.5, {"bound": 3, "inclusive": True}, DOES_NOT_HOLD),
        (0, {"bound": -1}, HOLDS),
        (0, {"inclusive": True}, HOLDS),
        (0, {"matters": 1}, NO_DIFFERENCE),
        (-0.9, {"matters": 1}, NO_DIFFERENCE),
        (1, {"matters": 1}, HOLDS),
        (-1, {"matters": 1}, DOES_NOT_HOLD),
        (0, {"within": 1}, HOLDS),
        (-1, {"within": 1}, HOLDS),
        (1.1, {"within": 1}, DOES_NOT_HOLD),
    ],
)
def test_identical_differences_are_judged_by_the_sign_test_from_six_on(
    value, bounds, verdict, seeds
):
    judge = judge_equality if "within" in bounds else judge_difference
    judgement = judge([value] * seeds, **bounds)
    assert judgement.verdict == (verdict if seeds >= 6 else NOT_DETECTED)
    assert judgement.p_value == 2.0 ** (1 - seeds)  # .0625 at five, .03125 at six
    assert judgement.estimate == value
    assert (judgement.low, judgement.high, judgement.level, judgement.smallest) == (None,) * 4


@pytest.mark.parametrize(("value", "bounds"), [(0, {}), (2.5, {"bound": 2.5})])
def test_identical_differences_at_the_bound_have_no_sign(value, bounds):
    judgement = judge_difference([value] * 20, **bounds)
    assert (judgement.verdict, judgement.p_value) == (NOT_DETECTED, 1)


def test_rounding_of_float64_is_no_spread():
    before = np.array([0.9, 0.92, 0.94, 0.29, 0.11, 0.13])
    points = 100 * (np.array([0.91, 0.93, 0.95, 0.3, 0.12, 0.14]) - before)
    assert points.min() < 1 < points.max()
    for differences in (np.sort(points), -np.sort(-points)):  # the first is below, above 1
        assert judge_difference(differences).low is None
        assert judge_difference(differences, bound=1).verdict == NOT_DETECTED
        assert judge_difference(differences, bound=1, inclusive=True).verdict == HOLDS
        assert judge_difference(differences, matters=1).verdict == HOLDS
        assert judge_equality(differences, 1).verdict == HOLDS
        assert judge_family([differences, differences - 1], 1).estimate == 1
    assert judge_difference([1e-17, 0, 2e-17, 1e-17, 0, 0]).verdict == NOT_DETECTED
    # Small differences, and a small spread, are none.
    assert judge_difference(np.multiply(ONE_TO_FIVE, 1e-9)).verdict == HOLDS
    assert judge_difference(1 + np.multiply(ONE_TO_FIVE, 1e-6)).low is not None


def noise(means, seeds=5):
    """Return for each mean differences whose interval is ± .2 around it."""
    return [np.linspace(mean - 0.2, mean + 0.2, seeds) for mean in means]


@pytest.mark.parametrize(
    ("better", "worse", "at_least", "verdict"),
    [
        (16, 0, 14, HOLDS),
        (14, 2, 14, HOLDS),
        (13, 2, 14, NOT_DETECTED),
        (13, 3, 14, DOES_NOT_HOLD),
        (16, 0, 16, HOLDS),
        (15, 0, 16, NOT_DETECTED),
        (15, 1, 16, DOES_NOT_HOLD),
        (1, 15, 1, HOLDS),
        (0, 16, 1, DOES_NOT_HOLD),
    ],
)
def test_a_family_is_judged_by_how_many_are_better(better, worse, at_least, verdict):
    settings = noise([3] * better + [-3] * worse + [0.01] * (16 - better - worse))
    judgement = judge_family(settings, at_least)
    assert (judgement.verdict, judgement.estimate, judgement.seeds) == (verdict, better, 5)
    assert (judgement.low, judgement.high, judgement.level) == (None, None, None)


def partial_conjunction(columns, at_least, sign):
    """Return the p value of "at least k of n are better" (or worse), as it was published.

    If fewer than k of n are better, some n - k + 1 of them are not. So the claim follows where for
    each choice of n - k + 1 settings Bonferroni's test rejects that none of these is better.
    """
    p_values = []
    for column in columns:
        seeds, mean = len(column), sign * np.mean(column)
        if np.ptp(column) == 0:
            p_value = 2.0 ** (1 - seeds)
        else:
            p_value = 2 * stats.t.sf(mean / stats.sem(column), seeds - 1)
        p_values.append(p_value if mean > 0 else 1)
    size = len(columns) - at_least + 1
    return max(min(1, size * min(few)) for few in itertools.combinations(p_values, size))


def test_a_family_agrees_with_partial_conjunction_as_it_was_published():
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(120):
        count = int(rng.integers(1, 7))
        at_least = int(rng.integers(1, count + 1))
        means = rng.choice([-2, 0, 2], p=rng.dirichlet([1, 1, 1]), size=(count, 1))
        settings = means + rng.normal(size=(count, 6))
        settings[0] = settings[0] if rng.random() < 0.5 else rng.choice([-1, 0, 1])
        holds = partial_conjunction(settings, at_least, sign=1)
        fails = partial_conjunction(settings, count - at_least + 1, sign=-1)
        judgement = judge_family(settings, at_least)
        assert (judgement.verdict == HOLDS) == (holds < 0.05)
        assert (judgement.verdict == DOES_NOT_HOLD) == (fails < 0.05)
        assert judgement.p_value == pytest.approx(min(holds, fails))
        verdicts.add(judgement.verdict)
    assert verdicts == {HOLDS, DOES_NOT_HOLD, NOT_DETECTED}


def test_all_of_a_family_are_tested_at_the_full_level():
    # Means of t standard errors: 2 tail(t) is .049 at 2.8, .030 at 3.3, .003 at 6.
    settings = [np.subtract(ONE_TO_FIVE, 3 - t * math.sqrt(0.5)) for t in (3.3, 2.8, 6.0)]
    judgement = judge_family(settings, 3)
    assert (judgement.verdict, judgement.estimate) == (HOLDS, 3)
    assert judgement.p_value == pytest.approx(2 * tail(2.8))
    # Two of three: the second smallest, twice. One of three: the smallest, three times.
    judgement = judge_family(settings, 2)
    assert (judgement.verdict, judgement.estimate) == (NOT_DETECTED, 3)
    assert judgement.p_value == pytest.approx(2 * 2 * tail(3.3))
    assert judge_family(settings, 1).p_value == pytest.approx(3 * 2 * tail(6))


def test_a_family_takes_identical_columns_by_the_sign_test():
    columns = [[1.0] * 6, [0.0] * 6, [-1.0] * 6]
    judgement = judge_family(columns, 1)
    assert (judgement.verdict, judgement.estimate) == (NOT_DETECTED, 1)
    assert judgement.p_value == 3 / 32
    # It does not hold if n - k + 1 are worse, by k times the p value of the last of these.
    for at_least, verdict in [(1, DOES_NOT_HOLD), (2, NOT_DETECTED), (3, NOT_DETECTED)]:
        judgement = judge_family([[-1.0] * 6] * 3, at_least)
        assert (judgement.verdict, judgement.p_value) == (verdict, at_least / 32)
    assert judge_family(columns[:1], 1).p_value == 1 / 32
    assert judge_family([[1.0] * 6] * 16, 16).verdict == HOLDS
    assert judge_family([[1.0] * 5] * 16, 16).verdict == NOT_DETECTED
    assert judge_family([[1.0], [2.0]], 1).p_value == 1


def test_exactness_needs_every_value_within_the_tolerance():
    assert judge_exact([0, 1e-7, -1e-6], 1e-6).verdict == HOLDS
    assert judge_exact([0], 0).verdict == HOLDS
    judgement = judge_exact([1e-7, -2e-6, 1.5e-6], 1e-6)
    assert (judgement.verdict, judgement.estimate, judgement.seeds) == (DOES_NOT_HOLD, -2e-6, 3)
    assert (judgement.low, judgement.high, judgement.p_value) == (None, None, None)


def test_smallest_detectable_is_the_one_of_the_tables():
    assert smallest_detectable(1, 5) == pytest.approx(1.68, abs=0.005)
    assert smallest_detectable(1, 20) == pytest.approx(0.66, abs=0.005)
    assert smallest_detectable(2.5, 5) == pytest.approx(2.5 * smallest_detectable(1, 5))
    assert smallest_detectable(0, 5) == 0
    # With many seeds t becomes normal: (1.95996 + .84162) / sqrt(n).
    assert smallest_detectable(1, 10_000) == pytest.approx(0.0280158, rel=1e-3)


def test_false_discovery_rates_by_hand():
    # Sorted: .005 × 4/1 = .02, .01 × 4/2 = .02, .03 × 4/3 = .04, .05 × 4/4 = .05.
    rates = false_discovery_rates([0.01, 0.05, 0.03, 0.005])
    assert rates == pytest.approx([0.02, 0.05, 0.04, 0.02])
    # .02 × 3/1 = .06 is lowered to the .03 × 3/3 = .03 of a larger p value.
    assert false_discovery_rates([0.03, 0.02, 0.03]) == pytest.approx([0.03] * 3)
    assert false_discovery_rates([0.04]) == pytest.approx([0.04])
    assert false_discovery_rates([]).shape == (0,)


# What follows measures how often verdicts are wrong; the module's docstring quotes these numbers.
# Experiments are judged all at once by a second implementation, some of them by the module, too.

EXPERIMENTS = 40_000


def near(rate, experiments=EXPERIMENTS):
    """Return what a measured rate is to equal: three standard errors to either side."""
    return pytest.approx(rate, abs=3 * math.sqrt(rate * (1 - rate) / experiments))


def at_most(rate, experiments=EXPERIMENTS):
    """Return what a measured rate is not to exceed, three standard errors above."""
    return rate + 3 * math.sqrt(rate * (1 - rate) / experiments)


def interval(experiments, table=T_95):
    """Return both ends, (experiments,), of (experiments, seeds)."""
    seeds = experiments.shape[1]
    half = table[seeds - 1] * experiments.std(axis=1, ddof=1) / math.sqrt(seeds)
    return experiments.mean(axis=1) - half, experiments.mean(axis=1) + half


def rates_of(verdicts, experiments, judge, each=15):
    """Return how often each verdict is given, {verdict: rate}.

    Args:
        verdicts: where a verdict applies, {verdict: (experiments,)}; the first that does is given.
        experiments: (experiments, ...) differences.
        judge: what the module makes of one of them.
        each: how many experiments of each verdict are judged by the module, too.
    """
    given = np.argmax([*verdicts.values()], axis=0)
    for number, verdict in enumerate(verdicts):
        for index in np.flatnonzero(given == number)[:each]:
            assert judge(experiments[index]).verdict == verdict
    return {verdict: (given == number).mean() for number, verdict in enumerate(verdicts)}


def rates_of_difference(experiments, matters=0.0):
    """Return how often each verdict is given, {verdict: rate}."""
    low, high = interval(experiments)
    verdicts = {
        NO_DIFFERENCE: (-matters < low) & (high < matters),
        HOLDS: low > 1e-9,
        DOES_NOT_HOLD: high < -1e-9,
        NOT_DETECTED: np.full(len(low), True),
    }
    return rates_of(verdicts, experiments, lambda d: judge_difference(d, matters=matters or None))


def coverage(experiments, truth):
    """Return how often the interval covers the truth, where there is one."""
    low, high = interval(experiments[np.ptp(experiments, axis=1) > 1e-9])
    return ((low <= truth) & (truth <= high)).mean()


def accuracies(rng, seeds, spread=0.5, collapsing=0.0):
    """Return (experiments, seeds) accuracies in percent; some runs collapse to chance."""
    values = rng.normal(95, spread, size=(EXPERIMENTS, seeds))
    return np.where(rng.random(values.shape) < collapsing, 10.0, values)


@pytest.mark.parametrize("seeds", [6, 20])
def test_rates_of_two_equal_variants(seeds):
    rng = np.random.default_rng(seeds)
    differences = accuracies(rng, seeds) - accuracies(rng, seeds)
    rates = rates_of_difference(differences)
    assert rates[HOLDS] == near(0.025)
    assert rates[DOES_NOT_HOLD] == near(0.025)
    assert coverage(differences, truth=0) == near(0.95)
    # Where something matters, "makes no difference" takes from both.
    rates = rates_of_difference(differences, matters=1.0)
    assert rates[NO_DIFFERENCE] > 0.6
    assert max(rates[HOLDS], rates[DOES_NOT_HOLD]) < at_most(0.025)


@pytest.mark.parametrize("seeds", [6, 20])
@pytest.mark.parametrize("margin", [0.5, 20])
def test_rates_where_the_difference_just_matters(seeds, margin):
    rng = np.random.default_rng(seeds)
    differences = rng.normal(margin, size=(EXPERIMENTS, seeds))
    rates = rates_of_difference(differences, matters=margin)
    narrow, wide = interval(differences, T_90), interval(differences)
    verdicts = {
        HOLDS: (-margin < narrow[0]) & (narrow[1] < margin),
        DOES_NOT_HOLD: (wide[0] > margin) | (wide[1] < -margin),
        NOT_DETECTED: np.full(len(differences), True),
    }
    equality = rates_of(verdicts, differences, lambda d: judge_equality(d, margin))
    assert rates[NO_DIFFERENCE] < at_most(0.025)
    assert equality[HOLDS] < at_most(0.05)
    assert equality[DOES_NOT_HOLD] == near(0.025)
    if margin == 20:
        assert rates[NO_DIFFERENCE] == near(0.025)
        assert equality[HOLDS] == near(0.05)


@pytest.mark.parametrize("correlation", [0, 0.8])
@pytest.mark.parametrize("seeds", [6, 20])
@pytest.mark.parametrize(("at_least", "better"), [(1, 0), (14, 0), (14, 13), (16, 15)])
def test_rates_of_a_family_one_short_of_the_claim_or_all_equal(
    at_least, better, seeds, correlation
):
    rng, experiments = np.random.default_rng(seeds), 15_000
    own, common = (rng.normal(size=(experiments, count, seeds)) for count in (16, 1))
    effects = np.where(np.arange(16) < better, 20.0, 0.0)[:, None]
    families = effects + math.sqrt(1 - correlation) * own + math.sqrt(correlation) * common
    t = families.mean(axis=2) / families.std(axis=2, ddof=1) * math.sqrt(seeds)
    to_hold = stats.t.isf(0.025 / (17 - at_least), seeds - 1)
    to_fail = stats.t.isf(0.025 / at_least, seeds - 1)
    verdicts = {
        HOLDS: (t > to_hold).sum(axis=1) >= at_least,
        DOES_NOT_HOLD: (t < -to_fail).sum(axis=1) >= 17 - at_least,
        NOT_DETECTED: np.full(experiments, True),
    }
    rates = rates_of(verdicts, families, lambda family: judge_family(family, at_least), each=4)
    assert rates[HOLDS] < at_most(0.025, experiments)
    if better == at_least - 1 and (at_least == 16 or not correlation):
        assert rates[HOLDS] == near(0.025, experiments)
    if better == 0 and at_least == 14:
        assert rates[HOLDS] < 0.002


@pytest.mark.parametrize(
    ("seeds", "spread", "holds", "covers"),
    [
        (6, 1 / 3, 0.002, 0.995),
        (6, 1 / 2, 0.016, 0.967),
        (6, 1, 0.027, 0.946),
        (20, 1 / 3, 0.023, 0.954),
        (20, 1, 0.025, 0.949),
    ],
)
def test_rates_with_accuracies_rounded_to_whole_points(seeds, spread, holds, covers):
    rng = np.random.default_rng(seeds)
    first, second = (np.round(accuracies(rng, seeds, spread)) for _ in range(2))
    rates = rates_of_difference(first - second)
    assert rates[HOLDS] == near(holds)
    assert rates[DOES_NOT_HOLD] == near(holds)
    assert coverage(first - second, truth=0) == near(covers)


@pytest.mark.parametrize(("seeds", "holds", "covers"), [(6, 0.008, 0.984), (20, 0.0205, 0.959)])
def test_rates_where_both_variants_collapse_at_times(seeds, holds, covers):
    rng = np.random.default_rng(seeds)
    first, second = (accuracies(rng, seeds, collapsing=0.1) for _ in range(2))
    rates = rates_of_difference(first - second)
    assert rates[HOLDS] == near(holds)
    assert rates[DOES_NOT_HOLD] == near(holds)
    assert coverage(first - second, truth=0) == near(covers)


@pytest.mark.parametrize(("seeds", "none", "covers"), [(6, 0.326, 0.467), (20, 0.121, 0.876)])
def test_rates_where_one_variant_collapses_at_times(seeds, none, covers):
    rng = np.random.default_rng(seeds)
    differences = accuracies(rng, seeds, collapsing=0.1) - accuracies(rng, seeds)
    covered = coverage(differences, truth=-0.1 * 85)
    assert covered == near(covers)
    assert covered < at_most(1 - 0.9**seeds)  # the experiments that saw a collapse
    assert rates_of_difference(differences, matters=1.0)[NO_DIFFERENCE] == near(none)


@pytest.mark.parametrize(
    ("seeds", "power", "alpha"), [(2, 0.8, 0.05), (6, 0.8, 0.05), (20, 0.8, 0.05), (6, 0.9, 0.01)]
)
def test_smallest_detectable_is_detected_as_often_as_it_says(seeds, power, alpha):
    rng = np.random.default_rng(seeds)
    difference = smallest_detectable(2.0, seeds, power, alpha)
    experiments = rng.normal(difference, 2.0, size=(EXPERIMENTS, seeds))
    p_values = stats.ttest_1samp(experiments, 0, axis=1).pvalue
    assert (p_values < alpha).mean() == near(power)


# Sentences: one grammar, verdict: finding (why); what was too small to see; collapses.

SENTENCES = [
    (
        judge_difference([2.1, 2.6, 1.9, 2.7, 2.25], unit="points", matters=1),
        "holds: +2.31 points (95 % interval +1.89 to +2.73, 5 seeds)",
    ),
    (
        judge_difference([-2.1, -2.6, -1.9, -2.7, -2.25], unit="points", collapsed=1, runs=10),
        "does not hold: -2.31 points (95 % interval -2.73 to -1.89, 5 seeds); "
        "1 of 10 runs diverged or learned nothing",
    ),
    (
        judge_difference([0.3, -0.4, 0.5, -0.1, 0.2], unit="points", collapsed=3, runs=10),
        "not detected: +0.10 points (95 % interval -0.34 to +0.54, 5 seeds); smallest detectable "
        "difference ± 0.59 points; 3 of 10 runs diverged or learned nothing",
    ),
    (
        judge_difference([0.3, -0.4, 0.5, -0.1, 0.2], unit="points", matters=1),
        "makes no difference: +0.10 points (95 % interval -0.34 to +0.54, within ± 1, the "
        "smallest difference that matters, 5 seeds)",
    ),
    (
        judge_difference(np.multiply(ONE_TO_FIVE, 1000), bound=500, unit="steps"),
        "holds: +3000 steps (95 % interval +1037 to +4963, more than 500 required, 5 seeds)",
    ),
    (
        judge_difference(np.multiply(AROUND_ZERO, -1e-8)),
        "not detected: +0 (95 % interval -2e-09 to +2e-09, 5 seeds); smallest detectable "
        "difference ± 2.7e-09",
    ),
    (
        judge_difference([2.5] * 6, bound=1, unit="points"),
        "holds: +2.5 points (the same for all 6 seeds, more than 1 required)",
    ),
    (
        judge_difference([0] * 20, matters=1),
        "makes no difference: +0 (the same for all 20 seeds)",
    ),
    (
        judge_difference([1] * 3, unit="epochs"),
        "not detected: +1 epochs (the same for all 3 seeds; 6 are needed)",
    ),
    (
        judge_difference([-0.0], unit="points"),
        "not detected: +0 points (one seed has no interval)",
    ),
    (
        judge_equality(np.subtract(AROUND_ZERO, 1e-4), 0.5),
        "holds: +0.00 (90 % interval -0.15 to +0.15, within ± 0.5 required, 5 seeds)",
    ),
    (
        judge_equality(ONE_TO_FIVE, 6, unit="points"),
        "holds: +3.0 points (90 % interval +1.5 to +4.5, within ± 6 required, small but not zero, "
        "5 seeds)",
    ),
    (
        judge_equality(ONE_TO_FIVE, 2, unit="points"),
        "not detected: +3.0 points (95 % interval +1.0 to +5.0, within ± 2 required, 5 seeds); "
        "smallest provable margin ± 4.5 points",
    ),
    (
        judge_equality(ONE_TO_FIVE, 0.5),
        "does not hold: +3.0 (95 % interval +1.0 to +5.0, within ± 0.5 required, 5 seeds)",
    ),
    (
        judge_equality([0] * 6, 1, unit="points"),
        "holds: +0 points (the same for all 6 seeds, within ± 1 required)",
    ),
    (
        judge_family(noise([3] * 15 + [0]), 14, unit="scales", collapsed=2, runs=160),
        "holds: better at 15 of 16 scales, worse at 0 (at least 14 required, 5 seeds); "
        "2 of 160 runs diverged or learned nothing",
    ),
    (
        judge_family([[1.0], [-1.0]], 2),
        "not detected: better at 0 of 2 settings, worse at 0 (all required, 1 seed)",
    ),
    (
        judge_exact([1e-7, -3.2e-6], 1e-6),
        "does not hold: largest deviation -3.2e-06 (within ± 1e-06 required)",
    ),
    (
        judge_exact([0.0], 1e-6, unit="nats"),
        "holds: largest deviation +0 nats (within ± 1e-06 required)",
    ),
]


@pytest.mark.parametrize(("judgement", "sentence"), SENTENCES)
def test_sentences(judgement, sentence):
    assert f"{judgement.verdict}: {judgement.detail}" == sentence


def test_a_judgement_survives_json():
    for judgement, _ in SENTENCES:
        fields = json.loads(json.dumps(dataclasses.asdict(judgement)))
        assert Judgement(**fields) == judgement


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: judge_difference([]), "one number per seed"),
        (lambda: judge_difference(1.0), "one number per seed"),
        (lambda: judge_difference([[1.0, 2.0]]), "one number per seed"),
        (lambda: judge_difference([1.0, math.nan]), "finite"),
        (lambda: judge_difference([1, 2], bound=math.inf), "bound=inf"),
        (lambda: judge_difference([1, 2], matters=0), "matters=0"),
        (lambda: judge_difference([1, 2], matters=math.nan), "matters=nan"),
        (lambda: judge_difference([1, 2], collapsed=3, runs=2), "collapsed=3"),
        (lambda: judge_difference([1, 2], collapsed=-1, runs=2), "collapsed=-1"),
        (lambda: judge_equality([], 1), "one number per seed"),
        (lambda: judge_equality([1, math.inf], 1), "finite"),
        (lambda: judge_equality([1, 2], 0), "within=0.*judge_exact"),
        (lambda: judge_equality([1, 2], -1), "within=-1"),
        (lambda: judge_equality([1, 2], math.nan), "within=nan"),
        (lambda: judge_family([], 1), "at_least=1 .* 0 settings"),
        (lambda: judge_family([[1, 2]], 0), "at_least=0"),
        (lambda: judge_family([[1, 2]], 2, unit="scales"), "at_least=2 .* 1 scales"),
        (lambda: judge_family([[1, 2], []], 1), "setting 2"),
        (lambda: judge_family([[1, math.nan]], 1), "setting 1 .*finite"),
        (lambda: judge_family([[1, 2], [1]], 1), "same seeds, not \\[1, 2\\]"),
        (lambda: judge_exact([], 1), "one number per seed"),
        (lambda: judge_exact([math.nan], 1), "finite"),
        (lambda: judge_exact([1], -1), "tolerance=-1"),
        (lambda: judge_exact([1], math.nan), "tolerance=nan"),
        (lambda: smallest_detectable(-1, 5), "standard_deviation=-1"),
        (lambda: smallest_detectable(1, 1), "seeds=1"),
        (lambda: smallest_detectable(1, 5, power=1), "power=1"),
        (lambda: smallest_detectable(1, 5, power=0.01), "power=0.01"),
        (lambda: smallest_detectable(1, 5, alpha=0), "alpha=0"),
        (lambda: false_discovery_rates([0.1, 1.1]), "between 0 and 1"),
    ],
)
def test_a_callers_mistake_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_it_needs_no_tensorflow():
    code = f"import sys, {evidence.__name__}; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
