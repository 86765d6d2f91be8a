"""Layers without a stacked form are applied to one member after another, and train as in Keras."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes._lab.errors import UserError
from recipes._lab.training import looping, opening
from recipes._lab.training.architecture import NotStackableError, read
from recipes._lab.training.population import train
from tests.training.test_population import (
    CLASSES,
    assert_like_keras,
    assert_same_bits,
    blobs,
    classifier,
    member,
)

L = keras.layers
STEPS = blobs(shape=(5, 3))
IMAGES = blobs(shape=(6, 6, 2))
ROWS = blobs(shape=(4,))


class Residual(L.Layer):
    """A residual block, as people write it."""

    def __init__(self, units, rate=0.0, penalty=None):
        super().__init__()
        self.inner = L.Dense(units, activation="relu", kernel_regularizer=penalty)
        self.norm = L.BatchNormalization()
        self.dropout = L.Dropout(rate)
        self.outer = L.Dense(units)

    def call(self, x):
        return x + 0.5 * self.outer(self.dropout(self.norm(self.inner(x))))


class Transformer(L.Layer):
    """Attention with a residual connection, made when the shape is known."""

    def __init__(self, heads):
        super().__init__()
        self.heads = heads

    def build(self, shape):
        self.attention = L.MultiHeadAttention(self.heads, 2)
        self.norm = L.LayerNormalization()

    def call(self, x):
        return self.norm(x + self.attention(x, x))


class Cell(L.Layer):
    """A recurrent cell of one's own."""

    state_size = output_size = 4

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

    def call(self, x, states):
        state = keras.ops.tanh(x @ self.kernel + states[0])
        return state, [state]


class OwnLoss(L.Layer):
    """A layer that adds to the loss."""

    def call(self, x):
        self.add_loss(0.1 * keras.ops.mean(keras.ops.square(x)))
        return x


def nested():
    return keras.Sequential([L.Dense(6, activation="tanh"), L.BatchNormalization(), L.Dense(4)])


LAYERS = {
    "a residual block": ([lambda: Residual(4)], ROWS),
    "two residual blocks": ([lambda: Residual(4), lambda: Residual(4)], ROWS),
    "a block with a penalty": ([lambda: Residual(4, penalty="l2")], ROWS),
    "a transformer": ([lambda: Transformer(2), L.Flatten], STEPS),
    "a nested Sequential": ([nested], ROWS),
    "a loss of its own": ([lambda: L.Dense(5), OwnLoss], ROWS),
    "LSTM": ([lambda: L.LSTM(3)], STEPS),
    "GRU": ([lambda: L.GRU(3, kernel_regularizer="l2")], STEPS),
    "Bidirectional": (
        [lambda: L.Bidirectional(L.LSTM(3, return_sequences=True)), L.Flatten],
        STEPS,
    ),
    "a cell of one's own": ([lambda: L.RNN(Cell())], STEPS),
    "TimeDistributed": ([lambda: L.TimeDistributed(L.Dense(2)), L.Flatten], STEPS),
    "masked steps": ([lambda: L.Masking(0.0), lambda: L.SimpleRNN(4)], "padded"),
    "masked statistics": (
        [lambda: L.Masking(0.0), L.BatchNormalization, lambda: L.GRU(4), L.BatchNormalization],
        "padded",
    ),
    "a masked mean": (
        [lambda: L.Masking(0.0), lambda: L.Dense(4), L.GlobalAveragePooling1D],
        "padded",
    ),
    "words": ([lambda: L.Embedding(7, 3, mask_zero=True), lambda: L.LSTM(4)], "words"),
    "GroupNormalization": ([lambda: L.Dense(6), lambda: L.GroupNormalization(3)], ROWS),
    "UnitNormalization": ([lambda: L.Dense(6), L.UnitNormalization], ROWS),
    "PReLU": ([lambda: L.Dense(6), L.PReLU], ROWS),
    "batch normalization along another axis": (
        [lambda: L.BatchNormalization(axis=1), L.Flatten],
        STEPS,
    ),
    "Conv2DTranspose": ([lambda: L.Conv2DTranspose(2, 2), L.Flatten], IMAGES),
}


def data_of(kind):
    if kind == "words":
        return blobs(shape=(5,)).map_inputs(lambda x: np.clip(np.round(np.abs(x) * 3), 0, 6))
    if kind == "padded":
        return STEPS.map_inputs(lambda x: x * (np.arange(5) < 3 + (x[:, :1, 0] > 0))[..., None])
    return kind


def residual(x):
    """A functional residual block with batch normalization, dropout left out."""
    y = L.Dense(5, kernel_regularizer="l2")(x)
    y = L.ReLU()(L.BatchNormalization()(y))
    return L.Add()([L.Dense(x.shape[-1])(y), x])


def merged(x):
    """Every elementwise merge, and concatenation."""
    one, other = L.Dense(4)(x), L.Dense(4)(x)
    merges = [L.Add, L.Subtract, L.Multiply, L.Average, L.Maximum, L.Minimum]
    return L.Concatenate()([*(merge()([one, other]) for merge in merges), x])


