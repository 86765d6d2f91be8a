"""A recipe of one's own, in a copy of the project."""

import shutil
import subprocess
import sys

import pytest

from recipes._lab import catalogue
from recipes._lab.errors import UserError
from recipes._lab.publishing import new


@pytest.fixture
def project(tmp_path, root):
    """A copy of what counts."""
    for folder in ("recipes", "callbacks", "docs", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(root / folder, tmp_path / folder, ignore=ignored)
    for file in ("README.md", "Makefile", "pyproject.toml"):
        shutil.copy(root / file, tmp_path)
    return tmp_path


def recipes_in(project, environment, *arguments):
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)


def test_a_new_recipe_runs_at_once_and_passes_the_tests(project, environment):
    readme = (project / "README.md").read_bytes()
    done = recipes_in(project, environment, "recipes", "new", "my_question")
    assert (done.returncode, done.stderr) == (0, "")
    assert "make recipe NAME=my_question" in done.stdout
    assert (project / "README.md").read_bytes() == readme  # it is of what has been checked
    listed = recipes_in(project, environment, "recipes", "list").stdout
    assert "My own\n  my_question" in listed
    assert "My question?" in listed
    files = ("tests/test_recipes.py", "tests/publishing/test_readme.py")
    chosen = ("-k", "my_question or generated_parts")
    done = recipes_in(
        project, environment, "pytest", "-q", "-p", "no:cacheprovider", *files, *chosen
    )
    assert done.returncode == 0, done.stdout
    assert "\n11 passed" in done.stdout  # of one recipe, and of README


def test_a_new_recipe_is_a_copy_but_for_its_docstring(tmp_path, monkeypatch):
    path = catalogue.FOLDER / "dropout.py"
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    shutil.copy(path, tmp_path)
    recipe = catalogue.read("dropout")
    new.create("units_2", "dropout")
    made = catalogue.read("units_2")
    assert made.digest == recipe.digest
    assert (made.question, made.topic) == ("Units 2?", "My own")
    assert made.source.endswith(recipe.template + recipe.source.partition(recipe.template)[2])


@pytest.mark.parametrize("name", catalogue.RESERVED)
def test_folders_of_runs_that_are_no_recipes_are_taken(name):
    with pytest.raises(UserError, match=f"the name '{name}' is taken"):
        new.create(name)


@pytest.mark.parametrize("docstring", ["", '"""Is it so?"""\n'])
def test_a_copy_begins_with_the_imports(docstring, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    (tmp_path / "one.py").write_text(f"{docstring}import keras\n\n\ndef run(lab):\n    pass\n")
    new.create("two", "one")
    made = catalogue.read("two").source
    assert made.endswith('"""\n\nimport keras\n\n\ndef run(lab):\n    pass\n')


@pytest.mark.parametrize(
    "name", ["", "My_question", "1st", "a-b", "../x", "class", "_lab", "ä", "a" * 61]
)
def test_a_name_that_no_module_can_have_is_refused(name):
    with pytest.raises(UserError, match="can't be a recipe's name: it takes small letters"):
        new.create(name)


def test_a_recipe_that_cannot_be_written_has_no_other_place(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path / "file")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"Not a directory; see to it that it can be written$"):
        new.create("my_question")


def test_a_recipe_is_never_overwritten(tmp_path):
    with pytest.raises(UserError, match="the name 'weight_init' is taken; give another"):
        new.create("weight_init")
