"""keras-tuner's oracles and files, with whole batches of trials trained as populations.

keras-tuner draws the hyperparameters, keeps the state of the search and ranks the trials. Here, it
is asked for many trials at once; those that share an architecture are trained as one graph, every
trial with several seeds.
"""

import collections
import contextlib
import dataclasses
import functools
import io
import json
import shutil
import tempfile
import warnings
import weakref
from pathlib import Path
from unittest import mock

import keras_tuner
import numpy as np
from keras_tuner.src import utils as keras_tuner_utils
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from recipes._lab import architecture, population
from recipes._lab.architecture import seed_from
from recipes._lab.errors import UserError
from recipes._lab.files import write
from recipes._lab.members import METRICS, Member, model_of
from recipes._lab.space import narrowed

BATCH = 48  # trials asked for and trained at once: two crews of 24
# Of the trials that a Gaussian process proposes, each knows of the others only that they run.
BAYESIAN_BATCH = 8


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
    """Return what to sort completed trials by: given up early or not, then the score."""
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
        """Return the best completed trials, those that were given up early behind all others."""
        completed = [trial for trial in self.trials.values() if trial.status == "COMPLETED"]
        completed.sort(key=lambda trial: int(trial.trial_id))
        return sorted(completed, key=rank)[:num_trials]

    def reload(self):
        """Read the state as it was when the last whole batch was asked for or reported.

        A batch's oracle.json is written after the files of its trials. After a kill between them,
        trials that it does not know are drawn anew, and those that it takes for open are trained
        anew, all of them: whom a batch gives up, and what is drawn next, depends on the whole.
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


class PopulationTuner(keras_tuner.Tuner):
    """A tuner that trains its trials batch by batch, each batch as populations.

    What keras-tuner's tuners offer works: `results_summary()`, `get_best_hyperparameters()`,
    `get_best_models()` (the execution of the trial that is best on validation). Two names of
    hyperparameters have a meaning: `batch_size` and `epochs` are used in training if a model's
    `hp` draws them. A trial's score is the mean validation accuracy of its executions after the
    last epoch; a trial with an execution that diverges has FAILED.

    Args:
        oracle: as from `make_oracle`, or any other that gives several open trials.
        hypermodel: a `keras_tuner.HyperModel`, or a function `build_model(hp)` that returns a
            compiled `keras.Sequential`. Other models are trained one by one, with `fit`.
        data: a `Dataset`.
        epochs: of a trial.
        batch_size: examples a step.
        seeds: of a trial's executions.
        batch: trials asked for at once, or None for the oracle's own number.
        discard: at each of these shares of the epochs, the worse half of a batch is given up
            (successive halving, Jamieson and Talwalkar 2016), such as (1 / 9, 1 / 3).
        directory: of all searches, or None for a search whose files nobody needs.
        project_name: folder of this search in it. If it holds a search, that goes on.
        tell: called with a line of text that the user should see.
        track: context manager `track(description, total)` that yields `advance(steps)`.
        store: keeps what is trained for a run that is killed, as in `population.train`; a search
            with a directory needs none.
        train: what trains members, as `population.train`, which it is by default; a `Cluster`'s.

    Raises:
        UserError: the folder holds something that is not the state of a search.
    """

    def __init__(
        self,
        oracle,
        hypermodel,
        data,
        *,
        epochs,
        batch_size=100,
        seeds=(0,),
        batch=None,
        discard=(),
        directory=None,
        project_name="search",
        tell=print,
        track=None,
        store=None,
        train=None,
    ):
        self.data, self.epochs, self.batch_size = data, epochs, batch_size
        self.seeds, self.discard = tuple(seeds), tuple(discard)
        bayesian = isinstance(oracle, keras_tuner.oracles.BayesianOptimizationOracle)
        self.batch = batch or (BAYESIAN_BATCH if bayesian else BATCH)
        self._tell, self._track, self._told = tell, track or _no_progress, set()
        self._kept, self._temporary, self.store = {}, directory is None, store
        self.train_members = train
        if self._temporary:
            directory = tempfile.mkdtemp()  # keras-tuner makes empty folders in it
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                oracle, hypermodel, directory=str(directory), project_name=project_name
            )
        oracle.verbose = 0

    def reload(self):
        """Go on with the search in the folder; see `keras_tuner.Tuner`."""
        try:
            super().reload()
            for name in self.oracle.end_order:
                with np.load(self._file(self.oracle.trials[name]), allow_pickle=False) as arrays:
                    arrays["test"]
        except Exception as error:  # what is no state fails in more ways than can be listed
            raise UserError(
                f"{self.project_dir!r} holds no sound state of a search; it is left as it is: "
                "move it away, or search in another folder (OUT=... or --out ...)"
            ) from error

    def search(self):
        """Train trials until the oracle has no more."""
        search_together([self])

    def ask(self):
        """Return the next batch of trials, empty at the end of the search."""
        trials = []
        with self._whole_files():
            self.save()  # only if its own file is there does keras-tuner go on with a search
            for slot in range(self.batch):
                trial = self.oracle.create_trial(f"{self.tuner_id}-slot{slot}")
                if trial.status in ("STOPPED", "IDLE"):
                    break
                trials.append(trial)
        return trials

    def report(self, trials, results):
        """Keep the results of a batch and tell the oracle its scores."""
        with self._whole_files():
            for trial in trials:
                self._report(trial, results[trial.trial_id])

    def trials(self):
        """Return all trials in the order in which they were started."""
        return [self.oracle.trials[name] for name in self.oracle.start_order]

    def completed(self):
        """Return those that have a score."""
        return [trial for trial in self.trials() if trial.status == "COMPLETED"]

    def history(self, trial):
        """Return the curves of a finished trial, `{metric: (executions, epochs + 1)}`."""
        arrays = self._arrays(trial)
        return {metric: arrays[metric] for metric in METRICS}

    def test_accuracy(self, trial):
        """Return the test accuracy of each execution of a finished trial, (executions,).

        To be asked of the trial that validation has chosen, when the search is over.
        """
        return self._arrays(trial)["test"]

    def load_model(self, trial):
        """Return a trial's model with the weights of the execution that is best on validation."""
        arrays = self._arrays(trial)
        weights = [arrays[str(n)] for n in range(len(arrays) - len(METRICS) - 1)]
        return model_of(self._member(trial, self.seeds[0]), weights)

    def tables(self):
        """Return two tables, lists of rows with a head: a row a trial, and a row a number."""
        names = [parameter.name for parameter in self.oracle.get_space().space]
        rows = [("trial", "status", "val_accuracy", "message", *names)]
        numbers = [("trial", "seed", "epoch", "metric", "value")]
        for trial in self.trials():
            values = [trial.hyperparameters.values.get(name, "") for name in names]
            score = "" if trial.score is None else repr(float(trial.score))
            rows.append((trial.trial_id, trial.status, score, trial.message or "", *values))
            for metric, of_seed in self.history(trial).items():
                for seed, curve in zip(self.seeds, of_seed.tolist(), strict=True):
                    for epoch, value in enumerate(curve):
                        numbers.append((trial.trial_id, seed, epoch, metric, repr(value)))
        return rows, numbers

    def members(self, trial):
        """Return the members that a trial is made of, one a seed."""
        return [self._member(trial, seed) for seed in self.seeds]

    def _member(self, trial, seed):
        hyperparameters = trial.hyperparameters.copy()
        build = functools.partial(self.hypermodel.build, hyperparameters)
        try:
            blueprint = architecture.read(build)
        except architecture.NotStackableError as error:
            blueprint = None
            if str(error) not in self._told:
                self._told.add(str(error))
                name = f"trial {trial.trial_id} and the like"
                self._tell(f"{name} are trained one by one, with fit: {error}")
        # With what this model has asked for and none before; from now on the oracle draws that.
        trial.hyperparameters, values = hyperparameters, hyperparameters.values
        return Member(
            label=f"trial {trial.trial_id}",
            build=build,
            blueprint=blueprint,
            seed=seed,
            data=self.data,
            epochs=int(values.get("epochs", self.epochs)),
            batch_size=int(values.get("batch_size", self.batch_size)),
            place=self.project_name,
        )

    def _report(self, trial, results):
        """Keep a trial's curves and best weights, and tell the oracle its score."""
        arrays = {metric: np.stack([r.history[metric] for r in results]) for metric in METRICS}
        scores = _scores(results)
        best = results[int(scores.argmax())]
        weights = {str(n): weight for n, weight in enumerate(best.weights)}
        self._keep(trial, arrays | weights | {"test": _test_accuracies(results)})
        epochs = len(best.history["loss"]) - 1
        last = best.pause.epoch if best.pause else epochs
        lost = {
            seed: int(np.argmin(np.isfinite(result.history["loss"])))
            for seed, result in zip(self.seeds, results, strict=True)
            if not np.isfinite(result.history["loss"][: last + 1]).all()
        }
        if lost:
            trial.status = "FAILED"
            where = ", ".join(f"epoch {epoch} (seed {seed})" for seed, epoch in lost.items())
            trial.message = f"diverged in {where}"
        else:
            means = {metric: float(curves[:, last].mean()) for metric, curves in arrays.items()}
            self.oracle.update_trial(trial.trial_id, means, step=last)
            trial.status = "COMPLETED"
            trial.message = None if last == epochs else f"given up after {last} of {epochs} epochs"
        self.on_trial_end(trial)

    def _keep(self, trial, arrays):
        if self._temporary:
            self._kept[trial.trial_id] = arrays
            return
        file = io.BytesIO()
        np.savez(file, **arrays)
        write(self._file(trial), file.getvalue())

    def _arrays(self, trial):
        if self._temporary:
            return self._kept[trial.trial_id]
        with np.load(self._file(trial), allow_pickle=False) as arrays:
            return dict(arrays)

    def _file(self, trial):
        return Path(self.get_trial_dir(trial.trial_id)) / "history.npz"

    @contextlib.contextmanager
    def _whole_files(self):
        """Let keras-tuner's files be written at the end of the block, each whole or not at all.

        It writes them in place, which a kill can tear, and the same ones again for every trial.
        The trials' own files come first; `_Resumable.reload` knows what a kill between two leaves.
        """
        files = {}

        def keep(path, content):
            files[path] = text = json.dumps(content)
            return text

        with mock.patch.object(keras_tuner_utils, "save_json", keep):
            yield
        if not self._temporary:
            for path in sorted(files, key=lambda path: "trial.json" not in path):
                write(path, files[path])


