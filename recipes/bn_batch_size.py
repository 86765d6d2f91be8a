"""What happens to batch normalization with small batches, and does layer normalization care?

Claim: batch normalization works badly with small batches; layer normalization doesn't depend on
them; the noise of a batch's statistics regularizes a little, and less with larger batches (Deep
Learning Specialization, course 2 week 3; Ba, Kiros and Hinton 2016).

Look for: in the figure, below which batch size BN falls off, and how its noise falls (more of it
than 1 / √batch, since layers add theirs up); in the second one, at which learning rates this noise
lowers the test loss; in TensorBoard, under epoch_loss, BN beside LayerNorm at batch 2.

Why two are too few: one of two values is as far above their mean as the other is below. So every
unit becomes 1 or -1, whatever the values, and inference, which normalizes by moving averages, meets
values that training never saw.

A smaller batch also means more steps. So noise is judged with ghost batches (Hoffer et al. 2017):
each update follows the mean gradient of 128 examples, which come in batches of fewer. Plain Keras
does this with gradient_accumulation_steps. They are compared at one small rate, where nothing but
the noise differs, and each at its best rate, as one would use it: large steps make more of noise.

Use: batches of 16 or more with BatchNormalization, LayerNormalization below that.
Symptoms: batches have to be small; training learns, validation stays at chance
Topic: Batch normalization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 2
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    normalization="batch",
    momentum=0.9,
    epsilon=1e-5,
    dropout=0.1,
    batches_per_update=1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        normalization: before each activation: "batch", "layer" or None.
        momentum: of the moving averages that inference uses.
        epsilon: added to each variance.
        dropout: share of the last hidden layer's units that training drops.
        batches_per_update: whose mean gradient is followed at once.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if normalization == "batch":
            layers.append(
                keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=f"h{n}_bn")
            )
        elif normalization == "layer":
            layers.append(keras.layers.LayerNormalization(epsilon=epsilon, name=f"h{n}_ln"))
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    steps = batches_per_update if batches_per_update > 1 else None
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, gradient_accumulation_steps=steps),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, 1 - momentum on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        momentum=1 - hp.Float("one_minus_momentum", 1e-3, 0.3, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


EXAMPLES = 512  # which every batch size divides
SIZES = FEW, *_, MANY = (2, 4, 8, 32)
ARMS = NONE, BN, LN = "no normalization", "BN", "LayerNorm"
GHOSTS = NOISY, _, UPDATE = (8, 32, 128)  # the last is all of an update
GHOST_RATES = (0.1, 0.3, 1.0)
NOISE_SIZES = (4, 8, 16, 32, 64, 128)


def arguments(size, epochs, **others):
    """Return those of a variant, without Dropout, whose noise would hide that of BN."""
    # The moving averages reach back over as many examples whatever the batch: over one epoch.
    fit = {"batch_size": size, "epochs": epochs}
    return {"dropout": 0.0, "momentum": 1 - size / EXAMPLES, "fit": fit} | others


VARIANTS = {
    f"{arm}, batch {size}": arguments(size, 10, normalization=kind)
    for arm, kind in zip(ARMS, (None, "batch", "layer"), strict=True)
    for size in SIZES
}
GHOST_VARIANTS = {
    f"ghost {n}, lr {rate:g}": arguments(n, 40, batches_per_update=UPDATE // n, learning_rate=rate)
    for n in GHOSTS
    for rate in GHOST_RATES
}


def noise_of(models, x, sizes, draws=50):
    """Return by how much an example's normalized units depend on its batch, (seeds, sizes).

    That is the standard deviation over random batches, in standard deviations over examples (root
    mean squares over examples and units of the last normalization).
    """
    random, layer = np.random.default_rng(0), f"h{HIDDEN_LAYERS}_bn"
    spread = models.outputs(x, training=True)[layer].var(axis=1).mean(axis=-1)
    seeds, noise = len(spread), []
    # As many copies of each model as draws compute side by side.
    models.weights = {name: np.repeat(w, draws, axis=0) for name, w in models.weights.items()}
    for size in sizes:
        rows = random.integers(len(x), size=(2, draws, size))
        rows[1, :, 0] = rows[0, :, 0]  # the same example in two batches
        batches = [np.tile(x[of], (seeds, 1, 1)) for of in rows]
        one, other = (models.outputs(b, training=True)[layer][:, 0] for b in batches)
        noise.append(np.square(one - other).reshape(seeds, -1).mean(axis=1) / 2 / spread)
    return np.sqrt(noise).T


def run(lab):
    """Tune and train each normalization at each batch size, and BN with ghost batches."""
    from recipes._lab import evidence

    source = "Deep Learning Specialization, course 2 week 3"
    data = lab.data(examples=EXAMPLES)
    rates = {"values": (0.01, 0.03, 0.1, 0.3, 1.0), "extend": False}
    tuned = lab.tune(build_model, VARIANTS, data, epochs=10, **rates)
    watch = [f"{arm}, batch {size}" for arm in (BN, LN) for size in (FEW, MANY)]
    histories = lab.train(build_model, tuned | GHOST_VARIANTS, data, epochs=10, watch=watch)
    ghosts = {n: [f"ghost {n}, lr {rate:g}" for rate in GHOST_RATES] for n in GHOSTS}
    best = {n: histories.best(names) for n, names in ghosts.items()}
    lab.table([*VARIANTS, *best.values()])

    def compare(text, first, second, metric="test_accuracy", **bound):
        scale, unit = (100, "points") if metric == "test_accuracy" else (1, "nats")
        difference = histories.difference(metric, first, second, scale)
        lab.claim(text, source, difference, unit=unit, **bound)

    at_best = "each at its best lr"
    text = f"at batch {FEW} test accuracy is higher without BN than with it, {at_best}"
    compare(text, f"{NONE}, batch {FEW}", f"{BN}, batch {FEW}")
    text = f"with BN test accuracy is higher at batch {MANY} than at {FEW}, {at_best}"
    compare(text, f"{BN}, batch {MANY}", f"{BN}, batch {FEW}")
    text = f"with LayerNorm test accuracy at batch {FEW} is within 2 points of {MANY}, {at_best}"
    compare(text, f"{LN}, batch {FEW}", f"{LN}, batch {MANY}", within=2)
    models, x = histories.models(f"{LN}, batch {MANY}"), data.train.x
    alone, among = (models.predict(x[:size], training=True)[:, 0] for size in (1, MANY))
    text = "with LayerNorm an example's output is the same in any batch, up to 1e-5"
    lab.claim(text, source, evidence.judge_exact(abs(alone - among).max(axis=1), 1e-5))
    noise = noise_of(histories.models(ghosts[UPDATE][0]), x, NOISE_SIZES)
    exponent = np.polyfit(np.log(NOISE_SIZES), np.log(noise.T), 1)[0]
    text = "BN's noise falls like 1 / √batch: its exponent is within .1 of -.5"
    lab.claim(text, source, exponent + 0.5, within=0.1)
    text = f"in updates of {UPDATE}, batches of {NOISY} instead of one of {UPDATE}"
    rate = f"lr {GHOST_RATES[0]:g}"
    compare(f"{text} lower the test loss, {rate}", ghosts[UPDATE][0], ghosts[NOISY][0], "test_loss")
    compare(f"{text} lower the test loss, {at_best}", best[UPDATE], best[NOISY], "test_loss")
    compare(f"{text} raise test accuracy, {at_best}", best[NOISY], best[UPDATE])

    accuracy, changes, axis = {}, {}, {"x_label": "examples in a batch", "x_scale": "log"}
    for arm in ARMS:
        final = [histories.final("test_accuracy", f"{arm}, batch {n}") for n in SIZES]
        accuracy[arm] = (SIZES, 100 * np.transpose(final))
    for k, rate in enumerate(GHOST_RATES):
        loss = 100 * np.transpose([histories.final("test_loss", ghosts[n][k]) for n in GHOSTS])
        changes[f"lr {rate:g}"] = (GHOSTS, loss - loss[:, -1:])
    theory = 100 / np.sqrt([NOISE_SIZES])
    noises = {"noise": (NOISE_SIZES, 100 * noise), "1 / √batch": (NOISE_SIZES, theory)}
    layout = {"test accuracy": accuracy, "noise of BN (of a standard deviation)": noises}
    main = lab.lines(layout, **axis, y_label="%", limits=(0, 103))
    label = f"test loss minus that at {UPDATE} (nats / 100)"
    second = lab.lines({f"BN, updates of {UPDATE}": changes}, **axis, y_label=label)
    for figure, sizes in ((main, (2, *NOISE_SIZES)), (second, GHOSTS)):
        for axes in figure.axes:
            axes.set_xticks(sizes, sizes)
            axes.minorticks_off()
    lab.figure(main)
    lab.figure(second, "ghost")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
