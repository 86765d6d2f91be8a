"""Results -> the table of variants and the tuned values, for the terminal and a run's page."""

import numpy as np

from recipes._lab.evidence import NOT_DETECTED
from recipes._lab.output.figures import interval
from recipes._lab.scores import is_uneven

THRESHOLD = 0.9
FEWEST_FOR_INTERVAL = 3  # seeds; of two, the interval's half-width is 9 times their distance


def table(results, variants):
    """Return the names of the columns, and a row for each variant.

    The first row is of always answering the most frequent class. Accuracy is on test, in per cent,
    with the half-width of its 95 % interval, unless all seeds agree; balanced, it is the mean over
    classes, shown where some are much more frequent than others. Epochs are the median over seeds
    of the first with a training accuracy of `THRESHOLD`, or half-way from the share of the most
    frequent class to 100 % where that is above.

    Args:
        results: a `Results`.
        variants: `{row name: key}`.
    """
    if not variants:
        return (), []
    data = results.data(next(iter(variants.values())))
    threshold = THRESHOLD if data.chance < THRESHOLD else (1 + data.chance) / 2
    balanced = ["balanced (%)"] if is_uneven(np.bincount(data.test.y)) else []
    by_class = results.final("test_balanced_accuracy").values if balanced else {}
    speed = f"epochs to {100 * threshold:.4g} %"
    columns = ("variant", "test accuracy (%)", *balanced, speed, "diverged")
    rows = [_of_the_most_frequent_class(data, bool(balanced))]
    test = results.final("test_accuracy").values
    reached = results.epochs_to("train_accuracy", 100 * threshold).values
    diverged = results.diverged().values
    for name, key in variants.items():
        epochs = np.median(reached[key])
        rows.append(
            (
                name,
                _with_interval(test[key]),
                *([_with_interval(by_class[key])] if balanced else []),
                f"{epochs:g}" if np.isfinite(epochs) else "never",
                f"{diverged[key].sum():.0f} of {len(diverged[key])}",
            )
        )
    return columns, rows


def _of_the_most_frequent_class(data, with_balanced):
    """Return the row of what needs no model."""
    most = data.class_names[int(np.bincount(data.train.y).argmax())]
    balanced = [f"{100 / data.num_classes:.1f}"] if with_balanced else []
    return f"baseline: always {most!r}", f"{100 * data.chance:.1f}", *balanced, "", ""


def _with_interval(values):
    """Return a mean, with the half-width of its interval if there is one worth showing."""
    mean, half = interval(values)
    if len(values) < FEWEST_FOR_INTERVAL or np.ptp(values) == 0:
        return f"{mean:.1f}"
    return f"{mean:.1f} ± {half:.1f}"


def use(recipe, claims, references):
    """Return what a run's verdicts say of a recipe's advice, as lines of text.

    Where nothing was detected there is nothing to say. The advice rests on the reference results;
    a verdict that none of them has is said beside it.

    Args:
        recipe: a `catalogue.Recipe`.
        claims: of the run, a list of `Claim`.
        references: claims of the reference runs, `{data: list of claims as JSON has them}`.
    """
    decided = [claim for claim in claims if not claim.any_data and claim.verdict != NOT_DETECTED]
    if not decided or not recipe.use:
        return []
    lines = [recipe.use]
    for claim in decided:
        known = {
            data: reference["verdict"]
            for data, of_run in references.items()
            for reference in of_run
            if reference["claim"] == claim.text
        }
        if known and claim.verdict not in known.values():
            others = ", ".join(f"{verdict} on {data}" for data, verdict in known.items())
            lines.append(f"but here: {claim.verdict}: {claim.text} ({others})")
    return lines


def tuned(choices):
    """Return the values that `Lab.tune` chose, in words, by argument."""
    by_argument = {}
    for choice in choices:
        value = choice["value"]
        words = f"{choice['variant']}: {'none' if value is None else f'{value:g}'}"
        by_argument.setdefault(choice["argument"], []).append(words)
    return {argument: "; ".join(words) for argument, words in by_argument.items()}
