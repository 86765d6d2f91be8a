"""Recipes and claims -> a static site: an overview, the ledger, a page for each recipe."""

import functools
import html
import http.server
import shutil
import tempfile
import threading
from pathlib import Path

from recipes._lab import catalogue, evidence
from recipes._lab.errors import UserError
from recipes._lab.files import explained, write
from recipes._lab.output import markup
from recipes._lab.publishing import claims

# Nothing is asked of any other host, whatever a page may say.
HEAD = """<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'">
<link rel="icon" href="data:,"><link rel="stylesheet" href="style.css">"""
NAVIGATION = (
    '<nav><a href="index.html">Recipes</a> · <a href="claims.html">Textbook claims, checked</a>'
    "</nav>"
)

# A page that is opened as a file may not use the clipboard, hence the older way.
COPY = """
for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("pre").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "copied";
    setTimeout(() => { button.textContent = "copy"; }, 2000);
  });
}
"""


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
        "style.css": markup.style(),
        "copy.js": COPY,
        "index.html": _page("Keras training recipes, checked", _overview(recipes, entries)),
        "claims.html": _page("Textbook claims, checked", _claims_page(entries)),
    } | {
        f"{recipe.name}.html": _page(recipe.question, _recipe(recipe, claims.of(recipe, entries)))
        for recipe in recipes
    }


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


def _page(title, body):
    body = f'{NAVIGATION}<h1>{html.escape(title)}</h1>{body}<script src="copy.js"></script>'
    return markup.page(title, HEAD, body)


def _overview(recipes, entries):
    """Return the first page: symptoms, then the recipes by topic."""
    symptoms = [
        (html.escape(symptom), ", ".join(map(_link, concerned)))
        for symptom, concerned in catalogue.by_symptom(recipes).items()
    ]
    parts = [
        "<p>Each recipe is a template to paste, a textbook's claim about training, and an "
        "experiment that checks the claim over many seeds: it holds (✓), it does not (✗), or the "
        "seeds can't tell (?).</p>",
        *(
            f"<p>All claims on {html.escape(data)}: {_counts(entries, data)}</p>"
            for data in claims.datasets(entries)
        ),
        "<h2>What do you see?</h2>",
        markup.table(("symptom", "recipes"), symptoms),
    ]
    for topic, of_topic in catalogue.by_topic(recipes).items():
        cards = (_card(recipe, claims.of(recipe, entries)) for recipe in of_topic)
        parts.append(f'<h2>{html.escape(topic)}</h2><div class="cards">{"".join(cards)}</div>')
    return "".join(parts)


def _card(recipe, entries):
    picture = "".join(_image(path, "") for path in recipe.pictures[:1])
    verdicts = "".join(
        f'<p class="quiet">{html.escape(data)}: {_counts(entries, data)}</p>'
        for data in claims.datasets(entries)
    )
    return (
        f'<a class="card" href="{recipe.name}.html">{picture}'
        f"<p><b>{html.escape(recipe.question)}</b></p>{verdicts}</a>"
    )


def _recipe(recipe, entries):
    """Return the page of a recipe."""
    results = catalogue.results(recipe.name)
    text = markup.paragraphs(recipe)
    seconds = results.get("seconds")
    cores = f" on {results['cores']} cores" if "cores" in results else ""
    duration = f"<p>It takes {seconds:g} s{cores}.</p>" if seconds else ""
    runs = "".join(
        f"<p><small>{html.escape(data)}: {len(run['seeds'])} seeds, "
        + html.escape(", ".join(f"{name} {version}" for name, version in run["versions"].items()))
        + ".</small></p>"
        for data, run in results["runs"].items()
    )
    return (
        text["claim"]
        + (_verdicts(entries) if entries else "")
        + text["use"]
        + "".join(_figure(recipe, path, results) for path in recipe.pictures)
        + text["look for"]
        + f"<h2>Run it</h2><pre>make recipe NAME={recipe.name}</pre>{duration}"
        f"<p>Look inside, in TensorBoard:</p><pre>make tensorboard NAME={recipe.name}</pre>"
        "<h2>Paste it</h2><p>It needs Keras and NumPy only.</p>"
        f'<div class="template"><button class="copy">copy</button>{markup.code(recipe.template)}'
        f"</div>{runs}<p><small>Intervals speak of other seeds at the same split.</small></p>"
    )


def _figure(recipe, path, results):
    """Return a picture with what it is of: the name that the recipe gave it, and the data."""
    name = path.stem.removeprefix(recipe.name).lstrip("-").replace("-", " ").replace("_", " ")
    caption = ", ".join(filter(None, (name, *list(results["runs"])[:1])))
    image = _image(path, f"Figure of {recipe.name}: {caption}")
    return f"<figure>{image}<figcaption>{html.escape(caption)}</figcaption></figure>"


def _verdicts(entries):
    """Return the table of a recipe's claims: verdict and numbers on each data set."""
    datasets = claims.datasets(entries)
    rows = [
        (
            markup.claim(entry.claim, entry.source),
            *(_found(entry.found.get(data)) for data in datasets),
        )
        for entry in entries
    ]
    return markup.table(("claim", *map(html.escape, datasets)), rows)


def _claims_page(entries):
    """Return the page of all claims."""
    datasets = claims.datasets(entries)
    counts = [(html.escape(data), *claims.count(entries, data).values()) for data in datasets]
    rows = [
        (
            _link(entry.recipe),
            markup.claim(entry.claim, entry.source, entry.primary),
            *(_found(entry.found.get(data), with_q=True) for data in datasets),
        )
        for entry in entries
    ]
    return (
        "<p>Every claim of every recipe, with its source and what the runs say of it; the first "
        "claim of a recipe is in bold. A verdict rests on a 95 % interval of differences paired by "
        "seed. With so many claims, some are decided by luck: q is the false discovery rate "
        "(Benjamini and Hochberg), the share of wrong ones to expect among all claims of the "
        "ledger with a q as small.</p>"
        + markup.table(("claims on", *claims.VERDICTS), counts)
        + markup.table(("recipe", "claim", *map(html.escape, datasets)), rows)
    )


def _found(found, with_q=False):
    """Return a verdict with its numbers."""
    if not found:
        return "–"
    q_value = ""
    if with_q and found.q_value is not None:
        q_value = f' <span class="quiet">q&nbsp;=&nbsp;{found.q_value:.2g}</span>'
    return markup.verdict(found.judgement) + q_value


def _counts(entries, data):
    """Return the number of claims of each verdict, by its mark."""
    return " ".join(
        f'<span class="{markup.CLASSES[verdict]}" title="{verdict}">'
        f"{number}&nbsp;{evidence.MARKS[verdict]}</span>"
        for verdict, number in claims.count(entries, data).items()
        if number
    )


def _image(path, text):
    """Return a picture that lies beside the page; the text describes it."""
    return f'<img src="{html.escape(path.name)}" alt="{html.escape(text)}" loading="lazy">'


def _link(recipe):
    return f'<a href="{recipe.name}.html"><code>{recipe.name}</code></a>'
