"""Reference runs, and checks with other seeds -> `recipes/results/`: JSON and small pictures."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recipes._lab import catalogue
from recipes._lab.data import load
from recipes._lab.errors import UserError
from recipes._lab.files import write
from recipes._lab.lab import Options
from recipes._lab.publishing import pictures, replication
from recipes._lab.publishing.claims import is_stale
from recipes._lab.run import run
from recipes._lab.training import population

ROOT = Path(__file__).parents[3]
OUT = ROOT / "runs" / "reference"
CHECK_OUT = ROOT / "runs" / "check"
# Seeds from 1000 on are used here and nowhere else, so no setting was chosen by looking at them;
# the check has seeds that no verdict was seen of.
FIRST_SEED, FIRST_CHECK_SEED = 1000, 2000
SEEDS = {"digits": 20}
SEEDS_OF_OTHERS = 10  # data that take longer
FILES = {"mnist": "MNIST", "fashion_mnist": "FASHION"}  # options of make


def digits_and_files(*files):
    """Return digits and the data of .npz files, `{name or path: display name}`.

    Args:
        files: paths; None for one that was not given.

    Raises:
        UserError: a file can't be read, or two are called alike.
    """
    return _distinct({name: load(name).name for name in ("digits", *filter(None, files))})


def datasets(log, mnist=None, fashion=None):
    """Return the data sets of the gallery, `{name or path: display name}`, digits first.

    MNIST comes second. Nobody looked at the third while the recipes were written: Fashion-MNIST or,
    if it can't be downloaded, scikit-learn's breast cancer.

    Args:
        log: called with a line of text on data that can't be downloaded.
        mnist: path of an .npz file; None for what Keras downloads.
        fashion: path of an .npz file; None for what Keras downloads.

    Raises:
        UserError: as of `digits_and_files`.
    """
    names = {"digits": "digits"}
    names |= {mnist: load(mnist).name} if mnist else _downloaded("mnist", log)
    if fashion:
        names |= {fashion: load(fashion).name}
    else:
        names |= _downloaded("fashion_mnist", log) or {"breast_cancer": "breast_cancer"}
    return _distinct(names)


def _downloaded(name, log):
    """Return data that Keras downloads, `{name: display name}`; empty if it can't."""
    try:
        return {name: load(name).name}
    except UserError:
        log(f"without {name}, which could not be downloaded; {FILES[name]}=file.npz brings it")
        return {}


def _distinct(names):
    """Return `{name or path: display name}`, or raise a UserError if two are called alike."""
    by_display_name = {display_name: name for name, display_name in names.items()}
    for name, display_name in names.items():
        if by_display_name[display_name] != name:
            raise UserError(
                f"{name!r} and {by_display_name[display_name]!r} are called alike, as their "
                "results would be; rename one"
            )
    return names


def build(names, shown, log, progress, cluster=None):
    """Run recipes at reference settings, unless that has been done, and write their results.

    What is finished is written at once, so an interrupted build resumes where it was. Results on
    other data stay as long as they are fresh.

    Args:
        names: of the recipes.
        shown: `{name or path: display name}` of data. Pictures are of the first, on which each
            recipe runs; a recipe that can't run on another is skipped there.
        log: see `lab.Lab`.
        progress: see `lab.Lab`.
        cluster: "auto" or an address to train on Ray, see `cluster.Cluster`; or None.

    Raises:
        UserError: a recipe can't run on the first data, or was changed while it ran.
    """
    first = next(iter(shown))
    for name in names:
        recipe = catalogue.read(name)
        kept = list(shown.values())
        for data in due(name, shown):
            log(f"{name} on {shown[data]}, {seeds_on(shown[data])} seeds")
            options = _options(data, shown[data], FIRST_SEED, OUT, cluster)
            try:
                finished, folder = run(name, options, log, progress)
            except UserError as error:
                if data == first:  # the cause is not the data
                    raise
                log(f"skipped: {error}")
                kept.remove(shown[data])
            else:
                _check_unchanged(recipe)
                if data == first:
                    pictures.draw(recipe, finished.figures)
                _keep(recipe, "runs", shown[data], folder)
            _forget_stale(recipe, kept)
    time_runs(names, log)  # at last, when nothing else of ours is under way


