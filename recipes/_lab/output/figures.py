"""Numbers by seed -> figures: lines with bands, dots with intervals."""

import io

import matplotlib
import matplotlib.cm
import matplotlib.colors
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy import stats

# Okabe and Ito 2008, without the yellow: colours that colour-blind readers can tell apart; line
# styles differ too, for print and for lines that cross.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def _dot(number):
    """Return colour and marker of dots by the number of their label: 49 pairs, then in turn."""
    colour, turn = number % len(COLOURS), number // len(COLOURS)
    return COLOURS[colour], MARKERS[(colour + turn) % len(MARKERS)]


def interval(values):
    """Return mean and half-width of the 95 % t interval over axis 0 (seeds); NaN at one seed."""
    values = np.asarray(values, float)
    seeds = len(values)
    if seeds < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    error = values.std(axis=0, ddof=1) / np.sqrt(seeds)
    return values.mean(axis=0), stats.t.ppf(0.975, seeds - 1) * error


def png(figure):
    """Return a figure as the bytes of a PNG image."""
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120)
    return content.getvalue()


def lines(layout, *, x_label, y_label, x_scale="linear", y_scale="linear", limits=None):
    """Draw lines with bands over seeds, one panel a setting.

    Args:
        layout: `{panel title: {line label: (x, values)}}` with x (points,) and values (seeds,
            points), or (1, points) where there is no spread to show; NaN leaves a gap. A label
            has one colour and style in all panels.
        x_label: of the x axis, with its unit.
        y_label: of the y axis, with its unit.
        x_scale: "linear" or "log".
        y_scale: "linear" or "log".
        limits: of the y axis, in the unit, or None.

    Returns:
        A matplotlib figure.
    """
    labels = list(dict.fromkeys(label for panel in layout.values() for label in panel))
    figure, axes = _grid(layout, labels, x_label, y_label)
    drawn, seeds = {}, 1
    for ax, panel in zip(axes.flat, layout.values(), strict=False):
        for label, (x, values) in panel.items():
            number = labels.index(label)
            colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
            seeds = max(seeds, len(values))
            mean, half = interval(values)
            points = {} if len(x) > 12 else {"marker": MARKERS[number % len(MARKERS)], "ms": 3.5}
            (drawn[label],) = ax.plot(x, mean, style, color=colour, linewidth=1.6, **points)
            ax.fill_between(x, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
        ax.set(xscale=x_scale, yscale=y_scale)
    all_x = [x for panel in layout.values() for x, _ in panel.values()]
    whole = all(float(number).is_integer() for x in all_x for number in x)
    if whole and x_scale == "linear":  # epochs, say
        axes[0, 0].xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if limits:
        axes[0, 0].set_ylim(*limits)
    _legend(figure, drawn, f"line: mean over {seeds} seeds; band: its 95 % interval", seeds)
    return figure


def dots(layout, *, x_label, limits=None, x_scale="linear"):
    """Draw a row for every variant: each seed as a dot, the mean with its interval.

    Args:
        layout: `{panel title: {row label: values}}` with values (seeds,); or, for several in one
            row, told apart by colour, `{panel title: {row label: {dot label: values}}}`.
        x_label: of the x axis, with its unit.
        limits: of the x axis, in the unit, or None.
        x_scale: "linear" or "log".

    Returns:
        A matplotlib figure.
    """
    layout = {
        title: {
            row: in_row if isinstance(in_row, dict) else {"": in_row}
            for row, in_row in by_row.items()
        }
        for title, by_row in layout.items()
    }
    rows = list(dict.fromkeys(row for by_row in layout.values() for row in by_row))
    all_rows = [in_row for by_row in layout.values() for in_row in by_row.values()]
    labels = list(dict.fromkeys(label for in_row in all_rows for label in in_row))
    longest = max(map(len, rows))
    height = 0.3 * len(rows) * (1 + 0.35 * (len(labels) - 1)) + 0.4
    figure, axes = _grid(
        layout, labels, x_label, "", panel=(3.1, height), left=0.075 * longest + 0.3
    )
    drawn, seeds = {}, 1
    for ax, by_row in zip(axes.flat, layout.values(), strict=False):
        for row, in_row in by_row.items():
            for label, values in in_row.items():
                number = labels.index(label)
                seeds = max(seeds, len(values))
                y = rows.index(row) + 0.7 * ((number + 0.5) / len(labels) - 0.5)
                mean, half = interval(values)
                colour, marker = _dot(number)
                ax.plot(values, np.full(len(values), y + 0.11), ".", color=colour, alpha=0.35, ms=4)
                drawn[label] = ax.errorbar(
                    mean, y, xerr=np.nan_to_num(half), fmt=marker, color=colour, ms=5, capsize=3
                )
        ax.set_yticks(range(len(rows)), rows, fontsize=9)
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xscale(x_scale)
    if limits:
        axes[0, 0].set_xlim(*limits)
    drawn = drawn if labels != [""] else {}
    legend = f"large: mean over {seeds} seeds with its 95 % interval; small: each seed"
    _legend(figure, drawn, legend, seeds)
    return figure


def scatter(values, scores, *, y_label, logarithmic=()):
    """Draw a score over each hyperparameter, one panel each, a dot a trial.

    Args:
        values: `{name: (trials,)}`, numbers or words.
        scores: (trials,).
        y_label: of the y axis, with its unit.
        logarithmic: names of those on a logarithmic axis.

    Returns:
        A matplotlib figure.
    """
    columns = min(4, len(values))
    rows = -(-len(values) // columns)
    width, height = max(3.0 * columns + 0.9, 5.0), 2.5 * rows + 0.4
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.15 / width,
        bottom=0.55 / height,
        top=1 - 0.2 / height,
        wspace=0.1,
        hspace=0.35,
    )
    for ax, (name, of_trials) in zip(axes.flat, values.items(), strict=False):
        known = [n for n, value in enumerate(of_trials) if value is not None]
        shown = [of_trials[n] for n in known]
        shown = [str(value) if isinstance(value, bool | str) else value for value in shown]
        ax.plot(shown, np.asarray(scores)[known], "o", color=COLOURS[0], alpha=0.5, ms=4, mew=0)
        if name in logarithmic:
            ax.set_xscale("log")
        ax.set_xlabel(name, fontsize=9)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(values) :]:
        ax.set_visible(False)
    figure.supylabel(y_label, fontsize=10, x=0.12 / width)
    return figure


