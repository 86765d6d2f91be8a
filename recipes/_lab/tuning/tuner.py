"""keras-tuner's oracles and files, with whole batches of trials trained as populations.

keras-tuner draws the hyperparameters, keeps the state of the search and ranks the trials. Here, it
is asked for many trials at once; those that share an architecture are trained as one graph, every
trial with several seeds.
"""

import contextlib
import functools
import io
import itertools
import json
import operator
import shutil
import tempfile
import time
import weakref
from pathlib import Path
from unittest import mock

import keras_tuner
import numpy as np
from keras_tuner.src import utils as keras_tuner_utils

from recipes._lab.errors import UserError
from recipes._lab.files import write
from recipes._lab.seeding import seed_from
from recipes._lab.training import population
from recipes._lab.training.loading import load_model, model_to_train
from recipes._lab.training.members import METRICS, Member, Result
from recipes._lab.tuning.drawing import complete, explore, in_one_line
from recipes._lab.tuning.halving import scores, search_together, test_accuracies
from recipes._lab.tuning.oracles import failed
from recipes._lab.tuning.start import check

BATCH = 48  # trials asked for and trained at once: two chunks of 24
# Of the trials that a Gaussian process proposes, each knows of the others only that they run.
BAYESIAN_BATCH = 8
# Trials in a row that can't be trained end a search: a space of which half fails does so in one of
# ten thousand.
FAILURES = 20
FIT = keras_tuner.HyperModel.fit


