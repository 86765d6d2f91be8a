"""A column of a table -> what it is, and its inputs to a model.

Numbers are standardized by the training rows, missing ones become their median; of a date come
three numbers, year, month and weekday. Categories become one column of 0 and 1 for each that
enough rows have; nothing is one more category, since that nothing was entered may mean something
and no value has to be invented. Which columns come of it is the same in every split, so that all
splits train one architecture.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes._lab.data.arrays import check_finite
from recipes._lab.data.cells import MISSING, Numbers, as_dates, as_numbers, shared_unit
from recipes._lab.data.encoders import OneHot, Standardizer
from recipes._lab.data.understood import Column
from recipes._lab.data.wording import listed

# A category needs this share of the rows, and two of them, for a column of its own. At most 100
# columns can then come of one column, and none of names or identifiers.
MIN_CATEGORY_SHARE = 0.01
NEARLY_ALL = 0.95  # of the cells of an identifier are different
DATE_PARTS = ("year", "month", "weekday")
_IDENTIFIER = re.compile(r"(?i:(^|[\W_])(id|uuid|guid|key|nr|no))$|[a-z](Id|ID)$")


def input_names(name: str, is_date: bool = False) -> list[str]:
    """Return what a column is called among a model's inputs; a date has three of them."""
    name = name.replace("/", "_")  # which Keras allows in no name
    return [f"{name}, {part}" for part in DATE_PARTS] if is_date else [name]


@dataclass(frozen=True)
class NumericColumn(Column):
    """What was understood of a column of numbers.

    Args:
        unit: what stands behind each of them, such as kg, or "".
    """

    unit: str = ""


@dataclass(frozen=True)
class Reading:
    """A column as it was read.

    Args:
        column: what was understood.
        raw: numbers, float64 (rows, values), NaN where missing; or text, (rows,). None if nothing
            can be compared with the target.
        fit: `fit(raw)` of the training rows returns the encoder; None if the column is left out.
    """

    column: Column
    raw: np.ndarray | None = None
    fit: Callable[[np.ndarray], Standardizer | OneHot] | None = None


def read_column(
    name: str, cells: list[str], *, decimal_comma: bool, rows_read: int, where: str
) -> Reading:
    """Return what a column is and how it is encoded.

    Args:
        name: of the column.
        cells: text of the rows that are used, "" where there is nothing.
        decimal_comma: as in `as_numbers`.
        rows_read: how many rows the table has, with those that are not used.
        where: begins error messages.

    Raises:
        UserError: numbers are infinite, or beyond float32.
    """
    if all(cell.lower() in MISSING for cell in cells):
        return Reading(Column(name, "constant", 0, "nothing but missing values"))
    if len(set(cells)) == 1:
        return Reading(Column(name, "constant", 0, f"always {listed(cells[:1])}"))
    if (numbers := as_numbers(cells, decimal_comma)) is not None:
        return _numeric(name, numbers, rows_read, where)
    unit = shared_unit(cells)
    if unit and (numbers := as_numbers(cells, decimal_comma, unit=unit)) is not None:
        return _numeric(name, numbers, rows_read, where, unit)
    if (dates := as_dates(cells)) is not None:
        note = _joined(
            f"{dates.written} → year, month, weekday",
            "without the time of day, to keep it add a column of hours" if dates.has_times else "",
            _missing(dates.parts[:, 0]),
        )
        fit = functools.partial(Standardizer.fit, where=where)
        return Reading(Column(name, "date", 3, note, dates.written), dates.parts, fit)
    return _categories(name, cells)


def join_spellings(cells: list[str]) -> tuple[list[str], list[str]]:
    """Return cells with one spelling for those that differ only in case, and a remark on each."""
    spellings = {}
    for cell, count in Counter(cells).items():
        spellings.setdefault(cell.casefold(), []).append((count, cell))
    chosen, joined = {}, []
    for alike in spellings.values():
        _, best = max(alike, key=lambda spelling: spelling[0])
        chosen |= {cell: best for _, cell in alike}
        if len(alike) > 1:
            joined.append(f"{listed(cell for _, cell in alike)} are one, {best!r}")
    return [chosen[cell] for cell in cells], joined


def _numeric(name: str, numbers: Numbers, rows_read: int, where: str, unit: str = "") -> Reading:
    values, note = numbers.values, numbers.note
    known = values[~np.isnan(values)]
    check_finite(known, where)
    if (known == known[0]).all():
        note = _joined(f"always {known[0]:g}, if it is not missing", note)
        return Reading(Column(name, "constant", 0, note))
    by_row = values[:, np.newaxis]
    if why := _identifies(name, values, rows_read):
        return Reading(Column(name, "identifier", 0, why), by_row)
    note = _joined(note, _missing(values))
    column = NumericColumn(name, "numeric", 1, note, numbers.written, unit)
    return Reading(column, by_row, functools.partial(Standardizer.fit, where=where))


def _identifies(name: str, values: np.ndarray, rows_read: int) -> str:
    """Return why whole numbers, nearly all different, identify the rows; "" if they don't."""
    known = values[~np.isnan(values)]
    different = _nearly_all_different(len(np.unique(known)), len(values))
    if (known % 1 != 0).any() or not different:
        return ""
    if known.max() - known.min() < rows_read:
        return _joined("counts the rows", "" if different == "all different" else different)
    return f"{different}, and named like an identifier" if _IDENTIFIER.search(name) else ""


def _nearly_all_different(distinct: int, count: int) -> str:
    """Return in words that so many of the cells of a column differ, or "" if they are too few.

    A row that was entered twice repeats its identifier, too.
    """
    if distinct == count:
        return "all different"
    return f"{distinct} different in {count} rows" if distinct >= NEARLY_ALL * count else ""


def _missing(values: np.ndarray) -> str:
    """Return how many values are missing, in words, or ""."""
    count = np.isnan(values).sum()
    return f"{count} missing" if count else ""


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))


def _categories(name: str, cells: list[str]) -> Reading:
    """Return a column of text as categories, or left out."""
    known = [cell for cell in cells if cell]
    if len(known) > 2 and (different := _nearly_all_different(len(set(known)), len(known))):
        return Reading(Column(name, "identifier", 0, different))
    texts = cells
    cells, joined = join_spellings(texts)
    counts = Counter(cells)
    if len(counts) == 1:
        return Reading(Column(name, "constant", 0, "; ".join(joined)))
    enough = max(2, MIN_CATEGORY_SHARE * len(cells))
    categories = sorted(category for category, count in counts.items() if count >= enough)
    if not categories:
        note = f"{len(counts)} different, none in {enough:.0f} rows or more"
        return Reading(Column(name, "text", 0, note))
    codes = {category: code for code, category in enumerate(categories)}
    positions = {
        text: codes[cell] for text, cell in zip(texts, cells, strict=True) if cell in codes
    }
    encoder = OneHot(positions, len(categories))
    empty = counts.pop("", 0)
    rare = len(counts) - len([category for category in categories if category])
    note = _joined(
        f"{empty} empty" if empty else "",
        f"{rare} too rare for an input of their own" if rare else "",
        *joined,
    )
    column = Column(name, "categories", len(categories), note)
    return Reading(column, np.array(texts, object), lambda train: encoder)
