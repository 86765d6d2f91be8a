"""Does batch normalization make Dropout unnecessary, and do the two get on?

Claim: batch normalization suppresses overfitting and reduces the need for Dropout (Deep Learning
from Scratch, section 6.3.1). Its regularizing effect is slight, not to be relied on (Deep Learning
Specialization, course 2 week 3). Dropout before a normalization hurts (Li et al. 2019).

Look for: in the figure, how far the lines without and with BN are apart at rate 0, and how far each
falls from there; in figure-variance, by what factor BN overrates the variance of its inputs at
inference; in TensorBoard, under distributions, the moving variances of h1_bn.

Each variant has the learning rate that suits it best, as BN changes which rates are good.

Why the order matters: Dropout makes the variance of what follows larger in training than it is at
inference, and a normalization's moving average remembers the larger one. Right before the first
normalization the factor is about 1 / (1 - rate) or more. Dropout after the activation, too, comes
before the next layer's normalization, but has a dense layer in between.

Use: batch normalization for speed, Dropout against overfitting, the latter behind the last
normalization.
Symptoms: validation far below training
Topic: Batch normalization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 3
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.2,
    dropout_first=False,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: three hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of each hidden layer's units that training drops.
        dropout_first: whether to drop before the normalization and the activation, not after them.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        drop = keras.layers.Dropout(dropout, name=f"h{n}_dropout")
        if dropout_first:
            layers.append(drop)
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
        if not dropout_first:
            layers.append(drop)
    layers.append(keras.layers.Dense(num_classes, activation="softmax", name="softmax"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the learning rate on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


RATES = (0.0, 0.1, 0.2, 0.3, 0.5)  # of Dropout
WITHOUT, AFTER, BEFORE = "without BN", "BN, then Dropout", "Dropout, then BN"
ARMS = {WITHOUT: {"batch_norm": False}, AFTER: {}, BEFORE: {"dropout_first": True}}
LARGE_WITHOUT, LARGE_WITH = "without BN, batch 100", "with BN, batch 100"
LARGE = {"dropout": 0.0, "fit": {"batch_size": 100, "epochs": 100}}


def at(arm, rate):
    """Name the variant of one arm and rate; without Dropout there is no order."""
    return f"{arm if rate or arm == WITHOUT else AFTER}, rate {rate:g}"


VARIANTS = {
    at(arm, rate): arguments | {"dropout": rate}
    for arm, arguments in ARMS.items()
    for rate in RATES
    if rate or arm != BEFORE
}
VARIANTS |= {LARGE_WITHOUT: ARMS[WITHOUT] | LARGE, LARGE_WITH: ARMS[AFTER] | LARGE}


def variance_shift(models, x):
    """Return each normalization's moving variance over that of its inputs at inference.

    Both are means over units; (models, layers), 1 where they are not finite.
    """
    outputs = models.outputs(x)
    names, shifts = list(outputs), []
    for n in range(1, HIDDEN_LAYERS + 1):
        inputs = outputs[names[names.index(f"h{n}_bn") - 1]]
        moving = models.weights[f"h{n}_bn/moving_variance"]
        shifts.append(moving.mean(axis=1) / inputs.var(axis=1).mean(axis=1))
    return np.nan_to_num(np.stack(shifts, axis=1), nan=1.0, posinf=1.0)


def run(lab):
    """Overfit few images at five rates of Dropout, without BN and with it in both orders."""
    data = lab.data(examples=300)  # as many as the book overfits
    plan = {"epochs": 40, "batch_size": 20}
    rates = (0.03, 0.1, 0.3, 1.0)  # and more beyond an end if the best of them lies there
    variants = lab.tune(build_model, VARIANTS, data, values=rates, **plan)
    watch = [at(WITHOUT, 0.0), at(AFTER, 0.0), at(AFTER, 0.5), at(BEFORE, 0.5)]
    histories = lab.train(build_model, variants, data, watch=watch, **plan)

    def error(variant):
        return 100 - 100 * histories.final("test_accuracy", variant)

    def gap(variant):
        return 100 * histories.final("accuracy", variant) - 100 + error(variant)

    def better(first, second):
        return histories.difference("test_accuracy", first, second, scale=100)

    def closer(first, second):
        return better(first, second)._replace(values=gap(second) - gap(first))

    none, alone = at(WITHOUT, 0.0), at(AFTER, 0.0)
    best = {arm: histories.best([at(arm, rate) for rate in RATES]) for arm in ARMS}
    gains = better(best[WITHOUT], none), better(best[AFTER], alone)
    values, collapsed, trained = zip(*gains, strict=True)
    gain = gains[0]._replace(
        values=values[0] - values[1], collapsed=sum(collapsed), runs=sum(trained)
    )
    shifts = {
        name: variance_shift(histories.models(name), data.train.x)
        for name in histories.variants
        if VARIANTS[name].get("batch_norm", True)
    }
    half = {arm: at(arm, 0.5) for arm in ARMS}
    shift = np.log2(shifts[half[BEFORE]] / shifts[half[AFTER]]).mean(axis=1)
    book, paper = "Deep Learning from Scratch, 6.3.1", "Li et al. 2019"
    course = "Deep Learning Specialization, course 2 week 3"
    smaller = "without Dropout, training minus test accuracy is smaller with BN"
    slight = "without Dropout, training minus test accuracy is the same with BN within 2 points"
    reliable = (
        "the best rate of Dropout without BN gives more test accuracy than BN alone, batch 20"
    )
    order = "Dropout before BN gives less test accuracy than after"
    overrated = "Dropout before BN makes it overrate variances at inference more than after"
    for text, source, differences, more in (
        (f"{smaller}, batch 20", book, closer(alone, none), {}),
        (f"{smaller}, batch 100", book, closer(LARGE_WITH, LARGE_WITHOUT), {}),
        ("with BN the best rate of Dropout gains less test accuracy, batch 20", book, gain, {}),
        (f"{slight}, batch 20", course, closer(alone, none), {"within": 2}),
        (reliable, course, better(best[WITHOUT], alone), {}),
        (f"{order}, rate 0.5", paper, better(half[AFTER], half[BEFORE]), {}),
        (f"{order}, each at its best rate", paper, better(best[AFTER], best[BEFORE]), {}),
        (f"{overrated}, rate 0.5", paper, shift, {"unit": "doublings"}),
    ):
        lab.claim(text, source, differences, **({"unit": "points"} | more))
    rows = {f"{arm}, no Dropout": at(arm, 0.0) for arm in (WITHOUT, AFTER)}
    rows |= {f"{arm}, best rate": best[arm] for arm in ARMS}
    lab.table(rows | {name: name for name in (LARGE_WITHOUT, LARGE_WITH)})

    def lines(values, arms=ARMS):
        by_arm = {arm: [values(at(arm, rate)) for rate in RATES] for arm in arms}
        return {arm: (RATES, np.stack(of, axis=1)) for arm, of in by_arm.items()}

    layout = {"test error": lines(error), "gap: training minus test accuracy": lines(gap)}
    axis = "rate of Dropout"
    lab.figure(lab.lines(layout, x_label=axis, y_label="percentage points"))
    right = {"no shift": (RATES, np.ones((1, len(RATES))))}
    layout = {
        f"h{n + 1}_bn": right | lines(lambda name, n=n: shifts[name][:, n], (AFTER, BEFORE))
        for n in range(HIDDEN_LAYERS)
    }
    label = "moving / inference variance"
    lab.figure(lab.lines(layout, x_label=axis, y_label=label), "variance")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
