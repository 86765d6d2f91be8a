"""Figures of a run -> the smaller pictures of `recipes/results/`, and thumbnails of these."""

import io

from PIL import Image, ImageChops

from recipes._lab import catalogue
from recipes._lab.files import write

# Of a committed picture, in pixels: enough to read it in a page.
WIDTH = 1000
# Of a thumbnail: twice as wide as a card, so that a screen of two pixels a point shows its labels.
CARD, MARGIN = (640, 400), 10
# A palette takes a quarter of the space. This method keeps the colours of thin lines apart, where
# the default one, by how many pixels have a colour, mixes blue and green.
PALETTE = {"colors": 64, "method": Image.Quantize.MAXCOVERAGE}


def draw(recipe, figures):
    """Write the pictures of a recipe in the place of older ones.

    Args:
        recipe: the `catalogue.Recipe`.
        figures: `{file name: PNG bytes}` of a run.
    """
    contents = {file.replace("figure", recipe.name, 1): png for file, png in figures.items()}
    for path in recipe.pictures:
        if path.name not in contents:
            path.unlink()
    for file, png in contents.items():
        write(catalogue.RESULTS / file, small(png), remedy=None)


def update_thumbnails(recipes):
    """Write a thumbnail of each recipe's main picture, and remove all others."""
    pictures = {recipe.thumbnail: recipe.pictures for recipe in recipes}
    for path in catalogue.THUMBNAILS.glob("*.png"):
        if not pictures.get(path):
            path.unlink()
    for path, of_recipe in pictures.items():
        if of_recipe:
            content = thumbnail(of_recipe[0].read_bytes())
            if not path.exists() or path.read_bytes() != content:
                write(path, content, remedy=None)


def small(png):
    """Return a PNG image as one of `WIDTH` at the most, with a palette."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDTH, 4 * WIDTH))
    return _png(picture)


def thumbnail(png):
    """Return a PNG image on white as one of the size `CARD`: the whole of it, in the middle."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    white = Image.new("RGB", picture.size, "white")
    # A palette's white may be a few steps darker.
    inked = ImageChops.difference(picture, white).convert("L").point(lambda value: value > 8)
    picture = picture.crop(inked.getbbox())
    width, height = CARD
    picture.thumbnail((width - 2 * MARGIN, height - 2 * MARGIN), Image.Resampling.LANCZOS)
    card = Image.new("RGB", CARD, "white")
    card.paste(picture, ((width - picture.width) // 2, (height - picture.height) // 2))
    return _png(card)


def _png(picture):
    content = io.BytesIO()
    picture.quantize(**PALETTE).save(content, "PNG", optimize=True)
    return content.getvalue()