class PopulationTuner(keras_tuner.Tuner):
    """A tuner that trains its trials batch by batch, each batch as populations.

    What keras-tuner's tuners offer works: `results_summary()`, `get_best_hyperparameters()`,
    `get_best_models()` (the execution of the trial that is best on validation). Two names of
    hyperparameters have a meaning: `batch_size` and `epochs` are used in training if a model's
    `hp` draws them. A trial's score is the mean validation accuracy of its executions after the
    last epoch; a trial with an execution that diverges has FAILED, as has one whose model can't be
    built. `FAILURES` of those in a row end the search.

    Args:
        oracle: as from `make_oracle`, or any other that gives several open trials.
        hypermodel: a `keras_tuner.HyperModel`, or a function `build_model(hp)` that returns a
            compiled `keras.Sequential`. Other models are trained one by one, with `fit`.
        data: a `Dataset`, or `Splits`, of which each execution's seed has its own.
        epochs: of a trial.
        batch_size: examples a step.
        seeds: of a trial's executions.
        batch: trials asked for at once, or None for the oracle's own number.
        discard: at each of these shares of the epochs, the worse half of a batch is pruned
            (successive halving, Jamieson and Talwalkar 2016), such as (1 / 9, 1 / 3).
        directory: of all searches, or None for a search whose files nobody needs.
        project_name: folder of this search in it. If it holds a search, that goes on.
        log: called with a line of text that the user should see.
        progress: context manager `progress(description, total)` that yields `advance(steps)`.
        store: keeps what is trained for a run that is killed, as in `population.train`; a search
            with a directory needs none.
        train: what trains members, a `Cluster`'s; None for `population.train`.
        start: `{name: value}` of the trials that come first; what it leaves out has its default.
            For oracles of `make_oracle`.
        reported: called whenever the results of a batch have been kept.

    Raises:
        UserError: the folder holds something that is not the state of a search, the data are none
            for a classifier, or the hypermodel trains by itself.
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
        log=print,
        progress=None,
        store=None,
        train=None,
        start=(),
        reported=None,
    ):
        _check_data(data, seeds)
        if getattr(type(hypermodel), "fit", FIT) is not FIT:
            raise UserError(
                f"{type(hypermodel).__name__} has a fit of its own, which can't train populations; "
                "leave it out (batch_size and epochs may be drawn in build), or give it to "
                "keras_tuner.RandomSearch"
            )
        self.data, self.epochs, self.batch_size = data, epochs, batch_size
        self.seeds, self.discard = tuple(seeds), tuple(discard)
        bayesian = isinstance(oracle, keras_tuner.oracles.BayesianOptimizationOracle)
        self._is_grid = isinstance(oracle, keras_tuner.oracles.GridSearchOracle)
        self.batch = batch or (BAYESIAN_BATCH if bayesian else BATCH)
        self._log, self._progress, self._logged = log, progress or _no_progress, set()
        self._kept, self._temporary, self.store = {}, directory is None, store
        self._drawings, self._tried, self._failures = {}, {}, {}
        self.train_members = train or population.train
        if self._temporary:
            directory = tempfile.mkdtemp()  # keras-tuner makes empty folders in it
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        this = weakref.ref(self)  # keras-tuner keeps every oracle for good
        oracle.complete = lambda trial_id, values: this()._complete(trial_id, values)
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(
                oracle, hypermodel, directory=str(directory), project_name=project_name
            )
        oracle.verbose = 0
        self._reported = reported or (lambda: None)
        if start:
            if not hasattr(oracle, "start"):
                raise UserError(f"start: {type(oracle).__name__} takes no values; use make_oracle")
            oracle.start = [self._checked(values) for values in start]

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

    def search(self, *data, minutes=None, **options):
        """Train trials until the oracle has no more.

        Args:
            data: nothing: a tuner has its data from the beginning, as it has its epochs.
            minutes: after which no batch begins any more; the same search goes on from there.
            options: nothing, likewise.
        """
        if data or options:
            refused = ", ".join(["data"] * bool(data) + list(options))
            raise UserError(
                f"search() takes only minutes, not {refused}: give data, epochs and batch_size to "
                "PopulationTuner(...), as a Dataset"
            )
        search_together([self], minutes and time.monotonic() + 60 * minutes)

    def ask(self):
        """Return the next batch of trials, empty at the end of the search.

        Raises:
            UserError: as many trials as `FAILURES` in a row could not be trained.
        """
        self._check_failures()
        trials = []
        with self._whole_files():
            self.save()  # only if its own file is there does keras-tuner go on with a search
            for slot in range(self.batch):
                trial = self.oracle.create_trial(f"{self.tuner_id}-slot{slot}")
                if trial.status in ("STOPPED", "IDLE"):
                    self._log_exhaustion(trial)
                    break
                trials.append(trial)
                if not self._is_grid:
                    self._settle(trial)
            if self._is_grid:  # goes from one trial to the next, so all have the same names
                for trial in trials:
                    self._settle(trial)
            self.oracle.save()
        return trials

    def _check_failures(self):
        """Raise a UserError if so many trials in a row failed that the rest would, too."""
        row = list(itertools.takewhile(failed, reversed(self.trials())))
        if len(row) >= FAILURES and self._goes_on():
            raise UserError(
                f"{len(row)} trials in a row have failed, so the search ends; the last: "
                f"{row[0].message.removeprefix('failed: ')}; mend the function that builds the "
                "model, or narrow its ranges"
            )

    def _log_exhaustion(self, trial):
        if trial.status == "STOPPED" and (self.remaining_trials or 0) > 0:
            self._log_once(
                f"the search space is exhausted: {len(self.trials())} different trials were "
                f"found, of {self.oracle.max_trials} asked for"
            )

    def _goes_on(self):
        """Tell whether there are fewer trials than were asked for."""
        return self.remaining_trials is None or self.remaining_trials > 0

    def _log_once(self, line, kind=None):
        """Log a line unless it, or one of its kind, was logged before."""
        if (kind or line) not in self._logged:
            self._logged.add(kind or line)
            self._log(line)

    def report(self, trials, results):
        """Keep the results of a batch and tell the oracle its scores.

        Args:
            trials: the batch.
            results: `{trial_id: results}`, without those that can't be trained.
        """
        with self._whole_files():
            for trial in trials:
                if trial.trial_id in results:
                    self._report(trial, results[trial.trial_id])
                else:
                    self._report_failure(trial)
        self._reported()

    def fail(self, trial_id, error):
        """Note what was raised when a trial of the batch was trained."""
        self._failures[trial_id] = in_one_line(error)

    @property
    def is_elsewhere(self):
        """Whether trials are trained by a cluster."""
        return self.train_members is not population.train

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
        member, result, _ = self.best_execution(trial)
        return load_model(member, result.weights)

    def best_execution(self, trial):
        """Return a trial's member that is best on validation, its `Result` and its seed."""
        arrays = self._arrays(trial)
        curves = arrays["val_accuracy"]
        last = np.flatnonzero(np.isfinite(curves).all(axis=0))[-1]  # pruned trials end early
        best = int(curves[:, last].argmax())
        weights = [arrays[str(n)] for n in range(len(arrays) - len(METRICS) - 1)]
        history = {metric: arrays[metric][best] for metric in METRICS}
        test = {"test_accuracy": float(arrays["test"][best])}
        seed = self.seeds[best]
        return self._member(trial, seed), Result(history, test, int(last), weights), seed

    def tables(self):
        """Return two tables, lists of rows with a head: a row a trial, and a row a number.

        Trials that are not finished are left out.
        """
        names = list(dict.fromkeys(p.name for p in self.oracle.get_space().space))
        rows = [("trial", "status", "val_accuracy", "message", *names)]
        numbers = [("trial", "seed", "epoch", "metric", "value")]
        for trial in self.trials():
            if trial.status == "RUNNING":
                continue
            values = [trial.hyperparameters.values.get(name, "") for name in names]
            score = "" if trial.score is None else repr(float(trial.score))
            rows.append((trial.trial_id, trial.status, score, trial.message or "", *values))
            for metric, of_seed in self.history(trial).items():
                for seed, curve in zip(self.seeds, of_seed.tolist(), strict=True):
                    for epoch, value in enumerate(curve):
                        numbers.append((trial.trial_id, seed, epoch, metric, repr(value)))
        return rows, numbers

    def members(self, trial):
        """Return the members that a trial is made of, one a seed; none if it can't be trained."""
        drawing = self._drawn(trial)
        message = drawing.failure
        if message is None:
            members = [self._member(trial, seed) for seed in self.seeds]
            message = self._try(members[0])
        if message is not None:
            self._failures[trial.trial_id] = message
            return []
        if drawing.obstacle:
            name = f"trial {trial.trial_id} and the like"
            line = f"{name} are trained one by one, with fit: {drawing.obstacle}"
            self._log_once(line, drawing.obstacle)
        return members

    def _populate_initial_space(self):
        """Learn the space of the default model; see `keras_tuner.Tuner`."""
        space = self.oracle.get_space()
        self.hypermodel.declare_hyperparameters(space)
        self.oracle.update_space(space)
        explore(self.hypermodel.build, self.oracle)

    def _complete(self, trial_id, values):
        """Return a trial's values with all that its model asks for, and nothing else."""
        number = int(trial_id)

        def draw(parameter):
            is_start = number < len(getattr(self.oracle, "start", ()))
            if is_start or self._is_grid or not self.oracle.tune_new_entries:
                return parameter.default
            return parameter.random_sample(
                seed_from(self.oracle.seed, "trial", number, parameter.name)
            )

        drawing = complete(self.hypermodel.build, self.oracle, values, draw, keep=self._is_grid)
        self._drawings[trial_id] = drawing
        return dict(drawing.values)  # keras-tuner adds to it

    def _checked(self, values):
        """Return values to start with, as their hyperparameters have them."""
        build, default = self.hypermodel.build, operator.attrgetter("default")
        drawing = complete(build, self.oracle, values, default)
        return check(values, drawing.hyperparameters)

    def _drawn(self, trial):
        """Return the `Drawing` of a trial."""
        if trial.trial_id not in self._drawings:
            self._complete(trial.trial_id, trial.hyperparameters.values)
        return self._drawings[trial.trial_id]

    def _settle(self, trial):
        """Give a trial the hyperparameters that its model asks for.

        keras-tuner has added, at random and without a seed, whatever else is in the space.
        """
        # A copy: a build adds to those that it is given what lies in closed scopes.
        trial.hyperparameters = self._drawn(trial).hyperparameters.copy()
        self.oracle._record_values(trial)
        trial.save(str(Path(self.get_trial_dir(trial.trial_id)) / "trial.json"))

    def _try(self, member):
        """Return in a line why a model can't be trained, or None."""
        key = member.spec and member.spec.signature
        if key is None or key not in self._tried:
            try:
                model_to_train(member)
                self._tried[key] = None
            except Exception as error:  # whatever a user's model may raise
                self._tried[key] = in_one_line(error)
        return self._tried[key]

    def _member(self, trial, seed):
        drawing = self._drawn(trial)
        return Member(
            label=f"trial {trial.trial_id}",
            build=functools.partial(self.hypermodel.build, drawing.hyperparameters),
            spec=drawing.spec,
            seed=seed,
            data=self.data.split(seed),
            epochs=int(drawing.values.get("epochs", self.epochs)),
            batch_size=int(drawing.values.get("batch_size", self.batch_size)),
            place=self.project_name,
        )

    def _report_failure(self, trial):
        """Keep that a trial couldn't be trained: its curves are one NaN each."""
        message = self._failures.pop(trial.trial_id)
        line = f"trial {trial.trial_id} failed: {message} (further failures are only counted)"
        self._log_once(line, "failed")
        nothing = np.full((len(self.seeds), 1), np.nan)
        test = {"test": np.zeros(len(self.seeds))}
        self._keep(trial, dict.fromkeys(METRICS, nothing) | test)
        trial.status, trial.message = "FAILED", f"failed: {message}"
        self.on_trial_end(trial)
        del self._drawings[trial.trial_id]

    def _report(self, trial, results):
        """Keep a trial's curves and best weights, and tell the oracle its score."""
        arrays = {metric: np.stack([r.history[metric] for r in results]) for metric in METRICS}
        accuracies = scores(results)
        best = results[int(accuracies.argmax())]
        weights = {str(n): weight for n, weight in enumerate(best.weights)}
        self._keep(trial, arrays | weights | {"test": test_accuracies(results)})
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
            trial.message = None if last == epochs else f"pruned after {last} of {epochs} epochs"
        self.on_trial_end(trial)
        del self._drawings[trial.trial_id]

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


def _check_data(data, seeds):
    """Raise a UserError unless these are data for a classifier."""
    if not hasattr(data, "split"):
        raise UserError(
            f"data is a {type(data).__name__}; give a Dataset of recipes._lab.data: "
            "Dataset(name, class_names, train, validation, test), each part a Split(x, y)"
        )
    for part in data.split(next(iter(seeds))).parts:
        kind, axes = part.y.dtype.kind, part.y.ndim
        if axes != 1:
            raise UserError(
                f"labels of shape {part.y.shape}: a trial has one output with one label for each "
                "example; make one-hot labels whole numbers, y.argmax(axis=1)"
            )
        if kind not in "iub":
            raise UserError(
                f"labels are {part.y.dtype}, not whole numbers from 0: a trial's score is its "
                "accuracy; search a regression with keras_tuner.RandomSearch"
            )


@contextlib.contextmanager
def _no_progress(description, total):
    yield lambda epochs: None
