"""Arrays -> checked inputs and labels as text."""

import functools
import zipfile
from pathlib import Path

import numpy as np

from recipes._lab.data.encoders import fit_arrays
from recipes._lab.data.splits import Source, coded_labels, codes
from recipes._lab.data.wording import is_number, listed, one_line
from recipes._lab.errors import UserError

# What arrays are called, in lower case: of inputs, of labels, and of the part that they belong to.
INPUTS = ("x", "images", "image", "data", "features", "inputs", "arr_0")
LABELS = ("y", "labels", "label", "target", "targets", "classes", "arr_1")
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
EXPECTED = "expected x and y, or x_train and y_train, also with x_val, y_val, x_test, y_test"
CHANNELS = (1, 3, 4)  # of images: grey, colours, colours with opacity

# Decimal labels, and any numbers of a .csv, with more distinct values than this are a quantity.
MAX_NUMERIC_CLASSES = 100


def read_npz(path: Path, with_labels: bool = True) -> dict[str, np.ndarray]:
    """Return the arrays of the file: x and y, or x_train, y_train and perhaps x_val, ..., y_test.

    They may be called otherwise in the file, see `INPUTS`, `LABELS` and `PARTS`.

    Args:
        path: of the file.
        with_labels: whether inputs without labels are a mistake.
    """
    where = repr(str(path))
    damaged = f"{where} is no .npz archive, or a damaged or incomplete one; write it anew"
    if not zipfile.is_zipfile(path):
        raise UserError(damaged)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            stored = archive.files
            names = _recognized(stored)
            arrays = {name: np.asarray(archive[file]) for name, file in names.items()}
    except Exception as error:  # a damaged archive fails in more ways than can be listed
        if "Object arrays" not in str(error):
            raise UserError(f"{damaged} ({one_line(error)})") from error
        raise UserError(
            f"{where} holds pickled objects, which could run code and are not read; "
            "save arrays of numbers, or of text with dtype str"
        ) from error
    if not with_labels:
        if not any(name.startswith("x") for name in arrays):
            raise UserError(f"{where} holds the arrays {listed(stored)}; expected x")
        return arrays
    if set(arrays) != {"x", "y"} and not {"x_train", "y_train"} <= set(arrays):
        raise UserError(f"{where} holds the arrays {listed(stored)}; {EXPECTED}")
    for part in ("val", "test"):
        if (f"x_{part}" in arrays) != (f"y_{part}" in arrays):
            raise UserError(f"{where} holds only one of x_{part} and y_{part}; give both")
    return arrays


def _recognized(stored: list[str]) -> dict[str, str]:
    """Return the names in the file by ours, as far as they tell what they are."""
    names = {}
    for name in stored:
        part, kind = "", name.lower()
        for word, meant in PARTS.items():
            if (rest := _without(kind, word)) is not None:
                part, kind = f"_{meant}", rest
                break
        if kind in INPUTS or kind in LABELS:
            names.setdefault(f"{'x' if kind in INPUTS else 'y'}{part}", name)
    return names


def _without(name: str, word: str) -> str | None:
    """Return a name without a word at one of its ends, or None if it has none."""
    if name.startswith(f"{word}_"):
        return name.removeprefix(f"{word}_")
    return name.removesuffix(f"_{word}") if name.endswith(f"_{word}") else None


