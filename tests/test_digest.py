"""What results depend on: code that makes numbers, and neither words, pages nor figures."""

import ast
import subprocess
import sys

import numpy as np
import pytest

from recipes._lab import catalogue, digest

SOURCE = '''"""Is it so?

Claim: it is always so (a book).
"""

import keras

VARIANTS = {}


def build_model():
    """Return a model."""
    return keras.Sequential()


def run(lab):
    """Train."""
    results = lab.train(build_model, VARIANTS, lab.data(), epochs=2)
    for name in "ab":
        lab.figure(lab.panels(results), name)
    lab.claim("it is so", that=results.final("val_loss") > 1)
    lab.table(VARIANTS)
'''


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("always", "never"),
        ("a model", "models"),
        ("import keras\n", "import keras  # The framework.\n"),
        ("lab.panels(results)", "lab.panels(results, limits=(0, 9))"),
        ("lab.table(VARIANTS)", "lab.table([])"),
    ],
)
def test_words_tables_and_figures_do_not_count(before, after):
    assert before in SOURCE
    assert digest.of_code(SOURCE.replace(before, after)) == digest.of_code(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [("{}", "{1: {}}"), ("epochs=2", "epochs=3"), ("> 1", "> 2"), ("it is so", "so it is")],
)
def test_what_is_computed_and_claimed_counts(before, after):
    assert digest.of_code(SOURCE.replace(before, after)) != digest.of_code(SOURCE)


def test_it_is_the_same_in_every_python():
    """Taken down under Python 3.11; `ast.dump` writes these trees otherwise under 3.12 and 3.13."""
    source = "def f(x=None, *, y: int = 1):\n    return f'{x!r:>{y}}', lambda: ()\n"
    assert digest.of_code(source) == "25b62364c6895146"


def test_what_only_some_pythons_add_to_a_format_does_not_count():
    """Under 3.12 an empty constant follows the braces of `f"{x:{y}}"`."""
    name = ast.FormattedValue(ast.Name("y"), -1)
    with_it, without = ast.JoinedStr([name, ast.Constant("")]), ast.JoinedStr([name])
    assert digest._plain(with_it) == digest._plain(without) != digest._plain(ast.JoinedStr([]))


@pytest.fixture
def copied(root, tmp_path, monkeypatch):
    """The shared code in a folder of its own, to be changed; `program()` is its digest."""
    for path in (root / "recipes" / "_lab").rglob("*"):
        if path.suffix in (".py", ".css", ".html"):
            copy = tmp_path / path.relative_to(root / "recipes" / "_lab")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(digest, "ROOT", tmp_path)
    return tmp_path, digest.of_program.__wrapped__


@pytest.mark.parametrize(
    "module",
    [
        "training/optimizers",
        "training/layers",
        "data/splits",
        "tuning/halving",
        "lab",
        "measures",
        "results",
        "evidence",
        "seeding",
    ],
)
def test_a_change_of_what_makes_numbers_counts(module, copied):
    folder, program = copied
    before, path = program(), folder / f"{module}.py"
    path.write_text(path.read_text() + "\n# A comment.\n")
    assert program() == before
    of_arrays = program(reads_files=False)
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert program() != before
    assert program(reads_files=False) != of_arrays


@pytest.mark.parametrize("name", digest.READS_FILES)
def test_what_reads_tables_counts_for_unfinished_work_alone(name, copied):
    folder, program = copied
    before, of_arrays = program(), program(reads_files=False)
    path = folder / "data" / name
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert program() != before
    assert program(reads_files=False) == of_arrays


def test_data_that_come_as_arrays_need_nothing_that_reads_tables(root, tmp_path):
    data = tmp_path / "mine.npz"
    np.savez(data, x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 3)
    code = f"""
import sys
from recipes._lab.data import load
for name in ("digits", "breast_cancer", {str(data)!r}):
    load(name)
print(*(name for name in sys.modules if name.startswith("recipes._lab.data.")))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    imported = {f"{name.rpartition('.')[2]}.py" for name in done.stdout.split()}
    assert "arrays.py" in imported
    assert not imported & set(digest.READS_FILES)


@pytest.mark.parametrize("module", ["output/figures", "cli", "files", "catalogue", "run"])
def test_a_change_of_a_page_a_figure_or_a_message_does_not(module, copied):
    folder, program = copied
    before, path = program(), folder / f"{module}.py"
    path.write_text(path.read_text() + "\nMORE = 1\n")
    assert program() == before


def test_unfinished_work_depends_on_the_versions_and_stored_results_do_not(monkeypatch):
    work, stored = digest.of_work("a"), digest.of_recipe(SOURCE)
    assert digest.of_work("b") != work
    monkeypatch.setattr(digest, "version", lambda library: "99")
    assert digest.of_work("a") != work
    assert digest.of_recipe(SOURCE) == stored


def test_a_recipe_tells_its_digest():
    recipe = catalogue.read("bn_vs_nobn")
    assert recipe.digest == digest.of_recipe(recipe.source)
