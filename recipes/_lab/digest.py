"""What results depend on, as one digest: it tells which stored results are still those of the code.

Results depend on the folders and modules in `DEPENDS`, and on the recipe's own code, whatever its
docstrings, comments, tables and figures say; unfinished work depends on the versions of the
libraries, too, and on what reads tables and folders. Stored results are on data that come as
arrays. Nothing else throws away a stored result or an unfinished run.
"""

import ast
import functools
import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent
DEPENDS = (
    "data",
    "training",
    "tuning",
    "evidence.py",
    "lab.py",
    "measures.py",
    "results.py",
    "scores.py",
    "seeding.py",
)
# What reads a user's tables and folders of images, and no arrays.
READS_FILES = (
    "cells.py",
    "columns.py",
    "folders.py",
    "header.py",
    "new_rows.py",
    "reading.py",
    "smells.py",
    "tables.py",
    "target.py",
)
LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn", "keras-tuner")
# Calls of the lab that show results and change none.
SHOWS = ("figure", "table")


@functools.cache
def of_program(*, reads_files=True):
    """Return a digest of the shared code that makes numbers, as first read.

    Args:
        reads_files: whether what reads tables and folders counts as well.
    """
    without = set() if reads_files else {ROOT / "data" / name for name in READS_FILES}
    files = sorted(set(_files()) - without)
    return _hashed(of_code(path.read_text(encoding="utf-8")) for path in files)


def of_recipe(source):
    """Return a digest of a recipe's code, given as text, and of the shared code below it."""
    return _hashed([of_program(reads_files=False), of_code(source)])


def of_work(*parts):
    """Return a digest for unfinished work: the shared code, the versions, and what `parts` say."""
    return _hashed([of_program(), repr(versions()), *parts])


@functools.cache
def of_code(source):
    """Return a digest of what code computes, whatever its docstrings, comments and figures say."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        documented = isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
        if documented and ast.get_docstring(node) is not None:
            del node.body[0]
        if isinstance(getattr(node, "body", None), list):
            node.body = [statement for statement in node.body if not _only_shows(statement)]
    return _hashed([repr(_plain(tree))])


def versions():
    """Return the versions of the libraries and of Python, by name."""
    return {library: version(library) for library in LIBRARIES} | {
        "python": platform.python_version()
    }


def _files():
    for name in DEPENDS:
        path = ROOT / name
        yield from path.rglob("*.py") if path.is_dir() else [path]


def _hashed(texts):
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()


def _only_shows(statement):
    """Tell whether a statement is lab.figure(...) or lab.table(...)."""
    call = getattr(statement, "value", None)
    return (
        isinstance(statement, ast.Expr)
        and isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and (call.func.value.id, call.func.attr) in [("lab", name) for name in SHOWS]
    )


def _plain(node):
    """Return a syntax tree as tuples; `ast.dump` writes the same tree otherwise in each Python."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    if isinstance(node, ast.JoinedStr):  # some Pythons add nothing behind a format's braces
        node.values = [part for part in node.values if getattr(part, "value", None) != ""]
    fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
    return (type(node).__name__, *((name, _plain(value)) for name, value in fields))
