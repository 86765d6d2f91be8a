"""What training gave, by variant and seed: measures, curves, the trained models."""

import contextlib
import dataclasses
import itertools

import numpy as np

from recipes._lab.measures import LITTLE, PERCENT, Measure, as_key, matching
from recipes._lab.scores import SCORES, of_all_classes
from recipes._lab.training.architecture import NotStackableError
from recipes._lab.training.loading import load_model
from recipes._lab.training.members import Member, Result
from recipes._lab.training.models import Models

PARTS = {"train": "training", "val": "validation", "test": "test"}
UNITS = {"loss": "nats", "brier_score": ""}  # of the others, per cent
LOWER = ("loss", "brier_score", "expected_calibration_error")  # is better
BLOCK = 1000  # examples predicted at once


@dataclasses.dataclass
class Results:
    """What training gave, for every variant and seed; `|` merges two of them.

    A metric is one of a part of the data, such as "val_accuracy": `train_`, `val_` or `test_`, and
    `accuracy` in %, `loss` in nats without penalties, or one of `scores.SCORES`, which is computed
    when it is first asked for. All are in inference mode, without masks and with the moving
    averages of normalization. By epoch, where epoch 0 is before training; scores after epochs whose
    weights were recorded, and the last; of the test part only after training. A run that diverged
    counts at chance from there on: as who always answers with the shares of the classes, loss ln C.

    Attributes:
        members: what was trained, by (key, seed).
        outcomes: how it went, likewise.
        labels: for each variant, by its key, how the elements of the key are called: words as they
            are, numbers with the argument that they are the value of.
    """

    members: dict[tuple[tuple, int], Member]
    outcomes: dict[tuple[tuple, int], Result]
    labels: dict[tuple, tuple[str, ...]]

    def __or__(self, other):
        return Results(
            self.members | other.members,
            self.outcomes | other.outcomes,
            self.labels | other.labels,
        )

    @property
    def keys(self):
        """Keys of the variants, in order."""
        return list(self.labels)

    @property
    def names(self):
        """Display name of each variant by its key."""
        return {key: ", ".join(labels) for key, labels in self.labels.items()}

    def label(self, key, *, only=None, leave_out=None):
        """Return the display name of a variant, or of a part of its key, or of all but a part.

        Args:
            key: of the variant.
            only: a part of the key.
            leave_out: a part of the key.
        """
        parts = [(element, of) for element, of in zip(key, self.labels[key], strict=True)]
        if only is not None:
            return ", ".join(of for element, of in parts if element in as_key(only))
        left = () if leave_out is None else as_key(leave_out)
        return ", ".join(of for element, of in parts if element not in left)

    def matching(self, part=None):
        """Return the keys that hold a part; all of them for None."""
        return self.keys if part is None else matching(self.keys, part)

    def key(self, *parts):
        """Return the one key that holds all these parts, whatever their order.

        Raises:
            KeyError: none does, or more than one.
        """
        for order in itertools.permutations(map(as_key, parts)):
            part = sum(order, ())
            with contextlib.suppress(KeyError):
                chosen = matching(self.keys, part)
                if len(chosen) == 1:
                    return chosen[0]
        names = list(self.names.values())
        raise KeyError(f"not exactly one variant has {parts}; there are {names}")

    def seeds(self, key):
        """Return the seeds of a variant, in order."""
        return [seed for name, seed in self.outcomes if name == as_key(key)]

    def final(self, metric):
        """Return a metric of the final (or restored) weights as a `Measure`."""
        return self._measure(
            lambda run: run.final(metric), unit_of(metric), label_of(metric), metric
        )

    def score(self, metric, probabilities):
        """Return a metric of other probabilities than the trained models give, as a `Measure`.

        Args:
            metric: a part of the data and one of `scores.SCORES`, such as "test_brier_score".
            probabilities: of the examples of that part, `{key: (seeds, examples, classes)}`.
        """
        probabilities = {as_key(key): of for key, of in probabilities.items()}
        values = {}
        for key, by_seed in probabilities.items():
            pairs = zip(self._of(key).values(), by_seed, strict=True)
            values[key] = [run.in_units(metric, run.score(metric, of)) for run, of in pairs]
        return self.measure(values, unit_of(metric), label_of(metric))

    def above_chance(self, metric="train_accuracy"):
        """Return by how much a final accuracy is above that of the most frequent class."""
        return self.final(metric) - self._measure(
            lambda run: 100 * run.member.data.chance, PERCENT, "accuracy of the most frequent class"
        )

    def mean_over_epochs(self, metric):
        """Return the mean of a metric over the epochs after the first: speed of learning.

        The area under the learning curve needs no threshold, and no run is censored.
        """
        return self._measure(
            lambda run: np.nanmean(run.curve(metric)[1:]),
            unit_of(metric),
            f"{label_of(metric)}, mean over epochs",
            metric,
        )

    def epochs_to(self, metric, threshold):
        """Return the first epoch in which a metric reaches a threshold; infinite for never."""

        def first(run):
            reached = run.curve(metric) >= threshold
            return float(reached.argmax()) if reached.any() else np.inf

        label = f"epochs to {threshold:g} % {label_of(metric)}"
        return self._measure(first, "epochs", label, metric)

    def reached(self, metric, threshold):
        """Return 1 where a metric reaches a threshold in some epoch, else 0."""
        return self._measure(
            lambda run: float((run.curve(metric) >= threshold).any()),
            "variants",
            f"{label_of(metric)} reaches {threshold:g} %",
            metric,
        )

    def diverged(self):
        """Return 1 where a run met a loss that is not finite, else 0."""
        return self._measure(lambda run: float(run.diverged.any()), "runs", "diverged")

    def measure(self, values, unit="", label=""):
        """Return a `Measure` of numbers that were computed from the trained models of variants.

        Args:
            values: `{key: (seeds,)}`.
            unit: of the numbers.
            label: what they are, for an axis.
        """
        keys = [as_key(key) for key in values]
        runs = {key: self._runs_of(key) for key in keys}
        return Measure(values, unit, label, runs)

    def best(self, *parts, by="val_accuracy"):
        """Return the key whose mean final metric is highest: selection on validation data.

        Args:
            parts: of the keys to choose from; without any, all.
            by: the metric; of a loss or an error the lowest counts.
        """
        keys = self.keys
        for part in parts:
            keys = matching(keys, part)
        sign = -1 if by.endswith(LOWER) else 1
        means = {key: sign * values.mean() for key, values in self.final(by).values.items()}
        return max(keys, key=means.get)

    def curve(self, metric, key):
        """Return a metric of a variant by epoch, (seeds, epochs + 1); NaN where not evaluated."""
        return np.array([run.curve(metric) for run in self._of(key, metric).values()])

    def model(self, key, seed, epoch=None):
        """Return a trained member as an ordinary compiled Keras model.

        Args:
            key: of the variant.
            seed: the member's.
            epoch: a recorded epoch, or None for the final weights.
        """
        run = self._of(key)[seed]
        return load_model(run.member, run.weights(epoch))

    def models(self, key, epoch=None):
        """Return the trained models of a variant side by side, one a seed, as `Models`.

        Args:
            key: of the variant.
            epoch: a recorded epoch, or None for the final weights.
        """
        runs = self._of(key).values()
        return Models([run.member for run in runs], [run.weights(epoch) for run in runs])

    def data(self, key):
        """Return the data of a variant's first seed."""
        key = self.key(as_key(key))
        return self.members[key, self.seeds(key)[0]].data

    def distributions(self, key):
        """Return the logged distributions of a variant's first seed, serialized, by epoch."""
        key = self.key(as_key(key))
        return self.outcomes[key, self.seeds(key)[0]].distributions

    def recorded(self, key):
        """Return the epochs at which the weights of a variant were kept, in order."""
        return sorted(next(iter(self._of(key).values())).outcome.snapshots)

    def _of(self, key, metric=None):
        """Return `{seed: run}` of a variant; a metric that its runs lack is computed."""
        key = self.key(as_key(key))
        runs = {
            seed: _Run(self.members[name, seed], outcome)
            for (name, seed), outcome in self.outcomes.items()
            if name == key
        }
        if metric is not None and not all(run.has(metric) for run in runs.values()):
            _compute(metric, list(runs.values()))
        return runs

    def _runs_of(self, key):
        """Return which runs stand behind a variant's numbers and whether they learned nothing."""
        name = self.key(as_key(key))
        return {(name, seed): run.collapsed for seed, run in self._of(name).items()}

    def _measure(self, function, unit, label, metric=None):
        """Return `function(run)` of every variant and seed, which may ask for one metric."""
        runs = {key: self._of(key, metric).values() for key in self.keys}
        values = {key: [function(run) for run in of] for key, of in runs.items()}
        return Measure(values, unit, label, {key: self._runs_of(key) for key in self.keys})


