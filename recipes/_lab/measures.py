"""Results by variant and seed: measures that add up, and the comparisons that claims assert.

A variant's key is a tuple, such as ("with BN", 0.01); whoever asks gives it or a part of it. A
`Measure` holds a number for every variant and seed, with its unit, and knows which runs stand
behind each number. `>`, `<`, `>=`, `<=` and `within` give a `Comparison`, paired by seed.
"""

import dataclasses
import math
import operator
from collections.abc import Iterable, Mapping

import numpy as np

from recipes._lab import evidence

PERCENT, POINTS = "%", "percentage points"
SHIFTS = (operator.add, operator.sub)
# The smallest difference that matters in practice.
MATTERS = {POINTS: 1.0}
# A run whose training accuracy ends less than this above chance has learned nothing: a share of
# chance or, where one class is most of the data, of what chance gets wrong.
LITTLE = 0.1


def as_key(key):
    """Return a variant's key, or a part of one, as a tuple."""
    return key if isinstance(key, tuple) else (key,)


def matching(keys, part):
    """Return those of several keys that hold all elements of a part, in their order.

    A part that is a whole key is that one alone.

    Raises:
        KeyError: none does.
    """
    part = as_key(part)
    if part in keys:
        return [part]
    chosen = [key for key in keys if _holds(key, part)]
    if not chosen:
        raise KeyError(f"no variant has {_shown(part)}; there are {', '.join(map(_shown, keys))}")
    return chosen


def by_variant(option, key):
    """Return what an option is for a variant: itself or, of a dict, what a part of the key has."""
    if not isinstance(option, Mapping):
        return option
    if key in option:
        return option[key]
    fits = [value for part, value in option.items() if _holds(key, as_key(part))]
    if len(fits) != 1:
        how_many = "nothing" if not fits else "more than one value"
        raise KeyError(f"an option by variant has {how_many} for {_shown(key)}: {list(option)}")
    return fits[0]


def _holds(key, part):
    """Tell whether a key holds all elements of a part, in their order."""
    rest = iter(key)
    return all(any(element == other for other in rest) for element in part)


def _shown(key):
    """Return a key in words: strings as they are, numbers short."""
    return ", ".join(part if isinstance(part, str) else f"{part:.3g}" for part in as_key(key))


