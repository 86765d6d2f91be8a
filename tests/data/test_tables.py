"""Tables -> what their columns are, which rows are used, what smells."""

import numpy as np
import pytest

from recipes._lab.data import read
from recipes._lab.data.columns import read_column
from recipes._lab.data.target import could_be_target, read_labels
from recipes._lab.errors import UserError


def column_of(cells, name="x", rows_read=None, decimal_comma=False):
    """What is understood of a column: kind, inputs, note; and its inputs, scaled by all rows."""
    reading = read_column(
        name,
        cells,
        decimal_comma=decimal_comma,
        rows_read=rows_read or len(cells),
        where="here",
    )
    column, raw = reading.column, reading.raw
    inputs = reading.fit(raw)(raw) if reading.fit else np.empty((len(cells), 0))
    assert inputs.shape == (len(cells), column.inputs)
    assert column.note.isprintable()
    return (column.kind, column.inputs, column.note), inputs


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["5", "7", "7"], ("numeric", 1, "")),
        (["5", "7", "", "NA"], ("numeric", 1, "2 missing")),
        (["$5", "$7", "?"], ("numeric", 1, "with $; 1 missing")),
        (["12.3 kg", "5 kg", "NA"], ("numeric", 1, "with kg; 1 missing")),
        (["12,3 kg", "1.250 kg"], ("numeric", 1, "with kg, decimal comma")),
        (["1'234.50", "1'300", "80"], ("numeric", 1, "apostrophe for thousands")),
        (["0.5", "0.6", "0.7"], ("numeric", 1, "")),
        (["2", "5", "9"], ("numeric", 1, "")),
        (["a", "b", "a", "b"], ("categories", 2, "")),
        (["a", "b", "a", "b", "", ""], ("categories", 3, "2 empty")),
        (["a", "b", "a", "c"], ("categories", 1, "2 too rare for an input of their own")),
        (["a", "A", "a", "b", "b"], ("categories", 2, "'a', 'A' are one, 'a'")),
        (["NA", "EU", "NA", "EU"], ("categories", 2, "")),
        (["a"] * 60 + [""] * 40, ("categories", 2, "40 empty")),
        (["2020-01-31", "2020-02-01"], ("date", 3, "year-month-day → year, month, weekday")),
        (["2020-01-31 00:00", "2020-02-01"], ("date", 3, "year-month-day → year, month, weekday")),
        (["1/31/2020 10:00", "2/1/2020 0:00", ""], (
            *("date", 3), "month/day/year → year, month, weekday; without the time of day, to keep "
            "it add a column of hours; 1 missing",
        )),
        (["5", "5"], ("constant", 0, "always '5'")),
        (["5", "5.0", ""], ("constant", 0, "always 5, if it is not missing")),
        (["x", "x"], ("constant", 0, "always 'x'")),
        (["x", "X", "x"], ("constant", 0, "'x', 'X' are one, 'x'")),
        (["", "NA", "?"], ("constant", 0, "nothing but missing values")),
        (["3", "1", "2"], ("identifier", 0, "counts the rows")),
        (["a", "b", "c"], ("identifier", 0, "all different")),
        (["a", "b", "c", "", ""], ("identifier", 0, "all different")),
        (["1.5", "2", "x"] + [f"{n}" for n in range(10, 30)], (
            *("identifier", 0), "all different",
        )),
        ([f"{n}" for n in range(398)] + ["x", "7"], (
            *("identifier", 0), "399 different in 400 rows",
        )),
        (
            [f"a {n % 150}" for n in range(300)],
            ("text", 0, "150 different, none in 3 rows or more"),
        ),
    ],
)  # fmt: skip
def test_what_columns_are(cells, expected):
    assert column_of(cells)[0] == expected


@pytest.mark.parametrize("name", ["id", "ID", "PassengerId", "customerID", "user_id", "order no"])
def test_whole_numbers_that_are_named_like_an_identifier(name):
    assert column_of(["7", "3", "99"], name)[0] == (
        *("identifier", 0), "all different, and named like an identifier",
    )  # fmt: skip
    assert column_of(["7", "3", "3"], name)[0] == ("numeric", 1, "")
    assert column_of(["7.5", "3", "99"], name)[0] == ("numeric", 1, "")
    assert column_of(["7", "3", "99"], "valid")[0] == ("numeric", 1, "")


NUMBERS = [str(n) for n in range(100)]


