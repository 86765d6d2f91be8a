"""A recipe's run: its folder, its files, the saved model."""

import dataclasses
import importlib
import json
import time
from pathlib import Path

import numpy as np

from recipes._lab import calls, catalogue, digest, saving
from recipes._lab.data import read
from recipes._lab.errors import UserError
from recipes._lab.files import RunFolder, csv_text, explained, joined, slug, write
from recipes._lab.lab import Lab
from recipes._lab.output import report, summary, tensorboard, understanding
from recipes._lab.training import cluster

# Options that no result depends on.
WITHOUT_EFFECT_ON_RESULTS = ("out", "save_model", "refit", "cluster")


def run(name, options, log, progress):
    """Run a recipe and write its folder.

    Args:
        name: of the recipe's module in `recipes`.
        options: a `lab.Options`.
        log: see `Lab`; it also gets what rich prints of a user's table.
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
    code = Path(module.__file__).read_text(encoding="utf-8")
    calls.check(name, code)
    source = read(options.data, options.target, options.header, options.group)
    understanding.log(source, log)
    data = source.split()
    arguments = dataclasses.asdict(options)
    depends_on = {
        name: value for name, value in arguments.items() if name not in WITHOUT_EFFECT_ON_RESULTS
    }
    depends_on["data"] = data.fingerprint
    identity = digest.of_work(name, digest.of_code(code), json.dumps(depends_on))
    with RunFolder(options.out, name, data.name) as folder:
        with cluster.training(options.cluster) as train:
            lab = Lab(options, folder.store(identity), log, progress, train)
            module.run(lab)
        run_json = {
            "recipe": name,
            "question": catalogue.parse(name, code).question,
            "arguments": arguments | {"data": data.name},
            "understood": source.understood and dataclasses.asdict(source.understood),
            "seeds": max(lab.repetitions, key=len) if lab.repetitions else lab.seeds,
            "digest": digest.of_recipe(code),
            "versions": digest.versions(),
            "tuned": lab.tuned,
            "remarks": lab.remarks,
            "seconds": {"total": round(time.perf_counter() - start, 1)},
        }
        _write(lab, folder.work, code, run_json, source.understood)
        folder.finish()
        if options.save_model:
            lab.saved = _save_best(name, lab, source, folder.final)
        lab.store.clear()
    return lab, folder.final


def _write(lab, folder, code, run_json, understood):
    """Write the files of a run."""
    name, data_name = run_json["recipe"], run_json["arguments"]["data"]
    if lab.results.keys:
        write(folder / "results.csv", _results_csv(lab.results, name, data_name))
        with explained(folder):
            tensorboard.write_logs(
                lab.results,
                lab.arguments,
                folder / "tensorboard",
                question=run_json["question"],
                claims=lab.claims,
                figures=lab.figures,
            )
        if lab.rows is None:
            lab.rows = {row: key for key, row in lab.results.names.items()}
    for search, repetitions in lab.searches.items():
        tables = [
            ((repetition, stage), tuner.tables()[0])
            for repetition, stages in enumerate(repetitions)
            for stage, tuner in enumerate(stages, 1)
        ]
        rows = joined(("repetition", "stage"), tables)
        write(folder / f"trials-{slug(search)}.csv", csv_text(rows))
        trials = [(tuner, trial) for tuner in repetitions[0] for trial in tuner.trials()]
        with explained(folder):
            tensorboard.write_search(trials, folder / "tensorboard" / slug(search))
    claims = [claim.to_json() for claim in lab.claims]
    write(folder / "claims.json", json.dumps(claims, indent=1, ensure_ascii=False))
    write(folder / "run.json", json.dumps(run_json, indent=1))
    for file, content in lab.figures.items():
        write(folder / file, content)
    page = report.page(
        recipe=catalogue.parse(name, code),
        data=data_name,
        claims=lab.claims,
        figures=lab.figures,
        table=summary.table(lab.results, {n: key for key, n in lab.results.names.items()}),
        run=run_json,
        understood=understood,
    )
    write(folder / "report.html", page)


def _results_csv(results, recipe, data_name):
    """Return results.csv: one row a number, in a fixed order."""
    rows = [("recipe", "data", "variant", "seed", "epoch", "metric", "value")]
    names = results.names
    for (key, seed), outcome in results.outcomes.items():
        where = (recipe, data_name, names[key], seed)
        for metric, values in outcome.history.items():
            for epoch in np.flatnonzero(outcome.evaluated(metric)).tolist():
                rows.append((*where, epoch, metric, repr(float(values[epoch]))))
        for metric, value in outcome.test.items():
            rows.append((*where, outcome.epoch, metric, repr(value)))
    return csv_text(rows)


def _save_best(recipe, lab, source, folder):
    """Save the model that is best on validation, of those trained on the run's data as they are.

    How good a model is on changed data, such as a few examples to be memorized, says nothing of its
    use. Without trained variants it is the best trial of all searches. The results are in the
    folder already.
    """
    results = lab.results
    candidates = [key for key in results.keys if lab.own_data[key]]
    if candidates:
        validation = results.final("val_accuracy").values
        key = max(candidates, key=lambda key: validation[key].mean())
        seed = results.seeds(key)[int(np.argmax(validation[key]))]
        member, result = results.members[key, seed], results.outcomes[key, seed]
        about = {
            "recipe": recipe,
            "variant": results.names[key],
            "arguments": lab.arguments[key],
            "val_accuracy": float(validation[key].max()) / 100,
        }
    else:
        member, result, seed, about = _best_trial(recipe, lab, folder)
    options = lab.options
    return saving.save_member(
        member, result, source, seed, about, options.save_model, refit=options.refit
    )


def _best_trial(recipe, lab, folder):
    """Return the member that is the best trial of all searches, its result and what it is."""
    from recipes._lab.tuning.oracles import rank

    candidates = [
        (trial, tuner)
        for repetitions in lab.searches.values()
        for stages in repetitions
        for tuner in stages
        if lab.is_own(tuner.data)
        for trial in tuner.oracle.get_best_trials(1)
    ]
    if not candidates:
        raise UserError(
            "this recipe trains no model on the data as they are, so none is saved; omit "
            f"--save-model (SAVE=); the results of the run are in {str(folder)!r}"
        )
    trial, tuner = min(candidates, key=lambda candidate: rank(candidate[0]))
    about = {
        "recipe": recipe,
        "hyperparameters": trial.hyperparameters.values,
        "val_accuracy": float(trial.score),
    }
    return *tuner.best_execution(trial), about
