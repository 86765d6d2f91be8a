"""A folder of images, one folder a class -> pixels and labels.

Pillow reads them, which matplotlib brings along: one by one, so that a damaged one can be named and
left out.
"""

import functools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from recipes._lab.data.arrays import PARTS
from recipes._lab.data.encoders import fit_arrays
from recipes._lab.data.new_rows import NewRows
from recipes._lab.data.splits import Source, coded_labels, codes
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
LONGEST_SIDE = 64  # pixels; these recipes train small nets on thousands of examples in memory
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's, by channels
CHANNELS = {"1": 1, "L": 1, "I;16": 1, "RGBA": 4, "LA": 4, "PA": 4}  # all others have three


def from_folder(name: str, folder: Path) -> Source:
    """Return the source of images that lie in one folder a class.

    Args:
        name: what to call it in results.
        folder: of the classes' folders; or of folders train, test and perhaps val of these.

    Raises:
        UserError: there are no such images, or too few; the message says why.
    """
    where = repr(str(folder))
    parts = {
        PARTS[sub.name.lower()]: sub for sub in _subfolders(folder) if sub.name.lower() in PARTS
    }
    folders = [parts[part] for part in ("train", "val") if part in parts] or [folder]
    remarks, damaged = [], []
    files = [file for of in folders for file in _labelled(of, remarks)]
    tests = _labelled(parts["test"], remarks) if "test" in parts else []
    if not files:
        raise UserError(
            f"{where} has no folders with images ({', '.join(ENDINGS)}); give one folder a class, "
            "such as cats/ and dogs/"
        )
    shapes = _shapes([file for file, _ in (*files, *tests)])
    if not shapes:
        raise UserError(f"{where} has no image that can be read; save them anew")
    shape = _common_shape(shapes, remarks)
    x, labels, names = _pixels(files, shape, folder, damaged)
    class_names, y = coded_labels(labels, where, parts=2 if tests else 3)
    x_test = own_test = None
    if tests:
        x_test, test_labels, _ = _pixels(tests, shape, folder, damaged)
        if unknown := sorted(set(test_labels) - set(class_names)):
            raise UserError(f"{where}: test has classes that train has not: {listed(unknown)}")
        own_test = codes(test_labels, class_names)
    if damaged:
        remarks.append(_left_out(damaged))
    if len(folders) > 1:
        remarks.append("train and val are taken together: each seed draws its own validation part")
    return Source(
        name,
        class_names,
        y,
        x,
        functools.partial(fit_arrays, where=where),
        raw_test=x_test,
        own_test=own_test,
        example_shape=shape,
        example_names=names,
        remarks=tuple(remarks),
    )


def read_images(folder: Path, about: dict) -> NewRows:
    """Return the images of a folder for a saved model, labelled where their folders are.

    Args:
        folder: with images in it, or one folder a class.
        about: from `new_rows.describe`.
    """
    shape, remarks, damaged = tuple(about["shape"]), [], []
    labelled = _labelled(folder, [])
    files = labelled or [(file, "") for file in _images(folder)]
    if not files:
        raise UserError(f"{str(folder)!r} has no images ({', '.join(ENDINGS)})")
    shapes = _shapes([file for file, _ in files])
    if {of[:2] for of in shapes} != {shape[:2]}:
        remarks.append(f"images are brought to {shape[0]} x {shape[1]} pixels")
    x, labels, names = _pixels(files, shape, folder, damaged)
    if damaged:
        remarks.append(_left_out(damaged))
    if not len(x):
        raise UserError(f"{str(folder)!r} has no image that can be read; save them anew")
    return NewRows(x, {"file": names}, labels if labelled else None, remarks)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(sub for sub in folder.iterdir() if sub.is_dir() and sub.name[0] not in "._")


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)


def _labelled(folder: Path, remarks: list[str]) -> list[tuple[Path, str]]:
    """Return the images of each class with its name."""
    files_by_class = {sub.name: _images(sub) for sub in _subfolders(folder)}
    if empty := [name for name, files in files_by_class.items() if not files]:
        remarks.append(f"folders without images, left out: {listed(empty)}")
    everything = [file for file in folder.rglob("*") if file.is_file()]
    others = [file for file in everything if file.suffix.lower() not in ENDINGS]
    if others:
        endings = listed(Counter(file.suffix or file.name for file in others), 5)
        remarks.append(f"files that are no images, left out: {len(others)} ({endings})")
    if loose := [file for file in everything if file.parent == folder and file not in others]:
        remarks.append(f"images outside the folders of the classes, left out: {len(loose)}")
    return [(file, name) for name, files in files_by_class.items() for file in files]


def _shapes(files: list[Path]) -> Counter:
    """Return how often each shape occurs; of images that can be opened, the head is read."""
    shapes = Counter()
    for file in files:
        try:
            with Image.open(file) as image:
                shapes[image.height, image.width, CHANNELS.get(image.mode, 3)] += 1
        except OSError:
            continue  # `_pixels` names it
    return shapes


def _common_shape(shapes: Counter, remarks: list[str]) -> tuple[int, int, int]:
    """Return the shape that all images are brought to."""
    sizes = np.array([shape[:2] for shape in shapes.elements()])
    height, width = np.median(sizes, axis=0)
    shrink = min(1, LONGEST_SIDE / max(height, width))
    height, width = (max(1, round(float(side) * shrink)) for side in (height, width))
    channels = max(shape[2] for shape in shapes)
    if {shape[:2] for shape in shapes} != {(height, width)}:
        low, high = sizes.min(axis=0), sizes.max(axis=0)
        remarks.append(
            f"images of {low[0]} x {low[1]} to {high[0]} x {high[1]} pixels are brought to "
            f"{height} x {width}"
        )
    if len({shape[2] for shape in shapes}) > 1:
        remarks.append(f"all images are read as {MODES[channels]}")
    return height, width, channels


def _pixels(
    files: Iterable[tuple[Path, str]], shape: tuple[int, int, int], folder: Path, damaged: list[str]
) -> tuple[np.ndarray, list[str], list[str]]:
    """Return pixels, uint8 (images, *shape), and the labels and names of those that can be read.

    Args:
        files: with their labels.
        shape: height, width and channels that they are brought to.
        folder: in which they lie, for their names.
        damaged: gets the names of those that can't be read.
    """
    height, width, channels = shape
    pixels, labels, names = [], [], []
    for file, label in files:
        name = str(file.relative_to(folder))
        try:
            with Image.open(file) as image:
                fitting = image.convert(MODES[channels])
        except OSError:
            damaged.append(name)
            continue
        if fitting.size != (width, height):
            fitting = fitting.resize((width, height), Image.Resampling.BILINEAR)
        pixels.append(np.asarray(fitting).reshape(shape))
        labels.append(label)
        names.append(name)
    x = np.stack(pixels) if pixels else np.empty((0, *shape), np.uint8)
    return x, labels, names


def _left_out(damaged: list[str]) -> str:
    return f"images that can't be read, left out: {len(damaged)} ({listed(damaged, 5)})"
