"""Do good settings carry over to other data?

Claim: what is known about hyperparameters in one domain may or may not hold in another, and
settings that were good get stale as data change, so they should be searched anew from time to time
(Deep Learning Specialization, course 2 week 3).
Look for: in the figure, what it costs to take settings from elsewhere; in figure-order, whether the
settings come in the same order there; in TensorBoard, under epoch_accuracy, one setting on all
data.
Why: a learning rate that is too low to learn with is too low on most data. Wide ranges, as here,
hold many settings that fail everywhere, so that their order is similar everywhere. Which of the
good ones is best depends on the data and on luck: a few hundred examples can't tell good settings
apart. So the cost of drift is compared with that of another sample without drift.
Use: settings of other data to start from, and a new search where a percentage point or two matters.
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
THIS, SAMPLE, DRIFTING, CANCER = "this data", "another sample", "drifting data", "breast cancer"
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
    for kind in (THIS, SAMPLE, DRIFTING, CANCER)
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


def cost(loss, test, on, chosen_on):
    """Return how many points of test accuracy the best setting of other data loses, (seeds,).

    Args:
        loss: on validation, of each kind of data and setting, a measure; it has no ties.
        test: accuracy on test, likewise.
        on: the kind of data that loses.
        chosen_on: the kind of data whose best setting is taken.
    """
    accuracy, seeds = test[on].array(), np.arange(test.seeds)
    own, taken = loss[on].array().argmin(axis=0), loss[chosen_on].array().argmin(axis=0)
    return accuracy[own, seeds] - accuracy[taken, seeds]


def run(lab):
    """Train 20 random settings on four kinds of data, and take the best of one kind to another."""
    data = lab.data()
    sample = data.map(lambda dataset, random: dataset.fold(1, 2).first(400))
    kinds = {
        THIS: data.map(lambda dataset, random: dataset.fold(0, 2).first(400)),
        SAMPLE: sample,
        DRIFTING: sample.map(drift),
        CANCER: lab.data("breast_cancer"),
    }
    results = lab.train(
        build_model, VARIANTS, kinds, epochs=10, evaluate_every=10, watch=["setting 0"]
    )
    loss, test = results.final("val_loss"), results.final("test_accuracy")
    by_seed = zip(test[THIS].array().T, test[CANCER].array().T, strict=True)
    correlations = [lab.rank_correlation(here, there) for here, there in by_seed]
    correlation = lab.measure(correlations, "of rank correlation")
    costs = {
        "from breast cancer": cost(loss, test, on=THIS, chosen_on=CANCER),
        "from another sample": cost(loss, test, on=SAMPLE, chosen_on=THIS),
        "from before the drift": cost(loss, test, on=DRIFTING, chosen_on=THIS),
    }
    lost = lab.measure(costs, "percentage points", "test accuracy lost with the best setting")

    lab.claim(
        "20 random settings come in a similar order of test accuracy on breast cancer as on this "
        "data: rank correlation above .5",
        source=COURSE,
        that=correlation > 0.5,
    )
    lab.claim(
        "the best setting on breast cancer loses test accuracy on this data",
        source=COURSE,
        that=lost["from breast cancer"] > 0,
    )
    lab.claim(
        "while inputs drift, the best setting from before the drift loses test accuracy",
        source=COURSE,
        that=lost["from before the drift"] > 0,
    )
    lab.claim(
        "the best setting from before a drift loses more test accuracy than the best setting from "
        "another sample without drift",
        that=lost["from before the drift"] > lost["from another sample"],
    )
    lab.table({f"best on {kind}": results.best(kind, by="val_loss") for kind in kinds})
    lab.figure(lab.dots(lost))
    there = {f"test accuracy, {CANCER} (%)": test[CANCER].array().ravel()}
    here = test[THIS].array().ravel()
    lab.figure(lab.scatter(there, here, y_label=f"test accuracy, {THIS} (%)"), name="order")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
