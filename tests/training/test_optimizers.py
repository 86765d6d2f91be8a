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
    "amsgrad": [
        keras.optimizers.Adam,
        {"amsgrad": True},
        {"amsgrad": True, "beta_2": 0.5, "epsilon": 1e-3},
        {"amsgrad": True, "beta_1": 0.5, "weight_decay": 0.1},
    ],
    "centered": [
        keras.optimizers.RMSprop,
        {"centered": True, "epsilon": 1e-3},
        {"centered": True, "epsilon": 1e-2, "rho": 0.5},
        {"centered": True, "epsilon": 1e-2, "momentum": 0.9},
    ],
    "adadelta": [
        keras.optimizers.Adadelta,
        {"epsilon": 1e-2},
        {"epsilon": 1e-1, "rho": 0.5},
        {"epsilon": 1e-1, "weight_decay": 0.1},
    ],
    "adamax": [
        keras.optimizers.Adamax,
        {},
        {"beta_1": 0.5, "beta_2": 0.9},
        {"beta_1": 0.0, "epsilon": 1e-1, "weight_decay": 0.1},
    ],
    "nadam": [
        keras.optimizers.Nadam,
        {},
        {"beta_1": 0.5, "beta_2": 0.9},
        {"epsilon": 1e-2, "weight_decay": 0.1, "gradient_accumulation_steps": 2},
    ],
    "lion": [
        keras.optimizers.Lion,
        {},
        {"beta_1": 0.5, "beta_2": 0.9},
        {"weight_decay": 0.1},
    ],
    "lamb": [
        keras.optimizers.Lamb,
        {},
        {"beta_1": 0.5, "beta_2": 0.9},
        {"epsilon": 1e-2, "weight_decay": 0.1},
    ],
    "ftrl": [
        keras.optimizers.Ftrl,
        {},
        {"initial_accumulator_value": 0.5, "l1_regularization_strength": 1.0, "beta": 0.1},
        {
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.1,
            "learning_rate_power": -0.8,
        },
    ],
    "adafactor": [
        keras.optimizers.Adafactor,
        {},
        {"beta_2_decay": -0.5, "clip_threshold": 0.5, "relative_step": False},
        {"epsilon_1": 1e-2, "epsilon_2": 2.0, "weight_decay": 0.1},
    ],
    "muon": [
        keras.optimizers.Muon,
        {},
        {"momentum": 0.5, "adam_beta_1": 0.5, "rms_rate": 0.5, "adam_weight_decay": None},
        {"adam_lr_ratio": 0.5, "weight_decay": 0.1, "muon_a": 3.0, "epsilon": 1e-3},
    ],
    "muon_plain": [
        keras.optimizers.Muon,
        {"nesterov": False, "ns_steps": 2},
        {"nesterov": False, "ns_steps": 2, "momentum": 0.5, "adam_beta_2": 0.5},
        {"nesterov": False, "ns_steps": 2, "momentum": 0.0, "adam_beta_1": 0.5},
    ],
    "adamw": [
        keras.optimizers.AdamW,
        {"weight_decay": 0.1},
        {"weight_decay": 0.004, "beta_1": 0.8},
        {"weight_decay": 0.0, "beta_2": 0.99},
    ],
}


# What is rounded otherwise by so much: differences of large numbers, and of many products.
TOLERANCES = {"ftrl": 3e-6, "muon": 2e-6, "muon_plain": 2e-6}


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


@pytest.mark.first_cases(3)
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
    rules = optimizers.rules(kinds[0], map(str, SHAPES))
    states = [
        optimizers.initial_state(rule, weight, stacked)
        for rule, weight in zip(rules, weights, strict=True)
    ]
    for step in range(STEPS):
        slopes = list(map(tf.constant, gradients[step]))
        weights, states = optimizers.update(
            rules, weights, slopes, states, rates[step], stacked, step
        )
    for weight, start, own in zip(weights, starts, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(weight, own, rtol=2e-6, atol=TOLERANCES.get(name, 3e-7))
        # The members' own hyperparameters matter: no two of them end alike.
        moves = weight.numpy() - start
        assert all(abs(moves[a] - moves[b]).max() > 1e-3 for a, b in [(0, 1), (0, 2), (1, 2)])


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("name", RULES)
def test_no_member_sees_who_else_is_there(name):
    kind, *settings = RULES[name]
    optimizer, hyperparameters = read(kind(**settings[0]))
    rules = optimizers.rules(optimizer, map(str, SHAPES))
    present = {k: v for k, v in hyperparameters.items() if v or k not in optimizers.OPTIONAL}

    @tf.function
    def update(weights, gradients, states, rates, stacked, step):
        return optimizers.update(rules, weights, gradients, states, rates, stacked, step)

    def first(count, seed):
        random = np.random.default_rng(seed)
        weights = [tf.constant(random.normal(size=(24, *s))[:count], tf.float32) for s in SHAPES]
        gradients = drawn_gradients(random, 24)
        rates = tf.constant(random.uniform(0.01, 0.1, 24)[:count], tf.float32)
        stacked = {key: tf.constant([value] * count, tf.float64) for key, value in present.items()}
        states = [
            optimizers.initial_state(rule, weight, stacked)
            for rule, weight in zip(rules, weights, strict=True)
        ]
        for step, of_step in enumerate(gradients):
            slopes = [tf.constant(g[:count]) for g in of_step]
            weights, states = update(weights, slopes, states, rates, stacked, tf.constant(step))
        return weights

    for seed in range(5):  # one number in a few is rounded otherwise, if any is
        everyone = first(24, seed)
        for count in (1, 5):
            for one, other in zip(first(count, seed), everyone, strict=True):
                np.testing.assert_array_equal(one, other[:count])
