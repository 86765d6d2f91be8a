"""keras-tuner's oracles, whose searches can be resumed."""

import warnings

import keras_tuner
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from recipes._lab.seeding import seed_from


def make_oracle(kind, trials, seed, space=None):
    """Return keras-tuner's oracle of a kind in `ORACLES`, for maximal validation accuracy.

    Args:
        kind: its name, or a function `points(random)` that returns the trials, a list of
            `{name: value}`, from a `np.random.Generator`.
        trials: how many it will give, all in all.
        seed: any whole number; each gives draws of its own.
        space: HyperParameters that override what the model's own `hp` calls ask for, or None.
    """
    options = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "max_trials": trials,
        "seed": 1 + seed_from(seed, "search"),  # to keras-tuner, 0 means a random one
        "hyperparameters": space,
        "max_consecutive_failed_trials": 10**9,  # a diverged trial is a result
    }
    if callable(kind):
        points = kind(np.random.default_rng(options["seed"]))[:trials]
        return PointsOracle(points, **options | {"max_trials": len(points)})
    return ORACLES[kind](**options)


def rank(trial):
    """Return what to sort completed trials by: pruned or not, then the score."""
    return trial.message is not None, -trial.score


class _Resumable:
    """What keras-tuner's oracles lack: draws that a resumed search repeats, and sound states."""

    def populate_space(self, trial_id):
        """Return the values of a trial, drawn by its number; see `keras_tuner.Oracle`."""
        seed = seed_from(self.seed, "trial", int(trial_id))
        self._seed_state = seed
        self._random_state = np.random.RandomState(seed)  # the Gaussian process's
        return super().populate_space(trial_id)

    def get_best_trials(self, num_trials=1):
        """Return the best completed trials, those that were pruned behind all others."""
        completed = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        completed.sort(key=lambda trial: int(trial.trial_id))
        return sorted(completed, key=rank)[:num_trials]

    def reload(self):
        """Read the state as it was when the last whole batch was asked for or reported.

        A batch's oracle.json is written after the files of its trials. After a kill between them,
        trials that it does not know are drawn anew, and those that it takes for open are trained
        anew, all of them: whom a batch prunes, and what is drawn next, depends on the whole.
        """
        super().reload()
        self.trials = {name: self.trials[name] for name in self.start_order}
        self._retry_queue.sort(key=int, reverse=True)  # trials are taken from its end
        for name in self._retry_queue:
            values = self.trials[name].hyperparameters
            self.trials[name] = keras_tuner.engine.trial.Trial(values, name)


class RandomSearchOracle(_Resumable, keras_tuner.oracles.RandomSearchOracle):
    """keras-tuner's random search."""


class BayesianOracle(_Resumable, keras_tuner.oracles.BayesianOptimizationOracle):
    """keras-tuner's Gaussian process."""

    def populate_space(self, trial_id):
        """Return the values of a trial; see `keras_tuner.Oracle`."""
        # Its matrices are so small that several threads need four times the time of one. And what
        # scikit-learn warns of, a length scale at the end of its range, nobody can put right.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super().populate_space(trial_id)


class PointsOracle(_Resumable, keras_tuner.Oracle):
    """Gives the trials of a list.

    Args:
        points: `{name: value}` of each trial; what it leaves out has its default.
        options: see `keras_tuner.Oracle`.
    """

    def __init__(self, points, **options):
        super().__init__(**options)
        self.points = points

    def populate_space(self, trial_id):
        """Return the values of a trial; see `keras_tuner.Oracle`."""
        defaults = {parameter.name: parameter.default for parameter in self.hyperparameters.space}
        return {"status": "RUNNING", "values": defaults | self.points[int(trial_id)]}


ORACLES = {"random": RandomSearchOracle, "bayesian": BayesianOracle}
