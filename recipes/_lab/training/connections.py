"""A model -> its layers in order, and what each of them is given."""

import keras

from recipes._lab.training.identity import NotStackableError, configuration, names_of


def layers_of(model):
    """Return the layers of a `keras.Sequential` or a functional model, without its input."""
    return [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]


def is_functional(model):
    """Tell whether a model is a functional one, and not of a class of the user's own."""
    return type(model) is type(_functional())


def _functional():
    inputs = keras.Input((1,))
    return keras.Model(inputs, inputs)


def connections(model):
    """Return what each layer is given, as the arguments of its call.

    Args:
        model: a `keras.Sequential` or a functional model.

    Returns:
        For each of `layers_of(model)` numbers for its arguments, such as `(0,)` or `([1, 2],)`: 0
        is the model's input, n the output of the n-th layer. And the number of the model's output.

    Raises:
        NotStackableError: it has several inputs or outputs, or uses a layer twice or with options.
    """
    layers = layers_of(model)
    if isinstance(model, keras.Sequential):
        return [(n,) for n in range(len(layers))], len(layers)
    config = configuration(model.get_config)
    inputs, outputs = config["input_layers"], config["output_layers"]
    if not isinstance(inputs[0], str) or not isinstance(outputs[0], str):
        raise NotStackableError("the model has several inputs or outputs")
    numbers = {layer.name: n for n, layer in enumerate(layers, 1)} | {inputs[0]: 0}
    nodes = {one["name"]: one["inbound_nodes"] for one in config["layers"]}
    arguments = [
        _arguments(name, nodes[layer.name], numbers)
        for layer, name in zip(layers, names_of(layers), strict=True)
    ]
    return arguments, numbers[outputs[0]]


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
        if not isinstance(value, dict) or value.get("class_name") != "__keras_tensor__":
            raise NotStackableError(f"layer {name} is called with {value!r}")
        before, _, position = value["config"]["keras_history"]
        if before not in numbers or position:
            raise NotStackableError(f"{before} is no layer with one output; make a layer of it")
        return numbers[before]

    return tuple(map(number, node["args"]))
