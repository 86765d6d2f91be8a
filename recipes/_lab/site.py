"""Recipes and the ledger -> a static site: an overview, the ledger, a page for each recipe."""

import functools
import html
import http.server
import shutil
import socket
import string
import tempfile
from pathlib import Path

import pygments
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from recipes._lab import ledger, menu
from recipes._lab.errors import UserError
from recipes._lab.files import write

MARKS = {"holds": "✓", "does not hold": "✗", "not detected": "?"}
CLASSES = {"holds": "yes", "does not hold": "no", "not detected": "open"}

# Blue and orange, which the colour-blind can tell apart; the marks say the same without colour.
STYLE = """
:root { color-scheme: light dark; --line: #8884; --yes: #0072b2; --no: #c04a00; --open: #767676 }
@media (prefers-color-scheme: dark) { :root { --yes: #6cc0f5; --no: #ff9a4d; --open: #a0a0a0 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem }
a { color: inherit; text-decoration-color: var(--open) }
h1 { line-height: 1.2 } h2 { margin-top: 2.5rem }
img { max-width: 100%; background: white; border-radius: 4px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0 }
td, th { border-bottom: 1px solid var(--line) }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)) }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem; text-decoration: none }
.card img { width: 100%; height: 9rem; object-fit: cover; object-position: top left }
.card p { margin: .4rem 0 0 }
.yes { color: var(--yes) } .no { color: var(--no) } .open { color: var(--open) }
.verdict { font-weight: 600; white-space: nowrap }
small, .source, .quiet { opacity: .75 }
.use { border-left: 4px solid var(--yes); padding-left: .8rem }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: 6px }
code, pre { font: 13px/1.45 ui-monospace, monospace }
button { font: inherit; padding: .2rem .8rem; cursor: pointer }
.template { position: relative } .template button { position: absolute; right: .6rem; top: .6rem }
"""

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

PAGE = string.Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' data:; style-src 'self'; script-src 'self'">
<title>$title</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="style.css">
</head><body>
<nav><a href="index.html">Recipes</a> · <a href="ledger.html">Textbook claims, checked</a></nav>
<h1>$title</h1>
$body
<script src="copy.js"></script>
</body></html>
""")


def build(folder):
    """Write the site from the recipes and their committed results, whole or not at all.

    Args:
        folder: a `Path`; what it held before is replaced.
    """
    recipes = menu.everything()
    entries = ledger.entries(recipes)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".site") as work:
        new = Path(work) / "new"
        for file, content in pages(recipes, entries).items():
            write(new / file, content, durable=False)
        for recipe in recipes:
            if recipe.picture:
                shutil.copy(recipe.picture, new)
        if folder.exists():
            folder.rename(Path(work) / "old")
        new.rename(folder)


def pages(recipes, entries):
    """Return the site's texts, `{file name: text}`."""
    return {
        "style.css": STYLE + _highlighting(),
        "copy.js": COPY,
        "index.html": _page("Keras training recipes, checked", _overview(recipes, entries)),
        "ledger.html": _page("Textbook claims, checked", _ledger(entries)),
    } | {
        f"{recipe.name}.html": _page(
            recipe.question, _recipe(recipe, [e for e in entries if e.recipe is recipe])
        )
        for recipe in recipes
    }


