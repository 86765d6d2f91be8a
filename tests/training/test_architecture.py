"""What may vary within a population is told from what may not; what can't be stacked is refused."""

import dataclasses
import functools
import inspect
import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes._lab.errors import UserError
from recipes._lab.training import architecture
from recipes._lab.training.architecture import NotStackableError, read
from recipes._lab.training.initial_weights import initial_weights

L = keras.layers


def build(*layers, optimizer="sgd", loss="sparse_categorical_crossentropy", **compiled):
    """A compiled model of the given layers on four inputs, with a softmax of three classes."""
    model = keras.Sequential([keras.Input((4,)), *layers, L.Dense(3, activation="softmax")])
    model.compile(optimizer, loss, **compiled)
    return model


def draws(make, seed=0):
    """A member's initial weights by name."""
    model = make()
    layers = dict(zip(architecture.layer_names(model), model.layers, strict=True))
    names = [f"{name}/{w.name}" for name, layer in layers.items() for w in layer.weights]
    return dict(zip(names, initial_weights(read(make), seed, layers, {}), strict=True))


# What varies


def test_numbers_are_lifted_and_leave_one_signature():
    def make(rate, l2, momentum, learning_rate, std):
        normal = keras.initializers.RandomNormal(stddev=std, seed=3)
        return build(
            L.Dense(5, kernel_regularizer=keras.regularizers.L2(l2), kernel_initializer=normal),
            L.BatchNormalization(momentum=momentum, epsilon=l2),
            L.Dropout(rate),
            optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum, weight_decay=l2),
        )

    one, other = (
        read(lambda s=s: make(*s)) for s in [(0.1, 0.2, 0.3, 0.5, 2.0), (0.0, 1.0, 0.0, 0.25, 1.0)]
    )
    assert one.signature == other.signature
    assert {k: v for k, v in one.hyperparameters.items() if v} == {
        "dense/kernel/l2": pytest.approx(0.2),
        "batch_normalization/momentum": 0.3,
        "batch_normalization/epsilon": 0.2,
        "dropout/rate": 0.1,
        "momentum": 0.3,
        "weight_decay": 0.2,
    }
    assert (one.learning_rate, other.learning_rate) == (0.5, 0.25)
    assert json.loads(one.initializers["dense/kernel"])["config"]["stddev"] == 2


@pytest.mark.parametrize(
    ("make", "penalties"),
    [
        (lambda: L.Dense(2, kernel_regularizer="l1"), {"dense/kernel/l1": pytest.approx(0.01)}),
        (
            lambda: L.Dense(2, bias_regularizer=keras.regularizers.L1L2(0.25, 0.5)),
            {"dense/bias/l1": 0.25, "dense/bias/l2": 0.5},
        ),
        (
            lambda: L.BatchNormalization(gamma_regularizer=keras.regularizers.L2(0.5)),
            {"batch_normalization/gamma/l2": 0.5},
        ),
        (
            lambda: L.SimpleRNN(2, recurrent_regularizer=keras.regularizers.L2(0.5)),
            {"simple_rnn/recurrent_kernel/l2": 0.5},
        ),
        (
            lambda: L.DepthwiseConv2D(2, depthwise_regularizer=keras.regularizers.L2(0.5)),
            {"depthwise_conv2d/kernel/l2": 0.5},
        ),
        (
            lambda: L.SeparableConv2D(2, 2, pointwise_regularizer=keras.regularizers.L2(0.5)),
            {"separable_conv2d/pointwise_kernel/l2": 0.5},
        ),
    ],
)
def test_penalties_are_named_like_the_weights_they_are_on(make, penalties):
    found = read(lambda: build(make())).hyperparameters
    assert {k: v for k, v in found.items() if v and k.endswith(("/l1", "/l2"))} == penalties


@pytest.mark.parametrize(
    ("make", "looped"),
    [
        (lambda: L.Dense(2, kernel_regularizer="orthogonal_regularizer"), ["dense"]),
        (lambda: L.Dense(2, activity_regularizer="l2"), ["dense"]),
        (lambda: L.BatchNormalization(axis=1), ["batch_normalization"]),
        (lambda: L.Dropout(1.0), ["dropout"]),
        (lambda: L.Dropout(0.9999), []),
    ],
)
def test_an_option_without_a_stacked_form_makes_a_layer_looped(make, looped):
    assert list(read(lambda: build(make())).looped) == looped


