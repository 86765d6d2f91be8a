"""Does Dropout narrow the gap between training and test, and does it raise test accuracy?

Claim: Dropout narrows the gap between training and test accuracy, and training accuracy ends lower
(Deep Learning from Scratch, 6.4.3). On 1000 examples it raises test accuracy (Srivastava et al.
2014, 7.4).
Look for: in the figure, how far validation stays below training; in figure-test, which variant is
most accurate; in TensorBoard, under loss, whether validation rises again.
Why: every example in every step has its own thinned network, so that no unit can rely on particular
others. The masks make gradients noisy and learning slower: at the book's learning rate of .01 its
network with Dropout still improves after 300 epochs. Here each variant has the learning rate that
is best on validation data.
Use: a rate of Dropout chosen on validation data, 0 among the candidates, and the learning rate
tuned anew for each.
Symptoms: validation is far below training; validation loss rises
Topic: Regularization
"""

import keras


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.2,
    hidden_layers=3,
    units=200,
    momentum=0.95,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: `hidden_layers` hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after each hidden layer.
        hidden_layers: number of hidden layers.
        units: units of each hidden layer.
        momentum: momentum of SGD.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, hidden_layers + 1):
        model.add(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    units = hp.Int("units", 50, 400, sampling="log")
    rate = hp.Float("learning_rate", 1e-3, 0.3, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, units=units, learning_rate=rate)


BOOK, PAPER = "Deep Learning from Scratch, 6.4.3", "Srivastava et al. 2014"
BOOKS, PAPERS = "6 x 100 units", "3 x 200 units"  # hidden layers
NETWORKS = {
    BOOKS: {"hidden_layers": 6, "units": 100, "momentum": 0.0},
    # For a rate of 0.5 twice as many units as usual, and momentum of 0.95 (the paper, appendix A).
    PAPERS: {"hidden_layers": 3, "units": 200, "momentum": 0.95},
}
DROPOUTS = {BOOKS: (0.0, 0.2), PAPERS: (0.0, 0.5)}
VARIANTS = {
    (network, dropout): arguments | {"batch_norm": False, "dropout": dropout}
    for network, arguments in NETWORKS.items()
    for dropout in DROPOUTS[network]
}
# Candidates for the learning rate.
RATES = {BOOKS: (0.03, 0.1, 0.3), PAPERS: (0.01, 0.03, 0.1)}


def run(lab):
    """Train each variant at its best learning rate, for 360 or 400 steps."""
    few, more = lab.data(examples=300), lab.data(examples=1000)  # as in the book, as in the paper
    data = {BOOKS: few, PAPERS: more}
    epochs = {BOOKS: 120, PAPERS: 40}
    tuned = lab.tune(build_model, VARIANTS, data, epochs=epochs, learning_rate=RATES)
    every = {BOOKS: 12, PAPERS: 4}  # 36 or 40 steps from one evaluation to the next
    results = lab.train(
        build_model, tuned, data, epochs=epochs, evaluate_every=every, watch=[BOOKS]
    )
    train, test = results.final("train_accuracy"), results.final("test_accuracy")
    gap = train - test

    lab.claim(
        f"training minus test accuracy is smaller with Dropout of 0.2, {BOOKS}",
        source=BOOK,
        that=gap[BOOKS, 0.2] < gap[BOOKS, 0.0],
    )
    lab.claim(
        f"training accuracy ends lower with Dropout of 0.2, {BOOKS}",
        source=BOOK,
        that=train[BOOKS, 0.2] < train[BOOKS, 0.0],
    )
    lab.claim(
        f"Dropout of 0.5 raises test accuracy, {PAPERS}",
        source=f"{PAPER}, 7.4",
        that=test[PAPERS, 0.5] > test[PAPERS, 0.0],
    )
    curves = {"training": "train_accuracy", "validation": "val_accuracy"}
    lab.figure(lab.panels(results, curves, each=VARIANTS))  # a panel for each variant
    lab.figure(lab.dots(test), name="test")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
