"""The forward pass of N models at once: each layer with a member axis in front.

Activations are (members, batch, ...), weights (members, ...). Before the first layer with weights
the members may share their inputs, (1, batch, ...), which saves copies. Matrix products and
sums along a row run member by member inside one kernel, so a member's numbers don't depend on who
else is in the population; numerics.py has what needs care for that.
"""

import math

import keras
import tensorflow as tf

from recipes._lab.training.architecture import ELEMENTWISE, LOOPED, WEIGHTLESS
from recipes._lab.training.numerics import column, inverse_root, per_member, sum_rows


def forward(layers, names, weights, x, hyperparameters, noise, training, kept=None):
    """Apply the layers of a `keras.Sequential` to N members.

    Args:
        layers: the built layers of one model of this architecture.
        names: their names, keys of `hyperparameters`.
        weights: a list of stacked weights for each layer, in the order of `layer.weights`.
        x: inputs, (members or 1, batch, ...).
        hyperparameters: per-member hyperparameters, `{"name/number": (members,)}`, float64.
        noise: function (layer name, shape (batch, ...)) -> random values for each activation,
            (members or 1, batch, ...): uint16 for Dropout, standard normal for GaussianNoise.
        training: whether to normalize by batch statistics and to apply the noise.
        kept: a list that gets the output of every layer, (members or 1, batch, ...), or None.

    Returns:
        The outputs, (members, batch, classes), and the weights after the pass (the moving
        statistics of batch normalization move in training).
    """
    members = next(w.shape[0] for layer in weights for w in layer)
    updated = []
    for layer, name, own in zip(layers, names, weights, strict=True):
        kind = type(layer)
        may_share = kind is keras.layers.Dense or (not own and kind not in ELEMENTWISE)
        if x.shape[0] != members and not may_share:
            x = tf.repeat(x, members, axis=0)
        if kind is keras.layers.Dense:
            x = _dense(layer, x, own)
        elif kind is keras.layers.BatchNormalization:
            x, own = _batch_normalization(layer, name, x, own, hyperparameters, training)
        elif kind is keras.layers.LayerNormalization:
            x = _layer_normalization(layer, name, x, own, hyperparameters)
        elif kind is keras.layers.Dropout:
            if training:
                x = _dropout(x, noise(name, x.shape[1:]), hyperparameters[f"{name}/rate"])
        elif kind is keras.layers.GaussianNoise:
            if training:
                x += noise(name, x.shape[1:]) * column(hyperparameters[f"{name}/stddev"], x)
        elif kind in ELEMENTWISE:
            x = layer(x)
        elif kind in WEIGHTLESS:
            x = _merged(layer, x)
        elif kind in LOOPED:
            x = _looped(layer, x, own)
        else:
            raise NotImplementedError(f"{kind.__name__} has no stacked form")
        updated.append(own)
        if kept is not None:
            kept.append(x)
    return x, updated


def fold(layers, names, weights, hyperparameters):
    """Fold each batch normalization that follows a linear Dense layer into its kernel and bias.

    For inference only, where normalization is a fixed linear map of every unit; it then costs
    nothing per example.

    Returns:
        Layers, names and weights, shorter by the normalizations folded away, as for `forward`.
    """
    folded = []
    for layer, name, own in zip(layers, names, weights, strict=True):
        before = folded[-1] if folded else (None, None, None)
        if (
            type(layer) is keras.layers.BatchNormalization
            and type(before[0]) is keras.layers.Dense
            and before[0].activation is keras.activations.linear
        ):
            scale, shift = _inference_map(layer, name, own, hyperparameters)
            kernel, *bias = before[2]
            kernel = kernel * scale[:, None, :]
            bias = bias[0] * scale + shift if bias else shift
            folded[-1] = (before[0], before[1], [kernel, bias])
        else:
            folded.append((layer, name, own))
    return tuple(zip(*folded, strict=True))


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
    # Axes between batch and features, as in (members, batch, time, features), join the batch.
    y = tf.matmul(tf.reshape(x, [x.shape[0], -1, x.shape[-1]]), kernel)
    x = tf.reshape(y, [kernel.shape[0], *x.shape[1:-1], kernel.shape[-1]])
    if len(weights) > 1:  # a folded layer may have got a bias
        x = _add(x, weights[1])
    return layer.activation(x)


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
    epsilon = column(hyperparameters[f"{name}/epsilon"], moving_mean)
    gamma, beta = per_member(gamma, x), per_member(beta, x)
    # A frozen layer uses its moving statistics in training, too (as in Keras).
    if not (training and layer.trainable):
        scale, shift = _inference_map(layer, name, weights, hyperparameters)
        return x * per_member(scale, x) + per_member(shift, x), weights
    y, mean, variance = _normalize(x, gamma, beta, per_member(epsilon, x))
    momentum = column(hyperparameters[f"{name}/momentum"], moving_mean)
    # Exact, then rounded, as in Keras.
    rest = column(1.0 - hyperparameters[f"{name}/momentum"], moving_mean)
    mean, variance = tf.reshape(mean, moving_mean.shape), tf.reshape(variance, moving_mean.shape)
    weights[-2] = moving_mean * momentum + mean * rest
    weights[-1] = moving_variance * momentum + variance * rest
    return y, weights


@tf.custom_gradient
def _normalize(x, gamma, beta, epsilon):
    """Batch normalization with its gradient in closed form: half the passes over memory.

    All arguments but x are (members, 1, ..., features); the mean is over the axes between.
    """
    count = float(math.prod(x.shape[1:-1]))
    mean = per_member(sum_rows(x) / count, x)
    centered = x - mean
    variance = per_member(sum_rows(tf.square(centered)) / count, x)
    inverse = inverse_root(variance + epsilon)

    def gradient(dy, _dmean, _dvariance):
        dbeta = per_member(sum_rows(dy), x)
        dgamma = per_member(sum_rows(dy * centered), x) * inverse
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


def _looped(layer, x, weights):
    """Apply a layer to one member after another, inside the graph."""

    def one(arguments):
        inputs, *own = arguments
        with keras.StatelessScope(state_mapping=zip(layer.weights, own, strict=True)):
            return layer(inputs)

    shape = layer.compute_output_shape(x.shape[1:])
    return tf.map_fn(
        one, (x, *weights), fn_output_signature=tf.TensorSpec(tuple(shape), tf.float32)
    )
