"""What the callbacks cost a convolutional network: seconds of an epoch and peak memory.

Run it with `python -m tests.benchmarks.bench_large_model [images]`. MobileNetV2 on images of
96×96, batches of 32, a probe of 100; each variant trains in a process of its own, whose peak is
that of nothing else. The ratio is that of an epoch to the same epoch without its snapshot, so that
what else the machine does hits both alike. The first epoch, with tracing and the snapshot before
training, isn't in it. Target: 1.3 after every epoch.
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

EPOCHS = 5
VARIANTS = {
    "plain fit": lambda log_dir, x, y: [],
    "DistributionLogger": lambda log_dir, x, y: [DistributionLogger(log_dir, x, y)],
    "TrainingMonitor": lambda log_dir, x, y: [TrainingMonitor(x, y)],
}


class Timer(keras.callbacks.Callback):
    """Takes the time at every epoch's begin and end; between two of them are the callbacks."""

    def on_train_begin(self, logs=None):
        self.begins, self.ends = [], []

    def on_epoch_begin(self, epoch, logs=None):
        self.begins.append(time.perf_counter())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(time.perf_counter())


def train(name, images):
    """Train one variant; print the seconds of an epoch and the peak of memory."""
    rng = np.random.default_rng(0)
    x, y = rng.random((images, 96, 96, 3), dtype="float32"), rng.integers(0, 10, images)
    model = keras.applications.MobileNetV2((96, 96, 3), weights=None, classes=10)
    model.compile("adam", "sparse_categorical_crossentropy")
    first, last = Timer(), Timer()
    with tempfile.TemporaryDirectory() as log_dir:
        callbacks = [first, *VARIANTS[name](log_dir, x[:100], y[:100]), last]
        model.fit(x, y, batch_size=32, epochs=EPOCHS, verbose=0, callbacks=callbacks)
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    epochs, snapshots = (np.subtract(last.ends, t)[1:] for t in (first.begins, first.ends))
    ratio = np.median(epochs / (epochs - snapshots))
    print(f"{name:20}{np.median(epochs):6.2f} s an epoch", end="")
    print(f"{np.median(snapshots):6.2f} s of it here, ratio {ratio:.2f}{gigabytes:8.2f} GB")


def main(images=320):
    """Train all variants, each in a process of its own."""
    for name in VARIANTS:
        subprocess.run([sys.executable, "-m", __spec__.name, str(images), name], check=True)


if __name__ == "__main__":
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 320
    if len(sys.argv) > 2:
        train(sys.argv[2], size)
    else:
        main(size)
