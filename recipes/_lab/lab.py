"""The `lab` that a recipe talks to: data, train, tune, search, claim, figure."""

import dataclasses
import functools
import inspect
import itertools
import time
from collections.abc import Mapping

import numpy as np
from scipy import stats

from recipes._lab.claim import OURS, Claim
from recipes._lab.data import NAMES, Splits, read
from recipes._lab.files import slug
from recipes._lab.measures import Comparison, Exact, Family, Measure, as_key, by_variant, family
from recipes._lab.output import charts, figures
from recipes._lab.results import Results
from recipes._lab.seeding import seed_from
from recipes._lab.training import architecture, population
from recipes._lab.training.members import Member
from recipes._lab.tuning.choosing import choose

SEEDS = 6  # the fewest at which unanimity decides, see evidence.FEWEST_IDENTICAL
LEARNING_RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
QUICK = {"seeds": 2, "epochs": 2, "examples": 1000}
FEWEST_VALIDATION = 1000  # examples, if there are as many: an accuracy to a point or so
AS_RECIPE = "recipe"  # of the option `examples`
WATCHED = 8  # variants, at the most, whose distributions are logged if the recipe does not say


@dataclasses.dataclass(frozen=True)
class Options:
    """What a user may ask of a run.

    Attributes:
        data: a name or a path, as in `data.read`.
        target: the column of a table that holds the classes, or None for the last.
        header: "first" or "none" if a table's first row holds names, or none; None to find out.
        group: the column of a table whose equal values stay in one part of a split, or None.
        examples: train on so many at the most; "recipe" for as many as the recipe asks for; None
            for that, too, but for all of the user's own data.
        seeds: how many, or None for the default.
        first_seed: their first number; the gallery has its own from 1000 on.
        epochs: of the longest training instead of the recipe's own number, or None.
        quick: a few seeds, epochs and examples: for trying, not for judging.
        out: folder of all runs.
        save_model: path of a .keras file for the best model, or None.
        refit: whether that model is trained once more, on the validation part as well.
        cluster: "auto" or an address to train on Ray, see `cluster.Cluster`; or None.
    """

    data: str = "digits"
    target: str | None = None
    header: str | None = None
    group: str | None = None
    examples: int | str | None = None
    seeds: int | None = None
    first_seed: int = 0
    epochs: int | None = None
    quick: bool = False
    out: str = "runs"
    save_model: str | None = None
    refit: bool = False
    cluster: str | None = None


