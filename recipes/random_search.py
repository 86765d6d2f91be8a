"""What does a random search over learning rate and weight decay find?

Claim: of 100 trials with both drawn on logarithmic scales, those learn well whose learning rate is
.001 to .01 and whose weight decay is 1e-8 to 1e-6; a few epochs are enough to see which (Deep
Learning from Scratch, sections 6.5.2 and 6.5.3). With batch normalization (BN) a much larger range
of settings works well (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, the book's, learning rate and weight decay of the best 20 trials of 100; in
the second one, which of the two orders the dots, and how far the accuracy rises beyond the book's
range, shaded; in TensorBoard, under HParams, one of the searches.

Why the weight decay does not matter: a step shrinks a weight by learning rate times weight decay of
itself. At the largest of both, all 200 steps take .02 % of it. The book's good range is half of the
range that is drawn from, so about half of the best trials lie in it, whatever decides. The learning
rate gets better up to the edge of its range, which ends too early. A few epochs show which trials
are best; the order of those that have learned nothing yet is luck. BN moves the good learning rates
up; whether it makes their range wider depends on how slowly the net learns below them.

One search gives no verdict. These are five of 20 trials, each with initial weights of its own, and
five of 10, without and with BN, of learning rates a thousand times as high.

Use: learning rates from 1e-4 to 1 on a logarithmic scale, few epochs; no search for the weight
decay.
Symptoms: a search finds nothing better
Topic: Hyperparameters
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
    dropout=0.1,
    weight_decay=1e-6,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        weight_decay: the loss grows by half of it times the sum of all squared weights.
        learning_rate: of plain gradient descent.
    """
    kernel = {
        "kernel_initializer": "he_normal",
        "kernel_regularizer": keras.regularizers.L2(weight_decay / 2),
    }
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, **kernel, name=f"h{n}"))
        if batch_norm:
            layers += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")]
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", **kernel, name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, batch_norm=False, rates=(1e-6, 1e-2)):
    """The same model for keras-tuner: the book's net, without BN and dropout, and its ranges."""
    return build_model(
        input_shape,
        num_classes,
        batch_norm=batch_norm,
        dropout=0.0,
        weight_decay=hp.Float("weight_decay", 1e-8, 1e-4, sampling="log"),
        learning_rate=hp.Float("learning_rate", *rates, sampling="log"),
    )


BOOK, HIGH, HIGH_BN = "lr 1e-6 to .01", "lr .001 to 10", "lr .001 to 10, with BN"
VARIANTS = {  # arguments of build_tunable
    BOOK: {},
    HIGH: {"rates": (1e-3, 10.0)},
    HIGH_BN: {"rates": (1e-3, 10.0), "batch_norm": True},
}
TRIALS = {BOOK: 20, HIGH: 10, HIGH_BN: 10}
BEST = 0.2  # of the trials: the book looks at the best 20 of 100
GOOD = 0.9  # of the way from chance to the best trial


def rank_correlation(first, second):
    """Return Spearman's rank correlation of two (trials,), 0 where one of them does not vary."""
    from scipy import stats

    varies = np.ptp(first) > 0 and np.ptp(second) > 0
    return stats.spearmanr(first, second).statistic if varies else 0.0


def best_of(scores):
    """Return which trials are the best fifth, (trials,); of equal ones the first."""
    count = max(1, round(BEST * len(scores)))
    return np.isin(np.arange(len(scores)), np.argsort(-scores, kind="stable")[:count])


def more_good(first, second, chance):
    """Return by how many points more of the first scores than of the second are good."""
    bar = chance + GOOD * (max(*first, *second, chance) - chance)
    return 100 * (np.mean(first >= bar) - np.mean(second >= bar))


def curves_of(searches):
    """Return the learning curves of the best 20 trials of several searches, a panel each."""
    trials = [(search, n) for search in searches for n in search.ranking]
    trials.sort(key=lambda found: -found[0].val_accuracy[found[1]])
    panels = {}
    for rank, (search, n) in enumerate(trials[:20], 1):
        rate, decay = search.values["learning_rate"][n], search.values["weight_decay"][n]
        lines = {"training": search.curves["accuracy"], "validation": search.curves["val_accuracy"]}
        panels[f"{rank}: lr {rate:.2g}, decay {decay:.1g}"] = {
            name: (np.arange(of.shape[1]), 100 * of[n : n + 1]) for name, of in lines.items()
        }
    return panels


