"""How do update rules move on x²/20 + y²?

Claim: from (-7, 2) plain gradient descent (SGD) zigzags, for the gradient hardly ever points at the
minimum. Momentum, AdaGrad and Adam move more directly, and Adam sways less than Momentum. AdaGrad's
steps shrink towards 0, RMSprop's don't (Deep Learning from Scratch, sections 6.1.3 to 6.1.7).

Look for: in the figure, how often each path crosses y = 0, how long it is and where it ends; in
TensorBoard, under epoch_loss, as many steps of the same rules in a network. The figure starts at
the book's point; the claims are judged from points within 1 of it in x and y, one a seed.

A zigzag need not be slow. Each step of SGD multiplies y by 1 - 2 lr and x by 1 - lr/10: at the
book's .95, just below the rate of 1 at which y no longer shrinks, by -.9 and .905, so both come to
rest together. At half the rate nothing zigzags, but x moves half as far a step. Each rule has a
rate of its own here; other rates give other pictures. AdaGrad's steps shrink because the slope
does, as SGD's do: it divides by the root of the sum of all squared gradients, which on the way to a
minimum stops growing. RMSprop forgets old gradients, so its steps stay about as long as its rate.

Use: Momentum or Adam where the loss is much steeper in one direction than in others.
Symptoms: the loss swings up and down
Topic: Optimization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 2
UNITS = 50
OPTIMIZERS = {
    "SGD": (keras.optimizers.SGD, {}),
    "Momentum": (keras.optimizers.SGD, {"momentum": 0.9}),
    # Keras starts AdaGrad's sum of squares at .1, the paper and the book at 0.
    "AdaGrad": (keras.optimizers.Adagrad, {"initial_accumulator_value": 0.0}),
    "RMSprop": (keras.optimizers.RMSprop, {}),
    "Adam": (keras.optimizers.Adam, {}),
}


def make_optimizer(optimizer, learning_rate):
    """Return a new one of Keras's optimizers by its name above."""
    kind, arguments = OPTIMIZERS[optimizer]
    return kind(learning_rate, **arguments)


