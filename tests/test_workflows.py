"""What GitHub runs: targets of the Makefile, on its Pythons, by GitHub's own actions."""

import re
import shlex

import pytest

from recipes._lab import cli


@pytest.fixture
def workflow(root):
    """`workflow(name)` returns the text of a workflow."""
    return lambda name: (root / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["tests", "pages"])
def test_a_workflow_runs_what_make_has(workflow, name, root):
    text, makefile = workflow(name), (root / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"^ +- run: make (.+)$", text, flags=re.MULTILINE)
    assert commands
    for command in commands:
        target, *variables = shlex.split(command)
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), command
        for variable in variables:
            assert re.search(rf"^{variable.partition('=')[0]} *\??=", makefile, flags=re.MULTILINE)
    actions = re.findall(r"uses: (.+)$", text, flags=re.MULTILINE)
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", action) for action in actions)
    low, high = re.search(r"\(3, (\d+)\) <= .* <= \(3, (\d+)\)", makefile).groups()
    for minor in re.findall(r'"3\.(\d+)"', text):
        assert int(low) <= int(minor) <= int(high)


def test_the_site_is_published_from_where_it_is_built(workflow):
    assert f"path: {cli.SITE}\n" in workflow("pages")


def test_both_ends_of_the_pythons_and_macos_are_tested(workflow):
    matrix = re.findall(r'- os: (\w+)-latest\n +python: "(.+)"', workflow("tests"))
    assert matrix == [("ubuntu", "3.11"), ("ubuntu", "3.13"), ("macos", "3.13")]