class Searched:
    """One repetition of a search, for a recipe's claims.

    Args:
        stages: its tuners, finished.

    Attributes:
        values: `{name: (trials,)}` of the hyperparameters, in the order of the trials.
        val_accuracy: (trials,), after the last epoch; of diverged trials zero.
        test_accuracy: (trials,), likewise; to be asked of the trial that validation has chosen.
        curves: `{metric: (trials, epochs + 1)}`, by epoch.
        ranking: indices of the completed trials, the best on validation first, those that were
            given up early last.
        best: index of the first of them; 0 if all diverged.
    """

    def __init__(self, stages):
        trials = [(tuner, trial) for tuner in stages for trial in tuner.trials()]
        names = [parameter.name for parameter in stages[0].oracle.get_space().space]
        self.values = {
            name: np.array([trial.hyperparameters.values.get(name) for _, trial in trials])
            for name in names
        }
        self.val_accuracy = np.array([trial.score or 0.0 for _, trial in trials])
        self.test_accuracy = np.array([t.test_accuracy(trial).mean() for t, trial in trials])
        histories = [tuner.history(trial) for tuner, trial in trials]
        self.curves = {m: np.array([of[m].mean(axis=0) for of in histories]) for m in METRICS}
        completed = [n for n, (_, trial) in enumerate(trials) if trial.status == "COMPLETED"]
        self.ranking = sorted(completed, key=lambda n: rank(trials[n][1]))
        self.best = self.ranking[0] if self.ranking else 0
        self._trials = trials

    def model(self, number):
        """Return a trained model by its trial's index, an ordinary compiled Keras model."""
        tuner, trial = self._trials[number]
        return tuner.load_model(trial)


