"""Results and measures -> figures: which variants stand in which panel, on which line."""

from collections.abc import Mapping

import numpy as np

from recipes._lab.measures import matching, without
from recipes._lab.output import figures
from recipes._lab.results import label_of, unit_of

EPOCHS = "epoch (0 = before training)"


def panels(results, metric="train_accuracy", *, each=None, lines=None, limits=None):
    """Draw learning curves with bands over seeds: one panel a setting, one line a variant.

    Args:
        results: a `Results`.
        metric: what to draw; or `{line label: metric}` for several of one variant.
        each: parts of the keys, a panel for each; None for one panel.
        lines: parts of the keys, a line for each; None for all variants of a panel.
        limits: of the y axis; None for 0 to 103 % of an accuracy, else those of the values.

    Returns:
        A matplotlib figure.
    """
    metrics = metric if isinstance(metric, Mapping) else {"": metric}
    layout = {}
    for panel in [None] if each is None else each:
        keys = results.matching(panel)
        chosen = {results.label(key, leave_out=panel): key for key in keys}
        if lines is not None:
            named = _labels(lines).items()
            chosen = {label: results.key(line, *_parts(panel)) for line, label in named}
        layout[_title(results, keys, panel)] = {
            _joined(label if len(chosen) > 1 else "", name): _curve(results, metric, key)
            for label, key in chosen.items()
            for name, metric in metrics.items()
        }
    first = next(iter(metrics.values()))
    label = label_of(first)
    if len(metrics) > 1:
        label = label.partition(" ")[2]
    unit = unit_of(first)
    return figures.lines(
        layout,
        x_label=EPOCHS,
        y_label=f"{label} ({unit})" if unit else label,
        limits=limits or ((0, 103) if first.endswith("accuracy") else None),
    )


def lines(
    measures, *, along, x_label, each=None, lines=None, y_label=None, limits=None, x_scale="linear"
):
    """Draw measures over a hyperparameter, with bands over seeds.

    Args:
        measures: a `Measure`, or `{line label: Measure}`.
        along: the values on the x axis, which are parts of the keys.
        x_label: of the x axis, with its unit.
        each: parts of the keys, a panel for each; None for one panel.
        lines: parts of the keys, a line for each; None for one line a measure.
        y_label: of the y axis, with its unit; None for what the first measure says.
        limits: of the y axis, in the unit, or None.
        x_scale: "linear" or "log".

    Returns:
        A matplotlib figure.
    """
    measures = measures if isinstance(measures, Mapping) else {"": measures}
    first = next(iter(measures.values()))
    layout = {}
    for panel, title in _labels(each).items():
        layout[title] = {
            _joined(label, name): (list(along), _along(measure, along, panel, line))
            for line, label in _labels(lines).items()
            for name, measure in measures.items()
        }
    return figures.lines(
        layout, x_label=x_label, y_label=y_label or _axis(first), limits=limits, x_scale=x_scale
    )


def dots(measures, *, each=None, x_label=None, limits=None, x_scale="linear"):
    """Draw a row for every variant: each seed as a dot, the mean with its interval.

    Args:
        measures: a `Measure`, or `{label: Measure}` for several dots in one row.
        each: parts of the keys, a panel for each; None for one panel.
        x_label: of the x axis, with its unit; None for what the first measure says.
        limits: of the x axis, in the unit, or None.
        x_scale: "linear" or "log".

    Returns:
        A matplotlib figure.
    """
    measures = measures if isinstance(measures, Mapping) else {"": measures}
    first = next(iter(measures.values()))
    titles = _labels(each)
    shown = [
        (panel, name, key, values)
        for panel in titles
        for name, measure in measures.items()
        for key, values in (measure if panel is None else measure[panel]).values.items()
    ]
    labels = _labels([key for _, _, key, _ in shown])
    layout = {}
    for panel, name, key, values in shown:
        rows = layout.setdefault(titles[panel], {})
        rows.setdefault(labels[key], {})[name] = values
    label = x_label or _axis(first)
    return figures.dots(layout, x_label=label, limits=limits, x_scale=x_scale)


def trials(searches, along, *, each=None, repetitions=None, logarithmic=True):
    """Draw the validation accuracy of trials over their hyperparameters, a dot a trial.

    Args:
        searches: `Searches`.
        along: name of the hyperparameter on the x axis; or `{name: label of the axis}` for several,
            a panel each.
        each: parts of the keys, a row of panels for each, or a panel if there is one
            hyperparameter; None for one row. What is left of the keys is told apart by colour.
        repetitions: whose trials are drawn, the first so many; None for all of them.
        logarithmic: whether the x axes are.

    Returns:
        A matplotlib figure.
    """
    axes = along if isinstance(along, Mapping) else {along: along.replace("_", " ")}
    titles = _labels(each)
    keys_of = {p: searches.keys if p is None else matching(searches.keys, p) for p in titles}
    rests = {(p, key): without(key, _parts(p)) for p, keys in keys_of.items() for key in keys}
    labels = _labels(rests.values())
    layout = {}
    for part, keys in keys_of.items():
        for name, label in axes.items():
            layout[titles[part], label] = {
                labels[rests[part, key]]: (
                    np.concatenate([s.values[name] for s in searches[key][:repetitions]]),
                    np.concatenate([s.val_accuracy for s in searches[key][:repetitions]]),
                )
                for key in keys
            }
    return figures.trials(layout, y_label="validation accuracy (%)", logarithmic=logarithmic)


def _curve(results, metric, key):
    values = results.curve(metric, key)
    (evaluated,) = np.nonzero(~np.isnan(values).all(axis=0))
    return evaluated, values[:, evaluated]


def _along(measure, along, panel, line):
    """Return a measure at each value on the x axis, (seeds, points)."""
    for part in (*_parts(panel), *_parts(line)):
        measure = measure[part]
    return np.stack([measure[value].array() for value in along], axis=1)


def _axis(measure):
    return f"{measure.label} ({measure.unit})" if measure.label else measure.unit


def _parts(part):
    return () if part is None else (part,)


def _title(results, keys, part):
    """Return how the variants call a part of their keys, such as "init_std 0.01"."""
    return "" if part is None else results.label(keys[0], only=part)


def _labels(parts):
    """Return `{part: label}` of parts of keys, or `{None: ""}` without any.

    Numbers have six digits at the most, or as many as tell them apart.
    """
    parts = [None] if parts is None else list(dict.fromkeys(parts))
    for digits in (6, 15, 17):
        labels = {part: _text(part, digits) for part in parts}
        if len(set(labels.values())) == len(parts):
            break
    return labels


def _text(part, digits):
    if part is None:
        return ""
    if isinstance(part, tuple):
        return ", ".join(_text(element, digits) for element in part)
    return part if isinstance(part, str) else f"{part:.{digits}g}"


def _joined(*labels):
    return ", ".join(filter(None, labels))
