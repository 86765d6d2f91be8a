"""Does batch normalization allow larger learning rates?

Claim: with batch normalization a wider range of learning rates works, up to larger ones, and
training takes fewer epochs at the best of them (Deep Learning from Scratch, section 6.3.1; Deep
Learning Specialization, course 2 week 3; both after Ioffe and Szegedy 2015).

Look for: in the figure, how far to the right each curve stays above the bar, and how depth moves
that point; in the second, the epochs that each needs at its best rate; in TensorBoard, under
epoch_loss and gradients_log10, the watched runs with 10 layers at a rate of 1.

A rate is usable where the final validation accuracy lies above a bar: nine tenths of the way from
chance to the best mean of all rates, depths and arms. So it suits any data. The lower end of the
range is a matter of patience, since more epochs make smaller rates usable; the upper one is not.
The gain is at the upper end. At a small rate training and validation accuracy tell different
stories of a deep network: how fast it learns, and how much of that carries over to new examples.

Use: BatchNormalization in deep nets, and with it a learning rate several times as high.
Symptoms: training is slow; the loss is NaN after a few steps
Topic: Batch normalization
"""

import keras
import numpy as np

UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    hidden_layers=5,
    momentum=0.9,
    epsilon=1e-5,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: hidden layers of ReLU and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        hidden_layers: how many, of 100 units each.
        momentum: of the moving averages that inference uses.
        epsilon: added to each variance.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, hidden_layers + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=momentum, epsilon=epsilon, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: the rate on a logarithmic scale, the depth on a linear."""
    return build_model(
        input_shape,
        num_classes,
        hidden_layers=hp.Int("hidden_layers", 2, 10),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 10.0, sampling="log"),
    )


STEP = 1 / 3  # between learning rates, in factors of ten
RATES = 10 ** (STEP * np.arange(-7, 5))  # .0046 to 22, with .01, .1, 1 and 10 among them
DEPTHS = 5, 10
ARMS = WITHOUT, WITH = "without BN", "with BN"


def at(depth, arm, rate):
    """Name the variant of one depth, arm and learning rate."""
    return f"{depth} layers, {arm}, lr {rate:.2g}"


VARIANTS = {
    at(depth, arm, rate): {
        "batch_norm": arm == WITH,
        "hidden_layers": depth,
        "learning_rate": float(rate),
    }
    for depth in DEPTHS
    for arm in ARMS
    for rate in RATES
}


def width(usable):
    """Return the width of the usable range in factors of ten, (seeds,): a step for each rate."""
    return STEP * usable.sum(axis=1)


def largest(usable):
    """Return log10 of the largest usable rate, (seeds,); if none is, a step below them all."""
    return np.where(usable, np.log10(RATES), np.log10(RATES[0]) - STEP).max(axis=1)


def run(lab):
    """Train 48 variants, measure the range of usable rates, compare at the best rates."""
    book, own = "Deep Learning from Scratch, 6.3.1", "this recipe"
    course = "Deep Learning Specialization, course 2 week 3"
    data = lab.data(examples=1000)
    watch = [at(10, arm, rate) for arm in ARMS for rate in (0.01, 0.1, 1)]
    histories = lab.train(build_model, VARIANTS, data, epochs=15, watch=watch)

    def accuracies(depth, arm):
        """Return the final validation accuracies, (seeds, rates)."""
        finals = [histories.final("val_accuracy", at(depth, arm, rate)) for rate in RATES]
        return np.transpose(finals)

    highest = max(accuracies(depth, arm).mean(axis=0).max() for depth in DEPTHS for arm in ARMS)
    bar = data.chance + 0.9 * (highest - data.chance)

    def best(depth, arm):
        return histories.best([at(depth, arm, rate) for rate in RATES])

    def epochs(depth, arm):
        """Return the epochs to the bar at the best rate; never counts as one more than all."""
        variant = best(depth, arm)
        all_epochs = histories.curve("val_accuracy", variant).shape[1] - 1
        return np.minimum(histories.epochs_to(bar, variant, "val_accuracy"), all_epochs + 1)

    def speed(depth, arm, rate):
        return 100 * histories.mean_over_epochs("accuracy", at(depth, arm, rate))

    usable = {(depth, arm): accuracies(depth, arm) > bar for depth in DEPTHS for arm in ARMS}
    for depth in DEPTHS:
        text = f"with BN the range of usable learning rates is wider, {depth} layers"
        wider = width(usable[depth, WITH]) - width(usable[depth, WITHOUT])
        lab.claim(text, course, wider, unit="factors of ten")
    for depth in DEPTHS:
        text = f"with BN the largest usable learning rate is larger, {depth} layers"
        larger = largest(usable[depth, WITH]) - largest(usable[depth, WITHOUT])
        lab.claim(text, book, larger, unit="factors of ten")
    for depth in DEPTHS:
        text = f"with BN fewer epochs lead to the bar, each at its best rate, {depth} layers"
        lab.claim(text, book, epochs(depth, WITHOUT) - epochs(depth, WITH), unit="epochs")
    for depth in DEPTHS:
        text = f"with BN test accuracy is higher, each at its best rate, {depth} layers"
        arms = best(depth, WITH), best(depth, WITHOUT)
        lab.claim(text, own, histories.difference("test_accuracy", *arms, 100), unit="points")
    deep, small = DEPTHS[-1], 0.01
    text = f"with BN the network learns slower at a small rate, {deep} layers, lr {small:g}"
    slower = speed(deep, WITHOUT, small) - speed(deep, WITH, small)
    lab.claim(text, own, slower, unit="points")
    text = f"with BN validation accuracy ends lower at a small rate, {deep} layers, lr {small:g}"
    arms = at(deep, WITHOUT, small), at(deep, WITH, small)
    lab.claim(text, own, histories.difference("val_accuracy", *arms, 100), unit="points")
    lab.table([best(depth, arm) for depth in DEPTHS for arm in ARMS])
    line = {"usable above": (RATES[[0, -1]], np.full((1, 2), 100 * bar))}
    layout = {
        f"{depth} hidden layers": {arm: (RATES, 100 * accuracies(depth, arm)) for arm in ARMS}
        | line
        for depth in DEPTHS
    }
    labels = {"x_label": "learning rate", "y_label": "final validation accuracy (%)"}
    lab.figure(lab.lines(layout, x_scale="log", limits=(0, 103), **labels))
    layout = {}
    for depth in DEPTHS:
        chosen = {arm: best(depth, arm) for arm in ARMS}
        rates = " and ".join(f"{VARIANTS[name]['learning_rate']:.2g}" for name in chosen.values())
        layout[f"{depth} hidden layers, lr {rates}"] = chosen
    label = "validation accuracy (%)"
    lab.figure(lab.panels(histories, layout, metric="val_accuracy", label=label), "best rates")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
