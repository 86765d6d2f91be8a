"""The column of a table that holds the classes -> a label for each row that is used."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from recipes._lab.data.arrays import MAX_NUMERIC_CLASSES
from recipes._lab.data.cells import MISSING, as_numbers
from recipes._lab.data.columns import join_spellings
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError

FEWEST_OF_A_CLASS = 3  # one for each part of the split
MOST_FRACTIONS = 20  # 0.5, 1.0, 1.5 may be grades; more than this are a quantity
FEW = 5  # different numbers are no quantity, however rarely they repeat
LEFT_IN = 0.9  # of the rows must have classes that can be split, where we suggest a target


@dataclass(frozen=True)
class Labels:
    """Labels of a table's rows.

    Args:
        labels: of each row, "" where it is left out.
        left_out: how many rows are left out, by reason.
        remarks: what was decided on the way, a sentence each.
    """

    labels: list[str]
    left_out: dict[str, int]
    remarks: list[str]

    @property
    def counts(self) -> Counter:
        """How many rows each class has."""
        return Counter(label for label in self.labels if label)


def read_labels(cells: list[str], where: str, others: Callable[[], list[str]]) -> Labels:
    """Return the label of each row; those without one, and of too rare classes, are left out.

    Args:
        cells: text of the target's column.
        where: begins error messages.
        others: returns the columns that could be the target instead, for an error message.

    Raises:
        UserError: the column holds a quantity, or fewer than two classes that can be split.
    """
    labels = _labels(cells)
    if number := _quantity(cells):
        distinct = len(set(cells) - {""})
        why = f"has {distinct} distinct numbers such as {number}, a quantity, but recipes classify"
    elif len(labels.counts) < 2:
        counts = Counter(filter(None, cells))
        if not counts:
            why = f"has no classes: its cells are empty (rows: {len(cells)})"
        elif len(counts) < 2:
            why = f"has only the class {listed(counts)} (examples: {counts.total()})"
        else:
            why = (
                f"has fewer than two classes of {FEWEST_OF_A_CLASS} examples or more, one for "
                f"each part of the split (distinct labels: {len(counts)}, rows: {len(cells)})"
            )
    else:
        return labels
    columns = others()
    hint = (
        f"name another column by TARGET=, such as {listed(columns)}"
        if columns
        else "give a table with a column of labels that repeat, and name it by TARGET="
    )
    raise UserError(f"{where} {why}; {hint}")


def could_be_target(cells: list[str]) -> bool:
    """Tell whether a column holds classes, in nearly all of its rows."""
    counts = _labels(cells).counts
    enough = counts.total() >= LEFT_IN * len(cells)
    return 2 <= len(counts) <= MAX_NUMERIC_CLASSES and enough and not _quantity(cells)


def _labels(cells: list[str]) -> Labels:
    labels, joined = join_spellings(_whole(cells))
    remarks = [f"labels that differ only in case: {remark}" for remark in joined]
    counts = Counter(filter(None, labels))
    if odd := [label for label in counts if label.lower() in MISSING]:
        remarks.append(
            f"{listed(odd)} is a class like any other, and not a missing label; empty these cells "
            "of the target to leave their rows out"
        )
    rare = {label for label, count in counts.items() if count < FEWEST_OF_A_CLASS}
    left_out = {
        "no label": labels.count(""),
        f"class too rare to be split: {listed(sorted(rare))}": sum(counts[label] for label in rare),
    }
    return Labels(
        ["" if label in rare else label for label in labels],
        {why: count for why, count in left_out.items() if count},
        remarks,
    )


def _whole(cells: list[str]) -> list[str]:
    """Return whole numbers without a decimal point: 1.0 is the class 1, but 01 is another one."""
    if as_numbers(cells) is None:
        return cells
    return [re.sub(r"^(-?\d+)\.0*$", r"\1", cell) for cell in cells]


def _quantity(cells: list[str]) -> str:
    """Return one of the numbers if they are a quantity, a fraction if there is one; else ""."""
    known = [cell for cell in cells if cell]
    numbers = as_numbers(known)
    if numbers is None:
        return ""
    distinct = len(set(known))
    fractions = [cell for cell, is_one in zip(known, numbers.values % 1 > 0, strict=True) if is_one]
    most = MOST_FRACTIONS if fractions else MAX_NUMERIC_CLASSES
    repeats = distinct <= FEW or FEWEST_OF_A_CLASS * distinct <= len(known)
    is_quantity = distinct > most or not repeats
    return (fractions or known)[0] if is_quantity else ""
