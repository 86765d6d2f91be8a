"""A file with a table -> inputs and labels, and what was understood of it."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from recipes._lab.data import smells
from recipes._lab.data.columns import input_names, read_column
from recipes._lab.data.encoders import Columns
from recipes._lab.data.reading import Cells, read_cells
from recipes._lab.data.splits import Source, coded_labels, draw_parts
from recipes._lab.data.target import could_be_target, read_labels
from recipes._lab.data.understood import Column, Understood
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError, nearest

FEWEST_GROUPS = 5  # a split takes whole fifths of them


def from_table(
    name: str, path: Path, target: str | None, header: str | None, group: str | None = None
) -> Source:
    """Return the source of a table whose column `target` holds the classes.

    Args:
        name: what to call it in results.
        path: of the file, see `read_cells`.
        target: name of a column; None for the last.
        header: as in `read_cells`.
        group: name of the column whose equal values stay in one part of a split, or None.

    Raises:
        UserError: the table can't be used; the message says why.
    """
    status = path.stat()
    return _from_table(name, path, target, header, group, (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=2)  # a recipe asks for its data several times
def _from_table(name, path, target, header, group, stamp) -> Source:
    where = repr(str(path))
    table = read_cells(path, header)
    target = _column(table.columns.columns[-1] if target is None else target, table.columns, where)
    if group is not None and _column(group, table.columns, where) == target:
        raise UserError(f"{where}: the group can't be the target, {group!r}; name another column")
    here = f"{where}, column {target!r}"
    target_labels = read_labels(
        table.columns[target].tolist(), here, lambda: _possible_targets(table.columns, target)
    )
    labels = [label for label in target_labels.labels if label]
    class_names, y = coded_labels(labels, here, parts=3)
    columns = table.columns[[bool(label) for label in target_labels.labels]]
    others = columns.drop(columns=[target] if group is None else [target, group])
    readings = _readings(table, others, where)
    groups = None if group is None else _groups(columns, group, y, where)
    remarks = (
        []
        if group is None
        else [f"{group!r} is no input: its {len(np.unique(groups))} groups of rows stay together"]
    )
    used = {reading.column.name: reading for reading in readings if reading.fit}
    if not used:
        why = listed(f"{r.column.name}: {r.column.kind}" for r in readings)
        raise UserError(
            f"{where} has nothing to learn from beside its target {target!r} ({why}); add columns "
            "of numbers, or of text that repeats"
        )

    _check_input_names([reading.column for reading in used.values()], where)

    def fit(raw):
        return Columns({name: reading.fit(raw[name]) for name, reading in used.items()})

    whole = columns.assign(**{target: labels})
    understood = Understood(
        file=path.name,
        target=target,
        rows_read=len(table.columns),
        left_out=target_labels.left_out,
        classes=dict(zip(class_names, np.bincount(y).tolist(), strict=True)),
        columns=tuple(reading.column for reading in readings),
        parts=tuple(map(len, draw_parts(y, groups, 3, np.random.default_rng(0)))),
        group=group,
        has_names=table.has_names,
        remarks=(*table.remarks, *target_labels.remarks, *remarks),
        warnings=tuple(smells.warnings(readings, whole, y, class_names)),
    )
    return Source(
        name,
        class_names,
        y,
        {name: reading.raw for name, reading in used.items()},
        fit,
        groups=groups,
        example_names=[f"row {row + 1}" for row, label in enumerate(target_labels.labels) if label],
        understood=understood,
    )


def _column(name: str, columns: pd.DataFrame, where: str) -> str:
    """Return the name of a column, if there is such a one."""
    if name not in columns:
        raise UserError(
            f"{where} has no column {name!r}{nearest(name, columns)}; "
            f"its columns are {listed(columns)}"
        )
    return name


def _check_input_names(columns: list[Column], where: str) -> None:
    """Raise a UserError if two columns have the same name among a model's inputs."""
    column_of = {}
    for column in columns:
        for name in input_names(column.name, is_date=column.kind == "date"):
            if name in column_of:
                raise UserError(
                    f"{where}: the columns {column_of[name]!r} and {column.name!r} are both called "
                    f"{name!r} among a model's inputs; rename one of them"
                )
            column_of[name] = column.name


def _groups(columns: pd.DataFrame, group: str, y: np.ndarray, where: str) -> np.ndarray:
    """Return the number of each row's group; rows without one stand alone."""
    cells = columns[group].reset_index(drop=True)
    alone = cells == ""
    cells[alone] = [f"row {row}" for row in np.flatnonzero(alone)]
    groups = pd.factorize(cells)[0]
    fewest = min(len(np.unique(groups[y == code])) for code in np.unique(y))
    if fewest < FEWEST_GROUPS:
        raise UserError(
            f"{where}: the groups {group!r} leave a class in {fewest} of them; every class needs "
            f"{FEWEST_GROUPS} groups to be in every part of the split"
        )
    return groups


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
