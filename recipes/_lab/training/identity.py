"""A layer of any kind -> what it is and of which parts, as JSON: equal ones can share a graph.

Keras's own layers say it in their configuration. A layer of the user's own is told by its class and
what its attributes hold, so that it needs no `get_config`.
"""

import collections
import functools
import hashlib
import inspect
import re
import sys
import warnings

import keras
import numpy as np


class NotStackableError(Exception):
    """The model holds something that can't be trained as part of a population; says what."""


# Layers whose values come from elsewhere than their configuration, or whose inputs are no numbers.
REFUSED_LAYERS = (
    keras.layers.Lambda,
    keras.layers.Normalization,
    keras.layers.Discretization,
    keras.layers.StringLookup,
    keras.layers.IntegerLookup,
    keras.layers.TextVectorization,
    keras.layers.TFSMLayer,
    keras.layers.TorchModuleWrapper,
    keras.layers.JaxLayer,
    keras.layers.FlaxLayer,
    keras.layers.Hashing,
    keras.layers.HashedCrossing,
    keras.layers.RandomCrop,  # leaves images as they are in inference
    keras.layers.RandAugment,  # has an Equalization
    keras.layers.AugMix,  # draws from elsewhere than its generators
    keras.layers.Equalization,  # acts otherwise in a model than by itself
    keras.layers.SpectralNormalization,  # assigns a trained weight in its pass
)
# Parts of a configuration that are off by default and need `fit`.
REFUSED = ("stateful", "lora_rank", "quantization_config")

# Parts of a configuration that are dictionaries, and no objects.
PLAIN_DICTIONARIES = ("config", "build_config", "compile_config")


def snake_case(name):
    """Spell a class's name as Keras does where it gives names itself."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def names_of(layers):
    """Return a name for every layer that doesn't depend on how many were made before.

    Given names stay; `dense_17`, numbered by Keras over the whole process, becomes `dense`,
    `dense_1`, ... in order.
    """
    names, count = [], collections.Counter()
    for layer in layers:
        kind = snake_case(type(layer).__name__)
        if re.fullmatch(rf"{kind}(_\d+)?", layer.name):
            names.append(f"{kind}_{count[kind]}" if count[kind] else kind)
            count[kind] += 1
        else:
            names.append(layer.name)
    return names


def weight_names(layer):
    """Return a name for each of a layer's weights: its own, or its path where two are called alike.

    Returns:
        Names such as `kernel`, or `dense/kernel` and `dense_1/kernel`.
    """
    names = [weight.name for weight in layer.weights]
    if len(set(names)) == len(names):
        return names
    renamed = _renumbered([(type(part).__name__, part.name) for part in parts_of(layer)])
    paths, count = [], collections.Counter()
    for weight in layer.weights:
        steps = weight.path.split("/")
        start = steps.index(layer.name) + 1 if layer.name in steps else 0
        path = "/".join(renamed.get(step, step) for step in steps[start:])
        count[path] += 1
        paths.append(path if count[path] == 1 else f"{path}_{count[path] - 1}")
    return paths


def _renumbered(named):
    """Return new names by old ones: `lstm_17` becomes `lstm`, `forward_lstm_17` `forward_lstm`.

    Args:
        named: pairs of a class's name and the name of such a layer, in order.
    """
    new, count = {}, collections.Counter()
    for kind, name in named:
        automatic = re.fullmatch(rf"((.*_)?{snake_case(kind)})(_\d+)?", name)
        if automatic and name not in new:
            base = automatic[1]
            new[name] = f"{base}_{count[base]}" if count[base] else base
            count[base] += 1
    return new


def parts_of(layer):
    """Return the layers of which a layer is made, at any depth, in the order of its attributes."""
    return [held for held in _held(layer) if isinstance(held, keras.Layer)]


def initializers_of(layer):
    """Return the initializers that a layer and its parts hold, in the order of their attributes."""
    return [held for held in _held(layer) if isinstance(held, keras.initializers.Initializer)]


def _held(layer):
    """Return the layers and initializers that an object holds, each once."""
    held, waiting = {}, [layer]
    while waiting:
        value = waiting.pop(0)
        if isinstance(value, (keras.Layer, keras.initializers.Initializer)):
            if id(value) in held:
                continue
            held[id(value)] = value
        if isinstance(value, keras.Layer):
            waiting[:0] = list(vars(value).values())
        elif isinstance(value, (list, tuple)):
            waiting[:0] = list(value)
        elif isinstance(value, dict):
            waiting[:0] = list(value.values())
    held.pop(id(layer), None)
    return list(held.values())


def is_keras(kind):
    """Tell whether a class or function is one of Keras's own."""
    return (getattr(kind, "__module__", "") or "").split(".")[0] == "keras"


