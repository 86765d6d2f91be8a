"""A name or a path -> Source: inputs, labels and class names, to be split and scaled.

Training is learned from, validation selects, test is for reporting only. The split is stratified
and shuffled, and each seed draws its own: 60 % training, 20 % validation, 20 % test of every class.
A source that brings a test part keeps it; validation is then 20 % of the rest.

Inputs are scaled with numbers that come from the training part alone:

- images and uint8 vectors are divided by the largest absolute value, so pixels end in 0..1;
- other vectors of an .npz stay as they are if they lie within 0..1, otherwise every column is
  standardized to mean 0 and standard deviation 1;
- numeric columns of a table are standardized, see `columns`; a column that is constant in the
  training part is 0 everywhere.
"""

import io
import os
import re
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from recipes._lab.data.arrays import from_arrays, read_npz
from recipes._lab.data.dataset import Dataset
from recipes._lab.data.splits import Source
from recipes._lab.data.wording import NAMES, listed, one_line
from recipes._lab.errors import UserError, nearest

CLASS_NAMES = {  # the other sources call their classes by the labels that they hold
    "fashion_mnist": "T-shirt/top,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot",
    "cifar10": "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck",
}


TABLES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".xlsx")
FILES = (
    "an .npz file, a table (.csv, .tsv, .txt, .csv.gz, .parquet, .xlsx) or a folder of images, one "
    "folder a class"
)


def load(name: str = "digits", target=None, header=None, group=None) -> Dataset:
    """Return the data of this name or file in the one split that belongs to no seed; see `read`."""
    return read(name, target, header, group).split()


def read(
    name: str = "digits",
    target: str | None = None,
    header: str | None = None,
    group: str | None = None,
) -> Source:
    """Return the source of this name, or the one in this file, which each seed splits anew.

    Args:
        name: one of `NAMES`, of which only digits needs no download, "breast_cancer", a table that
            scikit-learn brings, or a path to a file:
            `.npz` with the arrays `x_train, y_train[, x_test, y_test]` or `x, y`, or called as in
            `arrays`. x has the shape (examples, features) or (examples, height, width[, channels]);
            y holds whole numbers or text, of shape (examples,) or (examples, 1), or is one-hot.
            a folder of images, one folder a class, also in folders train, val and test.
            a table, `.csv`, `.tsv`, `.txt`, `.csv.gz`, `.parquet` or `.xlsx`; what is understood of
            it becomes the source's `understood`.
        target: the column of a table that holds the classes; by default the last.
        header: "first" or "none" if the first row of a table holds the names of its columns, or an
            example; None to find out.
        group: the column of a table whose equal values belong together, such as a patient's
            number: its rows stay in one part of the split.

    Raises:
        UserError: the name, the file or what is in it can't be used; the message says why.
    """
    if name == "breast_cancer":  # for recipes that need a second domain without a download
        from sklearn.datasets import load_breast_cancer

        table = load_breast_cancer()
        return from_arrays(name, repr(name), {"x": table.data, "y": table.target})
    path = Path(os.path.expanduser(name))
    ending = "" if os.path.isdir(path) else _ending(path)
    if not name:
        raise UserError(f"'' is no data; give {listed(NAMES)} or a path to {FILES}")
    if name not in NAMES:
        _check_path(path)
    if ending not in TABLES:
        _check_needs_no_table(path, target=target, header=header, group=group)
    if name == "digits":
        from sklearn.datasets import load_digits  # takes half a second to import

        digits = load_digits()
        return from_arrays(name, repr(name), {"x": digits.images, "y": digits.target})
    if name in NAMES:
        return _from_keras(name)
    # The name becomes a folder and a column of the results, whatever the file is called.
    whole = os.path.basename(os.path.abspath(path))
    stem = re.sub(r"[^\w .+-]", "_", whole[: len(whole) - len(ending)]).strip(" .") or "data"
    if stem in NAMES:
        stem += ending or " folder"  # a user's own digits.npz is not to be taken for digits
    if os.path.isdir(path):
        from recipes._lab.data.folders import from_folder

        return from_folder(stem, path)
    if ending == ".npz":
        return from_arrays(stem, repr(str(path)), read_npz(path))
    from recipes._lab.data.tables import from_table  # pandas takes half a second to import

    return from_table(stem, path, target, header, group)


def _ending(path: Path) -> str:
    """Return what a file's name ends in, in lower case: ".csv", or ".csv.gz"."""
    compressed = "".join(path.suffixes[-2:]).lower()
    return compressed if compressed in TABLES else path.suffix.lower()


def _check_needs_no_table(path: Path, **options: str | None) -> None:
    """Raise a UserError if an option was given that only tables have."""
    for option, value in options.items():
        if value is not None:
            raise UserError(
                f"the {option} {value!r} is for a table, such as a .csv file, which {str(path)!r} "
                "is not; omit it"
            )


def _check_path(path: Path) -> None:
    """Raise a UserError unless the path leads to a file that may hold data."""
    name = str(path)
    if os.path.isdir(path):
        return
    if _ending(path) not in (".npz", *TABLES):
        if path.suffix or os.path.isfile(path):
            raise UserError(f"{name!r} ends in {path.suffix!r}; give {FILES}")
        raise UserError(
            f"no data is called {name!r}{nearest(name, NAMES)}; "
            f"give {listed(NAMES)} or a path to {FILES}"
        )
    if not (os.path.isfile(path) and os.access(path, os.R_OK)):
        raise UserError(f"the file {name!r} does not exist or can't be opened; check the path")
    if os.path.getsize(path) == 0:
        raise UserError(f"the file {name!r} is empty; give one that holds examples")


def _from_keras(name: str) -> Source:
    """Return a data set of `keras.datasets`, from its cache or downloaded into it."""
    import keras

    # Who sits at a terminal wants to see how far a download has come; a log does not.
    chatter = sys.stderr if sys.stderr.isatty() else io.StringIO()
    try:
        with redirect_stdout(chatter):
            (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
    except Exception as error:  # Keras raises a plain Exception when a download fails
        raise UserError(
            f"{name!r} is not in Keras's cache and could not be downloaded ({one_line(error)}); "
            f"offline, give 'digits' or a path to {FILES}"
        ) from error
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    source = from_arrays(name, repr(name), arrays)
    if name not in CLASS_NAMES:
        return source
    names = CLASS_NAMES[name].split(",")
    return replace(source, class_names=tuple(names[int(label)] for label in source.class_names))
