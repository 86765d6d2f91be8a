"""The forward pass of N models at once: each layer with a member axis in front.

Activations are (members, batch, ...), weights (members, ...). Before the first layer with weights
the members may share their inputs, (1, batch, ...), which saves copies. Matrix products and
sums along a row run member by member inside one kernel, so a member's numbers don't depend on who
else is in the population; numerics.py has what needs care for that.
"""

import math
from typing import NamedTuple

import keras
import tensorflow as tf

from recipes._lab.errors import UserError
from recipes._lab.training import looping
from recipes._lab.training.architecture import ELEMENTWISE, LOOPED, MERGING, WEIGHTLESS, takes_mask
from recipes._lab.training.connections import Constant
from recipes._lab.training.numerics import as_rows, column, inverse_root, per_member, sum_rows


class Architecture(NamedTuple):
    """The layers of one model and how they are connected.

    Attributes:
        layers: the built layers.
        names: their names, keys of the per-member hyperparameters.
        inputs: what each layer is given, see `connections.connections`.
        output: the number of the model's output, as in `inputs`.
        looped: names of the layers that have no stacked form.
        opened: the `opening.Parts` of those among them that are made of layers, by name.
    """

    layers: list
    names: list
    inputs: list
    output: int
    looped: frozenset
    opened: dict

    def is_looped(self, name, layer):
        """Tell whether a layer is applied to one member after another."""
        return name in self.looped or type(layer) in LOOPED

    @property
    def is_chain(self):
        """Whether each layer is given what the one before it returns."""
        return self.inputs == [(n,) for n in range(len(self.layers))]


def forward(architecture, weights, x, hyperparameters, noise, training, kept=None, *, members=None):
    """Apply the layers of a model to N members.

    Args:
        architecture: the layers of one model and how they are connected, an `Architecture`.
        weights: a list of stacked weights for each layer, in the order of `layer.weights`.
        x: inputs, (members or 1, batch, ...).
        hyperparameters: per-member hyperparameters, `{"name/number": (members,)}`, float64.
        noise: function (layer name, shape (batch, ...)) -> random values for each activation,
            (members or 1, batch, ...): uint16 for Dropout, standard normal for GaussianNoise; for
            a looped layer its key, (members or 1, 2). None in inference.
        training: whether to normalize by batch statistics and to apply the noise.
        kept: a list that gets the output of every layer, (members or 1, batch, ...), or None.
        members: their number, if the weights don't tell.

    Returns:
        The outputs, (members, batch, classes); the weights after the pass (the moving statistics of
        batch normalization move in training); and the sum of what looped layers add to the
        members' losses.
    """
    members = members or next(w.shape[0] for layer in weights for w in layer)
    updated, tensors, masks, penalty = [], [x], [None], 0.0
    for layer, name, numbers, layer_weights in zip(
        architecture.layers, architecture.names, architecture.inputs, weights, strict=True
    ):
        if not isinstance(layer, keras.Layer):
            tensors.append(_operate(layer, [_get(tensors, n) for n in numbers], members))
            masks.append(None)
            updated.append([])
            continue
        arguments = tf.nest.map_structure(tensors.__getitem__, numbers)
        mask = masks[tf.nest.flatten(numbers)[0]]
        if name in architecture.opened and mask is None:
            parts = architecture.opened[name]
            x, layer_weights, added = _opened(
                parts, arguments[0], layer_weights, noise, training, members
            )
            penalty += added
        elif architecture.is_looped(name, layer) or (mask is not None and takes_mask(layer)):
            has_keys = training and name in architecture.looped and looping.seed_states(layer)
            keys = noise(name, None) if has_keys else None
            x, mask, layer_weights, added = looping.apply(
                layer, arguments, mask, layer_weights, keys, training
            )
            if name in architecture.looped:  # other penalties are per-member hyperparameters
                penalty += tf.reduce_sum(added) * (members / added.shape[0])
        else:
            mask = mask if layer.supports_masking else None
            x, layer_weights = _stacked(
                layer, name, arguments[0], layer_weights, hyperparameters, noise, training, members
            )
        updated.append(layer_weights)
        tensors.append(x)
        masks.append(mask)
    if kept is not None:
        kept += tensors[1:]
    if masks[architecture.output] is not None:
        raise UserError("the model's outputs are masked; let a layer end the sequence before them")
    return tensors[architecture.output], updated, penalty