def trials(layout, *, y_label, logarithmic=True, limits=(0, 103)):
    """Draw clouds of dots, a dot a trial, one panel a hyperparameter or setting.

    Args:
        layout: `{(panel title, x label): {label: (x, y)}}`, x and y (trials,) each.
        y_label: of the y axis, with its unit.
        logarithmic: whether the x axes are.
        limits: of the y axis, in the unit.

    Returns:
        A matplotlib figure.
    """
    labels = list(dict.fromkeys(label for panel in layout.values() for label in panel))
    columns = min(len(layout), 3 if len(layout) != 4 else 2)
    rows = -(-len(layout) // columns)
    figure = Figure(figsize=(3.5 * columns + 0.8, 2.7 * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    drawn, first = {}, {}
    for ax, ((title, x_label), panel) in zip(axes.flat, layout.items(), strict=False):
        if first.setdefault(x_label, ax) is not ax:
            ax.sharex(first[x_label])
        for label, (x, y) in panel.items():
            colour, marker = _dot(labels.index(label))
            (drawn[label],) = ax.plot(
                x, y, linestyle="", marker=marker, color=colour, alpha=0.45, ms=4, mew=0
            )
        ax.set_title(title, fontsize=9)
        ax.set(xlabel=x_label, ylim=limits, xscale="log" if logarithmic else "linear")
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(layout) :]:
        ax.set_visible(False)
    figure.supylabel(y_label, fontsize=10)
    if len(labels) > 1:
        figure.legend(
            drawn.values(), drawn.keys(), loc="outside upper center", ncols=4, frameon=False
        )
    return figure


def pictures(x, titles, *, shape, marked=None):
    """Draw examples in rows of eight: images, or the inputs of a vector as bars.

    Args:
        x: (examples, ...), 24 at the most.
        titles: of each, of two short lines at the most.
        shape: of one example, (height, width, channels) or (features,).
        marked: which of them have a frame in a colour of its own, and a star; or None.

    Returns:
        A matplotlib figure.
    """
    rows = -(-len(x) // 8)
    height = 1.65 * rows + 0.2
    figure = Figure(figsize=(10, height))
    axes = figure.subplots(rows, 8, squeeze=False)
    figure.subplots_adjust(
        left=0.01, right=0.99, bottom=0.1 / height, top=1 - 0.45 / height, wspace=0.1, hspace=0.45
    )
    marked = np.zeros(len(x), bool) if marked is None else marked
    for ax, example, title, mark in zip(axes.flat, x, titles, marked, strict=False):
        if len(shape) == 3:
            image = np.reshape(example, shape)
            ax.imshow(image.clip(0, 1), cmap="gray_r", vmin=0, vmax=1)
        else:
            ax.bar(range(np.size(example)), np.ravel(example), color="0.5")
            ax.set_ylim(np.min(x), np.max(x))
        colour = COLOURS[int(mark)]
        text = title.replace("$", r"\$") + (" *" if mark else "")
        ax.set_title(text, fontsize=8, color=colour)
        ax.spines[:].set(color=colour, linewidth=2)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    for ax in axes.flat[len(x) :]:
        ax.set_visible(False)
    return figure


def paths(layout, surface):
    """Draw paths in a plane on the contours of a surface, one panel each.

    Args:
        layout: `{panel title: path}`, a path being its points in order, (points, 2).
        surface: `surface(points)` returns the height of points (..., 2); 0 is the lowest.

    Returns:
        A matplotlib figure.
    """
    points = np.concatenate(list(layout.values()))
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.08 * (high - low)
    grid = np.linspace(low - margin, high + margin, 120)
    plane = np.stack(np.meshgrid(*grid.T), axis=-1)
    heights = surface(plane)
    levels = heights.max() * np.linspace(0, 1, 10)[1:] ** 2
    figure, axes = _grid(layout, [], "x", "y", panel=(3.8, 1.9))
    for ax, path in zip(axes.flat, layout.values(), strict=False):
        ax.grid(visible=False)
        ax.contour(*grid.T, heights, levels=levels, colors="0.8", linewidths=0.8)
        ax.plot(*path.T, ".-", color=COLOURS[0], linewidth=1, ms=5)
        ax.plot(*path[0], MARKERS[0], color=COLOURS[1], ms=6)
    label = f"{len(points) // len(layout) - 1} steps from the orange dot; contours: equal height"
    figure.suptitle(label, fontsize=9, y=1 - 0.12 / figure.get_figheight(), va="top")
    return figure


def parallel(places, ends, scores, *, label):
    """Draw parallel coordinates: an axis a hyperparameter, a line a trial, its colour the score.

    Args:
        places: `{name: (trials,)}`, where on its axis each trial lies, from 0 to 1.
        ends: `{name: (lowest, highest value)}`, written at the ends of the axis.
        scores: (trials,).
        label: of the colours, with their unit.

    Returns:
        A matplotlib figure.
    """
    figure = Figure(figsize=(1.6 * len(places) + 2.2, 4.0), layout="constrained")
    ax = figure.subplots()
    lines = np.stack([np.asarray(place, float) for place in places.values()], axis=1)
    scores = np.asarray(scores, float)
    low, high = scores.min(), max(scores.max(), scores.min() + 1e-9)
    colours = matplotlib.colormaps["viridis_r"]
    for n in np.argsort(scores):  # the best on top
        share = (scores[n] - low) / (high - low)
        ax.plot(lines[n], color=colours(share), alpha=0.25 + 0.65 * share, linewidth=1.2)
    for position, (lowest, highest) in enumerate(ends.values()):
        ax.axvline(position, color="#888", linewidth=0.8)
        for y, value, place in ((-0.03, lowest, "top"), (1.03, highest, "bottom")):
            text = value if isinstance(value, bool | str) else f"{value:.3g}"
            ax.text(position, y, text, ha="center", va=place, fontsize=8)
    ax.set_xticks(range(len(places)), list(places), fontsize=9)
    ax.tick_params(axis="x", length=0, pad=16)
    ax.set(ylim=(-0.02, 1.02), yticks=[])
    ax.spines[:].set_visible(False)
    scale = matplotlib.cm.ScalarMappable(matplotlib.colors.Normalize(low, high), colours)
    figure.colorbar(scale, ax=ax, label=label)
    return figure


def importance(intervals, *, x_label):
    """Draw the importance of each hyperparameter with its interval, the largest on top.

    Args:
        intervals: `{name: (mean, half-width of the 95 % interval)}`.
        x_label: of the x axis, with its unit.

    Returns:
        A matplotlib figure.
    """
    intervals = dict(sorted(intervals.items(), key=lambda item: item[1]))
    figure = Figure(figsize=(6.5, 0.4 * len(intervals) + 1.3), layout="constrained")
    ax = figure.subplots()
    means, halves = zip(*intervals.values(), strict=True)
    dots = ax.errorbar(
        means, range(len(intervals)), xerr=halves, fmt="o", color=COLOURS[0], capsize=3, ms=5
    )
    ax.axvline(0, color="#888", linewidth=0.8)
    ax.set_yticks(range(len(intervals)), list(intervals))
    ax.set_ylim(-0.6, len(intervals) - 0.4)
    ax.set_xlabel(x_label)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend([dots], ["mean with its 95 % interval"], frameon=False, fontsize=9)
    return figure


def _grid(layout, labels, x_label, y_label, *, panel=(3.1, 2.0), left=0.75):
    """Return a figure with a panel for each title, in inches, and its axes."""
    # Two beside each other can be read on a phone; more where there are too many to scroll.
    columns = min(2 if len(layout) <= 6 else 4, len(layout))
    if len(layout) < 3 and panel[1] == 2.0:
        panel = (4.2, 2.9)
    rows = -(-len(layout) // columns)
    width = max(panel[0] * columns + left, 6.2)
    named = [label for label in labels if label]
    legend = 0.4 + 0.2 * -(-len(named) // _legend_columns(named, width))
    titles = 0.25 if any(layout) else 0.05
    height = panel[1] * rows + 0.65 + titles + legend
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # Margins in inches: matplotlib's layout engines take longer than the drawing.
    figure.subplots_adjust(
        left=left / width,
        right=1 - 0.25 / width,  # half of a number at the end of the axis
        bottom=0.65 / height,
        top=1 - (legend + titles) / height,
        wspace=0.08,
        hspace=0.3,
    )
    for ax, title in zip(axes.flat, layout, strict=False):
        ax.set_title(title, fontsize=9)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(layout) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(layout) - columns) : len(layout)]:  # the lowest of each column
        ax.tick_params(labelbottom=True)
    figure.supxlabel(x_label, fontsize=10, y=0.12 / height)
    if y_label:
        figure.supylabel(y_label, fontsize=10, x=0.12 / width)
    return figure, axes


def _legend(figure, drawn, text, seeds):
    if seeds == 1 and list(drawn) == [""]:  # a line that needs no name, and has no band
        return
    if list(drawn) == [""]:
        drawn = {}
    figure.legend(
        drawn.values(),
        drawn.keys(),
        loc="upper center",
        ncols=_legend_columns(list(drawn), figure.get_figwidth()),
        frameon=False,
        title=text if seeds > 1 else "one seed",
        title_fontsize=9,
        fontsize=9,
    )


def _legend_columns(labels, width):
    """Return in how many columns, four at most, a legend fits a figure's width in inches."""
    for count in range(min(4, len(labels)), 1, -1):
        columns = np.array_split(labels, count)  # as matplotlib fills them
        # At 9 points a letter takes about 0.068 inches, a line with its space 0.6.
        if sum(0.068 * max(map(len, column)) + 0.6 for column in columns) <= width:
            return count
    return 1
