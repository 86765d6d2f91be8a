"""A compiled `keras.Sequential`, taken apart: what must be equal to train together, what may vary.

Models train as one population if they differ only in numbers: learning rate, momentum, dropout
rate, penalties, scale of the initial weights. `read` separates these `hyperparameters` from the
rest of the configuration, the `signature`; models of equal signature can be stacked.
"""

import collections
import functools
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import keras
import numpy as np

OPTIMIZERS = {
    keras.optimizers.SGD: ("momentum",),
    keras.optimizers.RMSprop: ("rho", "momentum", "epsilon"),
    keras.optimizers.Adagrad: ("initial_accumulator_value", "epsilon"),
    keras.optimizers.Adam: ("beta_1", "beta_2", "epsilon"),
    keras.optimizers.AdamW: ("beta_1", "beta_2", "epsilon"),
}
# Numbers of a layer's configuration that enter the arithmetic as (members,) tensors.
LAYER_NUMBERS = {
    keras.layers.Dropout: ("rate",),
    keras.layers.GaussianNoise: ("stddev",),
    keras.layers.BatchNormalization: ("momentum", "epsilon"),
    keras.layers.LayerNormalization: ("epsilon",),
}
ELEMENTWISE = (
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.ELU,
    keras.layers.Softmax,
)
# Layers that treat each example by itself and have neither weights nor randomness.
WEIGHTLESS = (
    *ELEMENTWISE,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Rescaling,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.MaxPooling1D,
    keras.layers.AveragePooling1D,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalMaxPooling1D,
    keras.layers.ZeroPadding2D,
)
# Layers whose weights can't carry a member axis through TensorFlow's kernels: looped in the graph.
LOOPED = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.SimpleRNN,
)
SUPPORTED = {keras.layers.Dense, *LAYER_NUMBERS, *WEIGHTLESS, *LOOPED}


class NotStackableError(Exception):
    """The model holds something that can't be trained as part of a population; says what."""


@dataclass(frozen=True)
class Blueprint:
    """One compiled model, taken apart.

    Attributes:
        build: makes the compiled model; called once more where a built one is needed.
        signature: everything that isn't a number to be lifted, as JSON.
        hyperparameters: lifted numbers, such as `{"momentum": 0.9, "h1_dropout/rate": 0.1}`.
        initializers: serialized initializer of each weight, keyed `"layer/weight"`.
        learning_rate: a number, or a `keras.optimizers.schedules.LearningRateSchedule`.
    """

    build: Callable[[], keras.Sequential]
    signature: str
    hyperparameters: dict
    initializers: dict
    learning_rate: object


def layer_names(model):
    """Return a name for every layer that doesn't depend on how many models were made before.

    Given names stay; `dense_17`, numbered by Keras over the whole process, becomes `dense`,
    `dense_1`, ... in the order within the model.
    """
    names, count = [], collections.Counter()
    for layer in model.layers:
        kind = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", type(layer).__name__)
        kind = re.sub("([a-z])([A-Z])", r"\1_\2", kind).lower()
        if re.fullmatch(rf"{kind}(_\d+)?", layer.name):
            names.append(f"{kind}_{count[kind]}" if count[kind] else kind)
            count[kind] += 1
        else:
            names.append(layer.name)
    return names


def read(build):
    """Take the compiled `keras.Sequential` that `build()` returns apart.

    Args:
        build: returns the compiled model.

    Returns:
        A `Blueprint`.

    Raises:
        NotStackableError: the model can only be trained by itself, with `fit`.
    """
    model = _sketch(build)
    if type(model) is not keras.Sequential:
        raise NotStackableError(f"{type(model).__name__} is not a keras.Sequential")
    if not model.compiled:
        raise NotStackableError("the model is not compiled")
    numbers, initializers, parts = {}, {}, []
    for layer, name in zip(model.layers, layer_names(model), strict=True):
        parts.append(_read_layer(layer, name, numbers, initializers))
    parts.append(_read_optimizer(model.optimizer, numbers))
    parts.append(_read_loss(model.loss))
    return Blueprint(
        build=build,
        signature=json.dumps(parts, sort_keys=True),
        hyperparameters=numbers,
        initializers=initializers,
        learning_rate=_learning_rate(model.optimizer),
    )


def _sketch(build):
    """Return the model that `build` makes, without weights where it does not ask for them.

    Skipping `Sequential.build` takes a fraction of the time, which counts for eighty variants:
    of most of them only the configuration is needed.
    """
    with mock.patch.object(keras.Sequential, "build", return_value=None):
        try:
            return build()
        except (ValueError, AttributeError, IndexError, TypeError):
            pass  # It touches its weights, or is wrong; the real build tells which.
    return build()


