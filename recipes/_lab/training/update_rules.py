"""The update rules of Keras's optimizers on stacked weights, every hyperparameter per member.

Keras tests its hyperparameters with Python's `if`, so they can't be tensors there. The formulas
are those of Keras 3: where epsilon stands inside or outside of the root differs between rules.

A rule gets a stacked weight, (members, ...), its gradient, the state that the optimizer keeps for
it, and the `Numbers` of this step. It returns the new weight and its new state.
"""

import copy
import functools

import tensorflow as tf

from recipes._lab.training.numerics import (
    column,
    inverse_root,
    power,
    root,
    square_norm,
    sum_rows,
)


class Numbers:
    """The numbers of one step, each shaped to broadcast over stacked weights of one rank.

    Each is made once for all these weights: made for each, they would be a third of a graph.

    Args:
        like: a stacked weight, (members, ...).
        learning_rate: (members,), of this step.
        hyperparameters: float64 (members,) each; those that are absent are zero.
        step: number of steps taken before this one, from 0; or (members,).

    Attributes:
        rate: the learning rate.
        step: as given; shaped like the others if it is that of each member.
    """

    def __init__(self, like, learning_rate, hyperparameters, step):
        self._like, self._hyperparameters, self._made = like, hyperparameters, {}
        self.rate = column(learning_rate, like)
        step = tf.convert_to_tensor(step)
        self.step = column(step, like) if step.shape.rank else step

    def has(self, name):
        """Tell whether a hyperparameter is there."""
        return name in self._hyperparameters

    def __call__(self, name, complement=False):
        """Return a hyperparameter, or 1 minus it."""
        key = name, complement
        if key not in self._made:
            # Keras takes 1 - beta before rounding it to float32.
            value = self._hyperparameters.get(name, 0.0)
            self._made[key] = column(1.0 - value if complement else value, self._like)
        return self._made[key]

    @functools.cached_property
    def of_adam(self):
        """The numbers of the Adam that Muon moves some weights by."""
        numbers = copy.copy(self)
        numbers._hyperparameters = self._hyperparameters | {
            "beta_1": self._hyperparameters["adam_beta_1"],
            "beta_2": self._hyperparameters["adam_beta_2"],
        }
        numbers._made = {}
        numbers.rate = self.rate * self("adam_lr_ratio")
        return numbers

    def power(self, base, updates=1):
        """Return a base, a number or a hyperparameter's name, ** (steps before this + updates)."""
        key = "power", base, updates
        if key not in self._made:
            value = self(base) if isinstance(base, str) else base
            self._made[key] = power(value, self.step + updates)
        return self._made[key]


def initial_state(optimizer, weight, hyperparameters):
    """Return what a rule keeps for one stacked weight, see `optimizers.initial_state`."""
    zero = tf.zeros_like(weight)
    momentum = [zero] if "momentum" in hyperparameters else []
    match optimizer["class"]:
        case "SGD":
            return momentum
        case "RMSprop":
            return [zero, zero, *momentum] if optimizer["centered"] else [zero, *momentum]
        case "Adagrad":
            return [zero + column(hyperparameters["initial_accumulator_value"], zero)]
        case "Ftrl":
            return [zero + column(hyperparameters["initial_accumulator_value"], zero), zero]
        case "Lion":
            return [zero]
        case "Muon" if not is_by_adam(optimizer, weight):
            return [zero]
        case "Nadam":
            return [column(tf.ones(weight.shape[0]), weight), zero, zero]
        case "Adafactor" if len(weight.shape) > 2:
            return [zero[..., 0], zero[..., 0, :]]
        case "Adafactor":
            return [zero]
    return [zero, zero, zero] if optimizer["amsgrad"] else [zero, zero]


def is_by_adam(optimizer, weight):
    """Tell whether Muon moves a stacked weight by Adam: one that is no matrix, or is excluded."""
    return optimizer["by_adam"] or len(weight.shape) != 3


def _sgd(optimizer, weight, gradient, state, numbers):
    """Gradient descent, with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013)."""
    if not state:
        return weight - gradient * numbers.rate, []
    momentum = numbers("momentum")
    velocity = state[0] * momentum - gradient * numbers.rate
    move = velocity * momentum - gradient * numbers.rate if optimizer["nesterov"] else velocity
    return weight + move, [velocity]


