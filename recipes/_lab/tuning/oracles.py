"""keras-tuner's oracles, whose searches can be resumed."""

import warnings

import keras_tuner
import numpy as np
from scipy.stats import qmc
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from recipes._lab.seeding import seed_from

FIXED = keras_tuner.engine.hyperparameters.Fixed


def make_oracle(kind, trials, seed, space=None, start=()):
    """Return keras-tuner's oracle of a kind in `ORACLES`, for maximal validation accuracy.

    Args:
        kind: its name, or a function `points(random)` that returns the trials, a list of
            `{name: value}`, from a `np.random.Generator`.
        trials: how many it will give, all in all.
        seed: any whole number; each gives draws of its own.
        space: HyperParameters that override what the model's own `hp` calls ask for, or None.
        start: `{name: value}` of the trials that come first; what it leaves out has its default.
    """
    options = {
        "objective": keras_tuner.Objective("val_accuracy", "max"),
        "max_trials": trials,
        "seed": 1 + seed_from(seed, "search"),  # to keras-tuner, 0 means a random one
        "hyperparameters": space,
        "max_consecutive_failed_trials": 10**9,  # a diverged trial is a result
    }
    if callable(kind):
        start, kind = kind(np.random.default_rng(options["seed"]))[:trials], "random"
        options["max_trials"] = len(start)
    oracle = ORACLES[kind](**options)
    oracle.start = list(start)
    return oracle


def rank(trial):
    """Return what to sort completed trials by: pruned or not, then the score."""
    return trial.message is not None, -trial.score


def failed(trial):
    """Tell whether a trial's model could not be trained at all; one that diverged was trained."""
    return trial.status == "FAILED" and not (trial.message or "").startswith("diverged")


class _Resumable:
    """What keras-tuner's oracles lack: draws that a resumed search repeats, and sound states.

    Attributes:
        start: `{name: value}` of the trials that come first.
        complete: `complete(trial_id, values)` returns the values that the trial's model asks for;
            a tuner sets it.
    """

    start = ()

    def complete(self, trial_id, values):
        """Return the values as they are."""
        return values

    def populate_space(self, trial_id):
        """Return the values of a trial, drawn by its number; see `keras_tuner.Oracle`.

        Values that an earlier trial had are drawn anew, until too many were for the space to hold
        any other.
        """
        number = int(trial_id)
        if number < len(self.start):
            return {"status": "RUNNING", "values": self.complete(trial_id, self.start[number])}
        for attempt in range(self._max_collisions + 1):
            again = ("again", attempt) if attempt else ()
            seed = seed_from(self.seed, "trial", number, *again)
            self._seed_state = seed
            self._random_state = np.random.RandomState(seed)  # the Gaussian process's
            drawn = self._again() if attempt else self._draw(trial_id)
            if drawn["status"] != "RUNNING":
                return drawn
            values = self.complete(trial_id, drawn["values"])
            if not self._duplicate(values):
                return drawn | {"values": values}
        return {"status": "STOPPED", "values": None}

    def forbid(self, trials):
        """Let no trial have the values of these, from other searches."""
        hashes = (self._compute_values_hash(trial.hyperparameters.values) for trial in trials)
        self._tried_so_far.update(hashes)

    def _draw(self, trial_id):
        """Return what keras-tuner draws for a trial."""
        return super().populate_space(trial_id)

    def _again(self):
        """Return random values instead of some that there were already."""
        values = self._random_values()
        return {"status": "STOPPED" if values is None else "RUNNING", "values": values}

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

    def _draw(self, trial_id):
        """Return what the Gaussian process proposes."""
        # Its matrices are so small that several threads need four times the time of one. And what
        # scikit-learn warns of, a length scale at the end of its range, nobody can put right.
        with threadpool_limits(1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return super()._draw(trial_id)


class SobolOracle(_Resumable, keras_tuner.Oracle):
    """Scrambled Sobol points (Owen 1998): random, but spread evenly over all ranges.

    A parameter has the dimension of its place in the space, so that one that is found on the way
    moves none of those before it.
    """

    DIMENSIONS = 64  # and as many again as it takes

    def _draw(self, trial_id):
        """Return the point of a trial's number."""
        space = self.hyperparameters.space
        dimensions = self.DIMENSIONS * -(-len(space) // self.DIMENSIONS)
        sequence = qmc.Sobol(dimensions, rng=self.seed)
        if int(trial_id):
            sequence.fast_forward(int(trial_id))
        places = sequence.random(1)[0]
        drawn = keras_tuner.HyperParameters()
        for parameter, place in zip(space, places, strict=False):
            drawn.merge([parameter])
            if drawn.is_active(parameter):
                fixed = isinstance(parameter, FIXED)
                value = parameter.value if fixed else parameter.prob_to_value(place)
                drawn.values[parameter.name] = value
        return {"status": "RUNNING", "values": drawn.values}


ORACLES = {"random": RandomSearchOracle, "bayesian": BayesianOracle, "sobol": SobolOracle}
