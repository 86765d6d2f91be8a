"""A recipe -> a Jupyter notebook of the same code, and what takes the command line's place."""

import ast
import importlib
import itertools
import json

from recipes._lab import catalogue, files, quiet
from recipes._lab.errors import UserError

SETUP = """\
# Find the recipes: around this notebook, or where it was made.
import sys
from pathlib import Path

folders = [Path.cwd(), *Path.cwd().parents, Path({root!r})]
sys.path.insert(0, str(next(f for f in folders if (f / "recipes" / "_lab").is_dir())))

from recipes._lab.publishing import notebook

notebook.prepare()
"""
RUN = """\
lab = notebook.lab({arguments})
run(lab)
notebook.show(lab)
"""


def write(recipe, path, options):
    """Write a recipe as an .ipynb file: its page as text, then its code, cell by cell.

    Args:
        recipe: a `catalogue.Recipe`.
        path: of the file; one that is there with other content is kept.
        options: keyword arguments of `lab`, for the last cell.

    Returns:
        The path of the notebook, see `files.write_beside`.
    """
    try:
        import nbformat
    except ImportError as error:
        raise UserError(
            "Jupyter is not installed; say make notebook NAME=..., which installs it, or "
            "pip install -r requirements-notebook.txt"
        ) from error

    setup = SETUP.format(root=str(catalogue.FOLDER.parent))
    cells = [nbformat.v4.new_markdown_cell(_text(recipe)), nbformat.v4.new_code_cell(setup)]
    cells += [nbformat.v4.new_code_cell(code) for code in _code(recipe)]
    keywords = (f"{name}={value!r}" for name, value in options.items())
    arguments = ", ".join([repr(recipe.name), *keywords])
    cells.append(nbformat.v4.new_code_cell(RUN.format(arguments=arguments).strip()))
    for number, cell in enumerate(cells):
        cell.id = str(number)  # random otherwise: the same recipe is the same file
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.validate(made)
    return files.write_beside(path, json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def _text(recipe):
    """Return the recipe's page as Markdown."""
    parts = [f"# {recipe.question}", f"**Claim:** {recipe.claim}"]
    parts += [f"**Look for:** {recipe.look_for}", *recipe.explanation]
    if recipe.use:
        parts.append(f"**Use:** {recipe.use}")
    return "\n\n".join(parts)


def _code(recipe):
    """Return the recipe's code in cells: imports and template, search space, the rest, `run`."""
    lines, functions = recipe.source.splitlines(keepends=True), recipe.functions
    if "run" not in functions:
        raise UserError(f"recipes/{recipe.name}.py has no run(lab); nothing to put into a notebook")
    first, last = recipe.body[0], recipe.body[-1]
    runs_itself = isinstance(last, ast.If)  # if __name__ == "__main__"
    bounds = [first.lineno - 1, last.lineno - 1 if runs_itself else len(lines)]
    if tunable := functions.get("build_tunable"):
        bounds += [tunable.lineno - 1, tunable.end_lineno]
    bounds += [functions["run"].lineno - 1]
    pieces = ("".join(lines[a:b]) for a, b in itertools.pairwise(sorted(bounds)))
    return [piece.strip() for piece in pieces if piece.strip()]


def prepare():
    """Import what trains, before a cell of the notebook has made TensorFlow settle its threads."""
    quiet.import_tensorflow()
    importlib.import_module("recipes._lab.lab")


def lab(name, **options):
    """Return the `lab.Lab` that a recipe's `run` takes; nothing is written.

    Args:
        name: of the recipe.
        options: as of `lab.Options`, such as data="file.csv", seeds=20, quick=True.
    """
    from recipes._lab.lab import Lab, Options
    from recipes._lab.output import terminal

    log, progress = terminal.log_and_progress(terminal.new_console())
    return Lab(Options(**options), None, log, progress)


def show(lab):
    """Show the table, the verdicts and the figures of a finished run."""
    from IPython.display import Image, display

    from recipes._lab.output import terminal

    terminal.show_findings(terminal.new_console(), lab)
    for picture in lab.figures.values():
        display(Image(picture))
