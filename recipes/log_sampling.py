"""On which scale should a learning rate, or a momentum, be drawn?

Claim: a learning rate on a logarithmic scale, because on a linear one nine of ten draws between
.0001 and 1 lie above .1; a momentum by its distance from 1 on a logarithmic scale, because changes
near 1 matter more than those near .9 (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how much of each scale is good; in figure-rates, over how many decades the
good learning rates spread; in TensorBoard, under accuracy, how slowly high momenta start.
Why: a scale is a bet on where the good values lie. A logarithmic one gives every decade the same
number of draws, which pays where the good values span decades, as Adam's do; those of SGD lie in
the last decade here, where a linear scale puts nine of ten. A momentum averages about
1 / (1 - momentum) steps: 10 at .9, and 1000 at .999. Here the learning rate is lowered by as much,
so that high momenta make no larger steps, only later ones; in 200 steps they come too late.
Use: sampling="log" for the learning rate of Adam; a momentum of .9 in a training of a few hundred
steps.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="Adam",
    momentum=0.9,
    dropout=0.1,
    learning_rate=0.01,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        optimizer: "Adam" or "SGD".
        momentum: beta_1 of Adam, momentum of SGD.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of the optimizer.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    if optimizer == "Adam":
        updates = keras.optimizers.Adam(learning_rate, beta_1=momentum)
    else:
        updates = keras.optimizers.SGD(learning_rate, momentum=momentum)
    model.compile(optimizer=updates, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    # sampling="reverse_log" would give hardly more values near 1 than a linear scale.
    momentum = 1 - hp.Float("one_minus_momentum", 0.001, 0.1, sampling="log")
    rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    return build_model(input_shape, num_classes, momentum=momentum, learning_rate=rate)


COURSE = "Deep Learning Specialization, course 2 week 3"
ADAM, SGD, MOMENTUM = "learning rate of Adam", "learning rate of SGD", "momentum of SGD"
LOG, LINEAR = "log scale", "linear scale"
DRAWS = (np.arange(10) + 0.5) / 10  # spread evenly over a scale, instead of at random
RATES = {LOG: 10 ** (4 * DRAWS - 4), LINEAR: 1e-4 + (1 - 1e-4) * DRAWS}
DISTANCES = {LOG: 10 ** (2 * DRAWS - 3), LINEAR: 0.001 + 0.099 * DRAWS}  # 1 - momentum
VARIANTS = {}
for scale in (LOG, LINEAR):
    for rate in RATES[scale]:
        VARIANTS[ADAM, scale, rate] = {"learning_rate": rate}
        VARIANTS[SGD, scale, rate] = {"optimizer": "SGD", "momentum": 0.0, "learning_rate": rate}
    for distance in DISTANCES[scale]:
        at_equal_effect = {"momentum": 1 - distance, "learning_rate": 0.1 * distance}
        VARIANTS[MOMENTUM, scale, distance] = {"optimizer": "SGD"} | at_equal_effect


def share_of_good(accuracy, scale):
    """Return the share of values on a scale, %, that are good.

    Good is what comes nine tenths of the way from chance to the best of both scales.

    Args:
        accuracy: accuracies above chance on both scales.
        scale: LOG or LINEAR.
    """
    surplus = accuracy[scale] - 0.9 * accuracy.max()
    return surplus.map(lambda difference: 100.0 * (difference >= 0), unit="%").mean()


def run(lab):
    """Train for 200 steps with values that are spread over both scales."""
    results = lab.train(
        build_model, VARIANTS, lab.data(examples=400), epochs=10, batch_size=20, watch=[]
    )
    accuracy = results.above_chance("val_accuracy")
    shares, best = {}, {}
    for drawn in (ADAM, SGD, MOMENTUM):
        for scale in (LOG, LINEAR):
            shares[drawn, scale] = share_of_good(accuracy[drawn], scale)
            best[f"{drawn}, {scale}"] = results.best((drawn, scale))

    lab.claim(
        "more of the learning rates from 1e-4 to 1 are good on a log scale than on a linear, Adam",
        source=COURSE,
        that=shares[ADAM, LOG] > shares[ADAM, LINEAR],
    )
    lab.claim(
        "more of the learning rates from 1e-4 to 1 are good on a log scale than on a linear, SGD",
        source=COURSE,
        that=shares[SGD, LOG] > shares[SGD, LINEAR],
    )
    lab.claim(
        "more of the momenta from .9 to .999 are good on a log scale of 1 - momentum than on a "
        "linear, SGD at equal learning rate / (1 - momentum)",
        source=COURSE,
        that=shares[MOMENTUM, LOG] > shares[MOMENTUM, LINEAR],
    )
    lab.table(best)
    bars = {key: share.array() for key, share in shares.items()}
    lab.figure(lab.dots(lab.measure(bars, "%", "values that are good")))
    by_rate = {drawn: results.final("val_accuracy")[drawn, LOG] for drawn in (ADAM, SGD)}
    curves = lab.lines(
        by_rate, along=RATES[LOG], x_label="learning rate", x_scale="log", limits=(0, 103)
    )
    lab.figure(curves, name="rates")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
