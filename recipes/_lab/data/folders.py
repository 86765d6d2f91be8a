"""A folder of images, one folder a class -> pixels and labels."""

import functools
from collections import Counter
from pathlib import Path

import numpy as np

from recipes._lab.data.arrays import PARTS
from recipes._lab.data.encoders import fit_arrays
from recipes._lab.data.new_rows import NewRows
from recipes._lab.data.splits import Source, coded_labels, codes
from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
LONGEST_SIDE = 64  # pixels; these recipes train small nets on thousands of examples in memory
COLOUR_MODES = {1: "grayscale", 3: "rgb", 4: "rgba"}


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
    remarks = []
    files = {of: _by_class(of, remarks) for of in (*folders, *filter(None, [parts.get("test")]))}
    everything = [file for classes in files.values() for of in classes.values() for file in of]
    if not everything:
        raise UserError(
            f"{where} has no folders with images ({', '.join(ENDINGS)}); give one folder a class, "
            "such as cats/ and dogs/"
        )
    shape = _common_shape(everything, remarks)
    read = {of: _pixels(of, list(classes), shape) for of, classes in files.items()}
    x = np.concatenate([read[of][0] for of in folders])
    labels = [label for of in folders for label in read[of][1]]
    if len(folders) > 1:
        remarks.append("train and val are taken together: each seed draws its own validation part")
    has_test = "test" in parts
    class_names, y = coded_labels(labels, where, parts=2 if has_test else 3)
    x_test = own_test = None
    if has_test:
        x_test, test_labels, _ = read[parts["test"]]
        if unknown := sorted(set(test_labels) - set(class_names)):
            raise UserError(f"{where}: test has classes that train has not: {listed(unknown)}")
        own_test = codes(test_labels, class_names)
    return Source(
        name,
        class_names,
        y,
        x,
        functools.partial(fit_arrays, where=where),
        raw_test=x_test,
        own_test=own_test,
        example_shape=shape,
        example_names=[
            str(Path(file).relative_to(folder)) for of in folders for file in read[of][2]
        ],
        remarks=tuple(remarks),
    )


def read_images(folder: Path, about: dict) -> NewRows:
    """Return the images of a folder for a saved model, labelled where their folders are.

    Args:
        folder: with images in it, or one folder a class.
        about: from `new_rows.describe`.
    """
    shape, remarks = tuple(about["shape"]), []
    files = _images(folder)
    if not files:
        raise UserError(f"{str(folder)!r} has no images ({', '.join(ENDINGS)})")
    if {_shape(file)[:2] for file in files} != {shape[:2]}:
        remarks.append(f"images are brought to {shape[0]} x {shape[1]} pixels")
    classes = list(_by_class(folder, [])) or None
    x, labels, read = _pixels(folder, classes, shape)
    return NewRows(x, {"file": [str(Path(f).relative_to(folder)) for f in read]}, labels, remarks)


def _subfolders(folder: Path) -> list[Path]:
    return sorted(sub for sub in folder.iterdir() if sub.is_dir() and sub.name[0] not in "._")


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)


def _by_class(folder: Path, remarks: list[str]) -> dict[str, list[Path]]:
    """Return the images of each class."""
    found = {sub.name: _images(sub) for sub in _subfolders(folder)}
    if empty := [name for name, files in found.items() if not files]:
        remarks.append(f"folders without images, left out: {listed(empty)}")
    others = [
        file for file in folder.rglob("*") if file.is_file() and file.suffix.lower() not in ENDINGS
    ]
    if others:
        endings = listed(Counter(file.suffix or file.name for file in others), 5)
        remarks.append(f"files that are no images, left out: {len(others)} ({endings})")
    return {name: files for name, files in found.items() if files}


def _shape(file: Path) -> tuple[int, int, int]:
    """Return height, width and channels of an image, of which only the head is read."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            channels = {"1": 1, "L": 1, "I;16": 1, "RGBA": 4, "LA": 4}.get(image.mode, 3)
            return image.height, image.width, channels
    except (UnidentifiedImageError, OSError) as error:
        raise UserError(f"{str(file)!r} can't be read as an image; remove or replace it") from error


def _common_shape(files: list[Path], remarks: list[str]) -> tuple[int, int, int]:
    """Return the shape that all images are brought to."""
    shapes = Counter(_shape(file) for file in files)
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
        remarks.append(f"all images are read as {COLOUR_MODES[channels]}")
    return height, width, channels


def _pixels(folder: Path, classes: list[str] | None, shape: tuple[int, int, int]):
    """Return pixels, uint8 (images, *shape), the label of each or None, and the files' paths."""
    import keras

    images = keras.utils.image_dataset_from_directory(
        folder,
        labels="inferred" if classes else None,
        class_names=classes,
        color_mode=COLOUR_MODES[shape[2]],
        image_size=shape[:2],
        batch_size=256,
        shuffle=False,
        verbose=False,
    )
    try:
        batches = list(images.as_numpy_iterator())
    except Exception as error:  # TensorFlow names no file that it can't decode
        raise UserError(
            f"{str(folder)!r} holds an image that can't be decoded; open them once and save the "
            "damaged ones anew"
        ) from error
    pixels = [batch[0] if classes else batch for batch in batches]
    x = np.concatenate(pixels).round().astype(np.uint8)
    labels = classes and [classes[code] for batch in batches for code in batch[1]]
    return x, labels, images.file_paths
