"""Does batch normalization need gamma and beta?

Claim: without gamma and beta a sigmoid stays in its linear part, and the network makes little use
of its layers (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how far the networks without gamma and beta stay below the others; in
TensorBoard, under weights, how wide h1_bn/gamma becomes in "sigmoid, gamma and beta".
Why: a sigmoid is almost straight where normalized inputs lie, between -2 and 2, and straight
layers, however many, are together a linear model. Gamma stretches the inputs and beta moves them,
so that each unit bends as much as it needs. A ReLU bends amid normalized inputs without them.
Use: gamma and beta, the default, with an activation that is straight around 0; a ReLU does without.
Symptoms: a deep network is no better than a linear model
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    gamma_and_beta=True,
    dropout=0.1,
    learning_rate=0.3,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        activation: activation of the hidden layers, such as "relu".
        gamma_and_beta: whether normalization learns a factor and a shift for each unit.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(
            keras.layers.Dense(100, use_bias=False, kernel_initializer="he_normal", name=f"h{n}")
        )
        norm = keras.layers.BatchNormalization(
            scale=gamma_and_beta, center=gamma_and_beta, momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"
        )
        model.add(norm)
        model.add(keras.layers.Activation(activation, name=f"h{n}_act"))
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
    learning_rate = hp.Float("learning_rate", 1e-2, 10.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE = "Deep Learning Specialization, course 2 week 3"
RATES = (0.004, 0.02, 0.1, 0.5, 2.5)  # learning rates
SIGMOID, RELU = "sigmoid", "ReLU"
EPOCHS = {SIGMOID: 40, RELU: 20}  # ReLU has converged by then
LEARNED, NEITHER = "gamma and beta", "neither"
VARIANTS = {
    (activation, arm, rate): {
        "activation": activation.lower(),
        "gamma_and_beta": arm == LEARNED,
        "dropout": 0.0,
        "learning_rate": rate,
    }
    for activation in (SIGMOID, RELU)
    for arm in (LEARNED, NEITHER)
    for rate in RATES
}


def spirals(y, random):
    """Return points of a plane and their labels: three arms of a spiral, as in CS231n's notes."""
    arm = y % 3
    radius = random.uniform(0, 1, len(y))
    angle = 2 * np.pi * arm / 3 + 4 * radius + random.normal(0, 0.2, len(y))
    return np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1), arm


def straightness(models, x):
    """Return how much of a unit's variance a line explains, mean over units, (models,), in %."""
    outputs = models.outputs(x)
    before = np.stack([outputs[f"h{n}_bn"] for n in range(1, 6)])
    after = np.stack([outputs[f"h{n}_act"] for n in range(1, 6)])
    before -= before.mean(axis=2, keepdims=True)  # (layers, models, examples, units)
    after -= after.mean(axis=2, keepdims=True)
    covariance = np.mean(before * after, axis=2)
    variances = before.var(axis=2) * after.var(axis=2)
    return 100 * np.mean(covariance**2 / np.maximum(variances, 1e-12), axis=(0, 2))


def run(lab):
    """Train each arm on spirals, which no linear model can tell apart, at five learning rates."""
    data = lab.data(examples=1000)
    plane = data.map(lambda dataset, random: dataset.map_examples(lambda x, y: spirals(y, random)))
    results = lab.train(
        build_model, VARIANTS, plane, epochs=EPOCHS, evaluate_every=10, watch=[(LEARNED, 0.5)]
    )
    accuracy = results.final("test_accuracy")
    learned, neither = results.best(SIGMOID, LEARNED), results.best(SIGMOID, NEITHER)
    relu, plain_relu = results.best(RELU, LEARNED), results.best(RELU, NEITHER)
    straight = results.measure({neither: straightness(results.models(neither), plane.test.x)}, "%")

    lab.claim(
        "sigmoid: without gamma and beta test accuracy is lower, each at its best rate",
        source=COURSE,
        that=accuracy[neither] < accuracy[learned],
        any_data=True,
    )
    lab.claim(
        "without gamma and beta, lines explain over 95 % of the sigmoids' variance",
        source=COURSE,
        that=straight > 95,
        any_data=True,
    )
    lab.claim(
        "ReLU: without gamma and beta test accuracy is within 1 percentage point of that with "
        "them, each at its best rate",
        that=accuracy[plain_relu].within(1, of=accuracy[relu]),
        any_data=True,
    )
    lab.table([learned, neither, relu, plain_relu])
    lab.figure(
        lab.lines(
            accuracy,
            along=RATES,
            each=(SIGMOID, RELU),
            lines=(LEARNED, NEITHER),
            limits=(0, 103),
            x_label="learning rate",
            x_scale="log",
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
