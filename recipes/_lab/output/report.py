"""Histories and verdicts -> table and page."""

import base64
import html

import numpy as np

from recipes._lab import catalogue
from recipes._lab.output import markup
from recipes._lab.output.figures import interval

THRESHOLD = 0.9


def rows(histories, variants):
    """Return a table row for each variant: name, accuracy, epochs to the threshold, diverged.

    Accuracy is on test, in per cent, with the half-width of its 95 % interval, unless all seeds
    agree; epochs are the median over seeds of the first with training accuracy of `THRESHOLD`.
    """
    table = []
    for variant in variants:
        accuracies = 100 * histories.final("test_accuracy", variant)
        mean, half = interval(accuracies)
        accuracy = f"{mean:.1f} ± {half:.1f}"
        if np.ptp(accuracies) == 0:  # also of one seed: no spread, no interval
            accuracy = f"{mean:.1f}"
        epochs = np.median(histories.epochs_to(THRESHOLD, variant))
        diverged = histories.diverged(variant)
        table.append(
            (
                variant,
                accuracy,
                f"{epochs:g}" if np.isfinite(epochs) else "never",
                f"{diverged.sum()} of {len(diverged)}",
            )
        )
    return table


def tuned(choices):
    """Return the values that `Lab.tune` chose, in words, by argument."""
    by_argument = {}
    for choice in choices:
        words = f"{choice['variant']} {choice['value']:g}"
        by_argument.setdefault(choice["argument"], []).append(words)
    return {argument: ", ".join(words) for argument, words in by_argument.items()}


COLUMNS = ("variant", "test accuracy (%)", f"epochs to {THRESHOLD:.0%}", "diverged")


def page(*, name, data, claims, figures, table, source, run):
    """Return a self-contained HTML page; every text is escaped.

    Args:
        name: of the recipe.
        data: display name of the data.
        claims: a list of `lab.Claim`.
        figures: `{file name: PNG bytes}`.
        table: rows as from `rows`, for all variants.
        source: text of the recipe.
        run: the content of run.json.
    """
    recipe = catalogue.parse(name, source)
    text = markup.paragraphs(recipe)
    quick = " A quick run: for trying, not for judging." if run["arguments"]["quick"] else ""
    verdicts = [
        (
            markup.verdict(claim.judgement),
            markup.claim(claim.claim, claim.source, claim.primary),
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
        f"<p>Recipe <code>{html.escape(name)}</code> on <code>{html.escape(data)}</code>, "
        f"{len(run['seeds'])} seeds.{quick} Intervals speak of other seeds at the same split of "
        "the data.</p>"
        + text["claim"]
        + markup.table(("verdict", "claim"), verdicts)
        + text["use"]
        + images
        + text["look for"]
        + variants
        + choices
        + f"<h2>The recipe</h2>{markup.code(source)}"
        f"<p><small>{html.escape(versions)}. Made in {run['seconds']['total']} s.</small></p>"
    )
    return markup.page(f"{name} on {data}", f"<style>{markup.style()}</style>", body)
