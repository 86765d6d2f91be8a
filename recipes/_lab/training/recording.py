"""What is kept of a chunk's training while it goes on, and who has stopped early."""

import numpy as np
import tensorflow as tf

from recipes._lab.training.members import METRICS, Result

# Training examples whose activations and gradients are looked at.
PROBE = 96


class Record:
    """What is kept of one chunk's training, and who has stopped early."""

    def __init__(self, chunk, epochs):
        self.chunk = chunk
        self.history = np.full((len(METRICS), epochs + 1, len(chunk)), np.nan)
        self.patience = np.array([np.inf if m.patience is None else m.patience for m in chunk])
        self.stops_early = np.isfinite(self.patience).any()
        self.lowest = np.full(len(chunk), np.inf)  # validation loss
        self.best_epoch = np.zeros(len(chunk), int)
        self.stopped = np.zeros(len(chunk), bool)
        self.best = None
        self.snapshots = [{} for _ in chunk]
        self.distributions = {}

    def watched(self, epoch, count):
        """Return which of the first `count` members' distributions are asked for."""
        members = enumerate(self.chunk[:count])
        return [n for n, m in members if epoch in m.watch and not self.stopped[n]]

    def epoch(self, epoch, metrics, weights):
        """Keep what is asked for after an epoch.

        Args:
            epoch: which.
            metrics: METRICS, (4, members), or None where nothing was evaluated.
            weights: stacked weights, (members, ...) each.
        """
        if metrics is not None:
            self.history[:, epoch, ~self.stopped] = metrics[:, ~self.stopped]
        for position, member in enumerate(self.chunk):
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
        last = self.chunk[0].stop or self.history.shape[1] - 1
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
                # A copy, so that one member doesn't keep the whole chunk in memory.
                weights=[weight[n].copy() for weight in weights],
                snapshots=self.snapshots[n],
                distributions={e: by[n] for e, by in self.distributions.items() if n in by},
            )
            for n in range(count)
        ]