@pytest.mark.parametrize(
    ("cells", "name", "expected"),
    [
        (
            [*NUMBERS, "3", "4", "5"], "x",
            ("identifier", 0, "counts the rows; 100 different in 103 rows"),
        ),
        ([*NUMBERS, "3", "4", "5", "6", "7", "8"], "x", ("numeric", 1, "")),
        ([*NUMBERS, ""], "x", ("identifier", 0, "counts the rows; 100 different in 101 rows")),
        ([f"n{n}" for n in [*NUMBERS, 3]], "x", ("identifier", 0, "100 different in 101 rows")),
        ([f"{n}1" for n in [*NUMBERS, 3]], "x", ("numeric", 1, "")),
        (
            [f"{n}1" for n in [*NUMBERS, 3]], "user_id",
            ("identifier", 0, "100 different in 101 rows, and named like an identifier"),
        ),
        ([f"{n}.5" for n in [*NUMBERS, 3]], "id", ("numeric", 1, "")),
    ],
)  # fmt: skip
def test_an_identifier_may_repeat_in_some_rows(cells, name, expected):
    assert column_of(cells, name)[0] == expected


def test_numbers_count_the_rows_even_if_some_rows_are_not_used():
    assert column_of(["1", "2", "5"], rows_read=5)[0][0] == "identifier"
    assert column_of(["1", "2", "5"], rows_read=4)[0][0] == "numeric"


def test_dates_become_three_standardized_numbers():
    _, inputs = column_of(["2020-01-31", "2022-03-01", ""])  # Friday, Tuesday
    np.testing.assert_allclose(inputs[:2].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(inputs[2], 0, atol=1e-6)  # the median of two is their mean
    assert (np.sign(inputs[1]) == [1, 1, -1]).all()


def test_spellings_that_differ_only_in_case_share_an_input():
    _, inputs = column_of(["Red", "red", "red", "blue", "blue"])
    np.testing.assert_array_equal(inputs[:, 1], [1, 1, 1, 0, 0])


# --- the target --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "counts", "left_out", "remark"),
    [
        (["a", "b", ""] * 5, {"a": 5, "b": 5}, {"no label": 5}, ""),
        (
            ["a", "b"] * 5 + ["c", "c", "d"], {"a": 5, "b": 5},
            {"class too rare to be split: 'c', 'd'": 3}, "",
        ),
        (["yes", "no", "Yes", "yes"] * 3, {"yes": 9, "no": 3}, {}, "'yes', 'Yes' are one, 'yes'"),
        (["01", "1"] * 3, {"01": 3, "1": 3}, {}, ""),
        (["1.0", "2.0", "2"] * 3, {"1": 3, "2": 6}, {}, ""),
        (["1.0", "b"] * 3, {"1.0": 3, "b": 3}, {}, ""),
        (["NA", "EU", "none"] * 3, {"NA": 3, "EU": 3, "none": 3}, {}, "'NA', 'none' is a class"),
        (["0.5", "1.0", "1.5"] * 3, {"0.5": 3, "1": 3, "1.5": 3}, {}, ""),
        ([str(n % 100) for n in range(300)], {str(n): 3 for n in range(100)}, {}, ""),
    ],
)  # fmt: skip
def test_which_rows_have_a_class(cells, counts, left_out, remark):
    found = read_labels(cells, "here", list)
    assert found.counts == counts
    assert len(found.labels) == len(cells)
    assert found.left_out == left_out
    assert remark in "; ".join(found.remarks)
    assert bool(remark) == bool(found.remarks)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([f"{n}.5" for n in range(60)], "has 60 distinct numbers such as 0.5, a quantity"),
        ([f"{n % 21}.5" for n in range(90)], "has 21 distinct numbers such as 0.5, a quantity"),
        ([str(n % 101) for n in range(900)], "has 101 distinct numbers such as 0, a quantity"),
        ([str(n % 50) for n in range(100)], "has 50 distinct numbers such as 0, a quantity"),
        ([f"${n},000" for n in range(60)], "has 60 distinct numbers such as $0,000, a quantity"),
        (["a"] * 9 + ["", ""], "has only the class 'a' (examples: 9)"),
        ([""] * 9, "has no classes: its cells are empty (rows: 9)"),
        (["a"] * 9 + ["b", "c"], "fewer than two classes of 3 examples or more"),
        ([f"n{n}" for n in range(60)], "(distinct labels: 60, rows: 60)"),
    ],
)
def test_what_can_be_no_target(cells, words):
    assert not could_be_target(cells)
    with pytest.raises(UserError) as caught:
        read_labels(cells, "'a.csv', column 'x'", lambda: ["kind", "color"])
    message = str(caught.value)
    assert message.startswith("'a.csv', column 'x' has ")
    assert words in message
    assert message.endswith("; name another column by TARGET=, such as 'kind', 'color'")
    with pytest.raises(UserError, match="give a table with a column of labels that repeat"):
        read_labels(cells, "here", list)


