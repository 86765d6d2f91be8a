"""On which scale should a value be drawn?

Claim: a learning rate on a logarithmic scale, since on a linear one nine of ten draws between .0001
and 1 lie above .1; numbers of units and layers on a linear scale; a momentum by its distance from
one, 1 - momentum, on a logarithmic scale, since from .9 to .9005 almost nothing changes, from .999
to .9995 a lot (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, where the draws of each scale lie and how many are good; in the second and,
under epoch_accuracy, in TensorBoard, which two momenta make a difference.

A scale is a bet on where the good values lie. A logarithmic one gives each decade as many draws,
which is right for Adam, whose good rates are spread over several. Those of plain gradient descent
(SGD) lie at the upper end here, where nearly all draws of a linear scale are. Units and layers
differ by a factor of two, over which the scales hardly differ. A momentum near one adds more steps
up, so it makes up for a rate that is too small; at a usual rate any is good in a short training. To
double 1 / (1 - momentum), the number of steps that add up, shows only in a long training, and where
the rate is so large that too many do harm.

Use: sampling="log" for learning rates, while their power of ten is unknown, and for 1 - momentum;
linear for units and layers.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    hidden_layers=2,
    units=50,
    optimizer="adam",
    momentum=0.9,
    dropout=0.1,
    learning_rate=0.01,
):
    """Return a compiled classifier of vectors: some hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        hidden_layers: how many.
        units: of each hidden layer.
        optimizer: "adam" or "sgd".
        momentum: of SGD, or Adam's beta_1; the share of the past that each step keeps.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of the optimizer.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, hidden_layers + 1):
        layers += [
            keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    if optimizer == "adam":
        rule = keras.optimizers.Adam(learning_rate, beta_1=momentum)
    else:
        rule = keras.optimizers.SGD(learning_rate, momentum=momentum)
    model = keras.Sequential(layers)
    model.compile(rule, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, optimizer="adam"):
    """The same model for keras-tuner: each value on the scale that the course advises."""
    return build_model(
        input_shape,
        num_classes,
        hidden_layers=hp.Int("hidden_layers", 2, 4),
        units=hp.Int("units", 50, 100, step=25),
        optimizer=optimizer,
        # Not sampling="reverse_log", which gives no more values near one than a linear scale.
        momentum=1.0 - hp.Float("one_minus_momentum", 0.001, 0.1, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-4, 1.0, sampling="log"),
    )


SCALES = LOG, LINEAR = "log", "linear"
SMALL, USUAL = 0.0005, 0.01  # learning rates; the larger is Keras's own for SGD
RATES, DISTANCES = (1e-4, 1.0), (0.001, 0.1)  # the course's ranges; a distance is 1 - momentum
UNITS, LAYERS = (50, 75, 100), (2, 3, 4)  # likewise
TRIALS, GOOD = 10, 0.9  # a trial is good from this share of the way from chance to the best on
FIXED = {"hidden_layers": 2, "units": 50, "dropout": 0.1}
# The optimizer, what is drawn, between which ends, and what else stays as it is.
SEARCHES = {
    "learning rate, Adam": ("adam", "learning_rate", RATES, {"one_minus_momentum": 0.1}),
    "learning rate, SGD": ("sgd", "learning_rate", RATES, {"one_minus_momentum": 1.0}),
    f"momentum, lr {SMALL}": ("sgd", "one_minus_momentum", DISTANCES, {"learning_rate": SMALL}),
    f"momentum, lr {USUAL}": ("sgd", "one_minus_momentum", DISTANCES, {"learning_rate": USUAL}),
}
PAIRS = ((0.9, 0.9005), (0.999, 0.9995))  # of momenta
LONG = {"optimizer": "sgd", "fit": {"epochs": 100}}  # 2000 steps
# What is trained without drawing: each number of units and of layers, and the momenta.
VARIANTS = {f"{n} units": {"units": n} for n in UNITS}
VARIANTS |= {f"{n} layers": {"hidden_layers": n} for n in LAYERS}
VARIANTS |= {
    f"momentum {m}, lr {rate}": LONG | {"momentum": m, "learning_rate": rate}
    for rate in (SMALL, USUAL)
    for pair in PAIRS
    for m in pair
}


def spread(shares, low, high, scale):
    """Return the values that lie at shares (0 to 1) of a range on a scale."""
    return low * (high / low) ** shares if scale == LOG else low + shares * (high - low)


def frequencies(values, scale):
    """Return how often a scale draws each of equally spaced values, if all draws are rounded."""
    edges = np.append(values, 2 * values[-1] - values[-2]) - (values[1] - values[0]) / 2
    lengths = np.diff(np.log(edges) if scale == LOG else edges)
    return lengths / lengths.sum()


def good_draws(log, linear, chance):
    """Return the share of good trials on each scale, and the accuracy that is good, in %."""
    scores = np.array([log.val_accuracy, linear.val_accuracy])
    bar = chance + GOOD * (scores.max() - chance)
    return 100 * np.array([*np.mean(scores >= bar, axis=1), bar])


def draw(found, good):
    """Return a figure of the trials of all repetitions, a panel for each value that is drawn."""
    from matplotlib.figure import Figure

    from recipes._lab.output.figures import COLOURS

    figure = Figure(figsize=(8.6, 6.8), layout="constrained")
    for ax, space in zip(figure.subplots(2, 2, sharey=True).flat, SEARCHES, strict=True):
        name, (log, linear, bar) = SEARCHES[space][1], good[space].mean(axis=0)
        for scale, colour in zip(SCALES, COLOURS, strict=False):
            x = np.concatenate([of.values[name] for of in found[space, scale]])
            y = np.concatenate([of.val_accuracy for of in found[space, scale]])
            ax.plot(x, 100 * y, "o", ms=5, mew=0, alpha=0.4, color=colour, label=f"{scale} scale")
        ax.axhline(bar, ls="--", lw=1, color="0.3", label="good from here on (mean)")
        text = f"{space}\ngood draws: {log:.0f} % on a log scale, {linear:.0f} % on a linear one"
        ax.set_title(text, fontsize=9)
        ax.set(xscale="log", xlabel=name.replace("one_minus_", "1 - ").replace("_", " "))
        ax.grid(alpha=0.25)
    figure.supylabel("validation accuracy (%)", fontsize=10)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def run(lab):
    """Draw rates and momenta on both scales; train all units, all layers and four momenta."""
    source = "Deep Learning Specialization, course 2 week 3"
    data, plan = lab.data(examples=400), {"epochs": 10, "batch_size": 20}
    watch = [name for name in VARIANTS if name.endswith(f"lr {USUAL}")]
    histories = lab.train(build_model, VARIANTS, data, watch=watch, **plan)

    def search(space, scale):
        optimizer, name, ends, fixed = SEARCHES[space]

        def points(random):
            values = spread(random.uniform(size=TRIALS), *ends, scale)
            return [FIXED | fixed | {name: float(value)} for value in values]

        def tunable(*arguments):
            return build_tunable(*arguments, optimizer=optimizer)

        asked = {"name": f"{space}, {scale}", "trials": TRIALS, "oracle": points}
        return lab.search(tunable, data, **asked, **plan)

    found = {(space, scale): search(space, scale) for space in SEARCHES for scale in SCALES}

    good, layout = {}, {}
    for space in SEARCHES:
        pairs = zip(found[space, LOG], found[space, LINEAR], strict=True)
        good[space] = np.array([good_draws(*pair, data.chance) for pair in pairs])
        text = f"{space}: on a log scale more draws are good than on a linear one"
        lab.claim(text, source, good[space][:, 0] - good[space][:, 1], unit="% of the draws")
    for unit, values in (("units", UNITS), ("layers", LAYERS)):
        accuracy = [100 * histories.final("test_accuracy", f"{n} {unit}") for n in values]
        log, linear = (frequencies(values, scale) @ accuracy for scale in SCALES)
        text = f"{values[0]} to {values[-1]} {unit}: linear draws lose less than 1 point to log"
        lab.claim(text, source, linear - log, at_least=-1, unit="points of mean test accuracy")
    for rate in (SMALL, USUAL):
        for pair, sign, effect in zip(PAIRS, (-1, 1), ("less", "more"), strict=True):
            title = "momentum {} to {}, lr {}".format(*pair, rate)
            layout[title] = {f"momentum {m}": f"momentum {m}, lr {rate}" for m in pair}
            curves = [histories.curve("val_accuracy", name) for name in layout[title].values()]
            apart = 100 * np.abs(curves[0] - curves[1])[:, 1:].mean(axis=1)
            text = f"{title}: validation curves lie {effect} than 1 point apart"
            lab.claim(text, source, sign * apart, at_least=sign, unit="points")
    lab.figure(draw(found, good))
    label = "validation accuracy (%)"
    lab.figure(lab.panels(histories, layout, metric="val_accuracy", label=label), "momenta")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