class Measure:
    """A number for every variant and seed, with a unit.

    `measure[part]` picks the variants whose keys hold that part, which is then left out of them; so
    `accuracy["with BN"] - accuracy["without BN"]` pairs what is left. A single variant, or a plain
    number, goes with every variant of another measure.

    Args:
        values: `{key: (seeds,)}`, or (seeds,) for a single variant.
        unit: such as "%"; the difference of two measures in % is in percentage points.
        label: what it is, for an axis, such as "test accuracy".
        runs: `{key: {run: whether it diverged or learned nothing}}`, of the runs behind each
            number; or None where none were trained.
        added: the constant that its numbers contain: `a > b + 2` asks of a - b to exceed 2.
    """

    def __init__(self, values, unit="", label="", runs=None, added=0.0):
        if not isinstance(values, Mapping):
            values = {(): values}
        self.values = {as_key(key): np.asarray(of, float) for key, of in values.items()}
        self.unit, self.label, self.added = unit, label, added
        runs = runs or {}
        self.runs = {key: runs.get(key, {}) for key in self.values}
        shapes = {of.shape for of in self.values.values()}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"a measure has one number a seed and variant, not {shapes}")

    def __repr__(self):
        rows = [f"{_shown(key) or 'all'}: {of.mean():.4g}" for key, of in self.values.items()]
        return f"Measure({'; '.join(rows)}; mean over {self.seeds} seeds, {self.unit})"

    @property
    def keys(self):
        """The variants' keys, in order."""
        return list(self.values)

    @property
    def seeds(self):
        """How many there are."""
        return len(next(iter(self.values.values())))

    def __getitem__(self, part):
        part = as_key(part)
        keys = {without(key, part): key for key in matching(self.values, part)}
        return self._with(
            {short: self.values[key] for short, key in keys.items()},
            runs={short: self.runs[key] for short, key in keys.items()},
            label=self.label,
            added=self.added,
        )

    def array(self):
        """Return the numbers of a single variant, (seeds,), or of several, (variants, seeds)."""
        stacked = np.stack(list(self.values.values()))
        return stacked[0] if len(stacked) == 1 else stacked

    def map(self, function, unit=None):
        """Return the measure with a function of NumPy's applied, such as np.log10."""
        values = {key: function(of) for key, of in self.values.items()}
        return self._with(values, unit=self.unit if unit is None else unit)

    def sum(self):
        """Return the sum over the variants, seed by seed."""
        return self._over_variants(np.sum)

    def mean(self):
        """Return the mean over the variants, seed by seed."""
        return self._over_variants(np.mean)

    def max(self):
        """Return the largest over the variants, seed by seed; selection is `Results.best`."""
        return self._over_variants(np.max)

    def min(self):
        """Return the smallest over the variants, seed by seed."""
        return self._over_variants(np.min)

    def __abs__(self):
        return self.map(np.abs)

    def __neg__(self):
        return self.map(np.negative)

    def __add__(self, other):
        return self._combined(other, operator.add)

    def __radd__(self, other):
        return self._combined(other, operator.add)

    def __sub__(self, other):
        return self._combined(other, operator.sub)

    def __rsub__(self, other):
        return -self + other

    def __mul__(self, factor):
        return self._combined(factor, operator.mul)

    __rmul__ = __mul__

    def __truediv__(self, divisor):
        return self._combined(divisor, operator.truediv)

    def __gt__(self, other):
        return _exceeds(self, other, inclusive=False)

    def __lt__(self, other):
        return _falls_below(self, other, inclusive=False)

    def __ge__(self, other):
        return _exceeds(self, other, inclusive=True)

    def __le__(self, other):
        return _falls_below(self, other, inclusive=True)

    # Comparisons are claims, so a measure equals nothing but itself.
    __hash__ = object.__hash__

    def within(self, margin, of=0.0):
        """Return the comparison that this is equal to another measure, up to a margin.

        Args:
            margin: in the unit of the difference, fixed beforehand.
            of: the other measure, or a number.
        """
        if not isinstance(margin, int | float) or not 0 < margin < math.inf:
            raise ValueError(f"within({margin!r}) must be a number above 0; see also lab.exact")
        return _single(
            Comparison(difference, within=float(margin)) for difference in _pieces(self - of)
        )

    def _with(self, values, unit=None, runs=None, label="", added=0.0):
        unit = self.unit if unit is None else unit
        return Measure(values, unit, label, self.runs if runs is None else runs, added)

    def _over_variants(self, function):
        values = function(np.stack(list(self.values.values())), axis=0)
        runs = {run: bad for of in self.runs.values() for run, bad in of.items()}
        return self._with({(): values}, runs={(): runs})

    def _combined(self, other, operation):
        """Add, subtract, multiply or divide, variant by variant and seed by seed."""
        if not isinstance(other, Measure):
            values = {key: operation(of, other) for key, of in self.values.items()}
            shift = self.unit == PERCENT and operation is operator.sub
            added = operation(self.added, other) if operation in SHIFTS else 0.0
            return self._with(values, unit=POINTS if shift else self.unit, added=added)
        if self.seeds != other.seeds:
            raise ValueError(f"measures of {self.seeds} and of {other.seeds} seeds can't be paired")
        keys = self.keys if len(other.keys) == 1 else other.keys
        if len(self.keys) > 1 and len(other.keys) > 1 and self.keys != other.keys:
            raise ValueError(
                "measures of other variants can't be paired: "
                f"{[*map(_shown, self.keys)]} and {[*map(_shown, other.keys)]}"
            )
        values, runs = {}, {}
        for key in keys:
            first, second = (of._for(key) for of in (self, other))
            values[key] = operation(self.values[first], other.values[second])
            runs[key] = self.runs[first] | other.runs[second]
        added = operation(self.added, other.added) if operation in SHIFTS else 0.0
        return Measure(values, _unit(self.unit, other.unit, operation), runs=runs, added=added)

    def _for(self, key):
        return key if key in self.values else self.keys[0]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a claim asserts: that a difference is positive, above a bound, or within a margin.

    Attributes:
        difference: a `Measure` of a single variant, positive where it supports the claim.
        bound: to exceed.
        inclusive: whether equal is enough.
        of_two: whether two things are compared, which may turn out to make no difference, and not
            one with a number.
        within: the margin of an equality, or None.
    """

    difference: Measure
    bound: float = 0.0
    inclusive: bool = False
    of_two: bool = True
    within: float | None = None

    def __bool__(self):
        raise TypeError("a comparison is judged by lab.claim(..., that=...), not by if, and, or")

    def judge(self, matters=None):
        """Return the `evidence.Judgement`.

        Args:
            matters: what matters, in the unit of the difference; None for what `MATTERS` says.
        """
        if matters is None and self.of_two:
            matters = MATTERS.get(self.difference.unit)
        values, unit = self.difference.array(), self.difference.unit
        if not np.isfinite(values).all():
            raise ValueError(
                "a comparison needs finite numbers, and some are not: compare reached(...) or "
                "mean_over_epochs(...) where runs may never get there"
            )
        runs = next(iter(self.difference.runs.values()))
        counts = {"collapsed": sum(runs.values()), "runs": len(runs), "unit": unit}
        if self.within is not None:
            return evidence.judge_equality(values, self.within, **counts)
        return evidence.judge_difference(
            values,
            bound=self.bound,
            inclusive=self.inclusive,
            matters=matters,
            **counts,
        )


@dataclasses.dataclass(frozen=True)
class Family:
    """What a claim asserts of several settings: that at least so many comparisons are true.

    Attributes:
        comparisons: of differences, one a setting.
        at_least: how many.
        unit: what the settings are, such as "scales".
    """

    comparisons: tuple[Comparison, ...]
    at_least: int
    unit: str = "settings"

    def judge(self):
        """Return the `evidence.Judgement`."""
        settings = [c.difference.array() - c.bound for c in self.comparisons]
        runs = {}
        for comparison in self.comparisons:
            runs |= next(iter(comparison.difference.runs.values()))
        return evidence.judge_family(
            settings, self.at_least, unit=self.unit, collapsed=sum(runs.values()), runs=len(runs)
        )


@dataclasses.dataclass(frozen=True)
class Exact:
    """What a claim asserts without statistics: that values are zero up to a tolerance.

    Attributes:
        values: deviations from zero.
        tolerance: what rounding explains.
        unit: of both.
    """

    values: np.ndarray
    tolerance: float
    unit: str = ""

    def judge(self):
        """Return the `evidence.Judgement`."""
        return evidence.judge_exact(self.values, self.tolerance, unit=self.unit)


def family(at_least, comparisons, unit="settings"):
    """Return the `Family` of comparisons; also of what comparing several variants gives.

    Raises:
        TypeError: something else than differences.
        ValueError: `at_least` is more than there are.
    """
    comparisons = tuple(comparisons) if isinstance(comparisons, Iterable) else (comparisons,)
    for comparison in comparisons:
        if not isinstance(comparison, Comparison) or comparison.within is not None:
            raise TypeError(f"a family takes comparisons such as a > b, not {comparison!r}")
    if not 1 <= at_least <= len(comparisons):
        raise ValueError(f"at_least({at_least}, ...) of {len(comparisons)} comparisons")
    return Family(comparisons, at_least, unit)


def _exceeds(measure, other, inclusive):
    """Return the comparison that a measure exceeds another, or a number; a list for several."""
    if isinstance(other, Measure):
        difference = measure - other
        bound = -difference.added
        return _compared(difference + bound, inclusive, bound=bound)
    if measure.unit == PERCENT:  # a level: what counts is by how much it is above the number
        return _compared(measure - other, inclusive, of_two=False)
    return _compared(measure, inclusive, bound=float(other), of_two=not other)


def _falls_below(measure, other, inclusive):
    """Return the comparison that a measure is below another, or a number; a list for several."""
    if isinstance(other, Measure):
        return _exceeds(other, measure, inclusive)
    return _compared(-(measure - other), inclusive, of_two=not other)


def _compared(difference, inclusive, bound=0.0, of_two=True):
    return _single(
        Comparison(piece, bound=bound, inclusive=inclusive, of_two=of_two)
        for piece in _pieces(difference)
    )


def _pieces(measure):
    """Return a measure's variants, each as a measure of its own."""
    return [
        Measure({(): of}, measure.unit, runs={(): measure.runs[key]})
        for key, of in measure.values.items()
    ]


def _single(comparisons):
    comparisons = list(comparisons)
    return comparisons[0] if len(comparisons) == 1 else comparisons


def without(key, part):
    """Return a key without the elements of a part, each of them once."""
    rest, part = [], list(part)
    for element in key:
        if part and element == part[0]:
            part.pop(0)
        else:
            rest.append(element)
    return tuple(rest)


def _unit(first, second, operation):
    if operation is operator.sub and first == second == PERCENT:
        return POINTS
    if operation in (operator.mul, operator.truediv):
        return first if not second else ""
    return first or second