def test_it_is_said_how_to_leave_out_rows_whose_class_looks_missing():
    (remark,) = read_labels(["NA", "a", "b"] * 3, "here", list).remarks
    assert remark.endswith("; empty these cells of the target to leave their rows out")


def test_what_could_be_a_target():
    assert could_be_target(["a", "b"] * 5)
    assert could_be_target(["0", "1"] * 5 + [""])
    assert not could_be_target(["a", "b"] * 5 + [""] * 2)


# --- the whole ---------------------------------------------------------------------------------


def source_of(folder, rows, names=("size", "color", "kind"), target=None):
    path = folder / "given.csv"
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))
    return read(str(path), target)


def rows_of_two_classes(count=40):
    rng = np.random.default_rng(0)
    colors = rng.choice(["red", "blue"], count)
    return [[f"{rng.normal():.6f}", colors[n], "ab"[n % 2]] for n in range(count)]


def test_rows_without_a_class_are_left_out_of_everything(tmp_path):
    rows = [*rows_of_two_classes(), ["9", "red", ""], ["8", "green", "rare"]]
    source = source_of(tmp_path, rows)
    understood = source.understood
    assert (understood.rows_read, understood.rows_used) == (42, 40)
    assert understood.left_out == {"no label": 1, "class too rare to be split: 'rare'": 1}
    assert understood.classes == {"a": 20, "b": 20}
    assert [(c.name, c.kind, c.inputs) for c in understood.columns] == [
        ("size", "numeric", 1),
        ("color", "categories", 2),
    ]
    assert (understood.file, understood.target) == ("given.csv", "kind")
    assert understood.warnings == ()
    assert understood.parts == (24, 8, 8)
    assert sum(map(len, source.split(0).parts)) == 40


def test_labels_01_and_1_stay_two_classes(tmp_path):
    rows = [[*row[:2], {"a": "1", "b": "01"}[row[2]]] for row in rows_of_two_classes()]
    assert source_of(tmp_path, rows).class_names == ("01", "1")


def test_a_target_that_can_be_none_names_those_that_could(tmp_path):
    rows = [[kind, color, size] for size, color, kind in rows_of_two_classes()]
    with pytest.raises(UserError, match=r"'size' has .* TARGET=, such as 'kind', 'color'$"):
        source_of(tmp_path, rows, names=("kind", "color", "size"))


def test_a_table_is_read_once_as_long_as_its_file_is_the_same(tmp_path):
    rows = rows_of_two_classes()
    assert source_of(tmp_path, rows) is not source_of(tmp_path, [*rows, rows[0]])
    path = str(tmp_path / "given.csv")
    assert read(path) is read(path)
    assert read(path, "color") is not read(path)


# --- what smells -------------------------------------------------------------------------------


def warnings_of(folder, rows, **options):
    return source_of(folder, rows, **options).understood.warnings


def test_a_column_that_gives_the_classes_away(tmp_path):
    rows = rows_of_two_classes()
    for column in (0, 1):
        leaky = [list(row) for row in rows]
        for n, row in enumerate(leaky):
            row[column] = [f"{n % 2 + n / 1000}", "xy"[n % 2]][column]
        (warning,) = warnings_of(tmp_path, leaky)
        name = ("size", "color")[column]
        assert warning.startswith(f"'{name}' alone predicts 100.0% of the classes (always the most")


