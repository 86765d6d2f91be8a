"""Values -> a trial's hyperparameters: its model is read, and what that asks for anew is drawn.

keras-tuner learns of a hyperparameter when a build asks for it, so one that the default build
doesn't reach, the units of a second layer, is unknown when the first batch is drawn. Here, a
model is read before its trial is fixed: what it asks for and was not drawn is drawn, what was
drawn and it doesn't ask for is left out.
"""

import dataclasses
import functools
import re
import textwrap

import keras_tuner

from recipes._lab.errors import UserError
from recipes._lab.training import architecture

# Used in training, whether a model asks for them or not.
ALWAYS = ("batch_size", "epochs")


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A trial's hyperparameters and its model, read.

    Attributes:
        hyperparameters: those that the model asks for, with their values.
        spec: the model, taken apart; None if it is to be trained by `fit`, or failed.
        obstacle: why it is to be trained by `fit`, or None.
        failure: what the build raised, in one line, or None.
    """

    hyperparameters: keras_tuner.HyperParameters
    spec: architecture.ModelSpec | None
    obstacle: str | None
    failure: str | None

    @property
    def values(self):
        """The values by name."""
        return self.hyperparameters.values


class Asked(dict):
    """Values that remember the names that were asked for, in `names`."""

    def __init__(self, values):
        super().__init__(values)
        self.names = set()

    def __getitem__(self, name):
        self.names.add(name)
        return super().__getitem__(name)

    def get(self, name, default=None):
        """Return a value."""
        self.names.add(name)
        return super().get(name, default)

    def items(self):
        """Return all names and values: all are asked for."""
        self.names.update(self)
        return super().items()


def complete(build, oracle, values, draw, keep=False):
    """Return the `Drawing` of values; what the model asks for and they lack is drawn.

    Args:
        build: `build(hp)` returns the model.
        oracle: whose space learns what the model asks for anew.
        values: `{name: value}`, as drawn.
        draw: `draw(parameter)` returns a value for a new hyperparameter.
        keep: whether values that the model doesn't ask for stay.
    """
    while True:
        drawing, space = _read(build, oracle.get_space(), values, keep)
        oracle.update_space(space)
        new = [p for p in drawing.hyperparameters.space if p.name not in values]
        if not new:
            return drawing
        values = values | {parameter.name: draw(parameter) for parameter in new}


def _read(build, space, values, keep):
    """Return the `Drawing` of values, and the space with what the model has asked for anew."""
    foreign = values.keys() - {parameter.name for parameter in space.space}
    space.values = asked = Asked(with_defaults(space.space, values))
    spec = obstacle = failure = None
    try:
        spec = architecture.read(functools.partial(build, space))
    except architecture.NotStackableError as error:
        obstacle = str(error)
    except keras_tuner.errors.FatalError:
        raise
    except Exception as error:  # whatever a user's function may raise
        failure = in_one_line(error)
    names = (asked.keys() if keep else asked.names | foreign | {*ALWAYS}) & asked.keys()
    hyperparameters = keras_tuner.HyperParameters()
    hyperparameters.merge([p for p in space.space if p.name in names and space.is_active(p)])
    hyperparameters.values = {name: dict.get(asked, name) for name in asked if name in names}
    if spec is not None:
        spec = dataclasses.replace(spec, build=functools.partial(build, hyperparameters))
    return Drawing(hyperparameters, spec, obstacle, failure), space


def with_defaults(parameters, values):
    """Return values with the defaults of parameters that are active and have none."""
    hp = keras_tuner.HyperParameters()
    hp.values = dict(values)
    hp.merge(parameters, overwrite=False)  # in order: what a condition depends on comes before it
    return hp.values


def in_one_line(error):
    """Return what an exception says, as far as it goes into a line."""
    kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    plain = re.sub(r"\x1b\[[\d;]*m", "", f"{kind}{error}")  # Keras writes in bold
    return textwrap.shorten(plain, 300, placeholder=" ...")


def explore(build, oracle):
    """Tell an oracle what the default build asks for, and what lies in scopes that it closes.

    Args:
        build: `build(hp)` returns the model. What it raises before it asks for anything is a
            mistake; what it raises afterwards concerns those values, and so a trial.
        oracle: whose space learns.
    """
    tried, due = [], [[]]  # scopes, each a list of conditions
    while due:
        scope = due.pop(0)
        tried.append(scope)
        hp = oracle.get_space()
        values = hp.values | {condition.name: condition.values[0] for condition in scope}
        hp.values = with_defaults(hp.space, values)
        try:
            build(hp)
        except Exception as error:
            if isinstance(error, keras_tuner.errors.FatalError) or not hp.space:
                raise
        oracle.update_space(hp)
        tried += [seen for seen in hp.active_scopes if seen not in tried]
        due = [other for other in due if other not in tried]
        due += [other for other in hp.inactive_scopes if other not in [*tried, *due]]
