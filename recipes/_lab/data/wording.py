"""The names of data, and values in the words of an error message."""

from collections.abc import Iterable

NAMES = ("digits", "mnist", "fashion_mnist", "cifar10")


def is_number(cell: str) -> bool:
    """Tell whether a cell is a number; 1_000 is one to Python, but an identifier to people."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Return the names quoted and on one line, shortened, only the first if there are many."""
    quoted = [repr(name if len(name) <= 40 else f"{name[:40]}…") for name in names]
    more = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return (", ".join(quoted[:limit]) or "nothing") + more


def one_line(error: Exception) -> str:
    """Return what a library's error says, on one line and short."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else f"{text[:200]}…"
