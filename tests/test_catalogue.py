"""What recipes say of themselves, read from their files."""

import pytest

from recipes._lab import catalogue
from recipes._lab.errors import UserError

SOURCE = '''"""Is it so?

Claim: it is, says
somebody (a book).

Look for: a line
that rises.

Why it rises: because: of this.

And more.

Use: the larger one;
always.
Symptoms: it is slow; it stops.
Topic: Softmax
"""

import keras


def build_model():
    """Return a model."""


def build_tunable(hp):
    return build_model()


VARIANTS = {}
'''


def test_a_docstring_is_read_paragraph_by_paragraph():
    recipe = catalogue.parse("is_it_so", SOURCE)
    assert recipe.question == "Is it so?"
    assert recipe.claim == "it is, says somebody (a book)."
    assert recipe.look_for == "a line that rises."
    assert recipe.use == "the larger one; always."
    assert recipe.symptoms == ("it is slow", "it stops")
    assert recipe.topic == "Softmax"
    assert recipe.explanation == ("Why it rises: because: of this.", "And more.")


def test_what_is_missing_is_empty():
    recipe = catalogue.parse("bare", '"""Is it so?"""\n')
    assert (recipe.claim, recipe.use, recipe.symptoms, recipe.topic) == ("", "", (), "Others")


def test_a_file_that_is_no_python_is_said_in_one_line():
    with pytest.raises(UserError, match=r"^recipes/broken.py, line 2: invalid syntax$"):
        catalogue.parse("broken", '"""Is it so?"""\nimport import\n')


@pytest.mark.parametrize("content", [b"# caf\xe9\n", b"x = 1\0\n"])
def test_a_file_that_cannot_be_read_is_said_in_one_line(content, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    (tmp_path / "odd.py").write_bytes(content)
    with pytest.raises(UserError, match=r"^recipes/odd.py(,| can't be read| is no Python)"):
        catalogue.read("odd")


def test_what_an_editor_leaves_is_no_recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path)
    for name in ("mine", ".#saved", "._mine", "my-notes", "_own", "gallery"):
        (tmp_path / f"{name}.py").write_text(SOURCE)
    (tmp_path / ".#mine.py").symlink_to("nobody@nowhere")
    (tmp_path / "folder.py").mkdir()
    assert catalogue.names() == ["mine"]


def test_a_recipe_may_lack_a_docstring_and_a_search_space():
    source = "import keras\n\n\ndef build_model():\n    return None\n\n\nVARIANTS = {}\n"
    recipe = catalogue.parse("bare", source)
    assert (recipe.question, list(recipe.functions)) == ("", ["build_model"])
    assert recipe.template == source.removesuffix("\n\nVARIANTS = {}\n")
    assert catalogue.parse("empty", "").template == ""
    assert catalogue.parse("short", "x = 1\n").template == "x = 1\n"


def test_the_template_ends_with_the_search_space():
    template = catalogue.parse("is_it_so", SOURCE).template
    assert template.startswith("import keras\n")
    assert template.endswith("    return build_model()\n")


def test_recipes_are_ordered_by_topic_and_found_by_symptom():
    recipes = catalogue.everything()
    assert [recipe.name for recipe in recipes] != catalogue.names()
    assert sorted(recipe.name for recipe in recipes) == catalogue.names()
    assert list(catalogue.by_topic(recipes)) == list(catalogue.TOPICS)
    found = catalogue.by_symptom(recipes)
    lengths = [len(concerned) for concerned in found.values()]
    assert lengths == sorted(lengths, reverse=True)
    assert "bn_vs_nobn" in [recipe.name for recipe in found["the loss does not move"]]


@pytest.mark.parametrize("name", catalogue.names())
def test_every_recipe_says_what_to_use_and_has_a_topic(name):
    recipe = catalogue.read(name)
    assert recipe.topic in catalogue.TOPICS
    assert recipe.use.endswith(".")
    assert recipe.claim
    assert recipe.look_for
    assert recipe.explanation


def test_a_digest_is_computed_once_a_text(monkeypatch):
    """It takes a hundredth of a second, and the pages ask for it for each claim."""
    computed = []
    monkeypatch.setattr(
        catalogue.digest, "of_recipe", lambda source: computed.append(source) or "a"
    )
    texts = ["x = 'digest, once'", "x = 'digest, twice'"]
    for _ in range(3):
        assert [catalogue.parse("one", text).digest for text in texts] == ["a", "a"]
    assert computed == texts
