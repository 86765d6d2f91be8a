"""A recipe of seconds, data of three classes, training that is made up: for tests of the lab."""

import contextlib
import itertools

import numpy as np

from recipes._lab.lab import Options
from recipes._lab.run import run
from recipes._lab.training.members import Result

TINY = '''"""Does a tiny recipe work?

Use: what this run found.
"""
import keras

def build_model(input_shape=(4,), num_classes=3, *, learning_rate=0.5, optimizer="SGD"):
    model = keras.Sequential([
        keras.Input(input_shape),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ])
    optimizer = getattr(keras.optimizers, optimizer)(learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

FAST, SLOW = "fast, lr .5", "slow <lr .001>"
VARIANTS = {FAST: {}, SLOW: {"learning_rate": 0.001}}

def run(lab):
    results = lab.train(build_model, VARIANTS, lab.data(), epochs=4, batch_size=10)
    test, loss = results.final("test_accuracy"), results.final("train_loss")
    lab.claim("fast is better", source="Book, 1", that=test[FAST] > test[SLOW])
    lab.claim("its loss is lower here", that=lab.every([loss[FAST] < loss[SLOW]]))
    lab.figure(lab.panels(results))
'''


@contextlib.contextmanager
def silent(description, total):
    """Show no progress."""
    yield lambda epochs: None


def flowers(folder, seed=0, name="flowers.csv"):
    """Write three classes of forty examples, four numbers each, that are easy to tell apart."""
    rng = np.random.default_rng(seed)
    lines = ["a,b,c,d,kind"]
    for kind, centre in (("iris", -2), ("rose", 0), ("tulip", 2)):
        for row in rng.normal(centre, 1, size=(40, 4)):
            lines.append(",".join(f"{value:.3f}" for value in row) + f",{kind}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def run_tiny(out, data, log=lambda line: None, progress=silent, **options):
    """Run the recipe called tiny and return its lab and folder."""
    return run("tiny", Options(data=data, out=str(out), **options), log, progress)


class MadeUpTraining:
    """`population.train` with made-up results; keeps whom it was asked to train, call by call.

    Args:
        measure: `measure(arguments, seed)` returns the final metrics that aren't 0.5.
    """

    METRICS = ("loss", "accuracy", "val_loss", "val_accuracy", "test_loss", "test_accuracy")

    def __init__(self, measure):
        self.measure, self.calls = measure, []

    def __call__(self, members, **_):
        self.calls.append(members)
        results = []
        for member in members:
            final = dict.fromkeys(self.METRICS, 0.5)
            final |= self.measure(member.build.keywords, member.seed)
            # Before, everything is the other way round.
            curves = {m: np.linspace(1 - final[m], final[m], member.epochs + 1) for m in final}
            test = {metric: final[metric] for metric in self.METRICS[4:]}
            history = {m: curve for m, curve in curves.items() if m not in test}
            results.append(Result(history, test, member.epochs, []))
        return results

    def asked(self):
        """Return the values of each call by variant, told apart by their optimizer."""
        return [
            {
                optimizer: sorted({m.build.keywords["learning_rate"] for m in of})
                for optimizer, of in itertools.groupby(
                    members, lambda m: m.build.keywords.get("optimizer", "SGD")
                )
            }
            for members in self.calls
        ]
