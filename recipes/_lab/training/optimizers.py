"""A step of Keras's optimizers on stacked weights, every hyperparameter per member.

Here is what all optimizers share; how each of them updates a weight stands in `update_rules`. The
tests compare each with Keras's own optimizer.
"""

import re

import tensorflow as tf

from recipes._lab.training import update_rules
from recipes._lab.training.numerics import column, square_norm

EMA = ("ema_momentum", "ema_overwrite_frequency")
ACCUMULATION = ("gradient_accumulation_steps",)
# Numbers that shorten gradients, of which an optimizer has one at the most.
CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
# Numbers of an optimizer that do nothing where they are zero.
OPTIONAL = (
    "momentum",
    "weight_decay",
    "adam_weight_decay",
    *ACCUMULATION,
    "ema_overwrite_frequency",
    *CLIPS,
)


def rules(optimizer, names):
    """Return what selects the update rule of each weight: the optimizer, and whether by its Adam.

    Muon moves by Adam what is no matrix, and the layers that it is told to exclude.

    Args:
        optimizer: its class name and what else selects its rule, `{"class", "nesterov", "use_ema",
            ...}`.
        names: of the trainable weights, "layer/weight".
    """
    patterns = optimizer["exclude_layers"] or ()
    excluded = [any(re.search(pattern, name) for pattern in patterns) for name in names]
    return [optimizer | {"by_adam": by_adam} for by_adam in excluded]


def initial_state(rule, weight, hyperparameters):
    """Return the state that the optimizer keeps for one stacked weight, before the first step.

    Args:
        rule: that of the weight, of `rules`.
        weight: (members, ...).
        hyperparameters: float64 (members,) each; those that are zero for all are absent.

    Returns:
        A list of tensors, (members, ...) each.
    """
    zero = tf.zeros_like(weight)
    if "ema_momentum" in hyperparameters:
        return [zero, *initial_state(rule, weight, _without(EMA, hyperparameters))]
    if "gradient_accumulation_steps" in hyperparameters:
        return [zero, *initial_state(rule, weight, _without(ACCUMULATION, hyperparameters))]
    return update_rules.initial_state(rule, weight, hyperparameters)


def update(rules, weights, gradients, states, learning_rate, hyperparameters, step):
    """Apply one step of the optimizer to all trainable weights.

    Args:
        rules: of each weight, see `rules`.
        weights: stacked weights, (members, ...) each.
        gradients: like weights.
        states: what the optimizer keeps for each weight.
        learning_rate: (members,), of this step.
        hyperparameters: float64 (members,) each.
        step: number of steps taken before this one, from 0; or (members,).

    Returns:
        The new weights and their new states.
    """
    rest = learning_rate, hyperparameters, step
    if "ema_momentum" in hyperparameters:
        return _average(rules, weights, gradients, states, *rest)
    if "gradient_accumulation_steps" in hyperparameters:
        return _accumulate(rules, weights, gradients, states, *rest)
    gradients = _clip(gradients, hyperparameters)
    first_of_rank = {len(weight.shape): weight for weight in reversed(weights)}
    numbers = {rank: update_rules.Numbers(w, *rest) for rank, w in first_of_rank.items()}
    updated = [
        _update_one(rule, weight, gradient, state, numbers[len(weight.shape)])
        for rule, weight, gradient, state in zip(rules, weights, gradients, states, strict=True)
    ]
    return [weight for weight, _ in updated], [state for _, state in updated]


def final_weights(optimizer, weights, states):
    """Return the trainable weights that training ends with: their averages, if there are any."""
    return [average for average, *_ in states] if optimizer["use_ema"] else weights


def updating_at_each_step(hyperparameters):
    """Return hyperparameters by which each step updates the weights, by its own gradient alone."""
    values = {"gradient_accumulation_steps": 1.0, "ema_overwrite_frequency": 0.0}
    return {
        name: tf.fill(tf.shape(n), tf.constant(values[name], n.dtype)) if name in values else n
        for name, n in hyperparameters.items()
    }


