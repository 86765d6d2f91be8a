"""Recipes as notebooks: their cells, and that they run from top to bottom."""

import json
import re
import sys
from pathlib import Path

import pytest

from recipes._lab import catalogue, cli
from recipes._lab.errors import UserError
from recipes._lab.publishing import notebook

nbformat = pytest.importorskip("nbformat", reason="make .venv/notebook installs Jupyter")
nbclient = pytest.importorskip("nbclient", reason="make .venv/notebook installs Jupyter")


@pytest.fixture
def written(tmp_path):
    def write(name, **options):
        path = tmp_path / f"{name}.ipynb"
        notebook.write(catalogue.read(name), path, {"data": "digits"} | options)
        return path

    return write


def test_the_cells_are_the_recipe_and_a_run_of_it(written):
    recipe = catalogue.read("bn_vs_nobn")
    cells = json.loads(written("bn_vs_nobn", seeds=3).read_text(encoding="utf-8"))["cells"]
    text, setup, template, tunable, variants, run, last = (cell["source"] for cell in cells)
    assert text.startswith(f"# {recipe.question}\n\n**Claim:** {recipe.claim}")
    assert recipe.use in text
    assert "from recipes._lab.publishing import notebook" in setup
    assert f"{template}\n\n\n{tunable}" == recipe.template.strip()
    assert variants.startswith("BOOK = ")
    assert run.startswith("def run(lab):")
    assert "__main__" not in run
    assert last.startswith("lab = notebook.lab('bn_vs_nobn', data='digits', seeds=3)\nrun(lab)")


def test_a_recipe_with_nothing_but_a_run_becomes_a_notebook(tmp_path):
    recipe = catalogue.parse("bare", "def run(lab):\n    pass\n")
    notebook.write(recipe, tmp_path / "bare.ipynb", {})
    cells = json.loads((tmp_path / "bare.ipynb").read_text(encoding="utf-8"))["cells"]
    _, _, code, last = (cell["source"] for cell in cells)
    assert code == "def run(lab):\n    pass"
    assert "run(lab)" in last
    with pytest.raises(UserError, match=r"recipes/none.py has no run\(lab\)"):
        notebook.write(catalogue.parse("none", "x = 1\n"), tmp_path / "none.ipynb", {})


def test_a_notebook_far_from_the_recipes_finds_them(written, tmp_path):
    """And a model may be built in it before the last cell."""
    made = nbformat.read(written("output_bias_init", quick=True), as_version=4)
    last = made.cells[-1]
    last.source = "build_model().summary()\nassert notebook.lab('one').data().name == 'digits'"
    options = {"kernel_name": "python3", "resources": {"metadata": {"path": str(tmp_path)}}}
    nbclient.NotebookClient(made, timeout=300, **options).execute()


def test_the_same_recipe_is_the_same_file(written):
    once = written("bn_vs_nobn").read_bytes()
    assert written("bn_vs_nobn").read_bytes() == once


def test_a_notebook_that_was_changed_is_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    first, second, third = (
        Path("runs/notebooks") / f"{name}.ipynb"
        for name in ("bn_vs_nobn", "bn_vs_nobn-2", "bn_vs_nobn-3")
    )
    kept = f"kept        {first}, which differs"

    def lines_of(*options):
        monkeypatch.setattr(sys, "argv", ["", "notebook", "bn_vs_nobn", *options])
        cli.main()
        return capsys.readouterr().out.splitlines()[:-1]

    assert lines_of() == [f"notebook    {first}"]
    first.write_text("changed")
    assert lines_of() == [kept, f"notebook    {second}"]
    assert lines_of("--seeds", "3") == [kept, f"notebook    {third}"]
    assert first.read_text() == "changed"
    assert "seeds=3" not in second.read_text(encoding="utf-8")
    assert "seeds=3" in third.read_text(encoding="utf-8")


IN_SHORT = ("optimizer_paths",)  # all of them in make test-all


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in IN_SHORT else pytest.mark.slow) for n in catalogue.names()],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Jupyter's own
def test_a_notebook_runs_from_top_to_bottom(name, written, root, tmp_path, quick_run):
    made = nbformat.read(written(name, quick=True), as_version=4)
    folder = root / "runs" / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    client = nbclient.NotebookClient(
        made, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    outputs = [output for cell in made.cells[1:] for output in cell.outputs]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    shown = "".join(
        output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        for output in outputs
    )
    shown = re.sub(r"\x1b\[[\d;]*m", "", shown)  # colours
    run = quick_run(name)  # the same from the command line
    assert len(pictures) == len(list(run.folder.glob("figure*.png")))
    for claim in json.loads((run.folder / "claims.json").read_text(encoding="utf-8")):
        assert f"{claim['verdict']}  {claim['claim']}" in shown
        assert claim["finding"] in shown
