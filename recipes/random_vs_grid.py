"""Random or grid, at equal budget?

Claim: points drawn at random try more distinct values of each hyperparameter than a grid of as many
points, and find better ones, since usually one hyperparameter matters much more than another, and
nobody knows beforehand which (Deep Learning Specialization, course 2 week 3; Deep Learning from
Scratch, section 6.5.2; after Bergstra and Bengio 2012).

Look for: in the figure, how few learning rates a grid tries, and whether the best that each way
finds differ by more than their intervals; in TensorBoard, under HPARAMS, one repetition's trials.

More values are not yet better ones. A grid misses what lies between its rates; if the good rates
reach about as far as from one of its rates to the next, hardly any grid misses them. What random
gains then is a rate a little nearer to the best, and the luck of single trainings may hide that. A
single grid may also lie well or badly, as powers of ten do wherever the best rate lies between two
of them. So random is compared with grids from random places, too. It would gain more where good
rates are rare, or with more hyperparameters: a grid of 25 points has two values each of four.

Use: random draws: as good as a grid or better, and they can stop or go on at any number of trials.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np

HIDDEN_LAYERS = 3
UNITS = 100
RATES, DECAYS = (1e-4, 1.0), (1e-8, 1e-4)  # between which one searches: the course's, the book's


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    weight_decay=1e-5,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: three hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        weight_decay: the book's: half of it times the sum of the squared weights joins the loss.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """

    def dense(units, name, **arguments):
        penalty = keras.regularizers.L2(weight_decay / 2)
        return keras.layers.Dense(units, kernel_regularizer=penalty, name=name, **arguments)

    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(dense(UNITS, f"h{n}", kernel_initializer="he_normal"))
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers.append(keras.layers.Dropout(dropout, name="dropout"))
    layers.append(dense(num_classes, "softmax", activation="softmax"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, batch_norm=True):
    """The same model for keras-tuner: rate and weight decay on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        batch_norm=batch_norm,
        weight_decay=hp.Float("weight_decay", *DECAYS, sampling="log"),
        learning_rate=hp.Float("learning_rate", *RATES, sampling="log"),
    )


SIDE = 5  # of a grid of 25 points
RANDOM, GRID, OFFSET = "random", "grid", "grid, offset"


def crossed(rates, decays, random):
    """Return each rate with each decay, given as shares (0 to 1) of their ranges; shuffled."""
    rates = RATES[0] * (RATES[1] / RATES[0]) ** np.asarray(rates)
    decays = DECAYS[0] * (DECAYS[1] / DECAYS[0]) ** np.asarray(decays)
    points = [
        {"learning_rate": float(rate), "weight_decay": float(decay)}
        for rate in rates
        for decay in decays
    ]
    return [points[n] for n in random.permutation(len(points))]


def grid(random):
    """Return the grid of the powers of ten, as one writes it down."""
    return crossed(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE), random)


def offset_grid(random):
    """Return a grid that divides the ranges evenly, from a random place within the first part."""
    return crossed(*(np.arange(SIDE) + random.uniform(size=(2, 1))) / SIDE, random)


VARIANTS = {RANDOM: {"oracle": "random"}, GRID: {"oracle": grid}, OFFSET: {"oracle": offset_grid}}


def strength(values, scores):
    """Return the size of the rank correlation of values and scores; 0 if either is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(of) - (len(of) + 1) / 2 for of in (values, scores)]
    size = np.linalg.norm(ranks[0]) * np.linalg.norm(ranks[1])
    return abs(ranks[0] @ ranks[1]) / size if size else 0.0


def draw(searches, best):
    """Return a figure of the points of one repetition, and of the best found in all of them."""
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS, interval

    figure = Figure(figsize=(12.5, 3.9), layout="constrained")
    *maps, last = figure.subplots(1, len(searches) + 1)
    for ax, (way, of) in zip(maps, searches.items(), strict=True):
        x, y = of[0].values["learning_rate"], of[0].values["weight_decay"]
        scores = {"c": 100 * of[0].val_accuracy, "vmin": 0, "vmax": 100, "cmap": "viridis_r"}
        dots = ax.scatter(x, y, 45, **scores, edgecolor="0.4")
        ax.plot(x, np.zeros(len(x)), "k|", ms=14, transform=ax.get_xaxis_transform())
        ax.set_title(f"{way}: {len(np.unique(x))} learning rates", fontsize=10)
        ax.set(xscale="log", yscale="log", xlabel="learning rate (ticks: those tried)")
        ax.set(xlim=(RATES[0] / 2, RATES[1] * 2), ylim=(DECAYS[0] / 3, DECAYS[1] * 2))
    maps[0].set_ylabel("weight decay")
    figure.colorbar(dots, ax=maps, label="validation accuracy (%)", pad=0.01)
    for row, values in enumerate(best.values()):
        mean, half = interval(values)
        last.plot(values, np.full(len(values), row + 0.15), "o", color=COLOURS[0], alpha=0.35, ms=4)
        last.errorbar(mean, row, xerr=np.nan_to_num(half), fmt="s", color=COLOURS[0], capsize=3)
    last.set_yticks(range(len(best)), list(best))
    last.set(ylim=(len(best) - 0.5, -0.5), xlabel="test accuracy of the winner (%)")
    title = f"the best of each of {len(values)} searches;\nsquare: mean, 95 % interval"
    last.set_title(title, fontsize=10)
    last.grid(alpha=0.25)
    return figure


def run(lab):
    """Search with 25 points in three ways, whole searches repeated, and compare what they find."""
    course = "Deep Learning Specialization, course 2 week 3"
    book = "Deep Learning from Scratch, 6.5.2"
    data = lab.data(examples=400)  # as in the book, with the 500 less those for validation
    plan = {"trials": SIDE**2, "epochs": 10, "batch_size": 20}  # as many steps as in the book

    def tunable(*arguments):
        return build_tunable(*arguments, batch_norm=False)  # as in the book

    searches, tried, validation, test = {}, {}, {}, {}
    for way, arguments in VARIANTS.items():
        searches[way] = lab.search(tunable, data, name=way, **arguments, **plan)
        tried[way] = [len(np.unique(s.values["learning_rate"])) for s in searches[way]]
        validation[way] = 100 * np.array([s.val_accuracy[s.best] for s in searches[way]])
        test[way] = 100 * np.array([s.test_accuracy[s.best] for s in searches[way]])

    text = "random tries more distinct learning rates than a grid of as many points"
    lab.claim(text, course, np.subtract(tried[RANDOM], tried[GRID]), unit="values")
    for way, name, source in (
        (GRID, "a grid of powers of ten", book),
        (OFFSET, "a grid with a random offset", "this recipe"),
    ):
        text = f"random finds a better one than {name}: test accuracy of the winner on validation"
        lab.claim(text, source, test[RANDOM] - test[way], unit="points")
        text = f"random finds a higher validation accuracy than {name}"
        lab.claim(text, source, validation[RANDOM] - validation[way], unit="points")
    matters = [
        strength(s.values["learning_rate"], s.val_accuracy)
        - strength(s.values["weight_decay"], s.val_accuracy)
        for s in searches[RANDOM]
    ]
    text = "one matters more: learning rate correlates more with validation accuracy than decay"
    lab.claim(text, course, matters, unit="of rank correlation")
    spread = {way: np.abs(of - of.mean()) for way, of in validation.items()}
    text = "where a grid lies is luck: from grid to grid the best validation accuracy varies more"
    lab.claim(text, "this recipe", spread[OFFSET] - spread[RANDOM], unit="points")
    lab.figure(draw(searches, test))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
