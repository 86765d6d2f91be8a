"""What a population gains where layers have no stacked form, beside plain `fit`.

12 classifiers of each kind, 6 seeds of two learning rates; 1,000 examples of random numbers,
batches of 100, 5 epochs; training and validation measured after every epoch. Both ways take the
whole job: from the description of the networks to their last measures, tracing included, imports
not. `fit` trains two of the twelve, and its time is reckoned from them.

    python -m tests.benchmarks.bench_layers

It needs about three minutes.
"""

import time

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from recipes._lab import quiet

quiet.import_tensorflow()

import keras  # noqa: E402

from recipes._lab.data import Dataset, Split  # noqa: E402
from recipes._lab.training import architecture, population  # noqa: E402
from recipes._lab.training.members import Member  # noqa: E402

L = keras.layers
CLASSES, EPOCHS, BATCH_SIZE = 10, 5, 100
RATES, SEEDS, FITTED = (0.01, 0.1), range(6), 2


class Block(L.Layer):
    """A residual block of one's own."""

    def __init__(self, units):
        super().__init__()
        self.first, self.second = L.Dense(units), L.Dense(units)
        self.norm = L.BatchNormalization()

    def call(self, x):
        return x + self.second(keras.ops.relu(self.norm(self.first(x))))


# Shape of an example, and the hidden layers.
NETWORKS = {
    "Dense, BN, ReLU: stacked": (
        (64,),
        lambda: [L.Dense(64), L.BatchNormalization(), L.Activation("relu"), L.Dense(64)],
    ),
    "Conv2D(16, 3)": ((8, 8, 1), lambda: [L.Conv2D(16, 3, activation="relu"), L.Flatten()]),
    "four residual blocks": ((64,), lambda: [Block(64) for _ in range(4)]),
    "SimpleRNN(32)": ((8, 8), lambda: [L.SimpleRNN(32)]),
    "GRU(32)": ((8, 8), lambda: [L.GRU(32)]),
    "LSTM(32)": ((8, 8), lambda: [L.LSTM(32)]),
    "Bidirectional LSTM(16)": ((8, 8), lambda: [L.Bidirectional(L.LSTM(16))]),
    "Embedding and mean": (
        (8,),
        lambda: [L.Embedding(100, 32), L.GlobalAveragePooling1D()],
    ),
    "GroupNormalization": ((64,), lambda: [L.Dense(64), L.GroupNormalization(8), L.ReLU()]),
    "SpatialDropout1D": ((8, 8), lambda: [L.SpatialDropout1D(0.1), L.Flatten(), L.Dense(32)]),
    "RandomTranslation": (
        (8, 8, 1),
        lambda: [L.RandomTranslation(0.1, 0.1), L.Flatten(), L.Dense(64, "relu")],
    ),
}
FUNCTIONAL = {
    "attention, functional": (
        (8, 8),
        lambda x: L.Flatten()(L.Add()([x, L.MultiHeadAttention(2, 8)(x, x)])),
    ),
}


def dataset(shape):
    """Random inputs from 0 to 99, and labels."""
    random = np.random.default_rng(0)
    parts = [
        Split(
            random.integers(0, 100, (size, *shape)).astype(np.float32),
            random.integers(0, CLASSES, size).astype(np.int32),
        )
        for size in (1000, 200, 200)
    ]
    return Dataset("random numbers", tuple(map(str, range(CLASSES))), *parts)


def members(name):
    """The twelve networks of one kind."""
    shape, make = (NETWORKS | FUNCTIONAL)[name]
    data = dataset(shape)

    def build(rate):
        inputs = keras.Input(shape)
        softmax = L.Dense(CLASSES, "softmax")
        if name in FUNCTIONAL:
            model = keras.Model(inputs, softmax(make(inputs)))
        else:
            model = keras.Sequential([inputs, *make(), softmax])
        model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
        return model

    made = []
    for rate in RATES:
        spec = architecture.read(lambda rate=rate: build(rate))
        made += [Member(f"{rate}", spec.build, spec, s, data, EPOCHS, BATCH_SIZE) for s in SEEDS]
    return made


def seconds(function, *arguments, **options):
    """The time that a call takes."""
    start = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - start


def main():
    """Measure and print the table."""
    table = Table("12 networks", "population, s", "fit, s", "fit / population", box=box.SIMPLE)
    for name in NETWORKS | FUNCTIONAL:
        networks = members(name)
        together = seconds(population.train, networks)
        fitted = seconds(population.train, networks[:FITTED], engine="keras", threads=1)
        fitted *= len(networks) / FITTED
        table.add_row(name, f"{together:.1f}", f"{fitted:.1f}", f"{fitted / together:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
