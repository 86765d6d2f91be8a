"""`make search`: a recipe's search space, searched in stages -> tables, figures, the best model."""

import contextlib
import dataclasses
import hashlib
import importlib
import inspect
import json
import shutil
import time
from pathlib import Path

import keras_tuner
import numpy as np

from recipes._lab import digest, saving
from recipes._lab.data import Splits, read
from recipes._lab.errors import UserError
from recipes._lab.files import RunFolder, csv_text, explained, joined, write
from recipes._lab.lab import QUICK
from recipes._lab.output import figures, tensorboard, understanding
from recipes._lab.training import cluster
from recipes._lab.tuning import space
from recipes._lab.tuning.halving import search_in_stages
from recipes._lab.tuning.oracles import FIXED, failed, rank
from recipes._lab.tuning.remarks import remarks
from recipes._lab.tuning.start import parse
from recipes._lab.tuning.tuner import PopulationTuner

TRIALS, EPOCHS, BATCH_SIZE = 100, 20, 100
DISCARD = (1 / 9, 1 / 3)
QUICK_TRIALS = 8


@dataclasses.dataclass(frozen=True)
class Options:
    """What a user may ask of a search.

    Attributes:
        data: a name or a path, as in `data.read`.
        target: the column of a table that holds the classes, or None for the last.
        header: "first" or "none" if a table's first row holds names, or none; None to find out.
        group: the column of a table whose equal values stay in one part of a split, or None.
        examples: train on so many at the most, or None for all.
        save_model: path of a .keras file for the best model, beside that in the folder; or None.
        refit: whether the best model is trained once more, on the validation part as well.
        trials: how many in all; None for 100, or 8 of a quick search.
        stages: how many, each on ranges narrowed around the best of those before it.
        oracle: "random", "sobol" or "bayesian".
        seeds: executions of each trial.
        epochs: of a trial, or None for the default.
        discard: whether the worse half of a batch is pruned after a ninth and a third of the
            epochs.
        cluster: "auto" or an address to train on Ray, see `cluster.Cluster`; or None.
        quick: a few trials, epochs and examples.
        start: values of the first trial, such as `learning_rate=0.01,units=32`; or None.
        minutes: after which no batch of trials begins any more, or None.
        out: folder of all runs.
    """

    data: str = "digits"
    target: str | None = None
    header: str | None = None
    group: str | None = None
    examples: int | None = None
    save_model: str | None = None
    refit: bool = False
    trials: int | None = None
    stages: int = 1
    oracle: str = "random"
    seeds: int = 1
    epochs: int | None = None
    discard: bool = False
    cluster: str | None = None
    quick: bool = False
    start: str | None = None
    minutes: int | None = None
    out: str = "runs"


@dataclasses.dataclass
class Findings:
    """What came of a search.

    Attributes:
        trials: all trials, in order.
        ranking: the completed ones, the best mean validation accuracy first, pruned ones last.
        test_accuracy: of the executions of the first, (seeds,); asked for once, of this trial.
        importance: `{name: (mean, half-width of the 95 % interval)}`, see `space.importance`;
            empty if it can't be told.
        figures: `{file name: PNG bytes}`.
        remarks: what to know before the first is used, a line each.
        saved: the description of the saved model.
    """

    trials: list
    ranking: list
    test_accuracy: np.ndarray
    importance: dict
    figures: dict
    remarks: list
    saved: dict = dataclasses.field(default_factory=dict)


