"""Verdicts on several data sets -> the one over all of them, and the pooled effect.

A data set is one study: its interval speaks of other seeds and splits of the same data, the pooled
one of other data sets like these. Two or three say little of others, and its width says so.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from recipes._lab.evidence import (
    DOES_NOT_HOLD,
    HOLDS,
    LEVEL,
    MARKS,
    NO_DIFFERENCE,
    NOT_DETECTED,
    Judgement,
)

DEPENDS = "depends on the data"  # where data sets decide otherwise
MARKS_OVER_DATA = MARKS | {DEPENDS: "~"}
# What several claims do, by their verdict.
IN_PLURAL = {
    HOLDS: "hold",
    DOES_NOT_HOLD: "do not hold",
    NO_DIFFERENCE: "make no difference",
    NOT_DETECTED: "are not detected",
    DEPENDS: "depend on the data",
}


@dataclass(frozen=True)
class Pooled:
    """An effect over data sets, in the claim's unit.

    Attributes:
        estimate: the random-effects mean.
        low: lower end of its 95 % interval.
        high: upper end.
        spread: standard deviation of the true effects among data sets, tau.
        heterogeneity: the share of the estimates' variance that is theirs, I squared, 0 to 1.
        datasets: how many there are.
        unit: as of the judgements.
    """

    estimate: float
    low: float
    high: float
    spread: float
    heterogeneity: float
    datasets: int
    unit: str


@dataclass(frozen=True)
class Overall:
    """What all data sets together say of a claim.

    Attributes:
        verdict: one of `MARKS_OVER_DATA`.
        words: the verdict with the number of data sets, or with their names if there is one, or
            where they disagree.
        pooled: the effect over data sets; None if there is one data set, or no interval on each.
    """

    verdict: str
    words: str
    pooled: Pooled | None

    @property
    def mark(self) -> str:
        """The sign that stands for the verdict where colour can't."""
        return MARKS_OVER_DATA[self.verdict]


def over_datasets(judgements: Mapping[str, Judgement]) -> Overall:
    """Return what all data sets together say.

    A verdict is that of all if at least half of them come to it and the others detect nothing; it
    depends on the data if two data sets decide otherwise. Verdicts are counted and not pooled: the
    mean of an effect that helps on one data set and harms on another helps nobody.

    Args:
        judgements: of a claim, by data set; at least one.
    """
    counts = Counter(judgement.verdict for judgement in judgements.values())
    undecided = counts.pop(NOT_DETECTED, 0)
    total = counts.total() + undecided
    pooled = _pooled(list(judgements.values()))
    if len(counts) > 1:
        words = ", ".join(
            f"{judgement.verdict} on {data}" for data, judgement in judgements.items()
        )
        return Overall(DEPENDS, f"{DEPENDS}: {words}", pooled)
    if not counts:
        return Overall(NOT_DETECTED, f"{NOT_DETECTED} on {_all(judgements)}", pooled)
    ((verdict, count),) = counts.items()
    words = f"{verdict} on {_all(judgements)}"
    if undecided:
        words = f"{verdict} on {count} of {total} data sets, {NOT_DETECTED} on {undecided}"
    return Overall(verdict if count >= undecided else NOT_DETECTED, words, pooled)


def _all(names):
    """Return all data sets in words: the name of one, the number of several."""
    if len(names) == 1:
        return next(iter(names))
    return "both data sets" if len(names) == 2 else f"all {len(names)} data sets"


def standard_error(judgement: Judgement) -> float | None:
    """Return the standard error of a judgement's estimate, in its unit; None without interval."""
    if None in (judgement.low, judgement.high, judgement.level) or judgement.seeds < 2:
        return None
    quantile = stats.t.ppf((1 + judgement.level) / 2, judgement.seeds - 1)
    return float((judgement.high - judgement.low) / 2 / quantile)


def _pooled(judgements: Sequence[Judgement]) -> Pooled | None:
    errors = [standard_error(judgement) for judgement in judgements]
    if len(judgements) < 2 or not all(errors):
        return None
    estimates = [judgement.estimate for judgement in judgements]
    return random_effects(estimates, errors, judgements[0].unit)


def random_effects(estimates: Sequence[float], errors: Sequence[float], unit: str = "") -> Pooled:
    """Return the mean effect of studies that estimate different true effects.

    The variance among the true effects is Paule and Mandel's (1982, J. Res. NBS 87:377): at it, the
    weighted squares of the distances from the mean add up to studies - 1, if it is not zero. There
    the interval of Hartung and Knapp (2001, Stat. Med. 20:3875), which is taken no narrower than
    the one without their factor, is the mean ± t / sqrt(sum of the weights).

    Args:
        estimates: (studies,), two at least.
        errors: (studies,) their standard errors, above 0.
        unit: of both.
    """
    values, variances = np.asarray(estimates, float), np.square(errors)
    freedom = len(values) - 1

    def excess(between):
        weights = 1 / (variances + between)
        mean = np.average(values, weights=weights)
        return float(weights @ (values - mean) ** 2) - freedom

    # So much between them alone brings the squares below studies - 1, whatever the errors are.
    most = float(np.square(values - values.mean()).sum())
    between = optimize.brentq(excess, 0, most, xtol=1e-12 * most) if excess(0) > 0 else 0.0
    weights = 1 / (variances + between)
    mean = float(np.average(values, weights=weights))
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom) / math.sqrt(weights.sum()))
    squares = excess(0) + freedom
    heterogeneity = max(0.0, excess(0) / squares) if squares else 0.0
    return Pooled(
        mean, mean - half, mean + half, math.sqrt(between), heterogeneity, len(values), unit
    )
