"""Which variants stand in which panel and on which line, and what is drawn of them."""

import math
import types

import numpy as np
import pytest
from scipy import stats

from recipes._lab.measures import Measure
from recipes._lab.output import charts
from recipes._lab.tuning.searches import Searches

PANELS, LINES = (0.1, 1.0), ("with", "without")


@pytest.fixture
def results(made_up):
    rng = np.random.default_rng(0)
    runs = {
        (line, panel): [{"accuracy": rng.random(4), "val_loss": rng.random(4)} for _ in range(3)]
        for line in LINES
        for panel in PANELS
    }
    results = made_up(runs)
    results.labels = {(line, panel): (line, f"std {panel:g}") for line, panel in runs}
    return results


def visible(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_panel_shows_mean_and_interval_of_its_lines(results):
    figure = charts.panels(results, each=PANELS, lines=LINES)
    assert [ax.get_title() for ax in visible(figure)] == ["std 0.1", "std 1"]
    assert labels(figure) == ["with", "without"]
    for ax, panel in zip(visible(figure), PANELS, strict=True):
        assert len(ax.lines) == len(ax.collections) == 2
        for line, band, label in zip(ax.lines, ax.collections, LINES, strict=True):
            percent = results.curve("train_accuracy", (label, panel))  # (seeds, epochs + 1)
            np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2, 3])
            np.testing.assert_allclose(line.get_ydata(), percent.mean(axis=0))
            half = stats.t.ppf(0.975, 2) * percent.std(axis=0, ddof=1) / math.sqrt(3)
            corners = band.get_paths()[0].vertices
            for epoch in range(4):
                y = corners[corners[:, 0] == epoch, 1]
                assert y.min() == pytest.approx(line.get_ydata()[epoch] - half[epoch])
                assert y.max() == pytest.approx(line.get_ydata()[epoch] + half[epoch])


def test_axes_are_labelled_with_units_and_the_legend_explains_lines_and_band(results):
    figure = charts.panels(results, each=PANELS, lines=LINES)
    assert figure.get_supxlabel() == "epoch (0 = before training)"
    assert figure.get_supylabel() == "training accuracy (%)"
    title = figure.legends[0].get_title().get_text()
    assert title == "line: mean over 3 seeds; band: its 95 % interval"
    loss = charts.panels(results, "val_loss", lines=LINES, each=PANELS[:1], limits=(0, 2))
    assert loss.get_supylabel() == "validation loss (nats)"
    (ax,) = visible(loss)
    assert ax.get_ylim() == (0, 2)
    expected = results.curve("val_loss", ("with", 0.1)).mean(axis=0)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected)


def test_without_lines_a_panel_shows_all_its_variants(results):
    assert labels(charts.panels(results, each=PANELS)) == ["with", "without"]
    figure = charts.panels(results)
    assert labels(figure) == ["with, std 0.1", "with, std 1", "without, std 0.1", "without, std 1"]
    assert len(visible(figure)) == 1


def test_several_metrics_of_a_variant_are_lines(results):
    metrics = {"training": "train_accuracy", "validation": "val_accuracy"}
    figure = charts.panels(results, metrics, each=results.keys)
    assert labels(figure) == ["training", "validation"]
    assert figure.get_supylabel() == "accuracy (%)"
    assert [ax.get_title() for ax in visible(figure)] == list(results.names.values())
    drawn = visible(figure)[2].lines[1].get_ydata()
    expected = results.curve("val_accuracy", ("without", 0.1)).mean(axis=0)
    np.testing.assert_allclose(drawn, expected)


def test_a_measure_along_a_hyperparameter(results):
    test = results.final("test_accuracy")
    train = results.final("train_accuracy")
    figure = charts.lines(
        {"training": train, "test": test}, along=PANELS, lines=LINES, x_label="std", x_scale="log"
    )
    assert labels(figure) == ["with, training", "with, test", "without, training", "without, test"]
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("std", "training accuracy (%)")
    (ax,) = visible(figure)
    assert ax.get_xscale() == "log"
    for line, (arm, of) in zip(
        ax.lines, [(a, m) for a in LINES for m in (train, test)], strict=True
    ):
        np.testing.assert_array_equal(line.get_xdata(), PANELS)
        expected = [of[arm, panel].array().mean() for panel in PANELS]
        np.testing.assert_allclose(line.get_ydata(), expected)


