"""Results -> event files that TensorBoard reads: one folder a run, one run a variant.

TensorBoard shows the curves of up to forty runs at once; if there are more, it selects none.

Event files are written here as records of protocol buffers: dozens of them in a moment, where a
writer of `tf.summary` would take a thread and several milliseconds each.
"""

import struct
import time

import numpy as np
import tensorflow as tf

from recipes._lab.errors import UserError
from recipes._lab.files import slug

# METRICS of the population -> tags. Accuracy is the first group on the page.
TAGS = {
    "loss": "loss/train",
    "accuracy": "accuracy/train",
    "val_loss": "loss/validation",
    "val_accuracy": "accuracy/validation",
}
SPREAD = "spread_over_seeds/"  # in front of the tag whose standard deviation it is
# TensorBoard shows the curves of up to 40 runs at once. Two of them hold the report and the
# declarations for HPARAMS.
MOST_VARIANTS = 40 - 2

BAR = r"\|"  # a | that is no border of a Markdown table's cell
PNG_SIZE = (16, 20)  # where a PNG file holds width and height, four bytes each


def write_logs(results, arguments, folder, *, question, claims, figures):
    """Write everything that TensorBoard shows of a run.

    SCALARS of every variant, the mean over seeds, and their spread; HISTOGRAMS and DISTRIBUTIONS
    of the first seed of the watched ones; HPARAMS, one session a variant; under `report`, question
    and verdicts (TEXT) and the figures (IMAGES). Of more variants than TensorBoard shows, those at
    equal distances, and the watched ones.

    Args:
        results: a `Results`.
        arguments: of build_model, by variant key.
        folder: made if need be; a run is `<folder>/<number>_<variant>`.
        question: of the recipe.
        claims: a list of `Claim`.
        figures: `{file name: PNG bytes}`.
    """
    now, names = time.time(), results.names
    by_name = {names[key]: arguments[key] for key in results.keys}
    _write_events(folder, now, [(0, _hparams_config(by_name))])
    shown = _shown_variants(results)
    for number, key in shown.items():
        curves = {}
        for metric, tag in TAGS.items():
            of_seeds = results.curve(metric if "val" in metric else f"train_{metric}", key)
            of_seeds = of_seeds / (100 if "accuracy" in metric else 1)
            curves[tag] = of_seeds.mean(axis=0)
            curves[SPREAD + tag] = of_seeds.std(axis=0, ddof=min(1, len(of_seeds) - 1))
        session = _session(names[key], arguments[key])
        distributions = results.distributions(key)
        run = folder / f"{number:02}_{slug(names[key])}"
        _write_events(run, now, [(0, session), *_scalars(curves), *distributions.items()])
    _write_report(folder / "report", now, question, claims, figures, len(shown), len(names))


def _shown_variants(results):
    """Return `{number: key}` of the variants that get a run."""
    numbered = dict(enumerate(results.keys, 1))
    watched = [n for n, key in numbered.items() if results.distributions(key)]
    others = [n for n in numbered if n not in watched]
    room = max(0, MOST_VARIANTS - len(watched))
    if len(others) > room:
        places = np.linspace(0, len(others) - 1, room).round().astype(int)
        others = [others[place] for place in places]
    return {n: numbered[n] for n in sorted([*watched, *others])}


def write_search(trials, folder):
    """Write a search: curves and hyperparameters, one session a trial.

    Args:
        trials: pairs of a `PopulationTuner` and a trial of it.
        folder: made if need be; a run is `<folder>/trial-<number>`.
    """
    now = time.time()
    names = [f"trial-{number}" for number in range(len(trials))]
    values = [trial.hyperparameters.values for _, trial in trials]
    _write_events(folder, now, [(0, _hparams_config(dict(zip(names, values, strict=True))))])
    for name, (tuner, trial) in zip(names, trials, strict=True):
        history = tuner.history(trial)
        curves = {tag: history[metric].mean(axis=0) for metric, tag in TAGS.items()}
        session = _session(name, trial.hyperparameters.values)
        _write_events(folder / name, now, [(0, session), *_scalars(curves)])


