"""A recipe's calls of the lab are checked before anything is trained."""

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