@dataclasses.dataclass(frozen=True)
class _Run:
    """One member and its outcome, in the units of `Results`."""

    member: Member
    outcome: Result

    @property
    def diverged(self):
        """At which epochs the loss was not finite, (epochs + 1,)."""
        history = self.outcome.history
        return ~np.isfinite(history["loss"]) & ~np.isnan(history["accuracy"])

    @property
    def collapsed(self):
        """Whether it diverged, which counts at chance, or learned nothing."""
        chance = self.member.data.chance
        little = chance + LITTLE * min(chance, 1 - chance)
        return bool(self.final("train_accuracy") <= 100 * little)

    def curve(self, metric):
        """Return a metric by epoch, (epochs + 1,); NaN where it was not evaluated."""
        name = metric.removeprefix("train_")
        values = self.outcome.history[name]
        bad = self.outcome.evaluated(name) & (self.diverged | ~np.isfinite(values))
        return np.where(bad, self._chance(metric), _scale(metric) * values)

    def final(self, metric):
        """Return a metric of the final or restored weights."""
        value = self.outcome.test.get(metric)
        if value is None:
            value = self.outcome.history[metric.removeprefix("train_")][self.outcome.epoch]
        return self.in_units(metric, value)

    def in_units(self, metric, value):
        """Return a value of the final weights in its unit; at chance if the run diverged."""
        if self.diverged.any() or not np.isfinite(value):
            return self._chance(metric)
        return _scale(metric) * value

    def has(self, metric):
        """Tell whether the outcome holds a metric."""
        return metric in self.outcome.test or metric.removeprefix("train_") in self.outcome.history

    def keep(self, metric, epoch, value):
        """Put a score into the outcome, of a recorded epoch or, for None, of the final weights."""
        if metric.startswith("test_"):
            self.outcome.test[metric] = value
            return
        name, epochs = metric.removeprefix("train_"), len(self.outcome.history["loss"])
        curve = self.outcome.history.setdefault(name, np.full(epochs, np.nan))
        curve[self.outcome.epoch if epoch is None else epoch] = value

    def part(self, part):
        """Return the examples of a part of the data, "train", "val" or "test"."""
        return getattr(self.member.data, "validation" if part == "val" else part)

    def score(self, metric, probabilities):
        """Return a score of probabilities, (examples, classes); infinite if they are not finite."""
        part, _, name = metric.partition("_")
        if not np.isfinite(probabilities).all():
            return np.inf
        return SCORES[name](of_all_classes(np.asarray(probabilities)), self.part(part).y)

    def weights(self, epoch):
        """Return recorded weights, or the final ones for None."""
        return self.outcome.weights if epoch is None else self.outcome.snapshots[epoch]

    def _chance(self, metric):
        data = self.member.data
        part, _, name = metric.partition("_")
        if name in SCORES:
            shares = np.bincount(data.train.y, minlength=data.num_classes) / len(data.train.y)
            answers = np.tile(shares, (len(self.part(part).y), 1))
            return _scale(metric) * self.score(metric, answers)
        return np.log(data.num_classes) if metric.endswith("loss") else 100 * data.chance


