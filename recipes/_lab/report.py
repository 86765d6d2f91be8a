"""Histories and verdicts -> table and page."""

import base64
import html
import string

import numpy as np

from recipes._lab.figures import interval

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

PAGE = string.Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$name on $data</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
img { max-width: 100%; background: white; border-radius: 4px }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #8884 }
td.number { font-variant-numeric: tabular-nums }
.verdict { font-weight: 600; white-space: nowrap }
small, .source { opacity: .75 }
pre { overflow-x: auto; padding: .8rem; border: 1px solid #8884; border-radius: 4px }
</style></head><body>
<h1>$question</h1>
<p>Recipe <code>$name</code> on <code>$data</code>, $seeds seeds.$quick Intervals speak of other
seeds at the same split of the data.</p>
<table><thead><tr><th>Verdict</th><th>Claim</th></tr></thead><tbody>$claims</tbody></table>
$figures
<h2>Variants</h2>
<table><thead><tr>$columns</tr></thead><tbody>$rows</tbody></table>
$tuned
<h2>The recipe</h2>
<pre>$source</pre>
<p><small>$versions. Made in $seconds s.</small></p>
</body></html>
""")


def page(*, name, data, question, claims, figures, table, source, run):
    """Return a self-contained HTML page; every text is escaped.

    Args:
        name: of the recipe.
        data: display name of the data.
        question: the recipe's first line.
        claims: a list of `experiment.Claim`.
        figures: `{file name: PNG bytes}`.
        table: rows as from `rows`, for all variants.
        source: text of the recipe.
        run: the content of run.json.
    """

    def cells(values, tag="td"):
        return "".join(f"<{tag}>{html.escape(str(value))}</{tag}>" for value in values)

    def claim_row(claim):
        return (
            f'<tr><td class="verdict">{html.escape(claim.judgement.verdict)}</td>'
            f"<td>{html.escape(claim.claim)}<br>{html.escape(claim.judgement.finding)} "
            f'<span class="source">[{html.escape(claim.source)}]</span></td></tr>'
        )

    images = "".join(
        f'<p><img alt="{html.escape(file)}" '
        f'src="data:image/png;base64,{base64.b64encode(content).decode()}"></p>'
        for file, content in figures.items()
    )
    return PAGE.substitute(
        name=html.escape(name),
        data=html.escape(data),
        question=html.escape(question),
        seeds=len(run["seeds"]),
        quick=" A quick run: for trying, not for judging." if run["arguments"]["quick"] else "",
        claims="".join(map(claim_row, claims)),
        figures=images,
        columns=cells(COLUMNS, "th"),
        rows="".join(f"<tr>{cells(row)}</tr>" for row in table),
        tuned="".join(
            f"<p>{html.escape(argument)}, chosen on validation with seeds of its own: "
            f"{html.escape(words)}.</p>"
            for argument, words in tuned(run["tuned"]).items()
        ),
        source=html.escape(source),
        versions=html.escape(", ".join(f"{k} {v}" for k, v in run["versions"].items())),
        seconds=run["seconds"]["total"],
    )
