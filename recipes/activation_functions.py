"""Which activation should the hidden layers of a deep network have?

Claim: never use the sigmoid; use ReLU, which learns faster than tanh and ends better, but of whose
units a learning rate that is too high leaves many dead (CS231n, Neural Networks Part 1).
Look for: in the figure, how soon each activation learns, and how far; in figure-dead-units, what
the higher learning rate does; in TensorBoard, the activations of ReLU at both rates.
Why: eight slopes of a sigmoid, each a quarter at most, multiply to less than 1e-4, unless larger
weights make up for them. The outputs of ReLU are never negative, so from layer to layer the
examples grow alike; those of tanh lie on both sides of zero and keep them apart. A ReLU unit that a
large step has pushed below zero for all examples has no gradient left. Here nothing is normalized,
and each activation has the learning rate and then the initial scale that are best on validation
data, which is why a run takes more than half a minute.
Use: at such a depth without normalization tanh, or ReLU, each with an initial scale and a learning
rate of its own.
Symptoms: the loss does not move; many units are always zero; a deep network does not learn
Topic: Initial values and activations
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    init_gain=1.4,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: eight hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        activation: Keras's name of the hidden layers' activation.
        init_gain: standard deviation of the hidden layers' initial weights, times the square root
            of the number of inputs; He's is 1.4.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 9):
        init = keras.initializers.VarianceScaling(init_gain**2, "fan_in", "truncated_normal")
        model.add(keras.layers.Dense(100, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
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
    activation = hp.Choice("activation", ["tanh", "relu", "elu", "gelu"])
    gain = hp.Float("init_gain", 0.5, 4.0, sampling="log")
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, activation=activation, init_gain=gain, learning_rate=rate
    )


NOTES = "CS231n, Neural Networks Part 1"
SIGMOID, TANH, RELU = "sigmoid", "tanh", "ReLU"
BEST, HIGH = "best lr", "3 x best lr"
PLAIN = {"batch_norm": False, "dropout": 0.0}
VARIANTS = {  # a sigmoid's slope is a quarter of tanh's, so its weights start four times as large
    (SIGMOID, BEST): PLAIN | {"activation": "sigmoid", "init_gain": 4.0},
    (TANH, BEST): PLAIN | {"activation": "tanh", "init_gain": 1.0},
    (RELU, BEST): PLAIN | {"activation": "relu", "init_gain": 1.4},
}
RATES = {SIGMOID: (0.3, 1.0, 3.0), TANH: (0.03, 0.1, 0.3), RELU: (0.03, 0.1, 0.3)}
GAINS = {SIGMOID: (4.0, 8.0, 16.0), TANH: (1.0, 1.4, 2.0), RELU: (1.0, 1.4, 2.0)}
EPOCHS = {SIGMOID: 60, TANH: 30, RELU: 30}  # of ten steps


def dead_units(models, x):
    """Return in % how many hidden units of each model are zero for all inputs; NaN is not zero."""
    outputs = models.outputs(x)
    dead = [(outputs[f"h{n}_act"] == 0).all(axis=1) for n in range(1, 9)]
    return 100 * np.mean(dead, axis=(0, 2))


def run(lab):
    """Tune the learning rate of each activation, then its initial scale; compare the best."""
    data = lab.data(examples=1000)
    rated = lab.tune(build_model, VARIANTS, data, epochs=EPOCHS, learning_rate=RATES)
    tuned = lab.tune(build_model, rated, data, epochs=EPOCHS, init_gain=GAINS)
    best = tuned[RELU, BEST].get("learning_rate", 0.1)  # the default where nothing has learned
    tuned[RELU, HIGH] = tuned[RELU, BEST] | {"learning_rate": 3 * best}
    results = lab.train(build_model, tuned, data, epochs=EPOCHS)
    test, train = results.final("test_accuracy"), results.final("train_accuracy")
    speed = results.mean_over_epochs("train_accuracy")
    counts = {key: dead_units(results.models(key), data.train.x) for key in results.matching(RELU)}
    dead = results.measure(counts, unit="% of the units", label="dead hidden units")

    lab.claim(
        "test accuracy is higher with ReLU than with sigmoid, each with its own scale and rate",
        source=NOTES,
        that=test[RELU, BEST] > test[SIGMOID, BEST],
    )
    lab.claim(
        "test accuracy is higher with ReLU than with tanh, each with its own scale and rate",
        source=NOTES,
        that=test[RELU, BEST] > test[TANH, BEST],
    )
    lab.claim(
        "ReLU learns faster than tanh, each with its own scale and rate",
        source=NOTES,
        that=speed[RELU, BEST] > speed[TANH, BEST],
    )
    lab.claim(
        "more ReLU units are dead after training at three times the best learning rate",
        source=NOTES,
        that=dead[RELU, HIGH] > dead[RELU, BEST],
    )
    lab.claim(
        "eight layers of sigmoids with a scale and rate of their own exceed 90 % training accuracy",
        that=train[SIGMOID, BEST] > 90,
    )
    curves = {"training": "train_accuracy", "validation": "val_accuracy"}
    lab.figure(lab.panels(results, curves, each=tuned))
    lab.figure(lab.dots(dead), name="dead-units")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