def _rmsprop(optimizer, weight, gradient, state, numbers):
    """Tieleman and Hinton 2012, lecture 6.5; centered as by Graves 2013."""
    rho, rest = numbers("rho"), numbers("rho", complement=True)
    square, *state = state
    square = rho * square + rest * tf.square(gradient)
    variance, kept = square, [square]
    if optimizer["centered"]:
        mean, *state = state
        mean = rho * mean + rest * gradient
        variance, kept = square - tf.square(mean), [square, mean]
    move = numbers.rate * gradient / root(variance + numbers("epsilon"))
    if not state:
        return weight - move, kept
    velocity = numbers("momentum") * state[0] + move
    return weight - velocity, [*kept, velocity]


def _adagrad(optimizer, weight, gradient, state, numbers):
    """Duchi, Hazan and Singer 2011."""
    square = state[0] + tf.square(gradient)
    return weight - numbers.rate * gradient / root(square + numbers("epsilon")), [square]


def _adadelta(optimizer, weight, gradient, state, numbers):
    """Zeiler 2012."""
    rho, rest = numbers("rho"), numbers("rho", complement=True)
    epsilon = numbers("epsilon")
    square = rho * state[0] + rest * tf.square(gradient)
    move = root(state[1] + epsilon) * gradient / root(square + epsilon)
    return weight - numbers.rate * move, [square, rho * state[1] + rest * tf.square(move)]


def _moments(gradient, mean, square, numbers):
    """Return the averages of the gradients and of their squares, each like the gradient."""
    mean = mean + (gradient - mean) * numbers("beta_1", complement=True)
    square = square + (tf.square(gradient) - square) * numbers("beta_2", complement=True)
    return mean, square


def _adam(optimizer, weight, gradient, state, numbers):
    """Kingma and Ba 2015, with epsilon as in the paper's remark on efficiency.

    With amsgrad, squares never shrink (Reddi, Kale and Kumar 2018).
    """
    power_1, power_2 = numbers.power("beta_1"), numbers.power("beta_2")
    mean, square = _moments(gradient, *state[:2], numbers)
    rate = numbers.rate * tf.sqrt(1.0 - power_2) / (1.0 - power_1)
    state = [mean, square, *(tf.maximum(highest, square) for highest in state[2:])]
    return weight - mean * rate / (tf.sqrt(state[-1]) + numbers("epsilon")), state


def _adamax(optimizer, weight, gradient, state, numbers):
    """Kingma and Ba 2015, section 7.1: the largest gradient in place of the root of squares."""
    mean = state[0] + (gradient - state[0]) * numbers("beta_1", complement=True)
    largest = tf.maximum(numbers("beta_2") * state[1], tf.abs(gradient))
    unbiased = 1.0 - numbers.power("beta_1")
    move = numbers.rate * mean / (unbiased * (largest + numbers("epsilon")))
    return weight - move, [mean, largest]


def _nadam(optimizer, weight, gradient, state, numbers):
    """Dozat 2016: Adam with Nesterov's momentum, which grows to beta_1."""
    beta_1, beta_2 = numbers("beta_1"), numbers("beta_2")
    momentum, following = (beta_1 * (1.0 - 0.5 * numbers.power(0.96, k)) for k in (1, 2))
    product = state[0] * momentum
    # Here Keras rounds beta before it takes 1 - beta.
    mean = state[1] + (gradient - state[1]) * (1.0 - beta_1)
    square = state[2] + (tf.square(gradient) - state[2]) * (1.0 - beta_2)
    ahead = following * mean / (1.0 - product * following)
    ahead += (1.0 - momentum) * gradient / (1.0 - product)
    scale = tf.sqrt(square / (1.0 - numbers.power("beta_2"))) + numbers("epsilon")
    return weight - ahead * numbers.rate / scale, [product, mean, square]


def _lion(optimizer, weight, gradient, state, numbers):
    """Chen et al. 2023: every entry moves by the same length."""
    beta_1, beta_2 = numbers("beta_1"), numbers("beta_2")
    direction = tf.sign(state[0] * beta_1 + gradient * (1.0 - beta_1))
    return weight - numbers.rate * direction, [state[0] * beta_2 + gradient * (1.0 - beta_2)]


