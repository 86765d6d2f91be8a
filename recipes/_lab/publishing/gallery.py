"""Reference runs -> `recipes/results/`: of each recipe a JSON file and small pictures."""

import io
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
from recipes._lab.publishing.claims import is_stale
from recipes._lab.run import run
from recipes._lab.training import population

ROOT = Path(__file__).parents[3]
OUT = ROOT / "runs" / "reference"
# Seeds from 1000 on are used here and nowhere else, so no setting was chosen by looking at them.
FIRST_SEED = 1000
SEEDS = {"digits": 20}
SEEDS_OF_OTHERS = 10  # data that take longer
# Of the pictures: enough to read them in a page; a tenth of the size of what a run writes.
WIDTH, COLOURS = 1000, 64


def build(names, datasets, log, progress, cluster=None):
    """Run recipes at reference settings, unless that has been done, and write their results.

    What is finished is written at once, so a build that is stopped goes on where it was.

    Args:
        names: of the recipes.
        datasets: names or paths of data, as in `data.load`; pictures are of the first.
        log: see `lab.Lab`.
        progress: see `lab.Lab`.
        cluster: "auto" or an address to train on Ray, see `cluster.Cluster`; or None.

    Raises:
        UserError: data can't be had, or a recipe can't run on them.
    """
    shown = {}
    for dataset in datasets:
        try:
            shown[dataset] = load(dataset).name
        except UserError as error:
            raise UserError(f"{error} (make gallery takes MNIST=file.npz)") from error
    for name in names:
        digest = catalogue.read(name).digest
        for dataset in due(name, shown):
            seeds = SEEDS.get(shown[dataset], SEEDS_OF_OTHERS)
            log(f"{name} on {shown[dataset]}, {seeds} seeds")
            options = Options(
                examples="recipe",
                data=dataset,
                seeds=seeds,
                first_seed=FIRST_SEED,
                out=str(OUT),
                cluster=cluster,
            )
            finished, folder = run(name, options, log, progress)
            if catalogue.read(name).digest != digest:
                raise UserError(f"recipes/{name}.py was changed while it ran; run it again")
            if dataset == datasets[0]:
                _draw(name, finished.figures)
            result = catalogue.results(name)
            runs = result["runs"] | {shown[dataset]: {"digest": digest} | _run(folder)}
            # Those on other data would stay behind when the code moves on.
            result["runs"] = {data: runs[data] for data in shown.values() if data in runs}
            _save(name, result)
    time_runs(names, log)  # at last, when nothing else of ours is under way


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


def due(name, shown):
    """Return those of `{data: display name}` whose results are missing or stale."""
    recipe, runs = catalogue.read(name), catalogue.results(name)["runs"]
    return [data for data, of in shown.items() if of not in runs or is_stale(recipe, runs[of])]


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


def _draw(name, figures):
    """Write small ones of a run's figures, `{file name: PNG bytes}`, in the place of older ones."""
    pictures = {file.replace("figure", name, 1): small(png) for file, png in figures.items()}
    for path in catalogue.read(name).pictures:
        if path.name not in pictures:
            path.unlink()
    for file, content in pictures.items():
        write(catalogue.RESULTS / file, content)


def small(png):
    """Return a PNG image as a smaller one, with a palette."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((WIDTH, 4 * WIDTH))
    content = io.BytesIO()
    picture.quantize(COLOURS).save(content, "PNG", optimize=True)
    return content.getvalue()


def _run(folder):
    """Return what is kept of a finished run: nothing of this machine."""
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    claims = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    for claim in claims:
        claim.pop("detail")  # follows from the rest
    return {name: run[name] for name in ("seeds", "versions", "tuned")} | {"claims": claims}


def _save(name, result):
    write(
        catalogue.RESULTS / f"{name}.json", json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    )
