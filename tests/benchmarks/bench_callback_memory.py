"""What the callbacks cost: seconds of an epoch and peak memory, each in a process of its own.

Run it with `python -m tests.benchmarks.bench_callback_memory`. MobileNetV2 on 320 images of 96×96,
batches of 32, and the five layers of 100 of bench_callbacks; a probe of 100. The ratio is that of
an epoch to the same epoch without its snapshot, so that what else the machine does hits both alike.
The first epoch, with tracing and the snapshot before training, isn't in it. Target: 1.3 after every
epoch.
"""

import resource
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np

from callbacks.distribution_logger import DistributionLogger
from callbacks.training_monitor import TrainingMonitor
from tests.benchmarks.bench_callbacks import build_model

EPOCHS = 5
VARIANTS = {
    "plain fit": lambda log_dir, x, y: [],
    "DistributionLogger": lambda log_dir, x, y: [DistributionLogger(log_dir, x, y)],
    "TrainingMonitor": lambda log_dir, x, y: [TrainingMonitor(x, y)],
}


def mobile_net():
    """Return MobileNetV2 for 10 classes, compiled."""
    model = keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=10)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


# How to build it, examples, shape of one, batch size.
MODELS = {
    "MobileNetV2": (mobile_net, 320, (96, 96, 3), 32),
    "5 layers of 100": (build_model, 8000, (784,), 100),
}


class Timer(keras.callbacks.Callback):
    """Takes the time at every epoch's begin and end; between two of them are the callbacks."""

    def on_train_begin(self, logs=None):
        self.begins, self.ends = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begins.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


def train(name, variant):
    """Train a model with a callback; print the seconds of an epoch and the peak of memory."""
    build, examples, shape, batch_size = MODELS[name]
    rng = np.random.default_rng(0)
    x, y = rng.random((examples, *shape), dtype="float32"), rng.integers(0, 10, examples)
    first, last = Timer(), Timer()
    with tempfile.TemporaryDirectory() as log_dir:
        callbacks = [first, *VARIANTS[variant](log_dir, x[:100], y[:100]), last]
        build().fit(x, y, batch_size=batch_size, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    epochs, snapshots = (np.subtract(last.ends, t)[1:] for t in (first.begins, first.ends))
    ratio = np.median(epochs / (epochs - snapshots))
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{name:17}{variant:20}{np.median(epochs):7.3f} s an epoch", end="")
    print(f"{np.median(snapshots):7.3f} s of it here, ratio {ratio:.2f}{gigabytes:7.2f} GB")


def main():
    """Train everything, each in a process of its own."""
    for name in MODELS:
        for variant in VARIANTS:
            subprocess.run([sys.executable, "-m", __spec__.name, name, variant], check=True)


if __name__ == "__main__":
    train(*sys.argv[1:]) if len(sys.argv) == 3 else main()  # make bench gives an argument
