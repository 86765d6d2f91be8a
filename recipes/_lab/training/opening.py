"""A layer that is made of layers -> its parts and how they are connected, if its `call` is no more.

What `call` does is asked of Keras: given a symbolic tensor, it becomes a functional model. Parts
that have a stacked form are then stacked, and only the others are looped.
"""

import contextlib
import inspect
import json
from typing import NamedTuple

import keras

from recipes._lab.training.architecture import BUILDING, may_mask, read_supported
from recipes._lab.training.connections import connections_of, plain
from recipes._lab.training.identity import NotStackableError, names_of

# Operations of keras.ops that treat every number by itself, by the names of their classes.
ELEMENTWISE = (
    *("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Power", "Maximum", "Minimum"),
    *("ConvertToTensor", "Negative", "Absolute", "Square", "Sqrt", "Exp", "Log", "Sign", "Clip"),
    *("Relu", "Relu6", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Silu", "HardSilu", "Mish"),
    *("Sigmoid", "HardSigmoid", "LogSigmoid", "Tanh", "HardTanh", "Softplus", "Softsign"),
)


class Parts(NamedTuple):
    """What a layer is made of.

    Attributes:
        steps: layers and elementwise operations, in order.
        names: `"layer/part"` of each.
        inputs: what each is given, see `connections.connections`; constants are `Constant`s.
        output: the number of the output, as in `inputs`.
        looped: names of those that have no stacked form.
        weights: of each step, the positions of its weights among the layer's.
        hyperparameters: numbers of the parts, `{"layer/part/rate": 0.1}`.
        initializers: of the weights of the layer, in its order, as JSON; None if a part is looped.
    """

    steps: list
    names: list
    inputs: list
    output: int
    looped: frozenset
    weights: list[list[int]]
    hyperparameters: dict
    initializers: list[str] | None


def opened_layers(layers):
    """Return the `Parts` of those of the layers, by name, that do no more than to call others."""
    opened = {name: parts_of_call(layer, name) for name, layer in layers.items()}
    return {name: parts for name, parts in opened.items() if parts is not None}


def parts_of_call(layer, name):
    """Return the `Parts` of a layer of a built model; None if it does more than to call others.

    Args:
        layer: without a stacked form.
        name: by which it is called.
    """
    if not isinstance(layer.input, keras.KerasTensor) or may_mask(layer):
        return None
    # Whatever goes wrong in somebody's `call` with a symbolic tensor, the layer can be looped.
    with BUILDING, contextlib.suppress(Exception):
        traced = {training: _trace(layer, training) for training in (True, False)}
        described = [_described(graph, training) for training, graph in traced.items()]
        if described[0] == described[1]:
            return _parts(traced[True], layer, name)
    return None


def _trace(layer, training):
    """Return what a layer's `call` does, as a functional model.

    Raises:
        NotStackableError: it adds to the loss.
    """
    takes_training = "training" in layer.call_signature_parameters
    inputs = keras.Input(batch_shape=layer.input.shape)
    with keras.StatelessScope(collect_losses=True) as scope:
        outputs = layer.call(inputs, **({"training": training} if takes_training else {}))
    if scope.losses or layer.losses:
        raise NotStackableError("adds to the loss")
    return keras.Model(inputs, outputs)


def _described(graph, training):
    """Return the steps of a traced `call`, equal for two that do the same.

    Raises:
        NotStackableError: a part is told to train, or not to, whatever the layer is told.
    """
    for step in graph.get_config()["layers"]:
        for node in step["inbound_nodes"]:
            argument = node["kwargs"].get("training")
            layer = next(o for o in graph.operations if o.name == step["name"])
            default = inspect.signature(layer.call).parameters.get("training")
            if argument is not None and argument != training and argument != default.default:
                raise NotStackableError("a part of its own mind")
    steps, inputs, output = connections_of(graph)
    kinds = [id(s) if isinstance(s, keras.Layer) else (type(s), plain(vars(s))) for s in steps]
    return kinds, inputs, output


def _parts(graph, layer, name):
    steps, inputs, output = connections_of(graph)
    layers = [step for step in steps if isinstance(step, keras.Layer)]
    part_names = dict(zip(map(id, layers), names_of(layers), strict=True))
    names = [f"{name}/{part_names.get(id(step), step.name)}" for step in steps]
    positions = {id(weight): position for position, weight in enumerate(layer.weights)}
    hyperparameters, initializers, looped, weights = {}, {}, set(), []
    keys = dict.fromkeys(range(len(positions)))
    for step, part in zip(steps, names, strict=True):
        if isinstance(step, keras.Layer):
            if read_supported(step, part, hyperparameters, initializers) is None:
                looped.add(part)
            weights.append([positions[id(weight)] for weight in step.weights])
            keys |= {positions[id(weight)]: f"{part}/{weight.name}" for weight in step.weights}
        else:
            _check_elementwise(step)
            weights.append([])
    if sorted(position for of in weights for position in of) != list(range(len(positions))):
        raise NotStackableError("weights outside of its parts")
    numbers = {k: v for k, v in hyperparameters.items() if not k.endswith(("/l1", "/l2"))}
    drawn = None if looped else [json.dumps(initializers[key]) for key in keys.values()]
    return Parts(steps, names, inputs, output, frozenset(looped), weights, numbers, drawn)


def _check_elementwise(operation):
    """Refuse an operation that a member's axis in front would change.

    Raises:
        NotStackableError: it may mix numbers, or its inputs have different axes.
    """
    ours = type(operation).__module__.startswith("keras.src.ops.")
    inputs = [t for t in keras.tree.flatten(operation.input) if isinstance(t, keras.KerasTensor)]
    if not ours or type(operation).__name__ not in ELEMENTWISE:
        raise NotStackableError(f"{type(operation).__name__} is not elementwise")
    if len({len(tensor.shape) for tensor in inputs}) != 1:
        raise NotStackableError("inputs of different axes")