@pytest.mark.parametrize(
    "other",
    [
        lambda: build(L.Dense(6, activation="relu")),
        lambda: build(L.Dense(5, activation="tanh")),
        lambda: build(L.Dense(5, activation="relu", use_bias=False)),
        lambda: build(L.Dense(5, activation="relu", trainable=False)),
        lambda: build(L.Dense(5, activation="relu", name="other")),
        lambda: build(L.Dense(5, activation="relu"), L.Dropout(0.0)),
        lambda: build(L.Dense(5, activation="relu"), optimizer="adam"),
        lambda: build(L.Dense(5, activation="relu"), loss="mean_squared_error"),
        lambda: build(
            L.Dense(5, activation="relu"),
            optimizer=keras.optimizers.SGD(momentum=0.9, nesterov=True),
        ),
    ],
)
def test_whatever_else_differs_makes_another_signature(other):
    assert read(other).signature != read(lambda: build(L.Dense(5, activation="relu"))).signature


def test_logits_and_probabilities_have_different_signatures():
    losses = [
        keras.losses.SparseCategoricalCrossentropy(from_logits=logits) for logits in (True, False)
    ]
    one, other = (read(lambda loss=loss: build(loss=loss)) for loss in losses)
    assert one.signature != other.signature


def test_a_schedule_is_kept():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, 10, 0.5)
    read_schedule = read(lambda: build(optimizer=keras.optimizers.SGD(schedule))).learning_rate
    assert float(read_schedule(20)) == 0.125


# Names


def test_names_given_by_keras_do_not_depend_on_what_was_built_before():
    def make():
        return build(L.Dense(5), L.ReLU(), L.Dense(5, name="wide"), L.Dense(4), L.ReLU())

    names = ["dense", "re_lu", "wide", "dense_1", "re_lu_1", "dense_2"]
    for _ in range(3):
        assert architecture.layer_names(make()) == names
    code = (
        "import keras; from recipes._lab.training.architecture import layer_names;"
        "L = keras.layers;"
        "m = keras.Sequential([L.Dense(5), L.ReLU(), L.Dense(5, name='wide'), L.Dense(4), L.ReLU(),"
        "L.Dense(3)]); print(*layer_names(m))"
    )
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.split() == names


def test_a_sketch_reads_as_the_built_model_does(monkeypatch):
    """Both are Keras's, so this fails if Keras comes to need what a sketch leaves out."""
    kinds = {
        "dense": lambda: L.Dense(5, kernel_regularizer=keras.regularizers.L2(0.1)),
        "normalized": lambda: L.BatchNormalization(momentum=0.8),
        "bent": lambda: L.LeakyReLU(0.3),
        "dropped": lambda: L.Dropout(0.2),
        "noisy": lambda: L.GaussianNoise(0.2),
    }
    builds = [lambda make=make: build(make()) for make in kinds.values()]
    sketched = [read(make) for make in builds]
    monkeypatch.setattr(architecture, "sketch", lambda make: make())
    for sketch, make in zip(sketched, builds, strict=True):
        assert dataclasses.replace(sketch, build=None) == dataclasses.replace(
            read(make), build=None
        )


def test_a_sketch_makes_no_variables(monkeypatch):
    # The patched `keras.Sequential.build` is not a promise of Keras's: this fails if it moves.
    sketch = architecture.sketch(lambda: build(L.Dense(5)))
    assert sketch.weights == []
    assert [type(layer) for layer in sketch.layers] == [L.Dense, L.Dense]
    assert len(build(L.Dense(5)).weights) == 4  # and afterwards models are built again


