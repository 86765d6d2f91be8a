"""Why should hyperparameters not be tuned on the test set?

Claim: the setting that was picked for its accuracy on some data looks better on them than it is, so
test data must not pick (Deep Learning from Scratch, 6.5.1).
Look for: in the figure, how optimism, accuracy where the setting was picked minus accuracy
elsewhere, grows with the number of settings.
Why: among many settings that are about equally good, the highest score belongs to one that was
lucky with these few examples, and luck does not carry over to others. To measure it, validation and
test data take turns: one picks, the other says what the pick is worth. So it does not matter if one
of them is easier.
Use: validation data to pick by, and test data for the setting that was picked, and no other.
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
        learning_rate: learning rate of SGD with a momentum of 0.9.
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


BOOK = "Deep Learning from Scratch, 6.5.1"
COUNTS = (1, 2, 5, 10, 20, 40)  # settings to pick from
RANDOM = np.random.default_rng(0)
VARIANTS = {  # drawn at random from the ranges of build_tunable
    f"setting {n}": {
        "dropout": RANDOM.uniform(0, 0.5),
        "learning_rate": 10 ** RANDOM.uniform(-3, 0),
    }
    for n in range(40)
}


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


def run(lab):
    """Train 40 random settings, and pick the best of some on validation and on test data."""
    # Validation and test data of the same size, so that both pick equally well.
    data = lab.data().map(lambda dataset, random: dataset.fold(0, 4).first(400))
    results = lab.train(
        build_model, VARIANTS, data, epochs=10, evaluate_every=10, watch=["setting 0"]
    )
    validation = results.final("val_accuracy").array()  # (settings, seeds)
    test = results.final("test_accuracy").array()
    seeming, true = {}, {}
    for count in COUNTS:
        turns = [pick(validation, test, count), pick(test, validation, count)]
        seeming[count], true[count] = np.mean(turns, axis=0)
    seeming, true = lab.measure(seeming, "%"), lab.measure(true, "%")
    optimism = seeming - true

    lab.claim(
        "the best of 40 settings looks more accurate on the data that picked it than on others",
        source=BOOK,
        that=seeming[40] > true[40],
    )
    lab.claim(
        "the best of 40 settings looks too good on the data that picked it by more than that of 5",
        source=BOOK,
        that=optimism[40] > optimism[5],
    )
    lab.claim(
        "on other data than those that picked, the best of 40 settings is still more accurate than "
        "that of 5",
        that=true[40] > true[5],
    )
    lab.table([results.best()])
    axes = {"x_label": "settings to pick from", "y_label": "optimism (percentage points)"}
    lab.figure(lab.lines(optimism, along=COUNTS, **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