def build_model(
    input_shape=(64,), num_classes=10, *, optimizer="SGD", dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        optimizer: "SGD", "Momentum", "AdaGrad", "RMSprop" or "Adam".
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of the optimizer.
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
        optimizer=make_optimizer(optimizer, learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


HALF = "SGD, half the rate"
VARIANTS = {
    "SGD": {"optimizer": "SGD", "learning_rate": 0.95},  # the book's rate, as those below
    HALF: {"optimizer": "SGD", "learning_rate": 0.475},
    "Momentum": {"optimizer": "Momentum", "learning_rate": 0.1},
    "AdaGrad": {"optimizer": "AdaGrad", "learning_rate": 1.5},
    "RMSprop": {"optimizer": "RMSprop", "learning_rate": 0.1},  # which the book does not show
    "Adam": {"optimizer": "Adam", "learning_rate": 0.3},
}
OTHERS = ("Momentum", "AdaGrad", "Adam")  # of which the book says that they move more directly
START, STEPS = (-7.0, 2.0), 30
SHRUNK = 10  # % of the first step: a last one below this is on its way to 0


def f(points):
    """Return x²/20 + y² of points (..., 2)."""
    return points[..., 0] ** 2 / 20 + points[..., 1] ** 2


def walk(starts, optimizer, learning_rate):
    """Return the paths that a Keras optimizer takes down f, (starts, STEPS + 1, 2).

    The rules treat every number by itself, so one variable holds the points of all starts.
    """
    rule, points = make_optimizer(optimizer, learning_rate), keras.Variable(starts, dtype="float32")
    path = [points.numpy()]
    for _ in range(STEPS):
        gradient = path[-1] * np.float32([1 / 10, 2])
        rule.apply([gradient], [points])
        path.append(points.numpy())
    return np.stack(path, axis=1).astype(float)


def lengths(path):
    """Return the length of each step of a path (..., steps + 1, numbers): (..., steps)."""
    return np.linalg.norm(np.diff(path, axis=-2), axis=-1)


def crossings(path):
    """Return how often y changes its sign on a path (..., steps + 1, 2): (...)."""
    return np.sum(path[..., 1:, 1] * path[..., :-1, 1] < 0, axis=-1)


def draw(paths):
    """Return a figure of the path of each rule, (steps + 1, 2), on the contours of f."""
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    axes = figure.subplots(2, 3, sharex=True, sharey=True).flat
    x, y = np.meshgrid(np.linspace(-8, 5, 200), np.linspace(-2.5, 2.5, 100))
    surface = f(np.stack([x, y], axis=-1))
    for ax, (name, path) in zip(axes, paths.items(), strict=True):
        ax.contour(x, y, surface, levels=np.arange(1, 9) ** 2 / 10, colors="0.8", linewidths=0.8)
        ax.plot(*path.T, ".-", color=COLOURS[0], linewidth=1, ms=5)
        ax.plot(0, 0, "k+", ms=9)
        numbers = f"length {lengths(path).sum():.1f}, y changes sign {crossings(path)} times"
        rate = VARIANTS[name]["learning_rate"]
        ax.set_title(f"{name}, lr {rate:g}, ends at f = {f(path[-1]):.2g}\n{numbers}", fontsize=9)
        ax.set(xlabel="x", ylabel="y", aspect="equal")
        ax.label_outer()
    return figure


def run(lab):
    """Walk down the surface from the book's start and others near it; then train networks."""
    book, after = "Deep Learning from Scratch, 6.1.", "after Deep Learning from Scratch, 6.1."
    near = [np.random.default_rng(seed).uniform(-1, 1, size=2) for seed in lab.seeds]
    starts = np.add(START, [(0, 0), *near])
    every = {name: walk(starts, **arguments) for name, arguments in VARIANTS.items()}
    lab.figure(draw({name: paths[0] for name, paths in every.items()}))

    paths = {name: of[1:] for name, of in every.items()}  # (seeds, steps + 1, 2)
    changes = {name: crossings(of) for name, of in paths.items()}
    most = np.max([changes[name] for name in OTHERS], axis=0)
    text = "SGD zigzags: y changes its sign more often than with Momentum, AdaGrad and Adam"
    lab.claim(text, book + "3", changes["SGD"] - most, unit="changes")
    steps = {name: lengths(of) for name, of in paths.items()}
    shorter = {name: (steps["SGD"] - steps[name]).sum(axis=1) for name in OTHERS}
    text = "Momentum, AdaGrad and Adam move more directly: 3 of 3 paths are shorter than SGD's"
    lab.claim(text, book + "7", shorter, at_least=3, unit="rules")
    sway = {name: np.abs(np.diff(of[..., 1])).sum(axis=1) for name, of in paths.items()}
    text = "Adam sways less than Momentum: y moves less, up and down in all"
    lab.claim(text, book + "6", sway["Momentum"] - sway["Adam"])

    last = {name: 100 * of[:, -1] / of[:, 0] for name, of in steps.items()}
    x = paths["AdaGrad"][..., 0]
    rate = np.diff(x) / x[:, :-1]  # what the rule makes of a slope of x / 10
    per_slope = 100 * rate[:, -1] / rate[:, 0]
    for text, source, values in (
        ("AdaGrad's steps shrink towards 0: the last is below", book, SHRUNK - last["AdaGrad"]),
        ("RMSprop's don't: the last is above", book, last["RMSprop"] - SHRUNK),
        ("AdaGrad's shrink per slope, too: along x the last is below", after, SHRUNK - per_slope),
    ):
        lab.claim(f"{text} {SHRUNK} % of the first", source + "5", values, unit="% of the first")
    end = {name: f(of[:, -1]) for name, of in paths.items()}
    highest = np.max([end[name] for name in OTHERS], axis=0)
    text = f"SGD ends highest, above Momentum, AdaGrad and Adam, after {STEPS} steps"
    lab.claim(text, after + "3", end["SGD"] - highest, unit="of f")
    text = "at half its rate SGD, which does not zigzag then, ends higher"
    lab.claim(text, "this recipe", end[HALF] - end["SGD"], unit="of f")

    data = lab.data(examples=1000)
    # All examples in one batch and no dropout: a surface that stays the same, as the one above.
    plan = {"epochs": STEPS, "batch_size": len(data.train)}
    networks = {name: {"optimizer": name, "dropout": 0.0} for name in OPTIMIZERS}
    histories = lab.train(build_model, lab.tune(build_model, networks, data, **plan), data, **plan)
    loss = {name: histories.final("loss", name) for name in OPTIMIZERS}
    lower = {name: loss["SGD"] - loss[name] for name in OTHERS}
    taken = histories.curve("loss", "SGD").shape[1] - 1  # fewer than STEPS in a quick run
    text = f"in a network 3 of 3 end at a lower loss, {taken} full-batch steps, each at best lr"
    lab.claim(text, "this recipe", lower, at_least=3, unit="rules")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
