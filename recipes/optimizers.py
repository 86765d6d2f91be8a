"""Which optimizer learns fastest on real data?

Claim: Momentum, AdaGrad and Adam learn faster than SGD (Deep Learning from Scratch, 6.1.8).
Look for: in the figure, how far apart the losses are at the book's learning rates, and how close
once each optimizer has its own; in TensorBoard, under loss, the networks at the book's rates.
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
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.003,
):
    """Return a compiled classifier of vectors: four hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        optimizer: "SGD", "Momentum", "AdaGrad" or "Adam".
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of the optimizer.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 5):
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


BOOK = "Deep Learning from Scratch, 6.1.8"
OTHERS = ("Momentum", "AdaGrad", "Adam")  # than SGD
OPTIMIZERS = ("SGD", *OTHERS)
PLAIN = {"batch_norm": False, "dropout": 0.0}  # as in the book
BOOKS, BEST = "the book's rates", "best rates"
BOOK_RATES = {"SGD": 0.01, "Momentum": 0.01, "AdaGrad": 0.01, "Adam": 0.001}
AT_BOOK_RATES = {
    (BOOKS, optimizer): PLAIN | {"optimizer": optimizer, "learning_rate": rate}
    for optimizer, rate in BOOK_RATES.items()
}
TO_TUNE = {(BEST, optimizer): PLAIN | {"optimizer": optimizer} for optimizer in OPTIMIZERS}
VARIANTS = AT_BOOK_RATES | TO_TUNE
RATES = {  # candidates for the learning rate
    "SGD": (0.1, 0.3, 1.0),
    "Momentum": (0.03, 0.1, 0.3),
    "AdaGrad": (0.01, 0.03, 0.1),
    "Adam": (0.001, 0.003, 0.01),
}


def lead(speed):
    """Return how much faster than SGD the other three learn on average."""
    return (speed["Momentum"] + speed["AdaGrad"] + speed["Adam"]) / 3 - speed["SGD"]


def run(lab):
    """Train with four optimizers: at the book's learning rates, then each at its best."""
    data = lab.data(examples=1000)
    tuned = lab.tune(build_model, TO_TUNE, data, epochs=20, learning_rate=RATES)
    results = lab.train(build_model, AT_BOOK_RATES | tuned, data, epochs=20, watch=[BOOKS])
    speed = results.mean_over_epochs("train_accuracy")
    in_book, best = speed[BOOKS], speed[BEST]

    lab.claim(
        "Momentum, AdaGrad and Adam learn faster than SGD, the book's learning rates",
        source=BOOK,
        that=lab.every([in_book[name] > in_book["SGD"] for name in OTHERS], unit="optimizers"),
    )
    lab.claim(
        "Momentum, AdaGrad and Adam learn faster than SGD, each at its best rate",
        source=BOOK,
        that=lab.every([best[name] > best["SGD"] for name in OTHERS], unit="optimizers"),
    )
    lab.claim(
        "at best learning rates the mean lead of the three over SGD is less than half of that at "
        "the book's",
        that=lead(best) < lead(in_book) / 2,
    )
    limits = (0, 1.1 * np.log(data.num_classes))  # a little above the loss of guessing
    panels = (BOOKS, BEST)
    lab.figure(lab.panels(results, "train_loss", each=panels, lines=OPTIMIZERS, limits=limits))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
