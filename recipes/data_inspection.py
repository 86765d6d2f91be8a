"""What is wrong with my data?

Claim: who looks at the data before training finds duplicates, wrong labels and imbalance, and what
a network gets wrong shows where to look (Karpathy 2019, "A Recipe for Training Neural Networks").

Look for: in the figure, 24 of the first 10 % of suspects: the label given and what models said that
never saw the example, in brackets how probable; in figure-as-is, the first of the data as they are;
in TensorBoard, under epoch_accuracy, how validation falls behind with wrong labels.

Models learn wrong labels by heart, so an example is judged by one that was trained on other folds
(Northcutt et al. 2021, "Confident Learning"). Exact duplicates are rows with equal values, near
ones less than half as far from the nearest other row as from the fifth. That adapts to how dense
the data are, but with few columns chance alone brings two rows so close.

Use: hash the rows of all parts together before splitting, count the classes, and look at a page of
the least believed labels; mend or drop what is wrong, not what is hard.
Symptoms: the test accuracy is too good to be true; training never reaches 100 %; rare classes are
never predicted
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.2, learning_rate=0.1):
    """Return a compiled classifier of vectors: one hidden layer and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        dropout: share of the hidden units that training drops.
        learning_rate: of gradient descent with momentum.
    """
    layers = [
        keras.Input(input_shape),
        keras.layers.Dense(100, kernel_initializer="he_normal", name="h1"),
        keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="h1_bn"),
        keras.layers.Activation("relu", name="h1_act"),
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on a logarithmic scale."""
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, learning_rate=rate)


FOLDS = 3
AS_IS, WRONG, DROPPED = "labels as they are", "5 % wrong labels", "suspects dropped"
LEAKED = "test examples leaked"  # into training
JUDGES = {arm: [f"{arm}, without fold {n}" for n in range(FOLDS)] for arm in (AS_IS, WRONG)}
# One model throughout: they differ in the data that `run` gives them.
VARIANTS = {name: {} for name in (AS_IS, WRONG, *JUDGES[AS_IS], *JUDGES[WRONG], LEAKED, DROPPED)}
SHARE = 0.05  # of the examples that get a wrong label, or a copy
SURE = 0.05  # a label less probable than that counts as found wrong


def repeated(x):
    """Return which rows have the same values as an earlier one, (rows,)."""
    first, rows = {}, np.ascontiguousarray(x + 0.0)  # which turns -0.0 into 0.0
    return np.array([first.setdefault(row.tobytes(), n) != n for n, row in enumerate(rows)])


def near(x):
    """Return which rows are less than half as far from another one as from the fifth, (rows,)."""
    from sklearn.neighbors import NearestNeighbors

    distances = NearestNeighbors(n_neighbors=min(5, len(x) - 1)).fit(x).kneighbors()[0]
    return distances[:, 0] < distances[:, -1] / 2


def rare(y, classes):
    """Return which classes have less than half of an even share of the examples, (classes,)."""
    return np.bincount(y, minlength=classes) < len(y) / classes / 2


