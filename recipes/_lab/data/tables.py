"""A .csv file -> inputs and labels."""

import csv
import functools
import io
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from recipes._lab.data.arrays import check_finite, labels_of
from recipes._lab.data.splits import Source, coded_labels, in_range, standardized
from recipes._lab.data.wording import is_number, listed, one_line
from recipes._lab.errors import UserError, nearest

MISSING = {"", "?", "na", "n/a", "nan", "null"}  # cells of a .csv, in lower case

# A category needs this share of the rows, and two of them, for a column of its own. At
# most 100 columns can then come of one text column, and none of a column of names or identifiers.
MIN_CATEGORY_SHARE = 0.01


def from_csv(name: str, path: Path, target: str | None) -> Source:
    """Return the source of a .csv file whose column `target` holds the classes."""
    where = repr(str(path))
    columns = _read_csv(path)
    target = list(columns)[-1] if target is None else target
    if target not in columns:
        raise UserError(
            f"{where} has no column {target!r}{nearest(target, columns)}; "
            f"its columns are {listed(columns)}"
        )
    labels = columns.pop(target)
    here = f"{where}, column {target!r}"
    if "" in labels:
        raise UserError(
            f"{here} gives no class in {labels.count('')} of {len(labels)} rows; "
            "fill them in or remove these rows"
        )
    class_names, y = coded_labels(labels_of(np.array(labels), here), here, parts=3)
    encoders = [_encoder(cells, f"{where}, column {c!r}") for c, cells in columns.items()]

    def inputs(rows):
        blocks = [encode(rows[0]) for encode in encoders]
        x = np.concatenate([np.empty((len(y), 0), np.float32), *blocks], axis=1)
        if x.shape[1] == 0:
            raise UserError(
                f"{where} has nothing to learn from beside its target {target!r}; "
                "add columns of numbers, or of text that repeats"
            )
        return [x[part] for part in rows]

    return Source(name, class_names, y, inputs)


def _read_csv(path: Path) -> dict[str, list[str]]:
    """Return the cells of each column as text without spaces around; missing ones are ""."""
    where = repr(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    first_line = re.sub(r'"[^"]*"', "", text.lstrip("\n").partition("\n")[0])
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if rows and any(cells) and len(cells) != len(rows[0]):
                raise UserError(
                    f"{where}, line {reader.line_num}: the number of cells is {len(cells)}, but "
                    f"{len(rows[0])} in the header; quote cells that contain {delimiter!r}"
                )
            if any(cells):  # otherwise it is a blank line
                rows.append(cells)
    except csv.Error as error:
        raise UserError(
            f"{where}, line {reader.line_num}: {one_line(error)}; check the quotes there and above"
        ) from error
    if len(rows) < 2:
        raise UserError(f"{where} has no rows below a header; add examples")
    header, *rows = rows
    _check_header(header, where)
    return {
        column: [_cleaned(cell, delimiter) for cell in cells]
        for column, cells in zip(header, zip(*rows, strict=True), strict=True)
    }


def _check_header(header: list[str], where: str) -> None:
    """Raise a UserError unless the first row of a .csv names two columns or more."""
    # Some people name columns 0, 1, 2, but nobody 5.1: that is an example.
    numbers = [column for column in header if is_number(column)]
    if len(numbers) == len(header) or any(float(number) % 1 > 0 for number in numbers):
        raise UserError(
            f"{where} starts with the numbers {listed(numbers)}, not with the names of columns; "
            "add a header as its first line"
        )
    if len(header) == 1:
        raise UserError(
            f"{where} has the one column {header[0]!r}; "
            "give a target and more, separated by comma, semicolon or tab"
        )
    faulty = [column for column, count in Counter(header).items() if count > 1 or not column]
    if faulty:
        raise UserError(
            f"{where}: every column needs a name of its own, unlike {listed(faulty)}; rename "
            "these columns, or remove one that only counts the rows"
        )


def _cleaned(cell: str, delimiter: str) -> str:
    """Return a missing cell as "", and a decimal comma as a point."""
    # Where a semicolon separates, the comma is free to be the decimal point of many languages.
    if delimiter == ";" and re.fullmatch(r"[+-]?\d*,\d+", cell):
        return cell.replace(",", ".")
    return "" if cell.lower() in MISSING else cell


def _encoder(cells: list[str], where: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function that turns one column of a .csv into float32 (rows, columns).

    It takes the training rows. A missing number becomes their median, and the column is
    standardized by them. A missing category is one more category: that nothing was entered may mean
    something, and no value has to be invented. Which categories get columns of their own is the
    same in every split, so that all splits train one architecture; rare ones get none.
    """
    if all(is_number(cell) for cell in cells if cell):
        values = np.array([float(cell or "nan") for cell in cells])
        check_finite(values[~np.isnan(values)], where)
        return functools.partial(_standardized_column, values, where=where)
    counts = Counter(cells)
    enough = max(2, MIN_CATEGORY_SHARE * len(cells))
    categories = sorted(category for category, count in counts.items() if count >= enough)
    position = {category: code for code, category in enumerate(categories)}
    one_hot = np.eye(len(categories) + 1, len(categories), dtype=np.float32)  # the last row is 0
    encoded = one_hot[[position.get(cell, -1) for cell in cells]]
    return lambda train: encoded


def _standardized_column(values: np.ndarray, train: np.ndarray, *, where: str) -> np.ndarray:
    missing = np.isnan(values)
    known = values[train][~missing[train]]
    filled = np.where(missing, np.median(known) if known.size else 0.0, values)
    (scaled,) = in_range([standardized(filled, filled[train])], where)
    return scaled[:, np.newaxis]
