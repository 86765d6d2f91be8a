"""Recipes and claims -> a static site: an overview, all claims, a page for each recipe."""

import functools
import http.server
import shutil
import tempfile
import threading
from pathlib import Path

from recipes._lab import catalogue
from recipes._lab.errors import UserError
from recipes._lab.files import explained, write
from recipes._lab.output.pages import render
from recipes._lab.publishing import claims


def build(folder):
    """Write the site from the recipes and their committed results, whole or not at all.

    Args:
        folder: a `Path`; what it held before is replaced.
    """
    recipes = catalogue.everything()
    entries = claims.entries(recipes)
    with explained(folder, "free some space"), _beside(folder) as work:
        new = Path(work) / "new"
        for file, content in pages(recipes, entries).items():
            write(new / file, content, durable=False)
        for recipe in recipes:
            for picture in recipe.pictures:
                shutil.copy(picture, new)
        if folder.exists():
            folder.rename(Path(work) / "old")
        new.rename(folder)


def _beside(folder):
    """Return a temporary folder, as a context, from which to rename into the place of another."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=folder.parent, prefix=".site")


def pages(recipes, entries):
    """Return the site's texts, `{file name: text}`."""
    return {
        "style.css": render("style.css"),
        "copy.js": render("copy.js"),
        "index.html": _overview(recipes, entries),
        "claims.html": _claims(recipes, entries),
    } | {f"{recipe.name}.html": _recipe(recipe, claims.of(recipe, entries)) for recipe in recipes}


def _overview(recipes, entries):
    """Return the first page: symptoms, then the recipes by topic."""
    topics = {
        topic: [
            {"recipe": recipe, "tallies": claims.tallies(claims.of(recipe, entries))}
            for recipe in of_topic
        ]
        for topic, of_topic in catalogue.by_topic(recipes).items()
    }
    return render(
        "index.html",
        tallies=claims.tallies(entries),
        symptoms=catalogue.by_symptom(recipes),
        commands=catalogue.COMMANDS,
        topics=topics,
    )


def _claims(recipes, entries):
    """Return the page of all claims: the textbooks', then ours, by recipe."""
    sections = {}
    for heading, ours in (("Textbook claims", False), ("Our own claims", True)):
        chosen = [entry for entry in entries if entry.claim.ours == ours]
        by_recipe = [(recipe, claims.of(recipe, chosen)) for recipe in recipes]
        sections[heading] = [(recipe, of_recipe) for recipe, of_recipe in by_recipe if of_recipe]
    return render(
        "claims.html",
        tallies=claims.tallies(entries),
        datasets=claims.datasets(entries),
        sections=sections,
    )


def _recipe(recipe, entries):
    """Return the page of a recipe."""
    results = catalogue.results(recipe.name)
    return render(
        "recipe.html",
        recipe=recipe,
        entries=entries,
        datasets=claims.datasets(entries),
        # Pictures are of the first data.
        shown=next(iter(results["runs"]), None),
        figures=[(path, _caption(recipe, path, results)) for path in recipe.pictures],
        runs=results["runs"],
        stale={data for data, run in results["runs"].items() if claims.is_stale(recipe, run)},
        timed=results.get("timed") == recipe.digest,
        seconds=results.get("seconds"),
        cores=results.get("cores"),
    )


def _caption(recipe, path, results):
    """Return what a picture is of: the name that the recipe gave it, and the data."""
    name = path.stem.removeprefix(recipe.name).lstrip("-").replace("-", " ").replace("_", " ")
    return ", ".join(filter(None, (name, *list(results["runs"])[:1])))


def serve(folder, port):
    """Begin to serve the site on 127.0.0.1, in the background.

    Returns:
        The server.

    Raises:
        UserError: the port is taken.
    """
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise UserError(
            f"port {port} can't be used: {error.strerror}; give another: PORT=..."
        ) from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of each request."""
