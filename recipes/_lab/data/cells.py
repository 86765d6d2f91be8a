"""Cells of a column, as text -> numbers or dates, if that is what all of them are."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

# What stands for a missing number or date, in lower case.
MISSING = frozenset(
    {"", "?", "-", "--", "---", ".", "..", ":", "*", "none", "null", "(null)", "missing", "unknown"}
    # As pandas, R, SQL and the C library write it.
    | {"na", "<na>", "n/a", "nan", "-nan", "nat", r"\n"}
    | {"1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"}
    # As Excel does, in English, German, French and Spanish.
    | {"#n/a", "#n/a n/a", "#na", "#nv", "#n/d", "#div/0!", "#¡div/0!", "#null!", "#¡nulo!"}
    | {"#value!", "#wert!", "#valeur!", "#¡valor!", "#num!", "#zahl!", "#nombre!", "#¡num!"}
    | {"#ref!", "#bezug!", "#¡ref!", "#name?", "#nom?", "#¿nombre?"}
    # As people do: not available, keine Angabe, non disponible or no disponible.
    | {"n.a.", "n. a.", "n.a", "k.a.", "k. a.", "k.a", "k/a", "n.d.", "n. d.", "n/d"}
    | {"not available", "keine angabe", "unbekannt", "inconnu", "desconocido"}
)

_PLAIN = re.compile(r"(?ai)[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?)")
_COMMA_GROUPS = re.compile(r"(?a)[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_DECIMAL_COMMA = re.compile(r"(?a)[+-]?(?=.*\d)([1-9]\d{0,2}(\.\d{3})+|\d*)(,\d+)?")
_WAYS = {"": _PLAIN, "comma for thousands": _COMMA_GROUPS, "decimal comma": _DECIMAL_COMMA}
_CURRENCY = r"[$€£¥]|EUR|USD|CHF|GBP"
_UNIT = re.compile(rf"^([+-]?)(?:{_CURRENCY})\s*|\s*(?<![^\W\d_])(?:{_CURRENCY}|%)$")
_GROUPS = re.compile(
    r"(?a)[+-]?[1-9]\d{0,2}([ \N{THIN SPACE}\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}'’])\d{3}"
    r"(\1\d{3})*([.,]\d*)?"
)
_LIMIT = re.compile(r"[<>≤≥]=?\s*")
_WITH_NAMED_UNIT = re.compile(r"[+-]?[0-9][0-9.,'’\s]*?\s*((?:[^\W\d_]|°)\S{0,9})")

_FORMATS = {
    "ISO8601": "year-month-day",
    "%Y/%m/%d": "year/month/day",
    "%m/%d/%Y": "month/day/year",
    "%d/%m/%Y": "day/month/year",
    "%m/%d/%y": "month/day/year",
    "%d/%m/%y": "day/month/year",
    "%d.%m.%Y": "day.month.year",
    "%d.%m.%y": "day.month.year",
    "%m-%d-%Y": "month-day-year",
    "%d-%m-%Y": "day-month-year",
    "%d %b %Y": "day month year",
    "%d-%b-%Y": "day-month-year",
    "%d %B %Y": "day month year",
    "%b %d, %Y": "month day, year",
    "%B %d, %Y": "month day, year",
}
_MIDNIGHT = re.compile(r"[ T]0?0:00(:00(\.0+)?)?(?![\d:])")
_TIME_OF_DAY = re.compile(r"(?a)\d{1,3}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?")
_TIME = re.compile(r"(?a)[ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?$")


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Args:
        values: float64, (rows,); NaN where a cell is missing.
        written: "decimal comma" or "comma for thousands", if not plainly; else "".
        note: that in words, and their units; else "".
    """

    values: np.ndarray
    written: str = ""
    note: str = ""


@dataclass(frozen=True)
class Dates:
    """A column of dates.

    Args:
        parts: year, month and weekday (0 is Monday), float64, (rows, 3); NaN where a cell is
            missing.
        written: in which order day, month and year were read.
        has_times: whether a time of day stands behind them, other than midnight.
    """

    parts: np.ndarray
    written: str
    has_times: bool = False


def is_missing(cell: str) -> bool:
    """Tell whether a cell stands for a missing number or date."""
    return cell.lower() in MISSING


def is_limit(cell: str) -> bool:
    """Tell whether a cell only says where a number lies, as <5 and >100 do."""
    below = _LIMIT.match(cell)
    return bool(below and possible_numbers(cell[below.end() :]))


def is_time(cell: str) -> bool:
    """Tell whether a cell is a time of day, or a duration, in hours and minutes."""
    return bool(_TIME_OF_DAY.fullmatch(cell))


def unit_of(cell: str) -> str:
    """Return the unit behind a single number, such as kg; "" if there is none."""
    match = _WITH_NAMED_UNIT.fullmatch(cell)
    return match[1] if match else ""


def shared_unit(cells: Iterable[str]) -> str:
    """Return the unit that stands behind every number of a column; "" if none does."""
    units = {unit_of(cell) for cell in set(cells) if not is_missing(cell)}
    return units.pop() if len(units) == 1 else ""


