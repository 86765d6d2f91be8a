"""Which hyperparameters matter most?

Claim: the learning rate; then momentum, units and batch size; then layers and the decay of the
learning rate; Adam's beta_1, beta_2 and epsilon need no tuning (Deep Learning Specialization,
course 2 week 3, "Tuning process").

Look for: in the figure, whether the colours come in the course's order, from right to left; in
TensorBoard, under HParams, the trials of one search with each optimizer.

An importance is one of ranges: what is drawn from a narrow one can't matter. The ranges are the
course's where it names some. Its learning rates span four decades, from those that learn nothing to
those that destroy the network; beside that the others are small. Batch sizes matter since the
epochs are few and small batches make more steps of them. In a narrow range of good learning rates
the order would be another.

Use: the learning rate first, over several decades; leave Adam's beta_1, beta_2 and epsilon alone.
Symptoms: there is compute for a few trials only
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="SGD",
    batch_norm=True,
    hidden_layers=2,
    units=100,
    dropout=0.1,
    learning_rate=0.01,
    decay=0.0,
    steps_per_epoch=10,
    momentum=0.9,
    beta_2=0.999,
    epsilon=1e-7,
):
    """Return a compiled classifier of vectors: hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        optimizer: "SGD", which has momentum, or "Adam".
        batch_norm: whether to normalize before each activation.
        hidden_layers: how many.
        units: of each hidden layer.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of the optimizer, at the start.
        decay: after each epoch the rate is the first one divided by 1 + decay x epochs.
        steps_per_epoch: by which the decay counts epochs.
        momentum: of SGD; of Adam, what is called beta_1.
        beta_2: of Adam.
        epsilon: of Adam.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, hidden_layers + 1):
        layers.append(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            layers += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")]
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    rate = keras.optimizers.schedules.InverseTimeDecay(learning_rate, steps_per_epoch, decay)
    if optimizer == "SGD":
        rule = keras.optimizers.SGD(rate, momentum=momentum)
    else:
        rule = keras.optimizers.Adam(rate, beta_1=momentum, beta_2=beta_2, epsilon=epsilon)
    model = keras.Sequential(layers)
    model.compile(optimizer=rule, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, examples=500, **kind):
    """The same model for keras-tuner, in the course's ranges where it names some."""
    # Of layers, units and batch sizes only the ends: each combination is a graph to be traced.
    batch_size = hp.Int("batch_size", 32, 128, step=4, sampling="log")
    arguments = {
        "learning_rate": hp.Float("learning_rate", 1e-4, 1.0, sampling="log"),
        "units": hp.Int("units", 50, 100, step=50),
        "hidden_layers": hp.Int("hidden_layers", 2, 4, step=2),
        "decay": hp.Float("decay", 0.01, 1.0, sampling="log"),
        "steps_per_epoch": max(1, examples // batch_size),
    }
    adam = kind.get("optimizer") == "Adam"
    momentum = "one_minus_beta_1" if adam else "one_minus_momentum"
    arguments["momentum"] = 1.0 - hp.Float(momentum, 1e-3, 0.1, sampling="log")
    if adam:
        arguments["beta_2"] = 1.0 - hp.Float("one_minus_beta_2", 1e-4, 1e-2, sampling="log")
        arguments["epsilon"] = hp.Float("epsilon", 1e-10, 1e-6, sampling="log")
    return build_model(input_shape, num_classes, **arguments, **kind)


SGD, ADAM = "SGD with momentum", "Adam"
# The course gives its order before it introduces batch normalization.
VARIANTS = {SGD: {"batch_norm": False}, ADAM: {"batch_norm": False, "optimizer": "Adam"}}
RANKS = {  # the course's
    "first": ["learning_rate"],
    "second": ["momentum", "units", "batch_size"],
    "third": ["hidden_layers", "decay"],
    "never": ["beta_1", "beta_2", "epsilon"],
}


def importances(searches, chance):
    """Return how much each hyperparameter tells about the score, `{name: (repetitions,)}`.

    A random forest, which does not mind scales, learns to predict the score from the trials of all
    other repetitions. Then one hyperparameter's values are shuffled among the trials of this one:
    the importance is the growth of the squared error, as a share of the variance of the scores.
    """
    from sklearn import ensemble, inspection

    tried = [np.stack(list(search.values.values()), axis=1) for search in searches]
    scores = [np.maximum(search.val_accuracy, chance) for search in searches]
    how = {"scoring": "neg_mean_squared_error", "n_repeats": 5, "random_state": 0}
    growth = []
    for n in range(len(searches)):
        others = [k for k in range(len(searches)) if k != n] or [n]  # a single one has no others
        forest = ensemble.RandomForestRegressor(random_state=0)
        forest.fit(*(np.concatenate([of[k] for k in others]) for of in (tried, scores)))
        shuffled = inspection.permutation_importance(forest, tried[n], scores[n], **how)
        growth.append(shuffled.importances_mean / (np.var(scores) or 1.0))
    names = [name.removeprefix("one_minus_") for name in searches[0].values]
    return dict(zip(names, np.transpose(growth), strict=True))


def widened(values):
    """Return (repetitions,) as spread out as forests that share trials ask for in a t test."""
    # Nadeau and Bengio 2003, Machine Learning 52:239.
    count, mean = len(values), np.mean(values)
    return mean + np.sqrt(1 + count / max(1, count - 1)) * (values - mean)


def drawn(found):
    """Draw the importances in the course's order and in its ranks' colours, a panel a search."""
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS, MARKERS, interval

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots(1, len(found), sharex=True, sharey=True)
    rows = [name for names in RANKS.values() for name in names]
    for ax, (title, of) in zip(axes, found.items(), strict=True):
        for n, (rank, names) in enumerate(RANKS.items()):
            if known := [name for name in names if name in of]:
                mean, half = np.transpose([interval(widened(of[name])) for name in known])
                style = {"fmt": MARKERS[n], "color": COLOURS[n], "label": rank, "capsize": 3}
                ax.errorbar(mean, list(map(rows.index, known)), xerr=np.nan_to_num(half), **style)
        ax.set_title(title, fontsize=10)
        ax.set_xscale("symlog", linthresh=0.01)
        ax.set_xticks([0, 0.01, 0.1, 1], ["0", ".01", ".1", "1"])
        ax.grid(alpha=0.25)
    axes[0].set_yticks(range(len(rows)), [name.replace("_", " ") for name in rows])
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    figure.supxlabel("importance: growth of the squared error, over the variance of the scores")
    style = {"loc": "outside upper center", "ncols": 4, "frameon": False}
    title = "to be tuned, says the course (bars: 95 % intervals)"
    figure.legend(*axes[-1].get_legend_handles_labels(), title=title, **style)
    return figure


def run(lab):
    """Search with two optimizers, ten times 20 trials each, and ask what the scores depend on."""
    from functools import partial

    course = "Deep Learning Specialization, course 2 week 3"
    data = lab.data(examples=500)
    found = {}
    for name, arguments in VARIANTS.items():
        tunable = partial(build_tunable, examples=len(data.train), **arguments)
        searches = lab.search(tunable, data, trials=20, epochs=10, name=name, repetitions=10)
        found[name] = importances(searches, data.chance)

    def of(name, *ranks):
        """Return the importances of some ranks, (hyperparameters, repetitions)."""
        return np.array([v for h, v in found[name].items() if any(h in RANKS[r] for r in ranks)])

    def claim(text, values, **bounds):
        lab.claim(text, course, widened(values), unit="of the variance", **bounds)

    for name in VARIANTS:
        lead = of(name, "first")[0] - of(name, "second", "third", "never").max(axis=0)
        claim(f"the learning rate matters more than any other, {name}", lead)
    for name, group in ((SGD, "momentum, units and batch size"), (ADAM, "units and batch size")):
        lead = of(name, "second").mean(axis=0) - of(name, "third").mean(axis=0)
        claim(f"{group} matter more than layers and decay, means, {name}", lead)
    own = of(ADAM, "never")
    others = [h for h in found[ADAM] if h not in RANKS["never"]]
    leads = {h: widened(found[ADAM][h] - own.mean(axis=0)) for h in others}
    text = "each of the others matters more than Adam's beta_1, beta_2 and epsilon, their mean"
    lab.claim(text, course, leads, at_least=len(leads), unit="others")
    claim("these three need no tuning: their sum is less than .05", own.sum(axis=0), within=0.05)
    lab.figure(drawn(found))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
