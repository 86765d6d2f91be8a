"""Files as people have them -> columns of text cells, each decision said."""

import gzip

import numpy as np
import pandas as pd
import pytest

from recipes._lab.data import reading
from recipes._lab.data.cells import as_dates, as_numbers, shared_unit
from recipes._lab.data.reading import read_cells
from recipes._lab.errors import UserError

PLAIN = "size,color,kind\n1.5,red,ham\n2.5,blue,spam\n3,red,ham\n"
COLUMNS = {"size": ["1.5", "2.5", "3"], "color": ["red", "blue", "red"]}
COLUMNS["kind"] = ["ham", "spam", "ham"]


def cells_of(folder, content, name="given.csv", header=None):
    """The columns of a file, `{name: cells}`, and what was remarked, as one text."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    cells = read_cells(path, header)
    assert all(remark.isprintable() for remark in cells.remarks)
    return cells.columns.to_dict("list"), "; ".join(cells.remarks)


def mistake_of(folder, content, name="given.csv", header=None):
    with pytest.raises(UserError) as caught:
        cells_of(folder, content, name, header)
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize(
    ("name", "content", "remark"),
    [
        pytest.param("a.csv", PLAIN, "", id="plain"),
        pytest.param("a.csv", PLAIN.replace(",", ";"), "", id="semicolon"),
        pytest.param("a.tsv", PLAIN.replace(",", "\t"), "", id="tab"),
        pytest.param("a.csv", PLAIN.replace(",", "|"), "", id="bar"),
        pytest.param("a.txt", PLAIN.replace(",", " "), "", id="space"),
        pytest.param("a.txt", PLAIN.replace(",", "   ").replace("\n", "  \n "), "", id="spaces"),
        pytest.param("a.txt", PLAIN.replace(",", "\t"), "", id="tab in a .txt"),
        pytest.param("a.csv", PLAIN.replace("\n", "\r\n"), "", id="Windows"),
        pytest.param("a.csv", PLAIN.replace("\n", "\r"), "", id="old Mac"),
        pytest.param("a.csv", "\n \n" + PLAIN.replace("\n", "\n\n"), "", id="blank lines"),
        pytest.param("a.csv", PLAIN.replace(",", " , "), "", id="spaces around"),
        pytest.param("a.csv", PLAIN.replace("red", '"red"'), "", id="quotes"),
        pytest.param("a.csv", "sep=,\n" + PLAIN, "", id="sep= comma"),
        pytest.param("a.csv", "sep=^\n" + PLAIN.replace(",", "^"), "", id="sep= any"),
        pytest.param("a.csv.gz", gzip.compress(PLAIN.encode()), "", id="gzip"),
        pytest.param("a.csv", PLAIN.encode("utf-8-sig"), "", id="byte order mark"),
        pytest.param("a.csv", PLAIN.encode("utf-16"), "", id="UTF-16"),
        pytest.param("a.csv", ("\ufeff" + PLAIN).encode("utf-16-be"), "", id="UTF-16, big end"),
        pytest.param("a.csv", "# by me\n#, 2020\n" + PLAIN, "# above the table", id="comments"),
        pytest.param("a.csv", "# a,b,c\n" + PLAIN, "left out: 1", id="comment like a row"),
        pytest.param("a.csv", "Prices\n" + PLAIN, "'Prices', left out as a title", id="title"),
        pytest.param("a.csv", "Prices,,\n" + PLAIN, "as a title; if it holds", id="title of Excel"),
        pytest.param("a.csv", "A;;\n;;\nB;;\n" + PLAIN.replace(",", ";"), "'B', left", id="two"),
        pytest.param("a.csv", PLAIN.replace("\n", ",\n"), "end of lines", id="trailing"),
        pytest.param("a.csv", PLAIN.replace("kind\n", "kind,,\n"), "end of", id="in the header"),
        pytest.param("a.csv", PLAIN[:16] + PLAIN[16:].replace("\n", ",,\n"), "end", id="below"),
        pytest.param("a.csv", PLAIN + ",,\n,,\n", "empty rows left out: 2", id="empty rows"),
        pytest.param(
            "a.csv", ",size,color,kind\n0,1.5,red,ham\n1,2.5,blue,spam\n2,3,red,ham\n",
            "an index without a name, left out", id="index",
        ),
        pytest.param(
            "a.csv", "Unnamed: 0,size,color,kind\n1,1.5,red,ham\n2,2.5,blue,spam\n3,3,red,ham\n",
            "an index without a name, left out", id="index, saved twice",
        ),
        pytest.param(
            "a.txt", "size color kind\nx 1.5 red ham\ny 2.5 blue spam\nz 3 red ham\n",
            "R's row names, left out", id="R",
        ),
    ],
)  # fmt: skip
def test_ways_to_write_the_same_table(name, content, remark, tmp_path):
    columns, remarks = cells_of(tmp_path, content, name)
    assert columns == COLUMNS
    assert remark in remarks
    assert bool(remark) == bool(remarks)


def test_what_is_not_utf_8_is_windows_1252_and_said(tmp_path):
    content = "größe,Umsatz (€),art\n1,2,“ä”\n2,3,a – b…\n"
    columns, remarks = cells_of(tmp_path, content.encode("cp1252"))
    assert columns == {"größe": ["1", "2"], "Umsatz (€)": ["2", "3"], "art": ["“ä”", "a – b…"]}
    assert remarks == "read as Windows-1252, since it is not UTF-8 at byte 2"
    columns, _ = cells_of(tmp_path, b"a,b\n1,x\x81\xe9\n2,y\n")  # 81 means nothing there
    assert columns["b"] == ["x\x81é", "y"]


def test_decimal_commas_do_not_divide(tmp_path):
    columns, _ = cells_of(tmp_path, "a;b\n1,5;2,5\n3,5;4,5\n")
    assert columns == {"a": ["1,5", "3,5"], "b": ["2,5", "4,5"]}


def test_quoted_cells_hold_delimiters_and_newlines(tmp_path):
    columns, _ = cells_of(tmp_path, 'a,b\n"x, y","1\n2"\n"say ""hi""",3\n')
    assert columns == {"a": ["x, y", 'say "hi"'], "b": ["1\n2", "3"]}


