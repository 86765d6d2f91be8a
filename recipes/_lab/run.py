"""A recipe's run: options, folder, files, the saved model."""

import dataclasses
import functools
import importlib
import json
import platform
import tempfile
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

import numpy as np

from recipes._lab import catalogue
from recipes._lab.data import load
from recipes._lab.errors import UserError
from recipes._lab.files import RunFolder, csv_text, explained, joined, slug, write
from recipes._lab.lab import Lab
from recipes._lab.output import report, tensorboard

LIBRARIES = ("tensorflow", "keras", "numpy", "scikit-learn")


@functools.cache
def program():
    """Return the texts of the code that results depend on, beside a recipe's, as first read."""
    root = Path(__file__).parent
    files = [*sorted(root.rglob("*.py")), root.parent.parent / "callbacks/distribution_logger.py"]
    return [path.read_text(encoding="utf-8") for path in files]


def versions(libraries):
    """Return the versions of libraries and of Python, by name."""
    return {library: version(library) for library in libraries} | {
        "python": platform.python_version()
    }


def run(name, options, log, progress):
    """Run a recipe and write its folder.

    Args:
        name: of the recipe's module in `recipes`.
        options: what the user asked for.
        log: see `Lab`.
        progress: see `Lab`.

    Returns:
        The `Lab`, and the folder that now holds the results.

    Raises:
        UserError: anything that the user can put right.
    """
    start = time.perf_counter()
    module = importlib.import_module(f"recipes.{name}")
    if not hasattr(module, "run"):
        raise UserError(f"recipes/{name}.py has no run(lab); recipes/bn_vs_nobn.py shows one")
    source = Path(module.__file__).read_text(encoding="utf-8")
    dataset = load(options.data, options.target)
    arguments = dataclasses.asdict(options)
    depends_on = {k: v for k, v in arguments.items() if k not in ("out", "save_model")}
    depends_on["data"] = dataset.fingerprint
    identity = [name, source, *program(), json.dumps([depends_on, versions(LIBRARIES)])]
    with RunFolder(options.out, name, dataset.name) as folder:
        lab = Lab(options, folder, identity, log, progress)
        module.run(lab)
        run_json = {
            "recipe": name,
            "question": catalogue.parse(name, source).question,
            "arguments": arguments | {"data": dataset.name},
            "seeds": max(lab.repetitions, key=len) if lab.repetitions else lab.seeds,
            "versions": versions(LIBRARIES),
            "tuned": lab.tuned,
            "seconds": {"total": round(time.perf_counter() - start, 1)},
        }
        _write(lab, folder.work, source, run_json)
        folder.finish()
        if options.save_model:
            _save_best(lab, Path(options.save_model))
        lab.store.clear()
    return lab, folder.final


def _write(lab, folder, source, run_json):
    """Write the files of a run."""
    name, data_name = run_json["recipe"], run_json["arguments"]["data"]
    if lab.histories.results:
        write(folder / "results.csv", _results(lab.histories, name, data_name))
        with explained(folder):
            tensorboard.write_logs(
                lab.histories,
                lab.arguments,
                folder / "tensorboard",
                question=run_json["question"],
                claims=lab.claims,
                figures=lab.figures,
            )
        if lab.rows is None:
            lab.table(lab.histories.variants)
    for search, repetitions in lab.searches.items():
        tables = [
            ((repetition, stage), tuner.tables()[0])
            for repetition, of in enumerate(repetitions)
            for stage, tuner in enumerate(of, 1)
        ]
        rows = joined(("repetition", "stage"), tables)
        write(folder / f"trials-{slug(search)}.csv", csv_text(rows))
        trials = [(tuner, trial) for tuner in repetitions[0] for trial in tuner.trials()]
        with explained(folder):
            tensorboard.write_search(trials, folder / "tensorboard" / slug(search))
    claims = [
        {"claim": c.claim, "source": c.source, "primary": c.primary}
        | dataclasses.asdict(c.judgement)
        | {"detail": c.judgement.detail}
        for c in lab.claims
    ]
    write(folder / "claims.json", json.dumps(claims, indent=1, ensure_ascii=False))
    write(folder / "run.json", json.dumps(run_json, indent=1))
    for file, content in lab.figures.items():
        write(folder / file, content)
    page = report.page(
        name=name,
        data=data_name,
        claims=lab.claims,
        figures=lab.figures,
        table=report.rows(lab.histories, lab.histories.variants),
        source=source,
        run=run_json,
    )
    write(folder / "report.html", page)


def _results(histories, recipe, data_name):
    """Return results.csv: one row a number, in a fixed order."""
    rows = [("recipe", "data", "variant", "seed", "epoch", "metric", "value")]
    for (variant, seed), result in histories.results.items():
        where = (recipe, data_name, variant, seed)
        for metric, values in result.history.items():
            for epoch, value in enumerate(values.tolist()):
                rows.append((*where, epoch, metric, repr(value)))
        for metric, value in result.test.items():
            rows.append((*where, result.epoch, metric, repr(value)))
    return csv_text(rows)


def _save_best(lab, path):
    """Save the model that is best on validation, the best variant's best seed, and what it is.

    Where no variants were trained, the best trial of all searches.
    """
    histories = lab.histories
    if not histories.results:
        from recipes._lab.tuning.oracles import rank

        found = [
            (trial, tuner)
            for repetitions in lab.searches.values()
            for stages in repetitions
            for tuner in stages
            for trial in tuner.oracle.get_best_trials(1)
        ]
        if not found:
            raise UserError("this recipe trains no model that could be saved; omit --save-model")
        trial, tuner = min(found, key=lambda of: rank(of[0]))
        about = {
            "class_names": tuner.data.class_names,
            "hyperparameters": trial.hyperparameters.values,
            "val_accuracy": float(trial.score),
            "test_accuracy": float(tuner.test_accuracy(trial).mean()),
        }
        save_model(tuner.load_model(trial), about, path)
        return
    variant = histories.best(histories.variants)
    accuracy = histories.final("val_accuracy", variant)
    seed = histories.seeds(variant)[int(np.argmax(accuracy))]
    member, result = histories.members[variant, seed], histories.results[variant, seed]
    about = {
        "class_names": member.data.class_names,
        "variant": variant,
        "seed": seed,
        "val_accuracy": float(accuracy.max()),
        **result.test,
    }
    save_model(histories.model(variant, seed), about, path)


def save_model(model, about, path):
    """Write an ordinary .keras file with one more member in its archive: recipe.json."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        model.save(file)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr("recipe.json", json.dumps(about, indent=1, ensure_ascii=False))
        write(path, file.read_bytes())
