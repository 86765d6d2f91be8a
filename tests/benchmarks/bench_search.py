"""What the random search of Deep Learning from Scratch, 6.5.3, costs with several tuners.

100 trials of a network 784-6x100-10 on 400 training images, batches of 100, 50 epochs; learning
rate and weight decay on logarithmic scales, judged by validation accuracy. This project's tuner
runs the whole search; keras-tuner's own RandomSearch, Optuna with Keras, where it is installed, and
NumPy by hand run some trials of it, from which the time of all is reckoned. Each in a process of
its own, one after another; a time is that of the whole job, compilation and tracing included.

    make bench MNIST=mnist.npz

Without a file the images are random numbers of MNIST's shape, which take as long.
"""

import contextlib
import io
import itertools
import tempfile
import time

import keras_tuner
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from recipes._lab import quiet

quiet.import_tensorflow()

import keras  # noqa: E402

from recipes._lab import data  # noqa: E402
from recipes._lab.tuning.oracles import make_oracle  # noqa: E402
from recipes._lab.tuning.tuner import PopulationTuner  # noqa: E402
from tests.benchmarks import side_by_side  # noqa: E402

INPUTS, UNITS, HIDDEN, CLASSES = 784, 100, 6, 10
EXAMPLES, VALIDATION, BATCH_SIZE, EPOCHS = 400, 100, 100, 50
TRIALS, SOME = 100, 4
BATCHES = (1, 8, 32, 128)


def dataset(path):
    """Return 400 training and 100 validation images."""
    if path:
        images = data.load(path).flat()
        parts = [(images.train, EXAMPLES), (images.validation, VALIDATION)]
        splits = [data.Split(split.x[:count], split.y[:count]) for split, count in parts]
    else:
        rng = np.random.default_rng(0)
        splits = [
            data.Split(
                rng.random((count, INPUTS), np.float32),
                rng.integers(0, CLASSES, count).astype(np.int32),
            )
            for count in (EXAMPLES, VALIDATION)
        ]
    return data.Dataset("mnist", tuple(map(str, range(CLASSES))), *splits, splits[1])


def network(learning_rate, weight_decay, units=UNITS):
    """Return the compiled network."""
    layers = [keras.Input((INPUTS,))]
    decay = keras.regularizers.L2(weight_decay / 2)
    for _ in range(HIDDEN):
        layers.append(
            keras.layers.Dense(
                units, "relu", kernel_initializer="he_normal", kernel_regularizer=decay
            )
        )
    layers.append(keras.layers.Dense(CLASSES, "softmax", kernel_regularizer=decay))
    model = keras.Sequential(layers)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(learning_rate), loss, metrics=["accuracy"])
    return model


def build(hp):
    """Return a trial's network, with the book's ranges."""
    return network(
        hp.Float("learning_rate", 1e-6, 1e-2, sampling="log"),
        hp.Float("weight_decay", 1e-8, 1e-4, sampling="log"),
    )


def build_any(hp):
    """Return a trial's network, of an architecture that no other trial has."""
    rate = hp.Float("learning_rate", 1e-6, 1e-2, sampling="log")
    return network(rate, 0.0, hp.Int("units", 50, 150))


def with_population(images, trials=TRIALS, batch=None, model=build):
    """Search with this project's tuner."""
    PopulationTuner(
        make_oracle("random", trials, 0),
        model,
        images,
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        batch=batch,
        directory=tempfile.mkdtemp(),
    ).search()


def with_keras_tuner(images, trials=SOME, model=build):
    """Search with keras-tuner's own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        tuner = keras_tuner.RandomSearch(
            model, "val_accuracy", max_trials=trials, directory=folder, seed=1
        )
        tuner.search(
            images.train.x,
            images.train.y,
            validation_data=(images.validation.x, images.validation.y),
            batch_size=BATCH_SIZE,
            epochs=EPOCHS,
            verbose=0,
        )


def with_optuna(images):
    """Search with Optuna, which calls Keras for each trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        rate = trial.suggest_float("learning_rate", 1e-6, 1e-2, log=True)
        model = network(rate, trial.suggest_float("weight_decay", 1e-8, 1e-4, log=True))
        history = model.fit(
            images.train.x,
            images.train.y,
            validation_data=(images.validation.x, images.validation.y),
            batch_size=BATCH_SIZE,
            epochs=EPOCHS,
            verbose=0,
        )
        return history.history["val_accuracy"][-1]

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=SOME)


