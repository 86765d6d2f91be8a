"""Is a larger network worse, and then better again?

Claim: with wrong labels among the training data, test accuracy falls as networks grow until they
can just fit all training examples, and rises again as they grow further (Nakkiran et al. 2020,
"Deep Double Descent"). It ends higher than where it fell from (Belkin et al. 2019).
Look for: in the figure, test accuracy where training accuracy arrives at 100 %, with and without
wrong labels; in TensorBoard, under accuracy, training beside validation for each width.
Why: a network that can just fit its examples has hardly any choice how, and bends around every
wrong label. A wider one has many ways to fit them, of which training from small weights finds a
smooth one. Where all labels are right there is little to bend around. All widths are trained for
as long, and at the same learning rate.
Use: where some labels may be wrong, not a network that can just memorize the training examples, but
one several times as wide, or one too narrow to, whichever is better on validation data.
Symptoms: validation is far below training; a larger network is worse
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
    units=256,
    learning_rate=0.01,
):
    """Return a compiled classifier of vectors: a hidden layer and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before the activation.
        dropout: rate of Dropout after the hidden layer.
        units: units of the hidden layer.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    n = 1
    model.add(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
    if batch_norm:
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
    model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    units = hp.Int("units", 4, 512, sampling="log")
    rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, units=units, learning_rate=rate)


PAPER = "Nakkiran et al. 2020"
INPUTS = 32  # so that the width that just fits depends less on the data
WIDTHS = (2, 4, 8, 16, 32, 64, 256)  # units of the hidden layer
FITS = 90  # % training accuracy: the paper's bound, a training error of 0.1
CLEAN, NOISY = "no wrong labels", "20 % wrong labels"
VARIANTS = {
    (labels, units): {"batch_norm": False, "dropout": 0.0, "units": units}
    for labels in (CLEAN, NOISY)
    for units in WIDTHS
}


def principal_components(dataset, random):
    """Replace the inputs by the first principal components of the training part."""
    mean = dataset.train.x.mean(axis=0)
    _, _, directions = np.linalg.svd(dataset.train.x - mean, full_matrices=False)
    return dataset.map_inputs(lambda x: (x - mean) @ directions[:INPUTS].T)


def threshold(train):
    """Return the width of the narrowest network that fits its examples; the widest if none does."""
    fits = [width for width in WIDTHS if train[width].array().mean() >= FITS]
    return min(fits, default=WIDTHS[-1])


def best_below(width, validation):
    """Return the width that is best on validation data among the narrower ones."""
    narrower = [other for other in WIDTHS if other < width] or [width]
    return max(narrower, key=lambda other: validation[other].array().mean())


def run(lab):
    """Train seven widths on 500 examples until they have memorized what they can: 25 seconds."""
    data = lab.data(examples=500).map(principal_components)
    noisy = data.map(lambda dataset, random: dataset.with_wrong_labels(0.2, random))
    datasets = {CLEAN: data, NOISY: noisy}
    results = lab.train(build_model, VARIANTS, datasets, epochs=400, evaluate_every=100)
    train, test = results.final("train_accuracy"), results.final("test_accuracy")
    validation = results.final("val_accuracy")
    widest = WIDTHS[-1]
    just_fits = threshold(train[NOISY])
    best = best_below(just_fits, validation[NOISY])

    lab.claim(
        "20 % wrong labels: the narrowest network that fits 90 % of the labels is less accurate on "
        "test than the best narrower one",
        source=f"{PAPER}, 5 and Figure 4",
        that=test[NOISY, just_fits] < test[NOISY, best],
    )
    lab.claim(
        f"20 % wrong labels: {widest} units are more accurate on test than the narrowest network "
        "that fits 90 % of the labels",
        source=f"{PAPER}, 5 and Figure 4",
        that=test[NOISY, widest] > test[NOISY, just_fits],
    )
    lab.claim(
        "no wrong labels: the width that just fits with wrong labels is at most 1 percentage point "
        "less accurate on test than the best narrower one there",
        source=f"{PAPER}, Figure 4",
        that=test[CLEAN, just_fits] + 1 > test[CLEAN, best],
    )
    lab.claim(
        f"20 % wrong labels: {widest} units are more accurate on test than the best network that "
        "is too narrow to fit 90 % of the labels",
        source="Belkin et al. 2019",
        that=test[NOISY, widest] > test[NOISY, best],
    )
    curves = {"training": train, "test": test}
    axes = {"x_label": "units of the hidden layer", "y_label": "accuracy (%)", "x_scale": "log"}
    lab.figure(lab.lines(curves, along=WIDTHS, each=datasets, limits=(0, 103), **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
