"""Do good settings carry over to other data?

Claim: what is known about hyperparameters in one domain may or may not hold in another, so settings
that were good there should be searched anew (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, whether settings come in the same order on other data; in figure-cost, what
it costs to take them from there; in TensorBoard, under accuracy, one setting on all data.
Why: a learning rate that is too low to learn with is too low on most data. Wide ranges, as here,
hold many settings that fail everywhere, so that their order is similar everywhere. Which of the
good ones is best depends on the data and on luck: a few hundred examples can't tell good settings
apart. So the cost of other data is compared with that of another sample of the same. The
other domain is scikit-learn's table of breast cancer (for that table itself: images of digits).
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
THIS, SAMPLE, OTHER = "this data", "another sample", "another domain"
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
    (kind, name): setting for kind in (THIS, SAMPLE, OTHER) for name, setting in SETTINGS.items()
}


def cost(loss, test, chosen_on):
    """Return how many points of test accuracy on this data the best setting of others loses.

    Args:
        loss: on validation, of each kind of data and setting, a measure; it has no ties.
        test: accuracy on test, likewise.
        chosen_on: the kind of data whose best setting is taken.

    Returns:
        An array, (seeds,).
    """
    accuracy, seeds = test[THIS].array(), np.arange(test.seeds)
    own, taken = loss[THIS].array().argmin(axis=0), loss[chosen_on].array().argmin(axis=0)
    return accuracy[own, seeds] - accuracy[taken, seeds]


def run(lab):
    """Train 20 random settings on three kinds of data, and take the best of two to the first."""
    data = lab.data()
    other = lab.data("digits" if data.name == "breast_cancer" else "breast_cancer")
    kinds = {  # all of 200 training and 100 validation examples
        THIS: data.map(lambda dataset, random: dataset.fold(0, 2).first(200, 100)),
        SAMPLE: data.map(lambda dataset, random: dataset.fold(1, 2).first(200, 100)),
        OTHER: other.map(lambda dataset, random: dataset.first(200, 100)),
    }
    results = lab.train(
        build_model, VARIANTS, kinds, epochs=10, evaluate_every=10, watch=["setting 0"]
    )
    loss, test = results.final("val_loss"), results.final("test_accuracy")
    here, there = test[THIS].array(), test[OTHER].array()  # (settings, seeds)
    correlations = [lab.rank_correlation(*pair) for pair in zip(here.T, there.T, strict=True)]
    correlation = lab.measure(correlations, "of rank correlation")
    costs = {
        f"from {OTHER}": cost(loss, test, chosen_on=OTHER),
        f"from {SAMPLE}": cost(loss, test, chosen_on=SAMPLE),
    }
    lost = lab.measure(costs, "percentage points", "test accuracy lost with the best setting")

    lab.claim(
        "20 random settings come in a similar order of test accuracy on data of another domain as "
        "on this data: rank correlation above .5",
        source=COURSE,
        that=correlation > 0.5,
    )
    lab.claim(
        "the best setting on data of another domain loses test accuracy on this data",
        source=COURSE,
        that=lost[f"from {OTHER}"] > 0,
    )
    lab.claim(
        "the best setting on data of another domain loses more test accuracy on this data than "
        "that on another sample of it",
        that=lost[f"from {OTHER}"] > lost[f"from {SAMPLE}"],
    )
    lab.table({f"best on {kind}": results.best(kind, by="val_loss") for kind in kinds})
    points = {f"test accuracy, {OTHER} (%)": there.ravel()}
    lab.figure(lab.scatter(points, here.ravel(), y_label=f"test accuracy, {THIS} (%)"))
    lab.figure(lab.dots(lost), name="cost")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
