"""The forward pass of N models at once: each layer with a member axis in front.

Activations are (members, batch, ...), weights (members, ...). Before the first layer with weights
the members may share their inputs, (1, batch, ...), which saves copies. Matrix products and
sums along a row run member by member inside one kernel, so a member's numbers don't depend on who
else is in the population. Three things need care, because TensorFlow computes eight floats at a
time and what doesn't fill a packet of eight by other code, whose last bit may differ:

- functions such as exp: the number of members times the batch must be a multiple of `PACKET`;
- 1 / sqrt on tensors without a batch axis: see `_inverse_root` here and `root` in optimizers.py;
- sums over rows, where packets straddle two members: see `_sum`.
"""

import math

import keras
import tensorflow as tf

from recipes._lab.architecture import ELEMENTWISE, LOOPED, WEIGHTLESS

PACKET = 8  # floats in a vector register, as TensorFlow's packages are compiled (AVX)


def multiple(batch):
    """Return of what the number of members must be a multiple at this batch size, see above."""
    return PACKET // math.gcd(PACKET, batch)


def forward(layers, names, weights, x, numbers, noise, training, kept=None):
    """Apply the layers of a `keras.Sequential` to N members.

    Args:
        layers: the built layers of one model of this architecture.
        names: their names, keys of `numbers`.
        weights: a list of stacked weights for each layer, in the order of `layer.weights`.
        x: inputs, (members or 1, batch, ...).
        numbers: lifted numbers, `{"name/number": (members,)}`, float64.
        noise: function (layer name, shape (batch, ...)) -> random values for each activation,
            (members or 1, batch, ...): uint16 for Dropout, standard normal for GaussianNoise.
        training: whether to normalize by batch statistics and to apply the noise.
        kept: a list that gets the output of every layer, (members or 1, batch, ...), or None.

    Returns:
        The outputs, (members, batch, classes), and the weights after the pass (the moving
        statistics of batch normalization move in training).
    """
    members = next(w.shape[0] for layer in weights for w in layer)
    moved = []
    for layer, name, own in zip(layers, names, weights, strict=True):
        kind = type(layer)
        may_share = kind is keras.layers.Dense or (not own and kind not in ELEMENTWISE)
        if x.shape[0] != members and not may_share:
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
        if kept is not None:
            kept.append(x)
    return x, moved


def fold(layers, names, weights, numbers):
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
            scale, shift = _inference_map(layer, name, own, numbers)
            kernel, *bias = before[2]
            kernel = kernel * scale[:, None, :]
            bias = bias[0] * scale + shift if bias else shift
            folded[-1] = (before[0], before[1], [kernel, bias])
        else:
            folded.append((layer, name, own))
    return tuple(zip(*folded, strict=True))


def _inference_map(layer, name, weights, numbers):
    """Return scale and shift, (members, features), of batch normalization at inference."""
    moving_mean, moving_variance = weights[-2:]
    epsilon = _column(numbers[f"{name}/epsilon"], moving_variance)
    scale = _inverse_root(moving_variance + epsilon)
    if layer.scale:
        scale *= weights[0]
    shift = -moving_mean * scale
    return scale, shift + weights[-3] if layer.center else shift


def _column(values, like):
    """Round and shape (members,) values so that they broadcast over the rest of `like`."""
    return tf.reshape(tf.cast(values, like.dtype), [-1] + [1] * (len(like.shape) - 1))


def _per_member(weight, x):
    """Insert axes into a stacked weight (members, features) so that it broadcasts over x."""
    return tf.reshape(weight, [weight.shape[0]] + [1] * (len(x.shape) - 2) + [weight.shape[-1]])


def _sum(x):
    """Sum over all axes between members and features, (members, features).

    Columns are summed eight at a time. Rows are joined until they are a multiple of that long, so
    that no eight columns belong to two members; those are summed in another order.
    """
    members, features = x.shape[0], x.shape[-1]
    x = tf.reshape(x, [members, -1, features])
    rows, joined = x.shape[1], PACKET // math.gcd(PACKET, features)
    if rows % joined:  # the same by a matrix product, which takes a little longer
        return tf.matmul(tf.ones([1, 1, rows]), x)[:, 0]
    x = tf.reduce_sum(tf.reshape(x, [members, rows // joined, joined * features]), 1)
    return tf.reduce_sum(tf.reshape(x, [members, joined, features]), 1)


def _inverse_root(x):
    """Return 1 / sqrt(x) from operations that are exactly rounded, which rsqrt and 1 / x aren't."""
    return tf.sqrt(x) / x


@tf.custom_gradient
def _add(x, bias):
    """Add a bias (members, features); its gradient is a sum over rows."""
    return x + _per_member(bias, x), lambda dy: (dy, _sum(dy))


@tf.custom_gradient
def _scale(x, gain):
    """Multiply by a gain (members, features); its gradient is a sum over rows."""
    gain_of_x = _per_member(gain, x)
    return x * gain_of_x, lambda dy: (dy * gain_of_x, _sum(dy * x))


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
        scale, shift = _inference_map(layer, name, weights, numbers)
        return x * _per_member(scale, x) + _per_member(shift, x), weights
    y, mean, variance = _normalize(x, gamma, beta, _per_member(epsilon, x))
    momentum = _column(numbers[f"{name}/momentum"], moving_mean)
    rest = _column(1.0 - numbers[f"{name}/momentum"], moving_mean)  # exact, then rounded, as Keras
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
    mean = _per_member(_sum(x) / count, x)
    centered = x - mean
    variance = _per_member(_sum(tf.square(centered)) / count, x)
    inverse = _inverse_root(variance + epsilon)

    def gradient(dy, _dmean, _dvariance):
        dbeta = _per_member(_sum(dy), x)
        dgamma = _per_member(_sum(dy * centered), x) * inverse
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