def _write_events(folder, wall_time, summaries):
    """Write `(step, Summary)` pairs, serialized or not, as one event file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{int(wall_time)}.recipes.v2"
    with tf.io.TFRecordWriter(str(path)) as writer:
        header = tf.compat.v1.Event(wall_time=wall_time, file_version="brain.Event:2")
        writer.write(header.SerializeToString())
        for step, summary in summaries:
            event = tf.compat.v1.Event(wall_time=wall_time, step=step)
            if isinstance(summary, bytes):
                event.summary.ParseFromString(summary)
            else:
                event.summary.CopyFrom(summary)
            writer.write(event.SerializeToString())


def _scalars(curves):
    """Yield (step, Summary) of `{tag: values by step}`."""
    (evaluated,) = np.nonzero(~np.isnan(curves[TAGS["accuracy"]]))
    for step in evaluated.tolist():
        summary = tf.compat.v1.Summary()
        for tag, values in curves.items():
            value = summary.value.add(tag=tag)
            value.tensor.dtype = tf.float32.as_datatype_enum
            value.tensor.tensor_shape.SetInParent()
            value.tensor.tensor_content = struct.pack("<f", values[step])
            value.metadata.plugin_data.plugin_name = "scalars"
            value.metadata.data_class = 1  # scalar
        yield step, summary


def _hparams_config(arguments):
    """Return the serialized Summary that declares hyperparameters and metrics of all sessions."""
    from tensorboard.plugins.hparams import api

    seen = {"variant": dict.fromkeys(arguments)}
    for of_variant in arguments.values():
        for name, value in of_variant.items():
            seen.setdefault(name, {})[_shown(value)] = None
    metrics = [
        api.Metric(tag, display_name=" ".join(reversed(tag.split("/")))) for tag in TAGS.values()
    ]
    hparams = []
    for name, values in seen.items():
        # A domain needs values of one type; a mixture is shown without one.
        domain = api.Discrete(list(values)) if len(set(map(type, values))) == 1 else None
        hparams.append(api.HParam(name, domain))
    return api.hparams_config_pb(hparams, metrics).SerializeToString()


def _session(variant, arguments):
    """Return the serialized Summary that says with which hyperparameters a run was trained."""
    from tensorboard.plugins.hparams import api

    shown = {name: _shown(value) for name, value in arguments.items()}
    return api.hparams_pb({"variant": variant, **shown}, slug(variant)).SerializeToString()


def _shown(value):
    """Return a value that HPARAMS can show."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, bool | int | float) else str(value)


def _write_report(folder, now, question, claims, figures, shown, variants):
    """Write question, verdicts and figures; and how many of the variants are shown, if not all."""
    if shown < variants:
        question += (
            f"\n\n{shown} of {variants} variants are shown here, all of them in results.csv."
        )
    table = "| verdict | claim | measured | source |\n|-|-|-|-|\n"
    for claim in claims:
        cells = (f"**{claim.verdict}**", claim.text, claim.detail, claim.source)
        table += f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n"
    summary = tf.compat.v1.Summary()
    for tag, text in (("question", question), ("verdicts", table)):
        _add_strings(summary, tag, "text", text.encode())
    for name, png in figures.items():
        size = [str(int.from_bytes(png[at : at + 4])).encode() for at in PNG_SIZE]
        _add_strings(summary, name.removesuffix(".png"), "images", [*size, png])
    _write_events(folder, now, [(0, summary)])


def _add_strings(summary, tag, plugin, strings):
    """Add a value of the plugin "text" (a text) or "images" (a list: width, height, a PNG)."""
    value = summary.value.add(tag=tag)
    value.tensor.CopyFrom(tf.make_tensor_proto(strings, tf.string))
    value.metadata.plugin_data.plugin_name = plugin
    value.metadata.data_class = {"text": 2, "images": 3}[plugin]  # tensor, blob sequence


def serve(folder, port):
    """Begin to serve a folder's logs on 127.0.0.1, in the background.

    Returns:
        What to add to the address: which page, and that curves are shown as they are.

    Raises:
        UserError: there are no logs, or the port is taken.
    """
    from tensorboard import program

    if not any(folder.rglob("events.out.tfevents.*")):
        raise UserError(f"no logs in {str(folder)!r}; run a recipe first, or say where: OUT=...")
    board = program.TensorBoard()
    arguments = {"host": "127.0.0.1", "port": port, "logdir": folder, "load_fast": "false"}
    board.configure(argv=["tensorboard", *(f"--{k}={v}" for k, v in arguments.items())])
    try:
        board.launch()
    except program.TensorBoardServerException as error:
        raise UserError(
            f"port {port} can't be used: {error.msg}; give another: PORT=..."
        ) from error
    return "?smoothing=0#timeseries"