def _lamb(optimizer, weight, gradient, state, numbers):
    """You et al. 2020: Adam's direction, as long as the weight."""
    mean, square = _moments(gradient, *state, numbers)
    unbiased = square / (1.0 - numbers.power("beta_2"))
    move = mean / (1.0 - numbers.power("beta_1"))
    move /= tf.sqrt(unbiased) + numbers("epsilon")
    lengths = square_norm(weight), square_norm(move)
    ratio = tf.where(tf.minimum(*lengths) > 0.0, tf.sqrt(lengths[0]) / root(lengths[1]), 1.0)
    return weight - column(ratio, weight) * numbers.rate * move, [mean, square]


def _ftrl(optimizer, weight, gradient, state, numbers):
    """McMahan et al. 2013, with Keras's beta and its penalty that shrinks by the weight itself."""
    l1, exponent = numbers("l1_regularization_strength"), -numbers("learning_rate_power")
    l2 = numbers("l2_regularization_strength") + numbers("beta") / (2.0 * numbers.rate)
    shrink = numbers("l2_shrinkage_regularization_strength")
    square = state[0] + tf.square(gradient)
    before, after = power(state[0], exponent), power(square, exponent)
    linear = state[1] + gradient - ((after - before) / numbers.rate - 2.0 * shrink) * weight
    weight = (tf.clip_by_value(linear, -l1, l1) - linear) / (after / numbers.rate + 2.0 * l2)
    return weight, [square, linear]


def _adafactor(optimizer, weight, gradient, state, numbers):
    """Shazeer and Stern 2018: squares averaged over rows and over columns, and no momentum."""
    step = tf.cast(numbers.step + 1, tf.float32)
    kept = power(step, numbers("beta_2_decay"))  # of the new squares
    squares = tf.square(gradient) + numbers("epsilon_1")
    if len(state) == 1:
        state = [state[0] + (squares - state[0]) * kept]
        (scale,) = state
    else:
        means = tf.reduce_mean(squares, -1), _mean_of_columns(squares)
        pairs = zip(state, means, strict=True)
        rows, columns = state = [old + (new - old) * kept[..., 0] for old, new in pairs]
        scale = (rows / tf.reduce_mean(rows, -1, keepdims=True))[..., None] * columns[..., None, :]
    move = gradient / root(scale)
    move /= tf.maximum(_root_mean_square(move) / numbers("clip_threshold"), 1.0)
    size = tf.maximum(_root_mean_square(weight), numbers("epsilon_2"))
    return weight - size * tf.minimum(numbers.rate, inverse_root(step)) * move, state


def _muon(optimizer, weight, gradient, state, numbers):
    """Jordan et al. 2024, scaled as by Liu et al. 2025."""
    if is_by_adam(optimizer, weight):
        return _adam(optimizer, weight, gradient, state, numbers.of_adam)
    momentum = numbers("momentum")
    mean = state[0] * momentum + gradient
    direction = gradient + momentum * mean if optimizer["nesterov"] else mean
    factors = [numbers(f"muon_{letter}") for letter in "abc"]
    move = _orthogonal(direction, optimizer["ns_steps"], *factors)
    size = numbers.rate * numbers("rms_rate") * max(weight.shape[1:]) ** 0.5
    return weight - size * move, [mean]


def _orthogonal(x, steps, a, b, c):
    """Bring the singular values of (members, rows, columns) near 1, by Newton and Schulz."""
    tall = x.shape[1] > x.shape[2]
    x = x / (column(tf.sqrt(square_norm(x)), x) + 1e-7)
    for _ in range(steps):
        square = tf.matmul(x, x, transpose_a=tall, transpose_b=not tall)
        factor = b * square + tf.matmul(c * square, square)
        x = a * x + (tf.matmul(x, factor) if tall else tf.matmul(factor, x))
    return x


def _mean_of_columns(x):
    """Return the mean over the last axis but one of (members, ..., rows, columns)."""
    *others, rows, columns = x.shape
    return tf.reshape(sum_rows(tf.reshape(x, [-1, rows, columns])), [*others, columns]) / rows


def _root_mean_square(x):
    """Return the root of each member's mean square, to broadcast over x."""
    return column(tf.sqrt(square_norm(x) / (x.shape.num_elements() // x.shape[0])), x)


UPDATES = {
    "SGD": _sgd,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "Adadelta": _adadelta,
    "Adam": _adam,
    "AdamW": _adam,
    "Adamax": _adamax,
    "Nadam": _nadam,
    "Lion": _lion,
    "Lamb": _lamb,
    "Ftrl": _ftrl,
    "Adafactor": _adafactor,
    "Muon": _muon,
}
