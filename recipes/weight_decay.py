"""How much weight decay?

Claim: overfitting comes from weights that are too large, and weight decay narrows the gap between
training and test accuracy (Deep Learning from Scratch, 6.4.2).
Look for: in the figure, at which λ the gap falls while the test error rises; in TensorBoard, under
histograms, how the kernels shrink.
Why: a step of SGD with decay λ leads to w - learning_rate * (gradient + λ * w): weights that the
examples don't hold against it fade. Beyond some λ, those that the network needs fade as well; then
training accuracy falls towards test accuracy, which is a smaller gap, and no better network.
Use: weight_decay=λ in the optimizer, with λ chosen on validation data, 0 among the candidates, on a
logarithmic scale, and never by the gap.
Symptoms: validation is far below training; validation loss rises
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
    weight_decay=0.01,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        weight_decay: λ; each step shrinks the weights by so much times the learning rate.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, weight_decay=weight_decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("weight_decay", 1e-4, 0.1, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, weight_decay=decay, dropout=dropout, learning_rate=rate
    )


BOOK = "Deep Learning from Scratch, 6.4.2"
NONE, BOOKS = "λ 0", "λ 0.1"
DECAYS = {NONE: 0.0, "λ 0.01": 0.01, "λ 0.03": 0.03, BOOKS: 0.1}
PLAIN = {"batch_norm": False, "dropout": 0.0, "learning_rate": 0.01}  # as in the book
VARIANTS = {name: PLAIN | {"weight_decay": decay} for name, decay in DECAYS.items()}


def norm_of_kernels(models):
    """Return the norm of all kernels of each model together, (seeds,)."""
    squares = 0.0
    for name, weights in models.weights.items():
        if name.endswith("kernel"):
            squares = squares + np.sum(weights**2, axis=(1, 2))
    return np.sqrt(squares)


def run(lab):
    """Overfit 300 examples, as many as in the book, with SGD at four λ."""
    data = lab.data(examples=300)
    results = lab.train(build_model, VARIANTS, data, epochs=200, evaluate_every=5)
    test = results.final("test_accuracy")
    gap = results.final("train_accuracy") - test
    norms = np.stack([norm_of_kernels(results.models(name)) for name in DECAYS])
    by_seed = zip(norms.T, gap.array().T, strict=True)  # each over the four λ
    correlation = lab.measure([lab.rank_correlation(norm, of_seed) for norm, of_seed in by_seed])

    lab.claim(
        "training minus test accuracy is smaller with λ 0.1 than without decay",
        source=BOOK,
        that=gap[BOOKS] < gap[NONE],
    )
    lab.claim(
        "over four λ, smaller weights go with a smaller gap, rank correlation above 0",
        source=BOOK,
        that=correlation > 0,
    )
    lab.claim(
        "the λ that validation chooses gives more test accuracy than λ 0.1",
        that=test[results.best()] > test[BOOKS],
    )
    measures = {"test error": 100 - test, "training minus test accuracy": gap}
    lab.figure(lab.dots(measures, x_label="percentage points"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
