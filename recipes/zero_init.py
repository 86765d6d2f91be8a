"""May all weights start from the same value, such as zero?

Claim: no; from zeros, or from any other value that all weights share, the units of a layer stay
equal through all of training, so that many are worth no more than one (Deep Learning from Scratch,
6.2.1). Small random values tell them apart (CS231n, Neural Networks Part 2).
Look for: in the figure, how far equal weights get; in TensorBoard, under weights, the single value
of h2/kernel in "all .01".
Why: units with equal weights, before and behind them, give equal outputs, get equal gradients and
take equal steps. From zeros it is worse: a ReLU hands on zeros, and no gradient, so that only the
biases of the softmax move.
Use: random kernels, such as he_normal with ReLU; zeros for biases only.
Symptoms: the loss does not move
Topic: Initial values and activations
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    init="he_normal",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        init: Keras's name of the kernels' initializer, or a value that all weights share.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    if not isinstance(init, str):
        init = keras.initializers.Constant(init)
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(64, kernel_initializer=init, name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", kernel_initializer=init, name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


BOOK, NOTES = "Deep Learning from Scratch, 6.2.1", "CS231n, Neural Networks Part 2"
ZEROS, EQUAL, RANDOM = "all 0", "all .01", "random, std .05"
PLAIN = {"batch_norm": False, "dropout": 0.0}
VARIANTS = {
    ZEROS: PLAIN | {"init": "zeros"},
    EQUAL: PLAIN | {"init": 0.01},
    RANDOM: PLAIN | {"init": "random_normal"},
}
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)  # learning rates to choose from


def differences(models):
    """Return by how much weights of units of the same hidden layer differ at the most."""
    kernels = [models.weights[f"h{n}/kernel"] for n in (1, 2)]  # (models, inputs, units)
    return [np.ptp(kernel, axis=-1).max() for kernel in kernels]


def run(lab):
    """Train from equal weights and from random ones, each at its best learning rate."""
    data = lab.data(examples=1000)
    tuned = lab.tune(build_model, VARIANTS, data, epochs=20, learning_rate=RATES)
    results = lab.train(build_model, tuned, data, epochs=20)
    train = results.final("train_accuracy")

    lab.claim(
        "from zeros the units of each hidden layer are still equal after training",
        source=BOOK,
        that=lab.exact(differences(results.models(ZEROS)), 1e-6),
        any_data=True,
    )
    lab.claim(
        "from weights of .01 the units of each hidden layer are still equal after training",
        source=BOOK,
        that=lab.exact(differences(results.models(EQUAL)), 1e-6),
        any_data=True,
    )
    lab.claim(
        "training accuracy is higher from random weights than from equal weights of .01",
        source=NOTES,
        that=train[RANDOM] > train[EQUAL],
    )
    lab.figure(lab.panels(results, "train_accuracy"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
