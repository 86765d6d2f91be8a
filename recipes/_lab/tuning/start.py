"""Values to try first: read, and checked against what the model asks for."""

import ast
import contextlib

from recipes._lab.errors import UserError, nearest
from recipes._lab.tuning.space import INT, NUMERIC


def parse(text):
    """Return the values that `learning_rate=0.01,units=32` says, `{name: value}`.

    Raises:
        UserError: it is no such list.
    """
    values = {}
    for part in text.split(","):
        name, equals, value = (word.strip() for word in part.partition("="))
        if not (name and equals and value):
            raise UserError(
                f"{text!r} does not say where to start; give name=value,name=value, such as "
                "learning_rate=0.01,units=32 (--start, START=...)"
            )
        values[name] = _literal(value)
    return values


def _literal(text):
    """Return the number or the truth value that a text says, or else the text."""
    with contextlib.suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = ast.literal_eval(text)
        return value if isinstance(value, int | float | str) else text
    return text


def check(values, space):
    """Return values to start with, each as its hyperparameter has it: 1 of a Float as 1.0.

    Args:
        values: `{name: value}`.
        space: HyperParameters that the model with these values asks for.

    Raises:
        UserError: it asks for no such name, or the value is none of the hyperparameter's.
    """
    parameters = {parameter.name: parameter for parameter in space.space}
    for name in values:
        if name not in parameters:
            raise UserError(
                f"start: the model asks for no hyperparameter {name!r}"
                f"{nearest(name, parameters)}; it asks for {', '.join(parameters)}"
            )
    return {name: _checked(parameters[name], value) for name, value in values.items()}


def _checked(parameter, value):
    if not isinstance(parameter, NUMERIC):
        allowed = getattr(parameter, "values", None) or [parameter.default]
        same = [one for one in allowed if str(one).lower() == str(value).lower()]
        if same:
            return same[0]
        listed = ", ".join(map(str, allowed))
        raise UserError(f"start: {parameter.name} can't be {value!r}; it is one of {listed}")
    low, high = parameter.min_value, parameter.max_value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and low <= value <= high and not (isinstance(parameter, INT) and value % 1):
        return (int if isinstance(parameter, INT) else float)(value)
    kind = "a whole number" if isinstance(parameter, INT) else "a number"
    raise UserError(f"start: {parameter.name} can't be {value!r}; it is {kind}, {low} to {high}")
