import dataclasses
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
    NOT_DETECTED,
    Judgement,
    holm,
    judge,
    judge_count,
    judge_exact,
    smallest_detectable,
)

# Mean 3; squared deviations 4 + 1 + 0 + 1 + 4 = 10, so variance 10 / 4 = 2.5 and standard error
# sqrt(2.5 / 5) = .70711. Tables give t = 2.77645 for 97.5 % at 4 degrees of freedom, so the 95 %
# interval is 3 ± 1.96324 = 1.03676 to 4.96324; t = 2.13185 for 95 % gives 90 %: 1.49256 to 4.50744.
ONE_TO_FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]
# Mean 0, variance .1 / 4, standard error sqrt(.025 / 5) = .070711: 95 % ± .196324, 90 % ± .150744.
AROUND_ZERO = [-0.2, -0.1, 0.0, 0.1, 0.2]


def test_judge_matches_the_interval_and_p_value_worked_out_by_hand():
    judgement = judge(ONE_TO_FIVE)
    assert judgement.estimate == 3
    assert judgement.low == pytest.approx(1.03676, abs=1e-5)
    assert judgement.high == pytest.approx(4.96324, abs=1e-5)
    # t = 3 / .70711, t² = 18. With 4 degrees of freedom the tail has a closed form:
    # 1/2 - 3/8 s (1 - s²/12), s² = t² / (1 + t²/4) = 18 / 5.5.
    s = math.sqrt(18 / 5.5)
    assert judgement.p_value == pytest.approx(2 * (1 / 2 - 3 / 8 * s * (1 - s**2 / 12)))
    assert judgement.smallest_detectable == pytest.approx(1.682 * math.sqrt(2.5), rel=1e-3)


@pytest.mark.parametrize(
    ("at_least", "verdict"),
    [
        (0, HOLDS),
        (-1, HOLDS),
        (1.03, HOLDS),
        (1.04, NOT_DETECTED),
        (3, NOT_DETECTED),
        (4.96, NOT_DETECTED),
        (4.97, DOES_NOT_HOLD),
    ],
)
def test_a_difference_is_judged_by_the_side_its_interval_lies_on(at_least, verdict):
    judgement = judge(ONE_TO_FIVE, at_least=at_least)
    assert judgement.verdict == verdict
    assert (judgement.p_value < 0.05) == (verdict != NOT_DETECTED)
    mirrored = judge(np.negative(ONE_TO_FIVE), at_least=-at_least).verdict
    assert mirrored == {HOLDS: DOES_NOT_HOLD, DOES_NOT_HOLD: HOLDS}.get(verdict, verdict)


@pytest.mark.parametrize(
    ("differences", "within", "verdict"),
    [
        (AROUND_ZERO, 0.151, HOLDS),  # the 90 % interval decides: the 95 % one reaches .196
        (AROUND_ZERO, 0.150, NOT_DETECTED),
        (ONE_TO_FIVE, 4.51, HOLDS),
        (ONE_TO_FIVE, 4.50, NOT_DETECTED),
        (ONE_TO_FIVE, 1.04, NOT_DETECTED),
        (ONE_TO_FIVE, 1.03, DOES_NOT_HOLD),  # the 95 % interval decides: the 90 % one ends at 1.49
    ],
)
def test_an_equality_is_judged_by_its_margin(differences, within, verdict):
    for sign in (1, -1):
        judgement = judge(np.multiply(sign, differences), within=within)
        assert judgement.verdict == verdict
        assert (judgement.p_value < 0.05) == (verdict != NOT_DETECTED)


def test_an_equality_agrees_with_two_one_sided_tests():
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(100):
        differences, within = rng.normal(rng.normal(), 0.5, size=6), rng.uniform(0.2, 2)
        standard_error = stats.sem(differences)
        p_value = stats.t.sf((within - abs(differences.mean())) / standard_error, 5)
        judgement = judge(differences, within=within)
        verdicts.add(judgement.verdict)
        assert (judgement.verdict == HOLDS) == (p_value < 0.05)
        assert (judgement.verdict == DOES_NOT_HOLD) == (1 - p_value < 0.025)
        expected = 2 * (1 - p_value) if judgement.verdict == DOES_NOT_HOLD else p_value
        assert judgement.p_value == pytest.approx(expected)
    assert verdicts == {HOLDS, DOES_NOT_HOLD, NOT_DETECTED}