def run(name, options, log, progress):
    """Search a recipe's `build_tunable` and write what came of it.

    Args:
        name: of the recipe's module in `recipes`.
        options: what the user asked for.
        log: see `lab.Lab`.
        progress: see `lab.Lab`.

    Returns:
        The `Findings`, and the folder that now holds the results.

    Raises:
        UserError: anything that the user can put right.
    """
    start = time.monotonic()
    module = importlib.import_module(f"recipes.{name}")
    data = _data(module, options, log)
    epochs = options.epochs or (QUICK["epochs"] if options.quick else EPOCHS)
    known = _known(module.build_tunable, data, epochs)

    def build_model(hp):
        return module.build_tunable(hp, data.input_shape, data.num_classes, **known)

    hp = keras_tuner.HyperParameters()
    try:
        build_model(hp)
    except Exception:
        if not hp.space:
            raise  # it fails whatever is drawn
    if all(isinstance(parameter, FIXED) for parameter in hp.space):
        raise UserError(
            f"{module.__name__}.build_tunable asks hp for nothing that varies, so nothing to search"
        )
    trials = options.trials or (QUICK_TRIALS if options.quick else TRIALS)
    options = dataclasses.replace(options, trials=trials)
    until = options.minutes and start + 60 * options.minutes
    first = [parse(options.start)] if options.start else []
    settings = {
        "data": data.split(0).fingerprint,
        "epochs": epochs,
        "seeds": options.seeds,
        "oracle": options.oracle,
        "stages": options.stages,
        "discard": options.discard,
        "start": first,
        "recipe": digest.of_code(Path(module.__file__).read_text(encoding="utf-8")),
        "program": digest.of_program(),
        "versions": digest.versions(),
    }
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(RunFolder(options.out, name, f"{data.name}-search"))
        train = stack.enter_context(cluster.training(options.cluster))
        state = folder.cache / f"search-{name}-{_digest(settings)}"
        _say_if_new(folder.cache / f"search-{name}.json", settings, state, log)
        growing, made = Growing(folder.final), []

        def make(oracle, repetition, stage):
            ranges = oracle.get_space().get_config() if stage else None
            tuner = PopulationTuner(
                oracle,
                build_model,
                data,
                epochs=epochs,
                batch_size=BATCH_SIZE,
                seeds=range(options.seeds),
                discard=DISCARD if options.discard else (),
                directory=state,
                project_name=f"stage-{stage + 1}-{_digest(ranges)}",
                log=log,
                progress=progress,
                train=train,
                start=[] if stage else first,
                reported=lambda: growing.write(made),
            )
            made.append(tuner)
            return tuner

        plan = (options.oracle, options.trials, options.stages, [0], until)
        (tuners,), original = search_in_stages(make, *plan)
        _check_completed(tuners)
        findings, tuner = _findings(tuners, original)
        _write(name, options, data.source, folder.work, tuners, tuner, findings, epochs, start)
        folder.finish()
        growing.clear()
    return findings, folder.final


def _check_completed(tuners):
    """Raise a UserError if no trial has a score."""
    trials = [trial for tuner in tuners for trial in tuner.trials()]
    broken = [trial for trial in trials if failed(trial)]
    if any(tuner.completed() for tuner in tuners):
        return
    if not broken:
        raise UserError("all trials diverged; search smaller learning rates")
    raise UserError(
        f"{len(broken)} of {len(trials)} trials failed and none is left; the last: "
        f"{broken[-1].message.removeprefix('failed: ')}; mend build_tunable, or narrow its ranges"
    )


