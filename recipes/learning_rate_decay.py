"""When does learning rate decay help?

Claim: at a constant rate, noisy gradients of mini-batches make the weights wander around a minimum;
a falling one lets them come to rest closer to it. So a rate that is large at first and small later
learns well (Deep Learning Specialization, course 2 week 2; Deep Learning from Scratch, 6.1.5).

Look for: in the figure, which curves end higher or calmer than the constant rate's, from an initial
rate that is too low, good or too high for it; in figure-rates, how much further right decay may
start; in TensorBoard, the same curves under epoch_accuracy.

Whatever rate is too high at first, a falling one is right some time later; a rate that is too low
it makes worse. In between it calms the end of the curve, but has little to add where a network fits
all its examples: their gradients vanish then, and the noise with them. With wrong labels, which it
cannot fit so soon, noise stays. To be fair, each schedule is also judged at its best initial rate.

Use: a constant rate if it is tuned; cosine decay for a calm end or noisy labels, tuned as well.
Symptoms: the loss swings up and down
Topic: Optimization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 2
UNITS = 100


def decayed(schedule, learning_rate, epochs, steps_per_epoch):
    """Return a learning rate that falls, by name of its schedule, or the constant one."""
    schedules, steps = keras.optimizers.schedules, epochs * steps_per_epoch
    if schedule == "step":  # to a tenth after a third of the training, and again after two
        return schedules.ExponentialDecay(learning_rate, steps / 3, 0.1, staircase=True)
    if schedule == "exponential":  # to a hundredth at the end
        return schedules.ExponentialDecay(learning_rate, steps / 2, 0.1)
    if schedule == "inverse":  # divided by 1 + decay x epochs, the decay being 1
        return schedules.InverseTimeDecay(learning_rate, steps_per_epoch, 1.0)
    if schedule == "cosine":  # to zero at the end, along half a wave
        return schedules.CosineDecay(learning_rate, steps)
    return learning_rate


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    schedule="step",
    epochs=20,
    steps_per_epoch=20,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        schedule: "constant", "step", "inverse", "exponential" or "cosine".
        epochs: after which the schedule ends; give `fit` the same number.
        steps_per_epoch: batches in an epoch.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent, at the start.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            layers += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")]
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    rate = decayed(schedule, learning_rate, epochs, steps_per_epoch)
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, epochs=20, steps_per_epoch=20):
    """The same model for keras-tuner: random search of the initial rate on a logarithmic scale."""
    rate = hp.Float("learning_rate", 1e-3, 3.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    plan = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate, **plan)


CONSTANT, *DECAYS = SCHEDULES = ("constant", "step", "inverse", "exponential", "cosine")
RATES = [float(f"{10 ** (n / 3):.2g}") for n in range(-6, 2)]  # .01, .022, .046, .1, ... 2.2
RIGHT, WRONG = LABELS = "right labels", "20 % wrong labels"
EXAMPLES, BATCH_SIZE, EPOCHS = 1000, 50, 20
LOST = 10  # points that a constant rate loses if it is too high


def at(schedule, rate, labels=RIGHT):
    """Name the variant of a schedule, an initial rate and the labels that it learns from."""
    return f"{schedule}, lr {rate:g}" + (f", {labels}" if labels == WRONG else "")


VARIANTS = {
    at(schedule, rate, labels): {"schedule": schedule, "learning_rate": rate}
    | {"batch_norm": False, "dropout": 0.0}  # whose own noise would stay
    for labels in LABELS
    for schedule in SCHEDULES
    for rate in RATES
}


def with_wrong_labels(data, share=0.2):
    """Return a `Dataset` in which a share of the training labels is another class instead."""
    from dataclasses import replace

    random, y = np.random.default_rng(0), data.train.y.copy()
    wrong = random.permutation(len(y))[: round(share * len(y))]
    shift = random.integers(1, data.num_classes, len(wrong))
    y[wrong] = (y[wrong] + shift) % data.num_classes
    return replace(data, train=replace(data.train, y=y))


def regimes(accuracy):
    """Return the places of rates too low, good and too high for a constant one, by its accuracies.

    The best is good and a tenth of it too low; too high is the first above it that loses LOST
    points, or else the last.
    """
    good = int(np.argmax(accuracy))
    high = [n for n in range(good, len(RATES)) if accuracy[n] <= accuracy[good] - LOST]
    return max(good - 3, 0), good, [*high, len(RATES) - 1][0]


def unrest(curves):
    """Return the mean change by epoch over the last quarter of the epochs; curves are by seed."""
    changes = np.abs(np.diff(curves, axis=1))
    return changes[:, -max(1, changes.shape[1] // 4) :].mean(axis=1)


def run(lab):
    """Train five schedules from eight initial rates; compare at equal rates and at the best."""
    from recipes._lab.lab import QUICK

    course, own = "Deep Learning Specialization, course 2 week 2", "this recipe"
    data = lab.data(examples=EXAMPLES)
    epochs = lab.options.epochs or (QUICK["epochs"] if lab.options.quick else EPOCHS)
    given = {"epochs": epochs, "steps_per_epoch": max(1, len(data.train) // BATCH_SIZE)}
    variants = {name: arguments | given for name, arguments in VARIANTS.items()}
    wrong = {"fit": {"data": with_wrong_labels(data)}}
    variants |= {name: of | wrong for name, of in variants.items() if name.endswith(WRONG)}
    plan = {"epochs": epochs, "batch_size": BATCH_SIZE}
    plan["watch"] = [at(schedule, 1) for schedule in (CONSTANT, "inverse", "cosine")]
    histories = lab.train(build_model, variants, data, **plan)

    def points(variant, metric="test_accuracy"):
        return 100 * histories.final(metric, variant)

    def claim(text, source, of, count, sign=1):
        """Compare inverse decay with the constant rate, and all schedules, by `count` of them."""
        values = histories.difference("test_accuracy", of["inverse"], of[CONSTANT], scale=100)
        if sign > 0:
            lab.claim(f"{text}, inverse ends higher than constant", source, values, unit="points")
        leads = {s: sign * (points(of[s]) - points(of[CONSTANT])) for s in DECAYS}
        text += f", {count} of 4 schedules end {'higher' if sign > 0 else 'lower'} than constant"
        lab.claim(text, source, leads, at_least=count, unit="schedules")

    best, noisy = (
        {s: histories.best([at(s, rate, of) for rate in RATES]) for s in SCHEDULES} for of in LABELS
    )
    means = [points(at(CONSTANT, rate), "val_accuracy").mean() for rate in RATES]
    low, good, high = (RATES[n] for n in regimes(means))
    started = {rate: {s: at(s, rate) for s in SCHEDULES} for rate in RATES}
    claim(f"each at its best initial rate, {RIGHT}", course, best, 3)
    claim(f"each at its best initial rate, {WRONG}", own, noisy, 3)
    claim("from a rate too high for constant", course, started[high], 4)
    claim("from the best rate for constant", own, started[good], 3)
    claim("from a tenth of the best rate for constant", own, started[low], 4, sign=-1)
    restless = {s: unrest(histories.curve("val_accuracy", of)) for s, of in started[good].items()}
    text = "from the best rate for constant, validation accuracy changes less at the end, 4 of 4"
    values = {s: restless[CONSTANT] - restless[s] for s in DECAYS}
    lab.claim(text, course, values, at_least=4, unit="schedules")
    names = {"too low": low, "good": good, "too high": high}
    layout = {f"{name}: lr {rate:g}": started[rate] for name, rate in names.items()}
    layout[f"lr {good:g}, {WRONG}"] = {s: at(s, good, WRONG) for s in SCHEDULES}
    label, limits = "validation accuracy (%)", (max(means) - 60, max(means) + 6)
    lab.figure(lab.panels(histories, layout, metric="val_accuracy", label=label, limits=limits))
    layout = {
        of: {s: (RATES, np.transpose([points(at(s, r, of)) for r in RATES])) for s in SCHEDULES}
        for of in LABELS
    }
    labels = {"x_label": "initial learning rate", "y_label": "test accuracy (%)"}
    lab.figure(lab.lines(layout, **labels, x_scale="log", limits=(0, 103)), "rates")
    lab.table({f"{s}, best lr": v for s, v in best.items()} | {v: v for v in noisy.values()})


if __name__ == "__main__":
    from recipes import main

    main(__file__)
