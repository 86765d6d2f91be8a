"""Does Bayesian optimization find better settings than random search?

Claim: Bayesian optimization learns from earlier trials where to look next, and so finds its way
through a space of hyperparameters more efficiently; yet in carefully chosen ranges it is hard to
beat random search (CS231n, Neural Networks Part 3).
Look for: in the figure, how much better later trials of a Bayesian search are, and how little the
best one is; in figure-trials, how many of its trials lie at the ends of the ranges; in TensorBoard,
under HPARAMS, the trials of one search of each kind.
Why: in wide ranges a proposal avoids what has failed, so that later trials tend to be better. The
best of them need not be: random draws hit the good region a few times, too, and in it trials
differ by little more than the luck of a validation set. keras-tuner's Gaussian process has one
length scale for all hyperparameters and expects hardly any noise, so it often looks where it knows
least, at the ends of the ranges. Other implementations may do better.
Use: random search in carefully chosen ranges: there Bayesian optimization finds hardly better
settings, and has to wait for each trial before it proposes the next.
Symptoms: each trial is expensive
Topic: Hyperparameters

It takes about a minute: the Gaussian process takes longer over a proposal than its training takes.
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, dropout=0.1, momentum=0.9, learning_rate=0.03
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        momentum: momentum of SGD.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(
    hp, input_shape=(64,), num_classes=10, *, rates=(1e-3, 1.0), distances=(0.01, 0.1)
):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    momentum = 1 - hp.Float("one_minus_momentum", *distances, sampling="log")
    rate = hp.Float("learning_rate", *rates, sampling="log")
    return build_model(input_shape, num_classes, momentum=momentum, learning_rate=rate)


CS231N = "CS231n, Neural Networks Part 3"
RANDOM, BAYESIAN = "random", "Bayesian"
WIDE, CHOSEN = "wide ranges", "carefully chosen ranges"
RANGES = {
    WIDE: {"rates": (1e-6, 10.0), "distances": (0.001, 0.1)},
    CHOSEN: {"rates": (1e-3, 1.0), "distances": (0.01, 0.1)},
}
VARIANTS = {
    (oracle, ranges): arguments
    for oracle in (RANDOM, BAYESIAN)
    for ranges, arguments in RANGES.items()
}
TRIALS = 16  # both kinds begin with the same six random ones


def median_of_later(search):
    """Return the median validation accuracy, %, of the second half of the trials."""
    return np.median(search.val_accuracy[len(search.val_accuracy) // 2 :])


def run(lab):
    """Search six times in both ways and ranges; the first six trials are the same random ones."""
    searches = lab.search(
        build_tunable,
        VARIANTS,
        lab.data(examples=400),
        trials=TRIALS,
        epochs=10,
        oracle={RANDOM: "random", BAYESIAN: "bayesian"},
        batch={RANDOM: None, BAYESIAN: 1},  # a proposal knows all trials before it, and is slow
        repetitions=6,
    )
    test = searches.best("test_accuracy")
    later = searches.measure(median_of_later, "%")

    lab.claim(
        f"of {TRIALS} trials, the best of a Bayesian search is more accurate on test than that of "
        f"a random search, {WIDE}",
        source=CS231N,
        that=test[BAYESIAN, WIDE] > test[RANDOM, WIDE],
    )
    lab.claim(
        f"the median of the last 8 of {TRIALS} trials of a Bayesian search is more accurate on "
        f"validation than that of a random search, {WIDE}",
        source=CS231N,
        that=later[BAYESIAN, WIDE] > later[RANDOM, WIDE],
    )
    lab.claim(
        f"of {TRIALS} trials, the best of a Bayesian search is more accurate on test than that of "
        f"a random search, {CHOSEN}",
        that=test[BAYESIAN, CHOSEN] > test[RANDOM, CHOSEN],
    )
    lab.claim(
        f"of {TRIALS} trials, the best of a random search in {CHOSEN} is more accurate on test "
        "than that of a Bayesian search in wide ones",
        that=test[RANDOM, CHOSEN] > test[BAYESIAN, WIDE],
    )
    accuracies = {"best trial, on test": test, "median of the last 8, on validation": later}
    lab.figure(lab.dots(accuracies, x_label="accuracy (%)"))
    lab.figure(lab.trials(searches, "learning_rate", each=RANGES), name="trials")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
