"""Does one pass without masks stand for the average over many masks of Dropout?

Claim: inference, one pass without masks, is as accurate as the mean prediction of many thinned
networks (Srivastava et al. 2014, 7.5), which like an ensemble is more accurate than one of them
(Deep Learning from Scratch, 6.4.3). It is near their geometric mean (Goodfellow et al. 2016, 7.12).
Look for: in the figure, how many masks it takes to be as accurate as inference; in figure-distance,
which average of the masks inference is close to.
Why: Keras divides the units it keeps by the probability to keep one, so that a mask leaves the mean
of a layer's output as it is. In a model that is one softmax layer, one pass then averages the
logits of all masks exactly, which gives the geometric mean; through ReLU layers, approximately.
The arithmetic mean is less sure where the masks disagree.
Use: `model.predict(x)` for the class. Where the probabilities matter, compare it on validation data
with the mean of 50 calls `model(x, training=True)`; not with batch normalization, which would
normalize by the batch.
Symptoms: the probabilities are too sure
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.2, learning_rate=0.1
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after each hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
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


SRIVASTAVA = "Srivastava et al. 2014, 7.5"
BOOK = "Deep Learning from Scratch, 6.4.3"
GOODFELLOW = "Goodfellow et al. 2016, Deep Learning, 7.12"
MODEL = "6 x 100 units, Dropout of 0.2"
VARIANTS = {MODEL: {"batch_norm": False, "dropout": 0.2}}
MASKS = (1, 2, 5, 10, 20, 50, 100)  # how many are averaged
ARITHMETIC, GEOMETRIC, INFERENCE = "arithmetic mean", "geometric mean", "inference"


def predictions(models, x):
    """Return probabilities, (seeds, examples, classes), by kind of average and number of masks."""
    inference = models.predict(x)
    # Each draw has masks of its own for every seed and image.
    masked = np.stack([models.predict(x, training=True, draw=n) for n in range(MASKS[-1])])
    found = {}
    for count in MASKS:
        found[ARITHMETIC, count] = masked[:count].mean(axis=0)
        geometric = np.exp(np.log(np.maximum(masked[:count], 1e-30)).mean(axis=0))
        found[GEOMETRIC, count] = geometric / geometric.sum(axis=-1, keepdims=True)
        found[INFERENCE, count] = inference  # a flat line
    return found


def scores(probabilities, labels):
    """Return the accuracy in % and the mean loss in nats of each seed."""
    accuracy = 100 * np.mean(probabilities.argmax(axis=-1) == labels, axis=1)
    of_label = np.take_along_axis(probabilities, labels[..., np.newaxis], axis=-1)
    return accuracy, -np.log(np.maximum(of_label, 1e-7)).mean(axis=(1, 2))


def run(lab):
    """Train on 300 examples, as the book does; then draw a hundred masks for each test image."""
    data = lab.data(examples=300)
    results = lab.train(build_model, VARIANTS, data, epochs=120)
    found = predictions(results.models(MODEL), data.test.x)
    accuracies, losses, distances = {}, {}, {}
    for key, probabilities in found.items():
        accuracies[key], losses[key] = scores(probabilities, data.test.y)
        # The total variation is half the sum of these.
        difference = np.abs(probabilities - found[INFERENCE, 1])
        distances[key] = 50 * difference.sum(axis=-1).mean(axis=1)
    accuracy = lab.measure(accuracies, unit="%", label="test accuracy")
    loss = lab.measure(losses, unit="nats", label="test loss")
    distance = lab.measure(distances, unit="%", label="total variation distance to inference")

    lab.claim(
        "inference is as accurate as the mean of 100 masks, within 1 percentage point",
        source=SRIVASTAVA,
        that=accuracy[INFERENCE, 100].within(1, of=accuracy[ARITHMETIC, 100]),
    )
    lab.claim(
        "the mean of 100 masks is more accurate than one mask for each image",
        source=BOOK,
        that=accuracy[ARITHMETIC, 100] > accuracy[ARITHMETIC, 1],
    )
    lab.claim(
        "inference is nearer to the geometric mean of 100 masks than to the arithmetic one",
        source=GOODFELLOW,
        that=distance[GEOMETRIC, 100] < distance[ARITHMETIC, 100],
    )
    lab.claim(
        "the mean of 50 masks has a lower test loss than inference",
        that=loss[ARITHMETIC, 50] < loss[INFERENCE, 50],
    )
    masks = {"along": MASKS, "x_label": "masks averaged", "x_scale": "log"}
    lab.figure(lab.lines(accuracy, lines=(ARITHMETIC, GEOMETRIC, INFERENCE), **masks))
    lab.figure(lab.lines(distance, lines=(ARITHMETIC, GEOMETRIC), **masks), name="distance")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
