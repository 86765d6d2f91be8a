"""What all pages share: their looks, light and dark; tables; verdicts; highlighted code."""

import html
import string

import pygments
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from recipes._lab.evidence import MARKS

CLASSES = {
    "holds": "yes",
    "does not hold": "no",
    "makes no difference": "same",
    "not detected": "open",
}

# Blue and orange, which the colour-blind can tell apart; the marks say the same without colour.
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --yes: #0072b2; --no: #c04a00; --open: #767676 }
@media (prefers-color-scheme: dark) { :root { --yes: #6cc0f5; --no: #ff9a4d; --open: #a0a0a0 } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 0 auto; padding: 1rem }
a { color: inherit; text-decoration-color: var(--open) }
h1 { line-height: 1.2 }
h2 { margin-top: 2.5rem }
img { max-width: 100%; background: white; border-radius: 4px }
.scroll { overflow-x: auto }
table { border-collapse: collapse; margin: 1rem 0; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0 }
td, th { border-bottom: 1px solid var(--line) }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)) }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .8rem; text-decoration: none }
.card img { width: 100%; height: 9rem; object-fit: cover; object-position: top left }
.card p { margin: .4rem 0 0 }
.yes { color: var(--yes) }
.no { color: var(--no) }
.open { color: var(--open) }
.verdict { font-weight: 600; white-space: nowrap }
figure { margin: 1.5rem 0 }
small, .quiet, figcaption { opacity: .75 }
.use { border-left: 4px solid var(--yes); padding-left: .8rem }
pre { overflow-x: auto; padding: .8rem; border: 1px solid var(--line); border-radius: 6px }
code, pre { font: 13px/1.45 ui-monospace, monospace }
button { font: inherit; padding: .2rem .8rem; cursor: pointer }
.template { position: relative }
.template button { position: absolute; right: .6rem; top: .6rem }
"""

_PAGE = string.Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
$head
</head><body>
$body
</body></html>
""")


def page(title, head, body):
    """Return a page; the title is text, head and body are HTML."""
    return _PAGE.substitute(title=html.escape(title), head=head, body=body)


def style():
    """Return the style sheet of all pages."""
    light, dark = (
        HtmlFormatter(style=name, cssclass="code").get_style_defs(".code")
        for name in ("friendly", "github-dark")
    )
    return f"{_STYLE}{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def table(head, rows):
    """Return a table; all cells are HTML."""
    head = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead>{body}</table></div>'


def claim(text, source, primary=False):
    """Return a claim with its source; in bold if it is a recipe's first."""
    words = html.escape(text)
    if primary:
        words = f"<b>{words}</b>"
    return f'{words} <span class="quiet">[{html.escape(source)}]</span>'


def verdict(judgement):
    """Return the verdict of an `evidence.Judgement`, marked and coloured, with its numbers."""
    name = judgement.verdict
    return (
        f'<span class="verdict {CLASSES[name]}">{MARKS[name]} {name}</span><br>'
        f"{html.escape(judgement.detail)}"
    )


def paragraphs(recipe):
    """Return the paragraphs of a `catalogue.Recipe` that explain, by what they are."""

    def tagged(tag, text, kind=""):
        return f"<p{kind}><b>{tag}:</b> {html.escape(text)}</p>" if text else ""

    return {
        "claim": tagged("Claim", recipe.claim),
        "use": tagged("Use", recipe.use, ' class="use"'),
        "look for": tagged("Look for", recipe.look_for)
        + "".join(f"<p>{html.escape(text)}</p>" for text in recipe.explanation),
    }


def code(text):
    """Return highlighted Python."""
    return pygments.highlight(text, PythonLexer(), HtmlFormatter(cssclass="code"))