def search_together(tuners):
    """Search with several tuners at once, such as repetitions of a search: one graph for all.

    Args:
        tuners: of `PopulationTuner`, with the same `discard`.
    """
    first = tuners[0]
    while True:
        batches = [(tuner, trials) for tuner in tuners if (trials := tuner.ask())]
        if not batches:
            return
        members = {
            (number, trial.trial_id): tuner.members(trial)
            for number, (tuner, trials) in enumerate(batches)
            for trial in trials
        }
        total = sum(
            _epochs([members[number, trial.trial_id] for trial in trials], first.discard)
            for number, (_, trials) in enumerate(batches)
        )
        doing = f"training {len(members)} trials x {len(first.seeds)} seeds"
        with first._track(doing, total) as advance:
            plan = {"store": first.store, "progress": advance}
            train = functools.partial(first.train_members or population.train, **plan)
            results = _train(members, first.discard, train)
        for number, (tuner, trials) in enumerate(batches):
            own = {trial.trial_id: results[number, trial.trial_id] for trial in trials}
            tuner.report(trials, own)


def search_in_stages(make, oracle, trials, stages, seeds):
    """Search in rounds, each on ranges narrowed around the best of those before it.

    Where none of the trials before has finished, there is nothing to narrow the ranges around: the
    round searches the whole ones, and says so.

    Args:
        make: `make(oracle, repetition, stage)` returns a `PopulationTuner`.
        oracle: kind of the oracles.
        trials: of each repetition, all stages together.
        stages: how many.
        seeds: of the oracles, one a repetition; all repetitions are trained together.

    Returns:
        For each repetition the tuners of its stages, and the original HyperParameters.
    """
    found, spaces = [[] for _ in seeds], []
    stages = min(stages, trials)  # no trials would mean any number of them to keras-tuner
    for stage in range(stages):
        count = trials * (stage + 1) // stages - trials * stage // stages
        tuners, whole = [], 0
        for repetition, seed in enumerate(seeds):
            ranges = None
            if stage:
                before = [trial for tuner in found[repetition] for trial in tuner.completed()]
                ranges = narrowed(spaces[repetition], before)
                whole += not before
            # A seed of its own for each stage, far from those of other repetitions.
            drawn = make_oracle(oracle, count, seed + 10_000 * stage, ranges)
            tuners.append(make(drawn, repetition, stage))
        if whole:
            where = f" in {whole} of {len(seeds)} repetitions" if len(seeds) > 1 else ""
            tell = tuners[0]._tell
            tell(f"no trial has finished yet{where}, so round {stage + 1} keeps the whole ranges")
        search_together(tuners)
        spaces = spaces or [tuner.oracle.get_space() for tuner in tuners]
        for of, tuner in zip(found, tuners, strict=True):
            of.append(tuner)
    return found, spaces[0]


