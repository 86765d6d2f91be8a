"""A recipe -> another one of one's own, as a copy to start from."""

import keyword
import re

from recipes._lab import menu
from recipes._lab.errors import UserError
from recipes._lab.files import write

DOCSTRING = '''"""{question}?

Claim: what a textbook says (and where). So far the claims and variants are those of {source}.

Look for: what in the figure; what in TensorBoard.

Use: the setting that you would use.
Topic: My own
"""'''


def create(name, source):
    """Write a new recipe that runs at once: a copy of another, with a docstring to fill in.

    Args:
        name: of the new recipe, which is its file's: small letters, digits and _.
        source: name of the recipe to copy.

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
    path = menu.FOLDER / f"{name}.py"
    if path.exists() or name in menu.RESERVED:
        raise UserError(f"the name {name!r} is taken; give another")
    recipe = menu.read(source)
    rest = recipe.source.splitlines(keepends=True)[recipe.body[0].lineno - 1 :]
    question = name.replace("_", " ").capitalize()
    write(path, DOCSTRING.format(question=question, source=source) + "\n\n" + "".join(rest))
    return path
