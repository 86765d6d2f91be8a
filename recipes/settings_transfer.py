"""Do good settings carry over?

Claim: intuitions about hyperparameters often don't transfer from one domain to another, and
settings that were good get stale as data change (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, the same trials on the data and on others: on a rising line the settings
carry over; in the second one, whether the rank correlation falls as noise grows, and how much lower
it is among the good trials alone; in TensorBoard, under HParams, the trials of each data set.

Which settings fail carries over: a rate too small to learn with is so on digits and on tumours.
Wide ranges, as here, hold many such settings, and the rank correlation is high. The textbook means
the order of the good ones, to which the better half of the trials comes closer. But not all that
differs is another best setting: few or noisy examples can't tell good trials apart, and their
winner is one of many by luck. It may even do worse there than the winner of other data. So two
samples of the same data, and of equally noisy data, are what the correlations are compared with.

Use: the ranges of earlier work for a new search; its single best setting only if its data were the
harder ones.
Symptoms: good settings fail on new data
Topic: Hyperparameters
"""

import keras
import numpy as np


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
    for n in (1, 2):
        layers += [
            keras.layers.Dense(50, **kernel, name=f"h{n}"),
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
    """The same model for keras-tuner: all but dropout on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.8),
        weight_decay=hp.Float("weight_decay", 1e-6, 1e-1, sampling="log"),
        momentum=1.0 - hp.Float("one_minus_momentum", 1e-2, 1.0, sampling="log"),
        learning_rate=hp.Float("learning_rate", 1e-4, 1.0, sampling="log"),
    )


OLD, NEW, CANCER = "old data", "new data", "breast cancer"
NOISES = (0.0, 1.0, 2.0)  # the drift, in standard deviations of the inputs
DRIFTED = {f"{NEW}, noise {noise:g}" if noise else NEW: noise for noise in NOISES}
NOISIEST = list(DRIFTED)[-1]
NOISY_OLD = NOISIEST.replace(NEW, OLD)
# What the trials are trained on: one half of the data or the other, with so much noise, or a table
# of another domain.
VARIANTS = {OLD: 0.0, NOISY_OLD: NOISES[-1]} | DRIFTED | {CANCER: "breast_cancer"}
EXAMPLES = 400  # to train on
BOUND = 0.5  # of a rank correlation: below it, most of the order is another one


def changed(data, change):
    """Return the data with `change(x, y)` for x and y of each part."""
    from dataclasses import replace

    from recipes._lab.data import Split

    parts = {name: getattr(data, name) for name in ("train", "validation", "test")}
    return replace(data, **{name: Split(*change(of.x, of.y)) for name, of in parts.items()})


def drifted(data, noise):
    """Return the data with noise of so many standard deviations, at the scale that they had."""
    random, deviation = np.random.default_rng(0), data.train.x.std()

    def change(x, y):
        x = x + noise * deviation * random.standard_normal(x.shape)
        return (x / np.sqrt(1 + noise**2)).astype(np.float32), y

    return changed(data, change)


def breast_cancer():
    """Return scikit-learn's measurements of tumours: another domain that needs no download."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from sklearn.datasets import load_breast_cancer

    from recipes._lab.data import load

    table = load_breast_cancer()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "breast_cancer.npz"
        np.savez(path, x=table.data, y=table.target)
        return load(str(path))


def rank_correlation(first, second):
    """Return Spearman's rank correlation of two (trials,), 0 where one of them does not vary."""
    from scipy import stats

    varies = np.ptp(first) > 0 and np.ptp(second) > 0
    return float(stats.spearmanr(first, second).statistic) if varies else 0.0


def run(lab):
    """Train one set of trials on each data set, and compare their order and their winners."""
    from recipes._lab.output.figures import scatter

    source = "Deep Learning Specialization, course 2 week 3"
    data = lab.data(examples=2 * EXAMPLES)
    old, new = (changed(data, lambda x, y, n=n: (x[n::2], y[n::2])) for n in (0, 1))
    sets = {OLD: old, NOISY_OLD: drifted(old, NOISES[-1])}
    sets |= {name: drifted(new, noise) for name, noise in DRIFTED.items()}
    sets[CANCER] = breast_cancer()
    plan = {"trials": 30, "epochs": 10, "repetitions": 8}
    # A repetition draws by its number, so all data sets get the same trials.
    found = {name: lab.search(build_tunable, of, name=name, **plan) for name, of in sets.items()}
    # All held-out examples, for the order: (repetitions, trials). Winners are picked on validation.
    scores = {
        name: np.array([(search.val_accuracy + search.test_accuracy) / 2 for search in of])
        for name, of in found.items()
    }
    better = [of >= np.median(of) for of in scores[OLD]]

    def correlation(name, only_better=False, before=OLD):
        """Return the rank correlation of the trials' scores with those on data before."""
        pairs = zip(scores[before], scores[name], better, strict=True)
        keep = [(a[good], b[good]) if only_better else (a, b) for a, b, good in pairs]
        return np.array([rank_correlation(*pair) for pair in keep])

    def loss(winner_of, name):
        """Return how much worse the winner of other data is on test than the data's own winner."""
        pairs = zip(found[name], found[winner_of], strict=True)
        return [100 * (s.test_accuracy[s.best] - s.test_accuracy[w.best]) for s, w in pairs]

    unit = "of rank correlation"
    text = f"between the data and breast cancer the trials' rank correlation is below {BOUND:g}"
    lab.claim(text, source, BOUND - correlation(CANCER), unit=f"{unit} below the bound")
    text = "it is lower than between two samples of the same data"
    lab.claim(text, source, correlation(NEW) - correlation(CANCER), unit=unit)
    text = f"among the better half of the trials, too, it is below {BOUND:g}"
    difference = BOUND - correlation(CANCER, only_better=True)
    lab.claim(text, "this recipe", difference, unit=f"{unit} below the bound")
    for here, there in ((OLD, CANCER), (CANCER, OLD)):
        text = f"on {there} the winner of {here} is less accurate than the own winner"
        lab.claim(text, source, loss(here, there), unit="points")
    text = f"as data drift, rank correlation falls: noise {NOISES[-1]:g} against none"
    lab.claim(text, source, correlation(NEW) - correlation(NOISIEST), unit=unit)
    text = f"the old data's trials rank less like those at noise {NOISES[-1]:g} than if as noisy"
    difference = correlation(NOISIEST, before=NOISY_OLD) - correlation(NOISIEST)
    lab.claim(text, "this recipe", difference, unit=unit)
    text = f"at noise {NOISES[-1]:g} the winner of the old data is less accurate than the own one"
    lab.claim(text, source, loss(OLD, NOISIEST), unit="points")
    shown = {f"accuracy on {k} (%)": 100 * scores[k].ravel() for k in (NEW, NOISIEST, CANCER)}
    lab.figure(scatter(shown, 100 * scores[OLD].ravel(), y_label=f"accuracy on {OLD} (%)"))
    panels = {}
    for title, only in (("all trials", False), ("the better half of the trials", True)):
        drift = np.stack([correlation(name, only) for name in DRIFTED], axis=1)
        other = np.repeat(correlation(CANCER, only)[:, np.newaxis], len(NOISES), axis=1)
        panels[title] = {"new data": (NOISES, drift), "breast cancer, no noise": (NOISES, other)}
    x_label = "noise in the new data (standard deviations of the inputs)"
    y_label = "rank correlation with old data"
    lab.figure(lab.lines(panels, x_label=x_label, y_label=y_label), "drift")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
