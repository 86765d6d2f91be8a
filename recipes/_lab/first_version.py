"""The recipes of the first version run here until they are rewritten, each as it did then.

They name a variant by one string, give what is trained differently under the key "fit", compare
arrays by hand, and know one split of the data. Nothing else may be built on this module: a recipe
that is rewritten leaves `RECIPES`, and with the last one the module goes.
"""

import numpy as np

from recipes._lab import evidence
from recipes._lab.claim import Claim
from recipes._lab.data import load
from recipes._lab.histories import Difference, Histories
from recipes._lab.lab import LEARNING_RATES, Lab
from recipes._lab.output import figures

RECIPES = frozenset([])


def lab_of(name):
    """Return the class of lab that a recipe takes."""
    return FirstLab if name in RECIPES else Lab


class FirstLab(Lab):
    """The lab as the recipes of the first version know it."""

    SEEDS, TUNING_SEEDS, EXTENSIONS, EVEN_UNLEARNED = 5, (-1, -2), 2, True

    lines = staticmethod(figures.lines)
    dots = staticmethod(figures.dots)

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.histories = Histories({}, {})

    @staticmethod
    def panels(
        histories,
        layout,
        *,
        metric="accuracy",
        label="training accuracy (%)",
        scale=100.0,
        limits=(0, 103),
    ):
        """Draw learning curves: `{panel title: {line label: variant}}`."""

        def curve(variant):
            values = scale * histories.curve(metric, variant)
            return np.arange(values.shape[1]), values

        values = {
            title: {name: curve(variant) for name, variant in of.items()}
            for title, of in layout.items()
        }
        x_label = "epoch (0 = before training)"
        return figures.lines(values, x_label=x_label, y_label=label, limits=limits)

    def data(self, name=None, *, images=False, examples=None):
        """Return data in the one split that belongs to no seed."""
        dataset = load(name or self.options.data, self.options.target)
        return self._noted(self._shaped(dataset, images, examples), name)

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
        """Train `{name: arguments}` and return `Histories`."""
        bare, plan = _plans(variants, data, epochs=epochs, batch_size=batch_size, record=record)
        watch = list(variants) if watch is None else watch
        results = super().train(build_model, bare, watch=watch, **plan)
        histories = Histories.of(results)
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
        """Choose one argument for each `{name: arguments}`; two tuning seeds, two extensions."""
        bare, plan = _plans(variants, data, epochs=epochs, batch_size=batch_size)
        plan = {name: plan[name] for name in ("data", "epochs", "batch_size")}
        self.EXTENSIONS = FirstLab.EXTENSIONS if extend else 0
        tuned = super().tune(build_model, bare, **plan, **{argument: values})
        return {
            name: arguments | {argument: tuned[name,][argument]}
            for name, arguments in variants.items()
        }

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
        """Repeat one search and return a list of `Searched`, one a repetition."""
        from recipes._lab.tuning import tuner

        plan = (
            data,
            trials,
            self.epochs(epochs),
            batch_size,
            oracle,
            stages,
            discard,
            batch,
            repetitions,
        )
        return [tuner.Searched(of) for of in self._search(build_tunable, name, *plan)]

    def claim(self, text, source, differences, *, at_least=0, within=None, unit=""):
        """Judge arrays: one per seed, a `Difference`, `{setting: one per seed}`, a Judgement."""
        counts = {"unit": unit}
        if isinstance(differences, Difference):
            differences, collapsed, runs = differences
            counts |= {"collapsed": collapsed, "runs": runs}
        if isinstance(differences, evidence.Judgement):
            judgement = differences
        elif isinstance(differences, dict):
            judgement = evidence.judge_family(list(differences.values()), at_least, unit=unit)
        elif within is not None:
            judgement = evidence.judge_equality(differences, within, **counts)
        else:
            judgement = evidence.judge_difference(
                differences, bound=at_least, inclusive=bool(at_least), **counts
            )
        self.claims.append(Claim(text, source, not self.claims, judgement))
        return judgement

    def table(self, variants):
        """Choose the printed rows, `{row name: variant}` or names of variants."""
        names = variants if isinstance(variants, dict) else {name: name for name in variants}
        self.rows = {row: (name,) for row, name in names.items()}


class _BySeed:
    """Data of which each seed has its own, `{seed: Dataset}`."""

    def __init__(self, by_seed):
        self._by_seed = by_seed
        first = next(iter(by_seed.values()))
        self.input_shape, self.num_classes = first.input_shape, first.num_classes

    def split(self, seed):
        """Return the data of a seed."""
        return self._by_seed[seed]


def _plans(variants, data, **options):
    """Return the variants without "fit", and what they ask for there, by variant."""
    bare, plan = {}, {}
    for name, arguments in variants.items():
        arguments = dict(arguments)
        own = {"patience": None, "class_weight": None, "copy": None, "data": data, **options}
        own |= arguments.pop("fit", {})
        if isinstance(own["data"], dict):
            own["data"] = _BySeed(own["data"])
        bare[name] = arguments
        for option, value in own.items():
            plan.setdefault(option, {})[name] = value
    return bare, plan