@pytest.mark.parametrize(
    ("value", "bounds", "verdict", "p_value"),
    [
        (2.5, {}, HOLDS, 0),
        (-2.5, {}, DOES_NOT_HOLD, 0),
        (0, {}, NOT_DETECTED, 1),
        (2.5, {"at_least": 2}, HOLDS, 0),
        (2.5, {"at_least": 2.5}, HOLDS, 0),
        (2.5, {"at_least": 3}, DOES_NOT_HOLD, 0),
        (-0.5, {"at_least": -1}, HOLDS, 0),
        (0, {"at_least": -1}, HOLDS, 0),
        (0, {"within": 1}, HOLDS, 0),
        (-1, {"within": 1}, HOLDS, 0),
        (1.1, {"within": 1}, DOES_NOT_HOLD, 0),
    ],
)
def test_without_spread_the_common_value_is_judged(value, bounds, verdict, p_value):
    judgement = judge([value] * 5, **bounds)
    assert (judgement.verdict, judgement.p_value) == (verdict, p_value)
    assert (judgement.estimate, judgement.low, judgement.high) == (value, None, None)
    assert judgement.smallest_detectable is None
    assert "the same at all 5 seeds" in judgement.detail


def test_rounding_of_float64_is_no_spread():
    differences = 100 * (np.array([0.91, 0.93, 0.95, 0.97]) - [0.9, 0.92, 0.94, 0.96])
    differences = np.append(differences, 1.0)
    assert np.ptp(differences) > 0
    assert judge(differences).low is None
    assert judge(differences).estimate == pytest.approx(1)
    assert judge(differences, at_least=1).verdict == HOLDS
    assert judge(differences, within=1).verdict == HOLDS
    nothing = judge([1e-17, 0, 2e-17, 1e-17, 0])
    assert (nothing.verdict, nothing.estimate) == (NOT_DETECTED, 0)
    assert judge(np.array(ONE_TO_FIVE) * 1e-9).verdict == HOLDS  # small, but no rounding
    assert judge(1 + np.array(ONE_TO_FIVE) * 1e-6).low is not None


@pytest.mark.parametrize("bounds", [{}, {"at_least": -1}, {"within": 10}])
@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_few_identical_seeds_decide_nothing(seeds, bounds):
    judgement = judge([3.0] * seeds, **bounds)
    assert (judgement.verdict, judgement.estimate) == (NOT_DETECTED, 3)
    assert (judgement.low, judgement.high, judgement.p_value) == (None, None, None)


def test_exactness_needs_every_seed_within_the_tolerance():
    assert judge_exact([0, 1e-7, -1e-6], 1e-6).verdict == HOLDS
    assert judge_exact([0], 0).verdict == HOLDS
    judgement = judge_exact([1e-7, -2e-6, 0], 1e-6)
    assert (judgement.verdict, judgement.estimate) == (DOES_NOT_HOLD, -2e-6)
    assert (judgement.low, judgement.high, judgement.p_value) == (None, None, None)


def family(better, worse, undecided, seeds=5):
    """Return differences at settings that are clearly better, clearly worse, and neither."""
    noise = np.linspace(-0.1, 0.1, seeds)
    means = [3] * better + [-3] * worse
    settings = [mean + noise for mean in means] + [noise + 0.01] * undecided
    return {str(number): differences for number, differences in enumerate(settings)}


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [(16, 0, HOLDS), (14, 2, HOLDS), (13, 2, NOT_DETECTED), (13, 3, DOES_NOT_HOLD)],
)
def test_a_count_holds_or_fails_by_what_is_significant(better, worse, verdict):
    judgement = judge_count(family(better, worse, 16 - better - worse), at_least=14)
    assert judgement.verdict == verdict
    assert (judgement.estimate, judgement.low, judgement.high) == (better, better, 16 - worse)
    assert judgement.seeds == 5


def test_a_count_corrects_for_the_family():
    # t = 2 sqrt(5) = 4.47, p = .011 (see the closed form above): clear alone, not among 5 or more.
    setting = 2 + np.array(ONE_TO_FIVE) - 3  # mean 2, spread sqrt(2.5)
    setting = 2 + (setting - 2) / math.sqrt(2.5)
    p_value = stats.ttest_rel(setting, np.zeros(5)).pvalue
    assert p_value == pytest.approx(0.0111, abs=1e-4)
    alone = judge_count({"a": setting}, at_least=1)
    assert (alone.verdict, alone.p_value) == (HOLDS, pytest.approx(p_value))
    four = judge_count({"a": setting} | family(0, 0, 3), at_least=1)
    assert (four.verdict, four.p_value) == (HOLDS, pytest.approx(4 * p_value))
    five = judge_count({"a": setting} | family(0, 0, 4), at_least=1)
    assert (five.verdict, five.p_value) == (NOT_DETECTED, pytest.approx(5 * p_value))
    # Holm's correction eases where others are clear: of 5, four stand before it.
    assert judge_count({"a": setting} | family(4, 0, 0), at_least=5).verdict == HOLDS


