"""Which optimizer learns fastest on real data?

Claim: Momentum, AdaGrad and Adam learn faster than SGD (Deep Learning from Scratch, 6.1.8), but no
method is best on all problems (6.1.7).
Look for: in the figure, how far apart the losses are at the book's learning rates, and how close
once each optimizer has its own; in figure-problems, which optimizer is ahead on which problem; in
TensorBoard, under epoch_loss, the networks at the book's rates.
Why: one learning rate means steps of very different size. SGD's step is the rate times the
gradient, which may be tiny; Momentum's steps add up to ten times that; those of AdaGrad and Adam
are divided by the size of past gradients, so each weight first moves by about the rate. An
optimizer that needs another rate looks slow, as SGD does at the book's .01.
Use: Adam, Momentum or AdaGrad, with a learning rate tuned for it; to compare optimizers, tune the
rate of each.
Symptoms: training is slow
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


BOOK = "Deep Learning from Scratch, 6.1"
OTHERS = ("Momentum", "AdaGrad", "Adam")  # than SGD
OPTIMIZERS = ("SGD", *OTHERS)
PLAIN = {"batch_norm": False, "dropout": 0.0}  # as in the book
IN_BOOK = "4 layers, the book's rates"
BOOK_RATES = {"SGD": 0.01, "Momentum": 0.01, "AdaGrad": 0.01, "Adam": 0.001}
AT_BOOK_RATES = {
    (IN_BOOK, optimizer): PLAIN | {"optimizer": optimizer, "learning_rate": rate}
    for optimizer, rate in BOOK_RATES.items()
}
DEEP, SPIRALS = "4 layers, best rates", "1 layer on spirals, best rates"
LAYERS = {DEEP: 4, SPIRALS: 1}
TO_TUNE = {
    (problem, optimizer): PLAIN | {"optimizer": optimizer, "hidden_layers": layers}
    for problem, layers in LAYERS.items()
    for optimizer in OPTIMIZERS
}
VARIANTS = AT_BOOK_RATES | TO_TUNE
RATES = {  # candidates for the learning rate; one layer takes larger ones than four
    (DEEP, "SGD"): (0.1, 0.3, 1.0),
    (DEEP, "Momentum"): (0.03, 0.1, 0.3),
    (DEEP, "AdaGrad"): (0.01, 0.03, 0.1),
    (DEEP, "Adam"): (0.001, 0.003, 0.01),
    (SPIRALS, "SGD"): (0.3, 1.0, 3.0),
    (SPIRALS, "Momentum"): (0.1, 0.3, 1.0),
    (SPIRALS, "AdaGrad"): (0.1, 0.3, 1.0),
    (SPIRALS, "Adam"): (0.01, 0.03, 0.1),
}


def spirals(y, random):
    """Return points of a plane and their labels: three arms of a spiral, as in CS231n's notes.

    Args:
        y: labels, (examples,); modulo 3 they say which arm a point lies on.
        random: a NumPy Generator.
    """
    radius = random.uniform(0, 1, len(y))
    angle = 2 * np.pi * y / 3 + 4 * radius + random.normal(0, 0.2, len(y))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), y % 3


def lead(speed):
    """Return how much faster than SGD the other three learn on average."""
    return (speed["Momentum"] + speed["AdaGrad"] + speed["Adam"]) / 3 - speed["SGD"]


def run(lab):
    """Train with four optimizers: at the book's rates, then on two problems at the best."""
    data = lab.data(examples=1000)
    plane = data.map(lambda dataset, random: dataset.map_examples(lambda x, y: spirals(y, random)))
    problems = {IN_BOOK: data, DEEP: data, SPIRALS: plane}
    tuned = lab.tune(build_model, TO_TUNE, problems, epochs=20, learning_rate=RATES)
    variants = AT_BOOK_RATES | tuned
    results = lab.train(build_model, variants, problems, epochs=20, watch=[IN_BOOK])
    speed = results.mean_over_epochs("train_accuracy")
    in_book, best = speed[IN_BOOK], speed[DEEP]
    validation, test = results.final("val_accuracy"), results.final("test_accuracy")
    both = validation[DEEP] + validation[SPIRALS]
    overall = max(OPTIMIZERS, key=lambda name: both[name].array().mean())

    lab.claim(
        "Momentum, AdaGrad and Adam learn faster than SGD, 4 layers, the book's learning rates",
        source=f"{BOOK}.8",
        that=lab.every([in_book[name] > in_book["SGD"] for name in OTHERS], unit="optimizers"),
    )
    lab.claim(
        "Momentum, AdaGrad and Adam learn faster than SGD, 4 layers, each at its best rate",
        source=f"{BOOK}.8",
        that=lab.every([best[name] > best["SGD"] for name in OTHERS], unit="optimizers"),
    )
    lab.claim(
        "the best learning rates leave less than half of their mean lead over SGD, 4 layers",
        that=lead(best) < lead(in_book) / 2,
    )
    lab.claim(
        f"no optimizer is best everywhere: {overall}, the best on average on validation, is less "
        "accurate on test than another on at least 1 of 2 problems",
        source=f"{BOOK}.7",
        that=lab.at_least(
            1,
            [test[results.best(problem)] > test[problem, overall] for problem in LAYERS],
            unit="problems",
        ),
    )
    limits = (0, 1.1 * np.log(data.num_classes))  # a little above the loss of guessing
    panels = (IN_BOOK, DEEP)
    lab.figure(lab.panels(results, "train_loss", each=panels, lines=OPTIMIZERS, limits=limits))
    lab.figure(lab.dots(test, each=LAYERS), name="problems")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
