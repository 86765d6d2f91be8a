"""My question?

Claim: what a textbook says, in its own sense (which one, and where).
Look for: what in the figure; what in TensorBoard.
Why: the mechanism, in two to six lines.
Use: the setting that you would use after all.
Topic: My own
"""

import keras


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.2, learning_rate=0.1
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after each hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
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


BOOK = "where the claim stands"
WITHOUT, WITH = "without BN", "with BN"
VARIANTS = {WITHOUT: {"batch_norm": False}, WITH: {}}

# What else there is, to be deleted; CONTRIBUTING.md has all of it:
#   keys of parts    {(WITH, 0.1): {"learning_rate": 0.1}, ...}; then accuracy[WITH, 0.1]
#   tuned variants   lab.tune(build_model, VARIANTS, data, epochs=20, learning_rate=(0.01, 0.1, 1))
#   changed data     data.map(lambda dataset, random: dataset.with_train(y=...))
#   measures         results.final, .mean_over_epochs, .reached, .epochs_to
#   comparisons      a > b, a > b + 2, a.within(1, of=b), lab.at_least(3, a > b), lab.every(a > b)
#   figures          lab.panels, lab.lines, lab.dots; lab.table chooses the rows that are printed


def run(lab):
    """Train both variants for 20 epochs and compare their test accuracy."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=20)
    accuracy = results.final("test_accuracy")

    lab.claim(
        "with batch normalization test accuracy is higher after 20 epochs",
        source=BOOK,
        that=accuracy[WITH] > accuracy[WITHOUT],
    )
    curves = {"training": "train_accuracy", "validation": "val_accuracy"}
    lab.figure(lab.panels(results, curves, each=VARIANTS))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
