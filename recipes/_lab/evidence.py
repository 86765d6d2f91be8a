"""Paired differences -> interval -> verdict in words.

There are three verdicts, and absence of evidence is never reported as evidence of absence (Altman
& Bland 1995, BMJ 311:485). There are three kinds of claims: `judge` for differences and equalities,
`judge_exact` for what vanishes up to rounding, and `judge_count` for families of settings.
Differences are positive where they support the claim, and a seed is one unit of evidence: intervals
speak of other seeds at the same split.

Error rates at 5 seeds, as tests/test_evidence.py simulates them: of two equal variants the first is
said to be better in 2.5 % of experiments with normal noise, in .1 to 2.4 % with accuracies rounded
to steps of 3 to 1 standard deviations, in 1 % where each run collapses to chance with probability
.1; in a family of 16 equal settings, any is said to differ in 5 %. Intervals cover the true mean in
95, 95 to 99.8 and 98 %, but in 41 % (88 % at 20 seeds) where only one of the variants collapses
with probability .1, since most often no seed shows it. So collapses are counted beside the verdict;
none at 5 seeds still leaves a rate of up to 45 % possible (1 - .05^(1/5)).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

HOLDS = "holds"
DOES_NOT_HOLD = "does not hold"
NOT_DETECTED = "not detected"
MARKS = {HOLDS: "✓", DOES_NOT_HOLD: "✗", NOT_DETECTED: "?"}

LEVEL = 0.05  # of every test, two-sided
# Differences this close are the same number: float64 arithmetic on shares, points or losses leaves
# less behind. Quantities that live down there belong on a log scale, or to judge_exact.
ROUNDING = {"rtol": 1e-9, "atol": 1e-12}
# Without spread there is no t test, only the seeds' agreement, which coins show as well: 5 fair
# coins all show heads in 3 % of throws, about as rare as a t test's error; 2 coins in 25 %.
FEWEST_IDENTICAL = 5


@dataclass(frozen=True)
class Judgement:
    """What the runs say about a claim.

    Attributes:
        verdict: `HOLDS`, `DOES_NOT_HOLD` or `NOT_DETECTED`.
        estimate: What was measured, in `unit`.
        low: Lower end of the 95 % interval, in `unit`; None where there is no interval.
        high: Upper end, likewise.
        unit: What the numbers count, such as "points"; may be empty.
        seeds: Number of seeds compared.
        smallest_detectable: The difference seen with 80 % power at this spread, in `unit`, or None.
        p_value: Of the test behind the verdict, for false-discovery rates; None if none was made.
        collapsed: Runs that diverged, which are scored at chance, or learned nothing.
        runs: Of how many runs.
        finding: The numbers in words.

    Raises:
        ValueError: More runs collapsed than there were.
    """

    verdict: str
    estimate: float
    low: float | None
    high: float | None
    unit: str
    seeds: int
    smallest_detectable: float | None
    p_value: float | None
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
        if self.verdict == NOT_DETECTED and self.smallest_detectable:
            size = _number(self.smallest_detectable, self.smallest_detectable, sign="-")
            parts.append(f"smallest detectable ± {size} {self.unit}".rstrip())
        if self.collapsed:
            parts.append(f"{self.collapsed} of {self.runs} runs diverged or learned nothing")
        return "; ".join(parts)


def judge(
    differences: ArrayLike,
    *,
    at_least: float = 0.0,
    within: float | None = None,
    unit: str = "",
    collapsed: int = 0,
    runs: int = 0,
) -> Judgement:
    """Judge a difference, or with `within` an equality, by paired differences.

    A difference holds where its 95 % t interval lies above `at_least`, and does not hold where it
    lies below (Student 1908, Biometrika 6:1). `p_value` is the t test's against `at_least`.

    An equality holds where two one-sided tests at 5 % both succeed: the 90 % interval lies inside
    the margin (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15:657). It does not hold where the
    95 % interval lies outside. `p_value` is the larger one-sided one or, where the equality does
    not hold, the two-sided one against the nearer margin.

    Identical differences have neither interval nor test. Five or more are judged by their common
    value, with `p_value` 0, or 1 if they are all zero; fewer decide nothing, nor does one seed.

    Args:
        differences: (seeds,) in `unit`, paired by seed; diverged runs are scored at chance before.
        at_least: The bound to exceed, in `unit`, fixed beforehand; may be negative.
        within: The margin of an equality, in `unit`, fixed beforehand; excludes `at_least`.
        unit: Name of the unit.
        collapsed: Runs that diverged, which are scored at chance, or learned nothing.
        runs: All runs compared.

    Raises:
        ValueError: No differences, not one per seed, or not finite; both bounds given; a bound
            that is not finite; a margin that is not above 0; `collapsed` above `runs`.
    """
    if within is not None and at_least:
        raise ValueError(f"at_least={at_least} and within={within} exclude each other: pass one")
    if within is not None and not 0 < within < math.inf:
        raise ValueError(f"within={within} must be above 0 and finite; see also judge_exact")
    if not math.isfinite(at_least):
        raise ValueError(f"at_least={at_least} must be finite")
    differences = _one_per_seed(differences, "differences")
    seeds, estimate = differences.size, float(differences.mean())
    asked = f", at least {at_least:+g} asked" if at_least else ""
    if within is not None:
        asked = f", within ± {within:g} asked"
    low = high = detectable = p_value = None
    verdict = NOT_DETECTED

    if seeds == 1:
        value, reason = f"{estimate:+z.4g}", "one seed has no interval"
    elif _identical(differences):
        if np.isclose(estimate, at_least, **ROUNDING):
            estimate = float(at_least)
        value, reason = f"{estimate:+z.4g}", f"the same at all {seeds} seeds{asked}"
        if seeds < FEWEST_IDENTICAL:
            reason += f", fewer than {FEWEST_IDENTICAL} identical ones decide nothing"
        else:
            verdict, p_value = _judge_identical(estimate, at_least, within)
    else:
        test = stats.ttest_1samp(differences, at_least)
        low, high = map(float, test.confidence_interval(0.95))
        detectable = smallest_detectable(float(differences.std(ddof=1)), seeds)
        percent = 95
        if within is None:
            verdict, p_value = _verdict(low > at_least, high < at_least), float(test.pvalue)
        else:
            above = stats.ttest_1samp(differences, -within, alternative="greater").pvalue
            below = stats.ttest_1samp(differences, within, alternative="less").pvalue
            p_value = float(max(above, below))
            verdict = _verdict(p_value < LEVEL, low > within or high < -within)
            if verdict == HOLDS:
                percent = 90  # this is the interval that decided
            elif verdict == DOES_NOT_HOLD:
                p_value = 2 * (1 - p_value)
        value = _number(estimate, high - low)
        ends = [_number(end, high - low) for end in test.confidence_interval(percent / 100)]
        reason = f"{percent} % interval {ends[0]} to {ends[1]}{asked}, {seeds} seeds"
    finding = f"{value} {unit}".rstrip() + f" ({reason})"
    return Judgement(
        verdict, estimate, low, high, unit, seeds, detectable, p_value, collapsed, runs, finding
    )


def judge_exact(values: ArrayLike, tolerance: float, *, unit: str = "") -> Judgement:
    """Judge that something is zero up to rounding: it holds if no seed exceeds the tolerance.

    Nothing is inferred, so there is neither interval nor p value, and one seed is enough.

    Args:
        values: (seeds,) each seed's largest deviation from zero, in `unit`, of either sign.
        tolerance: What rounding explains, in `unit`, fixed beforehand.
        unit: Name of the unit.

    Returns:
        A Judgement whose estimate is the value furthest from zero.

    Raises:
        ValueError: No values, not one per seed, or not finite; a negative or no finite tolerance.
    """
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance={tolerance} must be 0 or more and finite")
    values = _one_per_seed(values, "values")
    largest, seeds = float(values[np.abs(values).argmax()]), values.size
    verdict = HOLDS if abs(largest) <= tolerance else DOES_NOT_HOLD
    finding = f"largest deviation {largest:+z.2g} {unit}".rstrip()
    finding += f" (within ± {tolerance:g} asked, {_seeds(seeds)})"
    return Judgement(verdict, largest, None, None, unit, seeds, None, None, finding=finding)


def judge_count(
    differences: Mapping[str, ArrayLike], *, at_least: int, unit: str = "settings"
) -> Judgement:
    """Judge at how many of a family of settings the mean difference is positive.

    Each setting has its two-sided paired t test, all of them together at 5 % by Holm's correction;
    settings with identical differences have p = 0 if these are five or more and not zero, else 1.
    The claim holds if enough settings are significantly positive, and does not hold if too many are
    significantly negative for the rest to suffice.

    Args:
        differences: Setting -> (seeds,), paired by seed.
        at_least: How many settings must be positive, fixed beforehand.
        unit: Name of the settings, such as "scales".

    Returns:
        A Judgement whose estimate is the number of significantly positive settings; the true number
        is between `low`, the same, and `high`, all but the significantly negative ones, with 95 %
        confidence. `p_value` is the largest adjusted one that the verdict rests on, or 1.

    Raises:
        ValueError: `at_least` not from 1 to the number of settings; a setting's differences empty,
            not finite or of another number of seeds.
    """
    settings = len(differences)
    if not 1 <= at_least <= settings:
        raise ValueError(f"at_least={at_least} must be 1 to the {settings} {unit} given")
    columns = [
        _one_per_seed(column, f"differences[{name!r}]") for name, column in differences.items()
    ]
    sizes = [column.size for column in columns]
    if len(set(sizes)) > 1:
        raise ValueError(f"{unit} must have the same seeds, not {sizes} of them")
    family = np.stack(columns, axis=1)  # (seeds, settings)
    seeds, mean = len(family), family.mean(axis=0)
    identical, zero = _identical(family), np.isclose(mean, 0, **ROUNDING)
    p_values = np.where(identical & ~zero & (seeds >= FEWEST_IDENTICAL), 0.0, 1.0)
    if not identical.all():
        p_values[~identical] = stats.ttest_1samp(family[:, ~identical], 0.0).pvalue
    adjusted = holm(p_values)
    better, worse = np.sort(adjusted[mean > 0]), np.sort(adjusted[mean < 0])
    low, high = int((better < LEVEL).sum()), settings - int((worse < LEVEL).sum())
    # The at_least-th positive setting supports the claim; as many negative ones as leave too few
    # others refute it. The two need more settings than there are, so at most one p value exists.
    p_value = float([*better[at_least - 1 :], *worse[settings - at_least :], 1.0][0])
    verdict = _verdict(low >= at_least, high < at_least)
    finding = (
        f"better at {low} of {settings} {unit}, worse at {settings - high} "
        f"(at least {at_least} asked, Holm-corrected 5 %, {_seeds(seeds)})"
    )
    return Judgement(verdict, low, low, high, unit, seeds, None, p_value, finding=finding)


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


def holm(p_values: ArrayLike) -> np.ndarray:
    """Adjust p values for a family of tests (Holm 1979, Scand. J. Statist. 6:65).

    Calling those below 5 % significant errs in at most 5 % of families, whatever the dependence.

    Args:
        p_values: (tests,) in any order.

    Returns:
        (tests,) adjusted p values, in the same order.

    Raises:
        ValueError: No p values, or some that are not from 0 to 1.
    """
    p_values = np.asarray(p_values, dtype=float)
    if p_values.ndim != 1 or not p_values.size or not ((p_values >= 0) & (p_values <= 1)).all():
        raise ValueError(f"p_values must be one or more numbers from 0 to 1, not {p_values}")
    order = np.argsort(p_values)
    weighted = p_values[order] * np.arange(p_values.size, 0, -1)
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(np.maximum.accumulate(weighted), 1.0)
    return adjusted


def _verdict(holds: bool, fails: bool) -> str:
    return HOLDS if holds else DOES_NOT_HOLD if fails else NOT_DETECTED


def _judge_identical(value: float, at_least: float, within: float | None) -> tuple[str, float]:
    """Return verdict and p value of a difference that all seeds agree on; a bound is included."""
    if within is not None:
        inside = abs(value) < within or bool(np.isclose(abs(value), within, **ROUNDING))
        return _verdict(inside, not inside), 0.0
    if value == at_least == 0:
        return NOT_DETECTED, 1.0
    return _verdict(value >= at_least, value < at_least), 0.0


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
