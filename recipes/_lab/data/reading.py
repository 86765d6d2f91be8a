"""A file that holds a table -> its columns, all cells as text, and what was remarked on the way."""

import collections
import csv
import gzip
import importlib.util
import io
import itertools
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recipes._lab.data import header as first_row
from recipes._lab.data.wording import listed, one_line
from recipes._lab.errors import UserError

LIBRARIES = {".parquet": "pyarrow", ".xlsx": "openpyxl"}  # which pandas needs for these files
DELIMITERS = "\t;|,"  # where several divide all lines alike, the first: 1,5;2,5 are two numbers
SAMPLE = 100  # rows that tell which delimiter it is
# Where Latin-1 has control characters, Windows-1252 has €, quotes and dashes, but for five bytes.
_WINDOWS_1252 = {
    byte: character
    for byte in range(0x80, 0xA0)
    if (character := bytes([byte]).decode("cp1252", errors="ignore"))
}


@dataclass(frozen=True)
class Cells:
    """A table as its file has it.

    Args:
        columns: cells as text without spaces around, "" where there is nothing; a name for each
            column.
        remarks: what was decided on the way, a sentence each.
        decimal_comma: whether 1,234 is rather 1.234 than 1234.
        has_names: whether the file has names for its columns; if not, they are numbered.
    """

    columns: pd.DataFrame
    remarks: list[str]
    decimal_comma: bool = False
    has_names: bool = True


def read_cells(path: Path, header: str | None = None, fewest_columns: int = 2) -> Cells:
    """Return the cells of a table.

    Args:
        path: of a .csv, .tsv or .txt, also .gz of these, of a .parquet or an .xlsx.
        header: "first" or "none" if the first row holds names, or none; None to find out.
        fewest_columns: a target and one more, or without a target one.

    Raises:
        UserError: the file can't be read as a table; the message says why.
    """
    where = repr(str(path))
    ending = path.suffix.lower()
    _check_library(ending, where)
    if ending == ".parquet":
        cells = _parquet(path)
        _check_width(cells.columns, fewest_columns, where)
        return cells
    remarks, comment = [], ""
    if ending == ".xlsx":
        rows, delimiter = _excel(path, remarks), ""
    else:
        text = _decoded(path, remarks)
        lines = text.split("\n")
        delimiter, comment = _preamble(lines, remarks)
        is_txt = ".txt" in (suffix.lower() for suffix in path.suffixes)
        delimiter = delimiter or _delimiter(lines, is_txt)
        rows = _split(lines, delimiter, where)
    rows = _without_empty_rows(_without_spaces(rows), remarks)
    if rows.empty:
        raise UserError(f"{where} has no rows below a header; add examples")
    rows = _without_titles(rows, remarks)
    rows, has_row_names = _full(rows, lambda: _ragged(lines, delimiter, where), remarks)
    comment = comment.lstrip("# ").split(delimiter or None)
    names = _names(rows, header, comment, has_row_names, remarks)
    columns = _named(rows, names, has_row_names, where, remarks)
    _check_width(columns, fewest_columns, where)
    return Cells(columns, remarks, delimiter == ";", has_names=names is not None)


def _check_width(columns: pd.DataFrame, fewest: int, where: str) -> None:
    if columns.shape[1] < fewest:
        raise UserError(
            f"{where} has the one column {listed(columns)}; give a target and more, separated by "
            "comma, semicolon, tab or |"
        )


def _check_library(ending: str, where: str) -> None:
    library = LIBRARIES.get(ending)
    if library and importlib.util.find_spec(library) is None:
        raise UserError(
            f"{where} needs {library}, which is not installed; make recipe DATA=... installs it, "
            "as does pip install -r requirements-tables.txt; or save the table as .csv"
        )


# --- files of the libraries --------------------------------------------------------------------


def _parquet(path: Path) -> Cells:
    """Return the cells of a .parquet file, whose columns have names and types already."""
    frame = _with_pandas(pd.read_parquet, path)
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    if frame.empty:
        raise UserError(f"{str(path)!r} has no rows; give one that holds examples")
    frame.columns = [str(name) for name in frame]
    return Cells(_without_spaces(frame.apply(_as_text)), [])


def _as_text(column: pd.Series) -> pd.Series:
    """Return a column of any type as text, whole numbers without a decimal point."""
    cells = (
        "" if missing else str(cell) for cell, missing in zip(column, column.isna(), strict=True)
    )
    return pd.Series([re.sub(r"^(-?\d+)\.0$", r"\1", cell) for cell in cells], dtype=object)


def _excel(path: Path, remarks: list[str]) -> pd.DataFrame:
    """Return the rows of the first sheet of an .xlsx file."""
    sheets = _with_pandas(
        pd.read_excel, path, sheet_name=None, header=None, dtype=object, keep_default_na=False
    )
    first, *others = sheets
    if others:
        remarks.append(f"only the first sheet is read, {first!r}, not {listed(others)}")
    return sheets[first].apply(_as_text)


