"""What does batch normalization do with one example at test time?

Claim: a single example has no batch to be normalized by, so exponentially weighted averages of the
statistics of the training batches stand in for it (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how many steps each momentum takes until the moving averages do as well as
the statistics of a batch; in TensorBoard, under accuracy, how far validation lags behind for
momentum 0.999, although all three train alike.
Why: Keras starts the averages at mean 0 and variance 1, of which momentum^n is left after n steps:
more than a third after 100 steps at Keras's default of 0.99. They are far from a network's own
statistics, so even a small share spoils predictions. Subtracting it and dividing by what is left
of 1, as Adam does for its own averages, gives an average over the steps taken so far.
Use: BatchNormalization(momentum=0.9) where training takes only a few hundred steps.
Symptoms: training learns, validation stays at chance; validation is far below training
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, bn_momentum=0.9, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: three normalized hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        bn_momentum: share of the moving averages, which inference uses, that a step keeps.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 4):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(
            keras.layers.BatchNormalization(momentum=bn_momentum, epsilon=1e-5, name=f"h{n}_bn")
        )
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    forgotten = hp.Float("one_minus_momentum", 1e-3, 0.3, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, bn_momentum=1 - forgotten, dropout=dropout, learning_rate=rate
    )


COURSE = "Deep Learning Specialization, course 2 week 3"
SMALL, DEFAULT, LARGE = "momentum 0.9", "momentum 0.99", "momentum 0.999"
MOMENTA = {SMALL: 0.9, DEFAULT: 0.99, LARGE: 0.999}  # .99 is Keras's default
VARIANTS = {name: {"bn_momentum": value, "dropout": 0.0} for name, value in MOMENTA.items()}
BATCH, AVERAGES, CORRECTED = "statistics of a batch", "moving averages", "averages, corrected"
RECORD = (1, 2, 5, 10, 20, 50, 100)  # epochs, of ten steps each, after which we look


def correct(weights, momentum, steps):
    """Take what is left of the initial values, 0 and 1, out of the moving averages, in place."""
    left = momentum**steps
    for name, values in weights.items():
        if name.endswith("/moving_mean"):
            weights[name] = values / (1 - left)
        elif name.endswith("/moving_variance"):
            weights[name] = np.maximum(values - left, 0) / (1 - left)


def accuracies(results, test, steps):
    """Return the test accuracy (%), `{(momentum, what BN normalizes by, step): (seeds,)}`."""
    accuracy = {}
    for name, momentum in MOMENTA.items():
        for epoch, step in zip(results.recorded(name), steps, strict=True):
            models = results.models(name, epoch)
            accuracy[name, BATCH, step] = 100 * models.accuracy(test, training=True)
            accuracy[name, AVERAGES, step] = 100 * models.accuracy(test)
            correct(models.weights, momentum, step)
            accuracy[name, CORRECTED, step] = 100 * models.accuracy(test)
    return accuracy


def run(lab):
    """Train with three momenta; compare averages with the statistics of all test examples."""
    data = lab.data(examples=1000)
    examples = data.train.x.shape[1]
    batch_size = max(1, examples // 10)  # ten steps an epoch, also of a small table
    results = lab.train(
        build_model,
        VARIANTS,
        data,
        epochs=RECORD[-1],
        batch_size=batch_size,
        evaluate_every=5,
        record=RECORD,
    )
    steps = [epoch * (examples // batch_size) for epoch in results.recorded(SMALL)]
    early = max(step for step in steps if step <= 100)
    late = steps[-1]
    by_steps = accuracies(results, data.test, steps)
    accuracy = lab.measure(by_steps, unit="%", label="test accuracy")

    lab.claim(
        "moving averages are as accurate on test as a batch's statistics, within 1 percentage "
        f"point, after {late} steps, {DEFAULT}",
        source=COURSE,
        that=accuracy[DEFAULT, AVERAGES, late].within(1, of=accuracy[DEFAULT, BATCH, late]),
    )
    lab.claim(
        "moving averages are as accurate on test as a batch's statistics, within 1 percentage "
        f"point, after {early} steps, {SMALL}",
        that=accuracy[SMALL, AVERAGES, early].within(1, of=accuracy[SMALL, BATCH, early]),
    )
    lab.claim(
        "moving averages are less accurate on test than a batch's statistics, "
        f"after {early} steps, {DEFAULT}",
        that=accuracy[DEFAULT, AVERAGES, early] < accuracy[DEFAULT, BATCH, early],
    )
    lab.claim(
        "corrected for their initial values, moving averages are as accurate on test as a batch's "
        f"statistics, within 1 percentage point, after {early} steps, {LARGE}",
        that=accuracy[LARGE, CORRECTED, early].within(1, of=accuracy[LARGE, BATCH, early]),
    )
    lab.figure(
        lab.lines(
            accuracy,
            along=steps,
            each=MOMENTA,
            lines=(BATCH, AVERAGES, CORRECTED),
            limits=(0, 103),
            x_label="training steps",
            x_scale="log",
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
