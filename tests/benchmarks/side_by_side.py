"""Several ways to do the same, each in a process of its own: libraries disturb each other in one.

A benchmark's module gives its ways to `main`, which runs each of them in a fresh process of the
same module; there, it does the work and prints the seconds.
"""

import importlib.util
import math
import os
import subprocess
import sys
import time

from rich import box
from rich.table import Table

MARK = "seconds of the whole job:"


def installed(ways):
    """Return those of `{name: (function, library it needs or "")}` that can run here."""
    return {
        name: way
        for name, (way, library) in ways.items()
        if not library or importlib.util.find_spec(library)
    }


def path(ways):
    """Return the path of the data that the command line ends with, or ""."""
    last = sys.argv[-1] if len(sys.argv) > 1 else ""
    return "" if last in ways else last


def run_one(ways, images):
    """Do the work of a process of its own, if this is one, and return whether it is.

    Args:
        ways: `{name: function(images)}`; one that does only a part of the job returns the seconds
            that all of it would take.
        images: function that returns what they work on.
    """
    if sys.argv[1:2] != ["--way"]:
        return False
    way, job = ways[sys.argv[2]], images()
    start = time.perf_counter()
    reckoned = way(job)
    print(MARK, reckoned or time.perf_counter() - start)
    return True


def seconds(module, name, path, **environment):
    """Return the seconds that a way takes in a process of its own; NaN, and why, if it stops.

    Args:
        module: the benchmark's, which is run.
        name: of the way.
        path: of the data, or "".
        environment: variables to be set there.
    """
    command = [sys.executable, "-m", module, "--way", name, *filter(None, [path])]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        reason = (done.stderr.strip() or "without a word").splitlines()[-1]
        print(f"{name} stopped: {reason}", file=sys.stderr)
        return math.nan
    return float(lines[-1].removeprefix(MARK))


def table(title, times, unit, per):
    """Return a table of `{name: seconds}` with ratios to the first.

    Args:
        title: of the first column.
        times: `{name: seconds}`.
        unit: heading of the column of seconds divided by `per`.
        per: number of pieces of work in the job.
    """
    first = next(iter(times))
    shown = Table(title, "seconds", unit, f"times {first}", box=box.SIMPLE)
    for name, taken in times.items():
        cells = [f"{taken:.1f}", f"{taken / per:.3g}", f"{taken / times[first]:.2f}"]
        shown.add_row(name, *(["stopped"] if math.isnan(taken) else cells))
    return shown
