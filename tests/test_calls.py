"""A recipe's calls of the lab are checked before anything is trained."""

import re

import pytest

from recipes._lab import calls, catalogue
from recipes._lab.errors import UserError


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "lab.claim('a', source='b')",
            r"line 3: lab\.claim\(\.\.\.\): missing .*'that'",
        ),
        ("lab.claim('a', taht=1)", r"lab\.claim\(\.\.\.\): .*; it takes \(text, \*, that, source"),
        (
            "lab.trian({}, {}, data)",
            r"trian is unknown \(did you mean 'train'\?\); CONTRIBUTING",
        ),
        ("x = [lab.data(exmples=3)]", r"lab\.data\(\.\.\.\): got an unexpected .*'exmples'"),
        ("lab.at_least(3)", r"lab\.at_least\(\.\.\.\): missing a required argument"),
    ],
)
def test_a_wrong_call_is_one_line(line, message):
    with pytest.raises(UserError, match=message):
        calls.check("mine", f"def run(lab):\n    results = 1\n    {line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "lab.claim('a', that=1)",
        "lab.train(b, v, d, **plan)",
        "lab.every([1])",
        "lab.seeds.index(0)",
        "other.trian()",
    ],
)
def test_right_calls_and_those_of_others_pass(line):
    calls.check("mine", f"def run(lab):\n    {line}\n")


def test_every_recipe_speaks_the_language():
    for name in catalogue.names():
        calls.check(name, catalogue.read(name).source)


def names_used(text):
    """What a text takes of the lab, of results and of searches, such as "lab.train"."""
    return set(re.findall(r"\b(?:lab|results|searches)\.[a-z_]+", text))


def test_contributing_shows_all_that_recipes_use_and_nothing_else(root):
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    examples = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    calls.check("contributing", examples)
    used = set().union(*(names_used(catalogue.read(name).source) for name in catalogue.names()))
    assert names_used(examples) == used
