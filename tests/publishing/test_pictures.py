"""Pictures of the gallery: small, in the colours of the figure, and none of an older run."""

import io

import numpy as np
import pytest
from PIL import Image

from recipes._lab import catalogue
from recipes._lab.output import figures
from recipes._lab.publishing import pictures


def png(picture):
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)
    monkeypatch.setattr(catalogue, "THUMBNAILS", tmp_path / "thumbnails")
    return catalogue.parse("one", '"""Is it?"""')


def test_pictures_are_small_and_no_older_one_stays(recipe):
    for name in ("one-old.png", "one.png", "two.png"):
        (catalogue.RESULTS / name).write_text("old")
    noise = np.random.default_rng(0).integers(0, 256, (80, 2000, 3), dtype=np.uint8)
    content = png(Image.fromarray(noise))
    pictures.draw(recipe, {"figure.png": content, "figure-detail.png": content})
    assert [path.name for path in recipe.pictures] == ["one.png", "one-detail.png"]
    for path in recipe.pictures:
        picture = Image.open(path)
        assert picture.size == (1000, 40)
        assert len(picture.getcolors()) <= 64
    assert (catalogue.RESULTS / "two.png").read_text() == "old"


def nearest(content, colour):
    """How far the nearest colour of a picture is from this one, of 0 to 255."""
    pixels = np.asarray(opened(content).convert("RGB")).reshape(-1, 3).astype(int)
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return np.abs(pixels - wanted).max(axis=1).min()


def test_lines_keep_their_colours():
    """Else two variants look alike: the most frequent colours are those of text and bands."""
    epochs = np.arange(21)
    noise = np.random.default_rng(0).normal(size=(20, 21))
    curves = {name: (epochs, 10 * n + noise) for n, name in enumerate("abcd")}
    figure = figures.lines({"one": curves, "two": curves}, x_label="epoch", y_label="%")
    committed = pictures.small(figures.png(figure))
    for colour in figures.COLOURS[:4]:
        assert nearest(committed, colour) <= 24, colour
        assert nearest(pictures.thumbnail(committed), colour) <= 40, colour


@pytest.mark.parametrize("size", [(1000, 266), (400, 900), (300, 100)])
def test_a_thumbnail_shows_the_whole_picture_without_its_margins(size):
    """Each corner has a colour of its own, within a margin of almost white."""
    width, height = size
    picture = Image.new("RGB", size, (250, 252, 251))
    corners = {"red": (0, 0), "lime": (1, 0), "blue": (0, 1), "black": (1, 1)}
    for colour, (right, bottom) in corners.items():
        place = (60 + right * (width - 170), 20 + bottom * (height - 70))
        picture.paste(colour, (*place, place[0] + 50, place[1] + 30))
    made = opened(pictures.thumbnail(png(picture))).convert("RGB")
    assert made.size == (640, 400)
    pixels = np.asarray(made).astype(int)
    inked = np.argwhere(np.abs(pixels - 255).max(axis=2) > 40)
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0)
    for colour, (at_right, at_bottom) in corners.items():
        y, x = (bottom - 2, top + 2)[not at_bottom], (right - 2, left + 2)[not at_right]
        wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
        assert np.abs(pixels[y, x] - wanted).max() <= 40, colour
    # In the middle, as large as the card allows unless it was smaller.
    assert abs(left - (639 - right)) <= 2
    assert abs(top - (399 - bottom)) <= 2
    scale = min(620 / (width - 120), 380 / (height - 40), 1)
    assert right - left + 1 == pytest.approx((width - 120) * scale, abs=3)


def test_thumbnails_are_those_of_the_recipes_with_pictures(recipe):
    catalogue.THUMBNAILS.mkdir()
    (catalogue.THUMBNAILS / "gone.png").write_text("old")
    (catalogue.RESULTS / "one.png").write_bytes(png(Image.new("RGB", (90, 60), "red")))
    two = catalogue.parse("two", '"""Is it?"""')
    pictures.update_thumbnails([recipe, two])
    assert list(catalogue.THUMBNAILS.iterdir()) == [recipe.thumbnail]
    assert opened(recipe.thumbnail.read_bytes()).size == (640, 400)


def test_committed_thumbnails_are_there_and_of_the_committed_figures():
    """Pillow's versions may write other bytes: pixels are compared, by their mean."""
    recipes = [recipe for recipe in catalogue.everything() if recipe.pictures]
    assert sorted(catalogue.THUMBNAILS.iterdir()) == sorted(r.thumbnail for r in recipes)
    for recipe in recipes:
        made = opened(pictures.thumbnail(recipe.pictures[0].read_bytes())).convert("RGB")
        committed = Image.open(recipe.thumbnail).convert("RGB")
        assert committed.size == made.size
        difference = np.asarray(made).astype(float) - np.asarray(committed)
        assert np.abs(difference).mean() < 1, f"make gallery PAGES=1 draws {recipe.name} anew"
