"""What figures show: the data that was drawn, axes, legends and colours."""

import io
import itertools
import math

import matplotlib
import matplotlib.colors
import numpy as np
import pytest
from matplotlib import image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats

from recipes._lab.output import figures


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


def visible(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def style(line):
    return matplotlib.colors.to_hex(line.get_color()), line.get_linestyle()


def test_lines_look_different_and_the_same_in_every_panel():
    x, values = [0, 1], np.ones((3, 2))
    labels = [f"line {n}" for n in range(9)]
    layout = {
        "all": dict.fromkeys(labels, (x, values)),
        "two": dict.fromkeys(("line 5", "line 1"), (x, values)),
    }
    first, second = visible(figures.lines(layout, x_label="x", y_label="y"))
    styles = [style(line) for line in first.lines]
    assert len(set(styles)) == 9
    assert len({colour for colour, _ in styles[:7]}) == 7
    assert [style(line) for line in second.lines] == [styles[5], styles[1]]
    for line, band in zip(first.lines, first.collections, strict=True):
        assert matplotlib.colors.to_hex(band.get_facecolor()[0]) == style(line)[0]


# lines

X = np.array([1.0, 10.0, 100.0, 1000.0])


def seeds_of(*shape, seed=0):
    return np.random.default_rng(seed).uniform(1, 2, shape)


def edges(band, x):
    """The lowest and the highest y at a point of the x axis that a band has."""
    corners = np.concatenate([path.vertices for path in band.get_paths()])
    y = corners[corners[:, 0] == x, 1]
    return y.min(), y.max()


def titled(figure):
    """Panels by title."""
    return {ax.get_title(): ax for ax in visible(figure)}


def test_lines_lie_on_the_means_and_bands_on_their_intervals():
    layout = {
        "one": {"a": (X, seeds_of(3, 4)), "b": (X[:2], seeds_of(5, 2, seed=1))},
        "two": {"b": (X[1:], seeds_of(3, 3, seed=2))},
    }
    figure = figures.lines(layout, x_label="examples", y_label="accuracy (%)")
    assert list(titled(figure)) == ["one", "two"]
    for title, of in layout.items():
        ax = titled(figure)[title]
        assert len(ax.lines) == len(ax.collections) == len(of)
        for line, band, (x, values) in zip(ax.lines, ax.collections, of.values(), strict=True):
            np.testing.assert_array_equal(line.get_xdata(), x)
            np.testing.assert_allclose(line.get_ydata(), values.mean(axis=0))
            for point, at in zip(x, values.T, strict=True):
                interval = stats.ttest_1samp(at, 0).confidence_interval(0.95)
                np.testing.assert_allclose(edges(band, point), interval)
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("examples", "accuracy (%)")


def test_a_label_has_its_colour_and_one_entry_of_the_legend_wherever_it_is():
    layout = {
        "one": {"a": (X, seeds_of(3, 4)), "b": (X, seeds_of(4, 4))},
        "two": {"c": (X, seeds_of(1, 4)), "a": (X, seeds_of(3, 4))},
    }
    figure = figures.lines(layout, x_label="x", y_label="y")
    one, two = visible(figure)
    styles = {"a": style(one.lines[0]), "b": style(one.lines[1]), "c": style(two.lines[0])}
    assert style(two.lines[1]) == styles["a"]
    assert len(set(styles.values())) == len({colour for colour, _ in styles.values()}) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b", "c"]
    assert [style(handle) for handle in legend.legend_handles] == list(styles.values())
    assert legend.get_title().get_text() == "line: mean over 4 seeds; band: its 95 % interval"


def test_short_labels_of_a_legend_stand_side_by_side_and_long_ones_below_each_other():
    def columns(*labels):
        layout = {"": dict.fromkeys(labels, (X, seeds_of(3, 4)))}
        figure = figures.lines(layout, x_label="x", y_label="y")
        figure.draw(FigureCanvasAgg(figure).get_renderer())
        texts = figure.legends[0].get_texts()
        return len({round(text.get_window_extent().x0) for text in texts})

    assert columns("SGD", "Momentum", "AdaGrad", "Adam") == 4
    assert columns(*(f"batch normalization, batches of {n}" for n in (4, 8, 16, 32))) == 2
    assert columns(*(f"{'batch normalization, ' * 3}{n}" for n in range(3))) == 1


def test_one_seed_has_a_line_without_a_band():
    figure = figures.lines({"": {"a": (X, seeds_of(1, 4))}}, x_label="x", y_label="y")
    (ax,) = visible(figure)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), seeds_of(1, 4)[0])
    assert ax.collections[0].get_paths() == []
    assert figure.legends[0].get_title().get_text() == "one seed"


