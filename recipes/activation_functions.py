"""Which activation for a deep plain net?

Claim: never use the sigmoid; use ReLU, which learns much faster than tanh and ends higher, but
watch its dead units, which a high learning rate makes, and of which leaky ReLU has none (CS231n,
Neural Networks Part 1). That a deep net of sigmoids does not learn is the first thing to see.

Look for: in the figure, which curve never leaves chance, how high and how wide the others are, and
from which rate on units die; in TensorBoard, the dead units of ReLU at three rates.

Why tanh is not slower: the outputs of ReLU are all positive, so from layer to layer the examples
become more alike; those of tanh and ELU lie on both sides of zero and keep them apart. The notes
quote a factor of six from a convolutional net (Krizhevsky et al. 2012). With batch normalization,
which centres for all of them, ReLU keeps up with tanh, and even the sigmoid learns. Some ReLU units
are dead from the start; a moderate rate wakes most of them, a high one kills more.

Use: ReLU behind batch normalization, ELU or tanh in a deep net without it; no sigmoid in hidden
layers.
Symptoms: the loss does not move; many units are always zero; a deep net does not learn
Topic: Initial values and activations
"""

import keras
import numpy as np

HIDDEN_LAYERS = 8
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: eight hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        activation: of the hidden layers, by Keras's name.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        dense = keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}")
        layers.append(dense)
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation(activation, name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


ACTIVATIONS = {
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "ReLU": "relu",
    "leaky ReLU": "leaky_relu",
    "ELU": "elu",
    "GELU": "gelu",
}
FAMILY = ("ReLU", "leaky ReLU", "ELU", "GELU")
RATES = np.logspace(-2, 0, 7)  # three a decade


def at(activation, rate):
    """Name the variant of one activation and learning rate."""
    return f"{activation}, lr {rate:.2g}"


VARIANTS = {
    at(activation, rate): {"activation": name, "learning_rate": rate, "batch_norm": False}
    for activation, name in ACTIVATIONS.items()
    for rate in RATES
}


def dead_units(histories, variant, x):
    """Return how many per cent of the hidden units are zero for all inputs x, (seeds,).

    NaN where training diverged: weights that are not finite have no dead units to count.
    """
    outputs = histories.models(variant).outputs(x)
    zero = [(outputs[f"h{n}_act"] == 0).all(axis=1) for n in range(1, HIDDEN_LAYERS + 1)]
    return np.where(histories.diverged(variant), np.nan, 100 * np.mean(zero, axis=(0, 2)))


def run(lab):
    """Train six activations at seven rates, compare the best of each, count the dead units."""
    notes = "CS231n, Neural Networks Part 1"
    data = lab.data(examples=1000)
    watch = [at("sigmoid", RATES[3]), at("tanh", RATES[3])]
    watch += [at("ReLU", rate) for rate in RATES[1:6:2]]
    histories = lab.train(build_model, VARIANTS, data, epochs=20, watch=watch)
    by_rate = {a: [at(a, rate) for rate in RATES] for a in ACTIVATIONS}
    best = {a: histories.best(by_rate[a]) for a in ACTIVATIONS}

    def speed(activation):
        """Return the mean training accuracy over all epochs, (seeds,), at the fastest rate."""
        mean = histories.mean_over_epochs
        fastest = max(by_rate[activation], key=lambda v: mean("val_accuracy", v).mean())
        return 100 * mean("accuracy", fastest)

    lab.claim(
        "sigmoid stays within 2 points of chance, at its best rate",
        notes,
        100 * (histories.final("test_accuracy", best["sigmoid"]) - data.chance),
        within=2,
        unit="points",
    )
    for other in ("sigmoid", "tanh"):
        lab.claim(
            f"test accuracy is higher with ReLU than with {other}, each at its best rate",
            notes,
            histories.difference("test_accuracy", best["ReLU"], best[other], scale=100),
            unit="points",
        )
    lab.claim(
        "the ReLU family trains: 4 of 4 reach 90 % training accuracy, each at its best rate",
        f"after {notes}",
        {a: 100 * (histories.final("accuracy", best[a]) - 0.9) for a in FAMILY},
        at_least=4,
        unit="activations",
    )
    for first, second, source in (("ReLU", "tanh", notes), ("ELU", "ReLU", "Clevert et al. 2016")):
        lab.claim(
            f"{first} learns faster than {second}, each at its fastest rate",
            source,
            speed(first) - speed(second),
            unit="points of mean training accuracy",
        )
    dead = {
        a: np.array([dead_units(histories, v, data.train.x) for v in by_rate[a]]).T
        for a in ("ReLU", "leaky ReLU")
    }
    # Columns of the rates at which no run diverges, for what a diverged one leaves is no dead unit.
    columns = np.flatnonzero(np.isfinite(dead["ReLU"]).all(axis=0))
    lowest, highest = (columns[0], columns[-1]) if len(columns) else (0, 0)
    counts = np.nan_to_num(dead["ReLU"])
    for column, name in ((by_rate["ReLU"].index(best["ReLU"]), "best"), (lowest, "lowest")):
        lab.claim(
            f"more ReLU units are dead at the highest rate without divergence than at the {name}",
            notes,
            counts[:, highest] - counts[:, column],
            unit="% of the units",
        )
    lab.claim(
        "no leaky ReLU unit is dead, at any rate without divergence",
        notes,
        np.nan_to_num(dead["leaky ReLU"]).max(axis=1),
        within=0.1,
        unit="% of the units",
    )
    accuracy = {
        a: np.array([100 * histories.final("test_accuracy", v) for v in by_rate[a]]).T
        for a in ACTIVATIONS
    }
    layout = {
        "right answers on test data": {a: (RATES, values) for a, values in accuracy.items()},
        "dead hidden units (no mark: a run diverged)": {
            a: (RATES, values) for a, values in dead.items()
        },
    }
    figure = lab.lines(
        layout, x_label="learning rate", y_label="per cent", x_scale="log", limits=(-3, 103)
    )
    lab.figure(figure)
    lab.table({f"{a} (best)": variant for a, variant in best.items()})


if __name__ == "__main__":
    from recipes import main

    main(__file__)
