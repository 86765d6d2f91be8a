"""Can a learning rate be tuned on a narrow network and used for a wide one?

Claim: in the usual parametrization the best learning rate falls as a network gets wider; under
muP, the maximal update parametrization, it stays (Yang et al. 2022, "Tensor Programs V").
Look for: in the figure, whether the lowest points of both widths are at the same learning rate.
Why: an update of one weight is about as large in a wide layer as in a narrow one, but more of them
add up, all in the same direction, so that outputs move further. muP divides the learning rate by
the number of inputs where these grow with the width. A rate for each layer can be had with one
optimizer: multiply the inputs of a layer by m and divide its initial weights by m. That changes no
output, but Adam moves the layer m times as far.
Use: the usual parametrization, with a learning rate tuned at the width that will be trained, where
one can pay for that: at the rate tuned on 32 units, muP lowers the training loss of 256 little, if
at all. The paper's widths are up to 8192.
Symptoms: each trial is expensive; a larger network is worse
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    units=256,
    tuned_units=32,
    learning_rate=0.01,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax, under muP.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        units: units of each hidden layer.
        tuned_units: units of the network for which the learning rate was tuned; as many as `units`
            for the usual parametrization.
        learning_rate: learning rate of Adam.
    """
    m = tuned_units / units  # multiplies inputs whose number grows with the width
    model = keras.Sequential([keras.Input(input_shape)])
    for n, multiplier in ((1, 1.0), (2, m)):
        init = keras.initializers.VarianceScaling(2 / multiplier**2)  # he_normal, divided by it
        model.add(keras.layers.Rescaling(multiplier, name=f"h{n}_scale"))
        model.add(keras.layers.Dense(units, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    init = keras.initializers.VarianceScaling(1 / m)  # smaller by sqrt(m), and divided by m
    model.add(keras.layers.Rescaling(m, name="softmax_scale"))
    model.add(keras.layers.Dense(num_classes, "softmax", kernel_initializer=init, name="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the narrow model with keras-tuner's hyperparameters, the rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, units=32, learning_rate=rate)


PAPER = "Yang et al. 2022, Figure 1"
USUAL, MUP = "usual", "muP"
NARROW, WIDE = 32, 256  # units
SETTINGS = ((USUAL, NARROW), (USUAL, WIDE), (MUP, NARROW), (MUP, WIDE))
RATES = 2.0 ** np.arange(-11, -1)
VARIANTS = {
    (scaling, units, rate): {
        "batch_norm": False,
        "dropout": 0.0,
        "units": units,
        "tuned_units": NARROW if scaling == MUP else units,
        "learning_rate": rate,
    }
    for scaling, units in SETTINGS
    for rate in RATES
}


def run(lab):
    """Train both widths at ten learning rates, a factor of two apart, with and without muP."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=10, evaluate_every=10)
    loss = results.final("train_loss")
    rates = {}
    for scaling, units in SETTINGS:
        lowest = loss[scaling, units].array().argmin(axis=0)  # for each seed
        rates[scaling, units] = np.log2(RATES)[lowest]
    best = lab.measure(rates, "doublings", "best learning rate")
    *_, tuned = results.best(USUAL, NARROW, by="train_loss")  # over all seeds

    lab.claim(
        f"usual: the best learning rate of {WIDE} units is lower than that of {NARROW}",
        source=PAPER,
        that=best[USUAL, WIDE] < best[USUAL, NARROW],
    )
    lab.claim(
        f"muP: the best learning rate of {WIDE} units is that of {NARROW}, within a factor of two",
        source=PAPER,
        that=best[MUP, WIDE].within(1, of=best[MUP, NARROW]),
    )
    lab.claim(
        f"learning rate tuned on {NARROW} units: with {WIDE} units training loss is lower under "
        "muP than in the usual parametrization",
        source=PAPER,
        that=loss[MUP, WIDE, tuned] < loss[USUAL, WIDE, tuned],
    )
    lab.table([results.best(*setting, by="train_loss") for setting in SETTINGS])
    widths = {f"{units} units": loss[units] for units in (NARROW, WIDE)}
    axes = {"x_label": "learning rate", "each": (USUAL, MUP), "x_scale": "log"}
    lab.figure(lab.lines(widths, along=RATES, limits=(0, 2.5), **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
