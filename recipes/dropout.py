"""How much Dropout is right, and what does inference average?

Claim: Dropout narrows the gap between training and test accuracy, and training accuracy stays below
100 %; inference, without masks, stands for an average over all the networks that masks leave, as in
an ensemble (Deep Learning from Scratch, section 6.4.3).

Look for: in the figure, how Dropout brings training and validation together, and at what height; in
figure-masks, how many masks it takes to be as accurate as one pass without any, and which average
that pass is close to; in figure-rates, where the test accuracy is highest; in TensorBoard, under
epoch_accuracy, train beside validation.

Every mask leaves another network. Their average takes many passes. One without masks comes close if
only each layer gets inputs as large as in training, where a share `keep` of them was left: either
inference scales by `keep`, as in the book, or training by 1 / `keep`, as Keras does. With neither,
all inputs are too large. What the one pass averages is what goes into the softmax, so it is close
to the geometric mean of the probabilities; their ordinary mean, an ensemble's, is less sure of
itself and mostly picks the same class. None of these networks has batch normalization, which would
use the statistics of the batch wherever masks are drawn (training=True).

Use: the rate that is best on validation data, none among them, and a learning rate tuned along with
it. Layers as narrow as these bear little, .1 or .2 at the most; at .5 six of them hardly learn.
Symptoms: validation far below training; validation loss rises
Topic: Regularization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 6
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.2,
    scale_at_test=False,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of each hidden layer's units that training drops.
        scale_at_test: whether to multiply by the share kept at inference, as in the book, instead
            of dividing by it in training, as Keras does.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            layers += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")]
        layers += [keras.layers.Activation("relu", name=f"h{n}_act")]
        layers += [keras.layers.Dropout(dropout, name=f"h{n}_dropout")]
        if scale_at_test:  # in training this undoes Keras's 1 / (1 - dropout)
            layers.append(keras.layers.Rescaling(1 - dropout, name=f"h{n}_scaling"))
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
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


NONE, SOME = 0.0, 0.2  # rates of Dropout that the book compares
BOOK, TUNED = "lr 0.01, batch 100", "best lr, batch 20"
RATES = {BOOK: (NONE, SOME), TUNED: (NONE, 0.1, SOME, 0.3, 0.5)}
USED = {BOOK: f"of {SOME:g}", TUNED: "at the best rate on validation"}
PLAN = {BOOK: {"epochs": 300, "batch_size": 100}, TUNED: {"epochs": 40, "batch_size": 20}}


def at(rate, setting):
    """Name the variant of a rate of Dropout at the book's setting, or at the best learning rate."""
    return f"rate {rate:g}, {setting}"


VARIANTS = {
    at(rate, setting): {"batch_norm": False, "dropout": rate, "learning_rate": 0.01, "fit": plan}
    for setting, plan in PLAN.items()
    for rate in RATES[setting]  # `run` tunes the learning rate of the latter
}
SCALED = f"rate {SOME:g}, scaled at test, {TUNED}"
VARIANTS[SCALED] = VARIANTS[at(SOME, TUNED)] | {"scale_at_test": True}
FULL = 99.5  # % of training accuracy that count as 100: one of 300 images is wrong at the most
MASKS = (1, 2, 5, 10, 20, 50, 100)
INFERENCE, ARITHMETIC, GEOMETRIC = "inference", "arithmetic mean", "geometric mean"


