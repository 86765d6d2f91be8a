"""Any layer, applied to one member after another, inside the graph.

What runs is the layer's own `call` with a member's weights in place of its own: a layer made of
layers, a recurrent net, augmentation. Each member's arithmetic is that of its model alone.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

# A generator counts its draws; so many may be asked for in one step.
DRAWS = 1024


class Output(NamedTuple):
    """What a layer makes of its inputs.

    Attributes:
        y: outputs, (members, batch, ...); (1, batch, ...) if nothing tells the members apart.
        mask: which steps of a sequence count, (members or 1, batch, steps), or None.
        weights: after the pass, as they came.
        penalty: what the layer adds to each member's loss, (members or 1,).
    """

    y: tf.Tensor
    mask: tf.Tensor | None
    weights: list
    penalty: tf.Tensor


def seed_states(layer):
    """Return the variables in which a layer and its parts keep the state of their randomness."""
    weights = {id(weight) for weight in layer.weights}
    others = [variable for variable in layer.variables if id(variable) not in weights]
    return [variable for variable in others if variable.name == "seed_generator_state"]


def apply(layer, arguments, mask, weights, keys, training):
    """Apply a layer to each member.

    Args:
        layer: of a built model.
        arguments: of its call, a nested tuple of tensors, (members or 1, batch, ...).
        mask: which steps of a sequence count, (members or 1, batch, steps), or None.
        weights: stacked weights, in the order of `layer.weights`.
        keys: of the randomness, (members or 1, 2), or None in inference.
        training: whether the layer is in training mode.

    Returns:
        An `Output`.
    """
    variables, generators = layer.weights, seed_states(layer)
    moving = [weight for weight in variables if training and not weight.trainable]
    takes_mask = "mask" in layer.call_signature_parameters if mask is not None else False
    if keys is None:
        keys = tf.zeros([1, 2], tf.int32)
    inputs = {"arguments": arguments, "weights": list(weights)}
    if generators:
        inputs["keys"] = keys
    if mask is not None:
        inputs["mask"] = mask

    def one(of_member):
        states = [_state(of_member["keys"], n, g) for n, g in enumerate(generators)]
        values = [*of_member["weights"], *states]
        mapping = zip([*variables, *generators], values, strict=True)
        mask_argument = {"mask": of_member["mask"]} if takes_mask else {}
        with keras.StatelessScope(mapping, collect_losses=True) as scope:
            y = layer(*of_member["arguments"], training=training, **mask_argument)
            updated = [tf.convert_to_tensor(scope.get_current_value(w)) for w in moving]
            penalty = sum(layer.losses, tf.zeros([]))
            after = _mask_after(layer, of_member["arguments"], of_member.get("mask"))
        return {"y": y, "penalty": penalty, "moving": updated} | after

    results = _map(one, inputs)
    updated = dict(zip(map(id, moving), results["moving"], strict=True))
    after = [updated.get(id(w), before) for w, before in zip(variables, weights, strict=True)]
    return Output(results["y"], results.get("mask"), after, results["penalty"])


def _state(key, number, generator):
    """Return the state of a layer's generator at one step, (2,): the stream, and draws so far."""
    return tf.cast(tf.stack([key[0] + number, key[1] * DRAWS]), generator.dtype)


def _mask_after(layer, arguments, mask):
    """Return the mask that a layer hands on, as a dict that is empty if there is none."""
    if len(arguments) > 1 or not tf.is_tensor(arguments[0]):
        return {}  # of several inputs; those of models with masks are trained by `fit`
    after = layer.compute_mask(arguments[0], mask) if layer.supports_masking else None
    return {} if after is None else {"mask": after}


def _map(function, inputs):
    """Map a function over the first axis of its inputs; those of length 1 are the same for all."""
    lengths = {tensor.shape[0] for tensor in tf.nest.flatten(inputs)}
    first = tf.nest.map_structure(lambda tensor: tensor[0], inputs)
    result = function(first)
    if lengths == {1}:
        return tf.nest.map_structure(lambda tensor: tensor[None], result)
    # The result of the first is never computed: it tells what the others return.
    like = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape, t.dtype), result)
    flat, shared = tf.nest.flatten(inputs), tf.nest.flatten(first)
    varying = [n for n, tensor in enumerate(flat) if tensor.shape[0] > 1]

    def one(values):
        mixed = dict(enumerate(shared)) | dict(zip(varying, values, strict=True))
        return function(tf.nest.pack_sequence_as(inputs, [mixed[n] for n in range(len(flat))]))

    return tf.map_fn(one, [flat[n] for n in varying], fn_output_signature=like)
