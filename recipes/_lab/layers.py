"""The forward pass of N models at once: each layer with a member axis in front.

Activations are (members, batch, ...), weights (members, ...). Before the first layer with weights
the members may share their inputs, (1, batch, ...), which saves copies. Matrix products and
reductions run member by member inside one kernel, so a member's numbers don't depend on who
else is in the population.
"""

import keras
import tensorflow as tf

from recipes._lab.architecture import ELEMENTWISE, LOOPED, WEIGHTLESS


def forward(layers, names, x, weights, numbers, noise, training):
    """Apply the layers of a `keras.Sequential` to N members.

    Args:
        layers: the built layers of one model of this architecture.
        names: their names, keys of `numbers`.
        x: inputs, (members or 1, batch, ...).
        weights: a list of stacked weights for each layer, in the order of `layer.weights`.
        numbers: lifted numbers, `{"name/number": (members,)}`.
        noise: function (layer name, shape of one example's features) -> random values for it,
            (members or 1, batch, ...): uint16 for Dropout, standard normal for GaussianNoise.
        training: whether to normalize by batch statistics and to apply the noise.

    Returns:
        The outputs, (members, batch, classes), and the weights after the pass (the moving
        statistics of batch normalization move in training).
    """
    members = next(w.shape[0] for layer in weights for w in layer)
    moved = []
    for layer, name, own in zip(layers, names, weights, strict=True):
        kind = type(layer)
        if x.shape[0] != members and (len(own) and kind is not keras.layers.Dense):
            x = tf.repeat(x, members, axis=0)
        if kind is keras.layers.Dense:
            x = _dense(layer, x, own)
        elif kind is keras.layers.BatchNormalization:
            x, own = _batch_normalization(layer, name, x, own, numbers, training)
        elif kind is keras.layers.LayerNormalization:
            x = _layer_normalization(layer, name, x, own, numbers)
        elif kind is keras.layers.Dropout:
            if training:
                x = _dropout(x, noise(name, x.shape[1:]), numbers[f"{name}/rate"])
        elif kind is keras.layers.GaussianNoise:
            if training:
                x += noise(name, x.shape[1:]) * _column(numbers[f"{name}/stddev"], x)
        elif kind in ELEMENTWISE:
            x = layer(x)
        elif kind in WEIGHTLESS:
            x = _merged(layer, x)
        elif kind in LOOPED:
            x = _looped(layer, x, own)
        else:
            raise NotImplementedError(f"{kind.__name__} has no stacked form")
        moved.append(own)
    return x, moved


def _column(values, like):
    """Shape (members,) values so that they broadcast over the rest of `like`."""
    return tf.reshape(values, [-1] + [1] * (len(like.shape) - 1))


def _per_member(weight, x):
    """Insert axes into a stacked weight (members, features) so that it broadcasts over x."""
    return tf.reshape(weight, [weight.shape[0]] + [1] * (len(x.shape) - 2) + [weight.shape[-1]])


def _dense(layer, x, weights):
    kernel = weights[0]
    between = [1] * (len(x.shape) - 3)  # axes between batch and features, as in (n, batch, t, d)
    x = tf.matmul(x, tf.reshape(kernel, [kernel.shape[0], *between, *kernel.shape[1:]]))
    if layer.use_bias:
        x += _per_member(weights[1], x)
    return layer.activation(x)


def _dropout(x, bits, rate):
    """Zero a share `rate` of x and scale the rest by 1 / (1 - rate), as Keras does.

    Sixteen random bits an activation are compared with the rate as an integer, a quarter of the
    work of drawing uniform floats; a rate is met within 2^-17.
    """
    threshold = tf.cast(tf.round(_column(rate, x) * 65536.0), tf.uint16)
    return x * tf.where(bits >= threshold, _column(1.0 / (1.0 - rate), x), 0.0)


def _batch_normalization(layer, name, x, weights, numbers, training):
    """Normalize by the statistics of each member's own batch; return the moved weights as well.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2; the variance is the biased one, in the
    moving average too, as in Keras.
    """
    weights = list(weights)
    gamma = weights[0] if layer.scale else tf.ones_like(weights[-1])
    beta = weights[1 if layer.scale else 0] if layer.center else tf.zeros_like(weights[-1])
    moving_mean, moving_variance = weights[-2:]
    epsilon = _column(numbers[f"{name}/epsilon"], moving_mean)
    gamma, beta = _per_member(gamma, x), _per_member(beta, x)
    # A frozen layer uses its moving statistics in training, too (as in Keras).
    if not (training and layer.trainable):
        scale = gamma * _per_member(tf.math.rsqrt(moving_variance + epsilon), x)
        return x * scale + (beta - _per_member(moving_mean, x) * scale), weights
    y, mean, variance = _normalize(x, gamma, beta, _per_member(epsilon, x))
    momentum = _column(numbers[f"{name}/momentum"], moving_mean)
    mean, variance = tf.reshape(mean, moving_mean.shape), tf.reshape(variance, moving_mean.shape)
    weights[-2] = moving_mean * momentum + mean * (1.0 - momentum)
    weights[-1] = moving_variance * momentum + variance * (1.0 - momentum)
    return y, weights


@tf.custom_gradient
def _normalize(x, gamma, beta, epsilon):
    """Batch normalization with its gradient in closed form: half the passes over memory.

    All arguments but x are (members, 1, ..., features); the mean is over the axes between.
    """
    axes = list(range(1, len(x.shape) - 1))
    count = 1.0
    for axis in axes:
        count *= x.shape[axis]
    mean = tf.reduce_mean(x, axes, keepdims=True)
    centered = x - mean
    variance = tf.reduce_mean(tf.square(centered), axes, keepdims=True)
    inverse = tf.math.rsqrt(variance + epsilon)

    def gradient(dy, _dmean, _dvariance):
        dbeta = tf.reduce_sum(dy, axes, keepdims=True)
        dgamma = tf.reduce_sum(dy * centered, axes, keepdims=True) * inverse
        # dx = gamma / s (dy - mean(dy) - x_hat mean(dy x_hat)), with x_hat = centered / s
        slope = -dgamma * inverse / count
        dx = (dy + centered * slope - dbeta / count) * (gamma * inverse)
        return dx, dgamma, dbeta, None

    return (centered * (gamma * inverse) + beta, mean, variance), gradient


def _layer_normalization(layer, name, x, weights, numbers):
    """Normalize each example over its features (Ba, Kiros and Hinton 2016)."""
    mean, variance = tf.nn.moments(x, [-1], keepdims=True)
    y = (x - mean) * tf.math.rsqrt(variance + _column(numbers[f"{name}/epsilon"], x))
    if layer.scale:
        y *= _per_member(weights[0], x)
    if layer.center:
        y += _per_member(weights[-1], x)
    return y


def _merged(layer, x):
    """Apply a layer that treats each example alone: members and batch become one axis."""
    y = layer(tf.reshape(x, [-1, *x.shape[2:]]))
    return tf.reshape(y, [x.shape[0], -1, *y.shape[1:]])


def _looped(layer, x, weights):
    """Apply a layer to one member after another, inside the graph."""

    def one(arguments):
        inputs, *own = arguments
        return layer.stateless_call(own, [], inputs)[0]

    shape = layer.compute_output_shape(x.shape[1:])
    return tf.map_fn(
        one, (x, *weights), fn_output_signature=tf.TensorSpec(tuple(shape), tf.float32)
    )
