"""Should a search draw its settings at random or take them from a grid?

Claim: settings drawn at random give better results than a grid of as many (Deep Learning from
Scratch, 6.5.2), because some hyperparameters matter much more than others: 25 random trials try 25
learning rates, a grid of 25 only five (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, the gaps that a grid leaves between its learning rates; in figure-best,
whether the best of 25 trials differs by more than its interval; in TensorBoard, under HPARAMS, the
trials of one search of each kind.
Why: a grid spends five trials on each learning rate, to vary a weight decay that changes next to
nothing. But the good learning rates span about a decade, as far as one step of the grid, so that
hardly any grid misses them all. How good the best one is depends on where the grid happens to lie;
a second grid therefore starts from a random place.
Use: random draws, which may stop or go on after any number of trials and need no spacing.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    weight_decay=1e-6,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: three hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        weight_decay: each step shrinks the weights by so much times the learning rate.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 4):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, weight_decay=weight_decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, batch_norm=True):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("weight_decay", 1e-8, 1e-4, sampling="log")
    rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, batch_norm=batch_norm, weight_decay=decay, learning_rate=rate
    )


BOOK = "Deep Learning from Scratch, 6.5.2"
COURSE = "Deep Learning Specialization, course 2 week 3"
RATES, DECAYS = (1e-4, 1.0), (1e-8, 1e-4)  # of build_tunable; from the course and from the book
RANDOM, POWERS, PLACED = "random", "grid, powers of ten", "grid, random place"
SIDE = 5  # values of each hyperparameter in a grid of 25 trials
# The book's network has no batch normalization.
VARIANTS = {kind: {"batch_norm": False} for kind in (RANDOM, POWERS, PLACED)}


def crossed(rates, decays):
    """Return a trial for each learning rate with each weight decay."""
    return [
        {"learning_rate": float(rate), "weight_decay": float(decay)}
        for rate in rates
        for decay in decays
    ]


def powers_of_ten(random):
    """Return the grid as one writes it down: both ends of a range, and powers of ten between."""
    return crossed(np.geomspace(*RATES, SIDE), np.geomspace(*DECAYS, SIDE))


def placed_at_random(random):
    """Return a grid that divides each range into five parts, from a random place in the first."""
    step = 1e4 ** (1 / SIDE)  # both ranges are four decades long
    factors = step ** np.arange(SIDE)
    first_rate, first_decay = step ** random.uniform(size=2)
    return crossed(RATES[0] * first_rate * factors, DECAYS[0] * first_decay * factors)


def run(lab):
    """Search six times in each way: 25 trials of 200 steps on 400 examples, as in the book."""
    searches = lab.search(
        build_tunable,
        VARIANTS,
        lab.data(examples=400),
        trials=SIDE**2,
        epochs=10,
        batch_size=20,
        oracle={RANDOM: "random", POWERS: powers_of_ten, PLACED: placed_at_random},
        repetitions=6,
    )
    test, importance = searches.best("test_accuracy"), searches.importances()

    lab.claim(
        "the best of 25 random trials is more accurate on test than that of a grid of powers of 10",
        source=BOOK,
        that=test[RANDOM] > test[POWERS],
    )
    lab.claim(
        "the best of 25 random trials is more accurate on test than that of a grid from a random "
        "place",
        source=BOOK,
        that=test[RANDOM] > test[PLACED],
    )
    lab.claim(
        "in a random search the learning rate tells more about validation accuracy than the weight "
        "decay",
        source=COURSE,
        that=importance[RANDOM, "learning_rate"] > importance[RANDOM, "weight_decay"],
    )
    lab.figure(lab.trials(searches, "learning_rate", each=VARIANTS, repetitions=1))
    lab.figure(lab.dots(test), name="best")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
