"""A member's initial weights, each keyed by (seed, layer, weight)."""

import functools
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from recipes._lab.seeding import seed_from
from recipes._lab.training.architecture import BUILDING, sketch
from recipes._lab.training.connections import connections, layers_of
from recipes._lab.training.identity import initializers_of, remade, weight_names


def initial_weights(spec, seed, layers, opened):
    """Draw a member's initial weights, each keyed by (seed, layer, weight).

    The draw doesn't depend on the other layers, so a variant with one layer more starts from the
    same values elsewhere, and members that differ in the initial scale alone start proportional.

    Args:
        spec: whose initializers to use; seeds given to them are replaced.
        seed: the member's seed.
        layers: of a model of this architecture, built, by name.
        opened: the `opening.Parts` of those that are made of layers, by name.

    Returns:
        A list of float32 arrays in the order of `model.weights`.
    """
    values = []
    for position, (name, layer) in enumerate(layers.items()):
        parts = opened.get(name)
        if parts is not None and parts.initializers is not None:
            pairs = zip(parts.initializers, weight_names(layer), layer.weights, strict=True)
            for config, weight_name, weight in pairs:
                key = seed_from(seed, f"{name}/{weight_name}")
                values.append(_draw(config, key, tuple(weight.shape)))
        elif name in spec.looped:
            shapes = tuple(tuple(tensor.shape) for tensor in keras.tree.flatten(layer.input))
            whole = _Layer(spec.looped[name], position, spec.build)
            values += _draw_all(whole, seed_from(seed, name), shapes)
        else:
            for weight in layer.weights:
                key = f"{name}/{weight.name}"
                config, shape = spec.initializers[key], tuple(weight.shape)
                values.append(_draw(config, seed_from(seed, key), shape))
    return values


@functools.lru_cache(maxsize=1024)
def _draw(config, seed, shape):
    config = json.loads(config)
    if "seed" in config["config"]:
        config["config"]["seed"] = seed
    values = keras.initializers.deserialize(config)(shape, dtype="float32")
    return np.asarray(values)


@dataclass(frozen=True)
class _Layer:
    """A layer to be made: what it is, where it stands in the model that `build` makes."""

    description: str
    position: int = field(compare=False)
    build: Callable = field(compare=False)


@functools.lru_cache(maxsize=1024)
def _draw_all(whole, seed, shapes):
    """Let a layer make its weights as it does by itself, at a seed.

    Args:
        whole: the layer.
        seed: of all its weights.
        shapes: of its inputs, the batch included; of a masked one, the mask's after them.

    Returns:
        The weights, in its order.
    """
    with BUILDING:
        model = sketch(whole.build)
        layer = layers_of(model)[whole.position]
        numbers = connections(model)[0][whole.position]
        if layer.built:  # in a functional model
            layer = remade(layer, layer.name)
        for number, initializer in enumerate(initializers_of(layer)):
            if hasattr(initializer, "seed"):
                initializer.seed = seed_from(seed, number)
        keras.utils.set_random_seed(seed)  # for what is made while the layer is built
        inputs = [keras.Input(batch_shape=shape) for shape in shapes]
        count = len(keras.tree.flatten(numbers))
        mask = {"mask": keras.ops.cast(inputs[count], bool)} if len(inputs) > count else {}
        layer(*keras.tree.pack_sequence_as(numbers, inputs[:count]), **mask)
        return [weight.numpy() for weight in layer.weights]