def _stacked(layer, name, x, layer_weights, hyperparameters, noise, training, members):
    """Apply a layer that has a stacked form; return its output and its weights after the pass."""
    kind = type(layer)
    if kind in MERGING:
        return layer([_repeated(tensor, members) for tensor in x]), layer_weights
    may_share = kind is keras.layers.Dense or (not layer_weights and kind not in ELEMENTWISE)
    x = x if may_share else _repeated(x, members)
    if kind in (keras.layers.Dropout, keras.layers.GaussianNoise) and not training:
        return x, layer_weights
    if kind is keras.layers.Dense:
        x = _dense(layer, x, layer_weights)
    elif kind is keras.layers.BatchNormalization:
        x, layer_weights = _batch_normalization(
            layer, name, x, layer_weights, hyperparameters, training
        )
    elif kind is keras.layers.LayerNormalization:
        x = _layer_normalization(layer, name, x, layer_weights, hyperparameters)
    elif kind is keras.layers.Dropout:
        x = _dropout(x, noise(name, x.shape[1:]), hyperparameters[f"{name}/rate"])
    elif kind is keras.layers.GaussianNoise:
        x += noise(name, x.shape[1:]) * column(hyperparameters[f"{name}/stddev"], x)
    elif kind in ELEMENTWISE:
        x = layer(x)
    elif kind in WEIGHTLESS:
        x = _merged(layer, x)
    else:
        raise NotImplementedError(f"{kind.__name__} has no stacked form")
    return x, layer_weights


def _opened(parts, x, layer_weights, noise, training, members):
    """Apply the parts of a layer; return as `forward` does, the weights as one list."""
    hyperparameters = {
        name: tf.fill([members], tf.constant(number, tf.float64))
        for name, number in parts.hyperparameters.items()
    }
    inner = Architecture(parts.steps, parts.names, parts.inputs, parts.output, parts.looped, {})
    weights = [[layer_weights[position] for position in of] for of in parts.weights]
    x, updated, penalty = forward(
        inner, weights, x, hyperparameters, noise, training, members=members
    )
    after = list(layer_weights)
    for positions, values in zip(parts.weights, updated, strict=True):
        for position, value in zip(positions, values, strict=True):
            after[position] = value
    return x, after, penalty


def _get(tensors, number):
    return number if isinstance(number, Constant) else tensors[number]


def _operate(operation, arguments, members):
    """Apply an elementwise operation of keras.ops."""

    def value(argument):
        if isinstance(argument, Constant):
            return argument.value
        return _repeated(argument, members)

    return operation(*map(value, arguments))


def _repeated(x, members):
    """Return what members share as what each has."""
    return x if x.shape[0] == members else tf.repeat(x, members, axis=0)


def fold(architecture, weights, hyperparameters):
    """Fold each batch normalization that follows a linear Dense layer into its kernel and bias.

    For inference only, where normalization is a fixed linear map of every unit; it then costs
    nothing per example.

    Returns:
        Architecture and weights, shorter by the normalizations folded away, as for `forward`; the
        same if the layers don't follow one another.
    """
    if not architecture.is_chain:
        return architecture, weights
    folded = []
    for layer, name, layer_weights in zip(
        architecture.layers, architecture.names, weights, strict=True
    ):
        before = folded[-1] if folded else (None, None, None)
        if (
            type(layer) is keras.layers.BatchNormalization
            and name not in architecture.looped
            and type(before[0]) is keras.layers.Dense
            and before[0].activation is keras.activations.linear
        ):
            scale, shift = _inference_map(layer, name, layer_weights, hyperparameters)
            kernel, *bias = before[2]
            kernel = kernel * tf.expand_dims(scale, 1)
            bias = bias[0] * scale + shift if bias else shift
            folded[-1] = (before[0], before[1], [kernel, bias])
        else:
            folded.append((layer, name, layer_weights))
    layers, names, weights = zip(*folded, strict=True)
    chain = [(n,) for n in range(len(layers))]
    fewer = architecture._replace(layers=layers, names=names, inputs=chain, output=len(layers))
    return fewer, weights


def _inference_map(layer, name, weights, hyperparameters):
    """Return scale and shift, (members, features), of batch normalization at inference."""
    moving_mean, moving_variance = weights[-2:]
    epsilon = column(hyperparameters[f"{name}/epsilon"], moving_variance)
    scale = inverse_root(moving_variance + epsilon)
    if layer.scale:
        scale *= weights[0]
    shift = -moving_mean * scale
    return scale, shift + weights[-3] if layer.center else shift


