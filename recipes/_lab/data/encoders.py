"""Raw values of examples -> inputs of a model, by statistics of the training part alone.

An encoder is a function of raw values that also says what it has learned from the training part,
so that the same can be done by layers of a saved model.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recipes._lab.errors import UserError

Raw = np.ndarray | dict[str, np.ndarray]


@dataclass(frozen=True)
class Standardizer:
    """Numbers -> mean 0 and standard deviation 1 in each column; missing ones are the median.

    Args:
        medians: of the training part, float64 (columns,).
        means: of the training part, missing values filled, (columns,).
        deviations: likewise; infinite for a constant column, which becomes 0 everywhere.
        where: begins error messages.
    """

    medians: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    where: str

    @classmethod
    def fit(cls, train: np.ndarray, where: str) -> "Standardizer":
        """Return the standardizer of training examples, (examples, ...), NaN where missing."""
        train = train.astype(np.float64)
        medians = np.zeros(train.shape[1:])
        missing = np.isnan(train)
        if missing.any():
            for column in np.flatnonzero(~missing.all(axis=0)):
                medians[column] = np.nanmedian(train[:, column])
            train = np.where(missing, medians, train)
        means, deviations = train.mean(axis=0), train.std(axis=0)
        # Rounding leaves a constant column a deviation of about 1e-16 of its mean. Such a column
        # has no scale of its own; the division by infinity makes it 0 in every part.
        deviations = np.where(deviations > 1e-12 * np.abs(means), deviations, np.inf)
        return cls(medians, means, deviations, where)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return inputs, float32 (examples, ...)."""
        missing = np.isnan(values)
        if missing.any():
            values = np.where(missing, self.medians, values)
        with np.errstate(over="ignore"):
            x = ((values - self.means) / self.deviations).astype(np.float32)
        return _in_range(x, self.where)


@dataclass(frozen=True)
class OneHot:
    """Categories -> one column of 0 and 1 for each; other texts are 0 in all of them.

    Args:
        positions: column of each text; texts of one column are spellings of one category.
        count: of the columns.
    """

    positions: dict[str, int]
    count: int

    def __call__(self, cells: np.ndarray) -> np.ndarray:
        """Return inputs, float32 (examples, count)."""
        known = pd.Index(list(self.positions)).get_indexer(cells)
        return self.table[known]  # the last row is for -1, what is not known

    @property
    def table(self) -> np.ndarray:
        """What each of the texts becomes, and last what is none of them: (texts + 1, count)."""
        table = np.zeros((len(self.positions) + 1, self.count), np.float32)
        table[np.arange(len(self.positions)), list(self.positions.values())] = 1
        return table


@dataclass(frozen=True)
class Columns:
    """Columns of a table, each with its encoder, side by side."""

    encoders: dict[str, Standardizer | OneHot]

    def __call__(self, raw: dict[str, np.ndarray]) -> np.ndarray:
        """Return inputs, float32 (examples, inputs)."""
        encoded = [encode(raw[name]) for name, encode in self.encoders.items()]
        return np.concatenate(encoded, axis=1)


@dataclass(frozen=True)
class Divisor:
    """Numbers -> divided by one number, such as 255, which takes pixels to 0..1."""

    divisor: float
    where: str = field(compare=False)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return inputs, float32 (examples, ...)."""
        with np.errstate(over="ignore"):
            return _in_range(np.divide(x, self.divisor, dtype=np.float32), self.where)


class Unchanged:
    """Numbers that are inputs already."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return inputs, float32 (examples, ...)."""
        return x.astype(np.float32)


def fit_arrays(train: np.ndarray, where: str) -> Divisor | Standardizer | Unchanged:
    """Return the encoder of images and vectors, by the rule of `sources`."""
    low, high = float(train.min()), float(train.max())
    if train.ndim > 2 or train.dtype == np.uint8:
        return Divisor(max(-low, high) or 1.0, where)
    if low >= 0 and high <= 1:
        return Unchanged()
    return Standardizer.fit(train, where)


def rows_of(raw: Raw, rows: np.ndarray) -> Raw:
    """Return some of the examples."""
    if isinstance(raw, dict):
        return {name: values[rows] for name, values in raw.items()}
    return raw[rows]


def _in_range(x: np.ndarray, where: str) -> np.ndarray:
    """Return inputs; a UserError if some became infinite."""
    if not np.isfinite(x).all():
        raise UserError(
            f"{where} holds values so far from those of the training part that float32 can't hold "
            "them after scaling; clip them, or leave these examples out"
        )
    return x
