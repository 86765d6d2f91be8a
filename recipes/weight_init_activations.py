"""How does the scale of the initial weights shape activations and gradients?

Claim: with weights of standard deviation 1 sigmoid and tanh saturate, and gradients vanish;
Xavier's scale keeps the spread of tanh's outputs, He's that of ReLU's (Deep Learning from Scratch,
6.2.2 and 6.2.3). Glorot's keeps that of the gradients as well (Glorot and Bengio 2010, 4.2.1).
Look for: in the figure, which lines stay level, and in figure-gradients, which reach the first
layer; in TensorBoard, the histograms of each layer's outputs at step 0.
Why: a sum over n inputs spreads sqrt(n) times as far as one of them, so weights of 1/sqrt(n) keep
the spread; a ReLU, which cuts off half, asks for sqrt(2/n). On the way back the sum is over
outputs, so Glorot averages the two counts. A gradient is multiplied by slopes and by weights: in a
saturated layer most slopes are small, but weights are large.
Use: he_normal for ReLU, glorot_normal for tanh: their scale follows the layer's width.
Symptoms: the loss does not move; many units are always zero
Topic: Initial values and activations
"""

import keras
import numpy as np


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
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        activation: Keras's name of the hidden layers' activation.
        init: Keras's name of the kernels' initializer, or a standard deviation.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """

    def initializer():  # one for each layer; shared, it would repeat itself
        return init if isinstance(init, str) else keras.initializers.RandomNormal(stddev=init)

    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 6):
        model.add(keras.layers.Dense(100, kernel_initializer=initializer(), name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation(activation, name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    softmax = keras.layers.Dense(
        num_classes, "softmax", kernel_initializer=initializer(), name="softmax"
    )
    model.add(softmax)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    init = hp.Choice("init", ["lecun_normal", "glorot_normal", "he_normal"])
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, init=init, dropout=dropout, learning_rate=rate)


BOOK, PAPER = "Deep Learning from Scratch, 6.2", "Glorot and Bengio 2010, 4.2.1"
SIGMOID, TANH, RELU = "sigmoid", "tanh", "ReLU"
FUNCTIONS = (SIGMOID, TANH, RELU)
ONE, SMALL, XAVIER, GLOROT, HE = "std 1", "std .01", "Xavier", "Glorot", "He"
INITS = {
    ONE: 1.0,
    SMALL: 0.01,
    XAVIER: "lecun_normal",  # the book's Xavier, 1 / sqrt(inputs), is what Keras calls LeCun's
    GLOROT: "glorot_normal",
    HE: "he_normal",
}
PLAIN = {"batch_norm": False, "dropout": 0.0}  # as in the book
VARIANTS = {
    (function, name): PLAIN | {"activation": function.lower(), "init": init}
    for function in FUNCTIONS
    for name, init in INITS.items()
}
LAYERS = range(1, 6)
TWOFOLD = 0.3  # a factor of 2, in powers of ten


def saturated(outputs, function):
    """Return in % how many outputs of each model have a slope below a tenth of the steepest."""
    slopes = 4 * outputs * (1 - outputs) if function == SIGMOID else 1 - outputs**2
    return 100 * (slopes < 0.1).mean(axis=(1, 2))


def spread(values):
    """Return the logarithm to base 10 of each model's standard deviation over all values."""
    return np.log10(values.std(axis=(1, 2), dtype=float))


def run(lab):
    """Measure the outputs and gradients of models as they are before training."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=1, record=[0])
    forward, backward = {}, {}
    for function, name in VARIANTS:
        untrained = results.models((function, name), epoch=0)
        outputs = untrained.outputs(data.train.x)
        gradients = untrained.gradients(data.train)
        for n in LAYERS:
            forward[function, name, n] = spread(outputs[f"h{n}_act"])
            backward[function, name, n] = spread(gradients[f"h{n}/kernel"])
    output = lab.measure(forward, unit="powers of ten", label="std of the outputs")
    gradient = lab.measure(backward, unit="powers of ten", label="std of the gradients")
    output_growth = output[5] - output[1]
    gradient_growth = gradient[2] - gradient[5]
    shares = {}
    for function in (SIGMOID, TANH):
        outputs = results.models((function, ONE), epoch=0).outputs(data.train.x)
        shares[function] = saturated(outputs["h5_act"], function)
    share = lab.measure(shares, unit="%")

    lab.claim(
        "std 1: more than half of the fifth layer's outputs have a slope below a tenth of the "
        "steepest, sigmoid and tanh",
        source=f"{BOOK}.2",
        that=lab.every([share[SIGMOID] > 50, share[TANH] > 50], unit="activations"),
    )
    level = (output_growth[TANH, XAVIER], output_growth[TANH, GLOROT], output_growth[RELU, HE])
    lab.claim(
        "from layer 1 to 5 outputs keep their spread within a factor of 2: tanh from Xavier's and "
        "Glorot's scale, ReLU from He's",
        source=f"{BOOK}.2 and 6.2.3",
        that=lab.every([abs(change) < TWOFOLD for change in level], unit="networks"),
    )
    lab.claim(
        "tanh, Glorot's scale: from layer 5 to 2 gradients keep their spread within a factor of 2",
        source=PAPER,
        that=gradient_growth[TANH, GLOROT].within(TWOFOLD),
    )
    lab.claim(
        "sigmoid: from layer 5 to 2 gradients shrink more from std 1 than from Xavier's scale",
        source=f"{BOOK}.2",
        that=gradient_growth[SIGMOID, ONE] < gradient_growth[SIGMOID, XAVIER],
    )
    layers = {"along": LAYERS, "x_label": "hidden layer", "each": FUNCTIONS, "lines": INITS}
    lab.figure(lab.lines(output, **layers))
    lab.figure(lab.lines(gradient, **layers, limits=(-15, 5)), name="gradients")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