def test_nothing_is_given_away_where_one_class_is_nearly_all(tmp_path):
    rows = [[f"{n % 20 // 19 + n / 1000}", "x", "ab"[n % 20 // 19]] for n in range(200)]
    assert warnings_of(tmp_path, rows) == ()


def test_an_identifier_in_the_order_of_the_classes(tmp_path):
    rows = sorted(rows_of_two_classes(), key=lambda row: row[2])
    rows = [[n, *row] for n, row in enumerate(rows, 1)]
    names = ("Id", "size", "color", "kind")
    (warning,) = warnings_of(tmp_path, rows, names=names)
    assert warning.startswith("the identifier 'Id', left out, is in the order of the classes;")
    mixed = [[n, *row[1:]] for n, row in enumerate(sorted(rows, key=lambda row: row[1]))]
    assert warnings_of(tmp_path, mixed, names=names) == ()


def test_repeated_rows_are_counted(tmp_path):
    rows = rows_of_two_classes()
    (warning,) = warnings_of(tmp_path, [*rows, rows[3], rows[3]])
    assert warning.startswith("rows that repeat another one: 2 of 42;")
    rows = [[f"name {n}", *row] for n, row in enumerate([*rows, rows[3]])]
    (warning,) = warnings_of(tmp_path, rows, names=("name", "size", "color", "kind"))
    assert warning.startswith("rows that repeat another one, identifiers aside: 1 of 41;")


def test_a_class_of_less_than_one_percent(tmp_path):
    rows = rows_of_two_classes(400)
    for row in rows[:3]:
        row[2] = "rare"
    assert warnings_of(tmp_path, rows) == ("classes with less than 1% of the rows: 'rare'",)


def test_columns_that_are_nearly_constant(tmp_path):
    rows = [[n * 1.5, color, kind] for n, (_, color, kind) in enumerate(rows_of_two_classes(200))]
    for n, row in enumerate(rows):
        row[1] = "red" if n else "blue"
        row[0] = 1.5 if n > 2 else 0.5
    (warning,) = (w for w in warnings_of(tmp_path, rows) if "one value" in w)
    assert warning == "columns with one value in 99% of the rows or more: 'color'"


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["x", "7"] * 3, "taken for categories, but looks like numbers but for 'x'; correct"),
        (["<5", ">1,000"] * 3, "numbers and limits, which are none ('<5', '>1,000'); write the"),
        (["7,5", "7,25"] * 3, "numbers written in several ways ('7,5', '0.5'); write all in one"),
        (["x", "y", "z", "u", "v", "w"], ""),  # not nearly numbers
        (["k.A.", "#DIV/0!", "n.a.", "", "?", "5"], ""),  # numbers and missing ones
    ],
)
def test_numbers_that_are_taken_for_text(cells, words, tmp_path):
    rows = rows_of_two_classes()
    for n, row in enumerate(rows):
        row[0] = f'"{cells[n]}"' if n < len(cells) else f"{n}.5".replace("6.5", "0.5")
    warnings = [warning for warning in warnings_of(tmp_path, rows) if "'size'" in warning]
    assert bool(warnings) == bool(words)
    assert words in "".join(warnings)


def test_times_are_no_numbers(tmp_path):
    rows = [[f"{n // 60}:{n % 60:02}", *row[1:]] for n, row in enumerate(rows_of_two_classes())]
    (warning,) = (w for w in warnings_of(tmp_path, rows) if "'size'" in w)
    assert warning.endswith("looks like times; write them as numbers, such as minutes")


@pytest.mark.parametrize(
    ("marker", "low", "high"),
    [(-999, 0.5, 19.5), (999, 0.5, 19.5), (-99, 0.5, 950.5), (-999, -18.5, 0.5)],
)
def test_numbers_that_stand_for_missing_ones(marker, low, high, tmp_path):
    rows = [
        [low + n % 20 / 19 * (high - low), *row[1:]] for n, row in enumerate(rows_of_two_classes())
    ]
    rows[3][0] = rows[8][0] = marker
    (warning,) = (w for w in warnings_of(tmp_path, rows) if "missing number" in w)
    assert warning == (
        f"'size' is {marker} in 2 rows, but {low} to {high} elsewhere; if that stands for a "
        "missing number, empty these cells"
    )


@pytest.mark.parametrize(("marker", "high"), [(-998, 19), (999, 950), (-999, -900)])
def test_numbers_that_are_only_far_or_only_look_like_a_marker(marker, high, tmp_path):
    rows = [[high * (n % 20) / 19, *row[1:]] for n, row in enumerate(rows_of_two_classes())]
    rows[3][0] = rows[8][0] = marker
    assert not any("missing number" in w for w in warnings_of(tmp_path, rows))


