"""One architecture and the stacked weights of many models: outputs, losses, gradients."""

import math

import keras
import tensorflow as tf

from recipes._lab.training import layers, looping
from recipes._lab.training.architecture import layer_names, wants_one_hot
from recipes._lab.training.connections import connections, layers_of
from recipes._lab.training.identity import weight_names
from recipes._lab.training.opening import opened_layers


class Stack:
    """The layers and the loss of one architecture, applied to many models at once.

    Weights are flat lists in the order of `shapes`, (members, ...) each.

    Args:
        model: a built and compiled model of this architecture.
        looped: names of the layers that have no stacked form.

    Attributes:
        names: of the layers.
        shapes: shape of each weight in one model, keyed `"layer/weight"`.
        trainable: whether each weight is.
        kernels: names of the trainable weights with two axes or more.
        opened: the `opening.Parts` of the layers that are made of layers, by name.
        noisy: names of the layers that draw noise in training.
    """

    def __init__(self, model, looped=()):
        self.layers, self.names = layers_of(model), layer_names(model)
        pairs = list(zip(self.names, self.layers, strict=True))
        self.opened = opened_layers({name: layer for name, layer in pairs if name in looped})
        self._architecture = layers.Architecture(
            self.layers, self.names, *connections(model), frozenset(looped), self.opened
        )
        self.loss = keras.losses.get(model.loss)
        self.shapes = {}
        for name, layer in zip(self.names, self.layers, strict=True):
            for weight_name, weight in zip(weight_names(layer), layer.weights, strict=True):
                self.shapes[f"{name}/{weight_name}"] = tuple(weight.shape)
        self.trainable = [w.trainable for layer in self.layers for w in layer.weights]
        self.kernels = [
            name
            for (name, shape), trainable in zip(self.shapes.items(), self.trainable, strict=True)
            if trainable and len(shape) > 1
        ]
        self._draws = {}
        for name, layer in pairs:
            self._add_noise(name, layer, looped)
            if name in self.opened:
                parts = self.opened[name]
                for part, step in zip(parts.names, parts.steps, strict=True):
                    self._add_noise(part, step, parts.looped)
        self.noisy = list(self._draws)

    def _add_noise(self, name, layer, looped):
        """Note how a layer draws noise, if it does."""
        if name in looped:
            if looping.seed_states(layer):
                self._draws[name] = _key
        elif type(layer) in NOISE:
            self._draws[name] = NOISE[type(layer)]

    def trained(self, weights):
        """Return those of all weights that are trainable."""
        return [w for w, is_trainable in zip(weights, self.trainable, strict=True) if is_trainable]

    def replaced(self, weights, trained):
        """Return all weights, the trainable ones replaced."""
        trained = iter(trained)
        pairs = zip(weights, self.trainable, strict=True)
        return [next(trained) if is_trainable else weight for weight, is_trainable in pairs]

    def _by_layer(self, weights):
        """Divide a flat list of weights into one list a layer."""
        weights = iter(weights)
        return [[next(weights) for _ in layer.weights] for layer in self.layers]

    def forward(self, x, weights, hyperparameters, noise, training, kept=None):
        """Return the outputs, the weights after the pass and what the layers add to the losses.

        See `layers.forward`.
        """
        y, updated, penalty = layers.forward(
            self._architecture,
            self._by_layer(weights),
            x,
            hyperparameters,
            noise,
            training,
            kept,
        )
        return y, [weight for layer in updated for weight in layer], penalty

    def inference(self, weights, hyperparameters):
        """Return a function from inputs to outputs, with normalizations folded into kernels."""
        folded = layers.fold(self._architecture, self._by_layer(weights), hyperparameters)
        return lambda x: layers.forward(*folded, x, hyperparameters, None, training=False)[0]

    def noise(self, keys, step, spread=lambda values: values):
        """Return the function that `layers.forward` asks for noise, at one step.

        Args:
            keys: of each noisy layer and seed, (layers, seeds).
            step: number of the draw.
            spread: turns values by seed into values by member.
        """

        def noise(name, shape):
            of_layer = tf.unstack(tf.unstack(keys)[self.noisy.index(name)])
            seeds = [tf.stack([key, step]) for key in of_layer]
            return spread(tf.stack([self._draws[name](seed, shape) for seed in seeds]))

        return noise

    def losses(self, y, outputs):
        """Return each example's loss, (members, batch), by the compiled loss."""
        loss = getattr(self.loss, "call", self.loss)
        y = labels_for(self.loss, y, outputs)
        return loss(tf.broadcast_to(y, [*outputs.shape[:2], *y.shape[2:]]), outputs)

    def penalty(self, weights, hyperparameters):
        """Return the sum of all members' L1 and L2 penalties."""
        total = 0.0
        for name, weight in zip(self.shapes, weights, strict=True):
            axes = list(range(1, len(weight.shape)))
            for number, magnitude in (("l1", tf.abs), ("l2", tf.square)):
                if f"{name}/{number}" in hyperparameters:
                    factor = tf.cast(hyperparameters[f"{name}/{number}"], tf.float32)
                    total += tf.reduce_sum(factor * tf.reduce_sum(magnitude(weight), axes))
        return total

    def forward_and_backward(self, x, y, weights, hyperparameters, noise, training=True):
        """Take a pass forward and back, only to look at it.

        Args:
            x: inputs, (members or 1, batch, ...).
            y: labels, (members or 1, batch).
            weights: stacked weights.
            hyperparameters: per-member hyperparameters.
            noise: as in `layers.forward`.
            training: whether to normalize by batch statistics and to apply the noise.

        Returns:
            The outputs by layer and the gradients by trainable weight, each (members, ...).
        """
        watched = self.trained(weights)
        outputs = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            predictions, _, penalty = self.forward(
                x, weights, hyperparameters, noise, training, outputs
            )
            losses = self.losses(y, predictions)
            objective = tf.reduce_sum(tf.reduce_mean(losses, axis=1)) + penalty
            objective += self.penalty(weights, hyperparameters)
        gradients = tape.gradient(objective, watched, unconnected_gradients="zero")
        members = weights[0].shape[0]  # layers before the first with weights may share outputs
        outputs = [tf.broadcast_to(o, [members, *o.shape[1:]]) for o in outputs]
        names = [n for n, t in zip(self.shapes, self.trainable, strict=True) if t]
        outputs = dict(zip(self.names, outputs, strict=True))
        return outputs, dict(zip(names, gradients, strict=True))