def test_a_single_line_without_a_name_needs_no_legend():
    figure = figures.lines({"": {"": ([1, 2], np.ones((1, 2)))}}, x_label="x", y_label="y")
    assert figure.legends == []


def test_nan_leaves_a_gap_in_line_and_band():
    values = seeds_of(3, 6)
    values[1, 2] = math.nan
    figure = figures.lines({"": {"a": (np.arange(6), values)}}, x_label="x", y_label="y")
    (ax,) = visible(figure)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), values.mean(axis=0))
    assert np.isnan(ax.lines[0].get_ydata()).tolist() == [n == 2 for n in range(6)]
    spans = [set(path.vertices[:, 0]) for path in ax.collections[0].get_paths()]
    assert spans == [{0, 1}, {3, 4, 5}]


def test_axes_of_lines_may_be_logarithmic_and_limited():
    layout = {title: {"a": (X, seeds_of(3, 4))} for title in ("one", "two")}
    labels = {"x_label": "x", "y_label": "y"}
    scales = {"x_scale": "log", "y_scale": "log", "limits": (0.5, 4)}
    for ax in visible(figures.lines(layout, **labels, **scales)):
        assert (ax.get_xscale(), ax.get_yscale(), ax.get_ylim()) == ("log", "log", (0.5, 4))
    for ax in visible(figures.lines(layout, **labels, x_scale="log")):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
        low, high = ax.get_ylim()
        assert low < 1.5 < high < 10  # wide enough for the band, and no wider than need be


def test_a_few_points_are_marked_and_many_are_not():
    def marker(count):
        layout = {"": {label: (np.arange(count), seeds_of(3, count)) for label in "ab"}}
        (ax,) = visible(figures.lines(layout, x_label="x", y_label="y"))
        return [line.get_marker() for line in ax.lines]

    assert marker(12) == ["o", "s"]
    assert marker(13) == ["None", "None"]


# dots

ARMS = {
    "one": {"with BN": {"plain": [1.0, 2.0, 4.0], "tuned": [5.0, 6.0, 7.5]}},
    "two": {"without": {"tuned": [3.0, 3.5, 5.0]}, "with BN": {"plain": [2.0, 2.5]}},
}


def dots_of(ax):
    """What a panel of `dots` shows: [(values of the seeds, mean, ends of its bar, y, colour)]."""
    found = []
    seeds = [line for line in ax.lines if line.get_marker() == "."]
    for small, (large, _, (bar,)) in zip(seeds, ax.containers, strict=True):
        (ends,) = bar.get_segments()
        ((mean, y),) = large.get_xydata()
        assert ends[:, 1].tolist() == [y, y]
        colours = {matplotlib.colors.to_hex(line.get_color()) for line in (small, large)}
        colours.add(matplotlib.colors.to_hex(bar.get_color()[0]))
        (colour,) = colours
        assert set(small.get_ydata()) == {y + 0.11}  # beside the mean
        found.append((small.get_xdata().tolist(), mean, ends[:, 0].tolist(), y, colour))
    return found


