"""Do good settings carry over to other data?

Claim: what is known about hyperparameters in one domain may or may not hold in another, and
settings that were good get stale as data change, so they should be searched anew from time to time
(Deep Learning Specialization, course 2 week 3).
Look for: in the figure, what it costs to take settings from elsewhere; in figure-order, whether the
settings come in the same order there; in TensorBoard, under epoch_accuracy, one setting on all
data.
Why: a setting that fails on digits mostly fails on tumours, too: a learning rate too low to learn
with is so everywhere. Wide ranges, as here, hold many such settings, and put them in a similar
order on most data. Which of the good ones is best is decided by the data and by luck: a few
examples can't tell good settings apart. So the cost is compared with that of settings from another
sample of the same data.
Use: the ranges of earlier work, and a new search in them where a percentage point matters.
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
OLD, SAMPLE, DRIFTING, CANCER = "old data", "another sample", "drifting data", "breast cancer"
FROM_CANCER = "to this data, from breast cancer"
FROM_SAMPLE = "to another sample, from the first"
FROM_OLD = "to drifting data, from before the drift"
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
    (where, name): setting
    for where in (OLD, SAMPLE, DRIFTING, CANCER)
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


def cost(validation, test, elsewhere):
    """Return how much test accuracy is lost with the winner of other data, (seeds,), in points.

    Args:
        validation: (settings, seeds), loss that picks the own winner; it has no ties.
        test: (settings, seeds), accuracy on the same data.
        elsewhere: (settings, seeds), validation loss that picks the winner of other data.
    """
    seeds = np.arange(test.shape[1])
    return test[validation.argmin(axis=0), seeds] - test[elsewhere.argmin(axis=0), seeds]


def run(lab):
    """Train 20 random settings on four kinds of data, and take the winners from one to another."""
    data = lab.data()
    sample = data.map(lambda dataset, random: dataset.fold(1, 2).first(400))
    kinds = {
        OLD: data.map(lambda dataset, random: dataset.fold(0, 2).first(400)),
        SAMPLE: sample,
        DRIFTING: sample.map(drift),
        CANCER: lab.data("breast_cancer"),
    }
    plan = {"epochs": 10, "evaluate_every": 10, "watch": ["setting 0"]}
    results = lab.train(build_model, VARIANTS, kinds, **plan)
    validation, test = (
        {kind: results.final(metric)[kind].array() for kind in kinds}
        for metric in ("val_loss", "test_accuracy")
    )
    pairs = zip(test[OLD].T, test[CANCER].T, strict=True)
    order = lab.measure([lab.rank_correlation(*pair) for pair in pairs], "of rank correlation")
    costs = {
        FROM_CANCER: cost(validation[OLD], test[OLD], validation[CANCER]),
        FROM_SAMPLE: cost(validation[SAMPLE], test[SAMPLE], validation[OLD]),
        FROM_OLD: cost(validation[DRIFTING], test[DRIFTING], validation[OLD]),
    }
    lost = lab.measure(costs, "percentage points", "test accuracy lost")

    lab.claim(
        "across domains: 20 random settings come in a similar order on breast cancer as on this "
        "data, rank correlation above .5",
        source=COURSE,
        that=order > 0.5,
    )
    lab.claim(
        "not across domains: the best setting of breast cancer loses test accuracy on this data",
        source=COURSE,
        that=lost[FROM_CANCER] > 0,
    )
    lab.claim(
        "settings get stale: while inputs drift, the best setting of before loses test accuracy",
        source=COURSE,
        that=lost[FROM_OLD] > 0,
    )
    lab.claim(
        "it loses more than on another sample without drift",
        that=lost[FROM_OLD] > lost[FROM_SAMPLE],
    )
    lab.table([])
    lab.figure(lab.dots(lost))
    others = {f"test accuracy, {kind} (%)": test[kind].ravel() for kind in kinds if kind != OLD}
    lab.figure(
        lab.scatter(others, test[OLD].ravel(), y_label=f"test accuracy, {OLD} (%)"), name="order"
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