def test_columns_get_names_of_their_own_and_it_is_said(tmp_path):
    columns, remarks = cells_of(tmp_path, "a,a,,a.1,a\n1,2,x,4,5\n6,7,x,9,10\n")
    assert list(columns) == ["a", "a.2", "column 3", "a.1", "a.3"]
    assert "columns without a name are called 'column 3'" in remarks
    assert "columns of the same name are numbered" in remarks


def test_a_first_row_with_few_names_may_be_a_title(tmp_path):
    _, remarks = cells_of(tmp_path, "of,2020,,,\na,b,c,d,e\n1,2,3,4,x\n")
    assert "'column 3', 'column 4', 'column 5'; if the first row is a title, remove it" in remarks


IRIS = "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n6.4,3.2,versicolor\n"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(IRIS, id="fractions and categories"),
        pytest.param("5,3,setosa\n4,3,setosa\n7,3,virginica\n", id="a category"),
        pytest.param("7,0,0\n1,0,9\n7,3,0\n", id="numbers that are no names"),
        pytest.param("1.0,0.0\n0.0,1.0\n", id="numbers with fractions"),
        pytest.param("0.0,1.0\n0.0,1.0\n", id="0 and 1 as an example"),
        pytest.param("5.1,ann,0\n4.9,bob,1\n4.7,cy,1\n", id="only a fraction tells"),
        pytest.param("ham,a b c\nspam,d e f\nham,g h i\n", id="text"),
    ],
)
def test_a_first_row_that_is_an_example_stays_one(content, tmp_path):
    columns, remarks = cells_of(tmp_path, content)
    first, *_ = lines = content.splitlines()
    assert list(columns) == [f"column {n}" for n in range(1, first.count(",") + 2)]
    assert [",".join(row) for row in zip(*columns.values(), strict=True)] == lines
    assert "is taken for an example" in remarks
    assert "HEADER=first" in remarks


