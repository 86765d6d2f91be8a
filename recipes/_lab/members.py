"""One model to train, how its training went, and what does not depend on who trains it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from recipes._lab.architecture import Blueprint, seed_from
from recipes._lab.data import Dataset
from recipes._lab.errors import UserError

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
# Training examples whose activations and gradients are looked at.
PROBE = 96


@dataclass(frozen=True)
class Pause:
    """Where training paused: what it takes to go on as if it never had.

    Attributes:
        epoch: trained so far.
        weights: in the order of `model.weights`.
        states: what the optimizer keeps for each trainable weight, a list of arrays each.
    """

    epoch: int
    weights: list[np.ndarray]
    states: list[list[np.ndarray]]


@dataclass(frozen=True)
class Member:
    """One model to train.

    Attributes:
        label: the variant's display name.
        build: returns the compiled model.
        blueprint: the same, taken apart; None if the model can only be trained by `fit`.
        seed: of its initial weights, batch orders and noise.
        data: what it learns from.
        epochs: how long, at the most.
        batch_size: examples a step; what doesn't fill a batch waits for the next epoch's order.
        patience: stop after so many epochs without a lower validation loss and restore the best
            weights; None to train to the end.
        class_weight: factor of each class's loss, `{class: factor}`, or None.
        record: epochs after which the weights are kept (0 is before training).
        watch: epochs after which distributions are kept, for TensorBoard.
        start: where an earlier training of the same member paused, or None.
        stop: pause after this epoch, or None to train to the end. The history before `start` and
            after `stop` is NaN; neither goes together with `patience` or with `fit`.
        place: where in a run it is trained: with label and seed, it tells it from all others.
    """

    label: str
    build: Callable[[], keras.Model]
    blueprint: Blueprint | None
    seed: int
    data: Dataset
    epochs: int
    batch_size: int = 100
    patience: int | None = None
    class_weight: dict | None = None
    record: tuple[int, ...] = ()
    watch: tuple[int, ...] = ()
    start: Pause | None = None
    stop: int | None = None
    place: str = ""

    @property
    def span(self):
        """How many epochs are trained, from `start` to `stop`."""
        return (self.stop or self.epochs) - (self.start.epoch if self.start else 0)


@dataclass
class Result:
    """How one member's training went.

    Attributes:
        history: each of METRICS by epoch, (epochs + 1,), in inference mode; epoch 0 is before
            training, NaN follows early stopping. Losses leave out penalties, so that they can be
            compared between members.
        test: `{"test_loss", "test_accuracy"}`, of the final or restored weights.
        epoch: after which `weights` were reached: the last, or the best with early stopping.
        weights: final or restored weights, in the order of `model.weights`.
        snapshots: recorded weights by epoch.
        distributions: of a watched member, serialized Summaries of weights, activations and
            gradients by epoch.
        pause: where training paused, if it was to.
    """

    history: dict[str, np.ndarray]
    test: dict[str, float]
    epoch: int
    weights: list[np.ndarray]
    snapshots: dict[int, list[np.ndarray]] = field(default_factory=dict)
    distributions: dict[int, bytes] = field(default_factory=dict)
    pause: Pause | None = None


class Record:
    """What is kept of one crew's training, and who has stopped early."""

    def __init__(self, crew, epochs):
        self.crew = crew
        self.history = np.full((len(METRICS), epochs + 1, len(crew)), np.nan)
        self.patience = np.array([np.inf if m.patience is None else m.patience for m in crew])
        self.stops_early = np.isfinite(self.patience).any()
        self.lowest = np.full(len(crew), np.inf)  # validation loss
        self.best_epoch = np.zeros(len(crew), int)
        self.stopped = np.zeros(len(crew), bool)
        self.best = None
        self.snapshots = [{} for _ in crew]
        self.distributions = {}

    def watched(self, epoch, count):
        """Return which of the first `count` members' distributions are asked for."""
        members = enumerate(self.crew[:count])
        return [n for n, m in members if epoch in m.watch and not self.stopped[n]]

    def epoch(self, epoch, metrics, weights):
        """Keep the METRICS, (4, members), and what is asked for of the weights after an epoch."""
        self.history[:, epoch, ~self.stopped] = metrics[:, ~self.stopped]
        for position, member in enumerate(self.crew):
            if epoch in member.record and not self.stopped[position]:
                self.snapshots[position][epoch] = [w[position].numpy() for w in weights]
        if not self.stops_early or epoch == 0:
            return
        lower = ~self.stopped & (metrics[2] < self.lowest)
        if self.best is None:
            self.best = list(weights)
        self.best = [
            tf.where(lower.reshape([-1] + [1] * (len(weight.shape) - 1)), weight, best)
            for weight, best in zip(weights, self.best, strict=True)
        ]
        self.lowest[lower], self.best_epoch[lower] = metrics[2][lower], epoch
        self.stopped |= ~lower & (epoch - self.best_epoch >= self.patience)

    def restore(self, weights):
        """Return the weights to keep: the best of those who stop early, else the last."""
        last = self.crew[0].stop or self.history.shape[1] - 1
        early = np.isfinite(self.patience)
        # Who was never better than infinity keeps the weights of the first epoch, as in Keras.
        self.best_epoch = np.where(early, np.maximum(self.best_epoch, min(1, last)), last)
        if self.best is None:
            return weights
        return [
            tf.where(early.reshape([-1] + [1] * (len(weight.shape) - 1)), best, weight)
            for weight, best in zip(weights, self.best, strict=True)
        ]

    def results(self, count, weights, test):
        """Return the results of the first `count` members; test is (2, members)."""
        weights = [weight.numpy() for weight in weights]
        return [
            Result(
                history={m: self.history[i, :, n] for i, m in enumerate(METRICS)},
                test={"test_loss": float(test[0, n]), "test_accuracy": float(test[1, n])},
                epoch=int(self.best_epoch[n]),
                # A copy, so that one member doesn't keep the whole crew in memory.
                weights=[weight[n].copy() for weight in weights],
                snapshots=self.snapshots[n],
                distributions={e: by[n] for e, by in self.distributions.items() if n in by},
            )
            for n in range(count)
        ]


