"""Should the bias of the last layer start at the class frequencies?

Claim: where there are ten negatives to a positive, a bias with which the network predicts these
frequencies at first lowers the initial loss and speeds up convergence (Karpathy 2019, A Recipe for
Training Neural Networks).
Look for: in the figure, where the two losses start, and how soon they meet at each learning rate;
in TensorBoard, the histograms of softmax/bias.
Why: from a bias of zero the first steps only learn how frequent the classes are. The loss of a
model that knows no more than that is the entropy of the frequencies, the least to be hoped for at
first. But the last kernel learns the frequencies as well, since the outputs of ReLU are positive on
average; so at a learning rate that suits the rest of the network it takes only a few steps.
Use: np.log(frequencies) as the last bias where classes are imbalanced: it costs one line, and a
first loss that is far from the entropy then shows a mistake.
Symptoms: the first loss is far from that of guessing; rare classes are never predicted
Topic: Initial values and activations
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, class_frequencies=None, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        class_frequencies: the share of each class, all above 0, at which the last bias starts; or
            None for a bias of zero.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    bias = "zeros"
    if class_frequencies is not None:
        # A list is saved with the model as it is, an array is not.
        bias = keras.initializers.Constant(np.log(class_frequencies).tolist())
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", bias_initializer=bias, name="softmax"))
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


KARPATHY = "Karpathy 2019, A Recipe for Training Neural Networks"
ZERO, LOG = "bias 0", "bias log p"
RATES = (0.01, 0.1, 1.0)
VARIANTS = {(bias, rate): {"learning_rate": rate} for bias in (ZERO, LOG) for rate in RATES}


def one_against_the_rest(dataset, random):
    """Return the data with the first class as positives, one in ten of digits, and the rest."""
    return dataset.map_labels(lambda y: y == 0, ("rest", dataset.class_names[0]))


def run(lab):
    """Train from a bias of zero and from the logarithms of the frequencies, at three rates."""
    data = lab.data(examples=1000).map(one_against_the_rest)
    shares = np.bincount(data.train.y.ravel()) / data.train.y.size
    frequencies = {ZERO: None, LOG: shares.tolist()}
    variants = {
        (bias, rate): arguments | {"class_frequencies": frequencies[bias]}
        for (bias, rate), arguments in VARIANTS.items()
    }
    results = lab.train(build_model, variants, data, epochs=20)
    losses = {key: results.curve("train_loss", key)[:, 0] for key in variants}
    first_loss = results.measure(losses, unit="nats")
    loss = results.mean_over_epochs("train_loss")
    test = results.final("test_accuracy")

    lab.claim(
        "a last bias of the log frequencies lowers the loss before training",
        source=KARPATHY,
        that=first_loss[LOG, 0.1] < first_loss[ZERO, 0.1],
    )
    lab.claim(
        "with a last bias of the log frequencies the mean training loss of 20 epochs is lower at "
        "each of 3 learning rates",
        source=KARPATHY,
        that=lab.every(loss[LOG] < loss[ZERO], unit="learning rates"),
    )
    lab.claim(
        "best rates: test accuracy with a last bias of the log frequencies is within 1 percentage "
        "point of that with bias 0",
        that=test[results.best(LOG)].within(1, of=test[results.best(ZERO)]),
    )
    lab.figure(lab.panels(results, "train_loss", each=RATES, lines=(ZERO, LOG)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
