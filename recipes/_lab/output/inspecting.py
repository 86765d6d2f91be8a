"""What an inspection found in a user's data -> a page that shows the examples."""

import base64
import calendar
import io

import numpy as np

from recipes._lab.inspection import REPETITIONS
from recipes._lab.output import pages, understanding

LONGEST_CELL = 40  # characters
OF_A_GROUP = 6  # equal examples that are shown


def page(source, inspection):
    """Return the HTML of the page.

    Args:
        source: a `data.Source`.
        inspection: its `inspection.Inspection`.
    """
    suspects = [
        _shown(
            source,
            suspect.example,
            f"more likely {suspect.believed!r}: {suspect.probabilities[1]:.0%} against "
            f"{suspect.probabilities[0]:.0%}",
        )
        for suspect in inspection.suspects
    ]
    repeated = [
        [_shown(source, example, "") for example in group[:OF_A_GROUP]]
        for group in inspection.repeated[:REPETITIONS]
    ]
    return pages.render(
        "inspect.html",
        name=source.name,
        facts=[*understanding.facts_of(source), *facts(inspection)],
        data_columns=understanding.COLUMNS,
        data_rows=understanding.column_rows(source.understood) if source.understood else [],
        columns=list(source.raw) if isinstance(source.raw, dict) else [],
        inspection=inspection,
        suspects=suspects,
        repeated=repeated,
    )


def facts(inspection):
    """Return what an inspection found, as pairs of a heading and words."""
    scores = inspection.scores
    balanced = f", balanced {scores.balanced_accuracy:.1%}" if scores.is_uneven else ""
    doubted = (
        f"labels that it doubts: {inspection.unbelieved} of {len(inspection.examined)}"
        if inspection.has_learned
        else "not looked for, since the forest is no better than a constant answer"
    )
    return [
        (
            "forest",
            f"a random forest classifies {scores.accuracy:.1%} of held-out examples correctly"
            f"{balanced} (always the most frequent class: {scores.majority:.1%})",
        ),
        ("suspects", doubted),
        (
            "repeated",
            f"groups of equal examples: {len(inspection.repeated)}, with different labels: "
            f"{inspection.contradicting}",
        ),
        *(("warning", warning) for warning in scores.warnings),
    ]


def _shown(source, example, note):
    """Return what the page shows of an example."""
    shown = {
        "name": source.example_names[example] if source.example_names else f"{example + 1}",
        "label": source.class_names[source.y[example]],
        "note": note,
        "picture": "",
        "cells": [],
    }
    if isinstance(source.raw, dict):
        return shown | {"cells": [_cell(values[example]) for values in source.raw.values()]}
    if source.raw.ndim == 4:
        return shown | {"picture": _picture(source.raw[example])}
    return shown


def _cell(value):
    """Return a raw value in words: a number, month and weekday of a date, or a text."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_CELL else f"{value[: LONGEST_CELL - 1]}…"
    if np.isnan(value).any():
        return ""
    if value.size == 1:
        return f"{value.item():.15g}"
    year, month, weekday = value.astype(int).tolist()
    return f"{year}-{month:02}, {calendar.day_abbr[weekday]}"


def _picture(pixels):
    """Return an image as the text of a PNG."""
    from matplotlib import image

    low, high = float(pixels.min()), float(pixels.max())
    scaled = (pixels.astype(float) - low) / ((high - low) or 1.0)
    if scaled.shape[2] not in (3, 4):
        scaled = np.repeat(scaled[..., :1], 3, axis=2)
    file = io.BytesIO()
    image.imsave(file, scaled, format="png")
    return base64.b64encode(file.getvalue()).decode()
