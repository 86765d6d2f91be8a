"""Trained models side by side, to look into: outputs of every layer, gradients, weights."""

import functools
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from recipes._lab.seeding import seed_from
from recipes._lab.training.architecture import NotStackableError
from recipes._lab.training.loading import build_model
from recipes._lab.training.members import Member
from recipes._lab.training.stack import Stack, is_correct


class Models:
    """The models of one variant, one a seed, that compute side by side.

    Args:
        members: the members, all of one variant.
        weights: of each of them, in the order of `model.weights`.

    Attributes:
        weights: `{"h1/kernel": (models, ...)}`. Change them, or replace all by their mean over
            the models with the axis kept, and ask again: what follows is computed from them.

    Raises:
        NotStackableError: the variant is trained by `fit`; ask `Results.model` for each model.
    """

    def __init__(self, members, weights):
        first = members[0]
        if first.spec is None:
            raise NotStackableError(f"{first.label} can't be stacked")
        data = first.data
        like = _Architecture(first.spec.signature, data.input_shape, data.num_classes, first)
        self._stack = _stack(like)
        self._hyperparameters = first.spec.hyperparameters
        self._seeds = [member.seed for member in members]
        stacked = map(np.stack, zip(*weights, strict=True))
        self.weights = dict(zip(self._stack.shapes, stacked, strict=True))

    def outputs(self, x, *, training=False, draw=0):
        """Return the output of every layer, `{name: (models, examples, ...)}`, in order.

        Args:
            x: inputs, (examples, ...), the same for all models; or (models, examples, ...).
            training: whether to normalize by the statistics of x and to draw masks.
            draw: number of the masks; each number has its own.
        """
        kept = []
        x = self._inputs(x)
        stack, hyperparameters = self._stack, self._per_member()
        stack.forward(x, self._flat(), hyperparameters, self._noise(draw), training, kept)
        count = self._count()
        outputs = [np.broadcast_to(o.numpy(), (count, *o.shape[1:])) for o in kept]
        return dict(zip(stack.names, outputs, strict=True))

    def predict(self, x, *, training=False, draw=0):
        """Return the probabilities of the classes, (models, examples, classes); see `outputs`."""
        return list(self.outputs(x, training=training, draw=draw).values())[-1]

    def gradients(self, split, *, training=True, draw=0):
        """Return the gradient of what training lowers, the mean loss and the penalties.

        Args:
            split: examples with their labels, such as `data.train`: those of each model in front,
                or the same for all.
            training: as in `outputs`.
            draw: as in `outputs`.

        Returns:
            `{"h1/kernel": (models, ...)}`, all trainable weights.
        """
        hyperparameters = self._per_member(penalties=True)
        weights, noise = self._flat(), self._noise(draw)
        x = self._inputs(split.x)
        x = tf.repeat(x, self._count() // x.shape[0], axis=0)
        y = self._labels(split.y)
        y = tf.repeat(y, self._count() // y.shape[0], axis=0)
        _, gradients = self._stack.forward_and_backward(
            x, y, weights, hyperparameters, noise, training
        )
        return {name: gradient.numpy() for name, gradient in gradients.items()}

    def loss(self, split, *, training=False, draw=0):
        """Return the mean loss without penalties, (models,); see `outputs`."""
        outputs = self._forward(split.x, training, draw)
        return self._stack.losses(self._labels(split.y), outputs).numpy().mean(axis=1)

    def accuracy(self, split, *, training=False, draw=0):
        """Return the share of examples answered right, (models,); see `outputs`."""
        outputs = self._forward(split.x, training, draw)
        hits = is_correct(self._stack.loss, self._labels(split.y), outputs)
        return hits.numpy().mean(axis=1)

    def _forward(self, x, training, draw):
        x, weights = self._inputs(x), self._flat()
        hyperparameters, noise = self._per_member(), self._noise(draw)
        return self._stack.forward(x, weights, hyperparameters, noise, training)[0]

    def _inputs(self, x):
        """Return inputs with the models in front, (models or 1, examples, ...)."""
        x = tf.constant(x, tf.float32)
        axes = len(self._stack.layers[0].input.shape) if self._stack.layers else 0
        return x[None] if len(x.shape) == axes else x

    def _labels(self, y):
        """Return labels with the models in front, (models or 1, examples)."""
        y = tf.constant(y)
        return y[None] if len(y.shape) == 1 else y

    def _count(self):
        return len(next(iter(self.weights.values())))

    def _flat(self):
        return [tf.constant(weight, tf.float32) for weight in self.weights.values()]

    def _per_member(self, penalties=False):
        return {
            name: tf.fill([self._count()], tf.constant(value, tf.float64))
            for name, value in self._hyperparameters.items()
            if penalties or not name.endswith(("/l1", "/l2"))
        }

    def _noise(self, draw):
        seeds = [self._seeds[n % len(self._seeds)] for n in range(self._count())]
        keys = [[seed_from(seed, name, "look") for seed in seeds] for name in self._stack.noisy]
        return self._stack.noise(tf.constant(keys, tf.int32, (len(keys), len(seeds))), draw)


@dataclass(frozen=True)
class _Architecture:
    """What models must have in common to share a stack, and one member that has it."""

    signature: str
    input_shape: tuple
    num_classes: int
    member: Member = field(compare=False)


# A table asks for one variant's models after another's, which often have one architecture.
@functools.lru_cache(maxsize=16)
def _stack(architecture):
    """Return the stack of an architecture; it has no numbers of the member's own."""
    member = architecture.member
    return Stack(build_model(member), member.spec.looped)
