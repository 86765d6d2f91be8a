"""Histories -> event files that TensorBoard reads: one folder a run, `<variant>/seed-<k>/...`."""

import struct
import time

import tensorflow as tf

from recipes._lab.files import slug

# METRICS of the population -> (subfolder of the run, tag), named as Keras's own callback does.
TAGS = {
    "loss": ("train", "epoch_loss"),
    "accuracy": ("train", "epoch_accuracy"),
    "val_loss": ("validation", "epoch_loss"),
    "val_accuracy": ("validation", "epoch_accuracy"),
}


def write_scalars(histories, folder):
    """Write losses and accuracies of every variant and seed.

    Args:
        histories: the results.
        folder: made if need be; a run is `<folder>/<variant>/seed-<k>/{train,validation}`.
    """
    now = time.time()
    for (variant, seed), result in histories.results.items():
        for part in ("train", "validation"):
            curves = {
                tag: result.history[metric]
                for metric, (where, tag) in TAGS.items()
                if where == part
            }
            _write_events(folder / slug(variant) / f"seed-{seed}" / part, curves, now)


def _write_events(folder, curves, wall_time):
    """Write `{tag: values by step}` as one event file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{int(wall_time)}.recipes.v2"
    with tf.io.TFRecordWriter(str(path)) as writer:
        header = tf.compat.v1.Event(wall_time=wall_time, file_version="brain.Event:2")
        writer.write(header.SerializeToString())
        steps = len(next(iter(curves.values())))
        for step in range(steps):
            summary = tf.compat.v1.Summary()
            for tag, values in curves.items():
                value = summary.value.add(tag=tag)
                value.tensor.dtype = tf.float32.as_datatype_enum
                value.tensor.tensor_shape.SetInParent()
                value.tensor.tensor_content = struct.pack("<f", values[step])
                if step == 0:
                    value.metadata.plugin_data.plugin_name = "scalars"
                    value.metadata.data_class = 1  # scalar
            event = tf.compat.v1.Event(wall_time=wall_time, step=step, summary=summary)
            writer.write(event.SerializeToString())
