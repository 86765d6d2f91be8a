"""A new recipe of the user's: a small one to start from, or a copy of another."""

import ast
import keyword
import re
from pathlib import Path

from recipes._lab import catalogue
from recipes._lab.errors import UserError
from recipes._lab.files import write

SKELETON = Path(__file__).with_name("skeleton.py")
DOCSTRING = '''"""{question}?

Claim: what a textbook says (and where). So far the claims and variants are those of {source}.

Look for: what in the figure; what in TensorBoard.

Use: the setting that you would use.
Topic: My own
"""'''


def create(name, source=None):
    """Write a new recipe that runs at once.

    Args:
        name: of the new recipe, which is its file's: small letters, digits and _.
        source: name of the recipe to copy, which gets a docstring to fill in; None for a small one
            of two variants and one claim.

    Returns:
        The path of the new file.

    Raises:
        UserError: the name is no good, or taken.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} can't be a recipe's name: it takes small letters, digits and _, "
            "60 at the most and a letter first, such as my_question"
        )
    path = catalogue.FOLDER / f"{name}.py"
    if path.exists() or name in catalogue.RESERVED:
        raise UserError(f"the name {name!r} is taken; give another")
    question = name.replace("_", " ").capitalize()
    if source is None:
        text = SKELETON.read_text(encoding="utf-8").replace("My question", question, 1)
    else:
        text = _with_docstring(source, DOCSTRING.format(question=question, source=source))
    write(path, text, remedy=None)
    return path


def _with_docstring(source, docstring):
    """Return a recipe's text with another docstring."""
    text = catalogue.read(source).source
    tree = ast.parse(text)
    documented = ast.get_docstring(tree) is not None
    rest = text.splitlines(keepends=True)[tree.body[0].end_lineno if documented else 0 :]
    return f"{docstring}\n\n{''.join(rest).lstrip()}"
