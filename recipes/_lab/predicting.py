"""A saved model and new examples -> a file with a class and probabilities for each of them."""

import dataclasses
import os
from collections import Counter
from pathlib import Path

import numpy as np
import tensorflow as tf

from recipes._lab import saving
from recipes._lab.data import folders, new_rows, sources
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError
from recipes._lab.files import csv_text, write
from recipes._lab.scores import Scores, score


@dataclasses.dataclass
class Predictions:
    """What a saved model says of new examples.

    Attributes:
        table: rows with a head: what names the examples, the class, the probability of each class.
        counts: how often each class is predicted.
        remarks: what was decided on the way, a sentence each.
        scores: how right the answers are, where the examples have labels; else None.
    """

    table: list[tuple]
    counts: dict[str, int]
    remarks: list[str]
    scores: Scores | None


def predict(model_path, data_path, out):
    """Predict the classes of the examples of a file and write them as a .csv.

    Args:
        model_path: of a .keras file that a run or a search has saved.
        data_path: of a table, an .npz or a folder of images, whichever the model takes.
        out: path of the .csv, or None for `runs/predictions/<data>.csv`.

    Returns:
        The `Predictions`, and the path of the file.

    Raises:
        UserError: anything that the user can put right.
    """
    path = Path(os.path.expanduser(data_path))
    if path.suffix.lower() == ".keras":
        raise UserError(
            f"{str(path)!r} is a model, and no examples; give the model as MODEL=, and the "
            "examples as DATA="
        )
    out = Path(out or Path("runs/predictions") / f"{_without_ending(path.name)}.csv")
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(f"the predictions can't take the place of their data, {str(path)!r} (OUT=)")
    model, about = saving.load(model_path)
    rows = _read(path, about["data"])
    probabilities = model.predict(_inputs(rows.inputs), verbose=0)
    if probabilities.shape[1] == 1:  # one sigmoid, of the second class
        probabilities = np.concatenate([1 - probabilities, probabilities], axis=1)
    class_names = tuple(about["class_names"])
    if path.name.partition(".")[0] == about["data"]["name"]:
        rows.remarks.append("the model was trained on a file of this name: it may know these rows")
    predictions = _predictions(rows, probabilities, class_names)
    write(out, csv_text(predictions.table))
    return predictions, out


def _without_ending(name):
    """Return the name of a file without what says its kind: new.2024-05.csv.gz is new.2024-05."""
    endings = [ending for ending in (*sources.TABLES, ".npz") if name.lower().endswith(ending)]
    return name[: -max(map(len, endings))] if endings else name


def _read(path, about):
    """Return the examples of a file, in the way that the model takes them."""
    kind = "a table" if "columns" in about else "a folder of images or an .npz"
    if not path.exists():
        raise UserError(f"there is no {str(path)!r} to predict; check the path (DATA=)")
    is_table = path.is_file() and path.name.lower().endswith(sources.TABLES)
    if is_table != ("columns" in about) or not (
        is_table or path.is_dir() or path.suffix.lower() == ".npz"
    ):
        raise UserError(
            f"{str(path)!r} is not what the model takes; give {kind} like {about['name']!r}, "
            "which it was trained on"
        )
    if is_table:
        return new_rows.read_table(path, about)
    return folders.read_images(path, about) if path.is_dir() else new_rows.read_arrays(path, about)


def _inputs(inputs):
    """Return inputs as Keras takes them: a column of text only as a tensor."""
    if not isinstance(inputs, dict):
        return inputs
    return {
        name: tf.constant(values.tolist()) if values.dtype == object else values
        for name, values in inputs.items()
    }


def _predictions(rows, probabilities, class_names):
    answers = probabilities.argmax(axis=1)
    names = [class_names[answer] for answer in answers]
    head = ("row", *rows.names, "prediction", *(f"probability of {name}" for name in class_names))
    shown = [[f"{p:.4g}" for p in of_example] for of_example in probabilities.tolist()]
    columns = [range(1, len(rows) + 1), *rows.names.values(), names, *zip(*shown, strict=True)]
    counts = dict(zip(class_names, np.bincount(answers, minlength=len(class_names)), strict=True))
    remarks, scores = list(rows.remarks), None
    if rows.labels is not None:
        y = new_rows.codes_of(rows.labels, class_names)
        known = y >= 0
        others = [label for label, is_one in zip(rows.labels, known, strict=True) if not is_one]
        if nothing := others.count(""):
            remarks.append(f"rows without a label, not counted: {nothing}")
        if new := Counter(filter(None, others)):
            remarks.append(
                f"rows of classes that the model does not have, not counted: {new.total()} "
                f"({listed(new, 3)})"
            )
        if known.any():
            scores = score(probabilities[known], y[known], class_names)
    return Predictions([head, *zip(*columns, strict=True)], counts, remarks, scores)
