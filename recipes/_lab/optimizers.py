"""The update rules of Keras's optimizers on stacked weights, every hyperparameter per member.

Keras tests its hyperparameters with Python's `if`, so they can't be tensors there. The formulas
are those of Keras 3 (where epsilon stands inside or outside of the root differs between rules),
and the tests compare each with Keras's own optimizer.
"""

import tensorflow as tf

# Numbers of an optimizer that do nothing where they are zero.
OPTIONAL = ("momentum", "weight_decay", "gradient_accumulation_steps")


def initial_state(rule, weight, numbers):
    """Return the state that the rule keeps for one stacked weight, before the first step.

    Args:
        rule: the optimizer's class name and whether it is nesterov, `{"class", "nesterov"}`.
        weight: (members, ...).
        numbers: lifted numbers, float64 (members,) each; those that are zero for all are absent.

    Returns:
        A list of tensors like weight.
    """
    zero = tf.zeros_like(weight)
    if "gradient_accumulation_steps" in numbers:
        return [zero, *initial_state(rule, weight, _without_accumulation(numbers))]
    momentum = [zero] if "momentum" in numbers else []
    if rule["class"] == "SGD":
        return momentum
    if rule["class"] == "RMSprop":
        return [zero, *momentum]
    if rule["class"] == "Adagrad":
        return [zero + _column(numbers["initial_accumulator_value"], zero)]
    return [zero, zero]


def update(rule, weight, gradient, state, learning_rate, numbers, step):
    """Apply one step of the rule to one stacked weight.

    Args:
        rule: as in `initial_state`.
        weight: (members, ...).
        gradient: like weight.
        state: what the rule keeps for this weight, each like weight.
        learning_rate: (members,), of this step.
        numbers: lifted numbers, float64 (members,) each.
        step: number of steps taken before this one, from 0.

    Returns:
        The new weight and its new state.
    """
    if "gradient_accumulation_steps" in numbers:
        return _accumulate(rule, weight, gradient, state, learning_rate, numbers, step)

    def number(name, complement=False):
        # Keras takes 1 - beta before rounding it to float32.
        return _column(1.0 - numbers[name] if complement else numbers[name], weight)

    rate = _column(learning_rate, weight)
    if "weight_decay" in numbers:
        # Decoupled from the gradient, scaled by the rate (Loshchilov and Hutter 2019).
        weight = weight - weight * number("weight_decay") * rate
    return RULES[rule["class"]](rule, weight, gradient, state, rate, number, step)


def _accumulate(rule, weight, gradient, state, learning_rate, numbers, step):
    """Add gradients up, and apply the rule to their mean every few steps."""
    every = tf.maximum(numbers["gradient_accumulation_steps"], 1.0)  # 0 stands for each step
    step = tf.cast(step, tf.float64)
    total = state[0] + gradient
    mean, updates = total / _column(every, weight), _column(step // every, weight)
    rest = _without_accumulation(numbers)
    moved, after = update(rule, weight, mean, state[1:], learning_rate, rest, updates)
    due = _column((step + 1.0) % every == 0.0, weight) > 0.0
    new, old = [moved, tf.zeros_like(total), *after], [weight, total, *state[1:]]
    weight, *state = (tf.where(due, *pair) for pair in zip(new, old, strict=True))
    return weight, state


def _without_accumulation(numbers):
    return {name: n for name, n in numbers.items() if name != "gradient_accumulation_steps"}


def _sgd(rule, weight, gradient, state, rate, number, step):
    """Gradient descent, with momentum (Polyak 1964) or Nesterov's (Sutskever et al. 2013)."""
    if not state:
        return weight - gradient * rate, []
    momentum = number("momentum")
    velocity = state[0] * momentum - gradient * rate
    move = velocity * momentum - gradient * rate if rule["nesterov"] else velocity
    return weight + move, [velocity]


def _rmsprop(rule, weight, gradient, state, rate, number, step):
    """Tieleman and Hinton 2012, lecture 6.5."""
    rho = number("rho")
    square = rho * state[0] + number("rho", complement=True) * tf.square(gradient)
    move = rate * gradient / root(square + number("epsilon"))
    if len(state) == 1:
        return weight - move, [square]
    velocity = number("momentum") * state[1] + move
    return weight - velocity, [square, velocity]


def _adagrad(rule, weight, gradient, state, rate, number, step):
    """Duchi, Hazan and Singer 2011."""
    square = state[0] + tf.square(gradient)
    return weight - rate * gradient / root(square + number("epsilon")), [square]


def _adam(rule, weight, gradient, state, rate, number, step):
    """Kingma and Ba 2015, with epsilon as in the paper's remark on efficiency."""
    beta_1, beta_2 = number("beta_1"), number("beta_2")
    power_1, power_2 = _power(beta_1, step + 1), _power(beta_2, step + 1)
    mean = state[0] + (gradient - state[0]) * number("beta_1", complement=True)
    square = state[1] + (tf.square(gradient) - state[1]) * number("beta_2", complement=True)
    rate = rate * tf.sqrt(1.0 - power_2) / (1.0 - power_1)
    return weight - mean * rate / (tf.sqrt(square) + number("epsilon")), [mean, square]


RULES = {"SGD": _sgd, "RMSprop": _rmsprop, "Adagrad": _adagrad, "Adam": _adam, "AdamW": _adam}


def root(x):
    """Take the square root in a form that stays a division as a divisor.

    TensorFlow would make a product with rsqrt of x / sqrt(y), but rsqrt isn't exactly rounded: its
    last bit depends on where in a tensor a number stands, hence on the other members.
    """
    return tf.maximum(tf.sqrt(x), 1e-30)


def _power(base, exponent):
    """Return base ** exponent rounded from float64, for the same reason."""
    power = tf.pow(tf.cast(base, tf.float64), tf.cast(exponent, tf.float64))
    return tf.cast(power, tf.float32)


def _column(values, like):
    return tf.reshape(tf.cast(values, like.dtype), [-1] + [1] * (len(like.shape) - 1))
