"""Does batch normalization allow larger learning rates?

Claim: with batch normalization the learning rate can be raised, and training takes fewer epochs
(Deep Learning from Scratch, 6.3.1, after Ioffe and Szegedy 2015); a wider range of learning rates
works well (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, how far to the right each line stays above 90 %, and how depth moves that
point; in TensorBoard, under gradients_log10, the networks of 10 layers at a rate of .64.
Why: normalization divides by the scale of a layer's outputs, so a kernel twice as large gives the
same outputs, and gradients half as large. A step that is too large makes the kernel grow, which
makes the steps after it smaller, where without normalization the outputs would explode.
Use: BatchNormalization in deep networks, with the learning rate tuned anew and larger ones among
the candidates. Where few epochs are needed it may save none.
Symptoms: training is slow; the loss is NaN after a few steps
Topic: Batch normalization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    hidden_layers=5,
    dropout=0.1,
    learning_rate=0.3,
):
    """Return a compiled classifier of vectors: `hidden_layers` hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        hidden_layers: number of hidden layers, of 100 units each.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
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
    layers = hp.Int("hidden_layers", 2, 10)
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 10.0, sampling="log")
    return build_model(
        input_shape, num_classes, hidden_layers=layers, dropout=dropout, learning_rate=rate
    )


BOOK = "Deep Learning from Scratch, 6.3.1"
COURSE = "Deep Learning Specialization, course 2 week 3"
RATES = (0.01, 0.04, 0.16, 0.64, 2.56, 10.24)  # learning rates, by factors of 4
EPOCHS = 15
DEPTHS = {"5 layers": 5, "10 layers": 10}
WITHOUT, WITH = "without BN", "with BN"
ARMS = {WITHOUT: False, WITH: True}
NETWORKS = [(depth, arm) for depth in DEPTHS for arm in ARMS]
VARIANTS = {
    (depth, arm, rate): {
        "hidden_layers": DEPTHS[depth],
        "batch_norm": ARMS[arm],
        "dropout": 0.0,
        "learning_rate": rate,
    }
    for depth, arm in NETWORKS
    for rate in RATES
}


def largest(usable):
    """Return log10 of the largest rate that is usable, (seeds,), for 1 or 0 in (rates, seeds).

    Where none is, it is half a step below the smallest.
    """
    rates = np.log10(RATES)[:, np.newaxis]
    return np.where(usable, rates, rates[0] - np.log10(2)).max(axis=0)


def run(lab):
    """Train each network at six learning rates; usable are those that end above 90 %."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=EPOCHS, watch=[("10 layers", 0.64)])
    accuracy = results.final("train_accuracy")
    usable = accuracy.map(lambda percent: percent >= 90, unit="rates")
    limits = {network: largest(usable[network].array()) for network in NETWORKS}
    limit = lab.measure(limits, unit="factors of ten")
    epochs = results.epochs_to("train_accuracy", 90)
    epochs = epochs.map(lambda count: np.minimum(count, EPOCHS + 1))  # never is one more than all
    best = {network: results.best(*network) for network in NETWORKS}

    for depth in DEPTHS:
        lab.claim(
            f"with BN the largest rate that ends above 90 % training accuracy is larger, {depth}",
            source=BOOK,
            that=limit[depth, WITH] > limit[depth, WITHOUT],
        )
    lab.claim(
        "with BN more of the six rates end above 90 % training accuracy, at both depths",
        source=COURSE,
        that=lab.every(
            [usable[depth, WITH].sum() > usable[depth, WITHOUT].sum() for depth in DEPTHS],
            unit="depths",
        ),
    )
    for depth in DEPTHS:
        lab.claim(
            f"with BN 90 % training accuracy takes fewer epochs, each at its best rate, {depth}",
            source=BOOK,
            that=epochs[best[depth, WITH]] < epochs[best[depth, WITHOUT]],
        )
    lab.table(best.values())
    lab.figure(
        lab.lines(
            accuracy,
            along=RATES,
            each=DEPTHS,
            lines=ARMS,
            limits=(0, 103),
            x_label="learning rate",
            x_scale="log",
        )
    )


if __name__ == "__main__":
    from recipes import main

    main(__file__)