def batch_order(seed, epoch, examples, batch_size):
    """Return the batches of one epoch: indices of examples, (steps, batch_size)."""
    order = np.random.default_rng([seed_from(seed, "batches"), epoch]).permutation(examples)
    steps = examples // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def rates(learning_rate, steps):
    """Return the learning rate at each step, (steps,) float32, of a number or a schedule."""
    if not callable(learning_rate):
        return np.full(steps, learning_rate, np.float32)
    try:  # Step by step takes two hundred times as long, but a warm-up branches on the step.
        at_once = np.asarray(learning_rate(np.arange(steps)), np.float32)
    except ValueError:
        at_once = np.float32(np.nan)
    if at_once.shape == (steps,):
        return at_once
    return np.array([float(learning_rate(step)) for step in range(steps)], np.float32)


def built(member):
    """Return the member's model, built for its data."""
    model = member.build()
    if not model.built:
        model.build((None, *member.data.input_shape))
    return model


def to_train(member):
    """Return the member's model, built for its data, to be trained.

    Raises:
        UserError: it has another number of outputs than the data have classes.
    """
    model, classes = built(member), member.data.num_classes
    shape = getattr(model, "output_shape", None)  # a model of one's own class has none
    if isinstance(shape, tuple) and shape[-1] not in (1, classes):
        raise UserError(
            f"the model of {member.label!r} has {shape[-1]} outputs for {classes} classes; "
            "build_model gets their number as num_classes"
        )
    return model


def model_of(member, weights):
    """Return an ordinary compiled Keras model with the given weights."""
    model = built(member)
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    if not model.optimizer.built:  # Keras warns of a saved model whose optimizer has no state
        model.optimizer.build(model.trainable_variables)
    return model


def answered_right(loss, y, outputs):
    """Return 1.0 where the most probable class is the label, else 0.0."""
    if outputs.shape[-1] == 1:
        threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
        predicted = tf.cast(outputs[..., 0] > threshold, y.dtype)
    else:
        predicted = tf.argmax(outputs, axis=-1, output_type=y.dtype)
    return tf.cast(predicted == y, tf.float32)
