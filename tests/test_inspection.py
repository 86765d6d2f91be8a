"""What is found in one's own data is what was planted there."""

import base64

import numpy as np
import pytest

from recipes._lab import inspection
from recipes._lab.data import read
from recipes._lab.inspection import inspect
from recipes._lab.output import inspecting

WRONG = [3, 41, 77]


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch):
    """What is planted here is so plain that 50 trees find it."""
    monkeypatch.setattr(inspection, "TREES", 50)


def write(path, rows):
    path.write_text("\n".join(["a,b,kind", *rows]) + "\n", encoding="utf-8")
    return read(str(path))


@pytest.fixture
def clusters():
    """120 examples in two clusters far from each other: numbers, and their labels."""
    random = np.random.default_rng(0)
    y = np.arange(120) % 2
    return random.normal(size=(120, 2)) + 8 * y[:, None], y


def test_wrong_labels_are_the_least_believed(clusters, tmp_path):
    x, y = clusters
    labels = y.copy()
    labels[WRONG] = 1 - labels[WRONG]
    rows = [f"{a:.4f},{b:.4f},{'xy'[label]}" for (a, b), label in zip(x, labels, strict=True)]
    source = write(tmp_path / "a.csv", rows)
    found = inspect(source)
    assert {suspect.example for suspect in found.suspects} == set(WRONG)
    assert found.unbelieved == 3
    for suspect in found.suspects:
        assert (suspect.label, suspect.believed) == (
            "xy"[labels[suspect.example]],
            "xy"[y[suspect.example]],
        )
    assert found.scores.accuracy == pytest.approx(117 / 120)
    page = inspecting.page(source, found)
    assert "row 42" in page  # the 42nd below the names
    assert page.index("row 42") < page.index("Examples that repeat")


def test_nothing_is_found_where_nothing_is_wrong(clusters, tmp_path):
    x, y = clusters
    np.savez(tmp_path / "a.npz", x=x, y=y)
    found = inspect(read(str(tmp_path / "a.npz")))
    assert (found.suspects, found.repeated, found.contradicting) == ([], [], 0)


def test_equal_examples_are_found_those_with_several_labels_first(clusters, tmp_path):
    x, y = clusters
    x[[5, 7]] = x[9]  # of one label
    x[20] = x[21]  # of two
    rows = [f"{a:.4f},{b:.4f},{label}" for (a, b), label in zip(x, y, strict=True)]
    found = inspect(write(tmp_path / "a.csv", rows))
    assert [group.tolist() for group in found.repeated] == [[20, 21], [5, 7, 9]]
    assert found.contradicting == 1


def test_numbers_that_differ_in_their_last_digits_are_not_equal(tmp_path):
    rows = [f"{1_700_000_000 + 2 * n},{n % 3},{'xy'[n % 2]}" for n in range(60)]
    rows += [rows[7], rows[8][:-1] + "y"]
    found = inspect(write(tmp_path / "a.csv", rows))
    assert [group.tolist() for group in found.repeated] == [[8, 61], [7, 60]]
    assert found.contradicting == 1


def test_a_group_is_never_asked_about_itself(tmp_path):
    """A number that belongs to a group gives the label away, to whoever has seen the group."""
    random = np.random.default_rng(1)
    groups, values = np.arange(30).repeat(4), random.random(30).repeat(4)
    labels = (random.permutation(30) % 2).repeat(4)
    rows = [
        f"{value:.6f},p{group},{'xy'[label]}"
        for value, group, label in zip(values, groups, labels, strict=True)
    ]
    write(tmp_path / "a.csv", rows)
    path = str(tmp_path / "a.csv")
    assert inspect(read(path)).scores.accuracy > 0.85
    assert inspect(read(path, group="b")).scores.accuracy < 0.75


def test_a_date_is_shown_as_its_month_and_weekday(tmp_path):
    days = np.datetime64("2024-05-04") + 35 * (np.arange(40) % 2)  # a Saturday in May, one in June
    rows = [f"{day},{n},{'xy'[n % 2]}" for n, day in enumerate(days)]
    rows[0] = rows[0][:-1] + "y"
    source = write(tmp_path / "a.csv", rows)
    page = inspecting.page(source, inspect(source))
    assert "<td>2024-05, Sat</td>" in page


def test_a_number_is_shown_with_all_its_digits(tmp_path):
    rows = [f"{1_250_000 + n},{n / 10},{'xy'[n % 2]}" for n in range(40)]
    rows[3] = rows[2] = "1250013.25,0.1,x"
    source = write(tmp_path / "a.csv", rows)
    page = inspecting.page(source, inspect(source))
    assert "<td>1250013.25</td><td>0.1</td>" in "".join(page.split())


def test_a_forest_that_has_learned_nothing_doubts_no_label(tmp_path):
    y = np.arange(60) % 3 == 0
    np.savez(tmp_path / "a.npz", x=np.ones((60, 2)), y=y.astype(int))
    source = read(str(tmp_path / "a.npz"))
    found = inspect(source)
    assert not found.has_learned
    words = dict(inspecting.facts(found))["suspects"]
    assert words == "not looked for, since the forest is no better than a constant answer"
    page = inspecting.page(source, found)
    assert "Not looked for: a random forest is no better" in page
    assert "Look at the first ones" not in page


def test_no_label_is_doubted_where_all_are_right(tmp_path):
    y = np.arange(60) % 2
    np.savez(tmp_path / "a.npz", x=np.stack([y, y], axis=1), y=y)
    source = read(str(tmp_path / "a.npz"))
    page = inspecting.page(source, inspect(source))
    assert "<h2>Labels least believed</h2>\n<p>None.</p>" in page


def test_images_are_shown_and_texts_are_escaped(tmp_path):
    x = np.zeros((40, 5, 5), np.uint8)
    x[20:] = 255
    y = np.array(["<b>"] * 20 + ["day"] * 20)
    y[0] = "day"
    np.savez(tmp_path / "a.npz", x=x, y=y)
    source = read(str(tmp_path / "a.npz"))
    found = inspect(source)
    page = inspecting.page(source, found)
    assert "&lt;b&gt;" in page
    assert "<b><b>" not in page
    pictures = page.split("data:image/png;base64,")[1:]
    assert base64.b64decode(pictures[0].partition('"')[0]).startswith(b"\x89PNG")
    assert [suspect.example for suspect in found.suspects] == [0]
