"""Histories and verdicts -> table, figures, page."""

import base64
import html
import string

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

# Okabe and Ito 2008, without the yellow: colours that colour-blind readers can tell apart; line
# styles differ too, for print and for lines that cross.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLES = ("-", "--", "-.", ":")
THRESHOLD = 0.9


def interval(values):
    """Return mean and half-width of the 95 % t interval over axis 0 (seeds); NaN at one seed."""
    values = np.asarray(values, float)
    seeds = len(values)
    if seeds < 2:
        return values.mean(axis=0), np.full(values.shape[1:], np.nan)
    error = values.std(axis=0, ddof=1) / np.sqrt(seeds)
    return values.mean(axis=0), stats.t.ppf(0.975, seeds - 1) * error


def panels(
    histories,
    layout,
    *,
    metric="accuracy",
    label="training accuracy (%)",
    scale=100.0,
    limits=(0, 103),
):
    """Draw learning curves, one panel a setting, one line a variant, with bands over seeds.

    Args:
        histories: the results.
        layout: `{panel title: {line label: variant}}`; a label has one colour in all panels.
        metric: what to draw, as in `Histories.curve`.
        label: of the y axis, with its unit.
        scale: factor from the metric to the unit.
        limits: of the y axis, in the unit, or None.

    Returns:
        A matplotlib figure.
    """
    columns = min(4, len(layout))
    rows = -(-len(layout) // columns)
    width, height = max(3.1 * columns, 6.2), 2.0 * rows + 1.5
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    # Margins in inches: matplotlib's layout engines take longer than the drawing.
    figure.subplots_adjust(
        left=0.75 / width,
        right=1 - 0.15 / width,
        bottom=0.65 / height,
        top=1 - 0.95 / height,
        wspace=0.08,
        hspace=0.3,
    )
    labels = list(dict.fromkeys(line for lines in layout.values() for line in lines))
    drawn = {}
    for ax, (title, lines) in zip(axes.flat, layout.items(), strict=False):
        for line, variant in lines.items():
            number = labels.index(line)
            colour, style = COLOURS[number % len(COLOURS)], STYLES[number % len(STYLES)]
            mean, half = interval(scale * histories.curve(metric, variant))
            epochs = np.arange(len(mean))
            (drawn[line],) = ax.plot(epochs, mean, style, color=colour, linewidth=1.6)
            ax.fill_between(epochs, mean - half, mean + half, color=colour, alpha=0.2, linewidth=0)
        ax.set_title(title, fontsize=9)
        ax.grid(alpha=0.25)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.flat[len(layout) :]:
        ax.set_visible(False)
    seeds = len(histories.seeds(histories.variants[0]))
    legend = f"line: mean over {seeds} seeds; band: its 95 % interval" if seeds > 1 else "one seed"
    if limits:
        axes[0, 0].set_ylim(*limits)
    figure.supxlabel("epoch (0 = before training)", fontsize=10, y=0.12 / height)
    figure.supylabel(label, fontsize=10, x=0.12 / width)
    figure.legend(
        drawn.values(),
        drawn.keys(),
        loc="upper center",
        ncols=len(drawn),
        frameon=False,
        title=legend,
        title_fontsize=9,
    )
    return figure


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
        source=html.escape(source),
        versions=html.escape(", ".join(f"{k} {v}" for k, v in run["versions"].items())),
        seconds=run["seconds"]["total"],
    )
