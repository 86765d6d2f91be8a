"""What the 32 networks of Deep Learning from Scratch's figure 6-18 cost, trained in several ways.

16 initial scales, with and without batch normalization; 784-5x100-10, 1,000 images, batches of 100,
20 epochs of plain gradient descent; accuracy on the training images after every epoch: this
project's population trainer, with oneDNN and without, plain Keras `fit` in a loop, NumPy by hand as
in the book, and, where they are installed, JAX with `vmap`, PyTorch eager and with
`torch.func.vmap`, compiled. Each in a process of its own, one after another. A time is that of the
whole job: from the description of the networks to their last measures, compilation and tracing
included, imports not.

Then how populations grow, beside two limits of this machine: the rate of TensorFlow's batched
products of 100 x 100 matrices, and that of one large product on every core.

    make bench MNIST=mnist.npz

Without a file the images are random numbers of MNIST's shape, which take as long. It needs about
three minutes.
"""

import concurrent.futures
import functools
import resource
import time
from unittest import mock

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from recipes._lab import quiet

quiet.import_tensorflow()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from recipes._lab.training import architecture, population  # noqa: E402
from recipes._lab.training.graph import Graph  # noqa: E402
from recipes._lab.training.members import METRICS, Member  # noqa: E402
from tests.benchmarks import networks, side_by_side  # noqa: E402
from tests.benchmarks.networks import (  # noqa: E402
    BATCH_SIZE,
    CLASSES,
    EPOCHS,
    EPSILON,
    HIDDEN,
    INPUTS,
    MOMENTUM,
    NETWORKS,
    RATE,
    SCALES,
    STEPS,
    UNITS,
    dataset,
)

FITTED = 4  # of the 32 networks, from which the time of all is reckoned: each takes as long


def build_model(scale, batch_norm):
    """Return one network as a compiled Keras model."""
    layers = [keras.Input((INPUTS,))]
    for _ in range(HIDDEN):
        init = keras.initializers.RandomNormal(stddev=scale)
        layers.append(keras.layers.Dense(UNITS, kernel_initializer=init))
        if batch_norm:
            layers.append(keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON))
        layers.append(keras.layers.Activation("relu"))
    init = keras.initializers.RandomNormal(stddev=scale)
    layers.append(keras.layers.Dense(CLASSES, activation="softmax", kernel_initializer=init))
    model = keras.Sequential(layers)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(RATE), loss, metrics=["accuracy"])
    return model


def with_population(images, networks=NETWORKS):
    """Train the networks as one population for each of the two architectures."""
    members = []
    for number, (scale, batch_norm) in enumerate(networks):
        build = functools.partial(build_model, scale, batch_norm)
        members.append(
            Member(str(number), build, architecture.read(build), 0, images, EPOCHS, BATCH_SIZE)
        )
    population.train(members)


def whole_job(images, networks=NETWORKS):
    """Train the networks, tracing included: forget what earlier runs have traced."""
    population._recent.clear()
    with_population(images, networks)


def steps_alone(images, networks):
    """Train the networks once more, without tracing and without measuring accuracies."""

    def nothing(graph, *_):
        return np.zeros((len(METRICS), graph.size))

    with mock.patch.object(Graph, "_metrics", nothing):
        with_population(images, networks)


def with_fit(images):
    """Train some of the networks with `fit` and return the seconds that all would take."""
    x, y = images.train.x, images.train.y
    start = time.perf_counter()
    for scale, batch_norm in NETWORKS[:: len(NETWORKS) // FITTED]:
        build_model(scale, batch_norm).fit(
            x, y, batch_size=BATCH_SIZE, epochs=EPOCHS, validation_data=(x, y), verbose=0
        )
    return (time.perf_counter() - start) * len(NETWORKS) / FITTED


def rate_of(shape):
    """Return the operations a second of products of square matrices, (count, n, n), on all cores.

    Each core takes products of its own, as chunks of a population do.
    """
    repetitions = max(1, int(2e10 / (2 * np.prod(shape) * shape[-1])))

    def multiply(_):
        a = tf.random.normal(shape)
        for _ in range(repetitions):
            b = tf.matmul(a, a)
        return b.numpy()

    cores = population.cores()
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        times = []
        for _ in range(4):  # the first one warms up
            start = time.perf_counter()
            list(pool.map(multiply, range(cores)))
            times.append(time.perf_counter() - start)
    return 2 * np.prod(shape) * shape[-1] * repetitions * cores / min(times[1:])


def operations():
    """Return the multiplications and additions of a model-step: training's matrix products."""
    products = [INPUTS * UNITS] + [UNITS * UNITS] * (HIDDEN - 1) + [UNITS * CLASSES]
    forward_and_weights, inputs = 2 * sum(products), sum(products[1:])
    return 2 * BATCH_SIZE * (forward_and_weights + inputs)


MODULE = "tests.benchmarks.bench_population"
WAYS = {
    "population": (whole_job, ""),
    "Keras, fit in a loop": (with_fit, ""),
}


def growth(images):
    """Return a table of populations of several sizes, beside the limits of this machine."""
    batched, large = rate_of((24, UNITS, UNITS)), rate_of((1, 1024, 1024))
    cores = population.cores()
    title = (
        f"{batched / 1e9:.0f} GFLOP/s in batched products of 100 x 100, "
        f"{large / 1e9:.0f} in one large product a core, on {cores} cores"
    )
    columns = ["members, all with BN", "", "seconds", "ms a model-step"]
    columns += ["share of batched", "share of large", "peak MiB"]
    table = Table(*columns, box=box.SIMPLE, title=title)
    for count in (1, 4, 16, 80, 256):
        some = [(SCALES[n % len(SCALES)], True) for n in range(count)]
        for way, name in ((whole_job, "whole job"), (steps_alone, "steps alone")):
            start = time.perf_counter()
            way(images, some)
            taken = time.perf_counter() - start
            rate = operations() * count * STEPS / taken
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            cells = [f"{taken:.1f}", f"{1000 * taken / (count * STEPS):.2f}"]
            cells += [f"{rate / batched:.0%}", f"{rate / large:.0%}", f"{peak:.0f}"]
            table.add_row(str(count), name, *cells)
    return table


def main():
    """Print how long each way takes, and how populations grow."""
    ways, peers = map(side_by_side.installed, (WAYS, networks.WAYS))
    path = side_by_side.path(ways | peers)
    if side_by_side.run_one(ways, lambda: dataset(path)):
        return
    console = Console()
    times = {name: side_by_side.seconds(MODULE, name, path) for name in ways}
    times |= {name: side_by_side.seconds(networks.MODULE, name, path) for name in peers}
    times["population, without oneDNN"] = side_by_side.seconds(
        MODULE, "population", path, TF_ENABLE_ONEDNN_OPTS="0"
    )
    job = len(NETWORKS) * STEPS / 1000
    console.print(side_by_side.table("32 networks", times, "ms a model-step", job))
    console.print(growth(dataset(path)))


if __name__ == "__main__":
    main()
