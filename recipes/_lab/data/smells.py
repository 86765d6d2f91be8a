"""What smells in a table: columns that give the classes away, numbers taken for text, ..."""

import itertools

import numpy as np
import pandas as pd

from recipes._lab.data.cells import (
    is_limit,
    is_missing,
    is_time,
    one_of_each_way,
    possible_numbers,
    unit_of,
)
from recipes._lab.data.columns import Reading
from recipes._lab.data.wording import listed

GIVEN_AWAY = 0.99  # accuracy that one column reaches on rows that it has not seen
FAR_LESS = 0.9  # accuracy of the most frequent class, at the most, for that to say something
IN_ORDER = 0.2  # changes of the class from row to row, as a share of those in random order
RARE_CLASS = 0.01  # of the rows
NEARLY_ALL = 0.99  # of the rows have one value: there is little to learn from
MOSTLY_NUMBERS = 0.9  # of the different cells: then the others are likely mistakes
CELLS_OF_A_UNIT = 10  # different ones: then it is a unit, and not 1st, 2nd, 3rd
ROWS = 2000  # that are looked at, at the most
MARKERS = (-99, -999, -9999, -99999, 999, 9999, 99999)  # which stand for a missing number
FOLDS = 5
COARSE = 0.01  # steps of float32, in standard deviations: smaller ones hardly matter
TAKEN_FOR = {"categories": "categories", "text": "text", "identifier": "an identifier"}


def warnings(
    readings: list[Reading], columns: pd.DataFrame, y: np.ndarray, class_names: tuple[str, ...]
) -> list[str]:
    """Return what smells, a sentence each.

    Args:
        readings: of all columns but the target.
        columns: cells as text, those of the target among them, (rows, columns).
        y: labels 0..C-1, (rows,).
        class_names: what they stand for.
    """
    return [
        *_given_away(readings, y),
        *_in_order(readings, y),
        *_repeated(readings, columns),
        *_rare(y, class_names),
        *_nearly_constant(readings),
        *_no_numbers(readings, columns),
        *_markers(readings),
        *_too_large_for_float32(readings),
        *_equal_columns(readings, columns),
    ]


def _given_away(readings, y):
    share = np.bincount(y).max() / len(y)
    if share > FAR_LESS:
        return
    rows = np.random.default_rng(0).permutation(len(y))[:ROWS]
    for reading in readings:
        name, kind = reading.column.name, reading.column.kind
        if reading.fit is None:
            continue
        accuracy = _accuracy(_numbers(reading)[rows], y[rows], kind)
        if accuracy >= GIVEN_AWAY:
            yield (
                f"{name!r} alone predicts {accuracy:.1%} of the classes (always the most frequent "
                f"one: {share:.1%}); is it known before the class is?"
            )


def _numbers(reading):
    """Return a column in numbers, (rows, values): categories as columns of 0 and 1."""
    return reading.fit(None)(reading.raw) if reading.raw.dtype == object else reading.raw


def _in_order(readings, y):
    shares = np.bincount(y) / len(y)
    changes_by_chance = (len(y) - 1) * (1 - (shares**2).sum())
    for reading in readings:
        if reading.column.kind != "identifier" or reading.raw is None:
            continue
        by_identifier = y[np.argsort(reading.raw[:, 0])]
        if np.count_nonzero(np.diff(by_identifier)) < IN_ORDER * changes_by_chance:
            yield (
                f"the identifier {reading.column.name!r}, left out, is in the order of the "
                "classes; what else grew from row to row may be, too"
            )


