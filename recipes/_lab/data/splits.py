"""Examples -> a stratified split for each seed, encoded by its training part alone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recipes._lab.data.dataset import Dataset, Split
from recipes._lab.data.encoders import Raw, rows_of
from recipes._lab.data.understood import Understood
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError
from recipes._lab.seeding import seed_from

# Fewer can't be split so that each part says something.
FEWEST_EXAMPLES = 20


@dataclass(frozen=True, eq=False)
class Source:
    """Labelled examples that each seed splits anew.

    Args:
        name: what to call it in results.
        class_names: what label 0, 1, ... stands for.
        y: labels 0..C-1 of the examples to be split, int32, (examples,).
        raw: the examples as they were read: numbers, (examples, ...), or columns by name.
        fit: `fit(raw)` of the training part returns its encoder: raw values -> inputs, float32.
        raw_test: examples of a test part that the source brings, or None.
        own_test: its labels, or None.
        groups: number of each example's group, which stays in one part, (examples,); or None.
        example_shape: of one example in the source's file; None of a table.
        example_names: what to call each example, such as "row 12"; None for numbers from 1.
        understood: what was understood of a user's table, or None.
        remarks: what was decided on the way, a sentence each, where it is no table.
    """

    name: str
    class_names: tuple[str, ...]
    y: np.ndarray
    raw: Raw
    fit: Callable[[Raw], Callable[[Raw], np.ndarray]]
    raw_test: np.ndarray | None = None
    own_test: np.ndarray | None = None
    groups: np.ndarray | None = None
    example_shape: tuple[int, ...] | None = None
    example_names: list[str] | None = None
    understood: Understood | None = None
    remarks: tuple[str, ...] = ()

    @property
    def has_channels_first(self) -> bool:
        """Whether the source's file has images with their channels first; ours come last."""
        return len(self.example_shape or ()) == 3 and self.example_shape != self.raw.shape[1:]

    def split(self, seed: int | None = None) -> Dataset:
        """Return the examples in three parts.

        Args:
            seed: each has a split of its own; None for one that belongs to no seed.
        """
        return self._encoded(self._rows(seed))[0]

    def split_to_keep(self, seed: int | None, refit: bool):
        """Return the split of a model that is to be kept, and the encoder of its inputs.

        Args:
            seed: as in `split`.
            refit: whether to train on the validation part as well; it then says nothing.
        """
        train, validation, *test = self._rows(seed)
        if refit:
            train = np.concatenate([train, validation])
        return self._encoded([train, validation, *test])

    def _rows(self, seed):
        parts = 3 if self.own_test is None else 2
        generator = np.random.default_rng(0 if seed is None else seed_from(seed, "split"))
        return draw_parts(self.y, self.groups, parts, generator)

    def _encoded(self, rows):
        """Return the dataset of these rows, and its encoder."""
        raw = [rows_of(self.raw, part) for part in rows]
        labels = [self.y[part] for part in rows]
        encode = self.fit(raw[0])
        if self.own_test is not None:
            raw.append(self.raw_test)
            labels.append(self.own_test)
        splits = map(Split, map(encode, raw), labels)
        return Dataset(self.name, self.class_names, *splits), encode


class Splits:
    """Data as a recipe sees them: for each seed another split of the same examples.

    Args:
        source: what is split: a `Source`, or a `Dataset`, which is the same for every seed.
        seeds: those of the run, for `train`, `validation` and `test`.
        changes: functions `change(dataset, random)` that are applied to every split, in order.
    """

    def __init__(self, source, seeds, changes=()):
        self.name = source.name
        self.source, self._seeds, self._changes = source, tuple(seeds), tuple(changes)
        self._made = {}

    def split(self, seed: int) -> Dataset:
        """Return the data of one seed."""
        if seed not in self._made:
            dataset = self.source.split(seed)
            for number, change in enumerate(self._changes):
                random = np.random.default_rng([seed_from(seed, "change"), number])
                dataset = change(dataset, random)
            self._made[seed] = dataset
        return self._made[seed]

    def map(self, change: Callable[[Dataset, np.random.Generator], Dataset]) -> "Splits":
        """Return the data with every split changed.

        Args:
            change: `change(dataset, random)` returns a `Dataset`, such as
                `dataset.with_train(y=...)` or `dataset.map_inputs(...)`; `random` is a generator
                that belongs to the seed. What is estimated from data comes from `dataset.train`.
        """
        return Splits(self.source, self._seeds, (*self._changes, change))

    def with_train(
        self, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None
    ) -> "Splits":
        """Return the data with other training examples for each of the run's seeds.

        Args:
            x: inputs, (seeds, examples, ...), in the order of `train`.
            y: labels, (seeds, examples).
            weights: factors of the examples' losses, (seeds, examples); None for 1.
        """
        weights = [None] * len(self._seeds) if weights is None else weights
        changed = {
            seed: self.split(seed).with_train(*of)
            for seed, *of in zip(self._seeds, x, y, weights, strict=True)
        }
        return Splits(_Changed(self, changed), self._seeds)

    @property
    def class_names(self) -> tuple[str, ...]:
        """What label 0, 1, ... stands for."""
        return self.split(self._seeds[0]).class_names

    @property
    def num_classes(self) -> int:
        """The number of classes C."""
        return len(self.class_names)

    @property
    def picture_shape(self) -> tuple[int, ...]:
        """The shape of one example as the source has it: of images, before they became vectors."""
        return self.source.split(self._seeds[0]).input_shape

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example, without the batch axis."""
        return self.split(self._seeds[0]).input_shape

    @property
    def train(self) -> Split:
        """The training parts of the run's seeds: x (seeds, examples, ...), y (seeds, examples)."""
        return self._stacked("train")

    @property
    def validation(self) -> Split:
        """The validation parts, likewise."""
        return self._stacked("validation")

    @property
    def test(self) -> Split:
        """The test parts, likewise."""
        return self._stacked("test")

    def _stacked(self, part):
        parts = [getattr(self.split(seed), part) for seed in self._seeds]
        weights = None if parts[0].weights is None else np.stack([p.weights for p in parts])
        return Split(np.stack([p.x for p in parts]), np.stack([p.y for p in parts]), weights)


