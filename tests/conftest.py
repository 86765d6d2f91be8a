"""What many tests share: a quiet TensorFlow, recipes run as users run them, one quick run each."""

import collections
import contextlib
import csv
import fcntl
import functools
import io
import json
import os
import signal
import subprocess
import sys
import time
import types
import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from xdist.scheduler import LoadScopeScheduling

from recipes._lab import quiet

ROOT = Path(__file__).parent.parent

# Equal bits are promised with oneDNN, so the tests run with it, whatever the environment says.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
# The importing of TensorFlow changes what a process started from here would inherit.
ENVIRONMENT = {**os.environ, "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
quiet.import_tensorflow()
# Workers of pytest-xdist ignore Ctrl-C, and so would what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

from recipes._lab import cli  # noqa: E402
from recipes._lab.measures import as_key  # noqa: E402
from recipes._lab.results import Results  # noqa: E402
from recipes._lab.training import members as members_module  # noqa: E402
from recipes._lab.training import population  # noqa: E402, F401 - settles the threads of TensorFlow


@pytest.hookimpl(tryfirst=True)  # before those that are not asked for are left out
def pytest_collection_modifyitems(items):
    """Tell first cases from further ones, and put the recipes last.

    They are many small groups: then no process waits long for another's end.
    """
    seen = collections.Counter()
    for item in items:
        first_cases = item.get_closest_marker("first_cases")
        if first_cases:
            seen[item.path, item.originalname] += 1
            if seen[item.path, item.originalname] > first_cases.args[0]:
                item.add_marker("further")
    items.sort(key=lambda item: item.path.stem == "test_recipes")


class Scheduling(LoadScopeScheduling):
    """Keeps together, in one process, what shares its fixtures: a file, or all tests of a recipe.

    Not by marks of pytest-xdist's `loadgroup`, which pytest 9.2 lets go unseen.
    """

    def _split_scope(self, nodeid):
        file, _, test = nodeid.partition("::")
        if file.endswith("/test_recipes.py"):
            return test.partition("[")[2].removesuffix("]")
        return Path(file).stem.removeprefix("test_")  # of tests/recipes, the name of the recipe


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log)


class Terminal(io.StringIO):
    """What the command line may take for stdout."""

    def reconfigure(self, **_):
        """Take every character as it is."""


class Recipes:
    """`python -m recipes` in a process of its own, as a user starts it, or in this one."""

    def start(self, *arguments, module="recipes", **options):
        """Start a command and return its Popen; it runs in the root of the project."""
        options = {"cwd": ROOT, "env": ENVIRONMENT, "text": True, "encoding": "utf-8"} | options
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", module, *map(str, arguments)]
        return subprocess.Popen(command, **pipes, **options)

    def run(self, *arguments, **options):
        """Run a command to its end and return its exit code, stdout and stderr."""
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=300)
            finally:
                process.kill()
        return process.returncode, out, err

    @staticmethod
    def wait_for(process, condition, timeout=240):
        """Poll until a condition holds; the process must not end before."""
        end = time.monotonic() + timeout
        while not condition():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.002)

    def run_here(self, *arguments):
        """Run a command in this process, which has TensorFlow imported already; as `run`."""
        stdout, stderr = Terminal(), Terminal()
        with (
            mock.patch.object(sys, "argv", ["recipes", *map(str, arguments)]),
            mock.patch.dict(os.environ, {"COLUMNS": "200"}),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # as in a process of its own
            try:
                cli.main()
            except SystemExit as end:
                return end.code, stdout.getvalue(), stderr.getvalue()
        return 0, stdout.getvalue(), stderr.getvalue()


@pytest.fixture(scope="session")
def recipes():
    return Recipes()


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def environment():
    return ENVIRONMENT


SAVED = ("bn_vs_nobn", "random_vs_grid")  # recipes whose best model the tests look at


@pytest.fixture(scope="session")
def quick_run(recipes, tmp_path_factory):
    """`quick_run(name)` runs a recipe with --quick, once for all processes that test.

    It returns what came of it. The first recipe runs in a process of its own, as users start it;
    the others in the one that asks first, which has TensorFlow imported already.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # which all workers share

    @functools.cache
    def run(name="bn_vs_nobn"):
        out = folder / f"quick-{name}"
        told = out / "told.json"
        with open(folder / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # who comes second waits, and finds it done
            if not told.exists():
                arguments = ["run", name, "--quick", "--out", out]
                if name in SAVED:
                    arguments += ["--save-model", out / "best.keras"]
                start = recipes.run if name == "bn_vs_nobn" else recipes.run_here
                code, stdout, stderr = start(*arguments)
                assert code == 0, stderr
                told.write_text(json.dumps({"stdout": stdout, "stderr": stderr}))
        kept = json.loads(told.read_text())
        return types.SimpleNamespace(**kept, out=out, folder=out / name / "digits")

    return run


@pytest.fixture(scope="session")
def read_results():
    return results_of


def results_of(folder):
    """Return {(variant, seed, metric): values by epoch} from a results.csv."""
    curves = {}
    with open(folder / "results.csv", newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            by_epoch = curves.setdefault((row["variant"], int(row["seed"]), row["metric"]), {})
            assert int(row["epoch"]) not in by_epoch
            by_epoch[int(row["epoch"])] = float(row["value"])
    return {
        key: [by_epoch[epoch] for epoch in sorted(by_epoch)] for key, by_epoch in curves.items()
    }


@pytest.fixture(scope="session")
def made_up():
    return made_up_results


def made_up_results(variants, *, chance=0.25, classes=4, first_seed=0):
    """Return `Results` of made-up numbers, without any training.

    Args:
        variants: `{key: [{metric: values by epoch}, ... one a seed]}`, accuracies from 0 to 1; what
            is not given follows from the training accuracy: the same accuracies, losses of 1, the
            last epoch's weights. Scores may be given, too, "test_brier_score" as one number.
        chance: accuracy of the most frequent class.
        classes: how many there are.
        first_seed: seeds count from here.
    """
    even = types.SimpleNamespace(y=np.arange(classes))
    names = tuple(map(str, range(classes)))
    data = types.SimpleNamespace(
        chance=chance, num_classes=classes, class_names=names, train=even, test=even
    )
    members, outcomes, labels = {}, {}, {}
    for key, runs in variants.items():
        key = as_key(key)
        labels[key] = tuple(map(str, key))
        for seed, given in enumerate(runs, first_seed):
            label = ", ".join(labels[key])
            members[key, seed] = types.SimpleNamespace(data=data, label=label, seed=seed)
            outcomes[key, seed] = _made_up_result(given)
    return Results(members, outcomes, labels)


def _made_up_result(given):
    """Return the result of one run from what is given of it."""
    accuracy = np.array(given["accuracy"], float)
    loss = np.where(np.isnan(accuracy), np.nan, 1.0)
    history = {"loss": loss, "accuracy": accuracy, "val_loss": loss, "val_accuracy": accuracy}
    curves = [metric for metric in given if np.ndim(given[metric]) == 1]
    history |= {metric: np.array(given[metric], float) for metric in curves}
    epoch = given.get("epoch", len(accuracy) - 1)
    test = {
        "test_loss": float(given.get("test_loss", history["val_loss"][epoch])),
        "test_accuracy": float(given.get("test_accuracy", history["val_accuracy"][epoch])),
    }
    test |= {metric: given[metric] for metric in given if metric.startswith("test_")}
    return members_module.Result(history, test, epoch, weights=[])
