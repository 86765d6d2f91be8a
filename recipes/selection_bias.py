"""Why not tune on the test set?

Claim: the trial that was picked for its accuracy on some data looks better on them than it is, so
test data must not pick; the more trials, the more so (Deep Learning from Scratch, section 6.5.1).
To pick with, one validation set of respectable size is enough, without cross-validation (CS231n,
Neural Networks Part 3).

Look for: in the figure, how the optimism grows with the number of trials; in the second one, that
more trials help less on other data than it looks where they were picked; in TensorBoard, under
HParams, the trials of one search.

Among many trials that are about equally good, the best score belongs to one that had luck with
these few examples. Luck does not come along to other data. The optimism is measured on two sets of
held-out data of equal size: each picks, and the other one says what the pick is worth. Each has its
turn, so that it does not matter if one of them is easier.

Use: one validation set to choose by, and a test set to look at once.
Symptoms: worse on new data than in validation
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    dropout=0.1,
    weight_decay=1e-6,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        dropout: share of the last hidden layer's units that training drops.
        weight_decay: the loss grows by half of it times the sum of all squared weights.
        learning_rate: of gradient descent with momentum.
    """
    kernel = {
        "kernel_initializer": "he_normal",
        "kernel_regularizer": keras.regularizers.L2(weight_decay / 2),
    }
    layers = [keras.Input(input_shape)]
    for n in (1, 2):
        layers += [
            keras.layers.Dense(50, **kernel, name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", **kernel, name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, rates on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        weight_decay=hp.Float("weight_decay", 1e-6, 1e-1, sampling="log"),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


ONE, FIVE = "one validation set", "five folds"
VARIANTS = {ONE: 1, FIVE: 5}  # how many validation sets pick together, by their mean
FOLDS = 5  # into which the examples are divided
EXAMPLES, HALF = 400, 200  # to train on, and in each half of the held-out data
POOL = 1500  # at most so many examples are divided into folds
MANY, FEW, FOLD_TRIALS = 100, 10, 20  # trials
COUNTS = (1, 2, 5, 10, 20, 50, 100)


def picked(chooser, other, count):
    """Return the accuracy of the best of some trials, where it was picked and on other data.

    It is the mean over all ways to draw so many of the trials: that of rank r (from 0) is the best
    of a draw if it is drawn and all others come from the trials that rank below it.

    Args:
        chooser: (trials,), accuracy on the data that pick.
        other: (trials,), accuracy on other data.
        count: trials in a draw.
    """
    from scipy.special import comb

    order, trials = np.argsort(-chooser, kind="stable"), len(chooser)
    share = comb(np.arange(trials)[::-1], count - 1) / comb(trials, count)
    return np.array([share @ chooser[order], share @ other[order]])


def in_turn(validation, test, count):
    """Return `picked` as the mean over both roles: either half picks, the other one judges."""
    return (picked(validation, test, count) + picked(test, validation, count)) / 2


def picked_by(folds, validation, test):
    """Return the accuracy of the trial that so many folds pick by their mean: there, and on test.

    Args:
        folds: how many pick together; the others pick as well, and the picks' mean is returned.
        validation: (FOLDS, trials).
        test: (trials,).
    """
    scores = validation.reshape(-1, folds, len(test)).mean(axis=1)
    return np.array([scores.max(axis=1).mean(), test[scores.argmax(axis=1)].mean()])


def folds_of(data):
    """Return FOLDS data sets that validate on different fifths of the same examples."""
    from dataclasses import replace

    from recipes._lab.data import Split

    parts = (data.train, data.validation)
    x = np.concatenate([part.x for part in parts])[:POOL]
    y = np.concatenate([part.y for part in parts])[:POOL]
    fold = np.arange(len(y)) % FOLDS
    for n in range(FOLDS):
        inside, rest = np.flatnonzero(fold == n), np.flatnonzero(fold != n)[:EXAMPLES]
        yield replace(data, train=Split(x[rest], y[rest]), validation=Split(x[inside], y[inside]))


def run(lab):
    """Search once with many trials, and five times on other folds with fewer."""
    from dataclasses import replace

    from recipes._lab.data import Split

    book, course = "Deep Learning from Scratch, 6.5.1", "CS231n, Neural Networks Part 3"
    data = lab.data()
    half = min(HALF, len(data.validation), len(data.test))
    sizes = {"train": EXAMPLES, "validation": half, "test": half}
    parts = {name: (getattr(data, name), size) for name, size in sizes.items()}
    cut = {name: Split(of.x[:size], of.y[:size]) for name, (of, size) in parts.items()}
    small, plan = replace(data, **cut), {"epochs": 10, "repetitions": 8}
    found = lab.search(build_tunable, small, trials=MANY, name="halves", **plan)
    trials = len(found[0].val_accuracy)  # a quick run has fewer
    counts = sorted({min(count, trials) for count in COUNTS})
    scores = [[in_turn(s.val_accuracy, s.test_accuracy, n) for n in counts] for s in found]
    there, elsewhere = 100 * np.moveaxis(scores, 2, 0)  # each (repetitions, counts), in %
    optimism = there - elsewhere
    few, many = (counts.index(min(count, trials)) for count in (FEW, MANY))
    text = f"the best of {MANY} trials is less accurate on other data than on those that picked it"
    lab.claim(text, book, optimism[:, many], unit="points")
    text = f"this optimism is greater among {MANY} trials than among {FEW}"
    lab.claim(text, book, optimism[:, many] - optimism[:, few], unit="points")

    # All folds train the same draws: a repetition has them from its number.
    folds = [
        lab.search(build_tunable, of, trials=FOLD_TRIALS, name=f"fold {n}", **plan)
        for n, of in enumerate(folds_of(data), 1)
    ]
    by = {name: [] for name in VARIANTS}
    for searches in zip(*folds, strict=True):  # a repetition's, one a fold
        validation = np.array([search.val_accuracy for search in searches])
        test = np.mean([search.test_accuracy for search in searches], axis=0)
        for name, count in VARIANTS.items():
            by[name].append(100 * picked_by(count, validation, test))
    (shown, true), (shown_by_five, true_by_five) = (np.transpose(by[name]) for name in VARIANTS)
    text = f"of {FOLD_TRIALS} trials, one validation set picks one as accurate on test as five "
    text += "folds do, within 1 point"
    lab.claim(text, course, true - true_by_five, within=1, unit="points")
    text = "the five folds' mean is less optimistic about its pick than one validation set"
    difference = (shown - true) - (shown_by_five - true_by_five)
    lab.claim(text, "this recipe", difference, unit="points")
    text = f"on other data, too, the best of {MANY} trials is more accurate than the best of {FEW}"
    lab.claim(text, "this recipe", elsewhere[:, many] - elsewhere[:, few], unit="points")

    title = f"halves of {half} examples"
    axis = {"x_label": "trials to pick the best from", "x_scale": "log"}
    lines = {"accuracy where picked minus accuracy on other data": (counts, optimism)}
    y_label = "optimism of the best trial (points)"
    lab.figure(lab.lines({title: lines}, y_label=y_label, **axis))
    lines = {"where it was picked": (counts, there), "on other data": (counts, elsewhere)}
    y_label = "accuracy of the best trial (%)"
    lab.figure(lab.lines({title: lines}, y_label=y_label, **axis), "accuracy")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
