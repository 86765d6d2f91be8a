"""What a terminal shows: progress, verdicts, the best trials, and where things are."""

import contextlib
import functools
import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from recipes._lab import catalogue
from recipes._lab.evidence import DOES_NOT_HOLD, HOLDS, NO_DIFFERENCE, NOT_DETECTED
from recipes._lab.output import inspecting, summary, understanding
from recipes._lab.scores import Scores

STYLE = {HOLDS: "green", DOES_NOT_HOLD: "red", NO_DIFFERENCE: "blue", NOT_DETECTED: "yellow"}


def new_console():
    """Return a rich console that colours only marked text, not numbers and paths."""
    return Console(highlight=False)


def log_and_progress(console):
    """Return the `log` and the `progress` of a `lab.Lab` that print on a console."""
    log = functools.partial(console.print, markup=False)
    return log, functools.partial(_progress, console)


@contextlib.contextmanager
def _progress(console, description, total):
    """Show a progress bar and yield the function that advances it."""
    if not console.is_terminal:
        console.print(description, markup=False)
        yield lambda steps: None
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "epochs")
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda steps: progress.advance(task, steps)


def show_search(console, findings, folder, path, seconds):
    """Print the best trials, what matters, and where things are.

    Args:
        console: of rich.
        findings: the `search.Findings`.
        folder: with its results.
        path: of the best model, where the user wants it or else in the folder.
        seconds: that it took.
    """
    best = findings.ranking[0]
    names = list(dict.fromkeys(n for t in findings.ranking[:10] for n in t.hyperparameters.values))
    head = ("trial", "val. accuracy (%)", *map(escape, names))
    table = Table(*head, box=None, pad_edge=False)
    for trial in findings.ranking[:10]:
        values = [trial.hyperparameters.values.get(name, "") for name in names]
        shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
        table.add_row(trial.trial_id, f"{100 * trial.score:.1f}", *map(escape, shown))
    console.print()
    console.print(table)
    lost = [trial.message or "" for trial in findings.trials if trial.status == "FAILED"]
    diverged = sum(message.startswith("diverged") for message in lost)
    pruned = sum(trial.message is not None for trial in findings.ranking)
    console.print(
        f"\n{len(findings.trials)} trials: {diverged} diverged, "
        f"{len(lost) - diverged} failed, {pruned} pruned"
    )
    test = 100 * findings.test_accuracy.mean()
    console.print(
        f"trial {best.trial_id} has the best validation accuracy, {100 * best.score:.1f} %; "
        f"its test accuracy: {test:.1f} %",
        soft_wrap=True,
    )
    for remark in findings.remarks:
        console.print(remark, markup=False, soft_wrap=True)
    for name, (mean, half) in sorted(findings.importance.items(), key=lambda item: -item[1][0]):
        console.print(f"importance  {escape(name)} {mean:.2f} ± {half:.2f}")
    if not findings.importance:
        console.print("importance  not estimated: too few trials, or all have the same score")
    console.print(f"took        {seconds:.1f} s")
    for file in ("trials.csv", *findings.figures):
        kind = {"csv": "trials", "png": "figure"}[file.rpartition(".")[2]]
        console.print(f"{kind:12}{escape(str(folder / file))}", soft_wrap=True)
    show_saved(console, findings.saved, path)
    show_board(console, folder)


def show_run(console, finished, folder, seconds):
    """Print the findings, and where things are.

    Args:
        console: of rich.
        finished: the `lab.Lab` of a finished run.
        folder: with its results.
        seconds: that it took.
    """
    show_findings(console, finished)
    console.print(f"took        {seconds:.1f} s")
    for file in finished.figures:
        console.print(f"figure      {escape(str(folder / file))}", soft_wrap=True)
    console.print(f"page        {escape(str(folder / 'report.html'))}", soft_wrap=True)
    if finished.saved:
        show_saved(console, finished.saved, finished.options.save_model)
    show_board(console, folder)


def show_use(console, recipe, claims):
    """Print what a run's verdicts say of its recipe's advice."""
    runs = catalogue.results(recipe.name)["runs"]
    references = {data: run["claims"] for data, run in runs.items()}
    for line in summary.use(recipe, claims, references):
        console.print(f"use         {line}", markup=False, soft_wrap=True)


def show_findings(console, finished):
    """Print the table and the verdicts of a finished `lab.Lab`."""
    if finished.rows:
        columns, rows = summary.table(finished.results, finished.rows)
        table = Table(*map(escape, columns), box=None, header_style="bold", pad_edge=False)
        for row in rows:
            table.add_row(*map(escape, row))
        console.print()
        console.print(table)
    console.print()
    for claim in finished.claims:
        verdict = f"[bold {STYLE[claim.verdict]}]{claim.verdict}[/]"
        console.print(f"{verdict}  {escape(claim.text)}", soft_wrap=True)
        source = escape(f"[{claim.source}]")
        console.print(f"    {escape(claim.detail)}  [dim]{source}[/]", soft_wrap=True)
    console.print()
    for argument, chosen in summary.tuned(finished.tuned).items():
        console.print(f"{argument} chosen on validation: {escape(chosen)}", soft_wrap=True)
    for remark in finished.remarks:
        console.print(remark, markup=False, soft_wrap=True)
    if finished.options.quick:
        console.print("QUICK: few seeds, epochs and examples; the verdicts mean nothing.")


