"""Does the focal loss help a class that is rare?

Claim: where most examples are easy and of one class they dominate the cross-entropy; the focal loss
with γ 2 and α .25 finds the rare class with a higher average precision (Lin et al. 2017, Focal Loss
for Dense Object Detection).
Look for: in the figure, whether average precision rises with γ; in TensorBoard, under loss, how
soon that of γ 5 is almost nothing.
Why: the loss of an example whose label has the probability p is multiplied by (1 - p) to the power
of γ, so that those already learned hardly count. The paper's detectors see a thousand easy examples
for each rare one, and never the same twice; a network that can memorize its training data soon
finds all of them easy.
Use: cross-entropy, unless the focal loss is better on your validation data.
Symptoms: rare classes are never predicted
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    gamma=0.0,
    alpha=None,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.001,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0, one-hot where alpha is given.
        gamma: of the focal loss: how much less easy examples count, where alpha is given.
        alpha: of the focal loss: the weight of each class, such as [.75, .25] of two; None for
            plain cross-entropy.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    loss = "sparse_categorical_crossentropy"
    if alpha is not None:
        loss = keras.losses.CategoricalFocalCrossentropy(alpha=alpha, gamma=gamma)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=loss,
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


LIN = "Lin et al. 2017"
PLAIN = {"batch_norm": False, "dropout": 0.0}
CROSS_ENTROPY = "cross-entropy"
ALPHA = {0.0: 0.75, 0.5: 0.5, 1.0: 0.25, 2.0: 0.25, 5.0: 0.25}  # the paper's best for each γ
FOCAL = {gamma: f"γ {gamma:g}, α {alpha:g}" for gamma, alpha in ALPHA.items()}
# Adam's steps don't depend on the scale of a loss, so all variants have the same learning rate.
VARIANTS = {CROSS_ENTROPY: PLAIN} | {
    FOCAL[gamma]: PLAIN | {"gamma": gamma, "alpha": [1 - alpha, alpha]}
    for gamma, alpha in ALPHA.items()
}


def one_in_a_hundred(dataset, random):
    """Make the last class rare: one example of it for each hundred others, except in the test part.

    Only whole hundreds stay: as many for each seed, which then share a graph.
    """
    import dataclasses  # above, it would be part of the template

    last = dataset.num_classes - 1
    dataset = dataset.map_labels(lambda y: y == last, ("others", dataset.class_names[last]))
    parts = {}
    for name, part in (("train", dataset.train), ("validation", dataset.validation)):
        others, rare = (np.flatnonzero(part.y == label) for label in (0, 1))
        hundreds = max(1, len(others) // 100)
        parts[name] = part.rows(np.append(others[: 100 * hundreds], rare[:hundreds]))
    return dataclasses.replace(dataset, **parts)


def run(lab):
    """Train with five γ where one example in a hundred is rare."""
    data = lab.data().map(one_in_a_hundred)
    results = lab.train(build_model, VARIANTS, data, epochs=30, batch_size=50, evaluate_every=5)
    precision = results.final("test_average_precision")
    balanced = results.final("test_balanced_accuracy")
    best = precision[FOCAL[2.0]]

    lab.claim(
        "average precision on test is higher with γ 2 and α .25 than with cross-entropy, α .75",
        source=f"{LIN}, table 1",
        that=best > precision[FOCAL[0.0]],
    )
    lab.claim(
        "none of γ .5, 1 and 5 gives 1 percentage point more average precision than γ 2",
        source=f"{LIN}, table 1",
        that=lab.every(
            [precision[FOCAL[gamma]] < best + 1 for gamma in (0.5, 1.0, 5.0)], unit="values of γ"
        ),
    )
    lab.claim(
        "balanced accuracy on test is higher with γ 2, α .25 than with plain cross-entropy",
        that=balanced[FOCAL[2.0]] > balanced[CROSS_ENTROPY],
    )
    lab.figure(lab.dots(precision))
    lab.figure(lab.dots(balanced), name="balanced-accuracy")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
