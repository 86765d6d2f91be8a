"""How much weight decay, and as L2 in the loss or as decay in the update?

Claim: overfitting comes from weights that are too large, and weight decay narrows the gap between
training and test accuracy (Deep Learning from Scratch, 6.4.2). L2 in the loss and decay in the
update are the same with SGD, but not with Adam, where decay generalizes better (Loshchilov and
Hutter 2019, "Decoupled Weight Decay Regularization").
Look for: in the figure, at which λ the gap falls while the test error rises; in TensorBoard, under
histograms, how the kernels shrink.
Why: a step of SGD with decay λ is w - learning_rate * (gradient + λ * w). Keras's L2(l) adds
l * sum(w**2) to the loss, whose gradient is 2 * l * w; so l = λ / 2 does the same. Adam divides
each gradient by its usual size, and that of a penalty with it: weights with large gradients hardly
shrink, and those without any by the learning rate at each step, however small λ. Decay in the
update takes the same share of all.
Use: Adam(weight_decay=λ), or either way with SGD; λ by accuracy or loss on validation data, on a
logarithmic scale, and never by the gap.
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
BOOKS = PLAIN | {"optimizer": "SGD", "learning_rate": 0.01}  # network and learning rate
DECAYS = {"λ 0": 0.0, "λ 0.01": 0.01, "λ 0.03": 0.03, "λ 0.1": 0.1}  # the last is the book's
VARIANTS = {
    (SGD, name): BOOKS | {"decay": decay, "in_loss": True} for name, decay in DECAYS.items()
}
VARIANTS[SGD_DECAY, "λ 0.1"] = BOOKS | {"decay": 0.1}
ADAMS = {(ADAM,): PLAIN | {"in_loss": True}, (ADAM_DECAY,): PLAIN}
# Candidates for λ.
TRIED = {ADAM: (0.001, 0.003, 0.01, 0.03), ADAM_DECAY: (0.3, 1.0, 3.0, 10.0)}
EPOCHS = {SGD: 200, SGD_DECAY: 200, ADAM: 50, ADAM_DECAY: 50}  # 200 as in the book


def norm(weights):
    """Return the norm of all kernels together, (seeds,), of weights {name: (seeds, ...)}."""
    kernels = [of.reshape(len(of), -1) for name, of in weights.items() if name.endswith("kernel")]
    return np.linalg.norm(np.concatenate(kernels, axis=1), axis=1)


def run(lab):
    """Overfit 300 examples with the book's SGD at four λ, and with Adam at the best λ."""
    data = lab.data(examples=300)  # as many as in the book
    rates = (0.001, 0.003, 0.01)
    adams = lab.tune(build_model, ADAMS, data, epochs=EPOCHS, decay=TRIED)
    adams = lab.tune(build_model, adams, data, epochs=EPOCHS, learning_rate=rates)
    results = lab.train(build_model, VARIANTS | adams, data, epochs=EPOCHS, record=(1,))
    test = results.final("test_accuracy")
    gap = results.final("train_accuracy") - test
    norms = {(SGD, name): norm(results.models((SGD, name)).weights) for name in DECAYS}
    size = results.measure(norms)
    pairs = zip(size.array().T, gap[SGD].array().T, strict=True)  # by seed, each over all λ
    correlation = lab.measure([lab.rank_correlation(*pair) for pair in pairs])
    early, decayed = (results.models((way, "λ 0.1"), epoch=1).weights for way in (SGD, SGD_DECAY))
    apart = norm({name: early[name] - decayed[name] for name in early}) / norm(early)

    lab.claim(
        "training minus test accuracy is smaller with λ 0.1, SGD at 0.01",
        source=BOOK,
        that=gap[SGD, "λ 0.1"] < gap[SGD, "λ 0"],
    )
    lab.claim(
        "over four λ, smaller weights go with a smaller gap: their rank correlation is above 0",
        source=BOOK,
        that=correlation > 0,
    )
    lab.claim(
        "with SGD, L2 and decay lead to the same weights after an epoch, up to 0.01 %",
        source=PAPER,
        that=lab.exact(100 * apart, 0.01, unit="%"),
    )
    lab.claim(
        "with Adam, decay gives more test accuracy than L2, each at its best λ and learning rate",
        source=PAPER,
        that=test[ADAM_DECAY] > test[ADAM],
    )
    lab.claim(
        "with SGD, the λ that validation chooses gives more test accuracy than λ 0.1",
        that=test[results.best(SGD)] > test[SGD, "λ 0.1"],
    )
    measures = {"test error": 100 - test, "training minus test accuracy": gap}
    lab.figure(lab.dots(measures, x_label="percentage points"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