def test_a_row_of_dots_for_every_variant():
    measure = Measure({("a", 1.0): [1, 2, 3], ("b", 0.5): [4, 5, 6]}, "nats", "loss")
    figure = charts.dots(measure)
    (ax,) = visible(figure)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a, 1", "b, 0.5"]
    assert figure.get_supxlabel() == "loss (nats)"
    assert [line.get_xdata().tolist() for line in ax.lines if len(line.get_xdata()) == 3] == [
        [1, 2, 3],
        [4, 5, 6],
    ]
    split = charts.dots(measure, each=("a", "b"))
    assert [ax.get_title() for ax in visible(split)] == ["a", "b"]


def test_numbers_have_six_digits_or_as_many_as_tell_them_apart():
    sizes = (1000, 1001, 1024)
    assert labels_of_lines(sizes) == ["1000", "1001", "1024"]
    assert labels_of_lines((1 / 3, 0.1 + 0.2)) == ["0.333333", "0.3"]
    assert labels_of_lines((1_000_000, 1_000_001)) == ["1000000", "1000001"]
    assert labels_of_lines((0.3, 0.1 + 0.2)) == ["0.29999999999999999", "0.30000000000000004"]
    measure = Measure({("a", size): [size, size] for size in sizes})
    (ax,) = visible(charts.dots(measure, each=("a",)))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["1000", "1001", "1024"]
    assert [ax.get_title() for ax in visible(charts.dots(measure, each=sizes))] == [
        "1000",
        "1001",
        "1024",
    ]


def labels_of_lines(numbers):
    """The labels of lines that lie at such numbers."""
    measure = Measure({(number, x): [number, number] for number in numbers for x in (1, 2)})
    figure = charts.lines(measure, along=(1, 2), lines=numbers, x_label="x")
    (ax,) = visible(figure)
    assert [line.get_ydata().tolist() for line in ax.lines] == [[n, n] for n in numbers]
    return labels(figure)


def test_trials_of_all_repetitions_over_their_hyperparameters():
    def search(shift):
        values = {"learning_rate": np.array([0.1, 0.2]) + shift, "units": np.array([3, 4])}
        return types.SimpleNamespace(values=values, val_accuracy=np.array([50, 60]) + shift)

    keys = [("wide", "random"), ("wide", "grid"), ("narrow", "grid")]
    found = Searches({key: [search(n), search(n + 10)] for n, key in enumerate(keys)})
    figure = charts.trials(found, "learning_rate", each=("wide", "narrow"))
    wide, narrow = figure.axes
    assert [ax.get_title() for ax in figure.axes] == ["wide", "narrow"]
    assert [len(ax.lines) for ax in figure.axes] == [2, 1]
    assert wide.lines[1].get_xdata() == pytest.approx([1.1, 1.2, 11.1, 11.2])
    assert wide.lines[1].get_ydata() == pytest.approx([51, 61, 61, 71])
    assert wide.lines[1].get_color() == narrow.lines[0].get_color()  # both a grid
    assert (wide.get_xscale(), wide.get_xlabel()) == ("log", "learning rate")
    assert narrow.get_xlim() == wide.get_xlim()
    assert figure.get_supylabel() == "validation accuracy (%)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["random", "grid"]
    figure = charts.trials(found, "learning_rate", repetitions=1)
    assert len(figure.axes[0].lines[0].get_xdata()) == 2
    axes = {"learning_rate": "rate", "units": "units"}
    figure = charts.trials(found, axes, logarithmic=False)
    assert [ax.get_xlabel() for ax in figure.axes] == ["rate", "units"]
    assert [ax.get_xscale() for ax in figure.axes] == ["linear", "linear"]
    assert [len(ax.lines) for ax in figure.axes] == [3, 3]
