"""Claims -> a forest plot: where the effects and their intervals lie on one common scale.

Claims count different things: percentage points, nats, epochs. Divided by the standard deviation of
the differences between seeds (Cohen's d of paired differences, 1988), they share an axis: at 1 some
84 % of single runs come out as claimed, at 3 almost all. Intervals are divided by the same
deviation, as if it were known, so that they exclude zero where the claim's own do. Effects of .1
and of 20 shall both be seen, so the axis is stretched around zero, by the inverse hyperbolic sine:
linear up to 1, logarithmic beyond. Templates only draw what is computed here; all places are in
percent of the plot's width, as SVG takes them.
"""

import dataclasses
import math
import re

from recipes._lab.claim import Claim
from recipes._lab.publishing.claims import ANY_DATA
from recipes._lab.publishing.meta_analysis import standard_error

REACH = 20  # of the axis to both sides, in standard deviations
MARGIN = 7  # of the plot, left and right of the axis, for arrows, in %
TICKS = (-10, -3, -1, 0, 1, 3, 10)
# How `evidence` says what was required of a difference, or within what an effect lies.
_BOUND = re.compile(r"more than (\S+) required")
_WITHIN = re.compile(r"within ± ([^\s,]+)")


@dataclasses.dataclass(frozen=True)
class Lane:
    """What one data set says of a claim, as drawn in one line of its row.

    Attributes:
        data: display name, or `ANY_DATA`.
        claim: the `Claim` as this data set judges it.
        stale: whether an earlier version of the code made it.
        effect: in standard deviations between seeds, positive where it supports the claim; None of
            what has no interval: exact checks, families, seeds that all agree.
        place: of the effect, in %; None as above.
        low: lower end of its interval, in %; None as above.
        high: upper end, likewise.
        bounds: places of the bound to exceed, or of both ends of the margin to lie within; empty
            where there is neither.
    """

    data: str
    claim: Claim
    stale: bool
    effect: float | None = None
    place: float | None = None
    low: float | None = None
    high: float | None = None
    bounds: tuple[float, ...] = ()

    @property
    def words(self):
        """What was found, in words so few that they fit where others have an interval.

        "better at 2 of 3, worse at 1": the claim itself says of which settings.
        """
        judgement = self.claim.judgement
        found = judgement.finding.partition(" (")[0]
        return found.replace(f" {judgement.unit},", ",") if judgement.kind == "family" else found

    @property
    def beyond_left(self):
        """Whether the interval goes on beyond the left end of the axis."""
        return self.low is not None and self.low <= MARGIN

    @property
    def beyond_right(self):
        """Whether it goes on beyond the right end."""
        return self.high is not None and self.high >= 100 - MARGIN


def position(effect):
    """Return the place of an effect, in standard deviations, in % of the plot's width.

    Zero is in the middle; what is beyond the axis is at its end.
    """
    along = math.asinh(effect) / math.asinh(REACH)
    return round(50 + (50 - MARGIN) * max(-1.0, min(1.0, along)), 2)


def ticks():
    """Return the places of `TICKS`, `{words: place}`."""
    return {f"{tick:+d}".replace("-", "−") if tick else "0": position(tick) for tick in TICKS}


def lanes(entry):
    """Return a `Lane` for each data set that counts for a claim.

    Args:
        entry: a `claims.Entry`.
    """
    return [
        _lane(ANY_DATA if entry.claim.any_data else data, entry.by_data[data], data in entry.stale)
        for data in entry.counted
    ]


def _lane(data, claim, stale):
    judgement = claim.judgement
    error = standard_error(judgement)
    if not error:
        return Lane(data, claim, stale)
    deviation = error * math.sqrt(judgement.seeds)
    return Lane(
        data,
        claim,
        stale,
        effect=judgement.estimate / deviation,
        place=position(judgement.estimate / deviation),
        low=position(judgement.low / deviation),
        high=position(judgement.high / deviation),
        bounds=tuple(position(end / deviation) for end in required(judgement)),
    )


def required(judgement):
    """Return what the effect was compared with, other than zero, in the judgement's unit.

    Returns:
        The bound to exceed, both ends of the margin to lie within, or nothing.
    """
    if bound := _BOUND.search(judgement.finding):
        return (float(bound[1]),)
    if within := _WITHIN.search(judgement.finding):
        return (-float(within[1]), float(within[1]))
    return ()