def test_a_count_takes_identical_differences_as_they_are():
    columns = {"always": [1.0] * 5, "never": [0.0] * 5, "worse": [-1.0] * 5}
    judgement = judge_count(columns, at_least=2)
    assert (judgement.low, judgement.high, judgement.verdict) == (1, 2, NOT_DETECTED)
    assert judge_count(columns, at_least=1).p_value == 0
    assert judge_count(columns, at_least=3).verdict == DOES_NOT_HOLD
    assert judge_count(columns, at_least=3).p_value == 0
    few = judge_count({name: values[:4] for name, values in columns.items()}, at_least=1)
    assert (few.low, few.high, few.p_value) == (0, 3, 1)
    one = judge_count({"a": [1.0], "b": [2.0]}, at_least=1)
    assert (one.low, one.high, one.verdict) == (0, 2, NOT_DETECTED)


def test_the_p_value_of_a_count_agrees_with_its_verdict():
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(200):
        means = rng.choice([-2, 0, 2], size=6, p=rng.dirichlet([1, 1, 1]))
        settings = dict(enumerate(rng.normal(means, size=(8, 6)).T))
        judgement = judge_count(settings, at_least=int(rng.integers(1, 7)))
        verdicts.add(judgement.verdict)
        assert (judgement.p_value < 0.05) == (judgement.verdict != NOT_DETECTED)
    assert verdicts == {HOLDS, DOES_NOT_HOLD, NOT_DETECTED}


def test_holm_by_hand():
    # Sorted: .005 × 4 = .02, .01 × 3 = .03, .03 × 2 = .06, .04 × 1 = .04, raised to the .06 before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1, 1])
    assert holm([0.04]) == pytest.approx([0.04])


def test_holm_agrees_with_the_procedure_as_it_was_published():
    rng = np.random.default_rng(0)
    for _ in range(100):
        p_values = rng.uniform(0, 0.1, size=8).round(3)  # some of them tie
        rejected = np.zeros(8, dtype=bool)
        for rank, index in enumerate(np.argsort(p_values)):
            if p_values[index] >= 0.05 / (8 - rank):
                break  # accept this hypothesis and all that follow
            rejected[index] = True
        assert ((holm(p_values) < 0.05) == rejected).all()


def test_smallest_detectable_is_the_one_of_the_tables():
    assert smallest_detectable(1, 5) == pytest.approx(1.68, abs=0.005)
    assert smallest_detectable(1, 20) == pytest.approx(0.66, abs=0.005)
    assert smallest_detectable(2.5, 5) == pytest.approx(2.5 * smallest_detectable(1, 5))
    assert smallest_detectable(0, 5) == 0
    # With many seeds t becomes normal: (1.95996 + .84162) / sqrt(n).
    assert smallest_detectable(1, 10_000) == pytest.approx(0.0280158, rel=1e-3)


@pytest.mark.parametrize(
    ("seeds", "power", "alpha"), [(2, 0.8, 0.05), (5, 0.8, 0.05), (20, 0.8, 0.05), (5, 0.9, 0.01)]
)
def test_smallest_detectable_is_detected_as_often_as_it_says(seeds, power, alpha):
    rng = np.random.default_rng(seeds)
    difference = smallest_detectable(2.0, seeds, power, alpha)
    experiments = rng.normal(difference, 2.0, size=(40_000, seeds))
    p_values = stats.ttest_1samp(experiments, 0, axis=1).pvalue
    assert (p_values < alpha).mean() == pytest.approx(power, abs=0.01)


# What follows measures how often verdicts are wrong; the module's docstring quotes these numbers.


def rates(experiments, truth=0.0):
    """Return how often `judge` says HOLDS, and how often its interval covers the truth.

    It is computed for all (experiments, seeds) at once, and compared with `judge` on some.
    """
    seeds = experiments.shape[1]
    mean = experiments.mean(axis=1)
    half = stats.t.ppf(0.975, seeds - 1) * experiments.std(axis=1, ddof=1) / math.sqrt(seeds)
    identical = np.ptp(experiments, axis=1) < 1e-9
    low, high = mean - half, mean + half
    holds = np.where(identical, mean > 1e-9, low > 0)
    for index in range(150):
        judgement = judge(experiments[index])
        assert (judgement.verdict == HOLDS) == holds[index]
        if not identical[index]:
            assert (judgement.low, judgement.high) == pytest.approx((low[index], high[index]))
    covered = (low <= truth) & (truth <= high)
    return holds.mean(), covered[~identical].mean()