def test_dots_show_every_seed_and_the_mean_with_its_interval():
    rows = {"with BN": [1.0, 2.0, 4.0], "without": [5.0, 6.0, 7.5]}
    figure = figures.dots({"digits": rows}, x_label="test accuracy (%)", limits=(0, 9))
    (ax,) = visible(figure)
    assert ax.get_title() == "digits"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["with BN", "without"]
    assert ax.get_yticks().tolist() == [0, 1]
    for position, (values, mean, ends, y, _) in enumerate(dots_of(ax)):
        expected = list(rows.values())[position]
        assert values == expected
        assert mean == pytest.approx(np.mean(expected))
        interval = stats.ttest_1samp(expected, 0).confidence_interval(0.95)
        np.testing.assert_allclose(ends, interval)
        assert y == position
    bottom, top = ax.get_ylim()
    assert bottom > top  # the first row on top
    assert ax.get_xlim() == (0, 9)
    assert (figure.get_supxlabel(), figure.get_supylabel()) == ("test accuracy (%)", "")
    (legend,) = figure.legends
    assert legend.get_texts() == []
    expected = "large: mean over 3 seeds with its 95 % interval; small: each seed"
    assert legend.get_title().get_text() == expected


def test_several_dots_of_a_row_differ_in_colour_and_place():
    figure = figures.dots(ARMS, x_label="x")
    one, two = (dots_of(ax) for ax in visible(figure))
    for ax in visible(figure):  # a row has one place in all panels
        assert ax.get_yticks().tolist() == [0, 1]
    labels = [tick.get_text() for tick in visible(figure)[0].get_yticklabels()]
    assert labels == ["with BN", "without"]
    plain, tuned = (colour for *_, colour in one)
    assert plain != tuned
    assert [colour for *_, colour in two] == [tuned, plain]
    assert [values for values, *_ in two] == [[3.0, 3.5, 5.0], [2.0, 2.5]]
    assert [round(y, 6) for *_, y, _ in one + two] == [-0.175, 0.175, 1.175, -0.175]
    markers = [large.get_marker() for ax in visible(figure) for large, *_ in ax.containers]
    assert markers == ["o", "s", "s", "o"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["plain", "tuned"]
    assert legend.get_title().get_text().startswith("large: mean over 3 seeds")
    shown = [matplotlib.colors.to_hex(handle.get_color()[0]) for handle in legend.legend_handles]
    assert shown == [plain, tuned]


def test_the_dot_of_one_seed_has_no_interval():
    figure = figures.dots({"": {"row": [4.0]}}, x_label="x")
    ((values, mean, ends, _, _),) = dots_of(visible(figure)[0])
    assert (values, mean, ends) == ([4.0], 4.0, [4.0, 4.0])
    assert figure.legends[0].get_title().get_text() == "one seed"


# Dots of many labels


def test_dots_of_fifty_labels_differ_but_for_the_last():
    clouds = {f"label {n}": ([1.0, 2.0], [50.0, 60.0]) for n in range(50)}
    (ax,) = visible(figures.trials({("", "x"): clouds}, y_label="y"))
    looks = [(line.get_color(), line.get_marker()) for line in ax.lines]
    assert looks[:2] == [("#0072B2", "o"), ("#D55E00", "s")]
    assert looks[7] == ("#0072B2", "s")
    assert len(set(looks[:49])) == 49
    assert looks[49] == looks[0]
    row = {label: [1.0, 2.0] for label in clouds}
    (ax,) = visible(figures.dots({"": {"row": row}}, x_label="x"))
    assert [(large.get_color(), large.get_marker()) for large, *_ in ax.containers] == looks


# scatter, parallel, importance: of searches

TRIALS = {
    "rate": [0.001, 0.1, 0.01],
    "units": [10, 30, 20],
    "function": ["relu", "tanh", "relu"],
    "batch_norm": [True, False, True],
    "dropout": [0.5, None, 0.25],
}
SCORES = [90.0, 50.0, 95.0]


def test_a_scatter_has_a_dot_a_trial_wherever_the_value_was_used():
    figure = figures.scatter(TRIALS, SCORES, y_label="accuracy (%)", logarithmic=["rate"])
    panels = {ax.get_xlabel(): ax for ax in visible(figure)}
    assert list(panels) == list(TRIALS)
    assert figure.get_supylabel() == "accuracy (%)"
    for name, ax in panels.items():
        (line,) = ax.lines
        assert (line.get_linestyle(), line.get_marker()) == ("None", "o")
        assert ax.get_xscale() == ("log" if name == "rate" else "linear")
    shown = {name: ax.lines[0] for name, ax in panels.items()}
    for name in ("rate", "units", "function", "batch_norm"):
        assert shown[name].get_ydata().tolist() == SCORES
    for name in ("rate", "units"):
        assert list(shown[name].get_xdata()) == TRIALS[name]
    assert list(shown["dropout"].get_xdata()) == [0.5, 0.25]
    assert shown["dropout"].get_ydata().tolist() == [90.0, 95.0]
    for name, words in (("function", ["relu", "tanh"]), ("batch_norm", ["True", "False"])):
        ticks = panels[name].get_xticklabels()
        assert [tick.get_text() for tick in ticks] == words
        assert shown[name].get_xdata(orig=False).tolist() == [0, 1, 0]


def test_parallel_coordinates_lead_each_trial_to_its_places():
    places = {"rate": [0.0, 1.0, 0.5], "units": [0.2, 0.4, math.nan], "function": [0.25, 0.75, 0.5]}
    ends = {"rate": (0.00001, 0.12345), "units": (10, 100), "function": ("relu", True)}
    figure = figures.parallel(places, ends, SCORES, label="accuracy (%)")
    ax, bar = figure.axes
    trials = [line for line in ax.lines if len(line.get_xdata()) == 3]
    order = [1, 0, 2]  # from the worst to the best, which is on top
    for line, trial in zip(trials, order, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2])
        np.testing.assert_array_equal(line.get_ydata(), [of[trial] for of in places.values()])
        share = (SCORES[trial] - 50) / 45
        assert line.get_color() == matplotlib.colormaps["viridis_r"](share)
    assert trials[0].get_alpha() < trials[1].get_alpha() < trials[2].get_alpha() <= 1
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list(places)
    written = {(text.get_position()[0], text.get_position()[1] > 0.5): text for text in ax.texts}
    expected = [("1e-05", "0.123"), ("10", "100"), ("relu", "True")]
    for position, pair in enumerate(expected):
        assert tuple(written[position, end].get_text() for end in (False, True)) == pair
    assert bar.get_ylabel() == "accuracy (%)"
    assert bar.get_ylim() == (50, 95)


