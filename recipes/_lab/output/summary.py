"""Results -> the table of variants and the tuned values, for the terminal and a run's page."""

import numpy as np

from recipes._lab.output.figures import interval

THRESHOLD = 0.9
COLUMNS = ("variant", "test accuracy (%)", f"epochs to {THRESHOLD:.0%}", "diverged")


def rows(results, variants):
    """Return a table row for each variant: name, accuracy, epochs to the threshold, diverged.

    Args:
        results: a `Results`.
        variants: `{row name: key}`.

    Accuracy is on test, in per cent, with the half-width of its 95 % interval, unless all seeds
    agree; epochs are the median over seeds of the first with training accuracy of `THRESHOLD`.
    """
    table = []
    if not variants:
        return table
    test = results.final("test_accuracy")
    reached = results.epochs_to("train_accuracy", 100 * THRESHOLD)
    diverged_runs = results.diverged()
    for name, key in variants.items():
        accuracies = test.values[key]
        mean, half = interval(accuracies)
        accuracy = f"{mean:.1f} ± {half:.1f}"
        if np.ptp(accuracies) == 0:  # also of one seed: no spread, no interval
            accuracy = f"{mean:.1f}"
        epochs = np.median(reached.values[key])
        diverged = diverged_runs.values[key]
        table.append(
            (
                name,
                accuracy,
                f"{epochs:g}" if np.isfinite(epochs) else "never",
                f"{diverged.sum():.0f} of {len(diverged)}",
            )
        )
    return table


def tuned(choices):
    """Return the values that `Lab.tune` chose, in words, by argument."""
    by_argument = {}
    for choice in choices:
        value = choice["value"]
        words = f"{choice['variant']} {'none' if value is None else f'{value:g}'}"
        by_argument.setdefault(choice["argument"], []).append(words)
    return {argument: ", ".join(words) for argument, words in by_argument.items()}
