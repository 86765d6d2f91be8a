"""Paired differences -> interval -> verdict in words.

There are four verdicts. That no difference was seen does not mean that there is none (Altman and
Bland 1995, BMJ 311:485): "makes no difference" has to be shown, by an interval that lies within
what matters; else a claim is "not detected". There are four kinds of claims: `judge_difference`,
`judge_equality`, `judge_family` for so many of several settings, `judge_exact` for what is no
statistics. Differences are positive where they support the claim. A seed is one unit of evidence,
with its own split of the data: intervals speak of other seeds and other splits of the same data.

Error rates at 6 and at 20 seeds, as tests/test_evidence.py simulates them. Of two equal variants
the first is said to be better in 2.5 % of experiments with normal noise, and to be worse in 2.5 %;
each in .2 to 2.7 and 2.3 to 2.5 % with accuracies rounded to steps of 3 to 1 standard deviations,
in .8 and 2 % where each run collapses to chance with probability .1. A difference as large as what
matters is said to make none in 2.5 % at most, one as large as the margin of an equality to be
within it in 5 % at most. That at least k of 16 settings are better holds in 2.5 % where only k - 1
are (k = 1, 14, 16), in 1.2 to 2.5 % where the settings correlate by .8.

Intervals cover the true mean in 95 %, in 94.6 to 99.5 % with the rounded accuracies, in 98 and 96 %
where both variants collapse, but in 47 and 88 % where only one does with probability .1: most of
the others saw no collapse. Of these experiments, at a standard deviation of half a point, 33 and
12 % say that it makes no difference of a point, though it makes 8.5. So collapses are counted
beside the verdict; none in 6 or 20 runs leaves a rate of up to 39 or 14 % possible
(1 - .05^(1/n)).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
NO_DIFFERENCE = "makes no difference"
NOT_DETECTED = "not detected"
MARKS = {HOLDS: "✓", DOES_NOT_HOLD: "✗", NO_DIFFERENCE: "=", NOT_DETECTED: "?"}

LEVEL = 0.05  # of every test, two-sided
# Differences this close are the same number: float64 arithmetic on shares, points or losses leaves
# less behind. Quantities that live down there belong on a log scale, or to judge_exact.
ROUNDING = {"rtol": 1e-9, "atol": 1e-12}
# Without spread there is no t test, only the agreement of the seeds in sign. At six seeds the exact
# sign test gives 2^(1 - 6) = .031; at five, .0625, which decides nothing.
FEWEST_IDENTICAL = 6


@dataclass(frozen=True)
class Judgement:
    """What the runs say about a claim.

    Attributes:
        verdict: one of `MARKS`.
        kind: "difference", "equality", "family" or "exact".
        estimate: what was measured, in `unit`; of a family, at how many settings it is better.
        low: lower end of the interval of the estimate, in `unit`; None where no interval decides.
        high: upper end, likewise.
        level: of that interval, the one that decided: .95, or .9 of an equality that holds.
        unit: what the numbers count, such as "percentage points"; may be empty.
        seeds: how many are compared.
        smallest: what was too small to decide, in `unit`: of a difference the smallest one that is
            detected with 80 % power at this spread, of an equality the smallest margin that these
            runs prove. None where there is no interval.
        p_value: of the test behind the verdict, for false-discovery rates; None if none was made.
        collapsed: runs that diverged, which are scored at chance, or learned nothing.
        runs: of how many runs.
        finding: the numbers in words.

    Raises:
        ValueError: more runs collapsed than there were.
    """

    verdict: str
    kind: str
    estimate: float
    low: float | None = None
    high: float | None = None
    level: float | None = None
    unit: str = ""
    seeds: int = 1
    smallest: float | None = None
    p_value: float | None = None
    collapsed: int = 0
    runs: int = 0
    finding: str = ""

    def __post_init__(self):
        if not 0 <= self.collapsed <= self.runs:
            raise ValueError(f"collapsed={self.collapsed} must be 0 to runs={self.runs}")

    @property
    def detail(self) -> str:
        """All that stands beside a verdict: the numbers, what was too small to see, collapses."""
        parts = [self.finding]
        if self.verdict == NOT_DETECTED and self.smallest:
            size = _number(self.smallest, self.smallest, sign="-")
            words = "detectable difference" if self.kind == "difference" else "provable margin"
            parts.append(f"smallest {words} ± {size} {self.unit}".rstrip())
        if self.collapsed:
            parts.append(f"{self.collapsed} of {self.runs} runs diverged or learned nothing")
        return "; ".join(parts)


def judge_difference(
    differences: ArrayLike,
    *,
    bound: float = 0.0,
    inclusive: bool = False,
    matters: float | None = None,
    unit: str = "",
    collapsed: int = 0,
    runs: int = 0,
) -> Judgement:
    """Judge whether a mean difference exceeds a bound.

    It makes no difference where the 95 % t interval lies within ± `matters`; else it holds where
    the interval lies above the bound and does not hold where it lies below (Student 1908,
    Biometrika 6:1). The p value is the two-sided t test's against the bound or, where it makes no
    difference, twice the larger one of the one-sided tests against ± `matters`.

    Identical differences have no interval. Six or more are judged by the exact sign test, whose p
    value is 2^(1 - seeds); fewer decide nothing.

    Args:
        differences: (seeds,) in `unit`, paired by seed; diverged runs are scored at chance before.
        bound: to exceed, in `unit`, fixed beforehand; may be negative.
        inclusive: whether identical differences that equal the bound support the claim, too.
        matters: the smallest difference that matters, in `unit`, fixed beforehand; used only
            where the bound is zero. None if nothing says what matters.
        unit: its name.
        collapsed: runs that diverged or learned nothing.
        runs: all runs compared.

    Raises:
        ValueError: no differences, not one per seed, or not finite; a bound that is not finite;
            `matters` not above 0; `collapsed` above `runs`.
    """
    if not math.isfinite(bound):
        raise ValueError(f"bound={bound} must be finite")
    if matters is not None and not 0 < matters < math.inf:
        raise ValueError(f"matters={matters} must be above 0 and finite")
    differences = _one_per_seed(differences, "differences")
    requirement = f", more than {bound:g} required" if bound else ""
    margin = matters if bound == 0 else None
    counts = {"unit": unit, "seeds": differences.size, "collapsed": collapsed, "runs": runs}
    if _identical(differences):
        value = float(differences[0])
        equal = bool(np.isclose(value, bound, **ROUNDING))
        supports = inclusive if equal else value > bound
        verdict, p_value = _judge_identical(
            differences.size,
            holds=supports,
            fails=not supports and not (equal and not inclusive),
            no_difference=margin is not None
            and abs(value) < margin
            and not np.isclose(abs(value), margin, **ROUNDING),
        )
        finding = _identical_in_words(differences, unit, requirement)
        return Judgement(verdict, "difference", value, p_value=p_value, finding=finding, **counts)
    test = stats.ttest_1samp(differences, bound)
    low, high = map(float, test.confidence_interval(1 - LEVEL))
    small = margin is not None and -margin < low and high < margin
    verdict = NO_DIFFERENCE if small else _verdict(low > bound, high < bound)
    p_value = float(test.pvalue)
    if small:
        p_value = 2 * _p_value_within(differences, margin)
        requirement = f", within ± {margin:g}, the smallest difference that matters"
    return Judgement(
        verdict,
        "difference",
        float(differences.mean()),
        low,
        high,
        1 - LEVEL,
        smallest=smallest_detectable(float(differences.std(ddof=1)), differences.size),
        p_value=p_value,
        finding=_interval_in_words(differences, low, high, 1 - LEVEL, unit, requirement),
        **counts,
    )


def judge_equality(
    differences: ArrayLike,
    within: float,
    *,
    unit: str = "",
    collapsed: int = 0,
    runs: int = 0,
) -> Judgement:
    """Judge whether two means are equal up to a margin.

    They are where two one-sided tests at 5 % both succeed: the 90 % interval lies inside the margin
    (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657). They are not where the 95 % interval lies
    outside. The p value is the larger one-sided one or, where the equality does not hold, the
    two-sided one against the nearer margin. An equality that holds although the 95 % interval
    excludes zero says both.

    Identical differences are judged by the exact sign test, as in `judge_difference`.

    Args:
        differences: (seeds,) in `unit`, paired by seed.
        within: the margin, in `unit`, fixed beforehand.
        unit: its name.
        collapsed: runs that diverged or learned nothing.
        runs: all runs compared.

    Raises:
        ValueError: no differences, not one per seed, or not finite; a margin that is not above 0 or
            not finite; `collapsed` above `runs`.
    """
    if not 0 < within < math.inf:
        raise ValueError(f"within={within} must be above 0 and finite; see also judge_exact")
    differences = _one_per_seed(differences, "differences")
    requirement = f", within ± {within:g} required"
    counts = {"unit": unit, "seeds": differences.size, "collapsed": collapsed, "runs": runs}
    if _identical(differences):
        value = float(differences[0])
        inside = abs(value) < within or bool(np.isclose(abs(value), within, **ROUNDING))
        verdict, p_value = _judge_identical(differences.size, holds=inside, fails=not inside)
        finding = _identical_in_words(differences, unit, requirement)
        return Judgement(verdict, "equality", value, p_value=p_value, finding=finding, **counts)
    test = stats.ttest_1samp(differences, 0.0)
    narrow = [float(end) for end in test.confidence_interval(1 - 2 * LEVEL)]
    wide = [float(end) for end in test.confidence_interval(1 - LEVEL)]
    p_value = _p_value_within(differences, within)
    verdict = _verdict(p_value < LEVEL, wide[0] > within or wide[1] < -within)
    (low, high), level = (narrow, 1 - 2 * LEVEL) if verdict == HOLDS else (wide, 1 - LEVEL)
    if verdict == DOES_NOT_HOLD:
        p_value = 2 * (1 - p_value)
    if verdict == HOLDS and (wide[0] > 0 or wide[1] < 0):
        requirement += ", small but not zero"
    return Judgement(
        verdict,
        "equality",
        float(differences.mean()),
        low,
        high,
        level,
        smallest=max(map(abs, narrow)),
        p_value=p_value,
        finding=_interval_in_words(differences, low, high, level, unit, requirement),
        **counts,
    )


def judge_family(
    settings: Sequence[ArrayLike],
    at_least: int,
    *,
    unit: str = "settings",
    collapsed: int = 0,
    runs: int = 0,
) -> Judgement:
    """Judge whether the mean difference is positive at so many of several settings.

    Each setting has its two-sided t test, or sign test, as in `judge_difference`. That it is better
    at k of n or more is the complement of a partial conjunction (Benjamini and Heller 2008,
    Biometrics 64:1215), with the p value (n - k + 1) p_(k), p_(k) being the k-th smallest p value
    of the better settings: valid however the settings depend on each other. For all of n it is the
    largest p value, each setting is tested at 5 % (intersection-union; Berger 1982, Technometrics
    24:295). The claim does not hold if n - k + 1 settings or more are worse, by the same test.

    Args:
        settings: of each setting the differences above its bound, (seeds,), positive where they
            support the claim; the same seeds everywhere.
        at_least: how many settings, k, fixed beforehand.
        unit: name of the settings, such as "scales".
        collapsed: runs that diverged or learned nothing.
        runs: all runs compared.

    Returns:
        A Judgement whose estimate is at how many settings it is better, each by itself at 5 %.

    Raises:
        ValueError: `at_least` not from 1 to the number of settings; a setting's differences empty,
            not finite or of another number of seeds.
    """
    count = len(settings)
    if not 1 <= at_least <= count:
        raise ValueError(f"at_least={at_least} must be 1 to the {count} {unit} given")
    columns = [_one_per_seed(column, f"setting {n}") for n, column in enumerate(settings, 1)]
    sizes = sorted({column.size for column in columns})
    if len(sizes) > 1:
        raise ValueError(f"all {unit} must have the same seeds, not {sizes} of them")
    signs = np.array([np.sign(_mean(column)) for column in columns])
    p_values = np.array([_p_value(column) for column in columns])
    better = np.sort(np.where(signs > 0, p_values, 1.0))
    worse = np.sort(np.where(signs < 0, p_values, 1.0))
    too_many = count - at_least + 1  # settings that are worse refute the claim
    holds = min(1.0, too_many * better[at_least - 1])
    fails = min(1.0, at_least * worse[too_many - 1])
    wins, losses = int((better < LEVEL).sum()), int((worse < LEVEL).sum())
    how_many = "all" if at_least == count else f"at least {at_least}"
    finding = (
        f"better at {wins} of {count} {unit}, worse at {losses} "
        f"({how_many} required, {_seeds(sizes[0])})"
    )
    return Judgement(
        _verdict(holds < LEVEL, fails < LEVEL),
        "family",
        wins,
        unit=unit,
        seeds=sizes[0],
        p_value=float(min(holds, fails)),
        collapsed=collapsed,
        runs=runs,
        finding=finding,
    )


def judge_exact(values: ArrayLike, tolerance: float, *, unit: str = "") -> Judgement:
    """Judge that something is zero up to rounding: it holds if no value exceeds the tolerance.

    Nothing is inferred, so there is neither interval nor p value, and one value is enough.

    Args:
        values: (values,) deviations from zero, in `unit`, of either sign: one of each seed, say.
        tolerance: what rounding explains, in `unit`, fixed beforehand.
        unit: its name.

    Returns:
        A Judgement whose estimate is the value furthest from zero.

    Raises:
        ValueError: no values, or not finite; a negative or no finite tolerance.
    """
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance={tolerance} must be 0 or more and finite")
    values = _one_per_seed(values, "values")
    largest = float(values[np.abs(values).argmax()])
    verdict = HOLDS if abs(largest) <= tolerance else DOES_NOT_HOLD
    finding = f"largest deviation {largest:+z.2g} {unit}".rstrip()
    finding += f" (within ± {tolerance:g} required)"
    return Judgement(verdict, "exact", largest, unit=unit, seeds=values.size, finding=finding)


def smallest_detectable(
    standard_deviation: float, seeds: int, power: float = 0.8, alpha: float = LEVEL
) -> float:
    """Return the true mean difference that a two-sided paired t test detects with this power.

    Solves the noncentral t distribution for its noncentrality (Cohen 1988, Statistical Power
    Analysis, chapter 2): 1.68 standard deviations at 5 seeds, .66 at 20.

    Args:
        standard_deviation: Of the paired differences, in any unit.
        seeds: Number of pairs, 2 or more.
        power: Probability of detecting it, above `alpha` and below 1.
        alpha: Level of the test, two-sided.

    Returns:
        The difference, in the unit of `standard_deviation`.

    Raises:
        ValueError: An argument out of range.
    """
    if not 0 <= standard_deviation < math.inf:
        raise ValueError(f"standard_deviation={standard_deviation} must be 0 or more and finite")
    if seeds < 2:
        raise ValueError(f"seeds={seeds} must be 2 or more: one seed has no spread")
    if not 0 < alpha < power < 1:
        raise ValueError(f"alpha={alpha}, power={power}: these must be 0 < alpha < power < 1")
    critical = stats.t.ppf(1 - alpha / 2, seeds - 1)
    noncentrality = special.nctdtrinc(seeds - 1, 1 - power, critical)
    return float(noncentrality * standard_deviation / math.sqrt(seeds))


def false_discovery_rates(p_values: ArrayLike) -> np.ndarray:
    """Return the q value of each of several decided claims, (claims,).

    The expected share of wrong ones among all claims with a q value as small (Benjamini and
    Hochberg 1995, J. R. Stat. Soc. B 57:289).
    """
    return stats.false_discovery_control(p_values) if len(p_values) else np.empty(0)


def _verdict(holds: bool, fails: bool) -> str:
    return HOLDS if holds else DOES_NOT_HOLD if fails else NOT_DETECTED


def _judge_identical(
    seeds: int, *, holds: bool, fails: bool, no_difference: bool = False
) -> tuple[str, float]:
    """Return verdict and p value where all seeds agree: the exact sign test."""
    if not (holds or fails or no_difference):
        return NOT_DETECTED, 1.0
    p_value = 2.0 ** (1 - seeds)
    if seeds < FEWEST_IDENTICAL:
        return NOT_DETECTED, p_value
    return NO_DIFFERENCE if no_difference else _verdict(holds, fails), p_value


def _mean(differences: np.ndarray) -> float:
    """Return the mean, exactly zero where rounding alone makes it differ from zero."""
    mean = float(differences.mean())
    return 0.0 if _identical(differences) and np.isclose(mean, 0, **ROUNDING) else mean


def _p_value(differences: np.ndarray) -> float:
    """Return the two-sided p value of a mean difference from zero: a t test's, or a sign test's."""
    if not _identical(differences):
        return float(stats.ttest_1samp(differences, 0.0).pvalue)
    return 2.0 ** (1 - differences.size) if _mean(differences) else 1.0


def _p_value_within(differences: np.ndarray, margin: float) -> float:
    """Return the larger p value of two one-sided t tests, that the mean lies within a margin."""
    above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
    return float(max(above, below))


def _identical_in_words(differences: np.ndarray, unit: str, requirement: str) -> str:
    value = f"{differences.mean():+z.4g} {unit}".rstrip()
    if differences.size == 1:
        return f"{value} (one seed has no interval{requirement})"
    too_few = f"; {FEWEST_IDENTICAL} are needed" if differences.size < FEWEST_IDENTICAL else ""
    return f"{value} (the same for all {differences.size} seeds{requirement}{too_few})"


def _interval_in_words(
    differences: np.ndarray, low: float, high: float, level: float, unit: str, requirement: str
) -> str:
    scale = high - low
    value = f"{_number(differences.mean(), scale)} {unit}".rstrip()
    ends = f"{_number(low, scale)} to {_number(high, scale)}"
    return f"{value} ({100 * level:.0f} % interval {ends}{requirement}, {differences.size} seeds)"


def _one_per_seed(values: ArrayLike, name: str) -> np.ndarray:
    """Return (seeds,) finite float64 numbers, or say what is wrong with them."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"{name} must be one number per seed, not of shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} must be finite (score diverged runs at chance), not {values}")
    return values


def _identical(differences: np.ndarray) -> np.ndarray:
    """Return whether (seeds, ...) differences are the same at all seeds: (...)."""
    return np.isclose(differences, differences[0], **ROUNDING).all(axis=0)


def _seeds(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _number(value: float, scale: float, sign: str = "+") -> str:
    """Write a value with the decimals at which a distance of `scale` has two digits."""
    decimals = max(0, 1 - math.floor(math.log10(scale)))
    if decimals > 6:
        return f"{round(value, decimals):{sign}z.3g}"
    return f"{value:{sign}z.{decimals}f}"