def _with_pandas(read, path: Path, **options):
    """Return what a function of pandas reads; a UserError if it can't, for whatever reason."""
    try:
        return read(path, **options)
    except Exception as error:  # a damaged file fails in more ways than can be listed
        raise UserError(
            f"{str(path)!r} can't be read as {path.suffix} ({one_line(error)}); write it anew"
        ) from error


# --- files of text -----------------------------------------------------------------------------


def _decoded(path: Path, remarks: list[str]) -> str:
    """Return the text of a file, lines ended by a newline."""
    where = repr(str(path))
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{where} is no whole .gz file ({one_line(error)})") from error
    try:
        is_utf_16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = content.decode("utf-16" if is_utf_16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        if is_utf_16:
            raise UserError(f"{where} is no whole UTF-16 text; save it as UTF-8") from error
        text = content.decode("latin-1").translate(_WINDOWS_1252)
        remarks.append(f"read as Windows-1252, since it is not UTF-8 at byte {error.start}")
    if "\0" in text:
        raise UserError(f"{where} holds bytes of 0, so it is no text; save the table as .csv")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _preamble(lines: list[str], remarks: list[str]) -> tuple[str, str]:
    """Blank what stands above a table; return the delimiter of a `sep=` line, and a comment.

    Args:
        lines: of the file; they keep their numbers.
        remarks: to be added to.

    Returns:
        The delimiter or "", and the last line that begins with #, which may hold the names.
    """
    delimiter, comments = "", []
    for number, line in enumerate(lines):
        if match := re.fullmatch(r'\s*"?sep=(.)"?\s*', line, re.IGNORECASE):
            delimiter = match[1]
        elif line.startswith("#"):
            comments.append(line)
        elif line.strip():
            break
        lines[number] = ""
    if comments:
        remarks.append(f"lines with # above the table left out: {len(comments)}")
    return delimiter, comments[-1] if comments else ""


def _records(lines: list[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the last line and the cells of each row that is not blank."""
    text = io.StringIO("\n".join(lines))
    reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if cells not in ([], [""]):
                yield reader.line_num, cells
    except csv.Error:  # such as a quote that is never closed; pandas says so
        return


def _widths(lines: list[str], delimiter: str) -> list[int]:
    return [len(cells) for _, cells in itertools.islice(_records(lines, delimiter), SAMPLE)]


def _delimiter(lines: list[str], is_txt: bool) -> str:
    """Return the delimiter that divides most rows into the same number of cells."""

    def regularity(delimiter):
        widths = _widths(lines, delimiter)
        divided = Counter(width for width in widths if width > 1)
        return max(divided.values(), default=0) / max(len(widths), 1)

    return max(DELIMITERS + " " * is_txt, key=regularity)


def _split(lines: list[str], delimiter: str, where: str) -> pd.DataFrame:
    """Return rows of cells, NaN behind the end of one that is short."""
    if delimiter == " ":
        lines[:] = [line.strip() for line in lines]
    try:
        return pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep=delimiter,
            header=None,
            names=range(max(_widths(lines, delimiter), default=1)),
            dtype=object,
            keep_default_na=False,
            skipinitialspace=True,
            engine="python",  # the other one can't tell a short row from empty cells
        )
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{where} has no rows below a header; add examples") from error
    except pd.errors.ParserError as error:
        if "fields" in str(error):
            raise _ragged(lines, delimiter, where) from error
        raise _bad_quotes(lines, delimiter, where) from error


def _bad_quotes(lines: list[str], delimiter: str, where: str) -> UserError:
    """Return the mistake that a quote is never closed, or that something follows a closed one."""
    reader = csv.reader(
        io.StringIO("\n".join(lines)), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    reason = "the quotes can't be read"
    try:
        collections.deque(reader, maxlen=0)  # reads to the end, or to the mistake
    except csv.Error as error:
        reason = str(error)
    return UserError(f"{where}, line {reader.line_num}: {reason}; check the quotes there and above")


def _ragged(lines: list[str], delimiter: str, where: str) -> UserError:
    """Return the mistake that rows have different numbers of cells, with the first such line."""
    records = list(_records(lines, delimiter))
    (_, first), *rest = records
    number, cells = next(row for row in rest if len(row[1]) != len(first))
    usual, _ = Counter(len(row) for _, row in records).most_common(1)[0]
    if len(first) < usual:
        return UserError(
            f"{where}: the number of cells is {len(first)} in the first row, but {usual} in most "
            "others; if the first row is a title, remove it, so that the names come first"
        )
    remedy = (
        f"quote cells that contain {delimiter!r}"
        if len(cells) > len(first)
        else "complete that row, or remove it if it is none of the table's"
    )
    return UserError(
        f"{where}, line {number}: the number of cells is {len(cells)}, but {len(first)} in the "
        f"first row; {remedy}"
    )


# --- rows -> columns with names ----------------------------------------------------------------


def _without_spaces(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.map(lambda cell: cell.strip() if isinstance(cell, str) else cell).astype(object)


def _without_empty_rows(rows: pd.DataFrame, remarks: list[str]) -> pd.DataFrame:
    empty = (rows.isna() | (rows == "")).all(axis=1)
    if empty.any():
        remarks.append(f"empty rows left out: {empty.sum()}")
    return rows[~empty].reset_index(drop=True)


def _without_titles(rows: pd.DataFrame, remarks: list[str]) -> pd.DataFrame:
    """Return rows without those at the top that have but one cell, of a table of three or more."""
    filled = (rows.notna() & (rows != "")).to_numpy()
    while len(rows) > 2 and filled[0].sum() == 1 and filled[0, 0] and filled[1:].sum(1).max() > 2:
        remarks.append(
            f"the first row, {listed(rows.iloc[0, :1])}, left out as a title; if it holds names, "
            "name every column"
        )
        rows, filled = rows.iloc[1:].reset_index(drop=True), filled[1:]
    return rows


def _full(rows: pd.DataFrame, ragged, remarks: list[str]) -> tuple[pd.DataFrame, bool]:
    """Return rows of equally many cells, and whether the first column holds R's row names.

    Delimiters at the end of lines, of all or of the first one alone, make columns without any
    content. R writes a header that is one cell short, since row names have none.
    """
    width = rows.shape[1]
    while width > 1 and (rows[width - 1].isna() | (rows[width - 1] == "")).all():
        width -= 1
    if width < rows.shape[1]:
        remarks.append("delimiters at the end of lines left out")
        rows = rows.iloc[:, :width]
    short = rows.isna().to_numpy()
    if not short.any():
        return rows, False
    if short[1:].any() or short[0].sum() > 1 or width < 3:
        raise ragged()
    names = ["", *rows.iloc[0, :-1]]
    return pd.DataFrame([names, *rows.iloc[1:].to_numpy().tolist()], dtype=object), True


def _named(rows, names, has_row_names, where, remarks) -> pd.DataFrame:
    """Return the examples, in columns that have names of their own.

    Args:
        rows: cells as text, (rows, columns); the first may hold the names.
        names: of the columns, or None to number them.
        has_row_names: whether the first column holds R's row names.
        where: begins error messages.
        remarks: to be added to.
    """
    if names is None:
        names = [f"column {number}" for number in range(1, rows.shape[1] + 1)]
    elif names == rows.iloc[0].tolist():
        rows = rows.iloc[1:]
    if rows.empty:
        raise UserError(f"{where} has no rows below a header; add examples")
    columns = pd.DataFrame(rows.to_numpy(), columns=range(len(names)), dtype=object)
    is_index = names[0] in ("", "Unnamed: 0") and _counts_rows(columns[0])
    if has_row_names or is_index:
        what = "R's row names" if has_row_names else "an index without a name"
        remarks.append(f"the first column, {what}, left out")
        columns, names = columns.iloc[:, 1:], names[1:]
    columns.columns = _distinct(names, remarks)
    return columns


def _names(rows, header, comment, has_row_names, remarks) -> list[str] | None:
    """Return the names that stand in the first row, or in the comment above; None if nowhere."""
    first = rows.iloc[0].tolist()
    fits = len(comment) == len(first) > 1
    votes = first_row.column_votes(rows) if header is None and len(rows) > 1 else set()
    if fits and header != "first" and "names" not in votes:
        remarks.append("the last line with # holds the names of the columns")
        return [comment[0].strip() or "#", *(cell.strip() for cell in comment[1:])]
    if header == "none":
        return None
    if (
        header is None
        and not has_row_names
        and len(rows) > 1
        and first_row.is_example(first, votes)
    ):
        remarks.append(
            f"the first row, {listed(first, 3)}, is taken for an example, not for names; columns "
            "are called column 1, column 2, ... (HEADER=first if it holds names)"
        )
        return None
    if header is None and not votes and any(cell.replace(".", "").isdigit() for cell in first):
        remarks.append(
            f"the first row, {listed(first, 3)}, is taken for names (HEADER=none if it is an "
            "example)"
        )
    return first


def _counts_rows(cells: pd.Series) -> bool:
    """Tell whether cells are 0, 1, 2, ... or 1, 2, 3, ... ."""
    numbers = np.arange(len(cells))
    return any(cells.tolist() == (numbers + start).astype(str).tolist() for start in (0, 1))


def _distinct(names: list[str], remarks: list[str]) -> list[str]:
    """Return names of which none is empty or equals another one."""
    called = [name or f"column {number}" for number, name in enumerate(names, 1)]
    unnamed = [name for name, original in zip(called, names, strict=True) if not original]
    if unnamed:
        hint = "; if the first row is a title, remove it" if len(unnamed) > len(names) / 2 else ""
        remarks.append(f"columns without a name are called {listed(unnamed)}{hint}")
    repeated = [name for name, count in Counter(called).items() if count > 1]
    if repeated:
        remarks.append(f"columns of the same name are numbered, as in '{repeated[0]}.1'")
    taken, distinct = set(called), []
    for name in called:
        new, number = name, 0
        while new in distinct or (number and new in taken):
            number += 1
            new = f"{name}.{number}"
        distinct.append(new)
    return distinct