def accuracies(rng, seeds, spread=0.5, collapsing=0.0):
    """Return (experiments, seeds) accuracies in percent; some runs collapse to chance."""
    values = rng.normal(95, spread, size=(50_000, seeds))
    return np.where(rng.random(values.shape) < collapsing, 10.0, values)


@pytest.mark.parametrize("seeds", [5, 20])
def test_rates_with_normal_noise(seeds):
    rng = np.random.default_rng(seeds)
    holds, covered = rates(accuracies(rng, seeds) - accuracies(rng, seeds))
    assert 0.0235 < holds < 0.0265
    assert 0.947 < covered < 0.953


@pytest.mark.parametrize(
    ("spread", "expected_holds", "expected_cover"),
    [
        (1 / 3, (0.0005, 0.0013), (0.997, 0.999)),
        (1 / 2, (0.008, 0.011), (0.979, 0.983)),
        (1, (0.022, 0.025), (0.951, 0.956)),
    ],
)
def test_rates_with_accuracies_rounded_to_whole_points(spread, expected_holds, expected_cover):
    rng = np.random.default_rng(1)
    first, second = (np.round(accuracies(rng, 5, spread)) for _ in range(2))
    holds, covered = rates(first - second)
    assert expected_holds[0] < holds < expected_holds[1]
    assert expected_cover[0] < covered < expected_cover[1]


def test_rates_where_both_variants_collapse_at_times():
    rng = np.random.default_rng(2)
    first, second = (accuracies(rng, 5, collapsing=0.1) for _ in range(2))
    holds, covered = rates(first - second)
    assert 0.007 < holds < 0.012
    assert 0.978 < covered < 0.984


@pytest.mark.parametrize(("seeds", "expected"), [(5, 0.41), (20, 0.88)])
def test_rates_where_one_variant_collapses_at_times(seeds, expected):
    rng = np.random.default_rng(3)
    first, second = accuracies(rng, seeds, collapsing=0.1), accuracies(rng, seeds)
    _, covered = rates(first - second, truth=-0.1 * 85)
    assert covered == pytest.approx(expected, abs=0.01)
    assert covered < 1 - 0.9**seeds + 0.005  # the experiments that saw a collapse


@pytest.mark.parametrize("real", [0, 8])
def test_a_family_errs_in_one_of_twenty(real):
    rng = np.random.default_rng(4)
    effects = np.where(np.arange(16) < real, 20.0, 0.0)
    wrong = 0
    for _ in range(1500):
        experiment = rng.normal(effects, size=(5, 16))
        judgement = judge_count(dict(enumerate(experiment.T)), at_least=max(real, 1))
        wrong += (judgement.low, judgement.high) != (real, 16)
    assert 0.035 < wrong / 1500 < 0.065


# Sentences: one grammar, verdict: finding (why); resolution; collapses.

SENTENCES = [
    (
        judge([2.1, 2.6, 1.9, 2.7, 2.25], unit="points"),
        "holds: +2.31 points (95 % interval +1.89 to +2.73, 5 seeds)",
    ),
    (
        judge([-2.1, -2.6, -1.9, -2.7, -2.25], unit="points"),
        "does not hold: -2.31 points (95 % interval -2.73 to -1.89, 5 seeds)",
    ),
    (
        judge([0.3, -0.4, 0.5, -0.1, 0.2], unit="points", collapsed=3, runs=10),
        "not detected: +0.10 points (95 % interval -0.34 to +0.54, 5 seeds); smallest detectable "
        "± 0.59 points; 3 of 10 runs diverged or learned nothing",
    ),
    (
        judge(np.multiply(ONE_TO_FIVE, 1000), at_least=500, unit="steps"),
        "holds: +3000 steps (95 % interval +1037 to +4963, at least +500 asked, 5 seeds)",
    ),
    (
        judge(AROUND_ZERO, within=0.5),
        "holds: +0.00 (90 % interval -0.15 to +0.15, within ± 0.5 asked, 5 seeds)",
    ),
    (
        judge(np.multiply(AROUND_ZERO, -1e-8)),
        "not detected: +0 (95 % interval -2e-09 to +2e-09, 5 seeds); smallest detectable ± 2.7e-09",
    ),
    (
        judge(ONE_TO_FIVE, within=0.5),
        "does not hold: +3.0 (95 % interval +1.0 to +5.0, within ± 0.5 asked, 5 seeds)",
    ),
    (judge([-0.0], unit="points"), "not detected: +0 points (one seed has no interval)"),
    (
        judge(np.subtract(AROUND_ZERO, 1e-4), within=0.5),
        "holds: +0.00 (90 % interval -0.15 to +0.15, within ± 0.5 asked, 5 seeds)",
    ),
    (judge([2.5] * 5, unit="points"), "holds: +2.5 points (the same at all 5 seeds)"),
    (judge([0] * 20), "not detected: +0 (the same at all 20 seeds)"),
    (
        judge([0] * 5, within=1, unit="points"),
        "holds: +0 points (the same at all 5 seeds, within ± 1 asked)",
    ),
    (
        judge([1] * 3, unit="epochs"),
        "not detected: +1 epochs (the same at all 3 seeds, fewer than 5 identical ones decide "
        "nothing)",
    ),
    (judge([1.25], unit="points"), "not detected: +1.25 points (one seed has no interval)"),
    (
        judge_exact([1e-7, -3.2e-6], 1e-6),
        "does not hold: largest deviation -3.2e-06 (within ± 1e-06 asked, 2 seeds)",
    ),
    (
        judge_exact([0.0], 1e-6, unit="loss"),
        "holds: largest deviation +0 loss (within ± 1e-06 asked, 1 seed)",
    ),
    (
        judge_count(family(15, 0, 1), at_least=14, unit="scales"),
        "holds: better at 15 of 16 scales, worse at 0 (at least 14 asked, Holm-corrected 5 %, "
        "5 seeds)",
    ),
]


