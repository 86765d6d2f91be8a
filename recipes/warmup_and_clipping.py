"""The loss becomes NaN, or stays where it is: warm up, or clip gradients?

Claim: with a warm-up of the learning rate, or with clipped gradients, training survives larger
rates; a warm-up does as much for stability as batch normalization (Gilmer et al. 2021). Clipping
lets gradient descent converge faster (Zhang et al. 2020), and mends single gradients that are far
too long (Pascanu et al. 2013, 3.2).
Look for: in the figure, at which learning rates each line is high, and in figure-spikes, at which
with 5 examples that were never scaled; in TensorBoard, under accuracy, how late those learn that do
not at once.
Why: at first the loss curves most, so steps are too large that would be right later. The small
steps of a warm-up lead to where it curves less. Clipping shortens only the steps that would be too
long, at any time: also that of a batch with an example that was never scaled, which a warm-up does
not see coming.
Use: global_clipnorm=1.0 in the optimizer where single examples may be far out of scale; for larger
learning rates batch normalization rather than a warm-up.
Symptoms: the loss is NaN after a few steps; the loss does not move
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    warmup_steps=0,
    clip_norm=1.0,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: three hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        warmup_steps: steps in which the learning rate grows from 0 to the whole; 0 for none.
        clip_norm: largest norm of all gradients together, to which longer ones are shortened; None
            for no limit.
        learning_rate: learning rate of SGD with a momentum of .9.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 4):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    if warmup_steps:
        learning_rate = keras.optimizers.schedules.PolynomialDecay(
            0.0, warmup_steps, end_learning_rate=learning_rate
        )
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9, global_clipnorm=clip_norm),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    clip = hp.Float("clip_norm", 0.1, 10.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, clip_norm=clip, dropout=dropout, learning_rate=rate
    )


GILMER, ZHANG, PASCANU = "Gilmer et al. 2021", "Zhang et al. 2020", "Pascanu et al. 2013, 3.2"
SCALED, SPIKES = "all examples scaled", "5 of 1000 never scaled"
NEITHER, WARMUP, CLIPPING = "neither", "warm-up", "clipping"
NORMALIZED = "batch normalization"
RATES = 0.04 * 2.0 ** np.arange(7)  # to 2.56
PLAIN = {"batch_norm": False, "dropout": 0.0, "clip_norm": None}
REMEDIES = {
    NEITHER: PLAIN,
    WARMUP: PLAIN | {"warmup_steps": 50},  # a quarter of the steps
    CLIPPING: PLAIN | {"clip_norm": 1.0},
}
ARMS = {
    SCALED: REMEDIES | {NORMALIZED: PLAIN | {"batch_norm": True}},
    SPIKES: REMEDIES,
}
VARIANTS = {
    (data, arm, rate): arguments | {"learning_rate": rate}
    for data, arms in ARMS.items()
    for arm, arguments in arms.items()
    for rate in RATES
}


def with_unscaled_examples(dataset, random):
    """Return the data where every 200th training example is 255 times as large."""
    x = dataset.train.x.copy()
    x[::200] *= 255
    return dataset.with_train(x)


def run(lab):
    """Train for 200 steps at seven learning rates, with and without examples that stand out."""
    scaled = lab.data(examples=1000)
    data = {SCALED: scaled, SPIKES: scaled.map(with_unscaled_examples)}
    watch = [(SCALED, NEITHER)]
    results = lab.train(build_model, VARIANTS, data, epochs=20, evaluate_every=4, watch=watch)
    speed = results.mean_over_epochs("train_accuracy")
    final = results.final("train_accuracy")
    learns = final.map(lambda accuracy: np.where(accuracy >= 90, 1.0, 0.0), unit="rates")

    lab.claim(
        "with a warm-up training accuracy ends at 90 % or more at more of the 7 rates than without",
        source=GILMER,
        that=learns[SCALED, WARMUP].sum() > learns[SCALED, NEITHER].sum(),
    )
    lab.claim(
        "a warm-up reaches 90 % at as many of the 7 rates as batch normalization, up to one",
        source=GILMER,
        that=learns[SCALED, WARMUP].sum().within(1, of=learns[SCALED, NORMALIZED].sum()),
    )
    lab.claim(
        "with clipping mean training accuracy over the epochs is higher than without, each at its "
        "best rate",
        source=ZHANG,
        that=speed[results.best(SCALED, CLIPPING)] > speed[results.best(SCALED, NEITHER)],
    )
    lab.claim(
        f"{SPIKES}: more of the 7 rates reach 90 % with clipping than without",
        source=PASCANU,
        that=learns[SPIKES, CLIPPING].sum() > learns[SPIKES, NEITHER].sum(),
    )
    lab.claim(
        f"{SPIKES}: more of the 7 rates reach 90 % with clipping than with a warm-up",
        that=learns[SPIKES, CLIPPING].sum() > learns[SPIKES, WARMUP].sum(),
    )
    lab.table({f"{arm}, best rate": results.best(SCALED, arm) for arm in ARMS[SCALED]})
    axes = {"along": RATES, "x_label": "learning rate", "x_scale": "log", "limits": (0, 103)}
    lab.figure(lab.lines(final[SCALED], lines=ARMS[SCALED], **axes))
    lab.figure(lab.lines(final[SPIKES], lines=ARMS[SPIKES], **axes), name="spikes")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