class Growing:
    """Tables and figure of a search that is not finished, beside the folder of its results.

    Args:
        final: the folder that the finished search will have.
    """

    SECONDS = 10  # from one writing to the next, at least

    def __init__(self, final):
        self.folder = final.with_name(f"{final.name}-unfinished")
        self._due = 0.0

    def write(self, tuners):
        """Write what there is, unless that was done just now."""
        if time.monotonic() < self._due:
            return
        _write_tables(tuners, self.folder)
        completed = [trial for tuner in tuners for trial in tuner.completed()]
        if completed:
            figure = _scatter(completed, tuners[0].oracle.get_space())
            write(self.folder / "figure.png", figures.png(figure), durable=False)
        self._due = time.monotonic() + self.SECONDS

    def clear(self):
        """Delete the folder: the search is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _write_tables(tuners, folder):
    """Write trials.csv and history.csv."""
    tables = [((stage,), of.tables()) for stage, of in enumerate(tuners, 1)]
    for n, file in enumerate(("trials.csv", "history.csv")):
        write(folder / file, csv_text(joined(("stage",), [(of, both[n]) for of, both in tables])))


def _scatter(completed, original):
    """Draw the scores of completed trials over each hyperparameter that was varied."""
    parameters = [p for p in original.space if space.is_varied(p, completed)] or original.space
    return figures.scatter(
        {p.name: space.values_of(p, completed) for p in parameters},
        100 * np.array([trial.score for trial in completed]),
        logarithmic=[p.name for p in parameters if getattr(p, "sampling", None) == "log"],
        y_label="validation accuracy (%)",
    )


def _data(module, options, log):
    """Return the data in the shape that the recipe's template takes, split by each seed.

    What was understood of a table is logged.
    """
    if not hasattr(module, "build_tunable"):
        raise UserError(f"{module.__name__} has no build_tunable, so nothing to search")
    parameters = inspect.signature(module.build_tunable).parameters
    shape = getattr(parameters.get("input_shape"), "default", None)
    if not isinstance(shape, tuple):
        raise UserError(
            f"build_tunable of {module.__name__} takes no input_shape with a default, such as "
            "(64,) or (28, 28, 1), that says what it needs; recipes/bn_vs_nobn.py shows one"
        )
    if "num_classes" not in parameters:
        raise UserError(
            f"build_tunable of {module.__name__} takes no num_classes: this search is for "
            "classifiers; give build_tunable to keras_tuner.RandomSearch"
        )
    few = options.examples or (QUICK["examples"] if options.quick else None)

    def shaped(dataset, random):
        dataset = dataset.images() if len(shape) == 3 else dataset.flat()
        return dataset.first(few, few, few if options.quick else None)

    source = read(options.data, options.target, options.header, options.group)
    understanding.log(source, log)
    return Splits(source, range(options.seeds), [shaped])


def _known(build_tunable, data, epochs):
    """Return what a schedule depends on, as far as `build_tunable` asks for it by name."""
    examples = len(data.split(0).train)
    steps = examples // min(BATCH_SIZE, examples)
    known = {"examples": examples, "epochs": epochs, "steps_per_epoch": steps}
    parameters = inspect.signature(build_tunable).parameters
    return {name: value for name, value in known.items() if name in parameters}


def _digest(content):
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _say_if_new(path, settings, state, log):
    """Say that a search of other settings than the last one starts anew."""
    try:
        last = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        last = None
    if isinstance(last, dict) and last != settings and not state.exists():
        changed = [key for key in settings if last.get(key) != settings[key]]
        log(f"a new search, since there is a change in: {', '.join(changed)}")
    elif state.exists():
        log("going on with the search that was begun with these settings")
    write(path, json.dumps(settings))


def _findings(tuners, original):
    """Return the findings and the tuner of the best trial."""
    completed = [trial for tuner in tuners for trial in tuner.completed()]
    ranking = sorted(completed, key=rank)
    best = ranking[0]
    (tuner,) = [tuner for tuner in tuners if best in tuner.completed()]
    importances = space.importance(
        original, [trial for trial in completed if trial.message is None]
    )
    importance = {name: space.corrected_interval(values) for name, values in importances.items()}
    drawn = {"figure.png": _scatter(completed, original)}
    parameters = [p for p in original.space if space.is_varied(p, completed)]
    if len(parameters) > 1:
        drawn["figure-parallel.png"] = figures.parallel(
            {
                p.name: [
                    # A trial has no value where its model didn't ask for it.
                    np.nan if value is None else p.value_to_prob(value)
                    for value in space.values_of(p, completed)
                ]
                for p in parameters
            },
            {p.name: [p.prob_to_value(0.0), p.prob_to_value(1.0)] for p in parameters},
            100 * np.array([trial.score for trial in completed]),
            label="validation accuracy (%)",
        )
    if importance:
        drawn["figure-importance.png"] = figures.importance(
            importance,
            x_label="importance: growth of the squared error / variance,\n"
            "when its values are permuted among held-out trials",
        )
    pictures = {file: figures.png(figure) for file, figure in drawn.items()}
    trials = [trial for tuner in tuners for trial in tuner.trials()]
    lines = remarks(tuners, original, ranking)
    test = tuner.test_accuracy(best)
    return Findings(trials, ranking, test, importance, pictures, lines), tuner


def _write(name, options, source, folder, tuners, tuner, findings, epochs, start):
    """Write the files of a search."""
    best = findings.ranking[0]
    _write_tables(tuners, folder)
    for file, content in findings.figures.items():
        write(folder / file, content)
    about = {
        "recipe": name,
        "hyperparameters": best.hyperparameters.values,
        "val_accuracy": float(best.score),
    }
    member, result, seed = tuner.best_execution(best)
    model = folder / "best.keras"
    findings.saved = saving.save_member(
        member, result, source, seed, about, model, refit=options.refit
    )
    if options.save_model:
        write(options.save_model, model.read_bytes())
    with explained(folder):
        tensorboard.write_search(
            [(t, trial) for t in tuners for trial in t.trials()], folder / "tensorboard"
        )
    content = {
        "recipe": name,
        "arguments": dataclasses.asdict(options) | {"data": source.name},
        "epochs": epochs,
        "best": {
            "trial": best.trial_id,
            "test_accuracy": findings.test_accuracy.tolist(),
            **findings.saved,
        },
        "understood": source.understood and dataclasses.asdict(source.understood),
        "importance": findings.importance,
        "remarks": findings.remarks,
        "versions": digest.versions(),
        "seconds": {"total": round(time.monotonic() - start, 1)},
    }
    write(folder / "search.json", json.dumps(content, indent=1, ensure_ascii=False))
