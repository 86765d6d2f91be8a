"""Variants × seeds -> histories, claims and files: the `lab` that a recipe talks to."""

import dataclasses
import functools
import importlib
import inspect
import itertools
import json
import platform
import tempfile
import time
import zipfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np

from recipes._lab import architecture, evidence, figures, menu, population, report, tensorboard
from recipes._lab import data as data_module
from recipes._lab.errors import UserError
from recipes._lab.files import RunFolder, csv_text, explained, joined, slug, write
from recipes._lab.histories import Difference, Histories
from recipes._lab.members import Member

SEEDS = 5
# By which `Lab.tune` chooses; no verdict rests on them.
TUNING_SEEDS = (-1, -2)
LEARNING_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
QUICK = {"seeds": 2, "epochs": 2, "examples": 1000}
LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn")


@dataclasses.dataclass(frozen=True)
class Options:
    """What a user may ask of a run.

    Attributes:
        data: a name or a path, as in `data.load`.
        target: the column of a .csv that holds the classes, or None for the last.
        seeds: how many, or None for the default.
        first_seed: their first number; the gallery has its own from 1000 on.
        epochs: instead of the recipe's own number, or None.
        quick: a few seeds, epochs and examples: for trying, not for judging.
        out: folder of all runs.
        save_model: path of a .keras file for the best model, or None.
    """

    data: str = "digits"
    target: str | None = None
    seeds: int | None = None
    first_seed: int = 0
    epochs: int | None = None
    quick: bool = False
    out: str = "runs"
    save_model: str | None = None


@dataclasses.dataclass(frozen=True)
class Claim:
    """A textbook's claim and what the runs say about it.

    Attributes:
        claim: what is claimed, in words.
        source: where.
        primary: whether it is the first, by which the recipe is known.
        judgement: the verdict with its numbers.
    """

    claim: str
    source: str
    primary: bool
    judgement: evidence.Judgement