@pytest.mark.parametrize(("judgement", "sentence"), SENTENCES)
def test_sentences(judgement, sentence):
    assert f"{judgement.verdict}: {judgement.detail}" == sentence


@pytest.mark.parametrize("judgement", [judgement for judgement, _ in SENTENCES])
def test_a_judgement_survives_json(judgement):
    fields = json.loads(json.dumps(dataclasses.asdict(judgement)))
    assert Judgement(**fields) == judgement


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: judge([]), "one number per seed"),
        (lambda: judge(1.0), "one number per seed"),
        (lambda: judge([[1.0, 2.0]]), "one number per seed"),
        (lambda: judge([1.0, math.nan]), "finite"),
        (lambda: judge([1.0, math.inf]), "finite"),
        (lambda: judge([1, 2], at_least=1, within=1), "exclude each other"),
        (lambda: judge([1, 2], within=0), "above 0"),
        (lambda: judge([1, 2], within=-1), "above 0"),
        (lambda: judge([1, 2], within=math.nan), "above 0"),
        (lambda: judge([1, 2], within=math.inf), "finite"),
        (lambda: judge([1, 2], at_least=math.nan), "at_least=nan"),
        (lambda: judge([1, 2], collapsed=3, runs=2), "collapsed=3"),
        (lambda: judge([1, 2], collapsed=-1, runs=2), "collapsed=-1"),
        (lambda: judge_exact([], 1), "one number per seed"),
        (lambda: judge_exact([math.nan], 1), "finite"),
        (lambda: judge_exact([1], -1), "tolerance=-1"),
        (lambda: judge_exact([1], math.nan), "tolerance=nan"),
        (lambda: judge_exact([1], math.inf), "tolerance=inf"),
        (lambda: judge_count({}, at_least=1), "0 settings"),
        (lambda: judge_count({"a": [1, 2]}, at_least=0), "at_least=0"),
        (lambda: judge_count({"a": [1, 2]}, at_least=2), "at_least=2"),
        (lambda: judge_count({"a": []}, at_least=1), "differences\\['a'\\]"),
        (lambda: judge_count({"a": [1, math.nan]}, at_least=1), "differences\\['a'\\].*finite"),
        (lambda: judge_count({"a": [1, 2], "b": [1]}, at_least=1), "same seeds, not \\[2, 1\\]"),
        (lambda: smallest_detectable(-1, 5), "standard_deviation=-1"),
        (lambda: smallest_detectable(math.nan, 5), "standard_deviation=nan"),
        (lambda: smallest_detectable(1, 1), "seeds=1"),
        (lambda: smallest_detectable(1, 5, power=1), "power=1"),
        (lambda: smallest_detectable(1, 5, power=0.01), "power=0.01"),
        (lambda: smallest_detectable(1, 5, alpha=0), "alpha=0"),
        (lambda: holm([]), "one or more"),
        (lambda: holm([[0.1]]), "one or more"),
        (lambda: holm([0.1, 1.1]), "from 0 to 1"),
        (lambda: holm([0.1, math.nan]), "from 0 to 1"),
    ],
)
def test_a_callers_mistake_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_it_needs_no_tensorflow():
    code = f"import sys, {evidence.__name__}; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
