"""Is my training loop right?

Claim: before training the loss is ln C, that of guessing among C classes; 20 examples can be
learned by heart; the shape of the loss curve tells a learning rate that is too low or too high from
a good one; and training minus validation accuracy is a measure of overfitting (CS231n, Neural
Networks Part 3).

Look for: in the figure, the loss of each fault, in brackets the first check that catches it or what
the curve says of the rate; in TensorBoard, under epoch_loss, the validation of "labels shuffled".

The checks stand in order of their price. The initial loss takes no step: it sees inputs, initial
weights and the loss function. 20 examples take seconds: without Dropout and penalties their loss
must fall to zero, which a softmax of a softmax can't, as no class gets more than e / (e + C - 1).
Labels that belong to other examples are learned by heart, too; only validation sees that. A rate is
good if the training loss fell by half, too low if it fell at every epoch, but not as far.

Use: the three checks, in this order, for each new loop; then ten epochs with TrainingMonitor.
Symptoms: the loss does not move; the first loss is far from that of guessing; nobody knows whether
the code is right
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    dropout=0.1,
    last_std=0.01,
    softmax_twice=False,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        last_std: standard deviation of the last layer's initial weights.
        softmax_twice: whether to make the mistake of another softmax on top.
        learning_rate: of gradient descent with momentum.
    """
    layers = [keras.Input(input_shape)]
    for n in (1, 2):
        layers.append(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    init = keras.initializers.RandomNormal(stddev=last_std)
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(
            num_classes, activation="softmax", kernel_initializer=init, name="softmax"
        ),
    ]
    if softmax_twice:
        layers.append(keras.layers.Activation("softmax", name="softmax_again"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


# Faults of a loop, and the first check that should catch each.
INITIAL, TINY, VALIDATION, NONE = "initial loss", "20 examples", "validation", "none"
RIGHT, UNSCALED, NO_STEP = "right loop", "inputs times 255", "learning rate 0"
TWICE, SHUFFLED = "softmax twice", "labels shuffled"
FIRST = {RIGHT: NONE, UNSCALED: INITIAL, NO_STEP: TINY, TWICE: TINY, SHUFFLED: VALIDATION}
LOW, HIGH, FEW, LARGE = "rate / 300", "rate times 100", "100 examples", "last weights times 10"
RATES = {RIGHT: 0.03, NO_STEP: 0.0, LOW: 0.0001, HIGH: 3.0}
SHAPES = {RIGHT: "good", NO_STEP: "no step", LOW: "too low", HIGH: "too high"}
BARE = {"batch_norm": False, "dropout": 0.0}  # nothing that could hide a fault
OWN = {name: {"learning_rate": rate} for name, rate in RATES.items()}
OWN |= {TWICE: {"softmax_twice": True}, LARGE: {"last_std": 0.1}}
TINIES = {loop: f"{loop}, {TINY}" for loop in FIRST}
VARIANTS = {name: BARE | OWN.get(name, {}) for name in (*RATES, SHUFFLED, FEW, LARGE)}
VARIANTS |= {name: BARE | OWN.get(loop, {}) for loop, name in TINIES.items()}
OFF, LEFT, ABOVE = 0.5, 0.01, 10  # nats off ln C, nats left, points above chance


def shape(losses):
    """Name the learning rate that gave a loss curve, (epochs + 1,)."""
    if losses[-1] < losses[0] / 2:
        return "good"
    if np.ptp(losses) == 0:
        return "no step"
    return "too low" if (np.diff(losses) < 0).all() else "too high"  # a steady fall, or not


def first_check(off, left, above):
    """Return the first check that catches something; NaN stands for one that was not made."""
    caught = {INITIAL: abs(off) > OFF, TINY: left > LEFT, VALIDATION: above < ABOVE}
    return next((check for check, found in caught.items() if found), NONE)


def monitored(data, learning_rate, epochs):
    """Return in a word each what TrainingMonitor finds in plain `fit`."""
    from contextlib import redirect_stdout
    from io import StringIO

    from callbacks.training_monitor import TrainingMonitor

    keras.utils.set_random_seed(0)
    model = build_model(data.input_shape, data.num_classes, learning_rate=learning_rate, **BARE)
    monitor = TrainingMonitor(data.train.x[:100], data.train.y[:100])
    plan = {"batch_size": 50, "epochs": epochs, "verbose": 0, "callbacks": [monitor]}
    with redirect_stdout(StringIO()):
        model.fit(data.train.x, data.train.y, **plan)
    return list(monitor.findings)


def run(lab):
    """Make each fault, see which check catches it, and name learning rates by their curves."""
    from dataclasses import replace

    from recipes._lab.data import Split
    from recipes._lab.evidence import judge_exact

    source, own = "CS231n, Neural Networks Part 3", "this recipe"
    data = lab.data(examples=1000)
    x, y, guessing = data.train.x, data.train.y, np.log(data.num_classes)
    trains = {RIGHT: data.train, UNSCALED: Split(255 * x, y), FEW: Split(x[:100], y[:100])}
    trains[SHUFFLED] = Split(x, np.random.default_rng(0).permutation(y))
    fits = {n: {"data": replace(data, train=of)} for n, of in trains.items()}
    for n, of in trains.items():
        part = Split(of.x[:20], of.y[:20])
        few = replace(data, train=part, validation=part, test=part)
        fits[f"{n}, {TINY}"] = {"data": few, "epochs": 200}
    like_right = {TINIES[loop]: fits[TINIES[RIGHT]] for loop in (NO_STEP, TWICE)}
    fits = dict.fromkeys(VARIANTS, fits[RIGHT]) | like_right | fits
    variants = {name: of | {"fit": fits[name]} for name, of in VARIANTS.items()}
    histories = lab.train(build_model, variants, data, epochs=30, batch_size=50, watch=[RIGHT])

    curve, final = histories.curve, histories.final
    off = {name: curve("loss", name)[:, 0] - guessing for name in VARIANTS}
    left = {loop: final("loss", name) for loop, name in TINIES.items()}
    above = {loop: np.full(len(lab.seeds), np.nan) for loop in FIRST}  # where it is not looked at
    for n in (RIGHT, SHUFFLED):
        above[n] = 100 * (final("val_accuracy", n) - data.chance)
    first = {n: list(map(first_check, off[TINIES[n]], left[n], above[n])) for n in FIRST}
    shapes = {n: list(map(shape, curve("loss", n))) for n in RATES}
    misnamed = judge_exact(np.sum([np.not_equal(shapes[n], SHAPES[n]) for n in RATES], axis=0), 0)
    missed = judge_exact(np.sum([np.not_equal(first[n], FIRST[n]) for n in FIRST], axis=0), 0)
    gap = [100 * (final("accuracy", n) - final("val_accuracy", n)) for n in (FEW, RIGHT)]
    epochs = min(12, curve("loss", RIGHT).shape[1] - 1)
    words = {n: monitored(data, RATES[n], epochs) for n in (RIGHT, LOW, HIGH)}
    words[UNSCALED] = monitored(fits[UNSCALED]["data"], RATES[RIGHT], epochs)
    said = judge_exact([sum((n == RIGHT) == bool(of) for n, of in words.items())], 0, unit="runs")
    quoted = "; ".join(f"{n}: {', '.join(of) or 'nothing'}" for n, of in words.items())
    said = replace(said, finding=f"{said.finding}: {quoted}")
    by_heart, wider = LEFT - left[RIGHT], gap[0] - gap[1]
    for text, where, values, within, unit in (
        ("before training the loss is ln C", source, off[RIGHT], 0.05, "nats"),
        ("20 examples are learned by heart, loss below 0.01", source, by_heart, None, "nats"),
        ("the curve's shape tells good, low, high and no rates", source, misnamed, None, ""),
        ("the gap to validation is wider with 100 examples", source, wider, None, "points"),
        ("4 faults are caught, each first by its own check", own, missed, None, ""),
        ("shuffled labels leave validation at chance", own, above[SHUFFLED], 5, "points"),
        ("10 times larger last weights start near ln C, too", own, off[LARGE], OFF, "nats"),
        ("TrainingMonitor tells bad rates and inputs from right ones", own, said, None, ""),
    ):
        lab.claim(text, where, values, within=within, unit=unit)

    def line(name, metric="loss"):
        values = curve(metric, name)
        return np.linspace(0, 100, values.shape[1]), values

    names = {n: f"{n} ({of[0]})" for n, of in (shapes | first).items()} | {RIGHT: RIGHT}
    layout = {
        "all examples, training": {names[n]: line(n) for n in RATES},
        TINY: {names[n]: line(name) for n, name in TINIES.items()},
        "all examples, validation": {names[n]: line(n, "val_loss") for n in (RIGHT, SHUFFLED)},
    }
    layout["all examples, validation"]["ln C"] = np.arange(101), np.full((1, 101), guessing)
    limits = {"limits": (0, 1.5 * guessing), "y_label": "loss (nats)"}
    lab.figure(lab.lines(layout, x_label="part of the training (%)", **limits))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
