"""Examples in three parts: training is learned from, validation selects, test reports."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from recipes._lab.data.wording import NAMES, listed
from recipes._lab.errors import UserError


@dataclass(frozen=True, eq=False)
class Split:
    """One part of the examples.

    Args:
        x: inputs, float32, (examples, features) or (examples, height, width, channels).
        y: labels 0..C-1, int32, (examples,).
        weights: factor of each example's loss in training, float32, (examples,), as `sample_weight`
            of Keras; None for 1. Metrics are of all examples alike.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def factors(self) -> np.ndarray:
        """The factor of each example's loss: its weight, or 1."""
        return np.ones(len(self), np.float32) if self.weights is None else self.weights

    def first(self, count: int | None) -> "Split":
        """Return the first examples, `count` at the most, but of every class one at least."""
        if count is None or count >= len(self):
            return self
        _, one_of_each = np.unique(self.y, return_index=True)
        rest = np.setdiff1d(np.arange(len(self)), one_of_each)
        rows = np.sort(np.concatenate([one_of_each, rest])[: max(count, len(one_of_each))])
        return self.rows(rows)

    def rows(self, rows: np.ndarray) -> "Split":
        """Return some of the examples: their numbers, or whether each is among them."""
        weights = None if self.weights is None else self.weights[rows]
        return Split(self.x[rows], self.y[rows], weights)

    def followed_by(self, other: "Split") -> "Split":
        """Return these examples and then the others."""
        x, y = np.concatenate([self.x, other.x]), np.concatenate([self.y, other.y])
        if self.weights is None and other.weights is None:
            return Split(x, y)
        return Split(x, y, np.concatenate([self.factors, other.factors]))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples in three parts, scaled by the statistics of the training part.

    Args:
        name: what to call it in results, and a folder's name; never a path.
        class_names: what label 0, 1, ... stands for.
        train: the part to learn from.
        validation: the part that selects hyperparameters, epochs and variants.
        test: the part to report on, touched once.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    @property
    def parts(self) -> tuple[Split, Split, Split]:
        """Training, validation and test."""
        return self.train, self.validation, self.test

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example, without the batch axis."""
        return self.train.x.shape[1:]

    @property
    def num_classes(self) -> int:
        """The number of classes C."""
        return len(self.class_names)

    @property
    def chance(self) -> float:
        """Test accuracy (0..1) of always answering the most frequent training class.

        Accuracy on the other parts is measured against it, too: a stratified split gives all the
        same shares. A test part of one's own may have others.
        """
        return float(np.mean(self.test.y == np.bincount(self.train.y).argmax()))

    @cached_property
    def fingerprint(self) -> str:
        """A hex digest of all arrays, their shapes and the class names, for the keys of caches."""
        digest = hashlib.sha256(repr(self.class_names).encode())
        for part in self.parts:
            arrays = (part.x, part.y) if part.weights is None else (part.x, part.y, part.weights)
            for array in arrays:
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    def split(self, seed: int) -> "Dataset":
        """Return itself: what is split once is split alike for every seed."""
        return self

    def with_train(self, x=None, y=None, weights=None) -> "Dataset":
        """Return the data with other training inputs, labels or weights; the rest stays.

        Raises:
            ValueError: there isn't one weight for each example.
        """
        x = self.train.x if x is None else np.asarray(x, np.float32)
        y = self.train.y if y is None else np.asarray(y, np.int32)
        weights = self.train.weights if weights is None else np.asarray(weights, np.float32)
        if weights is not None and weights.shape != y.shape:
            raise ValueError(f"weights of shape {weights.shape} for labels of shape {y.shape}")
        return replace(self, train=Split(x, y, weights))

    def with_wrong_labels(self, share: float, random: np.random.Generator) -> "Dataset":
        """Return the data with a share of the training labels replaced by another class.

        Args:
            share: of the training labels, 0 to 1.
            random: draws which labels, and which of the other classes each becomes.
        """
        y = self.train.y.copy()
        wrong = random.permutation(len(y))[: round(share * len(y))]
        shifts = random.integers(1, self.num_classes, len(wrong))
        y[wrong] = (y[wrong] + shifts) % self.num_classes
        return self.with_train(y=y)

    def fold(self, number: int, count: int) -> "Dataset":
        """Return the data with another part of all but the test part for validation.

        Inputs stay scaled by the statistics of the original training part.

        Args:
            number: of the fold, from 0.
            count: of folds, into which training and validation part are divided together.
        """
        both = self.train.followed_by(self.validation)
        inside = np.arange(len(both)) % count == number
        return replace(self, train=both.rows(~inside), validation=both.rows(inside))

    def dealt_anew(self, random: np.random.Generator) -> "Dataset":
        """Return the data with the examples of each class dealt anew among the parts.

        Each part keeps its size, and its share of every class. Inputs stay scaled by the statistics
        of the original training part.

        Args:
            random: draws which example goes where.
        """
        x, y = (np.concatenate([getattr(part, name) for part in self.parts]) for name in "xy")
        dealt = np.empty_like(x)
        for label in range(self.num_classes):
            rows = np.flatnonzero(y == label)
            dealt[rows] = x[random.permutation(rows)]
        ends = np.cumsum([len(part) for part in self.parts])[:-1]
        parts = map(Split, np.split(dealt, ends), np.split(y, ends))
        return Dataset(self.name, self.class_names, *parts)

    def map_inputs(self, function: Callable[[np.ndarray], np.ndarray]) -> "Dataset":
        """Return the data with `function(x)` for the inputs of each part, (examples, ...)."""
        changed = (replace(p, x=np.asarray(function(p.x), np.float32)) for p in self.parts)
        return Dataset(self.name, self.class_names, *changed)

    def map_examples(self, function: Callable) -> "Dataset":
        """Return the data with `x, y = function(x, y)` for each part, without weights."""
        changed = (function(part.x, part.y) for part in self.parts)
        parts = (Split(np.asarray(x, np.float32), np.asarray(y, np.int32)) for x, y in changed)
        return Dataset(self.name, self.class_names, *parts)

    def map_labels(self, function: Callable, class_names: tuple[str, ...]) -> "Dataset":
        """Return the data with labels `function(y)` of each part, which stand for `class_names`."""
        parts = (replace(p, y=np.asarray(function(p.y), np.int32)) for p in self.parts)
        return Dataset(self.name, class_names, *parts)

    def flat(self) -> "Dataset":
        """Return the same examples as vectors: x of shape (examples, features)."""
        vectors = (replace(part, x=part.x.reshape(len(part), -1)) for part in self.parts)
        return Dataset(self.name, self.class_names, *vectors)

    def first(self, train=None, validation=None, test=None) -> "Dataset":
        """Return the first examples of each part, so many of them at the most, or all of it."""
        counts = (train, validation, test)
        return Dataset(self.name, self.class_names, *map(Split.first, self.parts, counts))

    def images(self) -> "Dataset":
        """Return the dataset itself; a UserError if x isn't (examples, height, width, channels)."""
        if len(self.input_shape) != 3:
            raise UserError(
                f"this recipe needs images, but {self.name!r} holds vectors; give {listed(NAMES)} "
                "or an .npz file with x of shape (examples, height, width[, channels])"
            )
        return self
