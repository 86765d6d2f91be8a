"""What must be done to the inputs?

Claim: subtract the mean; scale where units differ, as those of pixels don't; few principal
components do nearly as well as all inputs; whitening exaggerates noise (CS231n, Setting up the
data). Normalized inputs allow larger rates (Deep Learning Specialization, course 2 week 1).

Look for: in the figure, how high each curve gets, and over how many rates it stays there (runs that
diverge count at chance); in TensorBoard, the gradients of h1 with raw inputs, and with others.

Raw inputs are pixels from 0 to 255 here; columns of a table get a scale and an offset each, drawn
once. Each treatment is compared at the rate that suits it best.

Why inputs matter: a weight's gradient is proportional to its input. With inputs of 100 a step
changes the first layer's outputs 10,000 times as much as with inputs of 1, and one rate has to suit
all layers. Inputs that are all positive move all weights of a unit in the same direction. Whitening
makes all directions equally large, also those that hold nothing but noise. An input that is
constant in training has no scale: 0 / 0 is NaN; scikit-learn divides by 1, Keras's Normalization by
1e-7.

Use: divide pixels by their maximum and subtract the mean, standardize columns of a table; take the
numbers from the training part, and keep them with the model.
Symptoms: the loss is NaN after a few steps; the loss does not move
Topic: Data and sanity
"""

import keras
import numpy as np

UNITS = 100


