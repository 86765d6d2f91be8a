"""What does inference average where training drops units?

Claim: inference, without masks, stands for the average over all networks that masks leave, as in an
ensemble (Deep Learning from Scratch, 6.4.3). Of their probabilities it is nearer the geometric mean
than the arithmetic one (Goodfellow et al. 2016, Deep Learning, 7.12).
Look for: in the figure, how many masks it takes to be as accurate as one pass without any, and
which average of the masks that pass is close to.
Why: every mask leaves another network. One pass without masks comes close to their average if only
each layer gets inputs as large as in training, where a share `keep` was left: either inference
multiplies by `keep`, as in the book, or training by 1 / `keep`, as Keras does. It averages what
goes into the softmax, hence the logarithms of the probabilities. These networks have no batch
normalization, which would use the statistics of the batch where masks are drawn (training=True).
Use: plain `predict` for the class; where the probabilities matter, too, the mean of some 50 passes
with training=True.
Symptoms: the probabilities are too sure
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.2,
    scale_at_test=False,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of each hidden layer's units that training drops.
        scale_at_test: whether inference multiplies by the share kept, as in the book, instead of
            training dividing by it, as Keras does.
        learning_rate: of plain gradient descent.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
        if scale_at_test:  # in training this undoes Keras's 1 / (1 - dropout)
            model.add(keras.layers.Rescaling(1 - dropout, name=f"h{n}_scaling"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the learning rate on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


BOOK = "Deep Learning from Scratch, 6.4.3"
GOODFELLOW = "Goodfellow et al. 2016, Deep Learning, 7.12"
IN_TRAINING, AT_TEST = "scaled in training", "scaled at test"
VARIANTS = {
    IN_TRAINING: {"batch_norm": False},
    AT_TEST: {"batch_norm": False, "scale_at_test": True},
}
KEEP = 0.8  # share of the units that the default rate of Dropout keeps
MASKS = (1, 2, 5, 10, 20, 50, 100)
ARITHMETIC, GEOMETRIC = "arithmetic mean", "geometric mean"


def average_over_masks(models, x):
    """Return the mean probabilities of the first masks, by kind of mean and number of masks."""
    passes = np.stack([models.predict(x, training=True, draw=n) for n in range(MASKS[-1])])
    logarithms = np.log(np.maximum(passes, 1e-30))
    means = {}
    for count in MASKS:
        means[ARITHMETIC, count] = passes[:count].mean(axis=0)
        product = np.exp(logarithms[:count].mean(axis=0))
        means[GEOMETRIC, count] = product / product.sum(axis=-1, keepdims=True)
    return means


def without_scaling(models):
    """Return the models with the factor that inference multiplies by left out of every layer."""
    for n in range(2, 7):
        models.weights[f"h{n}/kernel"] /= KEEP
    models.weights["softmax/kernel"] /= KEEP
    return models


def run(lab):
    """Train on 300 examples, as the book does; then draw a hundred masks for the test images."""
    data = lab.data(examples=300)
    results = lab.train(build_model, VARIANTS, data, epochs=120)
    models = results.models(IN_TRAINING)
    inference = models.predict(data.test.x)
    accuracy, distance = {}, {}
    for key, mean in average_over_masks(models, data.test.x).items():
        accuracy[key] = 100 * np.mean(mean.argmax(axis=-1) == data.test.y, axis=1)
        distance[key] = 50 * np.abs(mean - inference).sum(axis=-1).mean(axis=1)
    accuracy = lab.measure(accuracy, unit="%", label="test accuracy")
    distance = lab.measure(distance, unit="%", label="probability that differs from inference's")
    unscaled = without_scaling(results.models(AT_TEST)).loss(data.test)
    unscaled = lab.measure(unscaled, unit="nats")

    lab.claim(
        "inference is as accurate as the mean of 100 masks, within 1 percentage point",
        source=BOOK,
        that=results.final("test_accuracy")[IN_TRAINING].within(1, of=accuracy[ARITHMETIC, 100]),
    )
    lab.claim(
        "the mean of 100 masks is more accurate than one mask, as an ensemble is",
        source=BOOK,
        that=accuracy[ARITHMETIC, 100] > accuracy[ARITHMETIC, 1],
    )
    lab.claim(
        "inference is nearer to the geometric mean of 100 masks than to the arithmetic one",
        source=GOODFELLOW,
        that=distance[GEOMETRIC, 100] < distance[ARITHMETIC, 100],
    )
    lab.claim(
        "without scaling at test the test loss is higher, if training does not scale either",
        source=BOOK,
        that=unscaled > results.final("test_loss")[AT_TEST],
    )
    means = (ARITHMETIC, GEOMETRIC)
    axis = {"along": MASKS, "lines": means, "x_label": "masks averaged", "x_scale": "log"}
    lab.figure(lab.lines(accuracy, **axis))
    lab.figure(lab.lines(distance, **axis), "distance")


if __name__ == "__main__":
    from recipes import main

    main(__name__)
