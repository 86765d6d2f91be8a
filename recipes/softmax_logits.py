"""Softmax in the model, or logits in the loss?

Claim: the fused loss, which gets logits, is the stable one; a softmax followed by a negative
likelihood without the log, as often pasted, trains as well (notes on the Deep Learning
Specialization, course 2 week 3).

Look for: in the figure, up to which logits each way is right (compiled, the gradient is read off
the weights, whose rounding grows with them); in the second, who learns how fast and who gets stuck;
in TensorBoard, the same under epoch_accuracy.

Fused, the loss is ln(sum of exp z) - z of the right class, which cannot overflow. In two steps the
softmax of a low logit rounds to 0, whose logarithm is infinite. Keras clips probabilities at 1e-7
before that, so beyond a loss of 16.118 the gradient is 0: the worst mistakes teach nothing. But its
softmax hands the logits on to its loss, which then is the fused one. Any operation between the two
breaks this, the cast of mixed precision too. Without the log, each example's gradient is that of
the cross-entropy times the probability of its class. At first that is 1 in C, which a higher
learning rate makes up for; but an example once given up no longer counts, nor does a whole class.

Use: a softmax layer and the cross-entropy, with its log, in a compiled model; in a loop of one's
own, or with mixed precision, logits and from_logits=True.
Symptoms: the loss is NaN after a few steps; the loss does not move
Topic: Softmax
"""

import keras
import numpy as np

LOSSES = {
    "softmax": "sparse_categorical_crossentropy",
    "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    "raw logits": "sparse_categorical_crossentropy",
    # (1 - p ** q) / q is 1 - p, up to .001; a function that returns -p does the same.
    "likelihood": keras.losses.CategoricalGeneralizedCrossEntropy(q=0.999),
}


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    loss="softmax",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        loss: "softmax" in the model; "logits" out of it and into the loss; "raw logits" into a loss
            that takes them for probabilities, a mistake; "likelihood" of a softmax, without log.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in (1, 2):
        layers.append(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")
            layers.append(norm)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    activation = "linear" if "logits" in loss else "softmax"
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation=activation, name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate), loss=LOSSES[loss], metrics=["accuracy"]
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


WITH, WITHOUT = "with BN", "without BN"
VARIANTS = {  # `run` chooses the learning rates
    f"{loss}, {norm}": {"loss": loss, "batch_norm": norm == WITH, "dropout": 0.0}
    for norm in (WITH, WITHOUT)
    for loss in LOSSES
}
SIZES = np.geomspace(1, 200, 24)  # of the largest logit, where that of the right class is 0
WAYS = ("softmax layer, compiled", "logits in the loss", "softmax, then the loss", "-log by hand")


def make_logits(seed, classes, examples=32):
    """Return logits from 0, of the right class, to 1, of a wrong one, and the labels."""
    random = np.random.default_rng(seed)
    y, rows = random.integers(classes, size=examples), np.arange(examples)
    z = random.uniform(0, 1, (examples, classes))
    z[rows, y], z[rows, (y + 1) % classes] = 0, 1
    return z, y


def make_ways(examples, classes):
    """Return functions from logits z and labels y to mean loss and gradient, one a way."""
    import functools

    import tensorflow as tf

    dense = keras.layers.Dense(classes, activation="softmax", use_bias=False)
    model = keras.Sequential([keras.Input((examples,)), dense])
    # The mean divides gradients by the examples, a rate of as many takes that back.
    model.compile(keras.optimizers.SGD(float(examples)), "sparse_categorical_crossentropy")

    def compiled(z, y):
        """Let a compiled model take a step: of one-hot inputs, the logits are the kernel."""
        model.set_weights([z])
        loss = model.train_on_batch(np.eye(examples, dtype=np.float32), y)
        return float(loss), z - model.get_weights()[0]

    def differentiated(losses, z, y):
        with tf.GradientTape() as tape:
            tape.watch(z := tf.constant(z))
            values = losses(z, y)
        return float(keras.ops.mean(values)), tape.gradient(values, z).numpy()

    loss, softmax = keras.losses.sparse_categorical_crossentropy, keras.ops.softmax
    by_hand = (
        lambda z, y: loss(y, z, from_logits=True),
        lambda z, y: loss(y, 1.0 * softmax(z)),  # times 1, they have forgotten their logits
        lambda z, y: -keras.ops.log(keras.ops.take_along_axis(softmax(z), y[:, None], axis=1)),
    )
    return compiled, *(functools.partial(differentiated, losses) for losses in by_hand)


