"""What the callbacks cost, beside plain `fit` and Keras's own TensorBoard callback.

Run it with `python -m tests.benchmarks.bench_callbacks [repetitions]`.

All run in one process and take turns, so that what else the machine does hits all of them alike;
a ratio is that to plain `fit` in the same turn, and the table shows the median over the turns.
Targets: 1.3 for all three kinds after every epoch, 1.05 after every fifth.
"""

import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from callbacks.distribution_logger import DistributionLogger
from callbacks.training_monitor import TrainingMonitor

EPOCHS = 6  # the first, with tracing and the snapshot before training, isn't in the epoch's time


def build_model():
    """Return the network of the tables: 784 inputs, 5 hidden layers of 100 with BN, 10 classes."""
    layers = keras.layers
    stack = [keras.Input((784,))]
    for number in range(1, 6):
        stack.append(layers.Dense(100, use_bias=False, name=f"h{number}"))
        stack.append(layers.BatchNormalization(name=f"h{number}_bn"))
        stack.append(layers.Activation("relu", name=f"h{number}_act"))
        stack.append(layers.Dropout(0.1, name=f"h{number}_drop"))
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax", name="out")])
    optimizer = keras.optimizers.SGD(0.05)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Timer(keras.callbacks.Callback):
    """Takes the time at every epoch's begin; first in the list, it sees what the others cost."""

    def on_train_begin(self, logs=None):
        self.times = []

    def on_epoch_begin(self, epoch, logs=None):
        self.times.append(time.perf_counter())

    def seconds_per_epoch(self, end):
        return (end - self.times[1]) / (EPOCHS - 1)


def main(repetitions=5):
    """Print the table."""
    rng = np.random.default_rng(0)
    x, y = rng.random((8000, 784), dtype="float32"), rng.integers(0, 10, 8000)
    probe = x[:100], y[:100]
    variants = {
        "plain fit": lambda _: [],
        "Keras TensorBoard, histogram_freq=1": lambda d: [
            keras.callbacks.TensorBoard(d, histogram_freq=1)
        ],
        "DistributionLogger, every epoch": lambda d: [DistributionLogger(d, *probe)],
        "DistributionLogger, every 5 epochs": lambda d: [DistributionLogger(d, *probe, every=5)],
        "TrainingMonitor, every epoch": lambda d: [TrainingMonitor(*probe, log_dir=d)],
    }
    models = {name: build_model() for name in variants}
    epochs, fits, sizes = ({name: [] for name in variants} for _ in range(3))
    for repetition in range(repetitions + 1):
        for name, callbacks in variants.items():
            with tempfile.TemporaryDirectory() as log_dir:
                timer = Timer()
                begin = time.perf_counter()
                models[name].fit(
                    x,
                    y,
                    batch_size=100,
                    epochs=EPOCHS,
                    verbose=0,
                    callbacks=[timer, *callbacks(log_dir)],
                )
                end = time.perf_counter()
                files = [path for path in Path(log_dir).rglob("events*") if path.is_file()]
                size = sum(path.stat().st_size for path in files)
            if repetition:  # in the first one Keras traces the training step
                epochs[name].append(timer.seconds_per_epoch(end))
                fits[name].append(end - begin)
                sizes[name].append(size / EPOCHS)

    def ratio(times, name):
        return np.median(np.divide(times[name], times["plain fit"]))

    print(f"{'':38}{'epoch':>8}{'ratio':>8}{f'{EPOCHS}-epoch fit':>13}{'kB/epoch':>10}")
    for name in variants:
        print(
            f"{name:38}{np.median(epochs[name]) * 1000:5.0f} ms{ratio(epochs, name):8.2f}"
            f"{ratio(fits, name):13.2f}{np.median(sizes[name]) / 1000:10.1f}"
        )


if __name__ == "__main__":
    main()
