"""A recipe -> a Jupyter notebook of the same code, and what takes the command line's place."""

import ast
import itertools
import json
from types import SimpleNamespace

SETUP = """\
# Find the recipes from wherever this notebook lies.
import sys
from pathlib import Path

folders = [Path.cwd(), *Path.cwd().parents]
sys.path.insert(0, str(next(f for f in folders if (f / "recipes" / "_lab").is_dir())))

from recipes._lab import cli, notebook

cli.import_tensorflow_quietly()
"""
RUN = """\
lab = notebook.lab({options})
run(lab)
notebook.show(lab)
"""


def write(recipe, path, options):
    """Write a recipe as an .ipynb file: its page as text, then its code, cell by cell.

    Args:
        recipe: a `menu.Recipe`.
        path: of the file.
        options: keyword arguments of `lab`, for the last cell.
    """
    import nbformat

    from recipes._lab import files

    cells = [nbformat.v4.new_markdown_cell(_text(recipe)), nbformat.v4.new_code_cell(SETUP)]
    cells += [nbformat.v4.new_code_cell(code) for code in _code(recipe)]
    arguments = ", ".join(f"{name}={value!r}" for name, value in options.items())
    cells.append(nbformat.v4.new_code_cell(RUN.format(options=arguments).strip()))
    for number, cell in enumerate(cells):
        cell.id = str(number)  # random otherwise: the same recipe is the same file
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.validate(made)
    files.write(path, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def _text(recipe):
    """Return the recipe's page as Markdown."""
    parts = [f"# {recipe.question}", f"**Claim:** {recipe.claim}"]
    parts += [f"**Look for:** {recipe.look_for}", *recipe.explanation]
    if recipe.use:
        parts.append(f"**Use:** {recipe.use}")
    return "\n\n".join(parts)


def _code(recipe):
    """Return the recipe's code in cells: imports and template, search space, the rest, `run`."""
    lines = recipe.source.splitlines(keepends=True)
    _, *body = ast.parse(recipe.source).body
    starts = {node.name: node.lineno for node in body if isinstance(node, ast.FunctionDef)}
    end_of_tunable = next(n for n in body if getattr(n, "name", "") == "build_tunable").end_lineno
    *_, main = body  # if __name__ == "__main__"
    bounds = [body[0].lineno - 1, starts["build_tunable"] - 1, end_of_tunable]
    bounds += [starts["run"] - 1, main.lineno - 1]
    pieces = ("".join(lines[a:b]) for a, b in itertools.pairwise(bounds))
    return [piece.strip() for piece in pieces if piece.strip()]


def lab(**options):
    """Return the `experiment.Lab` that a recipe's `run` takes; nothing is written.

    Args:
        options: as of `experiment.Options`, such as data="file.csv", seeds=20, quick=True.
    """
    from recipes._lab import cli, experiment

    nowhere = SimpleNamespace(store=lambda: None)
    _, tell, track = cli.speaking()
    return experiment.Lab(experiment.Options(**options), nowhere, (), tell, track)


def show(lab):
    """Show the table, the verdicts and the figures of a finished run."""
    from IPython.display import Image, display

    from recipes._lab import cli

    console, *_ = cli.speaking()
    cli.show_findings(console, lab)
    for picture in lab.figures.values():
        display(Image(picture))