@pytest.mark.parametrize(
    ("content", "is_said"),
    [
        pytest.param("a,b\n1,x\n2,x\n", False, id="above numbers"),
        pytest.param("a,b\nx,y\nx,y\nz,y\nz,w\n", False, id="above categories"),
        pytest.param("0,1,2\n5.5,3,x\n4.5,2,y\n", True, id="0 1 2"),
        pytest.param("1,2\n5,3\n4,2\n", True, id="1 2"),
        pytest.param("1990,1991,1995\n5,3,2\n4,2,2\n", True, id="years"),
        pytest.param("country,1990,1991\nA,5,3\nB,4,2\n", True, id="years beside a name"),
        pytest.param("width,kind\n5.1,x\n4.9,kind\n7,y\n", False, id="votes against"),
    ],
)
def test_a_first_row_that_holds_names(content, is_said, tmp_path):
    columns, remarks = cells_of(tmp_path, content)
    assert ",".join(columns) == content.splitlines()[0]
    assert ("is taken for names (HEADER=none" in remarks) == is_said


def test_the_user_has_the_last_word_on_the_first_row(tmp_path):
    columns, remarks = cells_of(tmp_path, "a,b\n1,x\n2,x\n", header="none")
    assert columns == {"column 1": ["a", "1", "2"], "column 2": ["b", "x", "x"]}
    columns, remarks = cells_of(tmp_path, IRIS, header="first")
    assert list(columns) == ["5.1", "3.5", "setosa"]
    assert remarks == ""


@pytest.mark.parametrize("comment", ["# a,b,c", "#a, b, c", "# made by me\n# a,b,c"])
def test_names_in_a_comment_as_numpy_writes_them(comment, tmp_path):
    columns, remarks = cells_of(tmp_path, f"{comment}\n{IRIS}")
    assert list(columns) == ["a", "b", "c"]
    assert columns["a"] == ["5.1", "4.9", "7.0", "6.4"]
    assert "the last line with # holds the names" in remarks


def test_a_column_called_number_sign_is_no_comment(tmp_path):
    columns, _ = cells_of(tmp_path, "#,name,type\n1,a,x\n2,b,x\n3,c,y\n")
    assert columns["#"] == ["1", "2", "3"]
    assert list(columns) == ["#", "name", "type"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b,c\n1,2,3\n1,2\n", "line 3: the number of cells is 2, but 3 in the first row"),
        ("a,b\n1,2\n\n1,2,3\n", "line 4: the number of cells is 3, but 2 in the first row"),
        ("#\na,b\n" + "1,2\n" * 200 + "1,2,3\n", "line 203: the number of cells is 3"),
        ("a,b,c\n1,2,3\n1,2\n", "complete that row, or remove it"),
        ("a,b\n1,2\n1,2,3\n", "quote cells that contain ','"),
        ("of, 2020\na,b,c,d\n1,2,3,4\n", "is 2 in the first row, but 4 in most others; if the"),
        ("of 2020\na,b\n1,2\n", "if the first row is a title, remove it"),
        ('a,b\n1,"2\n', "line 2: unexpected end of data; check the quotes"),
        ('a,b\n1,"2"3\n1,2\n', "line 2: ',' expected after '\"'; check the quotes"),
        (b"\x89PNG\0\0", "holds bytes of 0"),
        (b"\xff\xfea", "no whole UTF-16 text"),
        ("#a\n#b\n", "no rows below a header"),
        (",,\n,,\n", "no rows below a header"),
        ("one\n1\n2\n", "the one column 'one'"),
    ],
)
def test_text_that_is_no_table(content, words, tmp_path):
    assert words in mistake_of(tmp_path, content)