def _accuracy(values: np.ndarray, y: np.ndarray, kind: str) -> float:
    """Return the accuracy of a small decision tree on rows that it has not seen, or 0 if too low.

    It is of depth 2 for numbers; categories may each have an answer.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_depth=None if kind == "categories" else 2, random_state=0)
    # What a tree can't learn by heart, it can't predict: this spares most of the work.
    if tree.fit(values, y).score(values, y) < GIVEN_AWAY:
        return 0.0
    counts = np.bincount(y)
    folds = min(FOLDS, counts[counts > 0].min())
    if folds < 2:
        return 0.0
    splits = StratifiedKFold(folds, shuffle=True, random_state=0)
    return float(cross_val_score(tree, values, y, cv=splits).mean())


def _repeated(readings, columns):
    identifiers = [r.column.name for r in readings if r.column.kind == "identifier"]
    count = columns.drop(columns=identifiers).duplicated().sum()
    aside = ", identifiers aside" if identifiers else ""
    if count:
        yield (
            f"rows that repeat another one{aside}: {count} of {len(columns)}; the same row may be "
            "learned from and tested on"
        )


def _rare(y, class_names):
    shares = np.bincount(y) / len(y)
    rare = [name for name, share in zip(class_names, shares, strict=True) if share < RARE_CLASS]
    if rare:
        yield f"classes with less than {RARE_CLASS:.0%} of the rows: {listed(rare)}"


def _nearly_constant(readings):
    constant = []
    for reading in readings:
        if reading.fit is None:
            continue
        _, counts = np.unique(reading.raw.astype(str), axis=0, return_counts=True)
        if counts.max() >= NEARLY_ALL * len(reading.raw):
            constant.append(reading.column.name)
    if constant:
        yield f"columns with one value in {NEARLY_ALL:.0%} of the rows or more: {listed(constant)}"


def _no_numbers(readings, columns):
    """Yield columns that look like numbers, of whose cells most become no input of their own."""
    for reading in readings:
        name, kind = reading.column.name, reading.column.kind
        if kind not in TAKEN_FOR or (reading.raw is not None and reading.raw.dtype != object):
            continue
        known = [cell for cell in dict.fromkeys(columns[name]) if not is_missing(cell)]
        if reading.column.inputs > len(known) / 2:
            continue
        if why := _why_no_numbers(known):
            what, remedy = why
            yield f"{name!r} is taken for {TAKEN_FOR[kind]}, but looks like {what}; {remedy}"


def _why_no_numbers(known: list[str]) -> tuple[str, str] | None:
    """Return what keeps a column from being numbers, and the remedy; None if it isn't nearly so.

    Args:
        known: its different cells that are not missing.
    """
    numbers = [cell for cell in known if possible_numbers(cell)]
    limits = [cell for cell in known if is_limit(cell)]
    others = [cell for cell in known if not (possible_numbers(cell) or is_limit(cell))]
    if numbers and len(others) <= (1 - MOSTLY_NUMBERS) * len(known):
        if others:
            return f"numbers but for {listed(others, 3)}", "correct these cells, or empty them"
        if limits:
            return (
                f"numbers and limits, which are none ({listed(limits, 3)})",
                "write the limit itself, or half of it, and add a column that says where you did",
            )
        examples = one_of_each_way({cell: possible_numbers(cell) for cell in numbers})
        return f"numbers written in several ways ({listed(examples)})", "write all in one way"
    if known and all(map(is_time, known)):
        return "times", "write them as numbers, such as minutes"
    units = {unit_of(cell) for cell in known}
    are_numbers = all(possible_numbers(cell, unit_of(cell)) for cell in known)
    if are_numbers and CELLS_OF_A_UNIT * len(units) <= len(known):
        shown = listed(unit or "none" for unit in sorted(units))
        return f"numbers with several units ({shown})", "convert all to one unit"
    return None


def _markers(readings):
    """Yield numbers such as -999 that recur far from all others of their column."""
    numeric = [reading for reading in readings if reading.column.kind == "numeric"]
    for reading, marker in itertools.product(numeric, MARKERS):
        values = reading.raw[:, 0]
        count = np.count_nonzero(values == marker)
        others = values[(values != marker) & ~np.isnan(values)]
        low, high = others.min(), others.max()
        is_below = marker < low - (high - low) or marker < 0 <= low
        if count > 1 and (is_below or marker > high + (high - low)):
            yield (
                f"{reading.column.name!r} is {marker} in {count} rows, but {low:g} to {high:g} "
                "elsewhere; if that stands for a missing number, empty these cells"
            )


def _too_large_for_float32(readings):
    """Yield columns of numbers that a saved model, which reads float32, can hardly tell apart."""
    for reading in readings:
        if reading.column.kind != "numeric" or reading.fit is None:
            continue
        values = reading.raw[:, 0]
        step = np.spacing(np.float32(np.nanmax(np.abs(values))))
        deviation = np.nanstd(values)
        if step > COARSE * deviation > 0:
            lowest = np.nanmin(values)
            yield (
                f"{reading.column.name!r} holds numbers up to {np.nanmax(values):.15g} with a "
                f"standard deviation of {deviation:.3g}, but a saved model reads them in steps of "
                f"{step:.3g} (float32); subtract {lowest:.15g} from all of them"
            )


def _equal_columns(readings, columns):
    same = {}
    for reading in readings:
        if reading.fit is not None:
            cells = tuple(columns[reading.column.name])
            same.setdefault(cells, []).append(reading.column.name)
    for names in same.values():
        if len(names) > 1:
            yield f"columns that are equal in every row: {listed(names)}; one of them is enough"