@tf.custom_gradient
def _add(x, bias):
    """Add a bias (members, features); its gradient is a sum over rows."""
    return x + per_member(bias, x), lambda dy: (dy, sum_rows(dy))


@tf.custom_gradient
def _scale(x, gain):
    """Multiply by a gain (members, features); its gradient is a sum over rows."""
    gain_of_x = per_member(gain, x)
    return x * gain_of_x, lambda dy: (dy * gain_of_x, sum_rows(dy * x))


def _dense(layer, x, weights):
    kernel = weights[0]
    y = tf.matmul(as_rows(x), kernel)
    if len(x.shape) > 3:  # as in (members, batch, time, features)
        y = tf.reshape(y, [kernel.shape[0], *x.shape[1:-1], kernel.shape[-1]])
    if len(weights) > 1:  # a folded layer may have got a bias
        y = _add(y, weights[1])
    return layer.activation(y)


def _dropout(x, bits, rate):
    """Zero a share `rate` of x and scale the rest by 1 / (1 - rate), as Keras does.

    Sixteen random bits an activation are compared with the rate as an integer, a quarter of the
    work of drawing uniform floats; a rate is met within 2^-17.
    """
    threshold = tf.cast(tf.round(column(rate, x) * 65536.0), tf.uint16)
    return x * tf.where(bits >= threshold, column(1.0 / (1.0 - rate), x), 0.0)


def _batch_normalization(layer, name, x, weights, hyperparameters, training):
    """Normalize by the statistics of each member's own batch; return the updated weights as well.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2; the variance is the biased one, in the
    moving average too, as in Keras.
    """
    weights = list(weights)
    gamma = weights[0] if layer.scale else tf.ones_like(weights[-1])
    beta = weights[1 if layer.scale else 0] if layer.center else tf.zeros_like(weights[-1])
    moving_mean, moving_variance = weights[-2:]
    # A frozen layer uses its moving statistics in training, too (as in Keras).
    if not (training and layer.trainable):
        scale, shift = _inference_map(layer, name, weights, hyperparameters)
        return x * per_member(scale, x) + per_member(shift, x), weights
    epsilon = column(hyperparameters[f"{name}/epsilon"], x)
    y, mean, variance = _normalize(x, per_member(gamma, x), per_member(beta, x), epsilon)
    momentum = column(hyperparameters[f"{name}/momentum"], moving_mean)
    # Exact, then rounded, as in Keras.
    rest = column(1.0 - hyperparameters[f"{name}/momentum"], moving_mean)
    between = list(range(1, len(x.shape) - 1))
    weights[-2] = moving_mean * momentum + tf.squeeze(mean, between) * rest
    weights[-1] = moving_variance * momentum + tf.squeeze(variance, between) * rest
    return y, weights


@tf.custom_gradient
def _normalize(x, gamma, beta, epsilon):
    """Batch normalization with its gradient in closed form: half the passes over memory.

    All arguments but x are (members, 1, ..., features); the mean is over the axes between.
    """
    count = tf.constant(math.prod(x.shape[1:-1]), x.dtype)
    mean = sum_rows(x, keepdims=True) / count
    centered = x - mean
    variance = sum_rows(tf.square(centered), keepdims=True) / count
    inverse = inverse_root(variance + epsilon)

    def gradient(dy, _dmean, _dvariance):
        dbeta = sum_rows(dy, keepdims=True)
        dgamma = sum_rows(dy * centered, keepdims=True) * inverse
        # dx = gamma / s (dy - mean(dy) - x_hat mean(dy x_hat)), with x_hat = centered / s
        slope = -dgamma * inverse / count
        dx = (dy + centered * slope - dbeta / count) * (gamma * inverse)
        return dx, dgamma, dbeta, None

    return (centered * (gamma * inverse) + beta, mean, variance), gradient


def _layer_normalization(layer, name, x, weights, hyperparameters):
    """Normalize each example over its features (Ba, Kiros and Hinton 2016)."""
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    y = (x - mean) * tf.math.rsqrt(variance + column(hyperparameters[f"{name}/epsilon"], x))
    if layer.scale:
        y = _scale(y, weights[0])
    if layer.center:
        y = _add(y, weights[-1])
    return y


def _merged(layer, x):
    """Apply a layer that treats each example alone: members and batch become one axis."""
    y = layer(tf.reshape(x, [-1, *x.shape[2:]]))
    return tf.reshape(y, [x.shape[0], -1, *y.shape[1:]])