def grown():
    """A model as recipes make it, layer by layer, with another one inside."""
    model = keras.Sequential([keras.Input((4,), name="x")], name="outer")
    model.add(L.Dense(6, name="h1"))
    model.add(L.BatchNormalization(name="h1_bn"))
    inner = keras.Sequential([keras.Input((6,), name="inner_x")], name="inner")
    inner.add(L.Dense(5, name="h2"))
    inner.add(L.Activation("relu", name="h2_act"))
    model.add(inner)
    model.add(L.Dense(3, "softmax", name="softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def test_a_model_built_once_is_the_one_that_is_built_with_every_layer(monkeypatch):
    made = []
    original = keras.Model.__init__

    def counting(model, *args, **kwargs):
        made.append(type(model).__name__)
        original(model, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "__init__", counting)
    models = []
    for build_it, functional_models in ((lambda make: make(), 6), (architecture.build_once, 2)):
        made.clear()
        keras.utils.set_random_seed(3)
        models.append(build_it(grown))
        assert made.count("Functional") == functional_models
    plain, once = models
    assert once.get_config()["layers"] == plain.get_config()["layers"]
    assert once.get_build_config() == plain.get_build_config()
    assert [w.path for w in once.weights] == [w.path for w in plain.weights]
    for ours, theirs in zip(once.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(once(x), plain(x))
    np.testing.assert_array_equal(once.get_layer("inner").output.shape, (None, 5))


@pytest.mark.parametrize("units", [5, -1])
def test_a_model_that_asks_for_its_weights_or_is_wrong_is_built_as_ever(units):
    def make():
        model = build(L.Dense(units))
        model.layers[0].set_weights([np.ones((4, 5)), np.ones(5)])
        return model

    if units < 0:
        with pytest.raises(ValueError, match="Received an invalid value for `units`"):
            architecture.build_once(make)
    else:
        assert architecture.build_once(make).layers[0].get_weights()[0].min() == 1


@pytest.mark.parametrize(
    "touch",
    [
        lambda model: model.summary(print_fn=lambda *_, **__: None),
        lambda model: model.layers[0].kernel.assign_add(tf.ones((4, 5))),
        lambda model: model.layers[0].set_weights([np.ones((4, 5)), np.ones(5)]),
        lambda model: model.count_params(),
        lambda model: {}[len(model.weights) - 4] if len(model.weights) != 4 else None,
    ],
)
def test_code_that_touches_weights_while_building_works(touch):
    def make():
        model = build(L.Dense(5))
        touch(model)
        return model

    assert read(make).signature == read(lambda: build(L.Dense(5))).signature


def test_a_mistake_in_the_recipe_is_raised_as_it_is():
    with pytest.raises(ValueError, match="Received an invalid value for `units`"):
        read(lambda: build(L.Dense(-1)))


# Initial values


@pytest.mark.parametrize(
    ("initializer", "mean", "std"),
    [
        (keras.initializers.RandomNormal(stddev=0.2, seed=1), 0.0, 0.2),
        (keras.initializers.RandomNormal(mean=3.0, stddev=0.5), 3.0, 0.5),
        (keras.initializers.HeNormal(), 0.0, np.sqrt(2 / 400)),
        (keras.initializers.GlorotUniform(seed=1), 0.0, np.sqrt(2 / (400 + 300))),
        (keras.initializers.LecunNormal(), 0.0, np.sqrt(1 / 400)),
        (keras.initializers.RandomUniform(-0.3, 0.3), 0.0, 0.3 / np.sqrt(3)),
        ("zeros", 0.0, 0.0),
        (keras.initializers.Constant(0.25), 0.25, 0.0),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, float) else "",
)
def test_initial_values_are_distributed_as_asked_for(initializer, mean, std):
    def make():
        model = keras.Sequential(
            [keras.Input((400,)), L.Dense(300, kernel_initializer=initializer)]
        )
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    kernel = draws(make)["dense/kernel"]
    assert kernel.dtype == np.float32
    assert kernel.mean() == pytest.approx(mean, abs=5 * max(std, 1e-9) / np.sqrt(kernel.size))
    assert kernel.std() == pytest.approx(std, rel=0.01, abs=1e-9)


def test_a_constant_may_be_an_array():
    values = np.arange(20, dtype=np.float32).reshape(4, 5)
    constant = keras.initializers.Constant(values)
    kernel = draws(lambda: build(L.Dense(5, kernel_initializer=constant)))["dense/kernel"]
    np.testing.assert_array_equal(kernel, values)


def test_seeds_of_the_recipe_are_replaced():
    def make(seed):
        he = keras.initializers.HeNormal(seed=seed)
        return build(L.Dense(5, kernel_initializer=he), L.Dense(5, kernel_initializer=he))

    one, other = draws(lambda: make(1), seed=7), draws(lambda: make(2), seed=7)
    np.testing.assert_array_equal(one["dense/kernel"], other["dense/kernel"])
    again = draws(lambda: make(1), seed=8)
    assert abs(one["dense/kernel"] - again["dense/kernel"]).min() > 0
    # One initializer with one seed would give layers of equal shape equal weights.
    assert one["dense/kernel"].std() > 0
    assert not np.array_equal(one["dense/kernel"][:4, :3], one["dense_1/kernel"][:4, :3])


def test_another_layer_changes_no_kernel():
    plain = draws(lambda: build(L.Dense(5), L.Dense(5)))
    more = draws(lambda: build(L.Dense(5), L.BatchNormalization(), L.Dropout(0.5), L.Dense(5)))
    assert set(plain) < set(more)
    for name, values in plain.items():
        np.testing.assert_array_equal(values, more[name])


def test_another_initial_scale_starts_proportional():
    def kernel(stddev):
        normal = keras.initializers.RandomNormal(stddev=stddev)
        return draws(lambda: build(L.Dense(5, kernel_initializer=normal)))["dense/kernel"]

    np.testing.assert_array_equal(kernel(0.5), kernel(0.25) * 2)
    np.testing.assert_allclose(kernel(0.3), kernel(0.1) * 3, rtol=3e-7)


@pytest.mark.parametrize(
    "make",
    [
        lambda: L.Conv2D(2, 2),
        lambda: L.DepthwiseConv2D(2),
        lambda: L.SeparableConv2D(2, 2),
        lambda: L.SimpleRNN(2),
    ],
)
def test_every_weight_has_an_initializer(make):
    given = (8, 2) if isinstance(make(), L.SimpleRNN) else (8, 8, 2)
    layer = make()
    layer.build((None, *given))
    initializers = read(lambda: build(make())).initializers
    (name,) = {key.split("/")[0] for key in initializers} - {"dense"}
    assert {f"{name}/{w.name}" for w in layer.weights} | {"dense/kernel", "dense/bias"} == set(
        initializers
    )


# What can't be stacked


class OwnDense(L.Dense):
    """A layer that Keras doesn't know."""


class OwnInitializer(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.ones(shape, dtype)


class OwnRegularizer(keras.regularizers.Regularizer):
    def __call__(self, x):
        return keras.ops.sum(x)


class OwnSchedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1


class OwnSequential(keras.Sequential):
    pass


def own_function(x):
    return x * 2


def own_loss(labels, outputs):
    return keras.ops.mean(outputs)


def functional():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, L.Dense(3)(inputs))
    model.compile("sgd", "mean_squared_error")
    return model


def frozen():
    model = build(L.Dense(5))
    model.trainable = False
    model.compile("sgd", "mean_squared_error")
    return model


def excluding(**excluded):
    # `exclude_from_weight_decay` leaves private traces only: this fails if they move.
    optimizer = keras.optimizers.AdamW()
    optimizer.exclude_from_weight_decay(**excluded)
    return build(optimizer=optimizer)


def excluding_biases():
    optimizer = keras.optimizers.AdamW()
    model = build(L.Dense(5), optimizer=optimizer)
    biases = [w for w in model.weights if w.name == "bias"]
    optimizer.exclude_from_weight_decay(var_list=biases)
    return model


def float16():
    return build(L.Dense(5, dtype="mixed_float16"))


def subclassed():
    model = OwnSequential([L.Dense(3)])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: None, "build_model returns NoneType, not a compiled Keras model"),
        (lambda: keras.Sequential([L.Dense(3)]), "a model that is not compiled; end with"),
    ],
)
def test_what_is_no_compiled_model_is_a_mistake(make, words):
    with pytest.raises(UserError, match=words):
        architecture.read(make)


