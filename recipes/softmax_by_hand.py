"""What does a softmax compute?

Claim: the softmax divides exp(z) by its sum over the classes, so that (5, 2, -1, 3) becomes (.842,
.042, .002, .114); a hardmax would make it (1, 0, 0, 0). The loss is -log of the right class's
output, and its gradient by the logits is ŷ - y (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how the softmax becomes a hardmax at low temperatures.
Why: exp makes all numbers positive, the sum makes them probabilities. Half the temperature, by
which logits are divided, squares the odds of any two classes, until the largest takes all. In the
gradient the softmax's derivative cancels the logarithm's: what is left is the error itself, however
wrong the output is.
Use: a softmax layer and "sparse_categorical_crossentropy"; these numbers to check one of your own.
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, hidden_layers=1, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: hidden layers, or none, and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        hidden_layers: number of hidden layers; 0 is softmax regression.
        dropout: rate of Dropout before the softmax.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
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
    hidden_layers = hp.Int("hidden_layers", 0, 3)
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, hidden_layers=hidden_layers, dropout=dropout, learning_rate=rate
    )


COURSE = "Deep Learning Specialization, course 2 week 3"
VARIANTS = {"softmax alone": {"hidden_layers": 0, "dropout": 0.0, "learning_rate": 1.0}}
LOGITS = np.array([5.0, 2.0, -1.0, 3.0])  # the course's examples
SOFTMAX = np.array([0.842, 0.042, 0.002, 0.114])
PREDICTION = np.array([0.3, 0.2, 0.1, 0.4])
TEMPERATURES = np.logspace(-2, 2, 41)


def softmax_layer(kernel, bias):
    """Return the template without a hidden layer, with this kernel, (inputs, classes), and bias."""
    model = build_model(kernel.shape[:1], len(bias), **VARIANTS["softmax alone"])
    model.get_layer("softmax").set_weights([kernel, bias])
    return model


def loss_and_gradient(logits, label):
    """Return the loss of one example and its gradient by the logits, (classes,)."""
    model = softmax_layer(np.zeros((1, len(logits))), logits)  # the bias holds the logits
    loss, _ = model.train_on_batch(np.zeros((1, 1)), np.array([label]))
    return loss, logits - model.get_layer("softmax").bias.numpy()  # at a rate of 1


def run(lab):
    """Give the course's examples to Keras's softmax and its loss."""
    layer = softmax_layer(np.eye(4), np.zeros(4))  # its inputs are the logits
    outputs = layer.predict(LOGITS / TEMPERATURES[:, np.newaxis], verbose=0)
    at_1, coldest = layer.predict(LOGITS[np.newaxis], verbose=0), outputs[0]
    losses, gradients = [], []
    for label in range(4):
        loss, gradient = loss_and_gradient(np.log(PREDICTION), label)
        losses.append(loss)
        gradients.append(gradient)

    lab.claim(
        "the softmax of (5, 2, -1, 3) is (.842, .042, .002, .114), to three decimals",
        source=COURSE,
        that=lab.exact(at_1 - SOFTMAX, 5e-4),
        any_data=True,
    )
    lab.claim(
        "the outputs of a softmax sum to 1, at temperatures from .01 to 100",
        source=COURSE,
        that=lab.exact(outputs.sum(axis=1) - 1, 1e-6),
        any_data=True,
    )
    lab.claim(
        "the softmax of (5, 2, -1, 3) is (1, 0, 0, 0), the hardmax, at a temperature of .01",
        source=COURSE,
        that=lab.exact(coldest - np.array([1, 0, 0, 0]), 1e-6),
        any_data=True,
    )
    lab.claim(
        "the loss of outputs (.3, .2, .1, .4) is -log of the label's, such as -log(.2)",
        source=COURSE,
        that=lab.exact(losses + np.log(PREDICTION), 1e-6, unit="nats"),
        any_data=True,
    )
    lab.claim(
        "the gradient of the loss by the logits is ŷ - y, for each of four labels",
        source=COURSE,
        that=lab.exact(gradients - (PREDICTION - np.eye(4)), 1e-6),
        any_data=True,
    )
    drawn = {}
    for temperature, values in zip(TEMPERATURES, outputs, strict=True):
        for logit, value in zip(LOGITS, values, strict=True):
            drawn[f"logit {logit:g}", temperature] = [value]
    names = [f"logit {logit:g}" for logit in LOGITS]
    axes = {"x_label": "temperature, by which logits are divided", "y_label": "output"}
    lab.figure(
        lab.lines(lab.measure(drawn), along=TEMPERATURES, lines=names, **axes, x_scale="log")
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
