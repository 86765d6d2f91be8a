"""A file with a table -> inputs and labels, and what was understood of it."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from recipes._lab.data import smells
from recipes._lab.data.columns import read_column
from recipes._lab.data.encoders import Columns
from recipes._lab.data.reading import Cells, read_cells
from recipes._lab.data.splits import Source, coded_labels
from recipes._lab.data.target import could_be_target, read_labels
from recipes._lab.data.understood import Understood
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError, nearest


def from_table(name: str, path: Path, target: str | None, header: str | None) -> Source:
    """Return the source of a table whose column `target` holds the classes.

    Args:
        name: what to call it in results.
        path: of the file, see `read_cells`.
        target: name of a column; None for the last.
        header: as in `read_cells`.

    Raises:
        UserError: the table can't be used; the message says why.
    """
    status = path.stat()
    return _from_table(name, path, target, header, (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=2)  # a recipe asks for its data several times
def _from_table(name, path, target, header, stamp) -> Source:
    where = repr(str(path))
    table = read_cells(path, header)
    target = _target(table.columns, target, where)
    here = f"{where}, column {target!r}"
    found = read_labels(
        table.columns[target].tolist(), here, lambda: _possible_targets(table.columns, target)
    )
    labels = [label for label in found.labels if label]
    class_names, y = coded_labels(labels, here, parts=3)
    columns = table.columns[[bool(label) for label in found.labels]]
    readings = _readings(table, columns.drop(columns=target), where)
    used = {reading.column.name: reading for reading in readings if reading.fit}
    if not used:
        why = listed(f"{r.column.name}: {r.column.kind}" for r in readings)
        raise UserError(
            f"{where} has nothing to learn from beside its target {target!r} ({why}); add columns "
            "of numbers, or of text that repeats"
        )

    def fit(raw):
        return Columns({name: reading.fit(raw[name]) for name, reading in used.items()})

    whole = columns.assign(**{target: labels})
    understood = Understood(
        file=path.name,
        target=target,
        rows_read=len(table.columns),
        left_out=found.left_out,
        classes=dict(zip(class_names, np.bincount(y).tolist(), strict=True)),
        columns=tuple(reading.column for reading in readings),
        remarks=(*table.remarks, *found.remarks),
        warnings=tuple(smells.warnings(readings, whole, y, class_names)),
    )
    raw = {name: reading.raw for name, reading in used.items()}
    return Source(name, class_names, y, raw, fit, understood=understood)


def _target(columns: pd.DataFrame, target: str | None, where: str) -> str:
    """Return the name of the column that holds the classes."""
    if target is None:
        return columns.columns[-1]
    if target not in columns:
        raise UserError(
            f"{where} has no column {target!r}{nearest(target, columns)}; "
            f"its columns are {listed(columns)}"
        )
    return target


def _possible_targets(columns: pd.DataFrame, target: str) -> list[str]:
    """Return the columns that could hold the classes instead."""
    return [name for name in columns if name != target and could_be_target(columns[name].tolist())]


def _readings(table: Cells, columns: pd.DataFrame, where: str) -> list:
    return [
        read_column(
            name,
            cells.tolist(),
            decimal_comma=table.decimal_comma,
            rows_read=len(table.columns),
            where=f"{where}, column {name!r}",
        )
        for name, cells in columns.items()
    ]
