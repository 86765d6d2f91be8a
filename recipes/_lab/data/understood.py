"""What was understood of a user's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """What was understood of a column.

    Args:
        name: of the column.
        kind: "numeric", "categories" or "date"; or why it is left out: "text", "constant",
            "identifier".
        inputs: how many inputs of a model come of it; 0 if it is left out.
        note: what else there is to say, or "".
        written: how numbers are written, or dates, if not plainly; see `cells`.
    """

    name: str
    kind: str
    inputs: int
    note: str = ""
    written: str = ""

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to say but that it holds numbers or categories."""
        return self.kind in ("numeric", "categories") and not self.note


@dataclass(frozen=True)
class Understood:
    """What was understood of a table.

    Args:
        file: name of the file, without its folder.
        target: the column that holds the classes.
        rows_read: how many rows of examples the file holds.
        left_out: how many rows are not used, by reason.
        classes: how many rows that are used each class has.
        columns: all but the target, in order.
        parts: how many rows train, validate and test.
        group: the column whose equal values stay in one part of a split, or None.
        has_names: whether the file has names for its columns.
        remarks: what was decided on the way, a sentence each.
        warnings: what smells, a sentence each.
    """

    file: str
    target: str
    rows_read: int
    left_out: dict[str, int]
    classes: dict[str, int]
    columns: tuple[Column, ...]
    parts: tuple[int, ...] = ()
    group: str | None = None
    has_names: bool = True
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def rows_used(self) -> int:
        """How many rows are used."""
        return sum(self.classes.values())
