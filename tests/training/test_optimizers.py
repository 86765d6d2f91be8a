"""The update kinds on stacked weights are those of Keras's optimizers, member by member."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes._lab.training import architecture, optimizers

STEPS = 6
# Of the weights; with an odd number of members no multiples of a vector register.
SHAPES = [(5, 3), (3,), (2, 3, 3, 7), (40, 31)]

# For each optimizer, the members' optimizers: every number that may differ does.
RULES = {
    "sgd": [keras.optimizers.SGD, {}, {}, {}],
    "momentum": [keras.optimizers.SGD, {"momentum": 0.9}, {"momentum": 0.5}, {"momentum": 0.0}],
    "nesterov": [
        keras.optimizers.SGD,
        {"momentum": 0.9, "nesterov": True},
        {"momentum": 0.4, "nesterov": True},
        {"momentum": 0.0, "nesterov": True},
    ],
    "decay": [
        keras.optimizers.SGD,
        {"weight_decay": 0.1},
        {"weight_decay": 0.01},
        {"weight_decay": None},
    ],
    "accumulation": [
        keras.optimizers.SGD,
        {"momentum": 0.9, "gradient_accumulation_steps": 2},
        {"momentum": 0.9, "gradient_accumulation_steps": 4, "weight_decay": 0.1},
        {"momentum": 0.9, "gradient_accumulation_steps": None},
    ],
    "adam_accumulation": [
        keras.optimizers.Adam,
        {"gradient_accumulation_steps": 3},
        {"gradient_accumulation_steps": 2, "weight_decay": 0.1},
        {},
    ],
    "rmsprop": [keras.optimizers.RMSprop, {}, {"rho": 0.5}, {"rho": 0.99, "epsilon": 1e-3}],
    "rmsprop_momentum": [
        keras.optimizers.RMSprop,
        {"momentum": 0.9},
        {"momentum": 0.3, "rho": 0.7},
        {"momentum": 0.0, "epsilon": 1e-2},
    ],
    "adagrad": [
        keras.optimizers.Adagrad,
        {},
        {"initial_accumulator_value": 0.0},
        {"initial_accumulator_value": 0.5, "epsilon": 1e-2},
    ],
    "clipnorm": [
        keras.optimizers.SGD,
        {"clipnorm": 3.0},
        {"clipnorm": 0.5, "momentum": 0.9},
        {"clipnorm": None},
    ],
    "global_clipnorm": [
        keras.optimizers.RMSprop,
        {"global_clipnorm": 30.0},
        {"global_clipnorm": 1.0, "gradient_accumulation_steps": 2},
        {"global_clipnorm": None},
    ],
    "clipvalue": [
        keras.optimizers.SGD,
        {"clipvalue": 0.5},
        {"clipvalue": 0.1, "weight_decay": 0.1},
        {"clipvalue": None},
    ],
    "clips": [
        keras.optimizers.Adam,
        {"clipnorm": 1.0},
        {"global_clipnorm": 1.0, "gradient_accumulation_steps": 3},
        {"clipvalue": 0.1},
    ],
    "averages": [
        keras.optimizers.SGD,
        {"use_ema": True, "ema_overwrite_frequency": 2},
        {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 3, "momentum": 0.5},
        {"use_ema": True, "gradient_accumulation_steps": 2, "ema_overwrite_frequency": 2},
    ],
    "adam": [
        keras.optimizers.Adam,
        {},
        {"beta_1": 0.5, "beta_2": 0.9},
        {"beta_1": 0.0, "epsilon": 1e-2, "weight_decay": 0.1},
    ],
    "adamw": [
        keras.optimizers.AdamW,
        {"weight_decay": 0.1},
        {"weight_decay": 0.004, "beta_1": 0.8},
        {"weight_decay": 0.0, "beta_2": 0.99},
    ],
}


def drawn_gradients(random, members):
    """Gradients of each weight and step, some of them so long that they are clipped."""
    scales = np.linspace(0.1, 3.0, STEPS)
    return [
        [(scale * random.normal(size=(members, *shape))).astype(np.float32) for shape in SHAPES]
        for scale in scales
    ]


def read(optimizer):
    """The optimizer and the hyperparameters of an optimizer, as the population gets them."""

    def build():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer, loss="mean_squared_error")
        return model

    hyperparameters = {}
    model = build()
    optimizer = architecture._read_optimizer(model.optimizer, hyperparameters)
    return optimizer, hyperparameters


@pytest.mark.parametrize("name", RULES)
def test_each_member_moves_as_with_its_own_keras_optimizer(name):
    kind, *settings = RULES[name]
    random = np.random.default_rng(0)
    starts = [random.normal(size=(3, *shape)).astype(np.float32) for shape in SHAPES]
    gradients = drawn_gradients(random, 3)
    rates = random.uniform(0.01, 0.1, (STEPS, 3)).astype(np.float32)

    expected = []
    for member, own in enumerate(settings):
        optimizer = kind(**own)
        variables = [keras.Variable(start[member]) for start in starts]
        for step in range(STEPS):
            optimizer.learning_rate = rates[step, member]
            optimizer.apply([tf.constant(g[member]) for g in gradients[step]], variables)
        expected.append([variable.numpy() for variable in variables])

    kinds, hyperparameters = zip(*[read(kind(**own)) for own in settings], strict=True)
    assert kinds[0] == kinds[1] == kinds[2]
    # As in a population, hyperparameters that are zero for all are absent.
    stacked = {
        key: tf.constant([own[key] for own in hyperparameters], tf.float64)
        for key in hyperparameters[0]
        if key not in optimizers.OPTIONAL or any(own[key] for own in hyperparameters)
    }
    weights = list(map(tf.constant, starts))
    states = [optimizers.initial_state(kinds[0], weight, stacked) for weight in weights]
    for step in range(STEPS):
        slopes = list(map(tf.constant, gradients[step]))
        weights, states = optimizers.update(
            kinds[0], weights, slopes, states, rates[step], stacked, step
        )
    for weight, start, own in zip(weights, starts, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(weight, own, rtol=2e-6, atol=3e-7)
        # The members' own hyperparameters matter: no two of them end alike.
        moves = weight.numpy() - start
        assert all(abs(moves[a] - moves[b]).max() > 1e-3 for a, b in [(0, 1), (0, 2), (1, 2)])


@pytest.mark.parametrize("name", RULES)
def test_no_member_sees_who_else_is_there(name):
    kind, *settings = RULES[name]
    random = np.random.default_rng(1)
    optimizer, hyperparameters = read(kind(**settings[0]))
    starts = [random.normal(size=(24, *shape)).astype(np.float32) for shape in SHAPES]
    gradients = drawn_gradients(random, 24)

    @tf.function
    def trained(weights, gradients, rates, stacked):
        states = [optimizers.initial_state(optimizer, weight, stacked) for weight in weights]
        for step in range(STEPS):
            weights, states = optimizers.update(
                optimizer, weights, gradients[step], states, rates, stacked, step
            )
        return weights

    rates = random.uniform(0.01, 0.1, 24).astype(np.float32)

    def first(count):
        present = {k: v for k, v in hyperparameters.items() if v or k not in optimizers.OPTIONAL}
        stacked = {key: tf.constant([value] * count, tf.float64) for key, value in present.items()}
        slopes = [[tf.constant(g[:count]) for g in of_step] for of_step in gradients]
        weights = [tf.constant(start[:count]) for start in starts]
        return trained(weights, slopes, tf.constant(rates[:count]), stacked)

    everyone = first(24)
    for count in (1, 5):
        for one, other in zip(first(count), everyone, strict=True):
            np.testing.assert_array_equal(one, other[:count])
