"""What was understood of a user's table -> words for the terminal and for the page of a run."""

from collections import Counter

import numpy as np
from rich.console import Group
from rich.table import Table
from rich.text import Text

from recipes._lab.data import NAMES

COLUMNS = ("column", "understood as", "inputs", "")
NARROW = 20  # columns; of a wider table only those that are not plainly numbers or categories
LONGEST = 30  # rows of the terminal's table
CLASSES = 10  # whose shares are shown


def facts(understood):
    """Return what is to be said of a whole table, as pairs of a heading and words.

    Args:
        understood: a `data.Understood`.
    """
    left_out = "".join(f"; left out, {why}: {count}" for why, count in understood.left_out.items())
    used = [column.kind for column in understood.columns if column.inputs]
    unused = [column.kind for column in understood.columns if not column.inputs]
    inputs = sum(column.inputs for column in understood.columns)
    return [
        ("table", _printable(understood.file)),
        ("rows", f"{understood.rows_read} read, {understood.rows_used} used{left_out}"),
        *([("split", _split(understood.parts))] if understood.parts else []),
        ("target", f"{understood.target!r}, {shares(understood.classes)}"),
        ("columns", f"{_counted(used)}; inputs of a model: {inputs}"),
        *([("left out", _counted(unused))] if unused else []),
        *(("note", remark) for remark in understood.remarks),
        *(("warning", warning) for warning in understood.warnings),
    ]


def facts_of(source):
    """Return what is to be said of data of any kind, as pairs of a heading and words."""
    if source.understood:
        return facts(source.understood)
    classes = dict(zip(source.class_names, np.bincount(source.y).tolist(), strict=True))
    shape = " x ".join(map(str, source.example_shape))
    own_test = "" if source.own_test is None else f", and {len(source.own_test)} for the test"
    return [
        ("data", source.name),
        ("examples", f"{len(source.y)} of {shape}{own_test}"),
        ("labels", shares(classes)),
        *(("note", remark) for remark in source.remarks),
    ]


def column_rows(understood, longest=None):
    """Return rows of `COLUMNS`; of a wide table only for what isn't plain, `longest` at most."""
    columns = understood.columns
    if len(columns) > NARROW:
        columns = [column for column in columns if not column.is_plain]
    shown = columns[:longest]
    rows = [(_printable(c.name), _kind(c.kind), str(c.inputs), c.note) for c in shown]
    if hidden := columns[len(shown) :]:
        rows.append(("…", _counted(column.kind for column in hidden), "", "in run.json, too"))
    return rows


def table(understood):
    """Return what a terminal shows of a table, for rich to print."""
    grid = Table.grid(padding=(0, 2))
    for heading, words in facts(understood):
        grid.add_row(Text(heading, "bold yellow" if heading == "warning" else ""), Text(words))
    rows = Table(*COLUMNS, box=None, header_style="bold", pad_edge=False)
    for row in column_rows(understood, LONGEST):
        rows.add_row(*map(Text, row))
    return Group(grid, Text(), rows, Text()) if rows.row_count else Group(grid, Text())


def log(source, log):
    """Log what was understood of a user's data.

    Args:
        source: a `data.Source`.
        log: called with a table, or a line of text.
    """
    if source.understood:
        log(table(source.understood))
    elif source.name not in NAMES:
        for heading, words in facts_of(source):
            log(f"{heading:12}{words}")


def _split(parts):
    train, validation, test = parts
    return f"{train} train, {validation} validate, {test} test; each seed draws its own"


def _printable(name):
    """Return a name as it is, unless it would disturb a terminal."""
    return name if name.isprintable() else repr(name)


def _counted(kinds):
    return ", ".join(f"{kind}: {count}" for kind, count in Counter(kinds).items())


def _kind(kind):
    return f"{kind}, left out" if kind in ("text", "constant", "identifier") else kind


def shares(classes):
    """Return classes and their shares of the examples in words, of `{name: examples}`."""
    total = sum(classes.values())
    shares = [f"{name!r} {count / total:.1%}" for name, count in classes.items()]
    more = f" and {len(shares) - CLASSES} more" if len(shares) > CLASSES else ""
    return f"{len(shares)} classes: {', '.join(shares[:CLASSES])}{more}"