def build_model(
    input_shape=(64,), num_classes=10, *, normalize="hidden", dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        normalize: by batch normalization, the "hidden" layers, the "inputs" or nothing (None).
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """

    def normalization(name):
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)

    layers = [keras.Input(input_shape)]
    if normalize == "inputs":
        layers.append(normalization("input_bn"))
    for n in (1, 2):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if normalize == "hidden":
            layers.append(normalization(f"h{n}_bn"))
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.SGD(learning_rate), loss=loss, metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the rate on a logarithmic scale."""
    normalize, dropout = hp.Choice("normalize", ["hidden", "inputs"]), hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(
        input_shape, num_classes, normalize=normalize, dropout=dropout, learning_rate=rate
    )


RATES = np.logspace(-4.5, 1, 12).tolist()  # two a decade
RAW, CENTRED, SCALED, BOTH = "raw", "centred", "scaled", "scaled and centred"
STANDARD, LEAK = "standardized", "standardized by all data"
REDUCED, WHITE, NORMALIZED = "reduced by PCA", "whitened", "raw but batch-normalized"
TREATMENTS = (RAW, CENTRED, SCALED, BOTH, STANDARD, REDUCED, WHITE, NORMALIZED)
USABLE = 5  # points of accuracy that a rate may lose against the best one


def at(treatment, rate):
    """Name the variant of one treatment and learning rate."""
    return f"{treatment}, lr {rate:.2g}"


# In the hidden layers nothing mends what the inputs spoil.
VARIANTS = {
    at(name, rate): {"normalize": first, "dropout": 0.0, "learning_rate": rate}
    for name, first in (dict.fromkeys(TREATMENTS) | {NORMALIZED: "inputs"}).items()
    for rate in RATES
}


def mapped(data, function):
    """Return the data with a function of (examples, features) applied to all inputs."""
    splits = (data.train, data.validation, data.test)
    parts = (type(s)(function(s.x.astype(float)).astype(np.float32), s.y) for s in splits)
    return type(data)(data.name, data.class_names, *parts)


def unscaled(data):
    """Undo the lab's scaling: return raw data, and whether these are pixels, all of one scale.

    In a table, units differ by powers of ten, and most quantities are far from zero. Its columns
    within 0..1 are categories, and stay as they are.
    """
    low, high = data.train.x.min(axis=0), data.train.x.max(axis=0)
    category = (low >= 0) & (high <= 1)
    if category.all():
        return mapped(data, lambda x: 255 * x), True
    random = np.random.default_rng(0)
    scale, offset = 10 ** random.uniform(-1, 2, len(low)), random.uniform(0, 5, len(low))
    return mapped(data, lambda x: np.where(category, x, scale * (x + offset))), False


def treated(raw, pixels, treatment):
    """Return raw data after a treatment by statistics of the training part, or of all data."""
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    if treatment not in (RAW, CENTRED, NORMALIZED):
        largest = abs(raw.train.x).max(axis=None if pixels else 0)
        raw = mapped(raw, lambda x: x / np.where(largest > 0, largest, 1))
    step = {
        **dict.fromkeys((CENTRED, BOTH), StandardScaler(with_std=False)),
        **dict.fromkeys((STANDARD, LEAK), StandardScaler()),
        REDUCED: PCA(0.95),  # as many components as hold 95 % of the variance
        WHITE: PCA(1 - 1e-10, whiten=True),  # all in which there is anything
    }.get(treatment, FunctionTransformer())
    seen = (raw.train, raw.validation, raw.test) if treatment == LEAK else (raw.train,)
    return mapped(raw, step.fit(np.concatenate([part.x for part in seen], dtype=float)).transform)


def normalized_by_keras():
    """Return what Keras's Normalization makes of a 1 in an input that was 0 in training."""
    layer = keras.layers.Normalization()
    layer.adapt(np.zeros((100, 1)))
    return np.array(layer(np.ones((1, 1)))).item()


def run(lab):
    """Train with inputs treated in eight ways at twelve rates each; compare the best and count."""
    from recipes._lab import evidence

    notes, course, own = "CS231n", "Deep Learning Specialization, course 2 week 1", "this recipe"
    given = lab.data(examples=1000)
    raw, pixels = unscaled(given)
    fit = {name: {"fit": {"data": treated(raw, pixels, name)}} for name in (*TREATMENTS, LEAK)}
    variants = {at(n, r): VARIANTS[at(n, r)] | fit[n] for n in TREATMENTS for r in RATES}
    watch = [at(name, RATES[n]) for name in (RAW, BOTH) for n in (3, 7)]
    histories = lab.train(build_model, variants, given, epochs=15, watch=watch)
    best = {name: histories.best([at(name, rate) for rate in RATES]) for name in TREATMENTS}
    best[LEAK], leak = LEAK, {LEAK: variants[best[STANDARD]] | fit[LEAK]}  # at the same rate
    histories |= lab.train(build_model, leak, given, epochs=15, watch=[])

    def accuracy(name):
        """Return the validation accuracy at each rate, (seeds, rates), in %."""
        return 100 * np.transpose([histories.final("val_accuracy", at(name, r)) for r in RATES])

    def usable(name):
        """Tell which rates get near a seed's best one and don't diverge, (seeds, rates)."""
        finite = ~np.transpose([histories.diverged(at(name, rate)) for rate in RATES])
        return finite & (accuracy(name) >= accuracy(name).max(axis=1, keepdims=True) - USABLE)

    more, less = "give more test accuracy than", "lose at most 1 point of test accuracy to"
    same = "have the test accuracy, within 1 point, of"
    for source, first, relation, second, bound in (
        (notes, BOTH, more, RAW, {}),
        (notes, CENTRED, more, RAW, {}),
        (notes, BOTH, more, SCALED, {}),
        (notes, BOTH, less, STANDARD, {"at_least": -1}),
        (notes, REDUCED, less, BOTH, {"at_least": -1}),
        (notes, BOTH, more, WHITE, {}),
        (own, NORMALIZED, same, STANDARD, {"within": 1}),
        (own, LEAK, same, STANDARD, {"within": 1}),
    ):
        points = histories.difference("test_accuracy", best[first], best[second], scale=100)
        text = f"inputs {first} {relation} {second} ones, {'same' if first == LEAK else 'best'} lr"
        lab.claim(text, source, points, unit="points", **bound)
    both, raw = usable(BOTH), usable(RAW)
    ends = [np.log10(np.max(of * RATES, axis=1, initial=RATES[0])) for of in (both, raw)]
    text = f"inputs {BOTH} allow at least 10 times the largest usable lr of {RAW} ones"
    lab.claim(text, course, ends[0] - ends[1], at_least=1, unit="powers of ten")
    text = f"inputs {BOTH} have more usable rates than {RAW} ones, of 12, two a decade"
    lab.claim(text, own, both.sum(axis=1) - raw.sum(axis=1), unit="rates")
    text = "a 1 in an input that was 0 in training is 1e7 after Keras's Normalization"
    lab.claim(text, own, evidence.judge_exact([normalized_by_keras() / 1e7 - 1], 1e-3))
    lab.table({name: best[name] for name in (*TREATMENTS, LEAK)})
    drawn = {name: (RATES, accuracy(name)) for name in TREATMENTS}
    layout = {name: {RAW: drawn[RAW], "treated": drawn[name]} for name in TREATMENTS[1:]}
    labels = {"x_label": "learning rate", "y_label": "validation accuracy (%)"}
    lab.figure(lab.lines(layout, **labels, x_scale="log", limits=(0, 103)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