def test_a_damaged_gz(tmp_path):
    whole = gzip.compress(PLAIN.encode())
    assert "no whole .gz file" in mistake_of(tmp_path, whole[:-9], "a.csv.gz")
    assert "no whole .gz file" in mistake_of(tmp_path, PLAIN, "a.csv.gz")


# --- files that need a library -----------------------------------------------------------------


def test_a_parquet_file(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({
        "n": [1, 2], "x": [0.5, np.nan], "whole": [3.0, np.nan], "yes": [True, False],
        "day": pd.to_datetime(["2020-01-02", None]), "text": ["a ", None],
    })  # fmt: skip
    frame.to_parquet(path)
    assert read_cells(path).columns.to_dict("list") == {
        "n": ["1", "2"], "x": ["0.5", ""], "whole": ["3", ""], "yes": ["True", "False"],
        "day": ["2020-01-02 00:00:00", ""], "text": ["a", ""],
    }  # fmt: skip
    frame.set_index("text").to_parquet(path)
    assert read_cells(path).columns["text"].tolist() == ["a", ""]


def test_the_first_sheet_of_an_excel_file(tmp_path):
    pytest.importorskip("openpyxl")
    path = tmp_path / "a.xlsx"
    frame = pd.DataFrame({"n": [1, 2, 3], "x": [0.5, np.nan, 2], "kind": ["a", "NA", "a"]})
    with pd.ExcelWriter(path) as file:
        frame.to_excel(file, sheet_name="data", index=False)
        frame.to_excel(file, sheet_name="more")
    cells = read_cells(path)
    assert cells.columns.to_dict("list") == {
        "n": ["1", "2", "3"], "x": ["0.5", "", "2"], "kind": ["a", "NA", "a"],
    }  # fmt: skip
    assert cells.remarks == ["only the first sheet is read, 'data', not 'more'"]


@pytest.mark.parametrize(("ending", "library"), [(".parquet", "pyarrow"), (".xlsx", "openpyxl")])
def test_files_that_need_a_library(ending, library, tmp_path, monkeypatch):
    if reading.importlib.util.find_spec(library):
        assert "can't be read as" in mistake_of(tmp_path, "a,b\n1,2\n", f"a{ending}")
    monkeypatch.setattr(reading.importlib.util, "find_spec", lambda name: None)
    message = mistake_of(tmp_path, "a,b\n1,2\n", f"a{ending}")
    assert f"needs {library}, which is not installed" in message
    assert "requirements-tables.txt" in message


# --- cells -------------------------------------------------------------------------------------

NAN = np.nan


@pytest.mark.parametrize(
    ("cells", "comma", "values", "note"),
    [
        (["1", "-2.5", "+.5", "1e3"], False, [1, -2.5, 0.5, 1000], ""),
        (["1,234", "56", "1,234,567.5"], False, [1234, 56, 1234567.5], "comma for thousands"),
        (["1,234", "56"], True, [1.234, 56], "decimal comma"),
        (["1,5", "2"], False, [1.5, 2], "decimal comma"),
        (["1.299,99", "5"], False, [1299.99, 5], "decimal comma"),
        (["1.299.000", "5,5"], True, [1299000, 5.5], "decimal comma"),
        (["0.998", "0.997"], True, [0.998, 0.997], ""),
        (["1.998", "0.997"], True, [1.998, 0.997], ""),
        (["$5", "$1,200.50", "-$3"], False, [5, 1200.5, -3], "with $, comma for thousands"),
        (["5 %", "12.5%"], False, [5, 12.5], "with %"),
        (["3 €", "4 €"], True, [3, 4], "with €"),
        (["1", "", "?", "NA", "n/a", "NaN", "null"], False, [1] + [NAN] * 6, ""),
        (["1", "-", ".", "None", "#N/A", "<NA>", r"\N"], False, [1] + [NAN] * 6, ""),
        (["1", "missing", "Unknown"], False, [1, NAN, NAN], ""),
        (["1", "k.A.", "#DIV/0!", "#WERT!", "n.d.", "-1.#IND", ".."], False, [1] + [NAN] * 6, ""),
        (["1'234.50", "7", "-1'234'567"], False, [1234.5, 7, -1234567], "apostrophe for thousands"),
        (["1’234,5"], False, [1234.5], "apostrophe for thousands, decimal comma"),
        (["1 234,50", "7,25"], False, [1234.5, 7.25], "space for thousands, decimal comma"),
        (["1\u00a0234", "7"], False, [1234, 7], "space for thousands"),
        (["1\u202f234,5", "7"], False, [1234.5, 7], "space for thousands, decimal comma"),
        (["(1,234)", "5"], False, [-1234, 5], "(5) is -5, comma for thousands"),
        (["($5.50)", "$5", "\u22122"], False, [-5.5, 5, -2], "with $, (5) is -5"),
        (["CHF 1'234.50", "CHF 5"], False, [1234.5, 5], "with CHF, apostrophe for thousands"),
        (["5 EUR", "7EUR"], False, [5, 7], "with EUR"),
    ],
)
def test_numbers_as_people_write_them(cells, comma, values, note):
    numbers = as_numbers(cells, comma)
    np.testing.assert_array_equal(numbers.values, values)
    assert numbers.note == note


@pytest.mark.parametrize(
    ("cells", "unit"),
    [
        (["12.3 kg", "5 kg", "", "NA"], "kg"),
        (["12.3kg", "1 234,5 kg"], "kg"),
        (["5 km/h", "7 km/h"], "km/h"),
        (["20 °C", "-3 °C"], "°C"),
        (["3 m²"], "m²"),
        (["12 kg", "5 g"], ""),
        (["12 kg", "5"], ""),
        (["5", "7"], ""),
        (["5 old cars", "7 old cars"], ""),
        (["A12", "A15"], ""),
        ([""], ""),
    ],
)
def test_the_unit_that_all_numbers_share(cells, unit):
    assert shared_unit(cells) == unit


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "x"],
        ["1_000"],
        ["1.5", "1,5"],
        ["", "NA"],
        [],
        ["٣"],
        ["12:30"],
        ["$", "1"],
        ["(-1)"],
        ["(1"],
        ["1'23"],
        ["030 123 456"],
        ["1 234'567"],
        ["1 kg"],
    ],
)
def test_what_is_no_column_of_numbers(cells):
    assert as_numbers(cells) is None


