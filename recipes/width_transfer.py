"""Can a learning rate be tuned on a narrow network and used for a wide one?

Claim: in the usual parametrization the best learning rate falls as a network gets wider, with SGD
as with Adam; under muP, the maximal update parametrization, it stays (Yang et al. 2022, "Tensor
Programs V", 3 and Table 3).
Look for: in the figure, with Adam, and in figure-sgd, how the curves of both widths lie upon each
other under muP, and where each is lowest.
Why: an update of one weight is about as large in a wide layer as in a narrow one, but more of them
add up, all in the same direction, so that outputs move further. muP divides the learning rate by
the number of inputs where these grow with the width. A rate for each layer can be had with one
optimizer: multiply the inputs of a layer by m and divide its initial weights by m. That changes no
output, but with Adam it multiplies the layer's rate by m, with SGD by the square of m.
Use: the usual parametrization, with a learning rate tuned at the width that will be trained, where
one can pay for that: 8 times as wide, muP is not more accurate at its best learning rate. The
paper's widths are up to 8192.
Symptoms: each trial is expensive; a larger network is worse
Topic: Hyperparameters
"""

import keras
import numpy as np


def multipliers(optimizer, wider):
    """Return by what muP multiplies the inputs of the first, the second and the last kernel.

    Args:
        optimizer: "SGD" or "Adam".
        wider: how many times as wide the network is as the one that is tuned.
    """
    if optimizer == "SGD":  # for learning rates times wider, 1 and 1 / wider
        return wider**0.5, 1.0, wider**-0.5
    return 1.0, 1 / wider, 1 / wider


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    units=256,
    tuned_units=32,
    optimizer="Adam",
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
        optimizer: "SGD" or "Adam".
        learning_rate: learning rate of the optimizer.
    """
    wider = units / tuned_units
    first, second, last = multipliers(optimizer, wider)
    model = keras.Sequential([keras.Input(input_shape)])
    for n, m in ((1, first), (2, second)):
        init = keras.initializers.VarianceScaling(2 / m**2)  # he_normal, divided by m
        model.add(keras.layers.Rescaling(m, name=f"h{n}_scale"))
        # Without biases, for which SGD would need another learning rate.
        model.add(keras.layers.Dense(units, use_bias=False, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    init = keras.initializers.VarianceScaling(1 / (wider * last**2))
    model.add(keras.layers.Rescaling(last, name="softmax_scale"))
    model.add(keras.layers.Dense(num_classes, "softmax", kernel_initializer=init, name="softmax"))
    optimizers = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}
    model.compile(
        optimizer=optimizers[optimizer](learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the narrow model with keras-tuner's hyperparameters, the rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, units=32, learning_rate=rate)


PAPER = "Yang et al. 2022"
SGD, ADAM = "SGD", "Adam"
USUAL, MUP = "usual", "muP"
NARROW, WIDE = 32, 256  # units
RATES = {SGD: 2.0 ** np.arange(-6, 4), ADAM: 2.0 ** np.arange(-11, -1)}
SETTINGS = [
    (optimizer, scaling, units)
    for optimizer in (SGD, ADAM)
    for scaling in (USUAL, MUP)
    for units in (NARROW, WIDE)
]
VARIANTS = {
    (optimizer, scaling, units, rate): {
        "batch_norm": False,
        "dropout": 0.0,
        "units": units,
        "tuned_units": NARROW if scaling == MUP else units,
        "optimizer": optimizer,
        "learning_rate": rate,
    }
    for optimizer, scaling, units in SETTINGS
    for rate in RATES[optimizer]
}


def run(lab):
    """Train both widths at ten learning rates, a factor of two apart, with and without muP."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=10, evaluate_every=10)
    loss = results.final("train_loss")
    rates = {}
    for optimizer, scaling, units in SETTINGS:
        lowest = loss[optimizer, scaling, units].array().argmin(axis=0)  # for each seed
        rates[optimizer, scaling, units] = np.log2(RATES[optimizer])[lowest]
    best = lab.measure(rates, "doublings", "best learning rate")
    *_, tuned = results.best(ADAM, USUAL, NARROW, by="train_loss")  # over all seeds

    lab.claim(
        f"SGD, usual: the best learning rate of {WIDE} units is lower than that of {NARROW}",
        source=f"{PAPER}, 3 and Figure 3",
        that=best[SGD, USUAL, WIDE] < best[SGD, USUAL, NARROW],
    )
    lab.claim(
        f"SGD, muP: the best learning rate of {WIDE} units is that of {NARROW}, within a factor "
        "of two",
        source=f"{PAPER}, 3 and Figure 3",
        that=best[SGD, MUP, WIDE].within(1, of=best[SGD, MUP, NARROW]),
    )
    lab.claim(
        f"Adam, usual: the best learning rate of {WIDE} units is lower than that of {NARROW}",
        source=f"{PAPER}, Figure 1",
        that=best[ADAM, USUAL, WIDE] < best[ADAM, USUAL, NARROW],
    )
    lab.claim(
        f"Adam, muP: the best learning rate of {WIDE} units is that of {NARROW}, within a factor "
        "of two",
        source=f"{PAPER}, Figure 1",
        that=best[ADAM, MUP, WIDE].within(1, of=best[ADAM, MUP, NARROW]),
    )
    lab.claim(
        f"Adam, learning rate tuned on {NARROW} units: with {WIDE} units training loss is lower "
        "under muP than in the usual parametrization",
        source=f"{PAPER}, Figure 1",
        that=loss[ADAM, MUP, WIDE, tuned] < loss[ADAM, USUAL, WIDE, tuned],
    )
    lab.table([results.best(*setting, by="train_loss") for setting in SETTINGS])
    axes = {"x_label": "learning rate", "each": (USUAL, MUP), "x_scale": "log"}
    for optimizer, name in ((ADAM, None), (SGD, "sgd")):
        widths = {f"{units} units": loss[optimizer, units] for units in (NARROW, WIDE)}
        figure = lab.lines(widths, along=RATES[optimizer], limits=(0, 2.5), **axes)
        lab.figure(figure, name=name)


if __name__ == "__main__":
    from recipes import main

    main(__file__)
