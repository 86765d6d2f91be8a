"""The table and the page show the numbers, and nothing of the page leaves it."""

import base64
import html.parser
import io
import math
import re

import numpy as np
import pytest
from matplotlib import image

from recipes._lab import evidence
from recipes._lab.lab import Claim
from recipes._lab.output import report

# rows


def test_rows_by_hand(hand_made):
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
    assert report.rows(hand_made(variants), list(variants)) == [
        ("good", "80.0 ± 24.8", "2", "0 of 3"),
        ("split", "35.0 ± 32.9", "never", "0 of 3"),
        ("alike", "60.0", "never", "0 of 3"),
        ("lost", "58.3 ± 71.7", "1", "1 of 3"),
    ]
    assert report.rows(hand_made(variants), ["alike"]) == [("alike", "60.0", "never", "0 of 3")]


def test_a_row_of_one_seed_has_no_interval(hand_made):
    histories = hand_made({"v": [{"accuracy": [0.1, 0.9], "test_accuracy": 0.8766}]})
    assert report.rows(histories, ["v"]) == [("v", "87.7", "1", "0 of 1")]


def test_columns_name_what_rows_hold():
    assert report.COLUMNS == (
        "variant",
        "test accuracy (%)",
        "epochs to 90%",
        "diverged",
    )


# page


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
    judgement = evidence.Judgement(
        "holds", 1.0, None, None, HOSTILE, 1, None, None, finding=f"finding {HOSTILE}"
    )
    return report.page(
        name=f"name {HOSTILE}",
        data=f"data {HOSTILE}",
        claims=[Claim(f"claim {HOSTILE}", f"source {HOSTILE}", True, judgement)],
        figures={f"figure-{HOSTILE}.png": png},
        table=[(f"variant {HOSTILE}", "80.0 ± 1.0", "2", "0 of 3")],
        source=f'"""question {HOSTILE}?\n\nUse: setting {HOSTILE}.\n"""\n# source code {HOSTILE}\n',
        run={
            "seeds": [0, 1, 2],
            "arguments": {"quick": True},
            "versions": {"keras": f"version {HOSTILE}"},
            "tuned": [{"variant": f"variant {HOSTILE}", "argument": HOSTILE, "value": 0.1}],
            "seconds": {"total": 1.5},
        },
    )


def test_every_text_of_the_page_is_escaped(png):
    text = hostile_page(png)
    page = Page(text)
    assert page.requests() == []
    assert "<script" not in text
    for what in (
        "name",
        "data",
        "question",
        "claim",
        "source",
        "finding",
        "variant",
        "version",
        "setting",
    ):
        assert f"{what} {HOSTILE}" in page.text
    assert f"source code {HOSTILE}" in page.text
    (attributes,) = [attributes for tag, attributes in page.tags if tag == "img"]
    assert attributes["alt"] == f"figure-{HOSTILE}.png"


def test_the_page_holds_everything_and_loads_nothing(png):
    text = hostile_page(png)
    assert not re.search(r"https?:|@import|url\(", text)
    (attributes,) = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    kind, _, content = attributes["src"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(content, validate=True) == png
    for words in (
        "holds",
        "80.0 ± 1.0",
        "0 of 3",
        "3 seeds",
        "for trying, not for judging",
        "1.5 s",
    ):
        assert words in Page(text).text
    for column in report.COLUMNS:
        assert column in Page(text).text


def test_the_page_of_a_run_is_whole(quick_run):
    run = quick_run()
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.requests() == []
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [attributes["alt"] for attributes in images] == ["figure.png", "figure-book-rate.png"]
    for attributes in images:
        content = base64.b64decode(attributes["src"].partition(",")[2])
        assert content == (run.folder / attributes["alt"]).read_bytes()
    # Header, 11 claims; header, 80 variants.
    assert [tag for tag, _ in page.tags].count("tr") == 1 + 11 + 1 + 80