def compare_masks(models, x, y):
    """Average the probabilities of ever more masks, in groups of a hundred, beside inference.

    Returns:
        Errors in %, and distances to inference in points, half the sum over the classes of the
        differences in probability; of both `{kind: (models, sizes)}`, the means over all groups.
    """
    inference, tenfold = models.predict(x), np.concatenate([x] * 10)  # each with its own masks
    drawn = [models.predict(tenfold, training=True, draw=n) for n in range(MASKS[-1] // 10)]
    drawn = np.reshape(drawn, (-1, len(inference), 10, *inference.shape[1:])).swapaxes(1, 2)
    found = {}
    for size in MASKS:
        groups = drawn.reshape(-1, size, *inference.shape)
        product = np.exp(np.log(np.maximum(groups, 1e-30)).mean(axis=1))
        averages = {INFERENCE: inference[None], ARITHMETIC: groups.mean(axis=1)}
        averages[GEOMETRIC] = product / product.sum(axis=-1, keepdims=True)
        for kind, average in averages.items():
            error = 100 * np.mean(average.argmax(axis=-1) != y, axis=(0, -1))
            distance = 50 * np.abs(average - inference).sum(axis=-1).mean(axis=(0, -1))
            found.setdefault(kind, []).append((error, np.nan_to_num(distance)))
    return [{kind: np.array(of)[:, n].T for kind, of in found.items()} for n in (0, 1)]


def run(lab):
    """Overfit few images with more and more Dropout; then draw masks from what was trained."""
    from recipes._lab import evidence

    book, points = "Deep Learning from Scratch, 6.4.3", {"unit": "points"}
    data = lab.data(examples=300)  # as many as the book overfits
    asked = {name: of for name, of in VARIANTS.items() if TUNED in name}
    tuned = lab.tune(build_model, asked, data, values=(0.03, 0.1, 0.3), **PLAN[TUNED])
    watch = [at(rate, setting) for setting in PLAN for rate in (NONE, SOME)]
    histories = lab.train(build_model, VARIANTS | tuned, data, watch=watch, **PLAN[TUNED])

    def gain(first, second, metric="test_accuracy"):
        return histories.difference(metric, first, second, scale=100)

    for setting, source in (BOOK, book), (TUNED, f"after {book}"):
        none, some = at(NONE, setting), at(SOME, setting)
        narrower = gain(some, none)
        narrower = narrower._replace(values=narrower.values + gain(none, some, "accuracy").values)
        text = f"training minus test accuracy is smaller with Dropout of {SOME:g}, {setting}"
        lab.claim(text, source, narrower, **points)
        best = histories.best([at(rate, setting) for rate in RATES[setting][1:]])
        text = f"test accuracy is higher with Dropout {USED[setting]}, {setting}"
        lab.claim(text, "Srivastava et al. 2014", gain(best, none), **points)
    most = 100 * histories.curve("accuracy", at(SOME, BOOK)).max(axis=1)
    text = f"with Dropout training accuracy never reaches {FULL:g} %, {at(SOME, BOOK)}"
    lab.claim(text, book, FULL - most, **points)

    some, every = at(SOME, TUNED), -(-len(data.test) // 500)  # so many test examples are enough
    x, y = data.test.x[::every], data.test.y[::every]
    errors, distances = compare_masks(histories.models(some), x, y)
    first, *_, last = errors[ARITHMETIC].T
    text = f"inference is as accurate as the mean of 100 masks, within 1 point, {some}"
    lab.claim(text, book, last - errors[INFERENCE][:, -1], within=1, **points)
    text = f"the mean of 100 masks is more accurate than one mask, as an ensemble is, {some}"
    lab.claim(text, book, first - last, **points)
    text = f"inference's probabilities are within 5 points of the mean's of 100 masks, {some}"
    lab.claim(text, book, distances[ARITHMETIC][:, -1], within=5, **points)
    closer = (distances[ARITHMETIC] - distances[GEOMETRIC])[:, -1]
    text = f"inference is closer to the geometric mean of 100 masks than to the arithmetic, {some}"
    lab.claim(text, "Goodfellow et al. 2016, Deep Learning, 7.12", closer, **points)

    layers = [keras.layers.Dropout(0.5, seed=seed) for seed in lab.seeds]
    shifts = [np.mean(layer(np.ones(10**6), training=True)) - 1 for layer in layers]
    text = "the mean output of Keras's Dropout in training is its input, rate 0.5, up to .005"
    lab.claim(text, "this recipe", evidence.judge_exact(shifts, 0.005))
    text = f"scaling at test gives the same test accuracy, within 1 point, {some}"
    lab.claim(text, book, gain(SCALED, some), within=1, **points)
    models = histories.models(SCALED)
    scaled = models.loss(data.test)
    for name, values in models.weights.items():
        if name.endswith("/kernel") and name != "h1/kernel":  # undo the scaling before this layer
            models.weights[name] = values / (1 - SOME)
    text = f"with neither scaling the test loss is higher, {some}"
    lab.claim(text, "this recipe", np.nan_to_num(models.loss(data.test) - scaled), unit="nats")

    layout = {at(rate, BOOK): {} for rate in RATES[BOOK]}
    for variant, lines in layout.items():
        for part, metric in ("training", "accuracy"), ("validation", "val_accuracy"):
            values = 100 * histories.curve(metric, variant)
            lines[part] = np.arange(values.shape[1]), values
    labels = {"y_label": "accuracy (%)", "limits": (0, 103)}
    lab.figure(lab.lines(layout, x_label="epoch (0 = before training)", **labels))
    layout = {"test error": errors, "distance to inference's probabilities": distances}
    layout = {title: {k: (MASKS, v) for k, v in of.items()} for title, of in layout.items()}
    axis = {"x_label": "masks averaged", "x_scale": "log", "y_label": "points of percent"}
    lab.figure(lab.lines(layout, **axis), "masks")
    lines = {}
    for part, metric in ("training", "accuracy"), ("test", "test_accuracy"):
        lines[part] = [100 * histories.final(metric, at(rate, TUNED)) for rate in RATES[TUNED]]
    layout = {TUNED: {part: (RATES[TUNED], np.transpose(values)) for part, values in lines.items()}}
    lab.figure(lab.lines(layout, x_label="rate of Dropout", **labels), "rates")


if __name__ == "__main__":
    from recipes._lab.cli import main

    main(__name__)
