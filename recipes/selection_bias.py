"""Why should hyperparameters not be tuned on the test set?

Claim: the setting that was picked for its accuracy on some data looks better on them than it is, so
test data must not pick (Deep Learning from Scratch, 6.5.1). To pick with, a single validation set
of respectable size will do, without cross-validation (CS231n, Neural Networks Part 3).
Look for: in the figure, how optimism, accuracy where the setting was picked minus accuracy
elsewhere, grows with the number of settings; in figure-test, what 40 trainings buy on folds.
Why: among many settings that are about equally good, the highest score belongs to one that was
lucky with these few examples, and luck does not carry over to others. To measure it, validation and
test data take turns: one picks, the other says what the pick is worth. So it does not matter if one
of them is easier. The mean over folds is less lucky, because each fold is so in its own way.
Use: a validation set to pick by, and a test set that is looked at once: of 360 examples, the best
of 40 scores is about a percentage point too high. Folds change little where a set is as large.
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
FOLD_SETTINGS, ALL_SETTINGS = 10, 40  # at equal compute: 4 folds train 10 settings, or one 40
COUNTS = (1, 2, 5, 10, 20, 40)  # settings to pick from
RANDOM = np.random.default_rng(0)
SETTINGS = [  # drawn at random from the ranges of build_tunable
    {"dropout": RANDOM.uniform(0, 0.5), "learning_rate": 10 ** RANDOM.uniform(-3, 0)}
    for _ in range(ALL_SETTINGS)
]
VARIANTS = {(FOLDS[0], f"setting {n}"): setting for n, setting in enumerate(SETTINGS)}
for fold in FOLDS[1:]:
    VARIANTS |= {(fold, f"setting {n}"): SETTINGS[n] for n in range(FOLD_SETTINGS)}


def pick(chooser, judge, count):
    """Return the accuracy of the best of so many settings, where it was picked and elsewhere.

    Args:
        chooser: (settings, seeds), accuracy on the data that pick.
        judge: (settings, seeds), accuracy on other data.
        count: settings to pick from; the mean is taken over all groups of so many.

    Returns:
        Two arrays, (seeds,) each.
    """
    chooser = chooser.reshape(-1, count, chooser.shape[-1])
    judge = judge.reshape(chooser.shape)
    best = chooser.argmax(axis=1, keepdims=True)
    there, elsewhere = (np.take_along_axis(of, best, axis=1) for of in (chooser, judge))
    return there.mean(axis=(0, 1)), elsewhere.mean(axis=(0, 1))


def optimism(validation, test, count):
    """Return by how much the best of so many settings looks too good; either data set picks."""
    there, elsewhere = pick(validation, test, count)
    also_there, also_elsewhere = pick(test, validation, count)
    return (there - elsewhere + also_there - also_elsewhere) / 2


def pick_by_folds(validation, test):
    """Return the test accuracy of the setting that one fold picks, and of that which all pick.

    Args:
        validation: (folds, settings, seeds).
        test: (folds, settings, seeds); a setting is worth its mean over folds.
    """
    test = test.mean(axis=0)
    alone = [pick(fold, test, len(test))[1] for fold in validation]
    together = pick(validation.mean(axis=0), test, len(test))[1]
    return np.mean(alone, axis=0), together


def run(lab):
    """Train 40 random settings on one fold of the data, and ten of them on three others, too."""
    data = lab.data()

    def fold(number):
        return data.map(lambda dataset, random: dataset.fold(number, len(FOLDS)).first(400))

    folds = {name: fold(n) for n, name in enumerate(FOLDS)}
    plan = {"epochs": 10, "evaluate_every": 10, "watch": ["setting 0"]}
    results = lab.train(build_model, VARIANTS, folds, **plan)
    validation, test = results.final("val_accuracy"), results.final("test_accuracy")
    first = validation[FOLDS[0]].array(), test[FOLDS[0]].array()  # (settings, seeds) each
    few = [[of[name].array()[:FOLD_SETTINGS] for name in FOLDS] for of in (validation, test)]
    by_one, by_four = pick_by_folds(*np.array(few))
    ways = {
        "one fold, 10 settings": by_one,
        "one fold, 40 settings": pick(*first, ALL_SETTINGS)[1],
        "four folds, 10 settings": by_four,
    }
    picked = lab.measure(ways, "%", "test accuracy of the setting that is picked")
    too_good = lab.measure(
        {count: optimism(*first, count) for count in COUNTS},
        "percentage points",
        "optimism",
    )

    lab.claim(
        "the best of 40 settings looks more accurate on the data that picked it than on others",
        source=BOOK,
        that=too_good[40] > 0,
    )
    lab.claim(
        "this optimism is greater among 40 settings than among 5",
        source=BOOK,
        that=too_good[40] > too_good[5],
    )
    lab.claim(
        "of 10 settings, one validation set picks one as accurate on test as four folds do, within "
        "1 percentage point",
        source=CS231N,
        that=picked["one fold, 10 settings"].within(1, of=picked["four folds, 10 settings"]),
    )
    lab.claim(
        "40 trainings find a more accurate setting as 10 settings on four folds than as 40 on one",
        that=picked["four folds, 10 settings"] > picked["one fold, 40 settings"],
    )
    axes = {"along": COUNTS, "x_label": "settings to pick from"}
    lab.table([])
    lab.figure(lab.lines(too_good, **axes))
    lab.figure(lab.dots(picked), name="test")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