def _average(rules, weights, gradients, states, learning_rate, hyperparameters, step):
    """Keep averages of the weights, and every few updates go on from them.

    Polyak and Juditsky 1992. As in Keras, each step moves the averages, also where gradients are
    only added up, and until the first update they are the weights themselves.
    """
    inner, rest = [state[1:] for state in states], _without(EMA, hyperparameters)
    weights, inner = update(rules, weights, gradients, inner, learning_rate, rest, step)
    updates = tf.cast(step, tf.float64)
    if "gradient_accumulation_steps" in hyperparameters:
        updates //= _steps_of_update(hyperparameters)
    momentum = hyperparameters["ema_momentum"] * tf.cast(updates > 0.0, tf.float64)
    averages = [
        column(momentum, w) * average + (1.0 - column(momentum, w)) * w
        for w, (average, *_) in zip(weights, states, strict=True)
    ]
    if "ema_overwrite_frequency" in hyperparameters:
        often = hyperparameters["ema_overwrite_frequency"]
        due = (often > 0.0) & ((updates + 1.0) % tf.maximum(often, 1.0) == 0.0)
        weights = [_where(due, *pair) for pair in zip(averages, weights, strict=True)]
    return weights, [[average, *state] for average, state in zip(averages, inner, strict=True)]


def _accumulate(rules, weights, gradients, states, learning_rate, hyperparameters, step):
    """Add gradients up, and apply the optimizer to their mean every few steps."""
    every = _steps_of_update(hyperparameters)
    step = tf.cast(step, tf.float64)
    totals = [total + gradient for (total, *_), gradient in zip(states, gradients, strict=True)]
    means = [total / column(every, total) for total in totals]
    inner, rest = [state[1:] for state in states], _without(ACCUMULATION, hyperparameters)
    updated, after = update(rules, weights, means, inner, learning_rate, rest, step // every)
    due = (step + 1.0) % every == 0.0
    weights = [_where(due, *pair) for pair in zip(updated, weights, strict=True)]
    states = [
        [_where(due, *pair) for pair in zip([tf.zeros_like(t), *new], [t, *old], strict=True)]
        for t, new, old in zip(totals, after, inner, strict=True)
    ]
    return weights, states


def _steps_of_update(hyperparameters):
    return tf.maximum(hyperparameters["gradient_accumulation_steps"], 1.0)  # 0: each step


def _without(names, hyperparameters):
    return {name: n for name, n in hyperparameters.items() if name not in names}


def _where(condition, values, others):
    """Return the values of those members for which the condition, (members,), holds."""
    return tf.where(tf.reshape(condition, [-1] + [1] * (len(values.shape) - 1)), values, others)


def _clip(gradients, hyperparameters):
    """Shorten the gradients of those members that ask for it (Pascanu, Mikolov and Bengio 2013)."""
    if "clipnorm" in hyperparameters:
        limit = tf.cast(hyperparameters["clipnorm"], tf.float32)
        factors = [_factor(square_norm(gradient), limit) for gradient in gradients]
        gradients = _scaled(gradients, factors, limit)
    if "global_clipnorm" in hyperparameters:
        limit = tf.cast(hyperparameters["global_clipnorm"], tf.float32)
        # Not by `+`: TensorFlow orders its terms anew, by what else is in the graph.
        square = tf.reduce_sum(tf.stack(list(map(square_norm, gradients)), axis=1), axis=1)
        # As in Keras, one infinite gradient spoils all.
        factor = tf.where(tf.math.is_finite(square), _factor(square, limit), float("nan"))
        gradients = _scaled(gradients, [factor] * len(gradients), limit)
    if "clipvalue" in hyperparameters:
        limit = tf.cast(hyperparameters["clipvalue"], tf.float32)
        bounds = [column(limit, gradient) for gradient in gradients]
        clipped = map(tf.clip_by_value, gradients, [-bound for bound in bounds], bounds)
        gradients = [_where(limit > 0.0, *p) for p in zip(clipped, gradients, strict=True)]
    return gradients


def _factor(square, limit):
    """Return what makes a norm of the limit out of every larger one, (members,)."""
    return limit / tf.maximum(tf.sqrt(square), limit)


def _scaled(gradients, factors, limit):
    """Return gradient times factor for those members that have a limit."""
    scaled = [g * column(factor, g) for g, factor in zip(gradients, factors, strict=True)]
    return [_where(limit > 0.0, *pair) for pair in zip(scaled, gradients, strict=True)]


def _update_one(rule, weight, gradient, state, numbers):
    """Decay one stacked weight and apply the update rule to it."""
    by_adam = rule["class"] == "Muon" and update_rules.is_by_adam(rule, weight)
    decay = "adam_weight_decay" if by_adam else "weight_decay"
    if numbers.has(decay):
        # Decoupled from the gradient, scaled by the rate (Loshchilov and Hutter 2019).
        weight = weight - weight * numbers(decay) * numbers.rate
    return update_rules.UPDATES[rule["class"]](rule, weight, gradient, state, numbers)