# What several layers make of x, and the data.
FUNCTIONAL = {
    "a residual block": (residual, ROWS),
    "merges": (merged, ROWS),
    "attention": (
        lambda x: L.Flatten()(L.Add()([x, L.MultiHeadAttention(2, 2)(x, x)])),
        STEPS,
    ),
    "grouped attention": (
        lambda x: L.Flatten()(L.GroupQueryAttention(2, 4, 2)(x, L.Dense(3)(x))),
        STEPS,
    ),
    "plain attention": (
        lambda x: L.Flatten()(L.Attention()([L.Dense(3)(x), L.AdditiveAttention()([x, x])])),
        STEPS,
    ),
    "Dot": (lambda x: L.Dot(axes=1)([L.Dense(3)(x), L.Dense(3)(x)]), ROWS),
    "a recurrent branch": (lambda x: L.Concatenate()([L.GRU(3)(x), L.Flatten()(x)]), STEPS),
    "training asked for": (lambda x: L.BatchNormalization()(L.Dense(4)(x), training=False), ROWS),
    "a block of one's own": (lambda x: Residual(4)(L.Dense(4)(x)), ROWS),
}


def functional(between, data, optimizer):
    inputs = keras.Input(data.input_shape)
    outputs = L.Dense(CLASSES, activation="softmax")(between(inputs))
    model = keras.Model(inputs, outputs)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


@pytest.mark.first_cases(2)
@pytest.mark.parametrize("name", FUNCTIONAL)
def test_a_functional_model_trains_as_with_train_on_batch(name):
    between, data = FUNCTIONAL[name]

    def build(learning_rate):
        return functional(between, data, keras.optimizers.SGD(learning_rate, momentum=0.9))

    members = [
        member(lambda rate=rate: build(rate), seed, data=data, epochs=1)
        for seed, rate in ((0, 0.1), (1, 0.3))
    ]
    assert len({m.spec.signature for m in members}) == 1
    assert_like_keras(members, 1e-5)


RANDOM = {
    "a block with dropout": [lambda: Residual(4, 0.5)],
    "augmentation": [lambda: L.Reshape((4, 4, 1)), lambda: L.RandomFlip(), lambda: L.Flatten()],
    "recurrent dropout": [lambda: L.Reshape((4, 4)), lambda: L.LSTM(3, recurrent_dropout=0.5)],
}


@pytest.mark.first_cases(1)
@pytest.mark.parametrize("name", RANDOM)
def test_randomness_is_keyed_by_seed_layer_and_step(name):
    """The same in any company; another seed, another draw."""
    data = blobs(shape=(16,)) if name != "a block with dropout" else ROWS

    def build(learning_rate):
        layers = [make() for make in RANDOM[name]]
        optimizer = keras.optimizers.SGD(learning_rate)
        return classifier(keras.Input(data.input_shape), *layers, optimizer=optimizer)

    members = [
        member(lambda rate=rate: build(rate), seed, data=data, record=(0, 3))
        for seed in range(3)
        for rate in (0.05, 0.1, 0.2)
    ]
    together = train(members)
    (alone,) = train(members[4:5])
    assert_same_bits(together[4], alone)
    moved = [abs(r.weights[0] - together[0].weights[0]).max() for r in (together[0], together[3])]
    assert moved[0] == 0 < moved[1]


def test_a_layers_masks_differ_from_step_to_step_and_are_off_in_inference():
    layer = L.Dropout(0.5)
    layer(keras.Input((100,)))
    x = tf.ones((1, 1, 100))

    def output(key, step, training=True):
        keys = tf.constant([[key, step]])
        return looping.apply(layer, (x,), None, [], keys, training).y.numpy()

    assert (output(1, 0) == output(1, 0)).all()
    assert (output(1, 0) != output(1, 1)).any()
    assert (output(1, 0) != output(2, 0)).any()
    assert (output(1, 0, training=False) == 1).all()


class InferenceOnly(Residual):
    def call(self, x):
        return self.outer(self.dropout(self.norm(self.inner(x), training=False)))


class TwoWays(Residual):
    def call(self, x, training=False):
        return super().call(x) * (2 if training else 1)


class OverTheBatch(Residual):
    def call(self, x):
        return super().call(x - keras.ops.mean(x, axis=0))


class OwnWeight(L.Layer):
    def build(self, shape):
        self.scale = self.add_weight(shape=shape[1:], initializer="ones")

    def call(self, x):
        return x * self.scale


