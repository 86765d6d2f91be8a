"""Arrays -> checked inputs and labels as text."""

import zipfile
from pathlib import Path

import numpy as np

from recipes._lab.data.splits import Source, coded_labels, codes, scaled
from recipes._lab.data.wording import is_number, listed, one_line
from recipes._lab.errors import UserError

NPZ_LAYOUTS = ({"x", "y"}, {"x_train", "y_train"}, {"x_train", "y_train", "x_test", "y_test"})

# Decimal labels, and any numbers of a .csv, with more distinct values than this are a quantity.
MAX_NUMERIC_CLASSES = 100


def read_npz(path: Path) -> dict[str, np.ndarray]:
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
            raise UserError(f"{damaged} ({one_line(error)})") from error
        raise UserError(
            f"{where} holds pickled objects, which could run code and are not read; "
            "save arrays of numbers, or of text with dtype str"
        ) from error
    if keys not in NPZ_LAYOUTS:
        raise UserError(
            f"{where} holds the arrays {listed(found)}; "
            "expected x_train, y_train[, x_test, y_test] or x, y"
        )
    return arrays


def from_arrays(name: str, where: str, arrays: dict[str, np.ndarray]) -> Source:
    """Return the source of arrays in one of `NPZ_LAYOUTS`; `where` begins error messages."""
    part = "" if "x" in arrays else "_train"
    has_test = "x_test" in arrays
    x, labels = _examples(arrays, part, where)
    class_names, y = coded_labels(labels, f"{where}, y{part}", parts=2 if has_test else 3)
    tests, own_test = [], None
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
                f"{where}, y_test: the labels {listed(unknown)} do not occur in y_train; "
                "every class needs training examples"
            )
        tests, own_test = [x_test], codes(test_labels, class_names)

    def inputs(rows):
        return scaled([*(x[part] for part in rows), *tests], where)

    return Source(name, class_names, y, inputs, own_test)


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
    check_finite(x, here)
    return (x[..., np.newaxis] if x.ndim == 3 else x), labels_of(y, f"{where}, y{part}")


def labels_of(y: np.ndarray, where: str) -> list[str]:
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