def _compute(metric, runs):
    """Compute a score of all runs of a variant, and put it into their outcomes."""
    part = metric.partition("_")[0]
    recorded = set.intersection(*(set(run.outcome.snapshots) for run in runs))
    for epoch in [None] if part == "test" else [*sorted(recorded), None]:
        predicted = _predicted(runs, part, epoch)
        for run, probabilities in zip(runs, predicted, strict=True):
            run.keep(metric, epoch, run.score(metric, probabilities))


def _predicted(runs, part, epoch):
    """Return the probabilities that runs of one variant give a part of their data, one by one."""
    weights = [run.weights(epoch) for run in runs]
    inputs = [run.part(part).x for run in runs]
    try:
        models = Models([run.member for run in runs], weights)
    except NotStackableError:
        members = [run.member for run in runs]
        return [
            load_model(member, of).predict(x, verbose=0)
            for member, of, x in zip(members, weights, inputs, strict=True)
        ]
    starts = range(0, len(inputs[0]), BLOCK)
    blocks = (np.stack([x[start : start + BLOCK] for x in inputs]) for start in starts)
    return np.concatenate([models.predict(block) for block in blocks], axis=1)


def label_of(metric):
    """Return what a metric is called on an axis, such as "test accuracy"."""
    part, _, name = metric.partition("_")
    if part not in PARTS or name not in ("accuracy", "loss", *SCORES):
        raise KeyError(f"{metric!r} is no metric of {', '.join(PARTS)}: {', '.join(SCORES)}")
    return f"{PARTS[part]} {name.replace('_', ' ')}"


def unit_of(metric):
    """Return the unit of a metric."""
    return UNITS.get(metric.partition("_")[2], PERCENT)


def _scale(metric):
    return 100.0 if unit_of(metric) == PERCENT else 1.0