def check(names, shown, log, progress, cluster=None):
    """Replicate reference runs with seeds of their own, unless that has been done.

    It logs which verdicts changed, and keeps the claims beside the reference runs.

    Args:
        names: of the recipes.
        shown: `{name or path: display name}` of data.
        log: see `lab.Lab`; it also gets a line on each recipe, and the counts over all.
        progress: see `lab.Lab`.
        cluster: as of `build`.

    Raises:
        UserError: a recipe was changed while it ran.
    """
    recipes = [catalogue.read(name) for name in names]
    for recipe in recipes:
        for data, display_name in shown.items():
            result = catalogue.results(recipe.name)
            if not _is_fresh(recipe, result["runs"].get(display_name)):
                log(
                    f"{recipe.name} on {display_name} is skipped: no results of this code to "
                    f"compare with (make gallery NAME={recipe.name} makes them)"
                )
                continue
            if not _is_fresh(recipe, result.get("check", {}).get(display_name)):
                log(f"{recipe.name} on {display_name}, {seeds_on(display_name)} other seeds")
                options = _options(data, display_name, FIRST_CHECK_SEED, CHECK_OUT, cluster)
                _, folder = run(recipe.name, options, log, progress)
                _check_unchanged(recipe)
                _keep(recipe, "check", display_name, folder)
        for line in replication.changed_verdicts(replication.pairs_of(recipe)):
            log(line)
    pairs = [pair for recipe in recipes for pair in replication.pairs_of(recipe)]
    for line in replication.counts(pairs):
        log(line)


def seeds_on(data):
    """Return how many seeds a reference run has on data of this display name, and its check."""
    return SEEDS.get(data, SEEDS_OF_OTHERS)


def _options(data, display_name, first_seed, out, cluster):
    return Options(
        examples="recipe",
        data=data,
        seeds=seeds_on(display_name),
        first_seed=first_seed,
        out=str(out),
        cluster=cluster,
    )


def _is_fresh(recipe, kept):
    """Tell whether there is a run, and it is of the recipe's present code."""
    return kept is not None and not is_stale(recipe, kept)


def _check_unchanged(recipe):
    """Raise a UserError if a recipe's file holds other code than when its run began."""
    if catalogue.read(recipe.name).digest != recipe.digest:
        raise UserError(f"recipes/{recipe.name}.py was changed while it ran; run it again")


def _keep(recipe, what, data, folder):
    """Write what is kept of a finished run into a recipe's results, under "runs" or "check"."""
    result = catalogue.results(recipe.name)
    result.setdefault(what, {})[data] = {"digest": recipe.digest} | _run(folder)
    _save(recipe.name, result)


def _forget_stale(recipe, kept):
    """Leave out what is stale, but for the runs on data to be kept, which come first."""
    result = catalogue.results(recipe.name)
    runs, checks = result["runs"], result.get("check", {})
    fresh = [data for data, run in runs.items() if _is_fresh(recipe, run)]
    result["runs"] = {data: runs[data] for data in dict.fromkeys(kept + fresh) if data in runs}
    result["check"] = {data: run for data, run in checks.items() if _is_fresh(recipe, run)}
    if not result["check"]:
        del result["check"]
    _save(recipe.name, result)


def time_runs(names, log):
    """Measure how long the default runs of recipes take, unless that has been done.

    Args:
        names: of the recipes.
        log: see `lab.Lab`.
    """
    for name in names:
        result = catalogue.results(name)
        digest = catalogue.read(name).digest
        if result.get("timed") != digest:
            log(f"{name}, timed as make recipe runs it")
            result |= {"seconds": seconds(name), "cores": population.cores(), "timed": digest}
            _save(name, result)


def due(recipe_name, shown):
    """Return those of `{data: display name}` whose results are missing or stale."""
    recipe, runs = catalogue.read(recipe_name), catalogue.results(recipe_name)["runs"]
    return [data for data, name in shown.items() if not _is_fresh(recipe, runs.get(name))]


def seconds(name):
    """Return how long a user waits for the default run of a recipe, its imports included."""
    command = [sys.executable, "-m", "recipes", "run", name, "--out"]
    with tempfile.TemporaryDirectory() as out:  # nothing to go on from
        start = time.perf_counter()
        done = subprocess.run([*command, out], cwd=ROOT, capture_output=True, text=True)
        duration = time.perf_counter() - start
    if done.returncode:
        raise UserError(f"{name} stopped: {done.stderr}")
    return round(duration, 1)


def _run(folder):
    """Return what is kept of a finished run: nothing of this machine."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    for claim in claims:
        claim.pop("detail")  # follows from the rest
    return {name: run[name] for name in ("seeds", "versions", "tuned")} | {"claims": claims}


def _save(name, result):
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write(catalogue.RESULTS / f"{name}.json", text, remedy=None)