def errors(way, z, y):
    """Return the errors of the loss, relative, and of the gradient at all SIZES, (2, sizes)."""
    found, right = [], np.eye(z.shape[1])[y]
    for scaled in np.float32(SIZES[:, None, None] * z):
        loss, gradient = way(scaled, y)
        powers = np.exp(scaled.astype(float))  # the exact values, in float64
        sums = powers.sum(axis=1, keepdims=True)
        exact = np.mean(np.log(sums[:, 0]) - (scaled * right).sum(axis=1))
        found.append((abs(loss / exact - 1), abs(gradient - (powers / sums - right)).max()))
    return np.nan_to_num(np.transpose(found), nan=np.inf, posinf=np.inf)


def run(lab):
    """Compute the loss in four ways at growing logits; train with four losses."""
    from recipes._lab import evidence

    notes, own = "notes on the Deep Learning Specialization, course 2 week 3", "this recipe"
    data = lab.data(examples=1000)
    logits = [make_logits(seed, data.num_classes) for seed in lab.seeds]
    ways = dict(zip(WAYS, make_ways(*logits[0][0].shape), strict=True))
    off = {name: np.array([errors(way, *of) for of in logits]) for name, way in ways.items()}
    last = [ways[WAYS[2]](np.float32(SIZES[-1] * z), y)[1] for z, y in logits]
    finite = np.isfinite(off[WAYS[3]][..., -1])
    for text, source, values, most in (
        (f"{WAYS[1]}: loss and gradient are right up to logits of 200", notes, off[WAYS[1]], 1e-4),
        (f"{WAYS[0]}: loss and gradient are right up to logits of 200", own, off[WAYS[0]], 1e-4),
        (f"{WAYS[2]}: the gradient is 0 at logits of 200", own, last, 1e-6),
        (f"{WAYS[3]}: no loss or gradient is finite at logits of 200", own, finite, 0),
    ):
        largest = np.max(np.abs(values, dtype=float).reshape(len(lab.seeds), -1), axis=1)
        lab.claim(text, source, evidence.judge_exact(largest, most))

    asked = {name: of for name, of in VARIANTS.items() if of["loss"] != "logits"}
    tuned = lab.tune(build_model, asked, data, epochs=20, values=(0.03, 0.1, 0.3, 1.0))
    for norm in (WITH, WITHOUT):
        tuned[f"logits, {norm}"] = tuned[f"softmax, {norm}"] | {"loss": "logits"}
    for name in VARIANTS:  # without BN the best rate is next to one at which runs collapse
        tuned[name]["learning_rate"] *= 0.3 if name.endswith(WITHOUT) else 1
    histories = lab.train(build_model, {name: tuned[name] for name in VARIANTS}, data, epochs=20)

    def lead(loss, norm, measure=histories.final, metric="test_accuracy"):
        """Return how far a loss leads the softmax's, (seeds,), in points."""
        of, by = (100 * measure(metric, f"{name}, {norm}") for name in (loss, "softmax"))
        return of - by

    for norm, rate in ((WITH, "best lr"), (WITHOUT, ".3 of best lr")):
        text = f"without the log it trains as well: test accuracy within 1 point, {norm}, {rate}"
        lab.claim(text, notes, lead("likelihood", norm), within=1, unit="points")
    slow = -lead("likelihood", WITH, histories.mean_over_epochs, "accuracy")
    text = f"without the log it learns more slowly: mean training accuracy, {WITH}, best lr"
    lab.claim(text, own, slow, unit="points")
    text = f"logits in the loss end within 1 point of the softmax layer in test accuracy, {WITH}"
    lab.claim(text, own, lead("logits", WITH), within=1, unit="points")
    text = f"raw logits, taken for probabilities, cost over 10 points of test accuracy, {WITH}"
    lab.claim(text, own, -lead("raw logits", WITH), at_least=10, unit="points")
    layout = {
        part: {way: (SIZES, np.clip(of[:, n], 1e-7, 10)) for way, of in off.items()}
        for n, part in enumerate(("loss: relative error of the mean", "gradient: largest error"))
    }
    labels = {"x_label": "largest logit", "y_label": "error, at least 1e-7 (10: not finite)"}
    lab.figure(lab.lines(layout, **labels, x_scale="log", y_scale="log"))
    layout = {norm: {loss: f"{loss}, {norm}" for loss in LOSSES} for norm in (WITHOUT, WITH)}
    lab.figure(lab.panels(histories, layout), "training")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
