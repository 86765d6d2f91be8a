"""How much weight decay, and as L2 in the loss or as decay in the update?

Claim: overfitting comes from weights that are too large, and weight decay narrows the gap between
training and test accuracy (Deep Learning from Scratch, 6.4.2). L2 in the loss and decay in the
update are the same with SGD, but not with Adam, where decay generalizes better (Loshchilov and
Hutter 2019, "Decoupled Weight Decay Regularization").
Look for: in the figure, at which λ the gap falls while the test error rises; in TensorBoard, under
histograms, how the kernels shrink.
Why: a step of SGD with decay λ leads to w - learning_rate * (gradient + λ * w). Keras's L2(l) adds
l * sum(w**2) to the loss, whose gradient is 2 * l * w, so l = λ / 2 does the same. Adam divides
each gradient by its usual size, and that of a penalty with it: weights with large gradients hardly
shrink, and those without any by the learning rate at each step, however small λ. Decay in the
update takes the same share of all.
Use: weight_decay=λ in the optimizer, with λ chosen by accuracy or loss on validation data, on a
logarithmic scale, and never by the gap. With SGD, keras.regularizers.L2(λ / 2) is the same.
Symptoms: validation far below training; validation loss rises
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    optimizer="Adam",
    decay=0.1,
    in_loss=False,
    learning_rate=0.001,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        optimizer: "SGD" or "Adam".
        decay: weight decay λ, of kernels and biases.
        in_loss: whether it is a penalty in the loss, not a decay in the update.
        learning_rate: learning rate of the optimizer.
    """
    penalty = keras.regularizers.L2(decay / 2 if in_loss else 0.0)
    penalties = {"kernel_regularizer": penalty, "bias_regularizer": penalty}
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(
            keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}", **penalties)
        )
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax", **penalties))
    optimizers = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}
    model.compile(
        optimizer=optimizers[optimizer](learning_rate, weight_decay=0.0 if in_loss else decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("decay", 1e-2, 10.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
    return build_model(input_shape, num_classes, decay=decay, dropout=dropout, learning_rate=rate)


BOOK, PAPER = "Deep Learning from Scratch, 6.4.2", "Loshchilov and Hutter 2019"
SGD, SGD_DECAY, ADAM, ADAM_DECAY = "SGD, L2", "SGD, decay", "Adam, L2", "Adam, decay"
PLAIN = {"batch_norm": False, "dropout": 0.0}
BOOKS = PLAIN | {"optimizer": "SGD", "learning_rate": 0.01}  # as in the book
DECAYS = {"λ 0": 0.0, "λ 0.01": 0.01, "λ 0.03": 0.03, "λ 0.1": 0.1}  # the last is the book's
VARIANTS = {
    (SGD, name): BOOKS | {"decay": decay, "in_loss": True} for name, decay in DECAYS.items()
}
VARIANTS[SGD_DECAY, "λ 0.1"] = BOOKS | {"decay": 0.1}
TO_TUNE = {ADAM: PLAIN | {"in_loss": True}, ADAM_DECAY: PLAIN}
# Candidates for λ, and for the learning rate at the best λ.
ADAM_DECAYS = {ADAM: (0.001, 0.003, 0.01, 0.03), ADAM_DECAY: (0.3, 1.0, 3.0, 10.0)}
ADAM_RATES = (0.001, 0.003, 0.01)
EPOCHS = {SGD: 200, SGD_DECAY: 200, ADAM: 50, ADAM_DECAY: 50}  # 200 as in the book


def norm(weights):
    """Return the norm of all kernels together, (seeds,), of weights `{name: (seeds, ...)}`."""
    squares = 0
    for name, values in weights.items():
        if name.endswith("kernel"):
            squares = squares + np.sum(values**2, axis=(1, 2))
    return np.sqrt(squares)


def norm_of_difference(first, second):
    """Return the norm of the difference of all kernels, (seeds,), as a share (%) of the first."""
    difference = {name: first[name] - second[name] for name in first}
    return 100 * norm(difference) / norm(first)


def run(lab):
    """Overfit 300 examples with the book's SGD at four λ, and with Adam at the best λ."""
    data = lab.data(examples=300)  # as many as in the book
    tuned = lab.tune(build_model, TO_TUNE, data, epochs=EPOCHS, decay=ADAM_DECAYS)
    tuned = lab.tune(build_model, tuned, data, epochs=EPOCHS, learning_rate=ADAM_RATES)
    results = lab.train(build_model, VARIANTS | tuned, data, epochs=EPOCHS, record=(1,))
    test = results.final("test_accuracy")
    gap = results.final("train_accuracy") - test
    norms = np.stack([norm(results.models((SGD, name)).weights) for name in DECAYS])
    pairs = zip(norms.T, gap[SGD].array().T, strict=True)  # by seed, each over all λ
    correlation = lab.measure([lab.rank_correlation(*pair) for pair in pairs])
    in_loss = results.models((SGD, "λ 0.1"), epoch=1).weights
    in_update = results.models((SGD_DECAY, "λ 0.1"), epoch=1).weights

    lab.claim(
        "SGD at 0.01: training minus test accuracy is smaller with λ 0.1 than without decay",
        source=BOOK,
        that=gap[SGD, "λ 0.1"] < gap[SGD, "λ 0"],
    )
    lab.claim(
        "SGD at 0.01, over four λ: smaller weights go with a smaller gap, rank correlation above 0",
        source=BOOK,
        that=correlation > 0,
    )
    lab.claim(
        "SGD at 0.01: L2 and decay lead to the same weights after an epoch, up to 0.01 %",
        source=PAPER,
        that=lab.exact(norm_of_difference(in_loss, in_update), 0.01, unit="%"),
    )
    lab.claim(
        "Adam: decay gives more test accuracy than L2, each at its best λ and learning rate",
        source=PAPER,
        that=test[ADAM_DECAY] > test[ADAM],
    )
    lab.claim(
        "SGD at 0.01: the λ that validation chooses gives more test accuracy than λ 0.1",
        that=test[results.best(SGD)] > test[SGD, "λ 0.1"],
    )
    measures = {"test error": 100 - test, "training minus test accuracy": gap}
    lab.figure(lab.dots(measures, x_label="percentage points"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
