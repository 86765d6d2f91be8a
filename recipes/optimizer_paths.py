"""How do optimizers move on x²/20 + y²?

Claim: from (-7, 2) SGD zigzags, because the gradient hardly ever points at the minimum, which is
inefficient (Deep Learning from Scratch, 6.1.3). Momentum, AdaGrad and Adam move more directly
(6.1.7), and AdaGrad's steps shrink (6.1.5).
Look for: in the figure, how often each path crosses y = 0, how long it is, and where it ends after
30 steps.
Why: each step of SGD multiplies y by 1 - 2 lr and x by 1 - lr/10. At the book's .95 these are -.9
and .905: y changes its sign each time, but both come to rest equally fast, and a smaller rate only
slows x down. A zigzag need not be slow. AdaGrad divides by the root of the sum of all squared
gradients, which only grows; but the gradient itself shrinks towards the minimum as well.
Use: the loss after equally many steps, not the shape of a path, to compare optimizers, each at its
own learning rate.
Symptoms: the loss swings up and down
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, optimizer="Adam", dropout=0.1, learning_rate=0.003
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        optimizer: "SGD", "Momentum", "AdaGrad" or "Adam".
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of the optimizer.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    optimizers = {
        "SGD": keras.optimizers.SGD(learning_rate),
        "Momentum": keras.optimizers.SGD(learning_rate, momentum=0.9),
        # Its sum of squares starts at 0 in the paper, at .1 in Keras.
        "AdaGrad": keras.optimizers.Adagrad(learning_rate, initial_accumulator_value=0.0),
        "Adam": keras.optimizers.Adam(learning_rate),
    }
    model.compile(
        optimizer=optimizers[optimizer],
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


BOOK = "Deep Learning from Scratch, 6.1"
START, STEPS = (-7.0, 2.0), 30  # the book's
VARIANTS = {  # at the book's rates
    "SGD": {"optimizer": "SGD", "learning_rate": 0.95},
    "Momentum": {"optimizer": "Momentum", "learning_rate": 0.1},
    "AdaGrad": {"optimizer": "AdaGrad", "learning_rate": 1.5},
    "Adam": {"optimizer": "Adam", "learning_rate": 0.3},
}
OTHERS = ("Momentum", "AdaGrad", "Adam")  # than SGD


def height(points):
    """Return x²/20 + y² of points, (..., 2)."""
    return points[..., 0] ** 2 / 20 + points[..., 1] ** 2


def walk(starts, optimizer, learning_rate):
    """Return the paths of an optimizer of Keras, (starts, STEPS + 1, 2)."""
    model = build_model(optimizer=optimizer, learning_rate=learning_rate)
    points = keras.Variable(starts, dtype="float32")  # each number is updated by itself
    path = [points.numpy()]
    for _ in range(STEPS):
        gradient = path[-1] * np.array([1 / 10, 2], "float32")  # of x²/20 + y²
        model.optimizer.apply([gradient], [points])
        path.append(points.numpy())
    return np.stack(path, axis=1).astype(float)


def crossings(path):
    """Return how often y changes its sign on each path, (starts, points, 2)."""
    return np.sum(path[:, 1:, 1] * path[:, :-1, 1] < 0, axis=1)


def step_lengths(path):
    """Return the length of each step of each path, (starts, points - 1)."""
    return np.linalg.norm(np.diff(path, axis=1), axis=2)


def run(lab):
    """Walk from a point near the book's for every seed, and from the book's own for the figure."""
    starts = [START + np.random.default_rng(seed).uniform(-1, 1, size=2) for seed in lab.seeds]
    paths = {name: walk(starts, **arguments) for name, arguments in VARIANTS.items()}
    changes = lab.measure({name: crossings(path) for name, path in paths.items()}, "changes")
    end = lab.measure({name: height(path[:, -1]) for name, path in paths.items()})
    length = lab.measure({name: step_lengths(path).sum(axis=1) for name, path in paths.items()})
    steps = {name: step_lengths(path) for name, path in paths.items()}
    last = {name: 100 * of_path[:, -1] / of_path[:, 0] for name, of_path in steps.items()}
    last = lab.measure(last, "% of the first")

    lab.claim(
        "SGD zigzags: y changes its sign more often than with each of the other three",
        source=f"{BOOK}.3",
        that=lab.every([changes["SGD"] > changes[name] for name in OTHERS], unit="optimizers"),
        any_data=True,
    )
    lab.claim(
        "SGD is inefficient: after 30 steps it stands higher than each of the other three",
        source=f"{BOOK}.3",
        that=lab.every([end["SGD"] > end[name] for name in OTHERS], unit="optimizers"),
        any_data=True,
    )
    lab.claim(
        "Momentum, AdaGrad and Adam move more directly: all three paths are shorter than SGD's",
        source=f"{BOOK}.7",
        that=lab.every([length[name] < length["SGD"] for name in OTHERS], unit="optimizers"),
        any_data=True,
    )
    lab.claim(
        "AdaGrad's last step, as a share of its first, is shorter than SGD's",
        source=f"{BOOK}.5",
        that=last["AdaGrad"] < last["SGD"],
        any_data=True,
    )
    drawn = {}
    for name, arguments in VARIANTS.items():
        title = f"{name}, learning rate {arguments['learning_rate']:g}"
        drawn[title] = walk([START], **arguments)[0]
    lab.figure(lab.paths(drawn, height))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
