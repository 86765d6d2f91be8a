"""Folders of images, as people have them."""

import numpy as np
import pytest
from PIL import Image

from recipes._lab.data import read
from recipes._lab.errors import UserError


def draw(folder, count, *, size=(8, 8), mode="L", bright=0, ending="png"):
    """Write images of one class."""
    folder.mkdir(parents=True, exist_ok=True)
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    for n in range(count):
        pixels = np.full((*size, *channels), bright + n, np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.{ending}")


def test_pixels_and_labels_are_those_of_the_files(tmp_path):
    draw(tmp_path / "b", 12, bright=100)
    draw(tmp_path / "a", 12)
    source = read(str(tmp_path))
    assert source.class_names == ("a", "b")
    assert source.raw.shape == (24, 8, 8, 1)
    assert source.example_shape == (8, 8, 1)
    for number, name in enumerate(source.example_names):
        folder, _, file = name.partition("/")
        expected = int(file.partition(".")[0]) + (100 if folder == "b" else 0)
        assert (source.raw[number] == expected).all()
        assert source.class_names[source.y[number]] == folder
    assert source.remarks == ()
    assert source.split(0).train.x.max() <= 1


def test_folders_train_val_and_test(tmp_path):
    for part, bright, count in (("train", 0, 15), ("val", 100, 5), ("test", 200, 6)):
        for name in ("cat", "dog"):
            draw(tmp_path / part / name, count, bright=bright)
    source = read(str(tmp_path))
    assert len(source.y) == 40
    assert len(source.own_test) == 12
    assert source.raw_test.min() == 200
    assert source.raw.max() == 104
    assert source.remarks == (
        "train and val are taken together: each seed draws its own validation part",
    )


def test_sizes_and_colours_are_made_equal(tmp_path):
    draw(tmp_path / "a", 15, size=(200, 100), mode="RGB", ending="jpg")
    draw(tmp_path / "b", 11, size=(100, 50))
    (tmp_path / "b" / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    source = read(str(tmp_path))
    assert source.raw.shape == (26, 64, 32, 3)
    assert source.remarks == (
        "folders without images, left out: 'empty'",
        "files that are no images, left out: 1 ('.txt')",
        "images of 100 x 50 to 200 x 100 pixels are brought to 64 x 32",
        "all images are read as RGB",
    )


def test_images_that_cannot_be_read_are_left_out_and_named(tmp_path):
    draw(tmp_path / "a", 12)
    draw(tmp_path / "b", 12)
    (tmp_path / "b" / "3.png").write_bytes(b"no image")
    noise = np.random.default_rng(0).integers(0, 255, (8, 8), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a" / "7.png")
    content = (tmp_path / "a" / "7.png").read_bytes()
    (tmp_path / "a" / "7.png").write_bytes(content[:-30])
    draw(tmp_path, 1)
    source = read(str(tmp_path))
    assert len(source.y) == 22
    assert source.remarks == (
        "images outside the folders of the classes, left out: 1",
        "images that can't be read, left out: 2 ('a/7.png', 'b/3.png')",
    )


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ({}, "has no folders with images"),
        ({"a": 30}, "has only the class 'a'"),
        ({"a": 5, "b": 5}, "has 10 examples; give 20 or more"),
        ({"a": 30, "b": 2}, "has fewer than 3 examples of 'b'"),
        ({"train/a": 20, "train/b": 20, "test/c": 3}, "test has classes that train has not: 'c'"),
    ],
)
def test_folders_that_cannot_be_used(classes, words, tmp_path):
    for name, count in classes.items():
        draw(tmp_path / name, count)
    with pytest.raises(UserError, match=words):
        read(str(tmp_path))


def test_a_table_option_is_not_for_a_folder(tmp_path):
    draw(tmp_path / "a", 12)
    with pytest.raises(UserError, match="the group 'x' is for a table"):
        read(str(tmp_path), group="x")
