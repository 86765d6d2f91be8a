"""Should the bias of the last layer start at the class frequencies?

Claim: on imbalanced data a last bias at the logarithms of the class frequencies lowers the initial
loss, speeds up convergence, and does away with the hockey stick, the steep first part of a loss
curve in which only the bias is learned (Karpathy 2019, "A Recipe for Training Neural Networks").

Look for: in the figure, where the two curves start and how soon they meet, and that they are one on
balanced data (the entropy of the frequencies p is the loss of who knows nothing else); in
TensorBoard, under histograms, softmax/bias of the watched variants.

Why the head start is soon gone: the outputs of ReLU are positive on average, so the last kernel
acts as a bias as well, and moves faster than the bias itself. Together they soon learn the
frequencies, at any rate that suits the rest of the network; only at one that is too low the head
start lasts. It should count for more where a class is so rare that, at the start, the losses of all
the others drown its own (Lin et al. 2017, "Focal Loss for Dense Object Detection").

Use: the logarithms of the class frequencies where they differ much: one line, and the first loss is
a check.
Symptoms: the first loss is far from that of guessing; rare classes are never predicted
Topic: Initial values and activations
"""

import keras
import numpy as np

HIDDEN_LAYERS = 2
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    class_frequencies=None,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        class_frequencies: how often each class occurs, in counts or shares above zero; None for a
            last bias of zero.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers += [
            keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    bias = keras.initializers.Zeros()
    if class_frequencies is not None:
        shares = np.array(class_frequencies) / np.sum(class_frequencies)
        # A list, and not an array, is written as it is into a saved model.
        bias = keras.initializers.Constant(np.log(shares).tolist())
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(
            num_classes, activation="softmax", bias_initializer=bias, name="softmax"
        ),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


RATES = (0.01, 0.1, 1.0)
RAREST = 0.1  # share of the rarest class that is kept: one in ten, Karpathy's example
IMBALANCED, BALANCED = "imbalanced", "balanced"
ZERO, LOG = "bias 0", "bias log p"
RUNS = [*((IMBALANCED, rate) for rate in RATES), (BALANCED, 0.1)]


def at(kind, rate, bias):
    """Name the variant of one kind of data, learning rate and bias."""
    return f"{kind}, {bias}, lr {rate:g}"


# `run` adds the frequencies, which are not known before the data are.
VARIANTS = {
    at(kind, rate, bias): {"learning_rate": rate} for kind, rate in RUNS for bias in (ZERO, LOG)
}


def thinned(data, balanced):
    """Return imbalanced data or, if asked, balanced data, about as few.

    All examples of the most frequent class are kept, a share of RAREST of the rarest, and of those
    between a share that falls geometrically. So data that are imbalanced become more so.
    """
    classes = data.num_classes
    frequent_first = np.argsort(-np.bincount(data.train.y, minlength=classes), kind="stable")
    rank = np.argsort(frequent_first)
    share = RAREST ** (rank / (classes - 1))
    splits = []
    for split in (data.train, data.validation, data.test):
        present = np.bincount(split.y, minlength=classes)
        counts = np.ceil(share * present).astype(int)
        if balanced:
            alike = min(present[present > 0].min(), counts.sum() // classes)
            counts = np.full(classes, max(alike, 1))
        order = np.random.default_rng(0).permutation(len(split))
        kept = [order[split.y[order] == label][:count] for label, count in enumerate(counts)]
        rows = np.sort(np.concatenate(kept))
        splits.append(type(split)(split.x[rows], split.y[rows]))
    return type(data)(data.name, data.class_names, *splits)


def run(lab):
    """Train with and without the frequencies, on imbalanced and on balanced data."""
    given = lab.data(examples=1000)
    data = {kind: thinned(given, kind == BALANCED) for kind in (IMBALANCED, BALANCED)}
    variants, entropy = {}, {}
    for kind, rate in RUNS:
        # A class may be missing from the first thousand examples; its logarithm has to be finite.
        counts = np.maximum(np.bincount(data[kind].train.y, minlength=given.num_classes), 1)
        shares = counts / counts.sum()
        entropy[kind] = -(shares * np.log(shares)).sum()
        for bias, frequencies in ((ZERO, None), (LOG, counts.tolist())):
            more = {"class_frequencies": frequencies, "fit": {"data": data[kind]}}
            variants[at(kind, rate, bias)] = VARIANTS[at(kind, rate, bias)] | more
    watch = [at(IMBALANCED, rate, bias) for rate in RATES[:2] for bias in (ZERO, LOG)]
    histories = lab.train(build_model, variants, given, epochs=20, watch=watch)

    def gain(kind, rate):
        """Return how much lower the frequencies make the loss, (seeds, epochs + 1), in nats."""
        zero, log = (histories.curve("loss", at(kind, rate, bias)) for bias in (ZERO, LOG))
        return zero - log

    last = gain(*RUNS[0]).shape[1] - 1
    start = min(3, last)
    # In loss; hardly anything if there is one example a class, but never nothing.
    worth = max(np.log(given.num_classes) - entropy[IMBALANCED], 0.01)
    lab.claim(
        "on imbalanced data the frequencies lower the initial loss",
        "Karpathy 2019",
        gain(*RUNS[0])[:, 0],  # before training, so the same at all rates
        unit="nats",
    )
    for rate in RATES:
        lab.claim(
            f"they lower the mean loss of epochs 1 to {start}, a faster start, lr {rate:g}",
            "Karpathy 2019",
            gain(IMBALANCED, rate)[:, 1 : start + 1].mean(axis=1),
            unit="nats",
        )
        lab.claim(
            f"the head start is gone after epoch {start}, lr {rate:g}",
            "this recipe",
            100 * gain(IMBALANCED, rate)[:, start] / worth,
            within=10,
            unit="% of ln C - entropy",
        )
    lab.claim(
        "on balanced data they leave the initial loss as it is",
        "this recipe",
        gain(*RUNS[-1])[:, 0],
        within=0.001,
        unit="nats",
    )
    for kind, rate in RUNS:
        log, zero = at(kind, rate, LOG), at(kind, rate, ZERO)
        lab.claim(
            f"on {kind} data test accuracy is the same after epoch {last}, lr {rate:g}",
            "this recipe",
            histories.difference("test_accuracy", log, zero, scale=100),
            within=1,
            unit="points",
        )
    epochs = np.arange(min(10, last) + 1)
    layout = {}
    for kind, rate in RUNS:
        curves = {b: histories.curve("loss", at(kind, rate, b)) for b in (ZERO, LOG)}
        layout[f"{kind}, lr {rate:g}"] = {
            **{bias: (epochs, losses[:, epochs]) for bias, losses in curves.items()},
            "entropy of p": (np.linspace(0, epochs[-1], 99), np.full((1, 99), entropy[kind])),
        }
    steps = max(1, len(data[IMBALANCED].train) // 100)
    x_label = f"epoch (0 = before training; {steps} steps each)"
    lab.figure(lab.lines(layout, x_label=x_label, y_label="training loss (nats)"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