class Lab:
    """What a recipe needs for its experiment: data, train, claim, figure, and little else.

    Args:
        options: what the user asked for.
        folder: an entered `RunFolder`.
        identity: texts on which every result depends, for the store of unfinished work.
        tell: called with a line of text that the user should see.
        track: context manager `track(description, total)` that yields `advance(steps)`.
    """

    panels = staticmethod(figures.panels)
    lines = staticmethod(figures.lines)
    dots = staticmethod(figures.dots)
    histograms = staticmethod(figures.histograms)

    def __init__(self, options, folder, identity, tell, track):
        self.options = options
        count = options.seeds or (QUICK["seeds"] if options.quick else SEEDS)
        self.seeds = list(range(options.first_seed, options.first_seed + count))
        self.claims, self.figures, self.rows, self.arguments, self.tuned = [], {}, None, {}, []
        self.histories, self.searches, self.repetitions = Histories({}, {}), {}, []
        self._trainings = itertools.count()
        self._folder, self._tell, self._track = folder, tell, track
        self.store = folder.store(*identity)

    def data(self, name=None, *, images=False, examples=None):
        """Return the data that the user asked for, or of another name.

        Args:
            name: a name or a path, as in `data.load`.
            images: whether the recipe needs images, (height, width, channels), and not vectors.
            examples: train on so many at the most (they are in random order); None for all.
        """
        dataset = data_module.load(name or self.options.data, self.options.target)
        dataset = dataset.images() if images else dataset.flat()
        few = QUICK["examples"] if self.options.quick else None
        return dataset.first(min(filter(None, (examples, few)), default=None), few, few)

    def train(
        self,
        build_model,
        variants,
        data,
        *,
        epochs,
        batch_size=100,
        record=(),
        watch=None,
    ):
        """Train every variant with every seed, all together, and return their `Histories`.

        Args:
            build_model: `build_model(input_shape, num_classes, **arguments)` returns a compiled
                model.
            variants: `{display name: arguments}`; the key "fit" in the arguments overrides `data`,
                `epochs`, `batch_size`, `patience`, `class_weight` or `record` for that variant. Its
                `data` may be `{seed: a Dataset}`, all of one shape, where each seed has data of its
                own. Its `copy`, a number, gives every seed other initial weights, batch orders and
                noise, the same ones to variants of the same number.
            data: a `Dataset`.
            epochs: how long; the user's EPOCHS wins.
            batch_size: examples a step.
            record: epochs after which the weights are kept, of all members.
            watch: variants whose first seed's weights, activations and gradients are logged for
                TensorBoard, about ten times in a run; None for all. A quick run takes the last.
        """
        self._check_names(variants)
        watch = list(variants) if watch is None else watch
        if self.options.quick:
            watch = watch[-1:]
        plan = {"data": data, "epochs": epochs, "batch_size": batch_size, "record": tuple(record)}
        histories = self._train(build_model, variants, plan, self.seeds, watch)
        for variant, arguments in variants.items():
            given = {name: value for name, value in arguments.items() if name != "fit"}
            self.arguments[variant] = _arguments(build_model) | given
        self.histories |= histories
        return histories

    def tune(
        self,
        build_model,
        variants,
        data,
        *,
        epochs,
        batch_size=100,
        argument="learning_rate",
        values=LEARNING_RATES,
        extend=True,
    ):
        """Choose one argument for each variant by validation accuracy, on seeds of their own.

        Every variant gets the same budget. What `train` then measures rests on other seeds, so it
        carries no luck of the choice (but the split is the same).

        Args:
            build_model: as in `train`.
            variants: as in `train`; the argument in question is left to us.
            data: as in `train`.
            epochs: as in `train`; as long as it will be trained afterwards.
            batch_size: as in `train`.
            argument: its name.
            values: to try, in order. A quick run tries three of them.
            extend: whether to go on beyond an end where the best value lies, two values at a time
                and twice at the most.

        Returns:
            The variants with the chosen value among their arguments, to be given to `train`.
        """
        plan = {"data": data, "epochs": epochs, "batch_size": batch_size, "record": ()}
        values = np.asarray(values).tolist()
        if self.options.quick:
            ends_and_middle = sorted({0, len(values) // 2, len(values) - 1})
            values, extend = [values[n] for n in ends_and_middle], False
        seeds = TUNING_SEEDS[:1] if self.options.quick else TUNING_SEEDS
        scores = {variant: {} for variant in variants}
        due = {variant: list(values) for variant in variants}
        for _ in range(3 if extend else 1):
            asked = {
                (variant, value): variants[variant] | {argument: value}
                for variant, new in due.items()
                for value in new
            }
            named = {f"{variant}, {argument} {v:g}": a for (variant, v), a in asked.items()}
            trained = self._train(build_model, named, plan, seeds, (), f"tuning {argument}")
            for (variant, value), name in zip(asked, named, strict=True):
                accuracy, loss = (trained.final(m, name) for m in ("val_accuracy", "val_loss"))
                scores[variant][value] = (accuracy.mean(), -loss.mean())
            due = {variant: _beyond(of) for variant, of in scores.items()}
            due = {variant: new for variant, new in due.items() if new}
            if not due:
                break
        best = {variant: max(of, key=of.get) for variant, of in scores.items()}
        self.tuned += [
            {
                "variant": variant,
                "argument": argument,
                "value": value,
                "val_accuracy": {f"{v:g}": float(s[0]) for v, s in sorted(scores[variant].items())},
            }
            for variant, value in best.items()
        ]
        return {variant: variants[variant] | {argument: best[variant]} for variant in variants}

    def search(
        self,
        build_tunable,
        data,
        *,
        trials,
        epochs,
        name="search",
        batch_size=100,
        oracle="random",
        stages=1,
        discard=(),
        batch=None,
        repetitions=10,
    ):
        """Repeat a whole search with seeds of its own, all repetitions together.

        Args:
            build_tunable: `build_tunable(hp, input_shape, num_classes)` returns a compiled model.
            data: a `Dataset`.
            trials: of each repetition. A quick run takes five.
            epochs: of a trial.
            name: of this search, where a recipe makes several.
            batch_size: examples a step.
            oracle: "random", "bayesian", or a function `points(random)` that returns the trials
                of a repetition, a list of `{name: value}`, from a `np.random.Generator`.
            stages: rounds, each on ranges narrowed around the best of those before it.
            discard: see `PopulationTuner`.
            batch: trials of a repetition that are asked for at once, before any of them is
                trained, or None for the oracle's own number.
            repetitions: how many; the user's SEEDS wins, and a quick run takes two.

        Returns:
            A list of `Searched`, one a repetition.
        """
        from recipes._lab import tuner  # keras-tuner takes a moment, which only a search needs

        count = self.options.seeds or (QUICK["seeds"] if self.options.quick else repetitions)
        if self.options.quick:
            trials, epochs = min(trials, 5), min(epochs, QUICK["epochs"])
        seeds = [self.options.first_seed + n for n in range(count)]
        if name in self.searches:
            raise ValueError(f"there already is a search {name!r}; give each a name of its own")

        def build_model(hp):
            return build_tunable(hp, data.input_shape, data.num_classes)

        def make(given, repetition, stage):
            return tuner.PopulationTuner(
                given,
                build_model,
                data,
                epochs=self.options.epochs or epochs,
                batch_size=batch_size,
                seeds=[seeds[repetition]],
                batch=batch,
                discard=discard,
                tell=self._tell,
                track=self._track,
                store=self.store,
                project_name=f"{name}, repetition {repetition}, round {stage}",
            )

        found, _ = tuner.search_in_stages(make, oracle, trials, stages, seeds)
        self.searches[name] = found
        self.repetitions.append(seeds)
        return [tuner.Searched(stages_of) for stages_of in found]

    def _train(self, build_model, variants, plan, seeds, watch, doing="training"):
        """Train variants x seeds and return their `Histories`."""
        members, keys, reasons = [], [], {}
        place = f"training {next(self._trainings)}"  # a variant may be tuned, and trained
        for variant, arguments in variants.items():
            arguments = dict(arguments)
            own = plan | arguments.pop("fit", {})
            if self.options.quick:
                own["epochs"] = min(own["epochs"], QUICK["epochs"])
            own["epochs"] = self.options.epochs or own["epochs"]
            by_seed, copy = own.pop("data"), own.pop("copy", None)
            if not isinstance(by_seed, Mapping):
                by_seed = dict.fromkeys(seeds, by_seed)
            of = by_seed[seeds[0]]
            build = functools.partial(build_model, of.input_shape, of.num_classes, **arguments)
            try:
                blueprint = architecture.read(build)
            except architecture.NotStackableError as error:
                blueprint, reasons[str(error)] = None, variant
            for seed in seeds:
                watched = seed == self.seeds[0] and variant in watch
                moments = _moments(own["epochs"]) if watched else ()
                planned = own | {"data": by_seed[seed], "watch": moments, "place": place}
                drawn = seed if copy is None else architecture.seed_from(seed, "copy", copy)
                members.append(Member(variant, build, blueprint, drawn, **planned))
                keys.append((variant, seed))
        for reason, variant in reasons.items():
            self._tell(f"{variant} and the like are trained one by one, with fit: {reason}")
        total = sum(member.epochs for member in members)
        description = (
            f"{doing} {len(members)} models: {len(variants)} variants x {len(seeds)} seeds"
        )
        with self._track(description, total) as advance:
            results = population.train(members, store=self.store, progress=advance)
        return Histories(
            dict(zip(keys, members, strict=True)), dict(zip(keys, results, strict=True))
        )

    def _check_names(self, variants):
        """Raise a ValueError if two variants would share a folder: one would hide the other."""
        taken = {slug(name).casefold(): name for name in self.histories.variants}
        for name in variants:
            other = taken.setdefault(slug(name).casefold(), name)
            if other != name or name in self.histories.variants:
                raise ValueError(
                    f"variants {other!r} and {name!r} would share a folder; rename one of them"
                )

    def claim(self, text, source, differences, *, at_least=0, within=None, unit=""):
        """Judge a claim; the first of a recipe is its primary one.

        Args:
            text: the claim, in words that say what is compared and at which setting.
            source: where it is made.
            differences: positive where they support the claim. One per seed, or a `Difference`,
                is judged by its mean; `{setting: one per seed}` by the number of settings at which
                the mean is above zero; a `Judgement` is taken as it is.
            at_least: the bound to exceed (with settings: how many of them), fixed beforehand.
            within: the margin of a claim of equality, fixed beforehand.
            unit: of the differences, such as "points"; with settings: what they are.

        Returns:
            The `Judgement`.
        """
        if isinstance(differences, evidence.Judgement):
            judgement = differences
        elif isinstance(differences, Mapping):
            judgement = evidence.judge_count(differences, at_least=at_least, unit=unit)
        else:
            counts = {}
            if isinstance(differences, Difference):
                differences, *numbers = differences
                counts = dict(zip(("collapsed", "runs"), numbers, strict=True))
            judgement = evidence.judge(
                differences, at_least=at_least, within=within, unit=unit, **counts
            )
        self.claims.append(Claim(text, source, not self.claims, judgement))
        return judgement

    def figure(self, figure, name=None):
        """Keep a matplotlib figure as figure.png, or figure-<name>.png."""
        file = f"figure-{slug(name)}.png" if name else "figure.png"
        if file in self.figures:
            raise ValueError(f"there already is a {file}; give each figure a name of its own")
        self.figures[file] = figures.png(figure)

    def table(self, variants):
        """Choose the variants that the printed table shows; by default all of them.

        Args:
            variants: `{row name: variant}`, or names of variants.
        """
        names = variants if isinstance(variants, Mapping) else {name: name for name in variants}
        cells = report.rows(self.histories, names.values())
        self.rows = [(name, *row[1:]) for name, row in zip(names, cells, strict=True)]


def _beyond(scores):
    """Return two more values beyond the end at which the best of `{value: score}` lies, if any."""
    values, best = sorted(scores), max(scores, key=scores.get)
    if len(values) < 3 or best not in (values[0], values[-1]):
        return []
    end, next_to, third = values[:3] if best == values[0] else values[:-4:-1]
    if not end or not third:  # factors lead nowhere from zero
        return []
    return [next_to * end / third, end * end / third]  # 0.1, 0.3, 1 goes on with 3, 10


def _moments(epochs):
    """Return about ten epochs from 0 to the last, closest together at the start."""
    return tuple(sorted({round(epochs * (n / 9) ** 1.5) for n in range(10)}))


def _arguments(build_model):
    """Return the keyword arguments of `build_model` with their defaults."""
    parameters = inspect.signature(build_model).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


@functools.cache
def program():
    """Return the texts of the code that results depend on, beside a recipe's, as first read."""
    root = Path(__file__).parent
    files = [*sorted(root.glob("*.py")), root.parent.parent / "callbacks/distribution_logger.py"]
    return [path.read_text(encoding="utf-8") for path in files]


def versions(libraries):
    """Return the versions of libraries and of Python, by name."""
    return {library: version(library) for library in libraries} | {
        "python": platform.python_version()
    }


def run(name, options, tell, track):
    """Run a recipe and write its folder.

    Args:
        name: of the recipe's module in `recipes`.
        options: what the user asked for.
        tell: see `Lab`.
        track: see `Lab`.

    Returns:
        The `Lab`, and the folder that now holds the results.

    Raises:
        UserError: anything that the user can put right.
    """
    start = time.perf_counter()
    module = importlib.import_module(f"recipes.{name}")
    if not hasattr(module, "run"):
        raise UserError(f"recipes/{name}.py has no run(lab); recipes/bn_vs_nobn.py shows one")
    source = Path(module.__file__).read_text(encoding="utf-8")
    dataset = data_module.load(options.data, options.target)
    arguments = dataclasses.asdict(options)
    depends_on = {k: v for k, v in arguments.items() if k not in ("out", "save_model")}
    depends_on["data"] = dataset.fingerprint
    identity = [name, source, *program(), json.dumps([depends_on, versions(LIBRARIES)])]
    with RunFolder(options.out, name, dataset.name) as folder:
        lab = Lab(options, folder, identity, tell, track)
        module.run(lab)
        run_json = {
            "recipe": name,
            "question": menu.parse(name, source).question,
            "arguments": arguments | {"data": dataset.name},
            "seeds": max(lab.repetitions, key=len) if lab.repetitions else lab.seeds,
            "versions": versions(LIBRARIES),
            "tuned": lab.tuned,
            "seconds": {"total": round(time.perf_counter() - start, 1)},
        }
        _write(lab, folder.work, source, run_json)
        folder.finish()
        if options.save_model:
            _save_best(lab, Path(options.save_model))
        lab.store.clear()
    return lab, folder.final


def _write(lab, folder, source, run_json):
    """Write the files of a run."""
    name, data_name = run_json["recipe"], run_json["arguments"]["data"]
    if lab.histories.results:
        write(folder / "results.csv", _results(lab.histories, name, data_name))
        with explained(folder):
            tensorboard.write_logs(
                lab.histories,
                lab.arguments,
                folder / "tensorboard",
                question=run_json["question"],
                claims=lab.claims,
                figures=lab.figures,
            )
        if lab.rows is None:
            lab.table(lab.histories.variants)
    for search, repetitions in lab.searches.items():
        tables = [
            ((repetition, stage), tuner.tables()[0])
            for repetition, of in enumerate(repetitions)
            for stage, tuner in enumerate(of, 1)
        ]
        rows = joined(("repetition", "stage"), tables)
        write(folder / f"trials-{slug(search)}.csv", csv_text(rows))
        trials = [(tuner, trial) for tuner in repetitions[0] for trial in tuner.trials()]
        with explained(folder):
            tensorboard.write_search(trials, folder / "tensorboard" / slug(search))
    claims = [
        {"claim": c.claim, "source": c.source, "primary": c.primary}
        | dataclasses.asdict(c.judgement)
        | {"detail": c.judgement.detail}
        for c in lab.claims
    ]
    write(folder / "claims.json", json.dumps(claims, indent=1, ensure_ascii=False))
    write(folder / "run.json", json.dumps(run_json, indent=1))
    for file, content in lab.figures.items():
        write(folder / file, content)
    page = report.page(
        name=name,
        data=data_name,
        claims=lab.claims,
        figures=lab.figures,
        table=report.rows(lab.histories, lab.histories.variants),
        source=source,
        run=run_json,
    )
    write(folder / "report.html", page)


def _results(histories, recipe, data_name):
    """Return results.csv: one row a number, in a fixed order."""
    rows = [("recipe", "data", "variant", "seed", "epoch", "metric", "value")]
    for (variant, seed), result in histories.results.items():
        where = (recipe, data_name, variant, seed)
        for metric, values in result.history.items():
            for epoch, value in enumerate(values.tolist()):
                rows.append((*where, epoch, metric, repr(value)))
        for metric, value in result.test.items():
            rows.append((*where, result.epoch, metric, repr(value)))
    return csv_text(rows)


def _save_best(lab, path):
    """Save the model that is best on validation, the best variant's best seed, and what it is.

    Where no variants were trained, the best trial of all searches.
    """
    histories = lab.histories
    if not histories.results:
        from recipes._lab.tuner import rank

        found = [
            (trial, tuner)
            for repetitions in lab.searches.values()
            for stages in repetitions
            for tuner in stages
            for trial in tuner.oracle.get_best_trials(1)
        ]
        if not found:
            raise UserError("this recipe trains no model that could be saved; omit --save-model")
        trial, tuner = min(found, key=lambda of: rank(of[0]))
        about = {
            "class_names": tuner.data.class_names,
            "hyperparameters": trial.hyperparameters.values,
            "val_accuracy": float(trial.score),
            "test_accuracy": float(tuner.test_accuracy(trial).mean()),
        }
        save_model(tuner.load_model(trial), about, path)
        return
    variant = histories.best(histories.variants)
    accuracy = histories.final("val_accuracy", variant)
    seed = histories.seeds(variant)[int(np.argmax(accuracy))]
    member, result = histories.members[variant, seed], histories.results[variant, seed]
    about = {
        "class_names": member.data.class_names,
        "variant": variant,
        "seed": seed,
        "val_accuracy": float(accuracy.max()),
        **result.test,
    }
    save_model(histories.model(variant, seed), about, path)


def save_model(model, about, path):
    """Write an ordinary .keras file with one more member in its archive: recipe.json."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("recipe.json", json.dumps(about, indent=1, ensure_ascii=False))
        write(path, file.read_bytes())
