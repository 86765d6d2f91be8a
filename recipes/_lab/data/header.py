"""The first row of a table: the names of its columns, or an example."""

from collections import Counter

import pandas as pd

from recipes._lab.data.cells import as_numbers, is_missing

SAMPLE = 300  # rows that are asked
YEARS = range(1800, 2201)


def is_example(first: list[str], votes: set[str]) -> bool:
    """Tell whether the first row holds an example and not the names of the columns.

    Every column votes; where none can tell, the first row holds names.

    Args:
        first: cells of the first row.
        votes: from `column_votes`.
    """
    if all(_is_number(cell) for cell in first):
        return not _could_be_names(first)
    return "example" in votes and "names" not in votes


def column_votes(rows: pd.DataFrame) -> set[str]:
    """Return what columns say of their first cells: "names", "example", both or nothing."""
    sample = rows.iloc[:SAMPLE]
    return {_vote(sample[column].tolist()) for column in sample} - {""}


def _vote(cells: list[str]) -> str:
    first, *rest = cells
    if is_missing(first):
        return ""
    if as_numbers(rest) is not None:
        if as_numbers([first]) is None:
            return "names"
        # Some people name columns 0, 1, 2 or by years, but nobody 5.1: that is an example.
        return "example" if not first.isdigit() else ""
    counts = Counter(cell for cell in rest if cell)
    if first in counts:
        return "example"
    # If a single one of the others stood alone, the first might be another such category.
    return "names" if counts and min(counts.values()) >= 2 else ""


def _is_number(cell: str) -> bool:
    return not is_missing(cell) and as_numbers([cell]) is not None


def _could_be_names(cells: list[str]) -> bool:
    """Tell whether numbers could name columns: 0, 1, 2, or years in order."""
    if not all(map(str.isdecimal, cells)):
        return False
    numbers = [int(cell) for cell in cells]
    if numbers in (list(range(len(numbers))), list(range(1, len(numbers) + 1))):
        return True
    return all(number in YEARS for number in numbers) and numbers == sorted(set(numbers))
