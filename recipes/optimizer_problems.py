"""Is one optimizer best on every problem?

Claim: no method is best on all problems; each has some that it is good at and some that it is bad
at (Deep Learning from Scratch, 6.1.7).
Look for: in the figure, how fast each optimizer learns a problem; in figure-problems, where it
ends; in TensorBoard, under loss, the networks on inputs in unlike units.
Why: SGD and Momentum have one scale for the steps of all weights; where inputs come in unlike
units, it has to fit the largest, and is too small for the rest. AdaGrad and Adam divide the steps
of each weight by the size of its own gradients, so that units count for less.
Use: Adam, with its learning rate tuned.
Symptoms: training is slow; the loss does not move
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="Adam",
    hidden_layers=4,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.003,
):
    """Return a compiled classifier of vectors: `hidden_layers` hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        optimizer: "SGD", "Momentum", "AdaGrad" or "Adam".
        hidden_layers: number of hidden layers, of 100 units each.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of the optimizer.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
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


BOOK = "Deep Learning from Scratch, 6.1.7"
OPTIMIZERS = ("SGD", "Momentum", "AdaGrad", "Adam")
DEEP, SPIRALS, UNITS = "4 layers", "1 layer on spirals", "4 layers, unlike units"
LAYERS = {DEEP: 4, SPIRALS: 1, UNITS: 4}
PLAIN = {"batch_norm": False, "dropout": 0.0}  # as in the book
VARIANTS = {
    (problem, optimizer): PLAIN | {"optimizer": optimizer, "hidden_layers": layers}
    for problem, layers in LAYERS.items()
    for optimizer in OPTIMIZERS
}
RATES = {  # candidates; one layer takes larger ones than four, unlike units smaller ones
    "SGD": (0.1, 0.3, 1.0),
    "Momentum": (0.03, 0.1, 0.3),
    "AdaGrad": (0.01, 0.03, 0.1),
    "Adam": (0.001, 0.003, 0.01),
    (SPIRALS, "SGD"): (0.3, 1.0, 3.0),
    (SPIRALS, "Momentum"): (0.1, 0.3, 1.0),
    (SPIRALS, "AdaGrad"): (0.1, 0.3, 1.0),
    (SPIRALS, "Adam"): (0.01, 0.03, 0.1),
    (UNITS, "SGD"): (0.03, 0.1, 0.3),
    (UNITS, "Momentum"): (0.01, 0.03, 0.1),
}


def spirals(dataset, random):
    """Make points of a plane of the examples: three arms of a spiral, as in CS231n's notes."""

    def points(x, y):
        radius = random.uniform(0, 1, len(y))
        angle = 2 * np.pi * y / 3 + 4 * radius + random.normal(0, 0.2, len(y))
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), y % 3

    return dataset.map_examples(points)


def unlike_units(dataset, random):
    """Give each input a unit of its own, which makes it up to ten times as large or as small."""
    factors = 10 ** random.uniform(-1, 1, dataset.input_shape)
    return dataset.map_inputs(lambda x: factors * x)


def run(lab):
    """Train with each optimizer on three problems, each at its best learning rate."""
    data = lab.data(examples=1000)
    problems = {DEEP: data, SPIRALS: data.map(spirals), UNITS: data.map(unlike_units)}
    tuned = lab.tune(build_model, VARIANTS, problems, epochs=20, learning_rate=RATES)
    results = lab.train(build_model, tuned, problems, epochs=20, evaluate_every=2, watch=[UNITS])
    validation, test = results.final("val_accuracy"), results.final("test_accuracy")
    overall = max(OPTIMIZERS, key=lambda name: validation[name].array().mean())
    best = {problem: test[results.best(problem)] for problem in LAYERS}  # on validation

    lab.claim(
        f"no optimizer is best everywhere: {overall}, the best on average on validation, is less "
        "accurate on test than another on at least 1 of 3 problems",
        source=BOOK,
        that=lab.at_least(
            1, [best[problem] > test[problem, overall] for problem in LAYERS], unit="problems"
        ),
    )
    lab.claim(
        "Adam ends less than 1 percentage point of test accuracy below the best on validation, on "
        "each of 3 problems",
        that=lab.every(
            [test[problem, "Adam"] > best[problem] - 1 for problem in LAYERS], unit="problems"
        ),
    )
    lab.claim(
        "SGD ends less than 1 percentage point of test accuracy below the best on validation, on "
        "each of 3 problems",
        that=lab.every(
            [test[problem, "SGD"] > best[problem] - 1 for problem in LAYERS], unit="problems"
        ),
    )
    lab.figure(lab.panels(results, each=LAYERS, lines=OPTIMIZERS))
    lab.figure(lab.dots(test, each=LAYERS), name="problems")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
