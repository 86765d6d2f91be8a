"""Texts and tables -> Markdown as GitHub shows it."""

import html
import re


def escaped(text):
    """Return a text so that it is shown as it is, on one line: no letter of it marks anything."""
    return re.sub(r"([\\`*_~\[\]])", r"\\\1", html.escape(" ".join(text.split()), quote=False))


def table(head, rows):
    """Return a table; its cells are Markdown, in which a | stands for itself."""
    lines = [head, ["---"] * len(head), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
