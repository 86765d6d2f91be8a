"""What its TensorBoard logs cost a recipe: bn_vs_nobn as `make recipe` runs it, and without logs.

Both run in one process and take turns; the first turn, in which libraries load, doesn't count.
"""

import contextlib
import tempfile
import time
from unittest import mock

from recipes._lab import quiet

quiet.import_tensorflow()

from recipes._lab import lab  # noqa: E402
from recipes._lab.lab import Options  # noqa: E402
from recipes._lab.output import tensorboard  # noqa: E402
from recipes._lab.run import run  # noqa: E402

TURNS = 2


@contextlib.contextmanager
def no_progress(description, total):
    """Stand in for the progress bar."""
    yield lambda epochs: None


def seconds(quick=False):
    """Return the seconds that the recipe takes."""
    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        options = Options(quick=quick, out=out)
        run("bn_vs_nobn", options, lambda line: None, no_progress)
        return time.perf_counter() - start


def main():
    """Print both times and their ratio."""
    seconds(quick=True)
    with_logs, without = [], []
    for _ in range(TURNS):
        with_logs.append(seconds())
        no_moments = mock.patch.object(lab, "_moments", return_value=())
        no_files = mock.patch.object(tensorboard, "write_logs")
        with no_moments, no_files:
            without.append(seconds())
    logged, plain = min(with_logs), min(without)
    print(f"bn_vs_nobn with logs {logged:.1f} s, without {plain:.1f} s: {logged / plain:.2f} times")


if __name__ == "__main__":
    main()
