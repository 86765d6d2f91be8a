"""The results of many members as the recipes of the first version ask them."""

import dataclasses
from typing import NamedTuple

import numpy as np

from recipes._lab.measures import LITTLE
from recipes._lab.training.loading import load_model
from recipes._lab.training.members import Member, Result
from recipes._lab.training.models import Models


class Difference(NamedTuple):
    """Differences paired by seed, and how many of the runs behind them diverged or collapsed."""

    values: np.ndarray
    collapsed: int
    runs: int


@dataclasses.dataclass
class Histories:
    """What training gave, for every variant and seed; `|` merges two of them.

    Attributes:
        members: the trained members by (variant, seed).
        results: their results, likewise.
    """

    members: dict[tuple[str, int], Member]
    results: dict[tuple[str, int], Result]

    @classmethod
    def of(cls, results):
        """Return the same of `results.Results` whose keys are single names."""
        members = {(name, seed): member for ((name,), seed), member in results.members.items()}
        outcomes = {(name, seed): result for ((name,), seed), result in results.outcomes.items()}
        return cls(members, outcomes)

    def __or__(self, other):
        return Histories(self.members | other.members, self.results | other.results)

    @property
    def variants(self):
        """Names of the variants, in order."""
        return list(dict.fromkeys(variant for variant, _ in self.results))

    def seeds(self, variant):
        """Return the seeds of a variant, in order."""
        return [seed for name, seed in self.results if name == variant]

    def _of(self, variant):
        """Return the (member, result) of every seed of a variant."""
        found = [
            (self.members[key], result) for key, result in self.results.items() if key[0] == variant
        ]
        if not found:
            raise KeyError(f"no variant is called {variant!r}; there are {self.variants}")
        return found

    def curve(self, metric, variant):
        """Return a metric by epoch, (seeds, epochs + 1).

        Epoch 0 is before training. A diverged epoch counts at chance: accuracy of the most
        frequent class, loss ln C. After early stopping everything is NaN.
        """
        curves = []
        for member, result in self._of(variant):
            values = result.history[metric].copy()
            trained = ~np.isnan(result.history["accuracy"])
            bad = _diverged(result) | trained & ~np.isfinite(values)
            values[bad] = _chance(member, metric)
            curves.append(values)
        return np.array(curves)

    def final(self, metric, variant):
        """Return a metric of the final (or restored) weights, (seeds,).

        Also `test_loss` and `test_accuracy`. Diverged runs count at chance, as in `curve`.
        """
        values = []
        for member, result in self._of(variant):
            value = result.test.get(metric)
            if value is None:
                value = result.history[metric][result.epoch]
            if _diverged(result).any() or not np.isfinite(value):
                value = _chance(member, metric)
            values.append(value)
        return np.array(values)

    def mean_over_epochs(self, metric, variant):
        """Return the mean of a metric over the epochs after the first, (seeds,): speed of learning.

        The area under the learning curve needs no threshold, and no run is censored.
        """
        return np.nanmean(self.curve(metric, variant)[:, 1:], axis=1)

    def epochs_to(self, threshold, variant, metric="accuracy"):
        """Return the first epoch in which a metric reaches a threshold, (seeds,); inf for never."""
        reached = self.curve(metric, variant) >= threshold
        return np.where(reached.any(axis=1), reached.argmax(axis=1).astype(float), np.inf)

    def diverged(self, variant):
        """Return which runs met a loss that is not finite, (seeds,)."""
        return np.array([_diverged(result).any() for _, result in self._of(variant)])

    def collapsed(self, variant):
        """Return which runs diverged, which count at chance, or learned nothing, (seeds,)."""
        chance = np.array([member.data.chance for member, _ in self._of(variant)])
        return self.final("accuracy", variant) <= chance + LITTLE * np.minimum(chance, 1 - chance)

    def difference(self, metric, first, second, scale=1.0):
        """Return first minus second in a final metric, paired by seed.

        Args:
            metric: as in `final`.
            first: a variant.
            second: another, trained with the same seeds.
            scale: 100 for percentage points.
        """
        if self.seeds(first) != self.seeds(second):
            raise ValueError(f"{first!r} and {second!r} have different seeds")
        collapsed = np.concatenate([self.collapsed(first), self.collapsed(second)])
        values = scale * (self.final(metric, first) - self.final(metric, second))
        return Difference(values, int(collapsed.sum()), len(collapsed))

    def best(self, variants, metric="val_accuracy"):
        """Return the variant whose mean final metric is highest: selection on validation data."""
        return max(variants, key=lambda variant: self.final(metric, variant).mean())

    def model(self, variant, seed, epoch=None):
        """Return a trained member as an ordinary compiled Keras model.

        Args:
            variant: its name.
            seed: its seed.
            epoch: a recorded epoch, or None for the final weights.
        """
        result = self.results[variant, seed]
        weights = result.weights if epoch is None else result.snapshots[epoch]
        return load_model(self.members[variant, seed], weights)

    def recorded(self, variant):
        """Return the epochs at which the weights of a variant were kept, in order."""
        return sorted(self._of(variant)[0][1].snapshots)

    def models(self, variant, epoch=None):
        """Return the trained models of a variant side by side, as `Models`.

        Args:
            variant: its name.
            epoch: a recorded epoch, or None for the final weights.
        """
        members, results = zip(*self._of(variant), strict=True)
        weights = [r.weights if epoch is None else r.snapshots[epoch] for r in results]
        return Models(members, weights)


def _chance(member, metric):
    """Return what a diverged run counts: `Dataset.chance`, or the loss ln C of equal odds."""
    return np.log(member.data.num_classes) if metric.endswith("loss") else member.data.chance


def _diverged(result):
    """Return at which epochs the loss was not finite, (epochs + 1,)."""
    return ~np.isfinite(result.history["loss"]) & ~np.isnan(result.history["accuracy"])
