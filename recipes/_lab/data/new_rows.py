"""Examples of another file -> what a saved model takes: columns by name, or an array."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from recipes._lab.data.arrays import checked_inputs, labels_of, read_npz
from recipes._lab.data.cells import (
    as_dates,
    as_numbers,
    is_missing,
    one_of_each_way,
    possible_numbers,
)
from recipes._lab.data.columns import DATE_PARTS, input_names
from recipes._lab.data.encoders import OneHot
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError, nearest


@dataclass
class NewRows:
    """Examples of another file.

    Attributes:
        inputs: columns by `input_names`, (examples,) each, or an array, (examples, ...).
        names: what tells the examples from each other, by column: identifiers, names of files.
        labels: of each example, "" where the file has none; None if it has no labels at all.
        remarks: what was decided on the way, a sentence each.
    """

    inputs: dict[str, np.ndarray] | np.ndarray
    names: dict[str, list[str]] = field(default_factory=dict)
    labels: list[str] | None = None
    remarks: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        first = next(iter(self.inputs.values())) if isinstance(self.inputs, dict) else self.inputs
        return len(first)


def describe(source, encode) -> dict:
    """Return what a saved model has to know of its data, as JSON can hold it.

    Args:
        source: a `Source`.
        encode: the encoder that was fitted on its training part.
    """
    if source.understood is None:
        return {"name": source.name, "shape": source.example_shape}
    understood = source.understood
    columns = {
        column.name: asdict(column)
        for column in understood.columns
        if column.inputs or column.kind == "identifier"
    }
    for name, encoder in encode.encoders.items():
        if isinstance(encoder, OneHot):
            columns[name]["categories"] = list(encoder.positions)
    return {
        "name": source.name,
        "target": understood.target,
        "group": understood.group,
        "has_names": understood.has_names,
        "all_columns": [column.name for column in understood.columns],
        "columns": columns,
    }


def read_table(path: Path, about: dict) -> NewRows:
    """Return the rows of a table as columns of inputs.

    Args:
        path: of the file, see `reading.read_cells`.
        about: from `describe`.

    Raises:
        UserError: the table can't be read, or has none of the columns that the model takes.
    """
    from recipes._lab.data.reading import read_cells

    header = "first" if about["has_names"] else "none"
    cells = read_cells(path, header, fewest_columns=1)
    remarks = list(cells.remarks)
    columns = _renamed(cells.columns, about, remarks)
    wanted = {name: column for name, column in about["columns"].items() if column["inputs"]}
    missing = [name for name in wanted if name not in columns]
    if len(missing) == len(wanted):
        raise UserError(
            f"{str(path)!r} has none of the columns that the model takes ({listed(wanted)}); its "
            f"columns are {listed(columns)}"
        )
    if missing:
        remarks.append(f"columns that the file has not, taken as missing: {listed(missing)}")
    known = {*about["all_columns"], about["target"], about["group"]}
    if more := [name for name in columns if name not in known]:
        remarks.append(f"columns that the model does not know, left out: {listed(more)}")
    for name in missing:
        if hint := nearest(name, more):
            remarks.append(f"{name!r} is missing{hint}; then rename that column")
    nothing = [""] * len(columns)
    inputs, new_categories = {}, []
    for name, column in wanted.items():
        values = columns[name].tolist() if name in columns else nothing
        if column["kind"] == "categories":
            inputs |= _categories(name, column, values, new_categories)
        elif column["kind"] == "date":
            inputs |= _dates(name, column, values, remarks)
        else:
            inputs |= _numbers(name, column, values, cells.decimal_comma, remarks)
    if new_categories:
        more = f" and {len(new_categories) - 3} more" if len(new_categories) > 3 else ""
        remarks.append(
            "categories that training had not, or too rarely, are taken for none of its own: "
            f"{'; '.join(new_categories[:3])}{more}"
        )
    identifiers = [name for name in about["columns"] if name not in wanted and name in columns]
    target = about["target"]
    return NewRows(
        inputs,
        names={name: columns[name].tolist() for name in identifiers},
        labels=columns[target].tolist() if target in columns else None,
        remarks=remarks,
    )


def read_arrays(path: Path, about: dict) -> NewRows:
    """Return the examples of an .npz: its test part if it has one, else x, else x_train."""
    where = repr(str(path))
    arrays = read_npz(path, with_labels=False)
    part = next(part for part in ("_test", "", "_train") if f"x{part}" in arrays)
    x = arrays[f"x{part}"]
    checked_inputs(x, f"{where}, x{part}")
    if x.shape[1:] != tuple(about["shape"]):
        raise UserError(
            f"{where}: one example has the shape {x.shape[1:]}, but the model takes "
            f"{tuple(about['shape'])}; give examples like those of its training"
        )
    labels = labels_of(arrays[f"y{part}"], f"{where}, y{part}") if f"y{part}" in arrays else None
    remarks = [f"of the arrays, x{part} is taken"] if part else []
    return NewRows(x, labels=labels, remarks=remarks)


def codes_of(labels: list[str], class_names: tuple[str, ...]) -> np.ndarray:
    """Return each label's class, -1 where it is none of them, whatever its case; (examples,)."""
    code = {name.casefold(): number for number, name in enumerate(class_names)}
    code |= {f"{name.casefold()}.0": number for name, number in code.items() if name.isdigit()}
    return np.array([code.get(label.casefold(), -1) for label in labels], int)


