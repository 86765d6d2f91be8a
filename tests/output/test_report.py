"""The table and the page show the numbers, and nothing of the page leaves it."""

import base64
import csv
import html.parser
import io
import itertools
import json
import math
import re

import jinja2
import keras
import numpy as np
import pytest
from matplotlib import image

from recipes._lab import catalogue, evidence
from recipes._lab.claim import Claim
from recipes._lab.data import Dataset, Split
from recipes._lab.data.understood import Column, Understood
from recipes._lab.output import pages, report, summary, understanding
from recipes._lab.results import Results
from recipes._lab.training import architecture, population
from recipes._lab.training.members import Member

# The table of variants


@pytest.fixture
def rows(made_up):
    """`rows(variants)` returns the table of made-up runs, `{name: [metrics, one a seed]}`."""

    def of(variants):
        _, found = summary.table(made_up(variants), {f"row {name}": (name,) for name in variants})
        return found

    return of


def test_rows_by_hand(rows):
    def run(accuracy, test):
        return {"accuracy": [0.1, *accuracy], "test_accuracy": test}

    variants = {
        "good": [run([0.5, 0.95], 0.9), run([0.95, 0.95], 0.8), run([0.8, 0.9], 0.7)],
        "split": [run([0.9, 0.9], 0.5), run([0.1, 0.1], 0.25), run([0.2, 0.1], 0.3)],
        "alike": [run([0.1, 0.3], 0.6)] * 3,
        "lost": [
            run([0.9, 0.1], 0.1) | {"loss": [1.5, 0.5, math.nan]},
            run([0.9, 0.9], 0.75),
            run([0.9, 0.9], 0.75),
        ],
    }
    # t = 4.30265 at 2 degrees of freedom. good: mean 80, standard deviation 10. split: mean 35,
    # deviations 15, -10, -5, variance 350 / 2. lost: 25 (chance), 75, 75; variance 2500 / 3.
    assert rows(variants) == [
        ("baseline: always '0'", "25.0", "", ""),
        ("row good", "80.0 ± 24.8", "2", "0 of 3"),
        ("row split", "35.0 ± 32.9", "never", "0 of 3"),
        ("row alike", "60.0", "never", "0 of 3"),
        ("row lost", "58.3 ± 71.7", "1", "1 of 3"),
    ]


def test_a_row_of_one_or_two_seeds_has_no_interval(rows):
    one = {"v": [{"accuracy": [0.1, 0.9], "test_accuracy": 0.8766}]}
    assert rows(one)[1] == ("row v", "87.7", "1", "0 of 1")
    two = {"v": [{"accuracy": [0.1, 0.9], "test_accuracy": accuracy} for accuracy in (0.4, 0.8)]}
    assert rows(two)[1] == ("row v", "60.0", "1", "0 of 2")


def test_the_threshold_lies_above_the_share_of_the_most_frequent_class(made_up):
    results = made_up({"v": [{"accuracy": [0.94, 0.96, 0.98]}]}, chance=0.94)
    columns, rows = summary.table(results, {"v": ("v",)})
    assert columns == ("variant", "test accuracy (%)", "epochs to 97 %", "diverged")
    assert rows == [("baseline: always '0'", "94.0", "", ""), ("v", "98.0", "2", "0 of 1")]


def test_uneven_classes_are_judged_by_their_balanced_accuracy():
    """Nine of ten examples are of one class, which a trained model always answers."""
    x = np.zeros((40, 2), np.float32)
    y = (np.arange(40) % 10 == 0).astype(np.int32)
    data = Dataset("d", ("often", "rare"), *[Split(x, y)] * 3)

    def build():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    member = Member("v", build, architecture.read(build), 0, data, epochs=1, batch_size=10)
    (result,) = population.train([member])
    results = Results({(("v",), 0): member}, {(("v",), 0): result}, {("v",): ("v",)})
    columns, rows = summary.table(results, {"v": ("v",)})
    assert columns[:3] == ("variant", "test accuracy (%)", "balanced (%)")
    assert rows[0][:3] == ("baseline: always 'often'", "90.0", "50.0")
    assert rows[1][:3] in {("v", "90.0", "50.0"), ("v", "10.0", "50.0")}


def claim(text, verdict):
    return Claim(text, "a book", False, evidence.Judgement(verdict, "exact", 1.0))