SGD = functools.partial(keras.optimizers.SGD, 0.1)
REFUSED = {
    "subclass": (subclassed, "OwnSequential is a class of one's own"),
    "frozen": (frozen, "frozen"),
    "lambda layer": (lambda: build(L.Lambda(own_function)), "is a Lambda"),
    "lambda": (
        lambda: build(L.Dense(5, activation=lambda x: x)),
        "the activation of layer dense is not",
    ),
    "function": (
        lambda: build(L.Activation(own_function)),
        "the activation of layer activation is not",
    ),
    "constraint": (
        lambda: build(L.Dense(5, kernel_constraint="non_neg")),
        "dense has a kernel_constraint",
    ),
    "initializer": (
        lambda: build(L.Dense(5, kernel_initializer=OwnInitializer())),
        "the kernel_initializer of layer dense is not",
    ),
    "lambda initializer": (
        lambda: build(L.Dense(5, kernel_initializer=lambda shape, dtype: np.ones(shape))),
        "the kernel_initializer of layer dense is not",
    ),
    "regularizer": (
        lambda: build(L.Dense(5, kernel_regularizer=OwnRegularizer())),
        "Regularizer",
    ),
    "float16": (float16, "dense does not compute in float32"),
    "rnn state": (lambda: build(L.SimpleRNN(3, stateful=True)), "simple_rnn has a stateful"),
    "optimizer": (
        lambda: build(optimizer=keras.optimizers.ScheduleFreeAdamW()),
        "the optimizer is ScheduleFreeAdamW",
    ),
    "muon embedding": (
        lambda: build(L.Dense(5, name="embedding"), optimizer="muon"),
        "leaves out what is called an embedding",
    ),
    "muon unscaled": (
        lambda: build(optimizer=keras.optimizers.Muon(rms_rate=None)),
        "the optimizer has no rms_rate",
    ),
    "scaled loss": (lambda: build(optimizer=SGD(loss_scale_factor=8.0)), "uses loss_scale_factor"),
    "excluded names": (lambda: excluding(var_names=["bias"]), "excludes weights"),
    "excluded weights": (excluding_biases, "excludes weights"),
    "own schedule": (lambda: build(optimizer=keras.optimizers.SGD(OwnSchedule())), "schedule"),
    "own rate": (lambda: build(optimizer=keras.optimizers.SGD(lambda: 0.1)), "schedule"),
    "own loss": (lambda: build(loss=own_loss), "the loss is not one of Keras's own"),
    "list of losses": (lambda: build(loss=["mean_squared_error"]), "not a single function"),
    "no loss": (lambda: build(loss=None), "not a single function"),
    "dice": (lambda: build(loss=keras.losses.Dice()), "the loss is dice"),
    "sum": (
        lambda: build(loss=keras.losses.SparseCategoricalCrossentropy(reduction="sum")),
        "the loss is reduced by sum",
    ),
    "ignored class": (
        lambda: build(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0)),
        "leaves out a class",
    ),
    "weighted loss": (lambda: build(loss_weights=[0.5]), "the loss is weighted"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stacked_is_refused_with_its_reason(name):
    make, reason = REFUSED[name]
    with pytest.raises(NotStackableError, match=reason):
        read(make)


def test_the_one_categorical_loss_of_whole_numbers_is_stacked_by_its_q():
    losses = [keras.losses.CategoricalGeneralizedCrossEntropy(q) for q in (0.5, 0.5, 0.7)]
    one, same, other = (read(lambda loss=loss: build(loss=loss)).signature for loss in losses)
    assert one == same != other


# What Keras has


def has(module, base):
    """The public names of a module of Keras that are subclasses of `base`, itself left out."""
    kinds = {name: kind for name, kind in vars(module).items() if isinstance(kind, type)}
    return [name for name, kind in kinds.items() if issubclass(kind, base) and kind is not base]


def test_the_table_has_every_optimizer_and_loss_of_keras_and_no_other():
    """Fails where Keras gains one: stack it, or say that `fit` trains it."""
    table = architecture.trained_how()
    assert sorted(has(keras.optimizers, keras.optimizers.Optimizer)) == sorted(table["optimizers"])
    losses = {architecture.snake_case(n) for n in has(keras.losses, keras.losses.Loss)}
    functions = {n for n, f in vars(keras.losses).items() if inspect.isfunction(f)}
    losses |= functions - {"get", "serialize", "deserialize"}
    assert sorted(losses) == sorted(table["losses"])


def how(make):
    """How the model is trained, as the table spells it."""
    try:
        read(make)
    except NotStackableError:
        return "fit"
    return "stacked"


WRAPPED = {
    "LossScaleOptimizer": lambda: keras.optimizers.LossScaleOptimizer(SGD()),
    "MultiOptimizer": lambda: keras.optimizers.MultiOptimizer(lambda variable: SGD()),
}


def test_the_table_says_how_a_model_with_each_optimizer_is_trained():
    for name, said in architecture.trained_how()["optimizers"].items():
        make = WRAPPED.get(name) or getattr(keras.optimizers, name)
        assert how(lambda make=make: build(optimizer=make())) == said, name


def test_the_table_says_how_a_model_with_each_loss_is_trained():
    for name, said in architecture.trained_how()["losses"].items():
        loss = getattr(keras.losses, name)
        assert how(lambda loss=loss: build(loss=loss)) == said, name
