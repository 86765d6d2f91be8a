"""Recipes and claims -> a static site: an overview, all claims, a page for each recipe."""

import functools
import http.server
import shutil
import tempfile
import threading
from collections import defaultdict
from pathlib import Path
from urllib.parse import urlencode

from recipes._lab import catalogue
from recipes._lab.errors import UserError
from recipes._lab.files import explained
from recipes._lab.output.pages import render
from recipes._lab.publishing import claims, forest, replication
from recipes._lab.publishing.meta_analysis import IN_PLURAL, MARKS_OVER_DATA
from recipes._lab.publishing.rows import AGAINST_THE_CLAIM, families, outcome, statement
from recipes._lab.publishing.rows import rows as make_rows

LANE = 18  # height of what one data set says of a claim, in pixels
# The page of claims, with only those that the results contradict, see claims.js.
CONTRADICTED_CLAIMS = urlencode({"verdict": AGAINST_THE_CLAIM, "sort": "surprise"}, doseq=True)


def build(folder, address=""):
    """Write the site from the recipes and their committed results, whole or not at all.

    Args:
        folder: a `Path`; what it held before is replaced.
        address: where it will be published, with a slash at its end: link previews show a picture
            only by its full address.
    """
    recipes = catalogue.everything()
    entries = claims.entries(recipes)
    with explained(folder, remedy=None), _beside(folder) as work:
        new = Path(work) / "new"
        (new / "thumbnails").mkdir(parents=True)
        for file, content in pages(recipes, entries, address).items():
            (new / file).write_text(content, encoding="utf-8")
        for recipe in recipes:
            for picture in recipe.pictures:
                shutil.copy(picture, new)
            if thumbnail := _thumbnail(recipe):
                shutil.copy(thumbnail, new / "thumbnails" / f"{recipe.name}.png")
        _replace(folder, new, Path(work) / "old")


def _replace(folder, new, old):
    """Rename a new folder into the place of another, which becomes `old`, or stays on an error."""
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise


def _beside(folder):
    """Return a temporary folder, as a context, from which to rename into the place of another."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=folder.parent, prefix=".site")


def pages(recipes, entries, address=""):
    """Return the site's texts, `{file name: text}`."""
    files = {
        "style.css": render("site.css", lane=LANE),
        **{script: render(script) for script in ("copy.js", "claims.js", "search.js")},
    }
    rows = make_rows(entries)
    files["index.html"] = _overview(recipes, rows, address)
    files["claims.html"] = _claims(recipes, rows, address)
    for recipe in recipes:
        files[f"{recipe.name}.html"] = _recipe(recipe, _of(recipe, rows), address)
    return files


def _page(template, **values):
    """Return a page: a template with what all of them need, and values of its own."""
    return render(
        template,
        wrong=CONTRADICTED_CLAIMS,
        ticks=forest.ticks(),
        margin=forest.MARGIN,
        lane_height=LANE,
        about_data=defaultdict(str, claims.ABOUT_DATA),
        **values,
    )


def _overview(recipes, rows, address):
    """Return the first page: what was found, symptoms, then the recipes by topic."""
    topics = {
        topic: [_card(recipe, _of(recipe, rows)) for recipe in of_topic]
        for topic, of_topic in catalogue.by_topic(recipes).items()
    }
    return _page(
        "index.html",
        address=address,
        shares=shares(rows),
        in_plural=IN_PLURAL,
        total=len(_textbooks(rows)),
        symptoms=catalogue.by_symptom(recipes),
        commands=catalogue.COMMANDS,
        topics=topics,
        stale=any(row.stale for row in _textbooks(rows)),
    )


def _card(recipe, rows):
    """Return what the overview shows of a recipe: its main claim, and the textbooks' others."""
    main = _primary(rows)
    return {
        "recipe": recipe,
        "thumbnail": _thumbnail(recipe),
        "main": main,
        "others": [row for row in _textbooks(rows) if row is not main],
    }


def _of(recipe, rows):
    return [row for row in rows if row.entry.recipe is recipe]


def _primary(rows):
    """Return the row of a recipe's main claim, or None without results."""
    return next((row for row in rows if row.entry.claim.primary), None)


def _claims(recipes, rows, address):
    """Return the page of all claims by topic: the textbooks', recipe by recipe, then ours."""
    entries = [row.entry for row in rows]
    topics = {}
    for row in rows:
        parts = topics.setdefault(row.entry.recipe.topic, {"textbooks": [], "ours": []})
        parts["ours" if row.entry.claim.ours else "textbooks"].append(row)
    order = [topic for topic in catalogue.by_topic(recipes) if topic in topics]
    books, papers = families(entries)
    return _page(
        "claims.html",
        address=address,
        rows=rows,
        topics={topic: topics[topic] for topic in order},
        shares=shares(rows),
        total=len(_textbooks(rows)),
        books=books,
        papers=papers,
        datasets=claims.datasets(entries),
        tallies=claims.tallies(entries),
        replicated=_replicated(recipes),
    )


def _textbooks(rows):
    return [row for row in rows if not row.entry.claim.ours]


def shares(rows):
    """Return how many of the textbooks' claims have each verdict over all data sets.

    Returns:
        Dicts of `verdict`, `count`, its `share` in %, and `start`, where it begins in a bar of all.
    """
    counts = claims.verdicts(row.entry for row in _textbooks(rows))
    parts, start = [], 0.0
    for verdict in MARKS_OVER_DATA:
        share = 100 * counts[verdict] / max(1, counts.total())
        parts.append({"verdict": verdict, "count": counts[verdict], "share": share, "start": start})
        start += share
    return parts


def _recipe(recipe, rows, address):
    """Return the page of a recipe."""
    results = catalogue.results(recipe.name)
    primary = _primary(rows)
    return _page(
        "recipe.html",
        address=address,
        recipe=recipe,
        rows=rows,
        primary=primary,
        statement=statement(primary.entry) if primary else "",
        outcome=outcome(primary.entry) if primary else "",
        # Pictures are of the first data.
        shown=next(iter(results["runs"]), None),
        figures=[(path, _caption(recipe, path, results)) for path in recipe.pictures],
        runs=results["runs"],
        stale={data for data, run in results["runs"].items() if claims.is_stale(recipe, run)},
        timed=results.get("timed") == recipe.digest,
        seconds=results.get("seconds"),
        cores=results.get("cores"),
        replicated=_replicated([recipe]),
    )


def _replicated(recipes):
    """Return in lines of text how many verdicts changed with other seeds."""
    return replication.counts([pair for recipe in recipes for pair in replication.pairs_of(recipe)])


def _thumbnail(recipe):
    """Return the path of a recipe's small picture, or of its main one, or None."""
    small = recipe.thumbnail
    return small if small.exists() else next(iter(recipe.pictures), None)


def _caption(recipe, path, results):
    """Return what a picture is of: its name in a run, as the recipe's text has it, and the data."""
    name = path.stem.replace(recipe.name, "figure", 1)
    return f"{name}, on {data}" if (data := next(iter(results["runs"]), "")) else name


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
