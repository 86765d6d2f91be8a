"""Are the optimizers of Keras the formulas of the book?

Claim: formulas of one to four lines are SGD, Momentum, AdaGrad and Adam (Deep Learning from
Scratch, 6.1.2 to 6.1.6).
Look for: in the figure, where the two lines of a panel part.
Why: epsilon, 1e-7, keeps the divisor above 0. The book's AdaGrad adds it to the root of the sum of
squares; Keras's adds it to the sum, which is as much as 3e-4 in the root. Adam's averages start at
0, for which the book and Keras correct the learning rate, and Algorithm 1 of the paper (Kingma and
Ba, 2015) the averages. These differ only in epsilon, which in the first step weighs 32 times as
much in the book and in Keras.
Use: Adagrad(initial_accumulator_value=0.0) for the book's AdaGrad, where gradients are not tiny.
Symptoms: is my code right?
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
KERAS, FORMULA = "Keras", "the book's formula"
START, STEPS = (-7.0, 2.0), 30  # the book's
VARIANTS = {  # at the book's rates
    "SGD": {"optimizer": "SGD", "learning_rate": 0.95},
    "Momentum": {"optimizer": "Momentum", "learning_rate": 0.1},
    "AdaGrad": {"optimizer": "AdaGrad", "learning_rate": 1.5},
    "Adam": {"optimizer": "Adam", "learning_rate": 0.3},
}
GRADIENTS = np.logspace(-8, 0, 33)
SLOPE = np.array([1 / 10, 2])  # the gradient of x²/20 + y² is this times (x, y)


def keras_path(starts, optimizer, learning_rate):
    """Return the paths of an optimizer of Keras on x²/20 + y², (STEPS + 1, starts, 2)."""
    model = build_model(optimizer=optimizer, learning_rate=learning_rate)
    points = keras.Variable(starts, dtype="float32")  # each number is updated by itself
    path = [points.numpy()]
    for _ in range(STEPS):
        model.optimizer.apply([np.float32(SLOPE * path[-1])], [points])
        path.append(points.numpy())
    return np.stack(path)


def numpy_path(starts, optimizer, learning_rate):
    """Return the paths of the same optimizer by the book's formulas, (STEPS + 1, starts, 2)."""
    path = [np.array(starts, float)]
    velocity = mean = square = np.zeros_like(path[0])
    for n in range(1, STEPS + 1):
        gradient = SLOPE * path[-1]
        if optimizer == "SGD":
            step = -learning_rate * gradient
        elif optimizer == "Momentum":
            velocity = step = 0.9 * velocity - learning_rate * gradient
        elif optimizer == "AdaGrad":
            square = square + gradient**2
            step = -learning_rate * gradient / (np.sqrt(square) + 1e-7)
        else:
            mean = 0.9 * mean + 0.1 * gradient
            square = 0.999 * square + 0.001 * gradient**2
            corrected = learning_rate * np.sqrt(1 - 0.999**n) / (1 - 0.9**n)
            step = -corrected * mean / (np.sqrt(square) + 1e-7)
        path.append(path[-1] + step)
    return np.stack(path)


def first_steps(walk, optimizer, rule):
    """Return `{(optimizer, rule, gradient): (1,)}`, first steps as shares of the learning rate."""
    path = walk(GRADIENTS[:, np.newaxis] / SLOPE, **VARIANTS[optimizer])
    steps = (path[0] - path[1])[:, :1] / VARIANTS[optimizer]["learning_rate"]
    return {(optimizer, rule, g): step for g, step in zip(GRADIENTS, steps, strict=True)}


def run(lab):
    """Walk from a point near the book's for every seed, and take first steps from many others."""
    starts = [START + np.random.default_rng(seed).uniform(-1, 1, size=2) for seed in lab.seeds]
    deviations = [
        keras_path(starts, **arguments) - numpy_path(starts, **arguments)
        for arguments in VARIANTS.values()
    ]
    steps = {}
    for optimizer in ("AdaGrad", "Adam"):
        steps |= first_steps(keras_path, optimizer, KERAS)
        steps |= first_steps(numpy_path, optimizer, FORMULA)
    step = lab.measure(steps, "share of the learning rate", "first step")
    difference = step[FORMULA] - step[KERAS]

    lab.claim(
        "the book's formulas in NumPy lead along Keras's own paths, up to 0.0001",
        source=BOOK,
        that=lab.exact(deviations, 1e-4),
        any_data=True,
    )
    lab.claim(
        "AdaGrad's first step by the book is Keras's at gradients from 1e-8 to 1, up to 0.0001 of "
        "the learning rate",
        source=f"{BOOK}.5",
        that=lab.exact(difference["AdaGrad"].array(), 1e-4),
        any_data=True,
    )
    lab.claim(
        "Adam's first step by the book is Keras's at gradients from 1e-8 to 1, up to 0.0001 of the "
        "learning rate",
        source=f"{BOOK}.6",
        that=lab.exact(difference["Adam"].array(), 1e-4),
        any_data=True,
    )
    axes = {"along": GRADIENTS, "x_label": "gradient", "x_scale": "log"}
    lab.figure(lab.lines(step, each=("AdaGrad", "Adam"), lines=(KERAS, FORMULA), **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