def _bits(seed, shape):
    """Draw uint16 uniformly, of any shape, two from each 32 random bits."""
    count = math.prod(shape)
    words = tf.random.stateless_uniform([-(-count // 2)], seed, None, None, tf.uint32)
    bits = tf.bitcast(words, tf.uint16)
    return tf.reshape(tf.reshape(bits, [-1])[:count] if count % 2 else bits, shape)


def _normal(seed, shape):
    return tf.random.stateless_normal(shape, seed)


def _key(seed, _shape):
    """Return the key itself: a looped layer draws by its own generators."""
    return seed


NOISE = {keras.layers.Dropout: _bits, keras.layers.GaussianNoise: _normal}


def labels_for(loss, y, outputs):
    """Return class labels, (..., batch), as the loss takes them beside outputs, (..., batch, n)."""
    if outputs.shape[-1] == 1:
        return tf.cast(tf.expand_dims(y, -1), tf.float32)
    return tf.one_hot(y, outputs.shape[-1]) if wants_one_hot(loss) else y


def is_correct(loss, y, outputs):
    """Return 1.0 where the most probable class is the label, else 0.0."""
    if outputs.shape[-1] == 1:
        threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
        predicted = tf.cast(outputs[..., 0] > threshold, y.dtype)
    else:
        predicted = tf.argmax(outputs, axis=-1, output_type=y.dtype)
    return tf.cast(predicted == y, tf.float32)