def from_arrays(name: str, where: str, arrays: dict[str, np.ndarray]) -> Source:
    """Return the source of arrays called as `read_npz` calls them.

    Args:
        name: what to call it in results.
        where: begins error messages.
        arrays: inputs and labels.
    """
    part = "" if "x" in arrays else "_train"
    has_test = "x_test" in arrays
    x, labels = _examples(arrays, part, where)
    remarks = []
    if "x_val" in arrays:
        x_val, val_labels = _examples(arrays, "_val", where)
        _check_alike(x, x_val, "val", where)
        x, labels = np.concatenate([x, x_val]), labels + val_labels
        remarks.append(
            f"the {len(x_val)} examples of x_val stand with those of x_train: each seed draws a "
            "validation part of its own"
        )
    class_names, y = coded_labels(labels, f"{where}, y{part}", parts=2 if has_test else 3)
    x_test = own_test = None
    if has_test:
        x_test, test_labels = _examples(arrays, "_test", where)
        _check_alike(x, x_test, "test", where)
        unknown = sorted(set(test_labels) - set(class_names))
        if unknown:
            raise UserError(
                f"{where}, y_test: the labels {listed(unknown)} do not occur in y_train; "
                "every class needs training examples"
            )
        own_test = codes(test_labels, class_names)
    shape = arrays[f"x{part}"].shape[1:]
    if shape[:1] != x.shape[1:2]:
        remarks.append(
            f"images of shape {shape}, channels first, are turned to {x.shape[1:]}, channels last"
        )
    return Source(
        name,
        class_names,
        y,
        x,
        functools.partial(fit_arrays, where=where),
        raw_test=x_test,
        own_test=own_test,
        example_shape=shape,
        remarks=tuple(remarks),
    )


def _check_alike(x: np.ndarray, others: np.ndarray, part: str, where: str) -> None:
    if others.shape[1:] != x.shape[1:]:
        raise UserError(
            f"{where}: one example has the shape {x.shape[1:]} in x_train, but "
            f"{others.shape[1:]} in x_{part}; give both the same"
        )


def _examples(arrays: dict[str, np.ndarray], part: str, where: str) -> tuple[np.ndarray, list[str]]:
    """Return x{part}, images with a channel axis, and the labels of y{part}."""
    x, y = arrays[f"x{part}"], arrays[f"y{part}"]
    if y.shape[:1] != x.shape[:1]:
        raise UserError(
            f"{where}: x{part} has the shape {x.shape}, but y{part} {y.shape}; "
            "give one label for each example"
        )
    return checked_inputs(x, f"{where}, x{part}"), labels_of(y, f"{where}, y{part}")


def checked_inputs(x: np.ndarray, where: str) -> np.ndarray:
    """Return examples of an array, images with a channel axis, which is the last."""
    if x.dtype.kind not in "buif":
        raise UserError(f"{where} holds {x.dtype}, not numbers; give integers or floats")
    if x.ndim not in (2, 3, 4) or x.size == 0:
        raise UserError(
            f"{where} {'is empty' if x.size == 0 else 'is no table or images'}: its shape is "
            f"{x.shape}; expected (examples, features) or (examples, height, width[, channels])"
        )
    check_finite(x, where)
    if x.ndim == 3:
        return x[..., np.newaxis]
    if x.ndim == 4 and x.shape[1] in CHANNELS and min(x.shape[2:]) > max(CHANNELS):
        return np.moveaxis(x, 1, 3)
    return x


def labels_of(y: np.ndarray, where: str) -> list[str]:
    """Return the label of each example as text, whole numbers without a decimal point.

    y holds whole numbers or text, (examples,) or (examples, 1), or is one-hot (examples, classes).
    """
    if y.dtype.kind == "S":
        y = np.char.decode(y, "utf-8")
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
        if not all(is_number(label) for label in y.tolist()):
            return y.tolist()
        y = y.astype(float)
    if y.dtype.kind == "f":
        check_finite(y, where)
        distinct = np.unique(y)
        if len(distinct) > MAX_NUMERIC_CLASSES or (distinct % 1).any():
            raise UserError(
                f"{where} has {len(distinct)} distinct numbers such as "
                f"{distinct[np.argmax(distinct % 1)]:g}, a quantity; these recipes classify: "
                f"give text, or at most {MAX_NUMERIC_CLASSES} whole numbers"
            )
    return [str(int(label)) for label in y.tolist()]


def check_finite(array: np.ndarray, where: str) -> None:
    """Raise a UserError if numbers are NaN or infinite, or would be as float32."""
    if array.dtype.kind == "f":
        bad = np.count_nonzero(~(np.abs(array) <= np.finfo(np.float32).max))  # NaN is not <=
        if bad:
            raise UserError(
                f"{where} has {bad} of {array.size} values that are NaN, infinite or beyond "
                "float32; correct them or leave these examples out"
            )