@pytest.mark.parametrize(
    ("cells", "parts", "note"),
    [
        (["2020-01-31", "?"], [[2020, 1, 4], [NAN] * 3], "year-month-day"),
        (["2020-01-31T12:30:00", "2021-03-01 00:00:00"], [[2020, 1, 4], [2021, 3, 0]], "year-"),
        (["01/02/2020"], [[2020, 1, 3]], "month/day/year"),
        (["01/02/2020", "13/02/2020"], [[2020, 2, 5], [2020, 2, 3]], "day/month/year"),
        (["1.2.2020"], [[2020, 2, 5]], "day.month.year"),
        (["1/2/20 3:45 PM"], [[2020, 1, 3]], "month/day/year"),
        (["2 Jan 2020", "31 Dec 2020"], [[2020, 1, 3], [2020, 12, 3]], "day month year"),
        (["January 2, 2020"], [[2020, 1, 3]], "month day, year"),
    ],
)
def test_dates_as_people_write_them(cells, parts, note):
    dates = as_dates(cells)
    np.testing.assert_array_equal(dates.parts, parts)
    assert dates.written.startswith(note)


@pytest.mark.parametrize("cells", [["a1"], ["x"], [""], ["2020-13-01"], ["1-2", "3-4"], ["A5 2/3"]])
def test_what_is_no_column_of_dates(cells):
    assert as_dates(cells) is None