def plant(x, y, classes, seed):
    """Return labels, some wrong; rows to copy; noisy copies; a class; rows that leave it rare."""
    random, count = np.random.default_rng(seed), max(1, round(SHARE * len(y)))
    wrong, copied = (random.choice(len(y), count, replace=False) for _ in range(2))
    labels, cut = y.copy(), random.integers(classes)
    labels[wrong] = (y[wrong] + random.integers(1, classes, count)) % classes
    noise = 0.1 * x.std() * random.standard_normal((count, x.shape[1])).astype(x.dtype)
    others = np.flatnonzero(y != cut)
    kept = [others, np.flatnonzero(y == cut)[: len(others) // (classes - 1) // 5]]
    return labels, copied, x[copied] + noise, cut, np.concatenate(kept)


def draw(x, y, shape, names, given, said, order):
    """Return a figure of 24 of those in order: pictures of this shape or, of other data, bars."""
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS

    names, best = [name[:9].replace("$", r"\$") for name in names], said.argmax(axis=1)
    figure, step, wrong = Figure(figsize=(10, 5.6)), max(1, len(order) // 24), given != y
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.87, wspace=0.1, hspace=0.3)
    for place, n in enumerate(order[::step][:24], 1):
        ax = figure.add_subplot(3, 8, place, xticks=[], yticks=[])
        if len(shape) == 3:
            ax.imshow(x[n].reshape(shape).clip(0, 1), cmap="gray_r", vmin=0, vmax=1)
        else:
            ax.bar(range(len(x[n])), x[n], color="0.5")  # the inputs
            ax.set_ylim(x.min(), x.max())
        text = f"given {names[given[n]]}{' *' if wrong[n] else ''}\nsaid {names[best[n]]}"
        colour = COLOURS[int(wrong[n])]
        ax.set_title(f"{text} ({said[n].max():.2f})", fontsize=8, color=colour)
        ax.spines[:].set(color=colour, linewidth=2)
    star = "; orange, with a star: made wrong on purpose" if wrong.any() else ""
    figure.suptitle("labels least probable to models that never saw them" + star, fontsize=10)
    return figure


def run(lab):
    """Plant what may be wrong with data, find it, and measure what it costs and what helps."""
    from dataclasses import replace

    from recipes._lab import evidence
    from recipes._lab.data import Split, load

    source, own, plan = "Karpathy 2019", "this recipe", {"epochs": 20, "batch_size": 50}
    data, shape = lab.data(examples=1000), load(lab.options.data, lab.options.target).input_shape
    x, y, classes, size = data.train.x, data.train.y, data.num_classes, len(data.train)
    planted = {seed: plant(x, y, classes, seed) for seed in lab.seeds}
    given = {AS_IS: np.array([y] * len(planted)), WRONG: np.array([p[0] for p in planted.values()])}
    wrong, fold = given[WRONG] != y, np.arange(size) % FOLDS
    count, half = wrong[0].sum(), slice(0, 2 * (size // 5), 2)  # of the test part, at the most

    def train(sets):
        variants = {name: VARIANTS[name] | {"fit": {"data": of}} for name, of in sets.items()}
        return lab.train(build_model, variants, data, watch=[AS_IS, WRONG], **plan)

    def having(inputs, labels):
        return replace(data, train=Split(inputs, labels))

    leak = Split(data.test.x[half], data.test.y[half])
    sets = {LEAKED: having(np.concatenate([x, leak.x]), np.concatenate([y, leak.y]))}
    for n, rest in enumerate([fold >= 0, *(fold != n for n in range(FOLDS))]):
        as_is, noisy = ([arm, *JUDGES[arm]][n] for arm in JUDGES)
        sets[as_is] = having(x[rest], y[rest])
        sets[noisy] = {s: having(x[rest], p[0][rest]) for s, p in planted.items()}
    histories = train(sets)
    said, believed = {}, {}  # (seeds, examples, classes), and of the labels given
    for arm, judges in JUDGES.items():
        said[arm] = np.empty((*wrong.shape, classes))
        for n, name in enumerate(judges):
            said[arm][:, fold == n] = histories.models(name).predict(x[fold == n])
        believed[arm] = np.take_along_axis(said[arm], given[arm][..., None], axis=2)[..., 0]
    suspects, kept = np.split(believed[WRONG].argsort(axis=1), [2 * count], axis=1)
    pairs = zip(planted.items(), kept, strict=True)
    histories |= train({DROPPED: {s: having(x[rows], p[0][rows]) for (s, p), rows in pairs}})

    missed, recall, precision = [], [], []
    for _, copied, noisy, cut, rows in planted.values():
        copies = repeated(np.concatenate([x, x[copied]]))[size:]
        leaked = repeated(np.concatenate([x, leak.x, data.test.x]))[size + len(leak) :][half]
        missed.append((~copies).sum() + (~leaked).sum() + (not rare(y[rows], classes)[cut]))
        flagged = near(np.concatenate([x, noisy]))
        recall.append(100 * flagged[size:].mean())
        right = flagged[size:].sum() + flagged[np.unique(copied)].sum()
        precision.append(100 * right / max(flagged.sum(), 1))
    none = evidence.judge_exact(missed, 0, unit="missed")
    found = 100 * np.take_along_axis(wrong, suspects, axis=1).sum(axis=1) / count
    sure, rest = believed[WRONG] < SURE, 100 * (believed[AS_IS] < SURE).mean(axis=1)
    right = 100 * (sure & wrong).sum(axis=1) / np.maximum(sure.sum(axis=1), 1)
    cost = histories.difference("test_accuracy", AS_IS, WRONG, scale=100)
    back = histories.difference("test_accuracy", DROPPED, WRONG, scale=100)
    back = back._replace(values=back.values - cost.values / 2)
    known, new = (histories.models(name).accuracy(leak) for name in (LEAKED, AS_IS))
    for text, where, values, more, unit in (
        ("80 % of 5 % wrong labels are among the first 10 % suspects", source, found, 80, "%"),
        ("no exact copy, leak or class cut to a fifth is missed", source, none, 0, ""),
        ("90 % of near duplicates are found, noise 0.1", own, recall, 90, "%"),
        ("80 % of the near duplicates found were planted", own, precision, 80, "%"),
        (f"50 % of the labels less probable than {SURE} are wrong", own, right, 50, "%"),
        ("in the data as they are less than 1 % are so improbable", own, 1 - rest, 0, "% below"),
        ("5 % wrong labels lower test accuracy", own, cost, 0, "points"),
        ("dropping all suspects gives back more than half of that", own, back, 0, "points"),
        ("test examples are answered better if leaked", own, 100 * (known - new), 0, "points"),
    ):
        lab.claim(text, where, values, at_least=more, unit=unit)
    lab.table([AS_IS, WRONG, DROPPED, LEAKED])
    first = believed[AS_IS][0].argsort()[:24]
    for arm, order, name in ((WRONG, suspects[0], None), (AS_IS, first, "as-is")):
        lab.figure(draw(x, y, shape, data.class_names, given[arm][0], said[arm][0], order), name)


if __name__ == "__main__":
    from recipes import main

    main(__file__)
