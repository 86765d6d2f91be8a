"""How does the initial scale of the weights shape the training?

Claim: from a standard deviation of .01 a deep network can't learn; from Xavier's and from He's
initial weights it does, with ReLU faster from He's, while Xavier's suit sigmoid and tanh (Deep
Learning from Scratch, sections 6.2.2 to 6.2.4, after Glorot and Bengio 2010 and He et al. 2015).

Look for: in the figure, which losses fall and which never leave that of guessing; in TensorBoard,
the same under epoch_loss, and the gradients' histograms of "relu, std .01", all of them near 0.

Xavier's suit sigmoid and tanh less than claimed: the rule was derived for functions of slope 1. A
tanh has it at zero only, a sigmoid's slope is at most 1/4, and each layer multiplies gradients by
slopes and weights. Larger weights make up for small slopes, so He's do better with both, and a deep
sigmoid learns best from weights that saturate it. With one hidden layer, or with normalization, it
learns from Xavier's as well. Two rules have that name: the book's goes by the inputs of a unit,
Glorot's by inputs and outputs. Between layers of equal width they are the same.

Where nothing is learned, an accuracy above chance is luck: all outputs are nearly equal, and their
last decimals decide. The loss tells.

Use: he_normal with ReLU, and with tanh too; never one standard deviation for all layers.
Symptoms: the loss does not move; a deep net does not learn
Topic: Initial values and activations
"""

import keras
import numpy as np

HIDDEN_LAYERS = 4
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    init="he_normal",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: four hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        activation: of the hidden layers.
        init: standard deviation of the initial weights, or Keras's name of an initializer. What
            the book calls Xavier, 1/sqrt(inputs), is "lecun_normal"; Glorot's is "glorot_normal",
            He's "he_normal".
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """

    def initializer():
        return init if isinstance(init, str) else keras.initializers.RandomNormal(stddev=init)

    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer=initializer(), name=f"h{n}"))
        if batch_norm:
            layers.append(keras.layers.BatchNormalization(momentum=0.9, name=f"h{n}_bn"))
        layers.append(keras.layers.Activation(activation, name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(
            num_classes, activation="softmax", kernel_initializer=initializer(), name="softmax"
        ),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: standard deviation and rate on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        init=hp.Float("init_std", 1e-3, 1.0, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


ONE, SMALL, XAVIER, GLOROT, HE = "std 1", "std .01", "Xavier", "Glorot", "He"
INITS = {ONE: 1.0, SMALL: 0.01, XAVIER: "lecun_normal", GLOROT: "glorot_normal", HE: "he_normal"}
BARE = {"batch_norm": False, "dropout": 0.0}  # as in the book: nothing mends what the scale does
# At the book's rate for half its 2000 steps, and at the best rate of each for fewer.
BOOK, BEST = "lr 0.01", "best lr"
EPOCHS = {BOOK: 100, BEST: 30}
COMPARED = {
    BOOK: {"relu": (SMALL, XAVIER, HE, GLOROT), "tanh": (SMALL, XAVIER, HE)},
    BEST: {"relu": (SMALL, XAVIER, HE), "tanh": (XAVIER, HE), "sigmoid": (XAVIER, HE, ONE)},
}


def at(function, name, rate):
    """Name the variant of an activation function, initial weights and learning rate."""
    return f"{function}, {name}, {rate}"


VARIANTS = {
    at(function, name, rate): BARE
    | {"activation": function, "init": INITS[name], "learning_rate": 0.01}
    for rate, by_function in COMPARED.items()
    for function, names in by_function.items()
    for name in names
}


def run(lab):
    """Train at the book's rate and at the best of each; compare what learns, and how fast."""
    book, after = "Deep Learning from Scratch, 6.2.", "after Deep Learning from Scratch, 6.2."
    data = lab.data(examples=1000)
    variants = {rate: {n: a for n, a in VARIANTS.items() if n.endswith(rate)} for rate in EPOCHS}
    variants[BEST] = lab.tune(
        build_model, variants[BEST], data, epochs=EPOCHS[BEST], values=(0.1, 0.3, 1.0)
    )
    for rate, function, names in ((BOOK, "relu", (SMALL, HE)), (BEST, "sigmoid", (XAVIER, ONE))):
        watch = [at(function, name, rate) for name in names]
        lab.train(build_model, variants[rate], data, epochs=EPOCHS[rate], watch=watch)
    histories = lab.histories

    shares = np.unique(data.train.y, return_counts=True)[1] / len(data.train)
    guessing = -np.sum(
        shares * np.log(shares)
    )  # the loss of whoever knows how frequent classes are

    def learned(variant):
        """Return how far the loss ends below that of guessing, (seeds,) in %."""
        return 100 * (1 - histories.final("loss", variant) / guessing)

    for variant, source in (
        (at("relu", SMALL, BOOK), book + "4"),
        (at("tanh", SMALL, BOOK), after + "4"),
        (at("relu", SMALL, BEST), after + "4"),
    ):
        text = f"{variant}: can't learn, the loss ends less than 1 % below that of guessing"
        lab.claim(text, source, -learned(variant), at_least=-1, unit="% above it")
    small = at("relu", SMALL, BOOK)
    text = f"{small}: training accuracy ends within 2 points of chance"
    above = 100 * (histories.final("accuracy", small) - data.chance)
    lab.claim(text, book + "4", above, within=2, unit="points")
    for variant, source in (
        (at("relu", XAVIER, BOOK), book + "4"),
        (at("relu", HE, BOOK), book + "4"),
        (at("tanh", XAVIER, BOOK), after + "4"),
        (at("sigmoid", XAVIER, BEST), after + "2"),
    ):
        text = f"{variant}: learns, the loss ends more than 50 % below that of guessing"
        lab.claim(text, source, learned(variant), at_least=50, unit="% below it")
    for function, first, second, rate, source in (
        ("relu", HE, XAVIER, BOOK, book + "4"),
        ("relu", HE, GLOROT, BOOK, after + "4"),
        ("relu", HE, XAVIER, BEST, after + "4"),
        ("tanh", XAVIER, HE, BOOK, after + "3"),
        ("tanh", XAVIER, HE, BEST, after + "3"),
        ("sigmoid", XAVIER, HE, BEST, after + "3"),
        ("sigmoid", XAVIER, ONE, BEST, after + "2"),
    ):
        speeds = [
            histories.mean_over_epochs("accuracy", at(function, name, rate))
            for name in (first, second)
        ]
        text = f"{first} learns faster than {second}, {function}, {rate}"
        lab.claim(text, source, 100 * np.subtract(*speeds), unit="points")
    lab.claim(
        f"the book's Xavier and Glorot's end within 2 points of test accuracy, relu, {BOOK}",
        "this recipe",
        histories.difference(
            "test_accuracy", at("relu", XAVIER, BOOK), at("relu", GLOROT, BOOK), 100
        ),
        within=2,
        unit="points",
    )
    layouts = {
        rate: {
            f"{function}, {rate}": {name: at(function, name, rate) for name in names}
            for function, names in by_function.items()
        }
        for rate, by_function in COMPARED.items()
    }
    limits = 0, 1.15 * np.log(data.num_classes)  # a little above the loss of guessing
    loss = {"metric": "loss", "label": "training loss", "scale": 1, "limits": limits}
    lab.figure(lab.panels(histories, layouts[BOOK], **loss))
    lab.figure(lab.panels(histories, layouts[BEST]), "best-rates")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
