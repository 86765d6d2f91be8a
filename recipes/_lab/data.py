"""A name or a path -> Dataset: inputs, labels and class names, split and scaled.

Training is learned from, validation selects, test is for reporting only. The split is stratified,
shuffled and always the same: 60 % training, 20 % validation, 20 % test of every class. A source
that brings a test part keeps it; validation is then 20 % of the rest.

Inputs are scaled with numbers that come from the training part alone:

- images and uint8 vectors are divided by the largest absolute value, so pixels end in 0..1;
- other vectors of an .npz stay as they are if they lie within 0..1, otherwise every column is
  standardized to mean 0 and standard deviation 1;
- numeric columns of a .csv are standardized, categorical ones become one column of 0 and 1 for each
  category; a column that is constant in the training part is 0 everywhere.
"""

import csv
import hashlib
import io
import os
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from recipes._lab.errors import UserError, nearest

NAMES = ("digits", "mnist", "fashion_mnist", "cifar10")
CLASS_NAMES = {  # the other sources call their classes by the labels that they hold
    "fashion_mnist": "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot",
    "cifar10": "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck",
}
NPZ_LAYOUTS = ({"x", "y"}, {"x_train", "y_train"}, {"x_train", "y_train", "x_test", "y_test"})
MISSING = {"", "?", "na", "n/a", "nan", "null"}  # cells of a .csv, in lower case

# Not an argument: results are comparable only at one and the same split.
SPLIT_SEED = 0

# Fewer can't be split so that each part says something.
FEWEST_EXAMPLES = 20

# Decimal labels, and any numbers of a .csv, with more distinct values than this are a quantity.
MAX_NUMERIC_CLASSES = 100

