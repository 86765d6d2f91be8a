"""Arithmetic whose last bit doesn't depend on the other members of a population.

TensorFlow computes eight floats at a time, and what doesn't fill a packet of eight by other code,
whose last bit may differ. So three things need care:

- functions such as exp: the number of members times the batch must be a multiple of `PACKET`;
- 1 / sqrt on tensors without a batch axis: see `inverse_root` and `root`;
- sums over rows, where packets straddle two members: see `sum_rows`.
"""

import math

import tensorflow as tf

PACKET = 8  # floats in a vector register, as TensorFlow's packages are compiled (AVX)


def members_multiple(batch):
    """Return of what the number of members must be a multiple at this batch size, see above."""
    return PACKET // math.gcd(PACKET, batch)


def column(values, like):
    """Round and shape (members,) values so that they broadcast over the rest of `like`."""
    return tf.reshape(tf.cast(values, like.dtype), [-1] + [1] * (len(like.shape) - 1))


def per_member(weight, x):
    """Insert axes into a stacked weight (members, features) so that it broadcasts over x."""
    return tf.reshape(weight, [weight.shape[0]] + [1] * (len(x.shape) - 2) + [weight.shape[-1]])


def sum_rows(x, keepdims=False):
    """Sum over all axes between members and features: (members, features), or (members, 1, ...).

    Columns are summed eight at a time. Rows are joined until they are a multiple of that long, so
    that no eight columns belong to two members; those are summed in another order.
    """
    rank, x = len(x.shape), as_rows(x)
    members, rows, features = x.shape
    joined = PACKET // math.gcd(PACKET, features)
    if rows % joined:  # the same by a matrix product, which takes a little longer
        total = tf.matmul(tf.ones([1, 1, rows]), x)
    else:
        if joined > 1:
            x = tf.reduce_sum(tf.reshape(x, [members, rows // joined, joined * features]), 1)
            x = tf.reshape(x, [members, joined, features])
        total = tf.reduce_sum(x, 1, keepdims=True)
    if not keepdims:
        return tf.squeeze(total, 1)
    return total if rank == 3 else tf.reshape(total, [members, *[1] * (rank - 2), features])


def as_rows(x):
    """Join all axes between members and features to one, (members, rows, features)."""
    return x if len(x.shape) == 3 else tf.reshape(x, [x.shape[0], -1, x.shape[-1]])


def square_norm(x):
    """Return the sum of the squares of each member's values, (members,)."""
    return tf.reduce_sum(tf.square(x), list(range(1, len(x.shape))))


def inverse_root(x):
    """Return 1 / sqrt(x) from operations that are exactly rounded, which rsqrt and 1 / x aren't."""
    return tf.sqrt(x) / x


def root(x):
    """Take the square root in a form that stays a division as a divisor.

    TensorFlow would make a product with rsqrt of x / sqrt(y), but rsqrt isn't exactly rounded: its
    last bit depends on where in a tensor a number stands, hence on the other members.
    """
    return tf.maximum(tf.sqrt(x), 1e-30)


def power(base, exponent):
    """Return base ** exponent rounded from float64, for the same reason."""
    power = tf.pow(tf.cast(base, tf.float64), tf.cast(exponent, tf.float64))
    return tf.cast(power, tf.float32)
