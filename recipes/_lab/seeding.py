"""Everything random is keyed by what it is for: the same key, the same random numbers."""

import hashlib

import numpy as np


def seed_from(*parts):
    """Hash names and numbers to a seed in [0, 2^31): the same key, the same random numbers."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) >> 1


def batch_order(seed, epoch, examples, batch_size):
    """Return the batches of one epoch: indices of examples, (steps, batch_size)."""
    order = np.random.default_rng([seed_from(seed, "batches"), epoch]).permutation(examples)
    steps = examples // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)