def scatter(found):
    """Draw the trials' validation accuracy over both hyperparameters."""
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS, MARKERS

    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for ax, name in zip(axes, ("learning_rate", "weight_decay"), strict=True):
        for n, (kind, of) in enumerate(found.items()):
            x = np.concatenate([search.values[name] for search in of])
            y = 100 * np.concatenate([search.val_accuracy for search in of])
            ax.plot(x, y, MARKERS[n], color=COLOURS[n], alpha=0.6, ms=5, mew=0, label=kind)
        ax.set(xscale="log", xlabel=name.replace("_", " "))
        ax.grid(alpha=0.25)
    axes[0].axvspan(1e-6, 1e-2, color="#888", alpha=0.15, lw=0, label="the book's range")
    axes[0].set_ylabel("validation accuracy (%), 0 if diverged")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def run(lab):
    """Search in three ways, five times each, and ask what decides, how soon, and where."""
    from functools import partial

    book = "Deep Learning from Scratch, 6.5"
    data = lab.data(examples=400)  # as many as in the book
    found = {}
    for kind, arguments in VARIANTS.items():
        plan = {"trials": TRIALS[kind], "epochs": 50, "repetitions": 5, "name": kind}
        found[kind] = lab.search(partial(build_tunable, **arguments), data, **plan)
    searches = found[BOOK]

    def correlation(name):
        return np.abs([rank_correlation(s.values[name], s.val_accuracy) for s in searches])

    def surplus(name, low, high):
        """Return by how many points more of the best than of all trials draw from low to high."""
        inside = [(low <= s.values[name]) & (s.values[name] <= high) for s in searches]
        best = [best_of(search.val_accuracy) for search in searches]
        return [100 * (a[b].mean() - a.mean()) for a, b in zip(inside, best, strict=True)]

    text = "the score depends more on the learning rate than on the weight decay"
    difference = correlation("learning_rate") - correlation("weight_decay")
    lab.claim(text, f"after {book}.3", difference, unit="of rank correlation")
    text = "more of the best fifth of the trials than of all have a"
    rates, decays = surplus("learning_rate", 1e-3, 1e-2), surplus("weight_decay", 1e-8, 1e-6)
    lab.claim(f"{text} learning rate of .001 to .01", f"{book}.3", rates, unit="points")
    lab.claim(f"{text} weight decay of 1e-8 to 1e-6", f"{book}.3", decays, unit="points")
    curves = [search.curves["val_accuracy"] for search in searches]
    fifth = max(1, (curves[0].shape[1] - 1) // 5)  # of the epochs
    orders = [(of[:, fifth], s.val_accuracy) for of, s in zip(curves, searches, strict=True)]
    text = "after a fifth of the epochs the trials rank as at the end, rank correlation above .8"
    lab.claim(text, f"after {book}.2", [rank_correlation(*o) for o in orders], at_least=0.8)
    shares = [100 * best_of(early)[best_of(late)].mean() for early, late in orders]
    text = "more than half of the best fifth of the trials are so after a fifth of the epochs"
    lab.claim(text, f"after {book}.2", shares, at_least=50, unit="%")
    test = {k: np.array([100 * s.test_accuracy[s.best] for s in of]) for k, of in found.items()}
    text = "learning rates a thousand times as high find a trial that is better on test"
    lab.claim(text, "this recipe", test[HIGH] - test[BOOK], unit="points")
    text = "with BN more trials are good, of the same draws, lr .001 to 10"
    pairs = zip(found[HIGH_BN], found[HIGH], strict=True)
    more = [more_good(a.val_accuracy, b.val_accuracy, data.chance) for a, b in pairs]
    lab.claim(text, "Deep Learning Specialization, course 2 week 3", more, unit="points")
    axes = {"x_label": "epoch", "y_label": "accuracy (%)", "limits": (0, 103)}
    lab.figure(lab.lines(curves_of(searches), **axes))
    lab.figure(scatter(found), "scatter")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
