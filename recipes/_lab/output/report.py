"""Results and claims -> table and page."""

import base64
import html

import numpy as np

from recipes._lab.output import markup
from recipes._lab.output.figures import interval

THRESHOLD = 0.9


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
    test, reached = (
        results.final("test_accuracy"),
        results.epochs_to("train_accuracy", 100 * THRESHOLD),
    )
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


COLUMNS = ("variant", "test accuracy (%)", f"epochs to {THRESHOLD:.0%}", "diverged")


def page(*, recipe, data, claims, figures, table, run):
    """Return a self-contained HTML page; every text is escaped.

    Args:
        recipe: a `catalogue.Recipe`.
        data: display name of the data.
        claims: a list of `Claim`.
        figures: `{file name: PNG bytes}`.
        table: rows as from `rows`, for all variants.
        run: the content of run.json.
    """
    text = markup.paragraphs(recipe)
    quick = " A quick run: for trying, not for judging." if run["arguments"]["quick"] else ""
    verdicts = [
        (
            markup.verdict(claim.judgement),
            markup.claim(claim.text, claim.source, claim.primary),
        )
        for claim in claims
    ]
    images = "".join(
        f'<p><img alt="{html.escape(file)}" '
        f'src="data:image/png;base64,{base64.b64encode(content).decode()}"></p>'
        for file, content in figures.items()
    )
    choices = "".join(
        f"<p>{html.escape(argument)}, chosen on validation with seeds of its own: "
        f"{html.escape(words)}.</p>"
        for argument, words in tuned(run["tuned"]).items()
    )
    variants = ""
    if table:
        cells = [map(html.escape, row) for row in table]
        variants = f"<h2>Variants</h2>{markup.table(COLUMNS, cells)}"
    versions = ", ".join(f"{library} {version}" for library, version in run["versions"].items())
    body = (
        f"<h1>{html.escape(recipe.question)}</h1>"
        f"<p>Recipe <code>{html.escape(recipe.name)}</code> on <code>{html.escape(data)}</code>, "
        f"{len(run['seeds'])} seeds.{quick} Intervals speak of other seeds at the same split of "
        "the data.</p>"
        + text["claim"]
        + markup.table(("verdict", "claim"), verdicts)
        + text["use"]
        + images
        + text["look for"]
        + variants
        + choices
        + f"<h2>The recipe</h2>{markup.code(recipe.source)}"
        f"<p><small>{html.escape(versions)}. Made in {run['seconds']['total']} s.</small></p>"
    )
    return markup.page(f"{recipe.name} on {data}", f"<style>{markup.style()}</style>", body)
