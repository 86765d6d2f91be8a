"""A model -> its layers in order, and what each of them is given."""

import functools
from typing import NamedTuple

import keras

from recipes._lab.training.identity import NotStackableError, configuration, names_of


def layers_of(model):
    """Return the layers of a `keras.Sequential` or a functional model, without its input."""
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def is_functional(model):
    """Tell whether a model is a functional one, and not of a class of the user's own."""
    return type(model) is _functional_class()


def is_of_ones_own(model):
    """Tell whether a model is of a class of the user's own: neither a Sequential nor functional."""
    return type(model) is not keras.Sequential and not is_functional(model)


@functools.cache
def _functional_class():
    """Return the class of `keras.Model(inputs, outputs)`, which has no public name."""
    inputs = keras.Input((1,))
    return type(keras.Model(inputs, inputs))


class Constant(NamedTuple):
    """An argument of a call that is a number, and no tensor."""

    value: float


def connections(model):
    """Return what each layer is given, as the arguments of its call.

    Args:
        model: a `keras.Sequential` or a functional model.

    Returns:
        For each of `layers_of(model)` numbers for its arguments, such as `(0,)` or `([1, 2],)`: 0
        is the model's input, n the output of the n-th layer. And the number of the model's output.

    Raises:
        NotStackableError: it has several inputs or outputs, uses a layer twice or with options, or
            computes between its layers.
    """
    layers = layers_of(model)
    if isinstance(model, keras.Sequential):
        return [(n,) for n in range(len(layers))], len(layers)
    steps, inputs, output = connections_of(model)
    for step in steps:
        if not isinstance(step, keras.Layer):
            raise NotStackableError(f"{step.name} is no layer; make a layer of it")
    return inputs, output


def connections_of(model):
    """Return the same of a functional model that may compute between its layers.

    Returns:
        The layers and operations in order; what each is given, a number of one's own as a
        `Constant`; and the number of the output.
    """
    config = configuration(model.get_config)
    first, last = config["input_layers"], config["output_layers"]
    if not isinstance(first[0], str) or not isinstance(last[0], str):
        raise NotStackableError("the model has several inputs or outputs")
    steps = [s for s in model.operations if not isinstance(s, keras.layers.InputLayer)]
    numbers = {step.name: n for n, step in enumerate(steps, 1)} | {first[0]: 0}
    nodes = {one["name"]: one["inbound_nodes"] for one in config["layers"]}
    inputs = [
        _arguments(name, nodes[step.name], numbers)
        for step, name in zip(steps, names_of(steps), strict=True)
    ]
    return steps, inputs, numbers[last[0]]


def _arguments(name, nodes, numbers):
    """Return the arguments of a layer's only call, with numbers for tensors."""
    if len(nodes) != 1:
        raise NotStackableError(f"layer {name} is used {len(nodes)} times")
    (node,) = nodes
    # `training` is what the model is told, whatever the layer was called with.
    options = {key for key, value in node["kwargs"].items() if value is not None} - {"training"}
    if options:
        raise NotStackableError(f"layer {name} is called with {', '.join(sorted(options))}")

    def number(value):
        if isinstance(value, (list, tuple)):
            return list(map(number, value))
        if isinstance(value, (int, float)):
            return Constant(value)
        if not isinstance(value, dict) or value.get("class_name") != "__keras_tensor__":
            raise NotStackableError(f"layer {name} is called with {value!r}")
        before, _, position = value["config"]["keras_history"]
        if position:
            raise NotStackableError(f"layer {before} has several outputs")
        return numbers[before]

    return tuple(map(number, node["args"]))


def plain(attributes):
    """Return those of an operation's attributes that are numbers or names."""
    return {
        key: value
        for key, value in attributes.items()
        if isinstance(value, (bool, int, float, str)) and key != "name"
    }
