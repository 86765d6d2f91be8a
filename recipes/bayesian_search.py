"""Bayesian or random, at equal budget?

Claim: Bayesian optimization learns from the trials so far where to look next, and so finds its way
through a space of hyperparameters more efficiently; yet in carefully chosen ranges it is hard to
beat random search (CS231n, Neural Networks Part 3).

Look for: in the figure, whether the curves part after the ninth trial; in the second one, how much
better the later trials of a Bayesian search are; in TensorBoard, under HParams, where the trials of
one search of each kind lie.

Why better trials need not mean a better best one: in wide ranges, random draws hit the good region
a few times, too, and in it the trials differ by little more than the luck of a validation set.
keras-tuner's Gaussian process has one length scale for all hyperparameters, so it can't tell those
that matter from those that don't, and no term for noise; it often looks where it knows least, at
the ends of the ranges. It should pay where good settings are rarer or trials are expensive.

Of each hyperparameter, keras-tuner draws three trials at random first; they are random search's own
ones. A proposal after that takes longer than the training of its trial: this recipe takes minutes,
and that is why.

Use: random search while a trial takes seconds; Bayesian where it takes minutes.
Symptoms: there is compute for a few trials only
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
    momentum=0.9,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        dropout: share of the last hidden layer's units that training drops.
        momentum: share of the last step that the next one keeps.
        learning_rate: of gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers += [
            keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(
    hp,
    input_shape=(64,),
    num_classes=10,
    *,
    rates=(1e-6, 10.0),
    momenta=(0.9, 0.999),
    most_dropout=0.9,
):
    """The same model for keras-tuner: wide ranges, 1 - momentum on a logarithmic scale, too."""
    low, high = momenta
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, most_dropout),
        momentum=1.0 - hp.Float("one_minus_momentum", 1.0 - high, 1.0 - low, sampling="log"),
        learning_rate=hp.Float("learning_rate", *rates, sampling="log"),
    )


WIDE, CHOSEN = "wide ranges", "carefully chosen ranges"
RANGES = {  # arguments of build_tunable
    WIDE: {},
    CHOSEN: {"rates": (1e-3, 1.0), "momenta": (0.9, 0.99), "most_dropout": 0.5},
}
RANDOM, BAYESIAN = "random", "Bayesian"
# Arguments of lab.search; a Gaussian process is asked for one trial at a time.
ORACLES = {RANDOM: {"oracle": "random"}, BAYESIAN: {"oracle": "bayesian", "batch": 1}}


def at(kind, ranges):
    """Name the searches of one kind in some ranges."""
    return f"{kind}, {ranges}"


VARIANTS = {at(kind, ranges): (kind, ranges) for ranges in RANGES for kind in ORACLES}
TRIALS = 25


def best_so_far(search):
    """Return the best validation accuracy (%) of the first trials, (trials,)."""
    return 100 * np.maximum.accumulate(search.val_accuracy)


def trials_to(search, goal):
    """Return after how many trials the best one reaches a goal (%), or all of them if none does."""
    reached = best_so_far(search) >= goal
    return 1 + reached.argmax() if reached.any() else len(reached)


def drawn(lab, found, accuracy, what):
    """Draw the wrong answers over the trials, a panel for each of the ranges."""
    layout = {ranges: {} for ranges in RANGES}
    for name, (kind, ranges) in VARIANTS.items():
        wrong = np.array([np.maximum(100 - accuracy(search), 0.5) for search in found[name]])
        layout[ranges][kind] = np.arange(1, wrong.shape[1] + 1), wrong
    x_label = "trials (the first nine are the same)"
    y_label = f"wrong validation answers of {what} (%)"
    figure = lab.lines(layout, x_label=x_label, y_label=y_label, y_scale="log")
    limits, ticks = figure.axes[0].get_ylim(), (0.5, 1, 2, 5, 10, 20, 50, 100)
    for ax in figure.axes:
        ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    figure.axes[0].set_ylim(limits)
    return figure


def run(lab):
    """Search in both ways, ten times each, in wide ranges and in carefully chosen ones."""
    from functools import partial

    course = "CS231n, Neural Networks Part 3"
    data = lab.data(examples=400)
    plan = {"trials": TRIALS, "epochs": 10, "repetitions": 10}
    found = {}
    for name, (kind, ranges) in VARIANTS.items():
        tunable = partial(build_tunable, **RANGES[ranges])
        found[name] = lab.search(tunable, data, name=name, **ORACLES[kind], **plan)
    test = {
        name: np.array([100 * search.test_accuracy[search.best] for search in of])
        for name, of in found.items()
    }

    def trials(kind, goal):
        return np.array([trials_to(search, goal) for search in found[at(kind, WIDE)]])

    def median(kind):
        scores = [np.maximum(s.val_accuracy, data.chance) for s in found[at(kind, WIDE)]]
        return 100 * np.median(scores, axis=1)

    text = "a Bayesian search finds a trial that is better on test, wide ranges"
    better = test[at(BAYESIAN, WIDE)] - test[at(RANDOM, WIDE)]
    lab.claim(text, f"after {course}", better, unit="points")
    goal = np.median([best_so_far(search)[-1] for search in found[at(RANDOM, WIDE)]])
    text = "it needs fewer trials for what half of the random searches reach, wide ranges"
    lab.claim(text, f"after {course}", trials(RANDOM, goal) - trials(BAYESIAN, goal), unit="trials")
    text = "its median trial is better on validation, wide ranges"
    lab.claim(text, f"after {course}", median(BAYESIAN) - median(RANDOM), unit="points")
    text = "it is hard to beat random search: by less than a point on test, carefully chosen ranges"
    behind = test[at(RANDOM, CHOSEN)] - test[at(BAYESIAN, CHOSEN)]
    lab.claim(text, course, behind, at_least=-1, unit="points")
    text = "random search in chosen ranges finds a better trial on test than Bayesian in wide ones"
    better = test[at(RANDOM, CHOSEN)] - test[at(BAYESIAN, WIDE)]
    lab.claim(text, f"after {course}", better, unit="points")

    lab.figure(drawn(lab, found, best_so_far, "the best so far"))
    lab.figure(drawn(lab, found, lambda search: 100 * search.val_accuracy, "each trial"), "each")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