def _read_layer(layer, name, numbers, initializers):
    kind = type(layer)
    if kind not in SUPPORTED:
        raise NotStackableError(f"layer {name} is a {kind.__name__}")
    config = dict(layer.get_config(), name=name, seed=None)
    if config.pop("dtype")["config"]["name"] != "float32":
        raise NotStackableError(f"layer {name} does not compute in float32")
    for key in list(config):
        value = config[key]
        if key.endswith("_initializer"):
            initializers[f"{name}/{key.removesuffix('_initializer')}"] = config.pop(key)
        elif key.endswith("_regularizer") and key != "activity_regularizer":
            l1, l2 = _penalty_factors(config.pop(key), f"{name}/{key}")
            numbers[f"{name}/{key.removesuffix('_regularizer')}/l1"] = l1
            numbers[f"{name}/{key.removesuffix('_regularizer')}/l2"] = l2
        elif key in LAYER_NUMBERS.get(kind, ()):
            numbers[f"{name}/{key}"] = float(config.pop(key))
        elif key.endswith("_constraint") or key in ("activity_regularizer", "noise_shape"):
            if value is not None:
                raise NotStackableError(f"layer {name} has a {key}")
        elif isinstance(value, dict) and value.get("class_name") == "function":
            # Two different functions may share a name, so names can't tell models apart.
            raise NotStackableError(f"layer {name} uses the function {value['config']}")
    if kind in (keras.layers.BatchNormalization, keras.layers.LayerNormalization):
        axis = config["axis"] if isinstance(config["axis"], int) else tuple(config["axis"])
        if axis not in (-1, (-1,)) or config.get("renorm") or config.get("rms_scaling"):
            raise NotStackableError(f"layer {name} normalizes in an uncommon way")
    return {"class": kind.__name__, **config}


def _penalty_factors(config, where):
    """Return the (L1, L2) factors of a serialized regularizer."""
    if config is None:
        return 0.0, 0.0
    if config["class_name"] not in ("L1", "L2", "L1L2"):
        raise NotStackableError(f"{where} is a {config['class_name']}")
    return float(config["config"].get("l1", 0.0)), float(config["config"].get("l2", 0.0))


def _read_optimizer(optimizer, numbers):
    kind = type(optimizer)
    if kind not in OPTIMIZERS:
        raise NotStackableError(f"the optimizer is {kind.__name__}")
    config = optimizer.get_config()
    for key in ("name", "learning_rate"):
        config.pop(key)
    for key in OPTIMIZERS[kind]:
        numbers[key] = float(config.pop(key))
    numbers["weight_decay"] = float(config.pop("weight_decay") or 0.0)
    # What is left either selects the rule (nesterov) or is off by default and needs `fit`.
    rule = {"class": kind.__name__, "nesterov": config.pop("nesterov", False)}
    config.pop("ema_momentum")
    for key, value in config.items():
        if value:
            raise NotStackableError(f"the optimizer uses {key}")
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise NotStackableError("the optimizer excludes weights from its decay")
    return rule


def _read_loss(loss):
    loss = keras.losses.get(loss)
    if not (getattr(loss, "__module__", "") or "").startswith("keras."):
        raise NotStackableError("the loss is not one of Keras's own")
    return keras.losses.serialize(loss)


def _learning_rate(optimizer):
    """Return the rate as a number, or the schedule."""
    config = optimizer.get_config()["learning_rate"]
    if isinstance(config, dict):
        return keras.optimizers.schedules.deserialize(config)
    return float(config)


def key(*parts):
    """Hash names and numbers to a seed in [0, 2^31): the same key, the same random numbers."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1


def initial_weights(blueprint, seed, shapes):
    """Draw a member's initial weights, each keyed by (seed, layer, weight).

    The draw doesn't depend on the other layers, so a variant with one layer more starts from the
    same values elsewhere, and members that differ in the initial scale alone start proportional.

    Args:
        blueprint: whose initializers to use; seeds given to them are replaced.
        seed: the member's seed.
        shapes: shape of each weight, keyed `"layer/weight"`.

    Returns:
        A list of float32 arrays in the order of `shapes`.
    """
    return [
        _draw(json.dumps(_initializer_of(blueprint, name)), key(seed, name), tuple(shape))
        for name, shape in shapes.items()
    ]


def _initializer_of(blueprint, name):
    layer, weight = name.split("/")
    # SimpleRNN calls the initializer of its recurrent_kernel recurrent_initializer.
    return (
        blueprint.initializers.get(name)
        or blueprint.initializers[f"{layer}/{weight.removesuffix('_kernel')}"]
    )


@functools.lru_cache(maxsize=4096)
def _draw(config, seed, shape):
    config = json.loads(config)
    if "seed" in config["config"]:
        config["config"]["seed"] = seed
    values = keras.initializers.deserialize(config)(shape, dtype="float32")
    return np.asarray(values)
