"""The table, the figures and the page show the numbers, and nothing of the page leaves it."""

import base64
import html.parser
import io
import math
import re

import matplotlib.colors
import numpy as np
import pytest
from matplotlib import image
from scipy import stats

from recipes._lab import evidence, figures, report
from recipes._lab.experiment import Claim


def test_the_interval_is_that_of_a_t_test():
    values = np.random.default_rng(0).normal(size=(5, 3))
    mean, half = figures.interval(values)
    for column in range(3):
        low, high = stats.ttest_1samp(values[:, column], 0).confidence_interval(0.95)
        assert (mean - half)[column] == pytest.approx(low)
        assert (mean + half)[column] == pytest.approx(high)


def test_an_interval_worked_out_by_hand():
    # Mean 3, variance 2.5, standard error .70711; t is 2.77645 at 4 degrees of freedom.
    mean, half = figures.interval([1, 2, 3, 4, 5])
    assert mean == 3
    assert half == pytest.approx(1.96324, abs=1e-5)


def test_one_seed_has_no_interval():
    mean, half = figures.interval([[0.25, 0.5]])
    np.testing.assert_array_equal(mean, [0.25, 0.5])
    assert np.isnan(half).all()


# panels


@pytest.fixture
def figure_of(hand_made):
    def draw(layout, seeds=3, **options):
        rng = np.random.default_rng(0)
        names = dict.fromkeys(variant for lines in layout.values() for variant in lines.values())
        runs = {name: [{"accuracy": rng.random(4)} for _ in range(seeds)] for name in names}
        histories = hand_made(runs)
        return figures.panels(histories, layout, **options), histories

    return draw


def visible(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def style(line):
    return matplotlib.colors.to_hex(line.get_color()), line.get_linestyle()


def test_every_panel_shows_mean_and_interval_of_its_lines(figure_of):
    layout = {"std 1": {"with": "a", "without": "b"}, "std .1": {"with": "c", "without": "d"}}
    figure, histories = figure_of(layout)
    assert [ax.get_title() for ax in visible(figure)] == list(layout)
    for ax, lines in zip(visible(figure), layout.values(), strict=True):
        assert len(ax.lines) == len(ax.collections) == 2
        for line, band, variant in zip(ax.lines, ax.collections, lines.values(), strict=True):
            percent = 100 * histories.curve("accuracy", variant)  # (seeds, epochs + 1)
            np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2, 3])
            np.testing.assert_allclose(line.get_ydata(), percent.mean(axis=0))
            half = stats.t.ppf(0.975, 2) * percent.std(axis=0, ddof=1) / math.sqrt(3)
            corners = band.get_paths()[0].vertices
            for epoch in range(4):
                y = corners[corners[:, 0] == epoch, 1]
                assert y.min() == pytest.approx(line.get_ydata()[epoch] - half[epoch])
                assert y.max() == pytest.approx(line.get_ydata()[epoch] + half[epoch])


def test_axes_are_labelled_with_units_and_the_legend_explains_lines_and_band(figure_of):
    figure, _ = figure_of({"std 1": {"with": "a", "without": "b"}})
    assert figure.get_supxlabel() == "epoch (0 = before training)"
    assert figure.get_supylabel() == "training accuracy (%)"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["with", "without"]
    assert legend.get_title().get_text() == "line: mean over 3 seeds; band: its 95 % interval"
    for handle, line in zip(legend.legend_handles, visible(figure)[0].lines, strict=True):
        assert style(handle) == style(line)


def test_one_seed_is_not_said_to_have_a_band(figure_of):
    figure, _ = figure_of({"std 1": {"with": "a"}}, seeds=1)
    assert figure.legends[0].get_title().get_text() == "one seed"


def test_other_metrics_have_their_own_label_unit_and_limits(figure_of):
    figure, _ = figure_of(
        {"std 1": {"with": "a"}}, metric="val_loss", label="loss (nats)", scale=1, limits=None
    )
    (ax,) = visible(figure)
    assert figure.get_supylabel() == "loss (nats)"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.ones(4))
    figure, _ = figure_of({"std 1": {"with": "a"}}, limits=(20, 60))
    assert visible(figure)[0].get_ylim() == (20, 60)


@pytest.mark.parametrize(("count", "grid"), [(1, (1, 1)), (4, (1, 4)), (5, (2, 4)), (16, (4, 4))])
def test_there_are_as_many_panels_as_settings(count, grid, figure_of):
    figure, _ = figure_of({f"setting {n}": {"with": "a"} for n in range(count)})
    assert len(visible(figure)) == count
    assert visible(figure)[0].get_gridspec().get_geometry() == grid


def test_lines_look_different_and_the_same_in_every_panel(figure_of):
    labels = [f"line {n}" for n in range(9)]
    layout = {"all": {label: label for label in labels}, "two": {"line 5": "x", "line 1": "y"}}
    figure, _ = figure_of(layout)
    first, second = visible(figure)
    styles = [style(line) for line in first.lines]
    assert len(set(styles)) == 9
    assert len({colour for colour, _ in styles[:7]}) == 7
    assert [style(line) for line in second.lines] == [styles[5], styles[1]]
    for line, band in zip(first.lines, first.collections, strict=True):
        assert matplotlib.colors.to_hex(band.get_facecolor()[0]) == style(line)[0]


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
        question=f"question {HOSTILE}",
        claims=[Claim(f"claim {HOSTILE}", f"source {HOSTILE}", True, judgement)],
        figures={f"figure-{HOSTILE}.png": png},
        table=[(f"variant {HOSTILE}", "80.0 ± 1.0", "2", "0 of 3")],
        source=f"source code {HOSTILE}",
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
    for what in ("name", "data", "question", "claim", "source", "finding", "variant", "version"):
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
