"""Do tuned settings go stale when the data drift?

Claim: good hyperparameters get stale as data change, so they should be re-tested or searched anew
from time to time (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, whether drift changes the order of settings; in figure-cost, what old
settings cost on drifting data, beside another sample without drift; in TensorBoard, under
accuracy, one setting on all data.
Why: drift makes the task harder for every setting: here the inputs turn into something else while
the examples come in, and only the last ones are like those of the test. But which settings learn,
and which don't, hardly depends on what the inputs mean. And a few hundred examples can't tell good
settings apart, so that a new search, too, is partly luck.
Use: the settings from before, unless half a percentage point matters; what the drift itself costs
a new search does not bring back.
Symptoms: good settings fail on new data
Topic: Hyperparameters
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
        model.add(keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"))
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


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.8)
    momentum = 1 - hp.Float("one_minus_momentum", 0.01, 1.0, sampling="log")
    rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    arguments = {"dropout": dropout, "momentum": momentum, "learning_rate": rate}
    return build_model(input_shape, num_classes, **arguments)


COURSE = "Deep Learning Specialization, course 2 week 3"
BEFORE, SAMPLE, DRIFTING = "before the drift", "another sample", "drifting data"
OLD, NEW = "settings from before", "settings searched anew"
RANDOM = np.random.default_rng(0)
SETTINGS = {  # drawn at random from the ranges of build_tunable
    f"setting {n}": {
        "dropout": RANDOM.uniform(0, 0.8),
        "momentum": 1 - 10 ** RANDOM.uniform(-2, 0),
        "learning_rate": 10 ** RANDOM.uniform(-4, 0),
    }
    for n in range(20)
}
VARIANTS = {
    (kind, name): setting
    for kind in (BEFORE, SAMPLE, DRIFTING)
    for name, setting in SETTINGS.items()
}


def drift(dataset, random):
    """Let each input turn into a mean of itself and another one while the examples come in.

    The first training example is as it was, the last one and all held-out data are as now.
    """
    other = random.permutation(dataset.input_shape[0])

    def at(time, x):
        return x + time * (x[:, other] - x) / 2

    times = np.linspace(0, 1, len(dataset.train))[:, np.newaxis]
    return dataset.map_inputs(lambda x: at(1, x)).with_train(x=at(times, dataset.train.x))


def of_best(loss, test, on, chosen_on):
    """Return the test accuracy on some data of the setting that is best on some, (seeds,).

    Args:
        loss: on validation, of each kind of data and setting, a measure; it has no ties.
        test: accuracy on test, likewise.
        on: the kind of data on which it is tested.
        chosen_on: the kind of data on which it has the lowest loss.
    """
    best = loss[chosen_on].array().argmin(axis=0)
    return test[on].array()[best, np.arange(test.seeds)]


def run(lab):
    """Train 20 random settings before a drift, on another sample, and on that while it drifts."""
    data = lab.data()
    sample = data.map(lambda dataset, random: dataset.fold(1, 2).first(400))
    kinds = {
        BEFORE: data.map(lambda dataset, random: dataset.fold(0, 2).first(400)),
        SAMPLE: sample,
        DRIFTING: sample.map(drift),
    }
    results = lab.train(
        build_model, VARIANTS, kinds, epochs=10, evaluate_every=10, watch=["setting 0"]
    )
    loss, test = results.final("val_loss"), results.final("test_accuracy")
    accuracies = {}
    for kind in (SAMPLE, DRIFTING):
        accuracies[OLD, kind] = of_best(loss, test, on=kind, chosen_on=BEFORE)
        accuracies[NEW, kind] = of_best(loss, test, on=kind, chosen_on=kind)
    accuracy = lab.measure(accuracies, "%", "test accuracy")
    lost = accuracy[NEW] - accuracy[OLD]

    lab.claim(
        "while inputs drift, the best setting from before the drift loses test accuracy",
        source=COURSE,
        that=lost[DRIFTING] > 0,
    )
    lab.claim(
        "the best setting from before loses more test accuracy, against a new search, on drifting "
        "data than on another sample without drift",
        that=lost[DRIFTING] > lost[SAMPLE],
    )
    lab.claim(
        "even with the best setting of a new search test accuracy is lower on drifting data than "
        "on the same examples without drift",
        that=accuracy[NEW, DRIFTING] < accuracy[NEW, SAMPLE],
    )
    lab.table({f"best on {kind}": results.best(kind, by="val_loss") for kind in kinds})
    there = {f"test accuracy, {BEFORE} (%)": test[BEFORE].array().ravel()}
    now = test[DRIFTING].array().ravel()
    lab.figure(lab.scatter(there, now, y_label=f"test accuracy, {DRIFTING} (%)"))
    lab.figure(lab.dots(accuracy, each=(SAMPLE, DRIFTING)), name="cost")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