def describe(layer, name):
    """Return what a layer is, as JSON that is equal for layers that compute alike.

    Args:
        layer: not yet built.
        name: by which it is called in the description.

    Raises:
        NotStackableError: it holds something that can't be compared, or that needs `fit`.
    """
    for part in (layer, *parts_of(layer)):
        _check(part, name if part is layer else f"{name}/{part.name}")
    description = _described(layer, name)
    return _renamed(description, _renumbered(_named(description)))


def _named(value):
    """Yield class and name of the layers in a description, those in configurations too."""
    if isinstance(value, dict):
        config = value.get("config")
        if isinstance(config, dict) and isinstance(config.get("name"), str):
            yield str(value.get("class_name", value.get("class"))).split(".")[-1], config["name"]
        if "name" in value and "class" in value:
            yield value["class"].split(".")[-1], value["name"]
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _named(item)


def remade(layer, name):
    """Return a layer as it was before it had weights.

    Raises:
        NotStackableError: it can't be made from its configuration.
    """
    config = configuration(layer.get_config)
    parameters = inspect.signature(type(layer).__init__).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        # A class of one's own that takes only what it needs, not a name and the like.
        taken = {parameter.name for parameter in parameters}
        config = {key: value for key, value in config.items() if key in taken}
    try:
        return type(layer).from_config(config)
    except (TypeError, ValueError) as error:
        raise NotStackableError(f"layer {name} can't be made from its configuration") from error


def _check(layer, name):
    """Refuse a layer that only `fit` can train."""
    if isinstance(layer, REFUSED_LAYERS):
        raise NotStackableError(f"layer {name} is a {type(layer).__name__}")
    if layer.dtype_policy.name != "float32":
        raise NotStackableError(f"layer {name} does not compute in float32")
    if layer.weights:
        raise NotStackableError(f"layer {name} has its weights before training begins")


def _described(layer, name):
    kind = type(layer)
    description = {"class": _importable(kind, name), "name": name, "trainable": layer.trainable}
    if not is_keras(kind):
        attributes = vars(layer).keys() - _base_attributes()
        return description | {
            key: _value(vars(layer)[key], f"{name}.{key}") for key in sorted(attributes)
        }
    foreign = [part for part in parts_of(layer) if not is_keras(type(part))]
    config = dict(configuration(layer.get_config), name=name)
    _check_config(config, name, {type(part).__name__ for part in foreign})
    parts = [_described(part, part.name) for part in foreign]
    return description | {"config": config, "parts": parts}


@functools.cache
def _base_attributes():
    """Return what every layer has among its attributes, once it holds another."""
    layer = keras.Layer()
    layer.part = keras.Layer()
    return vars(layer).keys() - {"part"}


def _importable(thing, where):
    """Return the name by which a class or function is found in its module."""
    resolved = sys.modules.get(thing.__module__)
    for step in thing.__qualname__.split("."):
        resolved = getattr(resolved, step, None)
    if resolved is not thing:
        raise NotStackableError(f"{where}: {thing.__qualname__} is defined inside a function")
    return f"{thing.__module__}.{thing.__qualname__}"


def _value(value, where):
    """Return what an attribute of the user's own layer holds, as JSON."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (list, tuple)):
        return [_value(item, where) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _value(item, where) for key, item in value.items()}
    if isinstance(value, np.ndarray) and value.dtype != object:
        digest = hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16)
        return [str(value.dtype), list(value.shape), digest.hexdigest()]
    if isinstance(value, keras.random.SeedGenerator):
        return "randomness"
    if isinstance(value, keras.Layer):
        return _described(value, value.name)
    if isinstance(value, (keras.initializers.Initializer, keras.regularizers.Regularizer)):
        return [_importable(type(value), where), configuration(value.get_config) | {"seed": None}]
    if inspect.isfunction(value) or inspect.isclass(value):
        return _importable(value, where)
    raise NotStackableError(f"{where} is a {type(value).__name__}, which can't be compared")


def _check_config(config, name, foreign):
    """Refuse what needs `fit` in a configuration of Keras's own; seeds are set to None."""
    for key, value in config.items():
        if value and (key in REFUSED or key.endswith("_constraint")):
            raise NotStackableError(f"layer {name} has a {key}")
        if key == "seed":
            config[key] = None
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(item, dict):
                if key not in PLAIN_DICTIONARIES and not _is_known(item, foreign):
                    raise NotStackableError(f"the {key} of layer {name} is not one of Keras's own")
                _check_config(item, name, foreign)


def _is_known(item, foreign):
    """Tell whether a serialized object is one of Keras's own, or of the classes named."""
    if item.get("class_name") in (None, "function", "__lambda__"):
        return False
    from_keras = str(item.get("module", "keras")).split(".")[0] in ("keras", "builtins")
    return from_keras or not item.get("registered_name") or item["class_name"] in foreign


def configuration(serialize):
    """Return a configuration without Keras's warning of a lambda, which is refused afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return serialize()
        except NotImplementedError as error:
            raise NotStackableError(str(error)) from error


def _renamed(value, names):
    """Replace the names of layers wherever they stand in a description."""
    if isinstance(value, dict):
        return {names.get(key, key): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value
