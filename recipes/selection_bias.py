"""Why should hyperparameters not be tuned on the test set?

Claim: the setting that was picked for its accuracy on some data looks better on them than it is, so
test data must not pick (Deep Learning from Scratch, 6.5.1). To pick with, a single validation set
of respectable size will do, without cross-validation (CS231n, Neural Networks Part 3).
Look for: in the figure, how optimism, accuracy where the setting was picked minus accuracy
elsewhere, grows with the number of settings; in figure-test, what 40 trainings buy on folds.
Why: among many settings that are about equally good, the highest score belongs to one that was
lucky with these few examples, and luck does not carry over to others. To measure it, validation and
test data take turns: one picks, the other says what the pick is worth. So it does not matter if one
of them is easier. In a mean over folds the luck of each fold counts less.
Use: one validation set to pick by, and test data for the setting that was picked, and no other.
Symptoms: worse on new data than in validation
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.1):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


BOOK, CS231N = "Deep Learning from Scratch, 6.5.1", "CS231n, Neural Networks Part 3"
FOLDS = ("fold 1", "fold 2", "fold 3", "fold 4")  # all but the test data, in four parts
FEW, MANY = 10, 40  # settings: four folds train 10 with the compute of 40 on one fold
COUNTS = (1, 2, 5, 10, 20, 40)  # settings to pick from
ONE_FEW, ONE_MANY = "one fold, 10 settings", "one fold, 40 settings"
FOUR_FEW = "four folds, 10 settings"
RANDOM = np.random.default_rng(0)
SETTINGS = [  # drawn at random from the ranges of build_tunable
    {"dropout": RANDOM.uniform(0, 0.5), "learning_rate": 10 ** RANDOM.uniform(-3, 0)}
    for _ in range(MANY)
]
VARIANTS = {(FOLDS[0], f"setting {n}"): setting for n, setting in enumerate(SETTINGS)}
for fold in FOLDS[1:]:
    VARIANTS |= {(fold, f"setting {n}"): SETTINGS[n] for n in range(FEW)}


def pick(picking, other, count):
    """Return the accuracy of the best of so many settings, where it was picked and elsewhere.

    Args:
        picking: (settings, seeds), accuracy on the data that pick.
        other: (settings, seeds), accuracy on other data.
        count: settings to pick from; the mean is taken over all groups of so many.

    Returns:
        Two arrays, (seeds,) each.
    """
    picking = picking.reshape(-1, count, picking.shape[-1])
    other = other.reshape(picking.shape)
    best = picking.argmax(axis=1, keepdims=True)
    there = np.take_along_axis(picking, best, axis=1)
    elsewhere = np.take_along_axis(other, best, axis=1)
    return there.mean(axis=(0, 1)), elsewhere.mean(axis=(0, 1))


def optimism(validation, test, count):
    """Return by how much the best of so many settings looks too good; each data set picks once."""
    there, elsewhere = pick(validation, test, count)
    also_there, also_elsewhere = pick(test, validation, count)
    return (there - elsewhere + also_there - also_elsewhere) / 2


def run(lab):
    """Train 40 random settings on one fold of the data, and ten of them on three others, too."""
    data = lab.data()

    def fold(number):
        return data.map(lambda dataset, random: dataset.fold(number, len(FOLDS)).first(400))

    folds = {name: fold(n) for n, name in enumerate(FOLDS)}
    results = lab.train(
        build_model, VARIANTS, folds, epochs=10, evaluate_every=10, watch=["setting 0"]
    )
    validation, test = results.final("val_accuracy"), results.final("test_accuracy")
    first = validation[FOLDS[0]].array(), test[FOLDS[0]].array()  # (settings, seeds) each
    optimisms = {count: optimism(*first, count) for count in COUNTS}
    too_good = lab.measure(optimisms, "percentage points", "optimism")

    # (folds, settings, seeds); a setting is worth its mean over folds
    by_fold = np.array([validation[name].array()[:FEW] for name in FOLDS])
    worth = np.mean([test[name].array()[:FEW] for name in FOLDS], axis=0)
    alone = [pick(of_fold, worth, FEW)[1] for of_fold in by_fold]
    picks = {
        ONE_FEW: np.mean(alone, axis=0),  # whichever fold it is
        ONE_MANY: pick(*first, MANY)[1],
        FOUR_FEW: pick(by_fold.mean(axis=0), worth, FEW)[1],
    }
    picked = lab.measure(picks, "%", "test accuracy of the setting that is picked")

    lab.claim(
        "the best of 40 settings looks more accurate on the data that picked it than on others",
        source=BOOK,
        that=too_good[40] > 0,
    )
    lab.claim(
        "the best of 40 settings looks too good on the data that picked it by more than that of 5",
        source=BOOK,
        that=too_good[40] > too_good[5],
    )
    lab.claim(
        "of 10 settings, one validation set picks one as accurate on test as four folds do, within "
        "1 percentage point",
        source=CS231N,
        that=picked[ONE_FEW].within(1, of=picked[FOUR_FEW]),
    )
    lab.claim(
        "40 trainings find a more accurate setting as 10 settings on four folds than as 40 on one",
        that=picked[FOUR_FEW] > picked[ONE_MANY],
    )
    lab.table({f"best on {name}": results.best(name) for name in FOLDS})
    lab.figure(lab.lines(too_good, along=COUNTS, x_label="settings to pick from"))
    lab.figure(lab.dots(picked), name="test")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
