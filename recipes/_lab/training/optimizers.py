"""The update rules of Keras's optimizers on stacked weights, every hyperparameter per member.

Keras tests its hyperparameters with Python's `if`, so they can't be tensors there. The formulas
are those of Keras 3 (where epsilon stands inside or outside of the root differs between rules),
and the tests compare each with Keras's own optimizer.
"""

import tensorflow as tf

from recipes._lab.training.numerics import column, power, root

# Numbers of an optimizer that do nothing where they are zero.
OPTIONAL = ("momentum", "weight_decay", "gradient_accumulation_steps")


def initial_state(optimizer, weight, hyperparameters):
    """Return the state that the optimizer keeps for one stacked weight, before the first step.

    Args:
        optimizer: the optimizer's class name and whether it is nesterov, `{"class", "nesterov"}`.
        weight: (members, ...).
        hyperparameters: float64 (members,) each; those that are zero for all are absent.

    Returns:
        A list of tensors like weight.
    """
    zero = tf.zeros_like(weight)
    if "gradient_accumulation_steps" in hyperparameters:
        return [zero, *initial_state(optimizer, weight, _without_accumulation(hyperparameters))]
    momentum = [zero] if "momentum" in hyperparameters else []
    if optimizer["class"] == "SGD":
        return momentum
    if optimizer["class"] == "RMSprop":
        return [zero, *momentum]
    if optimizer["class"] == "Adagrad":
        return [zero + column(hyperparameters["initial_accumulator_value"], zero)]
    return [zero, zero]


def update(optimizer, weight, gradient, state, learning_rate, hyperparameters, step):
    """Apply one step of the optimizer to one stacked weight.

    Args:
        optimizer: as in `initial_state`.
        weight: (members, ...).
        gradient: like weight.
        state: what the optimizer keeps for this weight, each like weight.
        learning_rate: (members,), of this step.
        hyperparameters: float64 (members,) each.
        step: number of steps taken before this one, from 0.

    Returns:
        The new weight and its new state.
    """
    if "gradient_accumulation_steps" in hyperparameters:
        return _accumulate(optimizer, weight, gradient, state, learning_rate, hyperparameters, step)

    def hyperparameter(name, complement=False):
        # Keras takes 1 - beta before rounding it to float32.
        return column(1.0 - hyperparameters[name] if complement else hyperparameters[name], weight)

    rate = column(learning_rate, weight)
    if "weight_decay" in hyperparameters:
        # Decoupled from the gradient, scaled by the rate (Loshchilov and Hutter 2019).
        weight = weight - weight * hyperparameter("weight_decay") * rate
    apply = UPDATES[optimizer["class"]]
    return apply(optimizer, weight, gradient, state, rate, hyperparameter, step)


def _accumulate(optimizer, weight, gradient, state, learning_rate, hyperparameters, step):
    """Add gradients up, and apply the optimizer to their mean every few steps."""
    every = tf.maximum(hyperparameters["gradient_accumulation_steps"], 1.0)  # 0: each step
    step = tf.cast(step, tf.float64)
    total = state[0] + gradient
    mean, updates = total / column(every, weight), column(step // every, weight)
    rest = _without_accumulation(hyperparameters)
    updated, after = update(optimizer, weight, mean, state[1:], learning_rate, rest, updates)
    due = column((step + 1.0) % every == 0.0, weight) > 0.0
    new, old = [updated, tf.zeros_like(total), *after], [weight, total, *state[1:]]
    weight, *state = (tf.where(due, *pair) for pair in zip(new, old, strict=True))
    return weight, state


def _without_accumulation(hyperparameters):
    return {name: n for name, n in hyperparameters.items() if name != "gradient_accumulation_steps"}


def _sgd(optimizer, weight, gradient, state, rate, hyperparameter, step):
    """Gradient descent, with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013)."""
    if not state:
        return weight - gradient * rate, []
    momentum = hyperparameter("momentum")
    velocity = state[0] * momentum - gradient * rate
    move = velocity * momentum - gradient * rate if optimizer["nesterov"] else velocity
    return weight + move, [velocity]


def _rmsprop(optimizer, weight, gradient, state, rate, hyperparameter, step):
    """Tieleman and Hinton 2012, lecture 6.5."""
    rho = hyperparameter("rho")
    square = rho * state[0] + hyperparameter("rho", complement=True) * tf.square(gradient)
    move = rate * gradient / root(square + hyperparameter("epsilon"))
    if len(state) == 1:
        return weight - move, [square]
    velocity = hyperparameter("momentum") * state[1] + move
    return weight - velocity, [square, velocity]


def _adagrad(optimizer, weight, gradient, state, rate, hyperparameter, step):
    """Duchi, Hazan and Singer 2011."""
    square = state[0] + tf.square(gradient)
    return weight - rate * gradient / root(square + hyperparameter("epsilon")), [square]


def _adam(optimizer, weight, gradient, state, rate, hyperparameter, step):
    """Kingma and Ba 2015, with epsilon as in the paper's remark on efficiency."""
    beta_1, beta_2 = hyperparameter("beta_1"), hyperparameter("beta_2")
    power_1, power_2 = power(beta_1, step + 1), power(beta_2, step + 1)
    mean = state[0] + (gradient - state[0]) * hyperparameter("beta_1", complement=True)
    square = state[1] + (tf.square(gradient) - state[1]) * hyperparameter("beta_2", complement=True)
    rate = rate * tf.sqrt(1.0 - power_2) / (1.0 - power_1)
    return weight - mean * rate / (tf.sqrt(square) + hyperparameter("epsilon")), [mean, square]


UPDATES = {"SGD": _sgd, "RMSprop": _rmsprop, "Adagrad": _adagrad, "Adam": _adam, "AdamW": _adam}
