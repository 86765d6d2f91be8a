"""A recipe's calls of `lab`, checked before anything is trained."""

import ast
import inspect

from recipes._lab.errors import UserError, nearest
from recipes._lab.lab import Lab

METHODS = inspect.getmembers(Lab, inspect.isfunction)
VERBS = {name: method for name, method in METHODS if not name.startswith("_")}


def check(name, source):
    """Raise a UserError unless every `lab.verb(...)` of a recipe is one that the lab understands.

    Args:
        name: of the recipe.
        source: its text.
    """
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[0] == "lab":
            _check(call, f"recipes/{name}.py, line {call.lineno}: {ast.unparse(call.func)}")


def _check(call, where):
    verb = call.func.attr
    if verb not in VERBS:
        raise UserError(
            f"{where} is unknown{nearest(verb, VERBS)}; CONTRIBUTING.md shows what lab can do"
        )
    signature = inspect.signature(VERBS[verb])
    if not isinstance(inspect.getattr_static(Lab, verb), staticmethod):
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    names = [keyword.arg for keyword in call.keywords]
    if None in names or any(isinstance(argument, ast.Starred) for argument in call.args):
        return  # what *arguments and **options hold is not known yet
    try:
        signature.bind(*call.args, **dict.fromkeys(names))
    except TypeError as error:
        raise UserError(f"{where}(...): {error}; it takes {signature}") from error