def _train(members, discard, train):
    """Train `{(tuner, trial): members}` and return `{(tuner, trial): results}`.

    At each rung every tuner gives up the worse half of its own trials.
    """
    results = {}
    for share in (*discard, 1.0):
        staged = [_until(member, share) for of in members.values() for member in of]
        trained = iter(train(staged))
        for name, of in members.items():
            new = [next(trained) for _ in of]
            if name in results:
                for was, now in zip(results[name], new, strict=True):
                    _join(was, now)
            results[name] = new
        paused = collections.defaultdict(list)
        for name in sorted(members, key=lambda name: -_scores(results[name]).mean()):
            if results[name][0].pause:
                paused[name[0]].append(name)
        members = {
            name: [
                dataclasses.replace(member, start=result.pause)
                for member, result in zip(members[name], results[name], strict=True)
            ]
            for of in paused.values()
            for name in of[: -(-len(of) // 2)]
        }
    return results


def _epochs(trials, discard):
    """Return how many epochs are trained of `trials`, their members, where some are given up.

    Who goes on isn't known yet; where trials differ in their epochs, it is their mean.
    """
    total, left, before = 0.0, len(trials), 0
    for share in (*discard, 1.0):
        until = sum(_until(member, share).span for of in trials for member in of)
        total += left / len(trials) * (until - before)
        left, before = -(-left // 2), until
    return round(total)


def _until(member, share):
    """Return a member that pauses at a share of its epochs; `fit` trains to the end."""
    stop = max(1, round(share * member.epochs))
    whole = member.blueprint is None or stop >= member.epochs
    return member if whole else dataclasses.replace(member, stop=stop)


def _join(was, now):
    """Put the curves until a pause before those after it."""
    for metric, curve in now.history.items():
        curve[: was.pause.epoch + 1] = was.history[metric][: was.pause.epoch + 1]


def _scores(results):
    """Return the last validation accuracy of each execution; of a diverged one, zero."""
    last = [result.history["val_accuracy"][_last(result)] for result in results]
    return np.where(_finite(results), last, 0.0)


def _test_accuracies(results):
    """Return the test accuracy of each execution; of a diverged one, zero."""
    return np.where(_finite(results), [r.test["test_accuracy"] for r in results], 0.0)


def _finite(results):
    """Tell which executions ended, or paused, with a finite loss, (executions,)."""
    return np.isfinite([result.history["loss"][_last(result)] for result in results])


def _last(result):
    return result.pause.epoch if result.pause else -1


@contextlib.contextmanager
def _no_progress(description, total):
    yield lambda epochs: None