class Lab:
    """What a recipe needs for its experiment: data, train, claim, figure, and little else.

    Variants are `{key: arguments of build_model}`. A key is a string or a tuple of strings and
    numbers, such as ("with BN", 0.01); its display name says which argument a number is.

    Args:
        options: what the user asked for.
        store: keeps unfinished work, as in `population.train`; or None.
        log: called with a line of text that the user should see.
        progress: context manager `progress(description, total)` that yields `advance(steps)`.
        train: what trains members, a `Cluster`'s; None for `population.train`.
    """

    # How many seeds a run has, by which seeds `tune` chooses, and how often it goes on beyond the
    # end of a range. No verdict rests on the seeds that tune.
    SEEDS = SEEDS
    TUNING_SEEDS = (-1, -2, -3, -4, -5)
    EXTENSIONS = 6

    scatter = staticmethod(figures.scatter)
    pictures = staticmethod(figures.pictures)
    paths = staticmethod(figures.paths)
    panels = staticmethod(charts.panels)
    lines = staticmethod(charts.lines)
    dots = staticmethod(charts.dots)
    trials = staticmethod(charts.trials)

    def __init__(self, options, store, log, progress, train=None):
        self.options, self.store = options, store
        count = options.seeds or (QUICK["seeds"] if options.quick else self.SEEDS)
        self.seeds = list(range(options.first_seed, options.first_seed + count))
        self.results = Results({}, {}, {})
        self.claims, self.figures, self.rows, self.arguments = [], {}, None, {}
        self.tuned, self.searches, self.repetitions, self.remarks = [], {}, [], []
        self.saved = {}  # the description of the model that was saved
        self.own_data = {}  # whether a variant was trained on the run's data as they are
        self._trainings, self._longest, self._plain = itertools.count(), 0, []
        self._log, self._progress = log, progress
        self._train_members = train or population.train

    def data(self, name=None, *, images=False, examples=None):
        """Return the data that the user asked for, or of another name, as `Splits`.

        Every seed has a split of its own. `data.train`, `data.validation` and `data.test` are those
        of all seeds, x (seeds, examples, ...); `data.map(change)` changes every split.

        Args:
            name: a name or a path, as in `data.read`.
            images: whether the recipe needs images, (height, width, channels), and not vectors.
            examples: train on so many at the most (they are in random order), and validate on as
                many, but not less than a thousand: every epoch evaluates both. None for all. Of
                the user's own data it is all; the user's EXAMPLES wins.
        """
        options = self.options
        if name is None:
            source = read(options.data, options.target, options.header, options.group)
        else:
            source = read(name)
        count = options.examples
        if count in (None, AS_RECIPE):
            is_own = name is None and options.data not in NAMES
            count = None if is_own and count is None else examples

        def change(dataset, random):
            return self._shaped(dataset, images, count)

        data = self._noted(Splits(source, self.seeds, [change]), name)
        self._say_examples(source, data, examples)
        return data

    def _shaped(self, dataset, images, examples):
        """Return a split as a recipe asked for it, and as small as a quick run takes it."""
        limit = self.options.examples
        few = None
        if self.options.quick:
            few = QUICK["examples"] if limit in (None, AS_RECIPE) else limit
        dataset = dataset.images() if images else dataset.flat()
        train = min(filter(None, (examples, few)), default=None)
        validation = train and max(train, FEWEST_VALIDATION)
        return dataset.first(train, validation, few)

    def _say_examples(self, source, data, wanted):
        """Say on how many examples a run trains, if not on all, or on more than the recipe asks."""
        seed = self.seeds[0]
        count, whole = len(data.split(seed).train), len(source.split(seed).train)
        if count < whole:
            self._remark(
                f"trained on {count} of {whole} training examples (EXAMPLES= takes more or fewer)"
            )
        elif wanted and count > wanted:
            self._remark(
                f"trained on all {count} training examples, where the recipe itself takes {wanted} "
                "(EXAMPLES=recipe)"
            )

    def _noted(self, data, name):
        """Return data, which are the run's own if the recipe asked for none by name."""
        if name is None:
            self._plain.append(data)
        return data

    def epochs(self, count):
        """Return how many epochs a training of so many has in this run: fewer in a quick one."""
        return self._epochs([count])[0]

    def train(
        self,
        build_model,
        variants,
        data,
        *,
        epochs,
        batch_size=100,
        patience=None,
        copy=None,
        evaluate_every=1,
        record=(),
        watch=None,
    ):
        """Train every variant with every seed, all together, and return their `Results`.

        What follows `data` may be given by variant, as a dict from a part of the keys:
        `epochs={"short": 5, "long": 50}`; and so may `data`.

        Args:
            build_model: `build_model(input_shape, num_classes, **arguments)` returns a compiled
                model.
            variants: `{key: arguments}`.
            data: from `lab.data`.
            epochs: how long; a quick run trains shorter, and the user's EPOCHS shortens all.
            batch_size: examples a step.
            patience: stop after so many epochs without a lower validation loss and restore the best
                weights; None to train to the end.
            copy: a number gives every seed other initial weights, batch orders and noise on the
                same split: the same ones to variants of the same number.
            evaluate_every: epochs from one evaluation to the next, for long trainings of short
                epochs, where evaluation would take longer than training; the last always has one.
            record: epochs after which the weights are kept, of all members.
            watch: parts of the keys of variants whose first seed's weights, activations and
                gradients are logged for TensorBoard, about ten times in a run; None for a few of
                all. A quick run takes the last.
        """
        variants = {as_key(key): arguments for key, arguments in variants.items()}
        labels = self._labels(variants)
        options = {
            "data": data,
            "epochs": epochs,
            "batch_size": batch_size,
            "patience": patience,
            "copy": copy,
            "evaluate_every": evaluate_every,
            "record": record,
        }
        plans = {key: {o: by_variant(v, key) for o, v in options.items()} for key in variants}
        results = self._train(
            build_model,
            variants,
            labels,
            plans,
            self.seeds,
            watched=self._watched(list(variants), watch),
        )
        defaults = _defaults(build_model)
        for key, arguments in variants.items():
            self.arguments[key] = defaults | arguments
            self.own_data[key] = self.is_own(plans[key]["data"])
        self.results |= results
        return results

    def tune(
        self,
        build_model,
        variants,
        data,
        *,
        epochs,
        batch_size=100,
        by="val_accuracy",
        **candidates,
    ):
        """Choose one argument for each variant by validation accuracy, on seeds of their own.

        Every variant gets the same budget, and goes on beyond an end of the range as long as the
        best value lies there. What `train` then measures rests on other seeds and other splits, so
        it carries no luck of the choice. Where nothing has learned there is nothing to choose: the
        variant keeps what it has, and the run says so.

        Args:
            build_model: as in `train`.
            variants: as in `train`; the argument in question is left to us.
            data: as in `train`; also by variant, as are `epochs` and `batch_size`.
            epochs: as long as it will be trained afterwards.
            batch_size: examples a step.
            by: what decides instead of validation accuracy, such as "val_balanced_accuracy".
            candidates: the values to choose from, in order, by the name of the argument, such as
                `learning_rate=(0.01, 0.1, 1.0)`; also by variant. Without, `LEARNING_RATES`. A
                quick run tries three of them.

        Returns:
            The variants with the chosen value among their arguments, to be given to `train`.
        """
        if len(candidates) > 1:
            raise TypeError(f"tune chooses one argument, not {', '.join(candidates)}")
        ((argument, values),) = (candidates or {"learning_rate": LEARNING_RATES}).items()
        variants = {as_key(key): arguments for key, arguments in variants.items()}
        options = {"data": data, "epochs": epochs, "batch_size": batch_size}
        seeds = self.TUNING_SEEDS[:1] if self.options.quick else self.TUNING_SEEDS
        labels = _labels(variants)

        def train(trials):
            names = {key: (*labels[key[:-1]], f"{argument} {key[-1]:g}") for key in trials}
            plans = {
                key: {name: by_variant(option, key[:-1]) for name, option in options.items()}
                for key in trials
            }
            for plan in plans.values():
                plan["evaluate_every"] = plan["epochs"]  # what counts is how it ends
            doing = f"tuning {argument}"
            return self._train(build_model, trials, names, plans, seeds, doing=doing)

        def accepts(key, value):
            data = by_variant(options["data"], key)
            arguments = variants[key] | {argument: value}
            try:
                architecture.build_once(
                    lambda: build_model(data.input_shape, data.num_classes, **arguments)
                )
            except ValueError:
                return False
            return True

        choices = choose(
            train,
            variants,
            {key: self._to_try(by_variant(values, key)) for key in variants},
            argument,
            by=by,
            extensions=0 if self.options.quick else self.EXTENSIONS,
            accepts=accepts,
        )
        chosen = {}
        for key, choice in choices.items():
            self._keep_choice(", ".join(labels[key]), argument, choice, by)
            value = {} if choice.value is None else {argument: choice.value}
            chosen[key] = variants[key] | value
        return chosen

    def search(
        self,
        build_tunable,
        variants,
        data,
        *,
        trials,
        epochs,
        batch_size=100,
        oracle="random",
        stages=1,
        batch=None,
        repetitions=10,
    ):
        """Repeat a whole search of every variant, and return what was found as `Searches`.

        Each repetition has a seed and a split of its own, which all variants share; so do those
        that draw from the same ranges in the same way their trials. What follows `variants` may be
        given by variant, as in `train`.

        Args:
            build_tunable: `build_tunable(hp, input_shape, num_classes, **arguments)` returns a
                compiled model.
            variants: `{key: arguments}`, such as other ranges.
            data: as in `train`.
            trials: of each repetition. A quick run takes five.
            epochs: of a trial.
            batch_size: examples a step.
            oracle: "random", "bayesian", or a function `points(random)` that returns the trials
                of a repetition, a list of `{name: value}`, from a `np.random.Generator`.
            stages: how many, each on ranges narrowed around the best of those before it.
            batch: trials of a repetition that are asked for at once, before any of them is
                trained, or None for the oracle's own number.
            repetitions: how many; the user's SEEDS wins, and a quick run takes two.
        """
        from recipes._lab.tuning.searches import Searches, read

        variants = {as_key(key): arguments for key, arguments in variants.items()}
        labels = self._labels(variants)
        options = {
            "data": data,
            "trials": trials,
            "epochs": epochs,
            "batch_size": batch_size,
            "oracle": oracle,
            "stages": stages,
            "batch": batch,
        }
        searches = {}
        plans = {key: {o: by_variant(v, key) for o, v in options.items()} for key in variants}
        lengths = self._epochs([plan["epochs"] for plan in plans.values()])
        for (key, arguments), length in zip(variants.items(), lengths, strict=True):
            plan = plans[key] | {"epochs": length}
            tunable = functools.partial(build_tunable, **arguments)
            name = ", ".join(labels[key])
            repeated = self._search(tunable, name, repetitions=repetitions, **plan)
            searches[key] = [
                read(stages_of, plan["data"].split(seed).chance)
                for seed, stages_of in zip(self.repetitions[-1], repeated, strict=True)
            ]
        return Searches(searches, labels)

    def _search(
        self,
        build_tunable,
        name,
        data,
        trials,
        epochs,
        batch_size,
        oracle,
        stages,
        batch,
        repetitions,
    ):
        """Repeat one search and return the tuners of each repetition's stages."""
        # keras-tuner takes a moment, which only a search needs
        from recipes._lab.tuning import halving, tuner

        count = self.options.seeds or (QUICK["seeds"] if self.options.quick else repetitions)
        if self.options.quick:
            trials = min(trials, 5)
        seeds = [self.options.first_seed + n for n in range(count)]
        if name in self.searches:
            raise ValueError(f"there already is a search {name!r}; give each a name of its own")

        def build_model(hp):
            return build_tunable(hp, data.input_shape, data.num_classes)

        def make(stage_oracle, repetition, stage):
            return tuner.PopulationTuner(
                stage_oracle,
                build_model,
                data,
                epochs=epochs,
                batch_size=batch_size,
                seeds=[seeds[repetition]],
                batch=batch,
                log=self._log,
                progress=self._progress,
                store=self.store,
                train=self._train_members,
                project_name=f"{name}, repetition {repetition}, stage {stage}",
            )

        tuners, _ = halving.search_in_stages(make, oracle, trials, stages, seeds)
        self.searches[name] = tuners
        self.repetitions.append(seeds)
        return tuners

    def measure(self, values, unit="", label=""):
        """Return a `Measure` of numbers that a recipe has computed.

        Args:
            values: (seeds,), or `{key: (seeds,)}`.
            unit: of the numbers.
            label: what they are, for an axis.
        """
        return Measure(values, unit, label)

    def claim(self, text, *, that, source=OURS, matters=None, any_data=False):
        """Judge a claim; the first of a recipe is its primary one.

        Args:
            text: the claim, in words that say what is compared and at which setting.
            that: the comparison that it asserts: `a > b`, `a < b - 2`, `a.within(1, of=b)` of
                measures, `lab.at_least(...)`, `lab.every(...)` or `lab.exact(...)`.
            source: the textbook or paper that makes it; "ours" if none does.
            matters: the smallest difference that matters, in its unit, fixed beforehand; None for
                1 percentage point of an accuracy, else nothing.
            any_data: whether it does not depend on the data.

        Returns:
            The `evidence.Judgement`.
        """
        if isinstance(that, list):
            raise TypeError(
                f"{text!r} compares {len(that)} variants at once; pick one, or say how many of "
                "the comparisons must be true: lab.at_least(k, ...) or lab.every(...)"
            )
        if not isinstance(that, Comparison | Family | Exact):
            raise TypeError(f"{text!r}: that must be a comparison such as a > b, not {that!r}")
        judgement = that.judge(matters) if isinstance(that, Comparison) else that.judge()
        self.claims.append(Claim(text, source, not self.claims, judgement, any_data))
        return judgement

    @staticmethod
    def at_least(count, comparisons, unit="settings"):
        """Return what a claim asserts of a family: so many of these comparisons are true.

        Args:
            count: how many, fixed beforehand.
            comparisons: a list of `a > b`, or what comparing measures of several variants gives.
            unit: what they are, such as "scales".
        """
        return family(count, comparisons, unit)

    @staticmethod
    def every(comparisons, unit="settings"):
        """Return what a claim asserts of a family: all of these comparisons are true."""
        comparisons = list(comparisons)
        return family(len(comparisons), comparisons, unit)

    @staticmethod
    def exact(values, tolerance, unit=""):
        """Return what a claim asserts without statistics: values are zero up to a tolerance."""
        return Exact(np.ravel(np.asarray(values, float)), tolerance, unit)

    @staticmethod
    def rank_correlation(first, second):
        """Return Spearman's rank correlation of two sequences, 0 where one does not vary."""
        if np.ptp(first) == 0 or np.ptp(second) == 0:
            return 0.0
        return float(stats.spearmanr(first, second).statistic)

    @staticmethod
    def milliseconds(function, *arguments, fastest_of=1):
        """Return how long a call takes, the fastest of so many: what else runs only slows it."""
        times = []
        for _ in range(fastest_of):
            start = time.perf_counter()
            function(*arguments)
            times.append(1000 * (time.perf_counter() - start))
        return min(times)

    def figure(self, figure, name=None):
        """Keep a matplotlib figure as figure.png, or figure-<name>.png."""
        file = f"figure-{slug(name)}.png" if name else "figure.png"
        if file in self.figures:
            raise ValueError(f"there already is a {file}; give each figure a name of its own")
        self.figures[file] = figures.png(figure)

    def table(self, variants):
        """Choose the variants that the printed table shows; by default all of them.

        Args:
            variants: `{row name: key}`, or keys.
        """
        if not isinstance(variants, Mapping):
            variants = {self.results.label(self.results.key(k)): k for k in variants}
        self.rows = {name: self.results.key(key) for name, key in variants.items()}

    def _train(
        self,
        build_model,
        variants,
        labels,
        plans,
        seeds,
        *,
        watched=(),
        doing="training",
    ):
        """Train variants x seeds and return their `Results`."""
        members, reasons = {}, {}
        place = f"training {next(self._trainings)}"  # a variant may be tuned, and trained
        short = self._epochs([plan["epochs"] for plan in plans.values()])
        for (key, arguments), count in zip(variants.items(), short, strict=True):
            plan = dict(plans[key])
            data, copy = plan.pop("data"), plan.pop("copy", None)
            if plan.get("patience") is not None and plan.get("evaluate_every", 1) != 1:
                raise ValueError("patience watches every epoch: leave evaluate_every at 1")
            plan |= {"epochs": count, "record": tuple(map(int, plan.get("record", ())))}
            build = functools.partial(build_model, data.input_shape, data.num_classes, **arguments)
            try:
                spec = architecture.read(build)
            except architecture.NotStackableError as error:
                spec, reasons[str(error)] = None, ", ".join(labels[key])
            for seed in seeds:
                moments = _moments(count) if seed == self.seeds[0] and key in watched else ()
                members[key, seed] = Member(
                    ", ".join(labels[key]),
                    build,
                    spec,
                    seed if copy is None else seed_from(seed, "copy", copy),
                    data.split(seed),
                    watch=moments,
                    place=place,
                    **plan,
                )
        for reason, name in reasons.items():
            self._log(f"{name} and the like are trained one by one, with fit: {reason}")
        total = sum(member.span for member in members.values())
        description = (
            f"{doing} {len(members)} models: {len(variants)} variants x {len(seeds)} seeds"
        )
        with self._progress(description, total) as advance:
            trained = self._train_members(
                list(members.values()), store=self.store, progress=advance
            )
        outcomes = dict(zip(members, trained, strict=True))
        return Results(members, outcomes, labels)

    def _epochs(self, counts):
        """Return how long trainings of so many epochs are in this run, in proportion."""
        if self.options.quick:
            counts = [min(count, QUICK["epochs"]) for count in counts]
        if not self.options.epochs:
            return counts
        self._longest = max(self._longest, *counts)
        if self._longest != self.options.epochs and not self.options.quick:
            self._remark(
                f"EPOCHS={self.options.epochs}: the verdicts are those of trainings as long as "
                f"this, where the recipe asks for up to {self._longest} epochs"
            )
        return [max(1, round(count * self.options.epochs / self._longest)) for count in counts]

    def is_own(self, data):
        """Tell whether data are the run's, as `lab.data` returned them, unchanged."""
        return any(data is plain for plain in self._plain)

    def _remark(self, line):
        if line not in self.remarks:
            self.remarks.append(line)

    def _to_try(self, values):
        """Return the values that a run tries, as a list."""
        values = np.asarray(values).tolist()
        if not self.options.quick:
            return values
        return [values[n] for n in sorted({0, len(values) // 2, len(values) - 1})]

    def _keep_choice(self, name, argument, choice, by):
        """Keep what was tried for a variant, and what was chosen."""
        tried = {f"{value:g}": accuracy / 100 for value, accuracy in choice.tried.items()}
        kept = {"variant": name, "argument": argument, "value": choice.value}
        self.tuned.append(kept | {by: tried})
        if choice.value is None:
            self._remark(
                f"{name}: did not learn with any {argument} ({', '.join(tried)}), so none is chosen"
            )

    def _labels(self, variants):
        """Return what the elements of each variant's key are called, by key.

        Raises:
            ValueError: two variants would share a folder: one would hide the other.
        """
        labels = _labels(variants)
        taken = {slug(name).casefold(): key for key, name in self.results.names.items()}
        for key, of in labels.items():
            other = taken.setdefault(slug(", ".join(of)).casefold(), key)
            if other != key or key in self.results.keys:
                raise ValueError(
                    f"variants {other!r} and {key!r} would share a folder; rename one of them"
                )
        return labels

    def _watched(self, keys, watch):
        """Return the keys of the variants whose distributions are logged."""
        if watch is None:
            places = np.linspace(
                0, len(keys) - 1, min(len(keys), WATCHED)
            )  # both ends are among them
            chosen = [keys[n] for n in places.round().astype(int)]
        else:
            parts = [as_key(part) for part in watch]
            chosen = [key for key in keys if any(set(part) <= set(key) for part in parts)]
        return chosen[-1:] if self.options.quick else chosen


def _labels(variants):
    """Return what the elements of each variant's key are called, `{key: labels}`.

    A number is called by the argument that has its value, in all variants with a number there.
    """
    arguments_at = {}
    for position in range(max(map(len, variants), default=0)):
        of_numbers = [
            {name for name, value in arguments.items() if value == key[position]}
            for key, arguments in variants.items()
            if len(key) > position and not isinstance(key[position], str)
        ]
        common = set.intersection(*of_numbers) if of_numbers else set()
        in_order = (name for arguments in variants.values() for name in arguments)
        arguments_at[position] = next((name for name in in_order if name in common), "")
    return {
        key: tuple(
            element
            if isinstance(element, str)
            else f"{arguments_at[position]} {_short(element)}".strip()
            for position, element in enumerate(key)
        )
        for key in variants
    }


def _short(number):
    """Return a number in a few digits, whole ones in all of theirs."""
    return str(number) if isinstance(number, int) else f"{number:.2g}"


def _moments(epochs):
    """Return about ten epochs from 0 to the last, closest together at the start."""
    return tuple(sorted({round(epochs * (n / 9) ** 1.5) for n in range(10)}))


def _defaults(build_model):
    """Return the keyword arguments of `build_model` with their defaults."""
    parameters = inspect.signature(build_model).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
