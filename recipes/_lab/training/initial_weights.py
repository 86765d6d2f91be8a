"""A member's initial weights, each keyed by (seed, layer, weight)."""

import functools
import json

import keras
import numpy as np

from recipes._lab.seeding import seed_from


def initial_weights(spec, seed, shapes):
    """Draw a member's initial weights, each keyed by (seed, layer, weight).

    The draw doesn't depend on the other layers, so a variant with one layer more starts from the
    same values elsewhere, and members that differ in the initial scale alone start proportional.

    Args:
        spec: whose initializers to use; seeds given to them are replaced.
        seed: the member's seed.
        shapes: shape of each weight, keyed `"layer/weight"`.

    Returns:
        A list of float32 arrays in the order of `shapes`.
    """
    return [
        _draw(spec.initializers[name], seed_from(seed, name), tuple(shape))
        for name, shape in shapes.items()
    ]


@functools.lru_cache(maxsize=1024)
def _draw(config, seed, shape):
    config = json.loads(config)
    if "seed" in config["config"]:
        config["config"]["seed"] = seed
    values = keras.initializers.deserialize(config)(shape, dtype="float32")
    return np.asarray(values)
