"""Jinja2 templates -> HTML: what the page of a run and the pages of the site share.

Every text that a template shows is escaped, and a value that it was not given is an error.
"""

import functools
from pathlib import Path

import jinja2
import pygments
from markupsafe import Markup
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from recipes._lab.evidence import DOES_NOT_HOLD, HOLDS, MARKS, NO_DIFFERENCE, NOT_DETECTED

LAB = Path(__file__).parents[1]
FOLDERS = (LAB / "output" / "templates", LAB / "publishing" / "templates")
# The class that gives a verdict its colour, see style.css.
CLASSES = {HOLDS: "yes", DOES_NOT_HOLD: "no", NO_DIFFERENCE: "same", NOT_DETECTED: "open"}


def render(template, **values):
    """Return a template, given by its file's name, filled with values."""
    return _environment().get_template(template).render(values)


@functools.cache
def _environment():
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDERS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"CLASSES": CLASSES, "MARKS": MARKS, "code_style": _code_style}
    environment.filters["highlighted"] = _highlighted
    return environment


def _highlighted(code):
    """Return Python as HTML with a class for each kind of word; Pygments escapes it."""
    return Markup(pygments.highlight(code, PythonLexer(), HtmlFormatter(cssclass="code")))


def _code_style(name):
    """Return the style sheet that colours highlighted code, by Pygments's name of the style."""
    return Markup(HtmlFormatter(style=name, cssclass="code").get_style_defs(".code"))