def with_numpy(images):
    """Search by hand, as the book does."""
    rng = np.random.default_rng(0)
    sizes = [INPUTS, *[UNITS] * HIDDEN, CLASSES]
    (x, y), (val_x, val_y) = ((s.x, s.y) for s in (images.train, images.validation))
    for _ in range(SOME):
        rate, decay = 10 ** rng.uniform(-6, -2), 10 ** rng.uniform(-8, -4)
        kernels = [
            rng.standard_normal(shape).astype(np.float32) * np.float32(np.sqrt(2 / shape[0]))
            for shape in itertools.pairwise(sizes)
        ]
        biases = [np.zeros(size, np.float32) for size in sizes[1:]]

        def forward(x, kernels=kernels, biases=biases):
            inputs = [x]
            for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
                inputs.append(np.maximum(inputs[-1] @ kernel + bias, 0))
            return inputs, inputs[-1] @ kernels[-1] + biases[-1]

        for _ in range(EPOCHS):
            order = rng.permutation(EXAMPLES)
            for first in range(0, EXAMPLES, BATCH_SIZE):
                rows = order[first : first + BATCH_SIZE]
                inputs, logits = forward(x[rows])
                slope = np.exp(logits - logits.max(axis=1, keepdims=True))
                slope /= slope.sum(axis=1, keepdims=True)
                slope[np.arange(BATCH_SIZE), y[rows]] -= 1
                slope /= BATCH_SIZE
                for n in reversed(range(HIDDEN + 1)):
                    dkernel, dbias = inputs[n].T @ slope + decay * kernels[n], slope.sum(axis=0)
                    slope = (slope @ kernels[n].T) * (inputs[n] > 0) if n else None
                    kernels[n] -= np.float32(rate) * dkernel
                    biases[n] -= np.float32(rate) * dbias
            for part, labels in ((x, y), (val_x, val_y)):
                (forward(part)[1].argmax(axis=1) == labels).mean()


def seconds(way, *arguments, **options):
    """Return the seconds that a search takes."""
    start = time.perf_counter()
    way(*arguments, **options)
    return time.perf_counter() - start


def some_trials(way):
    """Return a way that runs some trials and returns the seconds that all would take."""

    def run(images):
        return seconds(way, images) * TRIALS / SOME

    return run


WAYS = {
    "population tuner": (with_population, ""),
    "keras-tuner RandomSearch": (some_trials(with_keras_tuner), ""),
    "NumPy by hand": (some_trials(with_numpy), ""),
    "Optuna with Keras": (some_trials(with_optuna), "optuna"),
}


def main():
    """Print how long each way takes for 100 trials, and how batches help."""
    ways = side_by_side.installed(WAYS)
    path = side_by_side.path(ways)
    if side_by_side.run_one(ways, lambda: dataset(path)):
        return
    console = Console()
    module = "tests.benchmarks.bench_search"
    times = {name: side_by_side.seconds(module, name, path) for name in ways}
    console.print(side_by_side.table("100 trials", times, "s a trial", TRIALS))

    images = dataset(path)
    table = Table("trials in a batch", "trials a second", box=box.SIMPLE)
    for batch in BATCHES:
        count = min(TRIALS, max(8, batch))
        taken = seconds(with_population, images, trials=count, batch=batch)
        table.add_row(str(batch), f"{count / taken:.1f}")
    console.print(table)

    ours = seconds(with_population, images, trials=8, model=build_any) / 8
    theirs = seconds(with_keras_tuner, images, trials=SOME, model=build_any) / SOME
    console.print(
        f"every trial another architecture: {ours:.2f} s a trial, keras-tuner {theirs:.2f} s: "
        f"{theirs / ours:.1f} times"
    )


if __name__ == "__main__":
    main()