def test_the_advice_follows_from_the_verdicts_of_the_run():
    recipe = catalogue.parse("r", '"""Q?\n\nUse: this.\n"""')
    holds, fails, unknown = (
        claim(text, verdict)
        for text, verdict in (("a", "holds"), ("b", "does not hold"), ("c", "not detected"))
    )
    reference = {"digits": [{"claim": "a", "verdict": "holds"}, {"claim": "b", "verdict": "holds"}]}
    assert summary.use(recipe, [unknown], reference) == []
    assert summary.use(recipe, [holds, unknown], reference) == ["this."]
    assert summary.use(recipe, [holds, fails], reference) == [
        "this.",
        "but here: does not hold: b (holds on digits)",
    ]
    assert summary.use(recipe, [holds, fails], {}) == ["this."]


def test_tuned_values_are_gathered_by_argument():
    choices = [("a", "learning_rate", 0.03), ("b", "learning_rate", None), ("a", "units", 100.0)]
    fields = ("variant", "argument", "value")
    assert summary.tuned([dict(zip(fields, of, strict=True)) for of in choices]) == {
        "learning_rate": "a: 0.03; b: none",
        "units": "a: 100",
    }


# The page


HOSTILE = "<script>alert(1)</script> \"quoted\" & 'so' $name ${seeds}"