class _Changed:
    """Data that are known for the seeds of a run, and for no others."""

    def __init__(self, data, by_seed):
        self.name, self.class_names, self._by_seed = data.name, data.class_names, by_seed

    def split(self, seed):
        return self._by_seed[seed]


def coded_labels(labels: list[str], where: str, parts: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the class names in order and the labels as their positions, int32 (examples,).

    Raises:
        UserError: there are too few classes, examples, or examples of a class for so many parts.
    """
    counts = Counter(labels)
    if len(counts) == 1:
        raise UserError(
            f"{where} has only the class {listed(counts)} (examples: {len(labels)}); "
            "give at least two classes"
        )
    if len(labels) < FEWEST_EXAMPLES:
        raise UserError(
            f"{where} has {len(labels)} examples; give {FEWEST_EXAMPLES} or more to learn from"
        )
    rare = [label for label, count in counts.items() if count < parts]
    if rare:
        raise UserError(
            f"{where} has fewer than {parts} examples of {listed(rare)} (of all: {len(labels)}); "
            "every class needs one for each part of the split"
        )
    try:
        class_names = tuple(sorted(counts, key=lambda label: (int(label), label)))
    except ValueError:
        class_names = tuple(sorted(counts))
    return class_names, codes(labels, class_names)


def draw_parts(
    y: np.ndarray, groups: np.ndarray | None, parts: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Draw the rows of each part: training and validation, and test if there are three.

    Args:
        y: labels, 0..C-1, (rows,).
        groups: number of each row's group, which stays in one part, (rows,); or None.
        parts: 2 or 3.
        generator: of random numbers.
    """
    if groups is None:
        return _draw_split(y, parts, generator)
    return _draw_split_of_groups(y, groups, parts, generator)


def _draw_split(y: np.ndarray, parts: int, generator: np.random.Generator) -> list[np.ndarray]:
    """Draw the rows of each part so that it has the same share of every class.

    It depends on the labels alone, so changed inputs never change it.
    """
    pieces = []
    for code in range(y.max() + 1):
        members = generator.permutation(np.flatnonzero(y == code))
        fifth = max(1, round(len(members) / 5))
        first = len(members) - fifth * (parts - 1)
        pieces.append(np.split(members, range(first, len(members), fifth)))
    # The pieces lie class by class; who takes the first 100 examples expects all classes.
    return [generator.permutation(np.concatenate(part)) for part in zip(*pieces, strict=True)]


def _draw_split_of_groups(
    y: np.ndarray, groups: np.ndarray, parts: int, generator: np.random.Generator
) -> list[np.ndarray]:
    """Draw the rows of each part, so that every group lies in one of them.

    The shares of the classes come as close as the groups allow.
    """
    from sklearn.model_selection import StratifiedGroupKFold  # takes half a second to import

    folds = StratifiedGroupKFold(5, shuffle=True, random_state=int(generator.integers(2**31)))
    fifths = [rows for _, rows in folds.split(y, y, groups)]
    pieces = [np.concatenate(fifths[parts - 1 :]), *fifths[: parts - 1]]
    if len(np.unique(y[pieces[0]])) < len(np.unique(y)):
        raise UserError(
            "the groups can't be divided so that every class has training examples; give more "
            "groups of each class, or omit the option group (GROUP=)"
        )
    return [generator.permutation(part) for part in pieces]


def codes(labels: list[str], class_names: tuple[str, ...]) -> np.ndarray:
    """Return each label's position among the class names, int32 (examples,)."""
    position = {label: code for code, label in enumerate(class_names)}
    return np.array([position[label] for label in labels], np.int32)