OPENED = {
    "a residual block": (
        lambda: Residual(4, 0.3),
        ["dense", "batch_normalization", "dropout", "dense_1", "multiply", "add"],
        [],
    ),
    "a transformer": (
        lambda: Transformer(2),
        ["multi_head_attention", "add", "layer_normalization"],
        ["multi_head_attention"],
    ),
    "a nested Sequential": (
        nested,
        ["convert_to_tensor", "dense", "batch_normalization", "dense_1"],
        [],
    ),
    "a penalty": (lambda: Residual(4, penalty="l2"), None, None),
    "a loss of its own": (OwnLoss, None, None),
    "a part that is told not to train": (lambda: InferenceOnly(4), None, None),
    "another way in training": (lambda: TwoWays(4), None, None),
    "a mean over the batch": (lambda: OverTheBatch(4), None, None),
    "a weight of its own": (OwnWeight, None, None),
    "a recurrent layer": (lambda: L.LSTM(3), None, None),
}


@pytest.mark.parametrize("name", OPENED)
def test_a_layer_is_opened_if_its_call_only_calls_others(name):
    make, names, looped = OPENED[name]
    data = STEPS if name in ("a transformer", "a recurrent layer") else ROWS
    model = classifier(keras.Input(data.input_shape), make())
    parts = opening.parts_of_call(model.layers[0], "block")
    if names is None:
        assert parts is None
        return
    bare = [re.sub(r"(?<=add|ply|sor)_\d+$", "", name) for name in parts.names]
    assert bare == [f"block/{name}" for name in names]
    assert parts.looped == {f"block/{name}" for name in looped}


def make_inside(units):
    class Local(L.Layer):
        def call(self, x):
            return x * units

    return Local()


class Holder(L.Layer):
    """A layer of one's own that holds something."""

    def __init__(self, thing):
        super().__init__()
        self.thing = thing

    def call(self, x):
        return x


DIFFERENT = {
    "an attribute": (lambda: Holder(1), lambda: Holder(2)),
    "an array": (lambda: Holder(np.zeros(3)), lambda: Holder(np.ones(3))),
    "a part's number": (lambda: Residual(4, 0.1), lambda: Residual(4, 0.2)),
    "a part's kind": (lambda: Holder(L.Dense(3)), lambda: Holder(L.Dropout(0.1))),
    "a nested number": (
        lambda: keras.Sequential([L.Dense(4)]),
        lambda: keras.Sequential([L.Dense(5)]),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_layers_that_differ_in_what_they_hold_have_graphs_of_their_own(name):
    one, same, other = (
        read(lambda make=make: classifier(keras.Input((4,)), make())).signature
        for make in (DIFFERENT[name][0], *DIFFERENT[name])
    )
    assert one == same != other


FITTED = {
    "made inside a function": (lambda: make_inside(2), "is defined inside a function"),
    "what can't be compared": (lambda: Holder(object()), "thing is a object, which can't be"),
    "a lambda": (lambda: Holder(lambda x: x), "is defined inside a function"),
    "weights of its own": (
        lambda: keras.Model(ROW := keras.Input((4,)), L.Dense(3)(ROW)),
        "has its weights before training begins",
    ),
    "half the precision": (lambda: L.LSTM(3, dtype="float16"), "does not compute in float32"),
    "state": (lambda: L.LSTM(3, stateful=True), "has a stateful"),
    "a constraint inside": (
        lambda: keras.Sequential([L.Dense(3, kernel_constraint="non_neg")]),
        "has a kernel_constraint",
    ),
}


@pytest.mark.parametrize("name", FITTED)
def test_what_cannot_be_looped_is_said(name):
    make, words = FITTED[name]
    with pytest.raises(NotStackableError, match=words):
        read(lambda: classifier(keras.Input((4,)), make()))


def twice(x):
    layer = L.Dense(4)
    return layer(layer(x))


CONNECTED = {
    "a layer used twice": (twice, "is used 2 times"),
    "arithmetic between layers": (lambda x: keras.ops.tanh(x), "tanh is no layer; make a"),
    "an option of the call": (
        lambda x: L.Attention()([x, x], use_causal_mask=True),
        "called with use_causal_mask",
    ),
    "masks": (lambda x: L.Masking()(x), "a functional model with masks"),
}


@pytest.mark.parametrize("name", CONNECTED)
def test_functional_models_that_are_fitted_say_why(name):
    between, words = CONNECTED[name]
    with pytest.raises(NotStackableError, match=words):
        read(lambda: functional(between, ROWS, "sgd"))


def test_masked_outputs_are_a_mistake():
    def build():
        return classifier(keras.Input((4,)), L.Masking())

    with pytest.raises(UserError, match="the model's outputs are masked"):
        train([member(build, data=ROWS, epochs=1)])


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_trains_as_with_train_on_batch(name):
    makers, data = LAYERS[name]
    data = data_of(data)

    def build(learning_rate):
        layers = [make() for make in makers]
        optimizer = keras.optimizers.SGD(learning_rate, momentum=0.9)
        return classifier(keras.Input(data.input_shape), *layers, optimizer=optimizer)

    members = [
        member(lambda rate=rate: build(rate), seed, data=data, epochs=1)
        for seed, rate in ((0, 0.1), (1, 0.3))
    ]
    assert len({m.spec.signature for m in members}) == 1
    assert members[0].spec.looped
    assert_like_keras(members, 1e-5)
