"""What does a hidden layer add to softmax regression?

Claim: a softmax layer by itself has linear boundaries between classes, hidden layers bend them
(Deep Learning Specialization, course 2 week 3).
Look for: in the figure, which log odds run straight from one example to another; in figure-test,
what a hidden layer gains; in TensorBoard, accuracy.
Why: a softmax divides exp(z) by its sum over the classes. So the log odds of two classes are the
difference of two logits z = w x + b, and the classes tie where (w1 - w2) x + b1 - b2 = 0: on a
line, a plane or a hyperplane. A hidden layer gives the same softmax another x.
Use: softmax regression first; a hidden layer where it gains on validation data.
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    hidden_layers=1,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: hidden layers, or none, and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        hidden_layers: number of hidden layers; 0 is softmax regression.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout before the softmax.
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
    hidden_layers = hp.Int("hidden_layers", 0, 3)
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, hidden_layers=hidden_layers, dropout=dropout, learning_rate=rate
    )


COURSE = "Deep Learning Specialization, course 2 week 3"
REGRESSION, HIDDEN = "softmax alone", "hidden layer"
VARIANTS = {
    REGRESSION: {"hidden_layers": 0, "batch_norm": False, "dropout": 0.0},
    HIDDEN: {"hidden_layers": 1, "batch_norm": False, "dropout": 0.0},
}
SHARES = np.linspace(0, 1, 21)  # of the way from an example of class 0 to one of class 1


def straight_lines(split):
    """Return points from the first example of class 0 to the first of class 1, for each seed."""
    starts = [x[y == 0][0] for x, y in zip(split.x, split.y, strict=True)]
    ends = [x[y == 1][0] for x, y in zip(split.x, split.y, strict=True)]
    return np.linspace(starts, ends, len(SHARES), axis=1)


def log_odds(models, x):
    """Return the logarithm of the odds of class 0 against class 1, (seeds, points), in nats."""
    probabilities = np.maximum(models.predict(x), 1e-37)
    return np.log(probabilities[..., 0] / probabilities[..., 1])


def bend(odds):
    """Return how far the log odds of each seed are from a straight line between their ends."""
    chord = np.linspace(odds[:, 0], odds[:, -1], len(SHARES), axis=1)
    return np.abs(odds - chord).max(axis=1)


def run(lab):
    """Train with and without a hidden layer at the best rates, and walk from class to class."""
    data, epochs = lab.data(examples=1000), 40
    tuned = lab.tune(build_model, VARIANTS, data, epochs=epochs, learning_rate=(0.1, 0.3, 1.0))
    results = lab.train(build_model, tuned, data, epochs=epochs)
    test = results.final("test_accuracy")
    lines = straight_lines(data.test)
    odds = {name: log_odds(results.models(name), lines) for name in VARIANTS}
    bends = results.measure({HIDDEN: bend(odds[HIDDEN])}, unit="nats")

    lab.claim(
        "without a hidden layer the log odds of two classes are linear in the inputs",
        source=COURSE,
        that=lab.exact(bend(odds[REGRESSION]), 1e-3, unit="nats"),
        any_data=True,
    )
    lab.claim(
        "with a hidden layer the log odds of two classes leave the straight line by more than 1 "
        "nat, a factor of e",
        source=COURSE,
        that=bends > 1,
    )
    lab.claim(
        "a hidden layer raises test accuracy, each at its best learning rate",
        that=test[HIDDEN] > test[REGRESSION],
    )
    drawn = {}
    for name, values in odds.items():
        for share, at_share in zip(SHARES, values.T, strict=True):
            drawn[name, share] = at_share
    measure = lab.measure(drawn, unit="nats", label="log odds of class 0 against class 1")
    x_label = "share of the way from an example of class 0 to one of class 1"
    lab.figure(lab.lines(measure, along=SHARES, x_label=x_label, lines=VARIANTS))
    lab.figure(lab.dots(test), name="test")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
