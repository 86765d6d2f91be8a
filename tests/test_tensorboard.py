"""TensorBoard reads what a run wrote."""

import warnings

import numpy as np
import tensorflow as tf

with warnings.catch_warnings():  # from the libraries that TensorBoard bundles
    warnings.simplefilter("ignore", DeprecationWarning)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

VARIANT = "BN, Keras's defaults, lr 0.05, std 0.54"
FOLDER = "BN_Keras_s_defaults_lr_0.05_std_0.54"


def scalars_of(folder):
    """Return {tag: [(step, value)]} of a folder's event files."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    events.Reload()
    scalars = {}
    for tag in events.Tags()["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            scalars[tag] = [
                (event.step, tf.make_ndarray(event.tensor_proto).item())
                for event in events.Tensors(tag)
            ]
    return scalars


def test_the_curves_of_a_run_are_those_of_its_results(quick_run, read_results):
    run = quick_run()
    curves = read_results(run.folder)
    for seed in (0, 1):
        logs = run.folder / "tensorboard" / FOLDER / f"seed-{seed}"
        for part, prefix in (("train", ""), ("validation", "val_")):
            scalars = scalars_of(logs / part)
            assert set(scalars) == {"epoch_loss", "epoch_accuracy"}
            for tag, points in scalars.items():
                values = curves[VARIANT, seed, prefix + tag.removeprefix("epoch_")]
                assert len(values) > 1
                assert points == [(n, float(np.float32(v))) for n, v in enumerate(values)]


def test_every_variant_and_seed_has_a_folder_of_its_own(quick_run, read_results):
    run = quick_run()
    members = {(variant, seed) for variant, seed, _ in read_results(run.folder)}
    logs = run.folder / "tensorboard"
    for part in ("train", "validation"):
        assert len(list(logs.glob(f"*/seed-*/{part}"))) == len(members) == 160
