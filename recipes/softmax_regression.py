"""What does a softmax layer compute?

Claim: outputs that sum to 1, and without a hidden layer linear boundaries between classes; the
gradient of the loss by the logits is ŷ - y; for two classes it is logistic regression, and
hardmax is its limit (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, straight boundaries without a hidden layer and bent ones with it; in
TensorBoard, under epoch_accuracy, what the hidden layer gains on the data.

A softmax layer gives each class a logit z = w x + b, and divides exp(z) by the sum over all
classes. Only differences of logits count: two classes tie where (w1 - w0) x + b1 - b0 = 0, on a
line or a hyperplane, and for just two, one sigmoid unit of weights w1 - w0 computes the same. But
w1 and w0 both learn, in opposite directions, so their difference moves twice as far: half the
learning rate makes them equal. A low temperature, by which logits are divided, stretches their
differences until the largest takes all. A hidden layer gives the same softmax another x.

Use: a hidden layer where it gains on validation data; bent boundaries are not better by themselves.
Topic: Softmax
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, units=100, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: a hidden layer, or none, and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        units: of the hidden layer; 0 for none, which is softmax regression.
        batch_norm: whether to normalize before the activation; the inputs if there is none.
        dropout: share of the softmax's inputs that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    if units:
        layers.append(keras.layers.Dense(units, kernel_initializer="he_normal", name="h1"))
    if batch_norm:
        layers.append(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="h1_bn"))
    if units:
        layers.append(keras.layers.Activation("relu", name="h1_act"))
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
    """The same model for keras-tuner: with more or fewer hidden units, or without any."""
    units = hp.Choice("units", [0, 30, 100, 300])
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, units=units, dropout=dropout, learning_rate=rate)


VARIANTS = {  # `run` adds the blobs, and the learning rates
    f"{kind}, {name}": {"units": units, "batch_norm": False, "dropout": 0.0}
    for kind in ("blobs", "data")
    for name, units in (("no hidden layer", 0), ("hidden layer", 100))
}
# The first blob is dense, with wider ones around it: its best boundaries are bent.
CENTRES, WIDTHS = [[-0.2, 0.1], [-1.6, -1.6], [0.4, 2.0], [2.0, -0.9]], [0.35, 0.9, 0.7, 0.8]


def make_blobs(like, examples=400):
    """Return four round blobs in two dimensions, a data set of the same type as another."""
    y = np.arange(examples, dtype=np.int32) % len(CENTRES)
    centres, widths = np.take(CENTRES, y, axis=0), np.take(WIDTHS, y)[:, None]
    draws = np.random.default_rng(0).normal(centres, widths, (3, examples, 2)).astype(np.float32)
    return type(like)("blobs", tuple("ABCD"), *(type(like.train)(x, y) for x in draws))


def two_classes(split, most=150):
    """Return as many examples of each of the two most frequent classes, and which these are."""
    two = np.argsort(-np.bincount(split.y), kind="stable")[:2]
    of = [split.x[split.y == label][:most].astype(float) for label in two]
    return *(part[: min(map(len, of))] for part in of), two


def odds_between_ties(models, split):
    """Bisect from one class's examples to another's until they tie; ask halfway between two ties.

    Lines, planes and hyperplanes hold, with any two points, the one halfway. Returns the largest
    logarithm of the odds there, without sign, (models,).
    """
    one, other, (first, second) = two_classes(split)

    def log_odds(x):
        logs = np.log(np.maximum(models.predict(x), 1e-37))
        return logs[..., first] - logs[..., second]

    crosses = (log_odds(one) > 0) & (log_odds(other) < 0)
    share = np.zeros((*crosses.shape, 1))  # of the way, up to which the first class leads
    for step in 0.5 ** np.arange(1, 41):
        share += step * (log_odds(one + (share + step) * (other - one)) > 0)[..., None]
    ties = one + share * (other - one)
    halfway = abs(log_odds((ties + np.roll(ties, 1, axis=1)) / 2))
    return np.max(halfway, axis=1, where=crosses & np.roll(crosses, 1, axis=1), initial=0)


def gradient_error(z, y, dtype):
    """Return how far Keras's gradient is from ŷ - y at most, in rounding errors of the type."""
    import tensorflow as tf

    z = tf.constant(z, dtype)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = keras.losses.sparse_categorical_crossentropy(y, keras.ops.softmax(z))
    exact = keras.ops.softmax(tf.cast(z, "float64")) - np.eye(z.shape[-1])[y]
    return np.max(abs(np.subtract(tape.gradient(loss, z), exact))) / np.finfo(dtype).eps


