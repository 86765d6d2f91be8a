"""What repeated searches have found, by variant and repetition."""

import dataclasses

import numpy as np

from recipes._lab.measures import PERCENT, Measure, as_key
from recipes._lab.results import label_of
from recipes._lab.tuning.oracles import rank
from recipes._lab.tuning.space import growth_of_error


@dataclasses.dataclass(frozen=True)
class Search:
    """One repetition of a search; accuracies in %, at chance where a trial diverged.

    Attributes:
        values: `{name: (trials,)}` of the hyperparameters, in the order of the trials.
        val_accuracy: (trials,), after the last epoch.
        test_accuracy: (trials,), likewise; to be read of the trial that validation has chosen.
        val_curves: (trials, epochs + 1), validation accuracy by epoch; NaN where a trial is over.
        best: index of the trial that is best on validation.
    """

    values: dict[str, np.ndarray]
    val_accuracy: np.ndarray
    test_accuracy: np.ndarray
    val_curves: np.ndarray
    best: int


class Searches:
    """What searches have found, for every variant and repetition; `searches[key]` is a list.

    Args:
        searches: `{key: [Search, ...]}`, one a repetition.
        labels: for each variant, by its key, how the elements of the key are called.
    """

    def __init__(self, searches, labels=None):
        self._searches = {as_key(key): list(repeated) for key, repeated in searches.items()}
        self.labels = labels or {key: tuple(map(str, key)) for key in self._searches}

    @property
    def keys(self):
        """Keys of the variants, in order."""
        return list(self._searches)

    def __getitem__(self, key):
        return self._searches[as_key(key)]

    def best(self, metric="test_accuracy"):
        """Return an accuracy of each repetition's best trial on validation, as a `Measure`."""
        return self.measure(
            lambda search: getattr(search, metric)[search.best],
            PERCENT,
            f"{label_of(metric)} of the best trial",
        )

    def measure(self, function, unit="", label=""):
        """Return `function(search)` of every variant and repetition as a `Measure`.

        Args:
            function: of a `Search`, returns a number.
            unit: of the numbers.
            label: what they are, for an axis.
        """
        values = {key: [function(search) for search in of] for key, of in self._searches.items()}
        return Measure(values, unit, label)

    def importances(self):
        """Return how much each hyperparameter tells about validation accuracy, as a `Measure`.

        A random forest (Breiman 2001) learns to predict the accuracy from the trials of all other
        repetitions. Then the values of one hyperparameter are permuted among the trials of this
        one: the importance is the growth of the squared error, divided by the variance of the
        accuracies; it may exceed 1. Forests of two repetitions share most of their trials, so
        deviations from the mean are widened accordingly (Nadeau and Bengio 2003, Machine Learning
        52:239).

        Its keys are those of the variants, followed by the name of the hyperparameter.
        """
        values = {}
        for key, searches in self._searches.items():
            growth = np.transpose([_growth(searches, n) for n in range(len(searches))])
            wider = np.sqrt(1 + len(searches) / max(1, len(searches) - 1))
            for name, of in zip(searches[0].values, growth, strict=True):
                values[(*key, name)] = of.mean() + wider * (of - of.mean())
        return Measure(values, "importance", "growth of the squared error / variance")


def _growth(searches, number):
    """Return by how much the squared error grows for each hyperparameter, in one repetition."""
    tried = [np.stack(list(search.values.values()), axis=1) for search in searches]
    accuracy = [search.val_accuracy for search in searches]
    others = [n for n in range(len(searches)) if n != number] or [number]
    growth = growth_of_error(
        np.concatenate([tried[n] for n in others]),
        np.concatenate([accuracy[n] for n in others]),
        tried[number],
        accuracy[number],
        trees=100,
    )
    return growth / (np.var(accuracy[number]) or 1.0)


def read(stages, chance):
    """Return what one repetition has found as a `Search`.

    Args:
        stages: its tuners, finished.
        chance: accuracy of the most frequent class, 0 to 1.
    """
    trials = [(tuner, trial) for tuner in stages for trial in tuner.trials()]
    names = dict.fromkeys(p.name for tuner in stages for p in tuner.oracle.get_space().space)
    values = [trial.hyperparameters.values for _, trial in trials]
    finished = [n for n, (_, trial) in enumerate(trials) if trial.status == "COMPLETED"]
    histories = [tuner.history(trial) for tuner, trial in trials]
    losses, curves = (
        _padded([history[metric].mean(axis=0) for history in histories])
        for metric in ("loss", "val_accuracy")
    )
    validation, test = np.full((2, len(trials)), chance)
    for n in finished:
        tuner, trial = trials[n]
        validation[n], test[n] = trial.score, tuner.test_accuracy(trial).mean()
    # A diverged trial counts at chance from where its loss is not finite.
    diverged = ~np.isfinite(losses) & ~np.isnan(curves)
    return Search(
        values={name: np.array([of.get(name, np.nan) for of in values]) for name in names},
        val_accuracy=100 * validation,
        test_accuracy=100 * test,
        val_curves=100 * np.where(diverged, chance, curves),
        best=min(finished, key=lambda n: rank(trials[n][1]), default=0),
    )


def _padded(curves):
    """Return curves of unequal length as one array, (curves, longest), NaN behind the shorter."""
    longest = max(map(len, curves))
    return np.array([np.pad(c, (0, longest - len(c)), constant_values=np.nan) for c in curves])