def as_numbers(
    cells: Iterable[str], decimal_comma: bool = False, expected: str = "", unit: str = ""
) -> Numbers | None:
    """Return the numbers of a column, or None unless every cell is one or is missing.

    Args:
        cells: text without spaces around it, (rows,).
        decimal_comma: whether 1,234 is rather 1.234 than 1234; `1,5` is 1.5 either way.
        expected: how they are written if all of them can be, see `Numbers`; plainly by default.
        unit: what may stand behind a number, beside % and signs of currencies; from `shared_unit`.
    """
    cells = list(cells)
    known = [cell for cell in dict.fromkeys(cells) if not is_missing(cell)]
    bare = [_bare(cell, unit) for cell in known]
    written = _how_written(bare, decimal_comma, expected)
    if written is None:
        return None
    values = {cell: _number(text, written) for cell, text in zip(known, bare, strict=True)}
    by_row = np.array([values.get(cell, np.nan) for cell in cells])
    notes = [*_remarkable(known, unit), *filter(None, [written])]
    return Numbers(by_row, written, ", ".join(notes))


def _bare(cell: str, unit: str) -> str:
    """Return what may be a number without its unit, spaces or apostrophes; -5 for (5)."""
    text = _UNIT.sub(r"\1", cell.removesuffix(unit).strip())
    if text.startswith("(") and text.endswith(")"):
        text = "-" + _UNIT.sub("", text[1:-1])
    text = text.replace("\N{MINUS SIGN}", "-")
    groups = _GROUPS.fullmatch(text)
    return text.replace(groups[1], "") if groups else text


def _remarkable(known: list[str], unit: str) -> Iterator[str]:
    """Yield in words what is written around the numbers of a column, and was taken off."""
    units = {sign for cell in known for sign in re.findall(f"{_CURRENCY}|%", cell)}
    if unit and any(cell.endswith(unit) for cell in known):
        units.add(unit)
    if units:
        yield f"with {' '.join(sorted(units))}"
    if any(cell.startswith("(") for cell in known):
        yield "(5) is -5"
    if any(re.search(r"\d['’]\d", cell) for cell in known):
        yield "apostrophe for thousands"
    if any(re.search(r"\d\s\d", cell) for cell in known):
        yield "space for thousands"


def possible_numbers(cell: str, unit: str = "") -> dict[str, float]:
    """Return the numbers that a single cell could be, by how it would be written.

    1,234 could be two of them, 14,5 and 14.5 are one each, and a word is none.
    """
    bare = _bare(cell, unit)
    return {
        written: _number(bare, written)
        for written, pattern in _WAYS.items()
        if pattern.fullmatch(bare) and not is_missing(cell)
    }


def one_of_each_way(by_cell: dict[str, dict[str, float]]) -> list[str]:
    """Return examples of the ways in which cells are written; a whole number is in any of them.

    Args:
        by_cell: from `possible_numbers`.
    """
    examples = {}
    for cell, ways in by_cell.items():
        if ways and not cell.isdigit():
            examples.setdefault(tuple(ways), cell)
    return list(examples.values())


def _how_written(bare: list[str], decimal_comma: bool, expected: str) -> str | None:
    """Return how all of these are numbers: "" for plainly; None if they are none."""
    if not bare:
        return None
    with_commas = sorted(filter(None, _WAYS), reverse=decimal_comma)
    for written in dict.fromkeys([expected, "", *with_commas]):
        if all(_WAYS[written].fullmatch(text) or _is_plain(text, written) for text in bare):
            return written
    return None


def _is_plain(text: str, written: str) -> bool:
    """Tell whether a number is plain in a column in which others are written otherwise."""
    # Beside decimal commas a point is no decimal point, or 1.299 would be two numbers.
    return bool(_PLAIN.fullmatch(text)) and not (written == "decimal comma" and "." in text)


def _number(text: str, written: str) -> float:
    if written == "decimal comma":
        text = text.replace(".", "").replace(",", ".")
    return float(text.replace(",", ""))


def as_dates(cells: Iterable[str], written: str = "") -> Dates | None:
    """Return the dates of a column, or None unless every cell is one or is missing.

    Args:
        cells: text without spaces around it, (rows,).
        written: the order of day, month and year, if it is known. Where day and month could be
            either, the month comes first with slashes or hyphens.
    """
    cells = list(cells)
    known = [cell for cell in dict.fromkeys(cells) if not is_missing(cell)]
    if not known or not all(any(sign.isdigit() for sign in cell) for cell in known):
        return None
    for pattern, order in _FORMATS.items():
        if written not in ("", order):
            continue
        days = known if pattern == "ISO8601" else [_TIME.sub("", cell) for cell in known]
        dates = pd.to_datetime(pd.Series(days), format=pattern, errors="coerce", utc=True)
        if dates.notna().all():
            parts = np.stack([dates.dt.year, dates.dt.month, dates.dt.day_of_week], axis=1)
            by_cell = dict(zip(known, parts.astype(float), strict=True))
            nothing = np.full(3, np.nan)
            by_row = np.stack([by_cell.get(cell, nothing) for cell in cells])
            return Dates(by_row, order, any(map(_has_time, known)))
    return None


def _has_time(cell: str) -> bool:
    return ":" in cell and not _MIDNIGHT.search(cell)
