"""Should the softmax be in the model, or should the loss get logits?

Claim: the loss that gets logits is the stable one (notes on the Deep Learning Specialization,
course 2 week 3).
Look for: in the figure, up to which logit each way corrects a wrong answer; where a line ends, the
gradient is NaN.
Why: from logits z the loss is ln(sum exp z) - z of the right class, which can be computed without
overflow. In two steps the softmax of a low logit rounds to 0, whose logarithm is infinite. Keras
clips probabilities at 1e-7 before that, so that the worst mistakes have a gradient of 0. But on
TensorFlow a compiled Keras model hands the logits of its softmax layer on to the loss.
Use: a softmax layer and "sparse_categorical_crossentropy" in a compiled model; from_logits=True
where the softmax and the loss are two operations of your own.
Symptoms: the loss is NaN after a few steps; the loss does not move
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="softmax",
    loss="sparse_categorical_crossentropy",
    hidden_layers=2,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: hidden layers, or none, and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        activation: of the last layer: "softmax", or "linear" to leave logits to the loss.
        loss: Keras's name of a loss, or a loss.
        hidden_layers: number of hidden layers.
        dropout: rate of Dropout before the last layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, activation, name="softmax"))
    model.compile(optimizer=keras.optimizers.SGD(learning_rate), loss=loss, metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


def two_steps(labels, logits):
    """Return Keras's cross-entropy of probabilities, without the logits behind them."""
    probabilities = 1.0 * keras.ops.softmax(logits)  # a product, so Keras finds no softmax
    return keras.losses.sparse_categorical_crossentropy(labels, probabilities)


def by_hand(labels, logits):
    """Return minus the logarithm of the probability of the label, which here is always 0."""
    return -keras.ops.log(keras.ops.softmax(logits)[:, 0])


NOTES = "notes on the Deep Learning Specialization, course 2 week 3"
FUSED, COMPILED = "logits in the loss", "softmax layer, compiled"
TWO_STEPS, BY_HAND = "softmax, then Keras's loss", "softmax, then -log"
FROM_LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
VARIANTS = {
    FUSED: {"activation": "linear", "loss": FROM_LOGITS},
    COMPILED: {"activation": "softmax", "loss": "sparse_categorical_crossentropy"},
    TWO_STEPS: {"activation": "linear", "loss": two_steps},
    BY_HAND: {"activation": "linear", "loss": by_hand},
}
LAST_LAYER = {"hidden_layers": 0, "dropout": 0.0, "learning_rate": 1.0}  # all that is trained
LOGITS = np.geomspace(1, 200, 24)  # of the wrong one of two classes; that of the right one is 0


def gradients(activation, loss):
    """Return the gradient by the right class's logit, 0, where the wrong one's is one of LOGITS."""
    model = build_model((1,), 2, activation=activation, loss=loss, **LAST_LAYER)
    last = model.get_layer("softmax")
    found = []
    for logit in LOGITS:
        kernel, bias = np.array([[0, logit]]), np.zeros(2)
        last.set_weights([kernel, bias])  # the input is 1, so the kernel holds the logits
        model.train_on_batch(np.ones((1, 1)), np.zeros(1))
        found.append(-last.kernel.numpy()[0, 0])  # at a rate of 1 a step subtracts the gradient
    return np.array(found)


def run(lab):
    """Compute the gradient of one wrong answer in four ways."""
    gradient = {way: gradients(**arguments) for way, arguments in VARIANTS.items()}
    exact = 1 / (1 + np.exp(LOGITS)) - 1

    lab.claim(
        "logits in the loss: the gradient of a wrong answer is right up to a logit of 200",
        source=NOTES,
        that=lab.exact(gradient[FUSED] - exact, 1e-6),
        any_data=True,
    )
    lab.claim(
        "a compiled softmax layer: the gradient of a wrong answer is right up to a logit of 200",
        that=lab.exact(gradient[COMPILED] - exact, 1e-6),
        any_data=True,
    )
    lab.claim(
        "a softmax, then Keras's loss: the gradient of a wrong answer is 0 beyond a logit of 17",
        that=lab.exact(gradient[TWO_STEPS][LOGITS > 17], 1e-6),
        any_data=True,
    )
    lab.claim(
        "a softmax, then -log: the gradient of a wrong answer is NaN beyond a logit of 104",
        that=lab.exact(np.isfinite(gradient[BY_HAND][LOGITS > 104]), 0),
        any_data=True,
    )
    drawn = {}
    for way, values in gradient.items():
        for logit, value in zip(LOGITS, values, strict=True):
            drawn[way, logit] = [value]
    axes = {"x_label": "logit of the wrong class", "y_label": "gradient by the right class's logit"}
    lab.figure(lab.lines(lab.measure(drawn), along=LOGITS, each=VARIANTS, **axes, x_scale="log"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