@pytest.mark.parametrize(("start", "is_coarse"), [(1_700_000_000, True), (1_700_000, False)])
def test_numbers_that_float32_can_hardly_tell_apart(start, is_coarse, tmp_path):
    rows = [[start + 60 * (n * 7 % 20), *row[1:]] for n, row in enumerate(rows_of_two_classes())]
    found = [warning for warning in warnings_of(tmp_path, rows) if "float32" in warning]
    spread = np.std([row[0] for row in rows])
    assert found == is_coarse * [
        f"'size' holds numbers up to {start + 1140} with a standard deviation of {spread:.3g}, but "
        f"a saved model reads them in steps of 128 (float32); subtract {start} from all of them"
    ]


def test_two_columns_can_not_have_one_name_among_the_inputs(tmp_path):
    rows = [[3 * n % 11, 2 * n % 7, *row] for n, row in enumerate(rows_of_two_classes())]
    with pytest.raises(UserError, match="'a/b' and 'a_b' are both called 'a_b' among a model's"):
        warnings_of(tmp_path, rows, names=("a/b", "a_b", "size", "color", "kind"))


def test_columns_that_are_equal(tmp_path):
    rows = [[row[0], *row] for row in rows_of_two_classes()]
    (warning,) = warnings_of(tmp_path, rows, names=("a", "b", "color", "kind"))
    assert warning == "columns that are equal in every row: 'a', 'b'; one of them is enough"


def test_numbers_of_which_each_is_a_category_may_have_a_word_among_them(tmp_path):
    rows = [[n % 11 or "many", *row[1:]] for n, row in enumerate(rows_of_two_classes())]
    assert not any("'size'" in warning for warning in warnings_of(tmp_path, rows))


def test_numbers_with_several_units(tmp_path):
    rows = rows_of_two_classes()
    for n, row in enumerate(rows):
        row[0] = f"{n}.5 {'kg' if row[1] == 'red' else 'g'}"
    (warning,) = (w for w in warnings_of(tmp_path, rows) if "'size'" in w)
    assert "an identifier, but looks like numbers with several units ('g', 'kg')" in warning
    for n, row in enumerate(rows):
        row[0] = f"{n}{'abcdef'[n % 6]}"  # seats in a train
    assert not any("units" in w for w in warnings_of(tmp_path, rows))


# --- groups ------------------------------------------------------------------------------------


def groups_csv(tmp_path, groups, labels):
    rows = [f"{n * 1.5},{g},{k}" for n, (g, k) in enumerate(zip(groups, labels, strict=True))]
    path = tmp_path / "visits.csv"
    path.write_text("\n".join(["size,patient,kind", *rows]) + "\n", encoding="utf-8")
    return str(path)


def test_a_group_stays_in_one_part_of_every_split(tmp_path):
    random = np.random.default_rng(0)
    groups = random.permutation(np.arange(120) // 4)  # thirty of four rows
    path = groups_csv(tmp_path, groups, np.where(groups % 3, "ill", "well"))
    source = read(path, group="patient")
    assert list(source.raw) == ["size"]
    assert "'patient' is no input: its 30 groups of rows stay together" in (
        source.understood.remarks
    )
    splits = [source._rows(seed) for seed in range(4)]
    for parts in splits:
        assert sorted(np.concatenate(parts)) == list(range(120))
        assert [len(part) for part in parts] == pytest.approx([72, 24, 24], abs=8)
        of_part = [set(groups[part]) for part in parts]
        assert sum(map(len, of_part)) == 30  # none is in two
    assert len({tuple(sorted(parts[2])) for parts in splits}) == 4


def test_rows_without_a_group_stand_alone(tmp_path):
    groups = ["", "", *(np.arange(98) // 2)]
    source = read(groups_csv(tmp_path, groups, ["a", "b"] * 50), group="patient")
    assert source.groups[0] != source.groups[1]
    assert len(set(source.groups)) == 51


@pytest.mark.parametrize(
    ("options", "groups", "words"),
    [
        ({"group": "patent"}, np.arange(60), "has no column 'patent' .did you mean 'patient'"),
        ({"group": "kind"}, np.arange(60), "the group can't be the target, 'kind'"),
        ({"group": "patient"}, np.arange(60) // 30, "leave a class in 2 of them; .* needs 5"),
    ],
)
def test_groups_that_cannot_be_used(options, groups, words, tmp_path):
    path = groups_csv(tmp_path, groups, ["a", "b"] * 30)
    with pytest.raises(UserError, match=words):
        read(path, **options)
