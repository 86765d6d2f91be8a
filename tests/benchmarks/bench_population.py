"""What a training step of one small model costs: plain Keras, and populations of models.

Run it with `python -m tests.benchmarks.bench_population`; it takes about a minute.

The models have five hidden layers of 100 units and learn from 1,000 digits of 64 pixels, 100 at a
time. All ways run in one process, from built models (populations build theirs) to the last epoch's
measures. `fit` measures on validation data after every epoch, a population on training and
validation data. Milliseconds are those of the whole job, divided by models and steps; "later"
leaves out the first epoch, in which graphs are traced.
"""

import time

import keras
from rich import box
from rich.console import Console
from rich.table import Table

from recipes._lab import data
from recipes._lab.architecture import read
from recipes._lab.members import Member
from recipes._lab.population import train

EPOCHS = 20
EXAMPLES = 1000
BATCH_SIZE = 100
STEPS = EXAMPLES // BATCH_SIZE  # of an epoch
FITTED = 2  # models that are fitted one after another
POPULATIONS = (16, 80)


def build_model(seed=0, batch_norm=False, dropout=0.0):
    """Return the compiled network: (64,) -> 5 x 100 -> 10 classes."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((64,))])
    for number in range(5):
        initializer = keras.initializers.HeNormal(seed=10 * seed + number)
        model.add(layers.Dense(100, kernel_initializer=initializer))
        if batch_norm:
            model.add(layers.BatchNormalization())
        model.add(layers.Activation("relu"))
        if dropout:
            model.add(layers.Dropout(dropout))
    model.add(layers.Dense(10, activation="softmax"))
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Clock:
    """Takes the time whenever models finish epochs."""

    def __init__(self):
        self.start, self.ends = time.perf_counter(), []

    def __call__(self, epochs=1):
        """Note that so many epochs of one model each have just ended."""
        self.ends.append((time.perf_counter(), epochs))

    def milliseconds(self):
        """Return ms a model-step: of the whole job, and of what followed each job's first epoch."""
        (first, _), (last, _) = self.ends[0], self.ends[-1]
        done = [epochs for _, epochs in self.ends]
        whole = (last - self.start) / (sum(done) * STEPS)
        later = (last - first) / (sum(done[1:]) * STEPS)
        return 1000 * whole, 1000 * later


def fitted(digits, settings):
    """Train some models with `fit`, one after another."""
    results = []
    for seed in range(FITTED):
        model = build_model(seed, **settings)
        clock = Clock()
        model.fit(
            digits.train.x,
            digits.train.y,
            batch_size=BATCH_SIZE,
            epochs=EPOCHS,
            validation_data=(digits.validation.x, digits.validation.y),
            callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda *_, c=clock: c())],
            verbose=0,
        )
        results.append(clock.milliseconds())
    return [sum(column) / FITTED for column in zip(*results, strict=True)]


def batch_by_batch(digits, settings):
    """Train one model with a loop over `train_on_batch`."""
    model = build_model(**settings)
    clock = Clock()
    for _ in range(EPOCHS):
        for start in range(0, EXAMPLES, BATCH_SIZE):
            rows = slice(start, start + BATCH_SIZE)
            model.train_on_batch(digits.train.x[rows], digits.train.y[rows])
        model.evaluate(digits.validation.x, digits.validation.y, verbose=0)
        clock()
    return clock.milliseconds()


def together(digits, settings, count):
    """Train a population with five seeds of each variant, as recipes do."""

    def build():
        return build_model(**settings)

    clock = Clock()
    blueprint = read(build)
    members = [
        Member("variant", build, blueprint, n % 5, digits, EPOCHS, BATCH_SIZE) for n in range(count)
    ]
    train(members, progress=clock)
    return clock.milliseconds()


def main():
    """Print the table."""
    digits = data.load("digits").flat()
    head = data.Split(digits.train.x[:EXAMPLES], digits.train.y[:EXAMPLES])
    digits = data.Dataset("digits", digits.class_names, head, digits.validation, digits.test)
    kinds = {
        "plain layers": {},
        "batch normalization, dropout .1": {"batch_norm": True, "dropout": 0.1},
    }
    ways = {"fit": fitted, "train_on_batch": batch_by_batch} | {
        f"population of {count}": lambda d, s, count=count: together(d, s, count)
        for count in POPULATIONS
    }
    table = Table("", "ms a step", "fit's, times", "ms, later", "fit's, times", box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    for kind, settings in kinds.items():
        table.add_row(f"[bold]{kind}")
        reference = None
        for name, way in ways.items():
            whole, later = way(digits, settings)
            reference = reference or (whole, later)
            ratios = [f"1/{r / ms:.1f}" for r, ms in zip(reference, (whole, later), strict=True)]
            cells = [f"{whole:.2f}", ratios[0], f"{later:.2f}", ratios[1]]
            table.add_row(f"  {name}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