def test_importances_are_ordered_with_their_intervals():
    found = {"units": (0.1, 0.05), "rate": (0.7, 0.2), "dropout": (-0.02, 0.03)}
    figure = figures.importance(found, x_label="growth of the error")
    (ax,) = figure.axes
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["dropout", "units", "rate"]
    bottom, top = ax.get_ylim()
    assert bottom < 0 < 2 < top  # the largest is above the others
    ((dots, _, (lines,)),) = ax.containers
    assert dots.get_xydata().tolist() == [[-0.02, 0], [0.1, 1], [0.7, 2]]
    ends = [segment.tolist() for segment in lines.get_segments()]
    expected = [[(-0.05, 0), (0.01, 0)], [(0.05, 1), (0.15, 1)], [(0.5, 2), (0.9, 2)]]
    np.testing.assert_allclose(ends, expected, atol=1e-12)
    assert ax.get_xlabel() == "growth of the error"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "mean with its 95 % interval"
    ]


# Paths


PATHS = {"one": np.array([[-4.0, 2.0], [1.0, -1.0]]), "other": np.array([[0.0, 1.0], [0.0, 0.0]])}


def test_a_path_is_drawn_from_its_start_on_contours_around_the_lowest_point():
    figure = figures.paths(PATHS, lambda points: np.square(points).sum(axis=-1))
    first, second = figure.axes
    assert [ax.get_title() for ax in (first, second)] == ["one", "other"]
    path, start = first.lines
    np.testing.assert_array_equal(path.get_xydata(), PATHS["one"])
    np.testing.assert_array_equal(start.get_xydata(), PATHS["one"][:1])
    assert first.get_xlim() == second.get_xlim()
    assert first.get_xlim()[0] <= -4 < 1 <= first.get_xlim()[1]
    (contours,) = first.collections
    radii = [np.linalg.norm(line.vertices, axis=1) for line in contours.get_paths()[:3]]
    assert all(np.ptp(radius) < 0.1 for radius in radii)  # circles
    assert radii[0].mean() < radii[1].mean() < radii[2].mean()


