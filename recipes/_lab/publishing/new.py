"""A recipe -> another one of one's own, as a copy to start from."""

import ast
import keyword
import re

from recipes._lab import catalogue
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
        UserError: the name is no good, or taken; or the source is in the first version's language.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name) or keyword.iskeyword(name):
        raise UserError(
            f"{name!r} can't be a recipe's name: it takes small letters, digits and _, "
            "60 at the most and a letter first, such as my_question"
        )
    path = catalogue.FOLDER / f"{name}.py"
    if path.exists() or name in catalogue.RESERVED:
        raise UserError(f"the name {name!r} is taken; give another")
    text = catalogue.read(source).source
    if "lab.claim(" in text and "that=" not in text:
        raise UserError(
            f"{source} is still in the language of the first version; start from another: "
            "FROM=bn_vs_nobn or FROM=dropout"
        )
    tree = ast.parse(text)
    documented = ast.get_docstring(tree) is not None
    rest = text.splitlines(keepends=True)[tree.body[0].end_lineno if documented else 0 :]
    question = name.replace("_", " ").capitalize()
    docstring = DOCSTRING.format(question=question, source=source)
    write(path, f"{docstring}\n\n{''.join(rest).lstrip()}")
    return path
