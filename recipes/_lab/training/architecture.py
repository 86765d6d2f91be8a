"""A compiled model, taken apart: what must be equal to train together, what may vary.

Models train as one population if they differ only in numbers that each member may have for itself:
learning rate, momentum, dropout rate, penalties, scale of the initial weights. `read` separates
these `hyperparameters` from the rest of the configuration, the `signature`; models of equal
signature can be stacked.
"""

import contextlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import keras

from recipes._lab.errors import UserError
from recipes._lab.training.connections import (
    connections,
    is_functional,
    is_of_ones_own,
    layers_of,
)
from recipes._lab.training.identity import (
    REFUSED_LAYERS,
    NotStackableError,
    configuration,
    describe,
    is_keras,
    names_of,
    parts_of,
    remade,
    snake_case,
)
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
RULES = ("nesterov", "centered", "amsgrad", "use_ema", "ns_steps", "exclude_layers")
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
    keras.layers.MaxPooling3D,
    keras.layers.AveragePooling3D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.GlobalMaxPooling3D,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
    keras.layers.Cropping1D,
    keras.layers.Cropping2D,
    keras.layers.Cropping3D,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    keras.layers.Identity,
    keras.layers.Permute,
    keras.layers.RepeatVector,
)
# Layers whose weights can't carry a member axis through TensorFlow's kernels: looped in the graph.
LOOPED = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
    keras.layers.SimpleRNN,
)
# Layers of several inputs, whose arithmetic is elementwise.
MERGING = (
    keras.layers.Add,
    keras.layers.Subtract,
    keras.layers.Multiply,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
)
# What is no layer of a model by itself: what others derive from, and what goes into an RNN.
PARTS = (
    keras.layers.Layer,
    keras.layers.Wrapper,
    keras.layers.InputLayer,
    keras.layers.SimpleRNNCell,
    keras.layers.GRUCell,
    keras.layers.LSTMCell,
    keras.layers.StackedRNNCells,
)
SUPPORTED = {keras.layers.Dense, *LAYER_HYPERPARAMETERS, *WEIGHTLESS, *LOOPED, *MERGING}
# Weights that Keras calls otherwise in the configuration (as in recurrent_initializer).
WEIGHT_NAMES = {
    (keras.layers.SimpleRNN, "recurrent"): "recurrent_kernel",
    (keras.layers.DepthwiseConv2D, "depthwise"): "kernel",
    (keras.layers.SeparableConv2D, "depthwise"): "depthwise_kernel",
    (keras.layers.SeparableConv2D, "pointwise"): "pointwise_kernel",
}
# Objects, not names, that may stand in a layer's configuration.
PLAIN = ("ReLU", "LeakyReLU", "ELU", "__numpy__")
# Parts of a layer's configuration that are off by default and have no stacked form.
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
    """Return how a model with each of Keras's layers, optimizers and losses is trained.

    Returns:
        `{"layers": {"Dense": "stacked", "LSTM": "looped", ...}, "optimizers": {"Adam": "stacked",
        ...}, "losses": {"dice": "fit", ...}}`, each by name. What is stacked takes one operation
        for all members; what is looped is applied to one after another, in the same graph.
    """
    optimizers = [kind.__name__ for kind in OPTIMIZERS]
    kinds = {"optimizers": (optimizers, FITTED_OPTIMIZERS), "losses": (LOSSES, FITTED_LOSSES)}
    table = {
        kind: dict.fromkeys(stacked, "stacked") | dict.fromkeys(fitted, "fit")
        for kind, (stacked, fitted) in kinds.items()
    }
    return {"layers": _layers_trained_how()} | table


def _layers_trained_how():
    """Return how each of Keras's layers is trained, by the name of its class."""
    public = [kind for kind in vars(keras.layers).values() if isinstance(kind, type)]
    table = {}
    for kind in public:
        is_part = kind in PARTS or not issubclass(kind, keras.Layer)
        if is_part:
            continue
        if kind in SUPPORTED and kind not in LOOPED:
            table[kind.__name__] = "stacked"
        else:
            table[kind.__name__] = "fit" if issubclass(kind, REFUSED_LAYERS) else "looped"
    return dict(sorted(table.items()))


