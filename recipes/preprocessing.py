"""What must be done to the inputs?

Claim: normalized inputs make training faster (Deep Learning Specialization, course 2 week 1).
Standardize columns where units differ, as those of pixels don't; whitening exaggerates noise
(CS231n, Neural Networks Part 2).
Look for: in the figure, how fast each curve rises, and how far validation stays below training; in
figure-test, where each treatment ends; in TensorBoard, under histograms, the gradients of h1 beside
those of the later layers, with raw inputs.
Why: a weight's gradient is proportional to its input, and one learning rate has to suit all layers.
With inputs of 100 a step changes the outputs of the first layer 10,000 times as much as with inputs
of 1. Inputs that are all positive push all weights of a unit in the same direction. Whitening makes
all directions equally large, also those that hold nothing but noise.
Use: divide pixels by their maximum and subtract the mean; where columns differ in their units,
standardize each. No whitening.
Symptoms: the loss is NaN after a few steps; the loss does not move
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
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
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE = "Deep Learning Specialization, course 2 week 1"
CS231N = "CS231n, Neural Networks Part 2"
RAW, SCALED, STANDARD = "raw", "scaled and centred", "standardized"
UNITS, WHITE = "other units, scaled and centred", "whitened"
PLAIN = {"batch_norm": False, "dropout": 0.0}
VARIANTS = dict.fromkeys((RAW, SCALED, STANDARD, UNITS, WHITE), PLAIN)
# Candidates for the learning rate; raw inputs are large.
RATES = dict.fromkeys(VARIANTS, (0.1, 0.3, 1.0, 3.0)) | {RAW: (1e-4, 3e-4, 1e-3)}


def as_stored(dataset, random):
    """Return images as vectors of pixels from 0 to 255, as before the scaling of `lab.data`."""
    return dataset.map_inputs(lambda x: 255 * x.reshape(len(x), -1))


def in_other_units(dataset, random):
    """Give each column a unit of its own, as in a table: 0.1 to 100 times the common one."""
    scale = 10 ** random.uniform(-1, 2, dataset.input_shape)
    return dataset.map_inputs(lambda x: scale * x)


def scaled_and_centred(dataset, random):
    """Subtract the mean of each column and divide all by the largest value."""
    mean, largest = dataset.train.x.mean(axis=0), np.abs(dataset.train.x).max()
    return dataset.map_inputs(lambda x: (x - mean) / largest)


def standardized(dataset, random):
    """Give each column a mean of 0 and a standard deviation of 1; constant ones become 0."""
    mean, deviation = dataset.train.x.mean(axis=0), dataset.train.x.std(axis=0)
    deviation[deviation == 0] = np.inf
    return dataset.map_inputs(lambda x: (x - mean) / deviation)


def whitened(dataset, random):
    """Turn centred inputs into their principal components, and give all a variance of 1."""
    x = dataset.train.x
    directions = np.linalg.svd(x.T @ x)[0]
    variance = (x @ directions).var(axis=0)
    return dataset.map_inputs(lambda x: x @ directions / np.sqrt(variance + 1e-5))  # as in CS231n


def run(lab):
    """Train on inputs after each treatment, at the learning rate that suits it best."""
    raw = lab.data(images=True, examples=1000).map(as_stored)  # a table is standardized already
    scaled = raw.map(scaled_and_centred)
    data = {
        RAW: raw,
        SCALED: scaled,
        STANDARD: raw.map(standardized),  # in whatever units: they cancel
        UNITS: raw.map(in_other_units).map(scaled_and_centred),
        WHITE: scaled.map(whitened),
    }
    tuned = lab.tune(build_model, VARIANTS, data, epochs=40, learning_rate=RATES)
    results = lab.train(build_model, tuned, data, epochs=40)
    speed, test = results.mean_over_epochs("train_accuracy"), results.final("test_accuracy")

    lab.claim(
        "standardized inputs learn faster than raw ones",
        source=COURSE,
        that=speed[STANDARD] > speed[RAW],
    )
    lab.claim(
        "where units differ, standardizing gives more test accuracy after 40 epochs than scaling",
        source=CS231N,
        that=test[STANDARD] > test[UNITS],
    )
    lab.claim(
        "where units are equal, standardizing gains less than 1 percentage point of test accuracy "
        "over scaling",
        source=CS231N,
        that=test[STANDARD] < test[SCALED] + 1,
    )
    lab.claim(
        "whitened inputs give less test accuracy than scaled and centred ones",
        source=CS231N,
        that=test[WHITE] < test[SCALED],
    )
    curves = {"training": "train_accuracy", "validation": "val_accuracy"}
    lab.figure(lab.panels(results, curves, each=VARIANTS))
    lab.figure(lab.dots(test), name="test")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
