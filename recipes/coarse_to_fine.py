"""Does zooming in pay, at equal budget?

Claim: draw from wide ranges, narrow them to where the best trials lie, and draw again: so values
are found that are better (Deep Learning Specialization, course 2 week 3; Deep Learning from
Scratch, section 6.5.2; CS231n, Neural Networks Part 3).

Look for: in the figure, that zooming in raises the typical trial, and whether it raises the best;
in the second one, on which ranges the rounds of one search close in; in TensorBoard, under HParams,
the trials of one search of each kind.

Why the best is hardly better: 51 draws from wide ranges hit the good region many times, and at its
top the trials differ by no more than the luck of a validation set. So one round is enough to find
one good setting. Zooming in finds many, and shows how far the good region reaches. It should pay
where draws hit that region rarely, yet often enough for a round to see where it lies. Beware of
what the ranges show: that of the weight decay closes in as well, although it has no effect here,
for the best of a round lie somewhere.

Both kinds begin with the same 17 trials. The learning rate's range is that of CS231n's example, the
momentum's that of the specialization, the weight decay's that of the book.

Use: one round to find one good setting, STAGES=3 to see how far the good region reaches.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np

HIDDEN_LAYERS = 2
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    dropout=0.1,
    weight_decay=1e-6,
    momentum=0.9,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        dropout: share of the last hidden layer's units that training drops.
        weight_decay: the loss grows by half of it times the sum of all squared weights.
        momentum: share of the last step that the next one keeps.
        learning_rate: of gradient descent.
    """
    kernel = {
        "kernel_initializer": "he_normal",
        "kernel_regularizer": keras.regularizers.L2(weight_decay / 2),
    }
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers += [
            keras.layers.Dense(UNITS, **kernel, name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", **kernel, name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: wide ranges, 1 - momentum on a logarithmic scale, too."""
    return build_model(
        input_shape,
        num_classes,
        weight_decay=hp.Float("weight_decay", 1e-8, 1e-4, sampling="log"),
        momentum=1.0 - hp.Float("one_minus_momentum", 1e-3, 1e-1, sampling="log"),
        learning_rate=hp.Float("learning_rate", 1e-6, 10.0, sampling="log"),
    )


TRIALS, ROUNDS = 51, 3
ONE, THREE = "one round of 51", "three rounds of 17"
VARIANTS = {ONE: {"stages": 1}, THREE: {"stages": ROUNDS}}  # arguments of lab.search
GOOD = 0.9  # of the way from chance to the best trial


def rounds(trials):
    """Return the slices of the trials of each round."""
    return [slice(trials * n // ROUNDS, trials * (n + 1) // ROUNDS) for n in range(ROUNDS)]


def on_test(search, part):
    """Return the test accuracy (%) of the trial, of a slice of them, that is best on validation."""
    return 100 * search.test_accuracy[part][search.val_accuracy[part].argmax()]


def more_good(first, second, chance):
    """Return by how many points more of the first scores than of the second are good."""
    bar = chance + GOOD * (max(*first, *second, chance) - chance)
    return 100 * (np.mean(first >= bar) - np.mean(second >= bar))


def ranges(search):
    """Draw what each round of a search draws, a panel a hyperparameter."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3), layout="constrained")
    axes = figure.subplots(1, len(search.values), sharey=True)
    scores = 100 * search.val_accuracy
    for ax, (name, values) in zip(axes, search.values.items(), strict=True):
        for n, part in enumerate(rounds(len(scores)), 1):
            x = values[part]
            ax.plot([x.min(), x.max()], [n, n], color="#bbb", lw=9, zorder=1)
            dots = ax.scatter(
                x, np.full(len(x), n), c=scores[part], vmin=0, vmax=100, s=22, cmap="viridis_r"
            )
        low, high = np.floor(np.log10([values.min(), values.max()]))
        ax.set(xscale="log", xlabel=name.replace("one_minus_", "1 - ").replace("_", " "))
        ax.set_xlim(10**low, 10 ** (high + 1))
        ax.minorticks_off()
        ax.set_yticks(range(1, ROUNDS + 1))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set(ylabel="round", ylim=(ROUNDS + 0.5, 0.5))
    figure.colorbar(dots, ax=axes, label="validation accuracy (%)")
    return figure


def run(lab):
    """Search in one round and in three, ten times each, with the same first 17 trials."""
    course = "Deep Learning Specialization, course 2 week 3"
    data = lab.data(examples=400)
    plan = {"trials": TRIALS, "epochs": 10, "repetitions": 10}
    found = {
        name: lab.search(build_tunable, data, name=name, **VARIANTS[name], **plan)
        for name in VARIANTS
    }
    first, *_, last = rounds(len(found[ONE][0].val_accuracy))
    whole = slice(None)
    test, best, median = {}, {}, {}
    for name, of in found.items():
        part = last if name == THREE else whole
        test[name] = np.array([on_test(search, whole) for search in of])
        best[name] = np.array([100 * search.val_accuracy.max() for search in of])
        scores = [np.maximum(search.val_accuracy[part], data.chance) for search in of]
        median[name] = 100 * np.median(scores, axis=1)

    def claim(text, differences, source=course):
        lab.claim(text, source, differences, unit="points")

    claim("three rounds find a trial that is better on test", test[THREE] - test[ONE])
    claim("three rounds find a trial that is better on validation", best[THREE] - best[ONE])
    text = "the median trial of the last round is better than that of a single round"
    claim(text, median[THREE] - median[ONE], f"after {course}")
    pairs = zip(found[THREE], found[ONE], strict=True)
    more = [more_good(a.val_accuracy, b.val_accuracy, data.chance) for a, b in pairs]
    claim("of three rounds, more trials are good", more, f"after {course}")
    text = "the best trial of the last round is better on test than that of the first one"
    claim(text, [on_test(search, last) - on_test(search, first) for search in found[THREE]])

    rows = {"best trial, validation": best, "best trial, test": test, "median trial": median}
    wrong = {
        row: {name: np.maximum(100 - values, 0.5) for name, values in of.items()}
        for row, of in rows.items()
    }
    title = f"{len(found[ONE])} searches of each kind (median of three rounds: that of the last)"
    x_label = "wrong answers (%), .5 for all below"
    figure = lab.dots({title: wrong}, x_label=x_label, limits=(0.4, 110))
    ticks = (0.5, 1, 2, 5, 10, 20, 50, 100)
    figure.axes[0].set_xscale("log")
    figure.axes[0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    figure.axes[0].minorticks_off()
    lab.figure(figure)
    lab.figure(ranges(found[THREE][0]), "ranges")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