@dataclass(frozen=True)
class ModelSpec:
    """One compiled model, taken apart.

    Attributes:
        build: makes the compiled model; called once more where a built one is needed.
        signature: everything that is not a per-member hyperparameter, as JSON.
        hyperparameters: those that each member may have for itself, such as
             `{"momentum": 0.9, "h1_dropout/rate": 0.1}`.
        initializers: each weight's initializer, serialized as JSON, keyed `"layer/weight"`; but not
            those of `looped`.
        looped: what each layer is that is applied to one member after another, as JSON, by name:
            all that have no stacked form.
        learning_rate: a number, or a `keras.optimizers.schedules.LearningRateSchedule`.
    """

    build: Callable[[], keras.Sequential]
    signature: str
    hyperparameters: dict
    initializers: dict
    looped: dict
    learning_rate: object


def layer_names(model):
    """Return a name for every layer of a model, its input left out; see `identity.names_of`."""
    return names_of(layers_of(model))


def read(build):
    """Take the compiled model that `build()` returns apart.

    Initial weights are drawn anew from the initializers: values that `build` assigns are lost.

    Args:
        build: returns the compiled model, a `keras.Sequential` or a functional one.

    Returns:
        A `ModelSpec`.

    Raises:
        NotStackableError: the model can only be trained by itself, with `fit`.
        UserError: it is no compiled model.
    """
    with BUILDING:
        model = sketch(build)
    _check_model(model)
    functional, layers = is_functional(model), layers_of(model)
    hyperparameters, initializers, looped, parts = {}, {}, {}, []
    masked = False
    for layer, name in zip(layers, layer_names(model), strict=True):
        part = read_supported(layer, name, hyperparameters, initializers)
        if part is None:
            part = describe(remade(layer, name) if functional else layer, name)
            looped[name] = json.dumps(part, sort_keys=True)
        elif masked and takes_mask(layer):  # looped if there is a mask, with its own numbers
            part |= {"masked": describe(layer, name)}
        masked = masked or may_mask(layer)
        parts.append(part)
    if functional:
        if masked:
            raise NotStackableError("a functional model with masks")
        parts.append(connections(model))
    if looped and isinstance(model.optimizer, keras.optimizers.Muon):
        raise NotStackableError("Muon tells the weights of inner layers apart by their names")
    parts.append(_read_optimizer(model.optimizer, hyperparameters))
    parts.append(_read_loss(model.loss))
    return ModelSpec(
        build=build,
        signature=json.dumps(parts, sort_keys=True),
        hyperparameters=hyperparameters,
        initializers={name: json.dumps(config) for name, config in initializers.items()},
        looped=looped,
        learning_rate=_learning_rate(model.optimizer),
    )


def _check_model(model):
    """Refuse what is no compiled model, and what the whole of one says about how to train it."""
    if not isinstance(model, keras.Model):
        raise UserError(f"build_model returns {type(model).__name__}, not a compiled Keras model")
    if not model.compiled:
        raise UserError("build_model returns a model that is not compiled; end with model.compile")
    if is_of_ones_own(model):
        raise NotStackableError(f"{type(model).__name__} is a class of one's own")
    if not model.trainable:
        raise NotStackableError("the model is frozen")
    if configuration(model.get_compile_config)["loss_weights"] is not None:
        raise NotStackableError("the loss is weighted")
    names = [layer.name.lower() for layer in (model, *layers_of(model))]
    if isinstance(model.optimizer, keras.optimizers.Muon) and "embedding" in " ".join(names):
        raise NotStackableError("Muon leaves out what is called an embedding")


# Keras numbers names and seeds over the whole process: one model is made at a time.
BUILDING = threading.RLock()


def sketch(build):
    """Return the model that `build` makes, without weights where it does not ask for them.

    Only the configuration is needed, and to make weights takes most of the time: seconds for eighty
    variants. Inner models are built when they are called.
    """
    with contextlib.suppress(Exception), _building_later():
        return build()
    # It asked for its weights, or is wrong; what is wrong is raised here.
    return build()


def build_once(build):
    """Return the model that `build` makes, each Sequential built at its end.

    Keras builds it anew with every layer that is added, which takes two thirds of the time.
    """
    with contextlib.suppress(Exception):
        with _building_later() as shapes:
            model = build()
        for sequential, shape in shapes.items():
            sequential.build(shape)
        return model
    return build()


