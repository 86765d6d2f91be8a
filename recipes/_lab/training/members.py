"""One model to train, how its training went, and what does not depend on who trains it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from recipes._lab.data import Dataset
from recipes._lab.training.architecture import ModelSpec

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


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
        spec: the same, taken apart; None if the model can only be trained by `fit`.
        seed: of its initial weights, batch orders and noise.
        data: what it learns from; weights of the training examples count in training alone.
        epochs: how long, at the most.
        batch_size: examples a step; what doesn't fill a batch waits for the next epoch's order.
        patience: stop after so many epochs without a lower validation loss and restore the best
            weights; None to train to the end.
        evaluate_every: epochs from one evaluation to the next; the last epoch always has one. With
            `patience` it is 1.
        record: epochs after which the weights are kept (0 is before training).
        watch: epochs after which distributions are kept, for TensorBoard.
        start: where an earlier training of the same member paused, or None.
        stop: pause after this epoch, or None to train to the end. The history before `start` and
            after `stop` is NaN; neither goes together with `patience` or with `fit`.
        place: where in a run it is trained: with label and seed, it tells it from all others.
    """

    label: str
    build: Callable[[], keras.Model]
    spec: ModelSpec | None
    seed: int
    data: Dataset
    epochs: int
    batch_size: int = 100
    patience: int | None = None
    evaluate_every: int = 1
    record: tuple[int, ...] = ()
    watch: tuple[int, ...] = ()
    start: Pause | None = None
    stop: int | None = None
    place: str = ""

    def is_evaluated(self, epoch):
        """Tell whether METRICS are asked for after an epoch."""
        return epoch % self.evaluate_every == 0 or epoch == (self.stop or self.epochs)

    @property
    def span(self):
        """How many epochs are trained, from `start` to `stop`."""
        return (self.stop or self.epochs) - (self.start.epoch if self.start else 0)


@dataclass
class Result:
    """How one member's training went.

    Attributes:
        history: each of METRICS by epoch, (epochs + 1,), in inference mode; epoch 0 is before
            training. NaN where nothing was evaluated, and after early stopping. Losses leave out
            penalties, so that they can be compared between members. Scores that `Results` was
            asked for are put there, too, and into `test`.
        test: `{"test_loss", "test_accuracy"}`, of the final or restored weights.
        epoch: after which `weights` were reached: the last, or the best with early stopping.
        weights: final or restored weights, in the order of `model.weights`. With `use_ema`, final
            weights are the averages, as after `fit`, and `history` is of the others.
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

    def evaluated(self, metric):
        """Tell after which epochs a metric of `history` was evaluated, (epochs + 1,)."""
        # A loss may be NaN because it is not finite.
        return ~np.isnan(self.history["accuracy" if metric.endswith("loss") else metric])

    def go_on_from(self, earlier):
        """Put the curves of the same member until it paused before these."""
        before = earlier.pause.epoch + 1
        for metric, curve in self.history.items():
            curve[:before] = earlier.history[metric][:before]
