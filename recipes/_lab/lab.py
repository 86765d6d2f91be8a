"""Variants × seeds -> histories, claims and files: the `lab` that a recipe talks to."""

import dataclasses
import functools
import inspect
import itertools
from collections.abc import Mapping

import numpy as np

from recipes._lab import evidence
from recipes._lab.data import load
from recipes._lab.files import slug
from recipes._lab.histories import Difference, Histories
from recipes._lab.output import figures, report
from recipes._lab.training import architecture, population
from recipes._lab.training.members import Member

SEEDS = 5
# By which `Lab.tune` chooses; no verdict rests on them.
TUNING_SEEDS = (-1, -2)
LEARNING_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
QUICK = {"seeds": 2, "epochs": 2, "examples": 1000}


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
        log: called with a line of text that the user should see.
        progress: context manager `progress(description, total)` that yields `advance(steps)`.
    """

    panels = staticmethod(figures.panels)
    lines = staticmethod(figures.lines)
    dots = staticmethod(figures.dots)
    histograms = staticmethod(figures.histograms)

    def __init__(self, options, folder, identity, log, progress):
        self.options = options
        count = options.seeds or (QUICK["seeds"] if options.quick else SEEDS)
        self.seeds = list(range(options.first_seed, options.first_seed + count))
        self.claims, self.figures, self.rows, self.arguments, self.tuned = [], {}, None, {}, []
        self.histories, self.searches, self.repetitions = Histories({}, {}), {}, []
        self._trainings = itertools.count()
        self._folder, self._log, self._progress = folder, log, progress
        self.store = folder.store(*identity)

    def data(self, name=None, *, images=False, examples=None):
        """Return the data that the user asked for, or of another name.

        Args:
            name: a name or a path, as in `data.load`.
            images: whether the recipe needs images, (height, width, channels), and not vectors.
            examples: train on so many at the most (they are in random order); None for all.
        """
        dataset = load(name or self.options.data, self.options.target)
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
            stages: how many, each on ranges narrowed around the best of those before it.
            discard: see `PopulationTuner`.
            batch: trials of a repetition that are asked for at once, before any of them is
                trained, or None for the oracle's own number.
            repetitions: how many; the user's SEEDS wins, and a quick run takes two.

        Returns:
            A list of `Searched`, one a repetition.
        """
        # keras-tuner takes a moment, which only a search needs
        from recipes._lab.tuning import halving, tuner

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
                log=self._log,
                progress=self._progress,
                store=self.store,
                project_name=f"{name}, repetition {repetition}, stage {stage}",
            )

        found, _ = halving.search_in_stages(make, oracle, trials, stages, seeds)
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
                spec = architecture.read(build)
            except architecture.NotStackableError as error:
                spec, reasons[str(error)] = None, variant
            for seed in seeds:
                watched = seed == self.seeds[0] and variant in watch
                moments = _moments(own["epochs"]) if watched else ()
                planned = own | {"data": by_seed[seed], "watch": moments, "place": place}
                drawn = seed if copy is None else architecture.seed_from(seed, "copy", copy)
                members.append(Member(variant, build, spec, drawn, **planned))
                keys.append((variant, seed))
        for reason, variant in reasons.items():
            self._log(f"{variant} and the like are trained one by one, with fit: {reason}")
        total = sum(member.epochs for member in members)
        description = (
            f"{doing} {len(members)} models: {len(variants)} variants x {len(seeds)} seeds"
        )
        with self._progress(description, total) as advance:
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
