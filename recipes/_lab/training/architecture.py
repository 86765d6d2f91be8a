"""A compiled `keras.Sequential`, taken apart: what must be equal to train together, what may vary.

Models train as one population if they differ only in numbers that each member may have for itself:
learning rate, momentum, dropout rate, penalties, scale of the initial weights. `read` separates
these `hyperparameters` from the rest of the configuration, the `signature`; models of equal
signature can be stacked.
"""

import collections
import contextlib
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import keras

from recipes._lab.errors import UserError
from recipes._lab.training.optimizers import CLIPS, EMA

OPTIMIZERS = {
    keras.optimizers.SGD: ("momentum",),
    keras.optimizers.RMSprop: ("rho", "momentum", "epsilon"),
    keras.optimizers.Adagrad: ("initial_accumulator_value", "epsilon"),
    keras.optimizers.Adam: ("beta_1", "beta_2", "epsilon"),
    keras.optimizers.AdamW: ("beta_1", "beta_2", "epsilon"),
    keras.optimizers.Adadelta: ("rho", "epsilon"),
    keras.optimizers.Adamax: ("beta_1", "beta_2", "epsilon"),
    keras.optimizers.Nadam: ("beta_1", "beta_2", "epsilon"),
    keras.optimizers.Lion: ("beta_1", "beta_2"),
    keras.optimizers.Lamb: ("beta_1", "beta_2", "epsilon"),
    keras.optimizers.Ftrl: (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
    keras.optimizers.Adafactor: ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold"),
    keras.optimizers.Muon: (
        "momentum",
        "adam_beta_1",
        "adam_beta_2",
        "adam_lr_ratio",
        "adam_weight_decay",
        "epsilon",
        "rms_rate",
        "muon_a",
        "muon_b",
        "muon_c",
    ),
}
# What selects the rule of an optimizer.
RULES = ("nesterov", "centered", "amsgrad", "use_ema", "ns_steps")
# Numbers of a layer's configuration that enter the arithmetic as (members,) tensors.
LAYER_HYPERPARAMETERS = {
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
SUPPORTED = {keras.layers.Dense, *LAYER_HYPERPARAMETERS, *WEIGHTLESS, *LOOPED}
# Weights that Keras calls otherwise in the configuration (as in recurrent_initializer).
WEIGHT_NAMES = {
    (keras.layers.SimpleRNN, "recurrent"): "recurrent_kernel",
    (keras.layers.DepthwiseConv2D, "depthwise"): "kernel",
    (keras.layers.SeparableConv2D, "depthwise"): "depthwise_kernel",
    (keras.layers.SeparableConv2D, "pointwise"): "pointwise_kernel",
}
# Objects, not names, that may stand in a layer's configuration.
PLAIN = ("ReLU", "LeakyReLU", "ELU", "__numpy__")
# Parts of a layer's configuration that are off by default and need `fit`.
REFUSED = (
    "activity_regularizer",
    "noise_shape",
    "renorm",
    "rms_scaling",
    "dropout",
    "recurrent_dropout",
    "stateful",
    "lora_rank",
    "quantization_config",
)
# Losses of one example at a time that want one-hot labels, and get them made of class labels.
ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy", "categorical_hinge")
# Losses of one example at a time; all others need other labels or mix examples.
LOSSES = (
    *ONE_HOT,
    "sparse_categorical_crossentropy",
    "categorical_generalized_cross_entropy",  # which takes whole numbers, too
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "hinge",
    "squared_hinge",
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "log_cosh",
)
# The rest of Keras's optimizers and losses: a model with one of them is trained by `fit`.
FITTED_OPTIMIZERS = ("LossScaleOptimizer", "MultiOptimizer", "ScheduleFreeAdamW")
FITTED_LOSSES = (
    "circle",
    "cosine_similarity",
    "ctc",
    "dice",
    "kl_divergence",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "tversky",
)


def trained_how():
    """Return how a model with each of Keras's optimizers and losses is trained.

    Returns:
        `{"optimizers": {"Adam": "stacked", ...}, "losses": {"dice": "fit", ...}}`, each by name.
    """
    optimizers = [kind.__name__ for kind in OPTIMIZERS]
    kinds = {"optimizers": (optimizers, FITTED_OPTIMIZERS), "losses": (LOSSES, FITTED_LOSSES)}
    return {
        kind: dict.fromkeys(stacked, "stacked") | dict.fromkeys(fitted, "fit")
        for kind, (stacked, fitted) in kinds.items()
    }


class NotStackableError(Exception):
    """The model holds something that can't be trained as part of a population; says what."""


@dataclass(frozen=True)
class ModelSpec:
    """One compiled model, taken apart.

    Attributes:
        build: makes the compiled model; called once more where a built one is needed.
        signature: everything that is not a per-member hyperparameter, as JSON.
        hyperparameters: those that each member may have for itself, such as
             `{"momentum": 0.9, "h1_dropout/rate": 0.1}`.
        initializers: each weight's initializer, serialized as JSON, keyed `"layer/weight"`.
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
        kind = _snake_case(type(layer).__name__)
        if re.fullmatch(rf"{kind}(_\d+)?", layer.name):
            names.append(f"{kind}_{count[kind]}" if count[kind] else kind)
            count[kind] += 1
        else:
            names.append(layer.name)
    return names


def _snake_case(name):
    """Spell a class's name as Keras does where it gives names itself."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def read(build):
    """Take the compiled `keras.Sequential` that `build()` returns apart.

    Initial weights are drawn anew from the initializers: values that `build` assigns are lost.

    Args:
        build: returns the compiled model.

    Returns:
        A `ModelSpec`.

    Raises:
        NotStackableError: the model can only be trained by itself, with `fit`.
        UserError: it is no compiled model.
    """
    model = _sketch(build)
    if not isinstance(model, keras.Model):
        raise UserError(f"build_model returns {type(model).__name__}, not a compiled Keras model")
    if not model.compiled:
        raise UserError("build_model returns a model that is not compiled; end with model.compile")
    if type(model) is not keras.Sequential:
        raise NotStackableError(f"{type(model).__name__} is not a keras.Sequential")
    if not model.trainable:
        raise NotStackableError("the model is frozen")
    if _config(model.get_compile_config)["loss_weights"] is not None:
        raise NotStackableError("the loss is weighted")
    names = [layer.name.lower() for layer in (model, *model.layers)]
    if isinstance(model.optimizer, keras.optimizers.Muon) and "embedding" in " ".join(names):
        raise NotStackableError("Muon leaves out what is called an embedding")
    hyperparameters, initializers, parts = {}, {}, []
    for layer, name in zip(model.layers, layer_names(model), strict=True):
        parts.append(_read_layer(layer, name, hyperparameters, initializers))
    parts.append(_read_optimizer(model.optimizer, hyperparameters))
    parts.append(_read_loss(model.loss))
    return ModelSpec(
        build=build,
        signature=json.dumps(parts, sort_keys=True),
        hyperparameters=hyperparameters,
        initializers={name: json.dumps(config) for name, config in initializers.items()},
        learning_rate=_learning_rate(model.optimizer),
    )


def _sketch(build):
    """Return the model that `build` makes, without weights where it does not ask for them.

    Only the configuration is needed, and to make weights takes most of the time: seconds for eighty
    variants.
    """
    with mock.patch.object(keras.Sequential, "build"), contextlib.suppress(Exception):
        return build()
    # It asked for its weights, or is wrong; what is wrong is raised here.
    return build()


def _config(serialize):
    """Return a configuration without Keras's warning of a lambda, which is refused afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return serialize()
        except NotImplementedError as error:
            raise NotStackableError(str(error)) from error


def _is_foreign(config):
    """Tell whether a serialized object is not one of Keras's own classes.

    Two different functions may share a name, so names can't tell models apart.
    """
    named = config.get("class_name") not in (None, "__lambda__")
    return not named or config.get("registered_name") is not None


def _read_layer(layer, name, hyperparameters, initializers):
    kind = type(layer)
    if kind not in SUPPORTED:
        raise NotStackableError(f"layer {name} is a {kind.__name__}")
    config = dict(_config(layer.get_config), name=name, seed=None)
    if config.pop("dtype")["config"]["name"] != "float32":
        raise NotStackableError(f"layer {name} does not compute in float32")
    for key in list(config):
        value = config[key]
        weight, _, role = key.rpartition("_")
        weight = f"{name}/{WEIGHT_NAMES.get((kind, weight), weight)}"
        if role == "initializer":
            if _is_foreign(value):
                raise NotStackableError(f"layer {name} has a {key} that is not one of Keras's own")
            initializers[weight] = config.pop(key)
        elif role == "regularizer" and key != "activity_regularizer":
            l1, l2 = _penalty_factors(config.pop(key), f"{name}/{key}")
            hyperparameters[f"{weight}/l1"], hyperparameters[f"{weight}/l2"] = l1, l2
        elif key in LAYER_HYPERPARAMETERS.get(kind, ()):
            hyperparameters[f"{name}/{key}"] = float(config.pop(key))
        elif role == "constraint" or key in REFUSED:
            if value:
                raise NotStackableError(f"layer {name} has a {key}")
        elif isinstance(value, dict) and (_is_foreign(value) or value["class_name"] not in PLAIN):
            raise NotStackableError(f"layer {name} has an {key} that is not one of Keras's own")
    if config.get("axis", -1) not in (-1, [-1]):
        raise NotStackableError(f"layer {name} works along axis {config['axis']}")
    # The masks have sixteen bits; at a rate of 1, Keras drops everything.
    if kind is keras.layers.Dropout and hyperparameters[f"{name}/rate"] > 1.0 - 2.0**-16:
        raise NotStackableError(f"layer {name} drops everything")
    return {"class": kind.__name__, **config}


def _penalty_factors(config, where):
    """Return the (L1, L2) factors of a serialized regularizer."""
    if config is None:
        return 0.0, 0.0
    if _is_foreign(config) or config["class_name"] not in ("L1", "L2", "L1L2"):
        raise NotStackableError(f"{where} is not L1, L2 or L1L2")
    return float(config["config"].get("l1", 0.0)), float(config["config"].get("l2", 0.0))


def _read_optimizer(optimizer, hyperparameters):
    kind = type(optimizer)
    if kind not in OPTIMIZERS:
        raise NotStackableError(f"the optimizer is {kind.__name__}")
    config = _config(optimizer.get_config)
    for key in ("name", "learning_rate"):
        config.pop(key)
    if config.get("rms_rate", 0.0) is None:
        raise NotStackableError("the optimizer has no rms_rate")
    for key in OPTIMIZERS[kind]:
        hyperparameters[key] = float(config.pop(key) or 0.0)
    for key in ("weight_decay", "gradient_accumulation_steps", *CLIPS):
        hyperparameters[key] = float(config.pop(key) or 0.0)
    config.pop("exclude_embeddings", None)  # which need `fit`
    config.pop("relative_step", None)  # of Adafactor, whose rate is cut off like that anyway
    average = {name: float(config.pop(name) or 0.0) for name in EMA}
    if config["use_ema"]:
        hyperparameters |= average
    # What is left either selects the rule or is off by default and needs `fit`.
    rule = {"class": kind.__name__} | {name: config.pop(name, False) for name in RULES}
    for key, value in config.items():
        if value:
            raise NotStackableError(f"the optimizer uses {key}")
    # Made by exclude_from_weight_decay(); empty if it was given names, or weights not yet made.
    if hasattr(optimizer, "_exclude_from_weight_decay"):
        raise NotStackableError("the optimizer excludes weights from its decay")
    return rule


def wants_one_hot(loss):
    """Tell whether a loss, such as `model.loss`, is one of Keras's own for one-hot labels."""
    loss = keras.losses.get(loss)
    return _is_keras(loss) and _loss_name(loss) in ONE_HOT


def _is_keras(loss):
    return (getattr(loss, "__module__", "") or "").startswith("keras.")


def _loss_name(loss):
    return getattr(loss, "__name__", None) or _snake_case(type(loss).__name__)


def _read_loss(loss):
    if not (isinstance(loss, str) or callable(loss)):
        raise NotStackableError("the loss is not a single function")
    loss = keras.losses.get(loss)
    if not _is_keras(loss):
        raise NotStackableError("the loss is not one of Keras's own")
    name = _loss_name(loss)
    if name not in LOSSES:
        raise NotStackableError(f"the loss is {name}")
    config = keras.losses.serialize(loss)["config"]
    if isinstance(config, dict):
        if config["reduction"] not in ("sum_over_batch_size", "mean"):
            raise NotStackableError(f"the loss is reduced by {config['reduction']}")
        if config.get("ignore_class") is not None or config.get("axis", -1) != -1:
            raise NotStackableError("the loss leaves out a class or works along another axis")
    return name, config


def _learning_rate(optimizer):
    """Return the rate as a number, or the schedule."""
    config = _config(optimizer.get_config)["learning_rate"]
    if isinstance(config, dict):
        if _is_foreign(config):
            raise NotStackableError("the learning rate schedule is not one of Keras's own")
        return keras.optimizers.schedules.deserialize(config)
    return float(config)