def serve(folder, port):
    """Serve the site on 127.0.0.1 until the user stops it; doesn't return.

    Raises:
        UserError: the port is taken.
    """
    handler = functools.partial(_Quiet, directory=str(folder))
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except OSError as error:
        raise UserError(f"port {port} is taken; give another: PORT=...") from error
    print(f"http://127.0.0.1:{port}/")
    print(f"from another machine, first:  ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}")
    print("stop with Ctrl-C", flush=True)
    server.serve_forever()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing of each request."""


def _page(title, body):
    return PAGE.substitute(title=html.escape(title), body=body)


def _overview(recipes, entries):
    """Return the first page: symptoms, then the recipes by topic."""
    symptoms = [
        (html.escape(symptom), ", ".join(map(_link, concerned)))
        for symptom, concerned in menu.by_symptom(recipes).items()
    ]
    parts = [
        "<p>Each recipe is a template to paste, a textbook's claim about training, and an "
        "experiment that checks the claim over many seeds.</p>",
        "<h2>What do you see?</h2>",
        _table(("symptom", "recipes"), symptoms),
    ]
    for topic, of_topic in menu.by_topic(recipes).items():
        cards = (_card(recipe, [e for e in entries if e.recipe is recipe]) for recipe in of_topic)
        parts.append(f"<h2>{html.escape(topic)}</h2><div class=cards>{''.join(cards)}</div>")
    return "".join(parts)


def _card(recipe, entries):
    picture = _picture(recipe, "")
    verdicts = "".join(
        f"<p class=quiet>{html.escape(data)}: {_counts(entries, data)}</p>"
        for data in ledger.datasets(entries)
    )
    return (
        f'<a class=card href="{recipe.name}.html">{picture}'
        f"<p><b>{html.escape(recipe.question)}</b></p>{verdicts}</a>"
    )


def _recipe(recipe, entries):
    """Return the page of a recipe."""
    results = menu.results(recipe.name)
    parts = [f"<p><b>Claim:</b> {html.escape(recipe.claim)}</p>"]
    if entries:
        parts.append(_verdicts(entries))
    if recipe.use:
        parts.append(f"<p class=use><b>Use:</b> {html.escape(recipe.use)}</p>")
    parts.append(f"<p>{_picture(recipe, f'Figure of {recipe.name}')}</p>")
    parts.append(f"<p><b>Look for:</b> {html.escape(recipe.look_for)}</p>")
    parts += [f"<p>{html.escape(paragraph)}</p>" for paragraph in recipe.explanation]
    seconds = results.get("seconds")
    duration = f" It takes {seconds:g} s on two cores." if seconds else ""
    parts.append(
        f"<h2>Run it</h2><pre>make recipe NAME={recipe.name}</pre><p>{duration}</p>"
        f"<p>Look inside, in TensorBoard:</p><pre>make tensorboard NAME={recipe.name}</pre>"
        "<h2>Paste it</h2><p>It needs Keras and NumPy only.</p>"
        f"<div class=template><button class=copy>copy</button>{_highlighted(recipe.template)}</div>"
    )
    for data, run in results["runs"].items():
        versions = ", ".join(f"{library} {version}" for library, version in run["versions"].items())
        parts.append(
            f"<p><small>{html.escape(data)}: {len(run['seeds'])} seeds, {html.escape(versions)}."
            "</small></p>"
        )
    parts.append("<p><small>Intervals speak of other seeds at the same split.</small></p>")
    return "".join(parts)


def _verdicts(entries):
    """Return the table of a recipe's claims: verdict and numbers on each data set."""
    datasets = ledger.datasets(entries)
    rows = [
        (
            f"{html.escape(entry.claim)} <span class=source>[{html.escape(entry.source)}]</span>",
            *(_found(entry.found.get(data)) for data in datasets),
        )
        for entry in entries
    ]
    return _table(("claim", *map(html.escape, datasets)), rows)


def _ledger(entries):
    """Return the page of all claims."""
    datasets = ledger.datasets(entries)
    counts = [(html.escape(data), *ledger.count(entries, data).values()) for data in datasets]
    rows = [
        (
            _link(entry.recipe),
            f"{'<b>' if entry.primary else ''}{html.escape(entry.claim)}"
            f"{'</b>' if entry.primary else ''} "
            f"<span class=source>[{html.escape(entry.source)}]</span>",
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
        + _table(("claims on", *ledger.VERDICTS), counts)
        + _table(("recipe", "claim", *map(html.escape, datasets)), rows)
    )


def _found(found, with_q=False):
    """Return a verdict with its numbers."""
    if not found:
        return "–"
    verdict = found["verdict"]
    q_value = ""
    if with_q and found["q_value"] is not None:
        q_value = f" <span class=quiet>q = {found['q_value']:.2g}</span>"
    return (
        f'<span class="verdict {CLASSES[verdict]}">{MARKS[verdict]} {verdict}</span><br>'
        f"{html.escape(found['finding'])}{q_value}"
    )


def _counts(entries, data):
    """Return the number of claims of each verdict, in words."""
    return ", ".join(
        f"<span class={CLASSES[verdict]}>{MARKS[verdict]} {number} {verdict}</span>"
        for verdict, number in ledger.count(entries, data).items()
        if number
    )


def _picture(recipe, text):
    """Return a recipe's picture, if it has one."""
    if not recipe.picture:
        return ""
    return f'<img src="{recipe.name}.png" alt="{html.escape(text)}" loading=lazy>'


def _link(recipe):
    return f'<a href="{recipe.name}.html"><code>{recipe.name}</code></a>'


def _table(head, rows):
    """Return a table; cells are HTML."""
    head = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead>{body}</table></div>"


def _highlighted(code):
    return pygments.highlight(code, PythonLexer(), HtmlFormatter(cssclass="code"))


def _highlighting():
    """Return the colours of highlighted code, for light and dark."""
    light = HtmlFormatter(style="friendly", cssclass="code").get_style_defs(".code")
    dark = HtmlFormatter(style="github-dark", cssclass="code").get_style_defs(".code")
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