# A category needs this share of the training rows, and two of them, for a column of its own. At
# most 100 columns can then come of one text column, and none of a column of names or identifiers.
MIN_CATEGORY_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class Split:
    """One part of the examples.

    Args:
        x: inputs, float32, (examples, features) or (examples, height, width, channels).
        y: labels 0..C-1, int32, (examples,).
    """

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def first(self, count: int | None) -> "Split":
        """Return the first examples, `count` at the most, but of every class one at least."""
        if count is None or count >= len(self):
            return self
        _, one_of_each = np.unique(self.y, return_index=True)
        rest = np.setdiff1d(np.arange(len(self)), one_of_each)
        rows = np.sort(np.concatenate([one_of_each, rest])[: max(count, len(one_of_each))])
        return Split(self.x[rows], self.y[rows])


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
        for part in (self.train, self.validation, self.test):
            for array in (part.x, part.y):
                digest.update(f"{array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    def flat(self) -> "Dataset":
        """Return the same examples as vectors: x of shape (examples, features)."""
        parts = (self.train, self.validation, self.test)
        vectors = (Split(part.x.reshape(len(part), -1), part.y) for part in parts)
        return Dataset(self.name, self.class_names, *vectors)

    def first(self, train=None, validation=None, test=None) -> "Dataset":
        """Return the first examples of each part, so many of them at the most, or all of it."""
        counts = (train, validation, test)
        parts = (self.train, self.validation, self.test)
        return Dataset(self.name, self.class_names, *map(Split.first, parts, counts))

    def images(self) -> "Dataset":
        """Return the dataset itself; a UserError if x isn't (examples, height, width, channels)."""
        if len(self.input_shape) != 3:
            raise UserError(
                f"this recipe needs images, but {self.name!r} holds vectors; give {_listed(NAMES)} "
                "or an .npz file with x of shape (examples, height, width[, channels])"
            )
        return self


def load(name: str = "digits", target: str | None = None) -> Dataset:
    """Return the data set of this name, or the one in this file.

    Args:
        name: one of `NAMES`, of which only digits needs no download, or a path to a file:
            `.npz` with the arrays `x_train, y_train[, x_test, y_test]` or `x, y`. x has the shape
            (examples, features) or (examples, height, width[, channels]); y holds whole numbers or
            text, of shape (examples,) or (examples, 1), or is one-hot.
            `.csv` in UTF-8 with a header, separated by comma, semicolon or tab. A column in which
            every cell is a number is numeric (beside semicolons 1,5 is a number too), any other is
            categorical. Empty cells, NA, N/A, NaN, null and ? are missing.
        target: the column of a .csv that holds the classes; by default the last.

    Raises:
        UserError: the name, the file or what is in it can't be used; the message says why.
    """
    path = Path(os.path.expanduser(name))
    ending = path.suffix.lower()
    if not name:
        raise UserError(f"'' is no data; give {_listed(NAMES)} or a path to an .npz or .csv file")
    if name not in NAMES:
        _check_path(path)
    if target is not None and ending != ".csv":
        raise UserError(
            f"the target {target!r} is a column of a .csv file, which {str(path)!r} is not; omit it"
        )
    if name == "digits":
        from sklearn.datasets import load_digits  # takes half a second to import

        digits = load_digits()
        return _from_arrays(name, repr(name), {"x": digits.images, "y": digits.target})
    if name in NAMES:
        return _from_keras(name)
    # The name becomes a folder and a column of the results, whatever the file is called.
    stem = re.sub(r"[^\w .+-]", "_", path.stem).strip(" .") or "data"
    if stem in NAMES:
        stem += ending  # a digits.npz of the user's own is not to be taken for digits
    if ending == ".npz":
        return _from_arrays(stem, repr(str(path)), _read_npz(path))
    return _from_csv(stem, path, target)


def _check_path(path: Path) -> None:
    """Raise a UserError unless the path leads to a file that may hold data."""
    name = str(path)
    if os.path.isdir(path):
        raise UserError(f"{name!r} is a folder; give an .npz or .csv file")
    if path.suffix.lower() not in (".npz", ".csv"):
        if path.suffix or os.path.isfile(path):
            raise UserError(f"{name!r} ends in {path.suffix!r}; only .npz and .csv files are read")
        raise UserError(
            f"no data is called {name!r}{nearest(name, NAMES)}; "
            f"give {_listed(NAMES)} or a path to an .npz or .csv file"
        )
    if not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise UserError(f"the file {name!r} does not exist or can't be opened; check the path")
    if os.path.getsize(path) == 0:
        raise UserError(f"the file {name!r} is empty; give one that holds examples")


def _from_keras(name: str) -> Dataset:
    """Return a data set of `keras.datasets`, from its cache or downloaded into it."""
    import keras

    # Who sits at a terminal wants to see how far a download has come; a log does not.
    chatter = sys.stderr if sys.stderr.isatty() else io.StringIO()
    try:
        with redirect_stdout(chatter):
            (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a plain Exception when a download fails
        raise UserError(
            f"{name!r} is not in Keras's cache and could not be downloaded ({_one_line(error)}); "
            "offline, give 'digits' or a path to an .npz or .csv file"
        ) from error
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    dataset = _from_arrays(name, repr(name), arrays)
    if name not in CLASS_NAMES:
        return dataset
    names = CLASS_NAMES[name].split(",")
    return replace(dataset, class_names=tuple(names[int(label)] for label in dataset.class_names))


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of the file, whose names are one of `NPZ_LAYOUTS`."""
    where = repr(str(path))
    damaged = f"{where} is no .npz archive, or a damaged or incomplete one; write it anew"
    if not zipfile.is_zipfile(path):
        raise UserError(damaged)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            found = archive.files
            keys = set.union(*NPZ_LAYOUTS).intersection(found)
            arrays = {key: np.asarray(archive[key]) for key in keys}
    except Exception as error:  # a damaged archive fails in more ways than can be listed
        if "Object arrays" not in str(error):
            raise UserError(f"{damaged} ({_one_line(error)})") from error
        raise UserError(
            f"{where} holds pickled objects, which could run code and are not read; "
            "save arrays of numbers, or of text with dtype str"
        ) from error
    if keys not in NPZ_LAYOUTS:
        raise UserError(
            f"{where} holds the arrays {_listed(found)}; "
            "expected x_train, y_train[, x_test, y_test] or x, y"
        )
    return arrays


def _from_arrays(name: str, where: str, arrays: dict[str, np.ndarray]) -> Dataset:
    """Return the Dataset of arrays in one of `NPZ_LAYOUTS`; `where` begins error messages."""
    part = "" if "x" in arrays else "_train"
    has_test = "x_test" in arrays
    x, labels = _examples(arrays, part, where)
    class_names, y, rows = _split(labels, f"{where}, y{part}", parts=2 if has_test else 3)
    inputs, targets = [x[r] for r in rows], [y[r] for r in rows]
    if has_test:
        x_test, test_labels = _examples(arrays, "_test", where)
        if x_test.shape[1:] != x.shape[1:]:
            raise UserError(
                f"{where}: one example has the shape {x.shape[1:]} in x_train, but "
                f"{x_test.shape[1:]} in x_test; give both the same"
            )
        unknown = sorted(set(test_labels) - set(class_names))
        if unknown:
            raise UserError(
                f"{where}, y_test: the labels {_listed(unknown)} do not occur in y_train; "
                "every class needs training examples"
            )
        inputs.append(x_test)
        targets.append(_codes(test_labels, class_names))
    return Dataset(name, class_names, *map(Split, _scaled(inputs, where), targets))


def _examples(arrays: dict[str, np.ndarray], part: str, where: str) -> tuple[np.ndarray, list[str]]:
    """Return x{part}, images with a channel axis, and the labels of y{part}."""
    x, y = arrays[f"x{part}"], arrays[f"y{part}"]
    here = f"{where}, x{part}"
    if x.dtype.kind not in "buif":
        raise UserError(f"{here} holds {x.dtype}, not numbers; give integers or floats")
    if x.ndim not in (2, 3, 4) or x.size == 0:
        raise UserError(
            f"{here} {'is empty' if x.size == 0 else 'is no table or images'}: its shape is "
            f"{x.shape}; expected (examples, features) or (examples, height, width[, channels])"
        )
    if y.shape[:1] != x.shape[:1]:
        raise UserError(
            f"{where}: x{part} has the shape {x.shape}, but y{part} {y.shape}; "
            "give one label for each example"
        )
    _check_finite(x, here)
    return (x[..., np.newaxis] if x.ndim == 3 else x), _labels(y, f"{where}, y{part}")


def _labels(y: np.ndarray, where: str) -> list[str]:
    """Return the label of each example as text, whole numbers without a decimal point.

    y holds whole numbers or text, (examples,) or (examples, 1), or is one-hot (examples, classes).
    """
    kind = y.dtype.kind
    if kind not in "buifU":
        raise UserError(f"{where} holds {y.dtype}; labels are whole numbers or text (dtype str)")
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    elif y.ndim == 2 and kind != "U" and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        y = y.argmax(axis=1)
    elif y.ndim != 1:
        raise UserError(f"{where} of shape {y.shape} is not one-hot; give one label an example")
    if kind == "U":
        if not all(_is_number(label) for label in y.tolist()):
            return y.tolist()
        y = y.astype(float)
    if y.dtype.kind == "f":
        _check_finite(y, where)
        distinct = np.unique(y)
        if len(distinct) > MAX_NUMERIC_CLASSES or (distinct % 1).any():
            raise UserError(
                f"{where} has {len(distinct)} distinct numbers such as "
                f"{distinct[np.argmax(distinct % 1)]:g}, a quantity; these recipes classify: "
                f"give text, or at most {MAX_NUMERIC_CLASSES} whole numbers"
            )
    return [str(int(label)) for label in y.tolist()]


def _split(
    labels: list[str], where: str, parts: int
) -> tuple[tuple[str, ...], np.ndarray, list[np.ndarray]]:
    """Draw the split; it depends on the labels alone, so changed inputs never change it.

    Returns:
        Class names in order, labels 0..C-1 as int32 (examples,), and the indices of each part:
        training and validation, and test if `parts` is 3.
    """
    counts = Counter(labels)
    if len(counts) == 1:
        raise UserError(
            f"{where} has only the class {_listed(counts)} (examples: {len(labels)}); "
            "give at least two classes"
        )
    if len(labels) < FEWEST_EXAMPLES:
        raise UserError(
            f"{where} has {len(labels)} examples; give {FEWEST_EXAMPLES} or more to learn from"
        )
    rare = [label for label, count in counts.items() if count < parts]
    if rare:
        raise UserError(
            f"{where} has fewer than {parts} examples of {_listed(rare)} (of all: {len(labels)}); "
            "every class needs one for each part of the split"
        )
    try:
        class_names = tuple(sorted(counts, key=int))
    except ValueError:
        class_names = tuple(sorted(counts))
    y = _codes(labels, class_names)
    generator = np.random.default_rng(SPLIT_SEED)
    pieces = []
    for code in range(len(class_names)):
        members = generator.permutation(np.flatnonzero(y == code))
        fifth = max(1, round(len(members) / 5))
        first = len(members) - fifth * (parts - 1)
        pieces.append(np.split(members, range(first, len(members), fifth)))
    # The pieces lie class by class; who takes the first 100 examples expects all classes.
    rows = [generator.permutation(np.concatenate(part)) for part in zip(*pieces, strict=True)]
    return class_names, y, rows


def _codes(labels: list[str], class_names: tuple[str, ...]) -> np.ndarray:
    """Return each label's position among the class names, int32 (examples,)."""
    position = {label: code for code, label in enumerate(class_names)}
    return np.array([position[label] for label in labels], np.int32)


def _scaled(inputs: list[np.ndarray], where: str) -> list[np.ndarray]:
    """Return the inputs as float32, scaled by the module's rule; the first are for training."""
    train = inputs[0]
    low, high = float(train.min()), float(train.max())
    if train.ndim > 2 or train.dtype == np.uint8:
        divisor = max(-low, high) or 1.0
        with np.errstate(over="ignore"):
            return _in_range([np.divide(x, divisor, dtype=np.float32) for x in inputs], where)
    if low >= 0 and high <= 1:
        return [x.astype(np.float32) for x in inputs]
    return _in_range([_standardized(x, train) for x in inputs], where)


def _in_range(scaled: list[np.ndarray], where: str) -> list[np.ndarray]:
    """Return scaled inputs; a UserError if some became infinite."""
    if not all(np.isfinite(x).all() for x in scaled):
        raise UserError(
            f"{where} holds values so far from those of the training part that float32 can't hold "
            "them after scaling; clip them, or leave these examples out"
        )
    return scaled


def _standardized(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return x as float32 with the training mean 0 and standard deviation 1 in each column."""
    train = train.astype(np.float64)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # Rounding leaves a constant column a deviation of about 1e-16 of its mean. Such a column has
    # no scale of its own; the division by infinity makes it 0 in every part.
    deviation = np.where(deviation > 1e-12 * np.abs(mean), deviation, np.inf)
    with np.errstate(over="ignore"):
        return ((x - mean) / deviation).astype(np.float32)


def _from_csv(name: str, path: Path, target: str | None) -> Dataset:
    """Return the Dataset of a .csv file whose column `target` holds the classes."""
    where = repr(str(path))
    columns = _read_csv(path)
    target = list(columns)[-1] if target is None else target
    if target not in columns:
        raise UserError(
            f"{where} has no column {target!r}{nearest(target, columns)}; "
            f"its columns are {_listed(columns)}"
        )
    labels = columns.pop(target)
    here = f"{where}, column {target!r}"
    if "" in labels:
        raise UserError(
            f"{here} gives no class in {labels.count('')} of {len(labels)} rows; "
            "fill them in or remove these rows"
        )
    class_names, y, parts = _split(_labels(np.array(labels), here), here, parts=3)
    blocks = [_encoded(cells, parts[0], f"{where}, column {c!r}") for c, cells in columns.items()]
    x = np.concatenate([np.empty((len(y), 0), np.float32), *blocks], axis=1)
    if x.shape[1] == 0:
        raise UserError(
            f"{where} has nothing to learn from beside its target {target!r}; "
            "add columns of numbers, or of text that repeats"
        )
    return Dataset(name, class_names, *(Split(x[rows], y[rows]) for rows in parts))


def _read_csv(path: Path) -> dict[str, list[str]]:
    """Return the cells of each column as text without spaces around; missing ones are ""."""
    where = repr(str(path))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 at byte {error.start}; save it as UTF-8") from error
    first_line = re.sub(r'"[^"]*"', "", text.lstrip("\n").partition("\n")[0])
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True)
    rows = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if rows and any(cells) and len(cells) != len(rows[0]):
                raise UserError(
                    f"{where}, line {reader.line_num}: the number of cells is {len(cells)}, but "
                    f"{len(rows[0])} in the header; quote cells that contain {delimiter!r}"
                )
            if any(cells):  # otherwise it is a blank line
                rows.append(cells)
    except csv.Error as error:
        raise UserError(
            f"{where}, line {reader.line_num}: {_one_line(error)}; check the quotes there and above"
        ) from error
    if len(rows) < 2:
        raise UserError(f"{where} has no rows below a header; add examples")
    header, *rows = rows
    _check_header(header, where)
    return {
        column: [_cleaned(cell, delimiter) for cell in cells]
        for column, cells in zip(header, zip(*rows, strict=True), strict=True)
    }


def _check_header(header: list[str], where: str) -> None:
    """Raise a UserError unless the first row of a .csv names two columns or more."""
    # Some people name columns 0, 1, 2, but nobody 5.1: that is an example.
    numbers = [column for column in header if _is_number(column)]
    if len(numbers) == len(header) or any(float(number) % 1 > 0 for number in numbers):
        raise UserError(
            f"{where} starts with the numbers {_listed(numbers)}, not with the names of columns; "
            "add a header as its first line"
        )
    if len(header) == 1:
        raise UserError(
            f"{where} has the one column {header[0]!r}; "
            "give a target and more, separated by comma, semicolon or tab"
        )
    faulty = [column for column, count in Counter(header).items() if count > 1 or not column]
    if faulty:
        raise UserError(
            f"{where}: every column needs a name of its own, unlike {_listed(faulty)}; rename "
            "these columns, or remove one that only counts the rows"
        )


def _cleaned(cell: str, delimiter: str) -> str:
    """Return a missing cell as "", and a decimal comma as a point."""
    # Where a semicolon separates, the comma is free to be the decimal point of many languages.
    if delimiter == ";" and re.fullmatch(r"[+-]?\d*,\d+", cell):
        return cell.replace(",", ".")
    return "" if cell.lower() in MISSING else cell


def _encoded(cells: list[str], train: np.ndarray, where: str) -> np.ndarray:
    """Return one column of a .csv as float32 (rows, columns), fitted to the rows in `train`.

    A missing number becomes the median. A missing category is one more category: that nothing was
    entered may mean something, and no value has to be invented. Categories that are rare or unknown
    in the training rows are 0 in all columns.
    """
    if all(_is_number(cell) for cell in cells if cell):
        values = np.array([float(cell or "nan") for cell in cells])
        missing = np.isnan(values)
        _check_finite(values[~missing], where)
        known = values[train][~missing[train]]
        values[missing] = np.median(known) if known.size else 0.0
        (scaled,) = _in_range([_standardized(values, values[train])], where)
        return scaled[:, np.newaxis]
    counts = Counter(cells[row] for row in train)
    enough = max(2, MIN_CATEGORY_SHARE * len(train))
    categories = sorted(category for category, count in counts.items() if count >= enough)
    position = {category: code for code, category in enumerate(categories)}
    one_hot = np.eye(len(categories) + 1, len(categories), dtype=np.float32)  # the last row is 0
    return one_hot[[position.get(cell, -1) for cell in cells]]


def _check_finite(array: np.ndarray, where: str) -> None:
    """Raise a UserError if numbers are NaN or infinite, or would be as float32."""
    if array.dtype.kind == "f":
        bad = np.count_nonzero(~(np.abs(array) <= np.finfo(np.float32).max))  # NaN is not <=
        if bad:
            raise UserError(
                f"{where} has {bad} of {array.size} values that are NaN, infinite or beyond "
                "float32; correct them or leave these examples out"
            )


def _is_number(cell: str) -> bool:
    """Tell whether a cell is a number; 1_000 is one to Python, but an identifier to people."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _listed(names: Iterable[str], limit: int = 10) -> str:
    """Return the names quoted and on one line, shortened, only the first if there are many."""
    quoted = [repr(name if len(name) <= 40 else f"{name[:40]}…") for name in names]
    more = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return (", ".join(quoted[:limit]) or "nothing") + more


def _one_line(error: Exception) -> str:
    """Return what a library's error says, on one line and short."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else f"{text[:200]}…"