def gap_to_logistic(split, seed, share):
    """Train a sigmoid unit, and two softmax units at a share of its rate; return how far apart."""
    first, second, _ = two_classes(split)
    x, y = np.concatenate([first, second]), np.repeat([0, 1], len(first))
    two = np.random.default_rng(seed).normal(0, 0.1, (x.shape[1], 2))
    one = two[:, 1] - two[:, 0]
    rate = 1 / np.mean(np.sum(x**2, axis=1)) / len(x)  # low enough for any data
    for _ in range(50):
        two -= share * rate * x.T @ (keras.ops.softmax(x @ two).numpy() - np.eye(2)[y])
        one -= rate * x.T @ (keras.ops.sigmoid(x @ one).numpy() - y)
    return np.max(abs(keras.ops.softmax(x @ two)[:, 1] - keras.ops.sigmoid(x @ one)))


def draw(split, models):
    """Return a figure of the regions in which each class of the blobs is the most probable."""
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS

    figure = Figure(figsize=(9, 4.7), layout="constrained")
    grid = np.stack(np.meshgrid(*[np.linspace(-4, 4, 400)] * 2), axis=-1).reshape(-1, 2)
    shown = {"cmap": ListedColormap(COLOURS[:4]), "vmin": 0, "vmax": 3}
    for ax, (title, of) in zip(figure.subplots(1, 2), models.items(), strict=True):
        regions = of.predict(grid)[0].argmax(axis=-1).reshape(400, 400)
        ax.imshow(regions, origin="lower", extent=(-4, 4, -4, 4), alpha=0.3, **shown)
        ax.scatter(*split.x.T, c=split.y, s=9, **shown)
        ax.set(title=title, xlabel="first input", ylabel="second input", xlim=(-4, 4), ylim=(-4, 4))
    return figure


def run(lab):
    """Train with and without a hidden layer; measure boundaries, gradients and limits."""
    from recipes._lab import evidence

    course, own = "Deep Learning Specialization, course 2 week 3", "this recipe"
    data = lab.data(examples=1000)
    blobs, (line, bent) = make_blobs(data), list(VARIANTS)[2:]
    tuned = lab.tune(build_model, {name: VARIANTS[name] for name in (line, bent)}, data, epochs=20)
    fit = {"learning_rate": 0.3, "fit": {"data": blobs, "epochs": 60}}
    on_blobs = {name: VARIANTS[name] | fit for name in VARIANTS if name not in tuned}
    histories = lab.train(build_model, on_blobs | tuned, data, epochs=20)
    models = {name: histories.models(name) for name in VARIANTS}
    odds = [*map(odds_between_ties, models.values(), [blobs.train] * 2 + [data.train] * 2)]
    x, y, t = data.test.x[:1000], data.test.y[:1000], np.logspace(-2, 2, 41)
    kernel, bias = models[line].weights.values()
    z = (x @ kernel + bias[:, None]).astype(float)  # logits, (seeds, examples, classes)
    shifts = np.subtract(keras.ops.softmax(z + 100), keras.ops.softmax(z))
    errors = [[gradient_error(of, y, kind) for kind in ("float32", "float64")] for of in z]
    half, same = ([gap_to_logistic(data.train, n, s) for n in lab.seeds] for s in (0.5, 1))
    cold = np.max(keras.ops.softmax(z / t[0]), axis=-1).mean(axis=1)
    tie = "linear boundaries: no hidden layer, two classes tie halfway between two ties, log odds"
    for text, source, off, most in (
        ("the outputs sum to 1", course, models[line].predict(x).sum(axis=-1) - 1, 1e-5),
        (tie, course, np.maximum(odds[0], odds[2]), 1e-3),
        ("the gradient by the logits is ŷ - y, in rounding errors", course, errors, 10),
        ("two softmax units, at half the rate, are one sigmoid unit", course, half, 1e-9),
        (f"hardmax: at temperature {t[0]:g} the mean largest output is 1", course, cold - 1, 0.01),
        ("adding 100 to all logits changes no output", own, shifts, 1e-9),
    ):
        largest = np.max(abs(np.reshape(off, (len(lab.seeds), -1))), axis=1)
        lab.claim(f"{text}, up to {most:g}", source, evidence.judge_exact(largest, most))
    text = "with a hidden layer they do not tie, odds above 1.1, 2 of 2, blobs and data"
    over = {"blobs": odds[1] - np.log(1.1), "data": odds[3] - np.log(1.1)}
    lab.claim(text, course, over, at_least=2, unit="data sets")
    text = "at the same rate, two softmax units part from the sigmoid unit by over 1 point"
    lab.claim(text, own, 100 * np.array(same), at_least=1, unit="points")
    few, many = (sum(w[0].size for w in models[name].weights.values()) for name in tuned)
    text = f"{many} parameters with a hidden layer, not {few}, raise test accuracy, data, best lr"
    lab.claim(text, own, histories.difference("test_accuracy", bent, line, 100), unit="points")
    lab.figure(draw(blobs.test, {name: models[name] for name in on_blobs}))
    outputs = keras.ops.softmax(np.arange(4)[:, None] / t, axis=0).numpy()
    layout = {"softmax": {f"logit {n}": (t, of[None]) for n, of in enumerate(outputs)}}
    lab.figure(lab.lines(layout, x_label="temperature", y_label="output", x_scale="log"), "hardmax")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