def _renamed(columns: pd.DataFrame, about: dict, remarks: list[str]) -> pd.DataFrame:
    """Return columns by the names that the model knows them by."""
    if not about["has_names"]:  # they are numbered; a file without labels has no target to number
        if columns.shape[1] == len(about["all_columns"]):
            columns.columns = about["all_columns"]
        return columns
    known = {name.casefold(): name for name in (*about["all_columns"], about["target"])}
    renamed = {
        name: known[name.casefold()]
        for name in columns
        if name.casefold() in known and known[name.casefold()] not in columns
    }
    if renamed:
        remarks.append(f"columns whose names differ only in case are taken: {listed(renamed)}")
    return columns.rename(columns=renamed)


def _dates(name, column, cells, remarks) -> dict[str, np.ndarray]:
    """Return the inputs that come of a column of dates."""
    dates = as_dates(cells, column["written"])
    if dates is not None:
        parts = dates.parts
    else:  # a cell that is no date, or dates that are written in several ways
        by_cell = {cell: as_dates([cell], column["written"]) for cell in set(cells)}
        _remark_unreadable(name, cells, by_cell, "dates", remarks)
        nothing = np.full(len(DATE_PARTS), np.nan)
        parts = np.stack([dates.parts[0] if (dates := by_cell[c]) else nothing for c in cells])
    return dict(zip(input_names(name, is_date=True), parts.T, strict=True))


def _numbers(name, column, cells, decimal_comma, remarks) -> dict[str, np.ndarray]:
    """Return the input of a column of numbers."""
    unit = column.get("unit", "")
    by_cell = {cell: possible_numbers(cell, unit) for cell in dict.fromkeys(cells)}
    _remark_unreadable(name, cells, by_cell, "numbers", remarks)
    expected = column["written"]
    readable = [cell for cell in cells if by_cell[cell]]
    numbers = as_numbers(readable, decimal_comma, expected, unit)
    if numbers is None:
        read = _cell_by_cell(name, cells, by_cell, expected, remarks)
    else:
        read = np.full(len(cells), np.nan)
        read[[bool(by_cell[cell]) for cell in cells]] = numbers.values
        if numbers.written != expected:
            now, before = numbers.written or "decimal point", expected or "decimal point"
            remarks.append(f"{name!r}: numbers read with {now}, those of training with {before}")
    too_large = np.abs(read) > np.finfo(np.float32).max
    if too_large.any():
        cells = [cell for cell, is_one in zip(cells, too_large, strict=True) if is_one]
        remarks.append(
            f"{name!r}: numbers that are infinite, or beyond float32, taken as missing: "
            f"{len(cells)} ({listed(dict.fromkeys(cells), 3)})"
        )
        read[too_large] = np.nan
    return dict.fromkeys(input_names(name), read)


def _cell_by_cell(name, cells, by_cell, expected, remarks) -> np.ndarray:
    """Return the numbers of a column in which no one way to write them explains all cells.

    Args:
        name: of the column.
        cells: text, (rows,).
        by_cell: what each cell could be, from `possible_numbers`.
        expected: how numbers were written in training; it decides where a cell could be two.
        remarks: to be added to.
    """
    known = {}
    for cell, ways in by_cell.items():
        distinct = set(ways.values())
        if len(distinct) == 1:
            known |= {cell: distinct.pop()}
        elif expected in ways:
            known |= {cell: ways[expected]}
    if examples := one_of_each_way(by_cell):
        remarks.append(
            f"{name!r}: numbers are written in several ways ({listed(examples)}), each cell is "
            "read by itself; write all of them in one way"
        )
    unclear = Counter(cell for cell in cells if by_cell[cell] and cell not in known)
    if unclear:
        remarks.append(
            f"{name!r}: cells that could be two numbers, taken as missing: {unclear.total()} "
            f"({listed(unclear, 3)})"
        )
    return np.array([known.get(cell, np.nan) for cell in cells])


def _remark_unreadable(name, cells, by_cell, kind, remarks) -> None:
    """Say which cells are none of what a column holds; `by_cell` has nothing for them."""
    others = Counter(cell for cell in cells if not by_cell[cell] and not is_missing(cell))
    if others:
        remarks.append(
            f"{name!r}: cells that are no {kind}, taken as missing: {others.total()} "
            f"({listed(others, 3)})"
        )


def _categories(name, column, values, new_categories) -> dict[str, np.ndarray]:
    """Return the input of a column of categories, spelled as the model knows them."""
    categories = column["categories"]
    known = {text.casefold(): text for text in categories} | {text: text for text in categories}
    others = Counter(v for v in values if v and v not in known and v.casefold() not in known)
    if others:
        new_categories.append(f"{name!r}: {others.total()} ({listed(others, 3)})")
    texts = [known.get(value, known.get(value.casefold(), value)) for value in values]
    return dict.fromkeys(input_names(name), np.array(texts, object))