class Page(html.parser.HTMLParser):
    """What a browser would see: tags with their attributes, and the text between them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def requests(self):
        """Return what the page would load from elsewhere, or run."""
        found = [tag for tag, _ in self.tags if tag in ("script", "link", "iframe", "object")]
        for _, attributes in self.tags:
            for name, value in attributes.items():
                loads = name in ("src", "href", "srcset", "data", "action", "background")
                inside = value.startswith("data:image/png;base64,")
                if name.startswith("on") or (loads and not inside):
                    found.append((name, value))
        return found


@pytest.fixture(scope="module")
def png():
    file = io.BytesIO()
    image.imsave(file, np.zeros((2, 3, 3)), format="png")
    return file.getvalue()


def hostile_page(png):
    """A page on which every text that comes from data or files is hostile; one claim a verdict."""

    def claim(verdict):
        judgement = evidence.Judgement(verdict, "exact", 1.0, finding=f"finding {HOSTILE}")
        return Claim(f"claim {HOSTILE}", f"source {HOSTILE}", verdict == "holds", judgement)

    source = f'"""question {HOSTILE}?\n\nUse: setting {HOSTILE}.\n"""\n# code {HOSTILE}\n'
    return report.page(
        recipe=catalogue.parse(f"name {HOSTILE}", source),
        data=f"data {HOSTILE}",
        claims=[claim(verdict) for verdict in evidence.MARKS],
        figures={f"figure-{HOSTILE}.png": png},
        table=(("variant", "epochs to 90 %"), [(f"variant {HOSTILE}", "80.0 ± 1.0")]),
        run={
            "seeds": [0, 1, 2],
            "arguments": {"quick": True},
            "versions": {"keras": f"version {HOSTILE}"},
            "tuned": [{"variant": f"tuned {HOSTILE}", "argument": HOSTILE, "value": 0.1}],
            "remarks": [f"remark {HOSTILE}"],
            "seconds": {"total": 1.5},
        },
        understood=Understood(
            file=f"file {HOSTILE}",
            target=f"target {HOSTILE}",
            rows_read=12,
            left_out={f"reason {HOSTILE}": 2},
            classes={f"class {HOSTILE}": 6, "b": 4},
            columns=(Column(f"column {HOSTILE}", "text", 0, f"why {HOSTILE}"),),
            remarks=(f"note {HOSTILE}",),
            warnings=(f"warning {HOSTILE}",),
        ),
    )


def understood(columns, **changed):
    plain = {"file": "a.csv", "target": "kind", "rows_read": 9, "left_out": {}, "classes": {}}
    return Understood(**plain | changed, columns=tuple(columns))


def test_of_a_wide_table_only_what_is_not_plain_is_shown():
    plain = [Column(f"x{n}", "numeric", 1) for n in range(20)]
    odd = [Column("m", "numeric", 1, "2 missing"), Column("t", "text", 0, "why")]
    assert len(understanding.column_rows(understood(plain))) == 20
    rows = understanding.column_rows(understood([*plain, *odd]))
    assert rows == [("m", "numeric", "1", "2 missing"), ("t", "text, left out", "0", "why")]
    rows = understanding.column_rows(understood([*plain, *odd, *odd]), longest=1)
    assert rows[1:] == [("…", "text: 2, numeric: 1", "", "in run.json, too")]
    assert understanding.column_rows(understood([*plain, Column("y", "numeric", 1)])) == []


def test_facts_of_a_table_by_hand():
    columns = [Column("a", "numeric", 1), Column("b", "categories", 4), Column("c", "text", 0)]
    classes = {str(n): 1 for n in range(12)}
    changed = {"classes": classes, "left_out": {"no label": 7}, "rows_read": 19}
    table = understood(columns, **changed, remarks=("one",), warnings=("two",))
    shares = ", ".join(f"'{n}' 8.3%" for n in range(10))
    assert understanding.facts(table) == [
        ("table", "a.csv"),
        ("rows", "19 read, 12 used; left out, no label: 7"),
        ("target", f"'kind', 12 classes: {shares} and 2 more"),
        ("columns", "numeric: 1, categories: 1; inputs of a model: 5"),
        ("left out", "text: 1"),
        ("note", "one"),
        ("warning", "two"),
    ]


def test_every_text_of_the_page_is_escaped(png):
    text = hostile_page(png)
    page = Page(text)
    assert page.requests() == []
    assert "<script" not in text
    for what in (
        *("file", "reason", "column", "why", "note", "warning"),
        *("name", "data", "question", "setting", "code"),
        *("claim", "source", "finding", "variant", "tuned", "version", "remark"),
    ):
        assert f"{what} {HOSTILE}" in page.text, what
    for what in ("target", "class"):
        assert repr(f"{what} {HOSTILE}") in page.text, what
    (picture,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert picture["alt"] == f"figure-{HOSTILE}.png"


def test_the_page_holds_everything_and_loads_nothing(png):
    text = hostile_page(png)
    page = Page(text)
    assert not re.search(r"https?:|@import|url\(", text)
    assert "default-src 'none'" in text
    (picture,) = [attributes for tag, attributes in page.tags if tag == "img"]
    kind, _, content = picture["src"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content, validate=True) == png
    cells = ("80.0 ± 1.0", "epochs to 90 %")
    for words in (*cells, "3 seeds", "the verdicts mean nothing", "1.5 s"):
        assert words in page.text
    for verdict, mark in evidence.MARKS.items():
        assert f"{mark} {verdict}" in page.text
    assert [tag for tag, _ in page.tags].count("b") == 1 + 1  # the primary claim, and "Use:"


def test_the_page_of_a_run_is_whole(quick_run):
    run = quick_run()
    page = Page((run.folder / "report.html").read_text(encoding="utf-8"))
    assert page.requests() == []
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert {image["alt"] for image in images} == {p.name for p in run.folder.glob("figure*.png")}
    for picture in images:
        content = base64.b64decode(picture["src"].partition(",")[2])
        assert content == (run.folder / picture["alt"]).read_bytes()
    claims = json.loads((run.folder / "claims.json").read_text(encoding="utf-8"))
    for claim in claims:
        assert f"{evidence.MARKS[claim['verdict']]} {claim['verdict']}" in page.text
        assert claim["claim"] in page.text
        assert claim["detail"] in page.text
    with open(run.folder / "results.csv", newline="", encoding="utf-8") as file:
        variants = {row["variant"] for row in csv.DictReader(file)}
    # Two tables, each with a head; one has a row of the most frequent class as well.
    assert [tag for tag, _ in page.tags].count("tr") == 1 + len(claims) + 2 + len(variants)


# The templates


def test_a_value_that_a_template_was_not_given_is_an_error():
    with pytest.raises(jinja2.UndefinedError, match="'recipe' is undefined"):
        pages.render("run.html")


# Machado, Oliveira and Fernandes 2009, IEEE Trans. Vis. Comput. Graph. 15:1291: what dichromats see
# of linear RGB.
SIGHTS = {
    "trichromat": np.eye(3),
    "protanope": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranope": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "tritanope": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
# Ottosson 2020, Oklab: linear RGB -> cones -> a space in which equal distances look equal.
CONES = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
OKLAB = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]


def linear_rgb(colour):
    values = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize(("scheme", "background"), [("light", "#ffffff"), ("dark", "#121212")])
def test_the_colour_blind_can_tell_the_verdicts_apart_and_read_them(scheme, background):
    light, _, dark = pages.render("style.css").partition("@media")
    found = dict(re.findall(r"--(\w+): (#\w{6})\b", light if scheme == "light" else dark))
    assert set(pages.CLASSES) == set(evidence.MARKS)
    colours = [linear_rgb(found[name]) for name in pages.CLASSES.values()]
    for sight, matrix in SIGHTS.items():
        seen = [OKLAB @ np.cbrt(CONES @ np.clip(matrix @ rgb, 0, 1)) for rgb in colours]
        for one, other in itertools.combinations(seen, 2):
            # Four times what is just noticeable there, about .02.
            assert np.linalg.norm(one - other) > 0.08, (sight, list(found.items()))
    paper = linear_rgb(background) @ [0.2126, 0.7152, 0.0722]
    for rgb in colours:  # WCAG 2.2, 1.4.3
        ink = rgb @ [0.2126, 0.7152, 0.0722]
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5