@contextlib.contextmanager
def _building_later():
    """Let no Sequential be built; yield the input shapes of those that were to be, by model."""
    original, shapes, waiting = keras.Sequential.build, {}, True

    def build_later(model, input_shape=None):
        if waiting:
            shapes.pop(model, None)  # after what has been put into it
            shapes[model] = input_shape
        else:  # made in here, and built where it is used
            original(model, input_shape)

    with mock.patch.object(keras.Sequential, "build", build_later):
        try:
            yield shapes
        finally:
            waiting = False


def _is_foreign(config):
    """Tell whether a serialized object is not one of Keras's own classes.

    Two different functions may share a name, so names can't tell models apart.
    """
    named = config.get("class_name") not in (None, "__lambda__")
    return not named or config.get("registered_name") is not None


def takes_mask(layer):
    """Tell whether a layer asks which steps of a sequence count."""
    return "mask" in layer.call_signature_parameters


def may_mask(layer):
    """Tell whether what comes after a layer may get a mask."""
    if not is_keras(type(layer)):
        return layer.supports_masking
    parts = (layer, *parts_of(layer))
    return any(isinstance(p, keras.layers.Masking) or getattr(p, "mask_zero", False) for p in parts)


def read_supported(layer, name, hyperparameters, initializers):
    """Read a layer that has a stacked form.

    Args:
        layer: of Keras.
        name: by which it is called.
        hyperparameters: gets its numbers.
        initializers: gets the initializers of its weights.

    Returns:
        What else it is; None if it, or one of its options, has no stacked form.
    """
    kind = type(layer)
    if kind not in SUPPORTED:
        return None
    config = dict(configuration(layer.get_config), name=name, seed=None)
    if config.pop("dtype")["config"]["name"] != "float32":
        return None
    if not all(_is_supported(kind, key, value) for key, value in config.items()):
        return None
    for key in list(config):
        weight, _, role = key.rpartition("_")
        weight = f"{name}/{WEIGHT_NAMES.get((kind, weight), weight)}"
        if role == "initializer":
            initializers[weight] = config.pop(key)
        elif _is_penalty(key):
            factors = _penalty_factors(config.pop(key))
            hyperparameters[f"{weight}/l1"], hyperparameters[f"{weight}/l2"] = factors
        elif key in LAYER_HYPERPARAMETERS.get(kind, ()):
            hyperparameters[f"{name}/{key}"] = float(config.pop(key))
    return {"class": kind.__name__, **config}


def _is_supported(kind, key, value):
    """Tell whether a layer of this kind has a stacked form with this option."""
    role = key.rpartition("_")[2]
    if role == "initializer":
        return not _is_foreign(value)
    if _is_penalty(key):
        return _penalty_factors(value) is not None
    if kind is keras.layers.Dropout and key == "rate":
        # The masks have sixteen bits; at a rate of 1, Keras drops everything.
        return float(value) <= 1.0 - 2.0**-16
    if key in LAYER_HYPERPARAMETERS.get(kind, ()):
        return True
    if role == "constraint" or key in REFUSED:
        return not value
    if key == "axis":
        return value in (-1, [-1])
    return not isinstance(value, dict) or (not _is_foreign(value) and value["class_name"] in PLAIN)


def _is_penalty(key):
    """Tell whether an option penalizes a weight."""
    return key.endswith("regularizer") and key != "activity_regularizer"


def _penalty_factors(config):
    """Return the (L1, L2) factors of a serialized regularizer; None if it is of another kind."""
    if config is None:
        return 0.0, 0.0
    if _is_foreign(config) or config["class_name"] not in ("L1", "L2", "L1L2"):
        return None
    return float(config["config"].get("l1", 0.0)), float(config["config"].get("l2", 0.0))


def _read_optimizer(optimizer, hyperparameters):
    kind = type(optimizer)
    if kind not in OPTIMIZERS:
        raise NotStackableError(f"the optimizer is {kind.__name__}")
    config = configuration(optimizer.get_config)
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
    return is_keras(loss) and _loss_name(loss) in ONE_HOT


def _loss_name(loss):
    return getattr(loss, "__name__", None) or snake_case(type(loss).__name__)


def _read_loss(loss):
    if not (isinstance(loss, str) or callable(loss)):
        raise NotStackableError("the loss is not a single function")
    loss = keras.losses.get(loss)
    if not is_keras(loss):
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
    config = configuration(optimizer.get_config)["learning_rate"]
    if isinstance(config, dict):
        if _is_foreign(config):
            raise NotStackableError("the learning rate schedule is not one of Keras's own")
        return keras.optimizers.schedules.deserialize(config)
    return float(config)