# As pictures


def many_lines(panels, count, label="line number {}", **options):
    lines = {label.format(n): (X, seeds_of(3, 4, seed=n)) for n in range(count)}
    layout = {f"panel {n}": lines for n in range(panels)}
    return figures.lines(layout, x_label="x", y_label="accuracy (%)", **options)


def many_dots(panels, labels):
    row = {f"dot {n}": seeds_of(3, seed=n) for n in range(labels)} if labels else seeds_of(3)
    layout = {f"panel {n}": {f"row number {k}": row for k in range(6)} for n in range(panels)}
    return figures.dots(layout, x_label="x")


GAPS = np.array([[1e-3, 1, 2, math.nan], [1, 2, 3, 4], [5, 1, 1, 1]])
LOG = {"x_scale": "log", "y_scale": "log"}
IMAGES = np.linspace(0, 1, 9 * 20).reshape(9, 20)
UNUSED = {"never": [None] * 3, "rate": [None] * 3}
PLACES = {"rate": [0.0, 1.0, 0.5], "units": [0.2, 0.4, 0.6]}
ENDS = {"rate": (1e-5, 0.1), "units": (10, 100)}
PICTURES = {
    "one line": lambda: many_lines(1, 1),
    "nine lines": lambda: many_lines(2, 9),
    "long labels": lambda: many_lines(1, 4, label="a rather long label, learning rate {}"),
    "five panels": lambda: many_lines(5, 4, limits=(0, 103)),
    "logarithmic": lambda: many_lines(2, 2, **LOG),
    "gaps": lambda: figures.lines({"": {"a": (X, GAPS)}}, x_label="x", y_label="y", **LOG),
    "dots": lambda: many_dots(1, 0),
    "dots of one seed": lambda: figures.dots({"": {"row": [1.0]}}, x_label="x"),
    "dots in panels": lambda: many_dots(4, 3),
    "scatter": lambda: figures.scatter(TRIALS, SCORES, y_label="y", logarithmic=["rate"]),
    "pictures": lambda: figures.pictures(IMAGES, ["a\nb $x_1$"] * 9, shape=(4, 5, 1)),
    "pictures of vectors": lambda: figures.pictures(
        IMAGES[:2] - 0.5, ["a", "b"], shape=(20,), marked=[False, True]
    ),
    "paths": lambda: figures.paths(PATHS, lambda points: np.square(points).sum(axis=-1)),
    "scatter unused": lambda: figures.scatter(UNUSED, SCORES, y_label="y", logarithmic=["rate"]),
    "parallel": lambda: figures.parallel(PLACES, ENDS, SCORES, label="y"),
    "parallel alike": lambda: figures.parallel(PLACES, ENDS, [50.0] * 3, label="y"),
    "importance": lambda: figures.importance({"a": (0.5, 0.1), "b": (0.1, 0.2)}, x_label="x"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_every_figure_becomes_a_picture_with_nothing_cut_off(name):
    figure = PICTURES[name]()
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    file.seek(0)
    pixels = image.imread(file)[..., :3]
    np.testing.assert_allclose(pixels.shape[1::-1], 50 * figure.get_size_inches(), atol=1)
    assert (pixels < 0.5).any()
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    assert 0 <= box.x0 < box.x1 <= figure.get_figwidth()
    assert 0 <= box.y0 < box.y1 <= figure.get_figheight()
    labels = figure.axes[0].get_yticklabels() if name.startswith("dots") else []
    for upper, lower in itertools.pairwise(labels):  # each has a row to itself
        assert upper.get_window_extent().y0 > lower.get_window_extent().y1
    if figure.legends:  # above the panels
        highest = max(ax.get_tightbbox().y1 for ax in visible(figure))
        assert figure.legends[0].get_window_extent().y0 > highest