def show_data(console, source, inspection, path):
    """Print how data were read, and what an inspection found in them.

    Args:
        console: of rich.
        source: a `data.Source`.
        inspection: its `inspection.Inspection`.
        path: of the page that shows it.
    """
    if source.understood:
        console.print(understanding.table(source.understood))
    else:
        _print_facts(console, understanding.facts_of(source))
    _print_facts(console, inspecting.facts(inspection))
    if inspection.suspects:
        console.print("look at     the labels that it doubts most:")
    for suspect in inspection.suspects[:SHOWN_SUSPECTS]:
        name = (
            source.example_names[suspect.example] if source.example_names else suspect.example + 1
        )
        of_label, of_believed = suspect.probabilities
        console.print(
            f"            {name}: labelled {suspect.label!r} ({of_label:.0%}), "
            f"more likely {suspect.believed!r} ({of_believed:.0%})",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"page        {path}", markup=False, soft_wrap=True)


def _print_facts(console, facts):
    for heading, words in facts:
        console.print(f"{heading:12}{words}", markup=False, soft_wrap=True)


SHOWN_SUSPECTS = 5
SHOWN_CLASSES = 20  # with recall and precision of each
CONFUSED_CLASSES = 4  # with the counts of all answers
NAMING_COLUMNS = 3  # that are shown of what names an example
LONGEST_CELL = 20  # characters of what names an example
INDENT = 12  # characters before the text of a line, for its heading


def show_saved(console, saved, path):
    """Print how good a saved model is.

    Args:
        console: of rich.
        saved: the description that `saving.save_member` returns.
        path: of the model.
    """
    console.print(f"model       {path}", markup=False, soft_wrap=True)
    what = saved.get("variant") or "the best trial"
    again = "; retrained on the training and validation parts" if saved["refit"] else ""
    console.print(f"            {what}, seed {saved['seed']}{again}", markup=False, soft_wrap=True)
    show_scores(console, Scores(**saved["test"]), "on the test part of its split")


def show_scores(console, scores, where):
    """Print accuracy beside that of a constant answer, and each class if they are uneven."""
    balanced = f", balanced {scores.balanced_accuracy:.1%}" if scores.is_uneven else ""
    console.print(
        f"            accuracy {where}: {scores.accuracy:.1%}{balanced} "
        f"(always the most frequent class: {scores.majority:.1%})",
        soft_wrap=True,
    )
    for warning in scores.warnings:
        console.print(f"warning     {warning}", markup=False, soft_wrap=True)
    if len(scores.precision) > SHOWN_CLASSES:
        return
    table = _by_class(scores, has_counts=len(scores.precision) <= CONFUSED_CLASSES)
    if _narrowest(console, table) > console.width - INDENT:  # its words would be cut off
        table = _by_class(scores, has_counts=False)
    console.print(Padding(table, (0, 0, 0, INDENT)))


def _by_class(scores, *, has_counts):
    """Return recall and precision of each class, and the counts of all answers if `has_counts`."""
    names = list(scores.precision)
    answers = [f"as {name}" for name in names] if has_counts else []
    head = ("class", "examples", *map(escape, answers), "recall", "precision")
    table = Table(*head, box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    for name, counts in zip(names, scores.confusion, strict=True):
        shares = (scores.recall.get(name), scores.precision[name])
        cells = [name, str(sum(counts)), *(map(str, counts) if has_counts else [])]
        cells += ["–" if share is None else f"{share:.0%}" for share in shares]
        table.add_row(*map(escape, cells))
    return table


def _narrowest(console, table):
    """Return how many characters wide a table is at the least, if no word is cut off."""
    return console.measure(table, options=console.options.update(max_width=sys.maxsize)).minimum


def show_predictions(console, predictions, path):
    """Print the first of a `predicting.Predictions`, and what came of all."""
    head, *rows = predictions.table
    # Before a probability of each class; a column of the data may be called prediction, too.
    answer = len(head) - len(predictions.counts) - 1
    shown = [*range(min(answer, NAMING_COLUMNS)), answer]
    table = Table(*(escape(head[n]) for n in shown), "probability", box=None, pad_edge=False)
    for row in rows[:3]:
        cells = [*(row[n] for n in shown), max(row[answer + 1 :], key=float)]
        table.add_row(*(escape(_shortened(str(cell))) for cell in cells))
    console.print(table)
    counts = ", ".join(f"{name!r} {count}" for name, count in predictions.counts.items() if count)
    console.print(f"\nrows        {len(rows)}, predicted: {counts}", markup=False, soft_wrap=True)
    for remark in predictions.remarks:
        console.print(f"note        {remark}", markup=False, soft_wrap=True)
    if predictions.scores:
        console.print("labels      the file has them:")
        show_scores(console, predictions.scores, "on these rows")
    console.print(f"written to  {path}", markup=False, soft_wrap=True)


def _shortened(cell):
    return cell if len(cell) <= LONGEST_CELL else f"{cell[: LONGEST_CELL - 1]}…"


def show_board(console, folder):
    """Print the command that shows a folder's logs, if it has some."""
    if (folder / "tensorboard").exists():
        program = os.path.relpath(Path(sys.executable).parent / "tensorboard")
        options = ["--host", "127.0.0.1", "--logdir", str(folder / "tensorboard")]
        command = shlex.join([program, *options])
        console.print(f"TensorBoard {escape(command)}", soft_wrap=True)
