"""One sigmoid or two softmax units?

Claim: for two classes, two softmax units are equivalent to one sigmoid unit at half the learning
rate (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, which curves lie on top of each other; in TensorBoard, epoch_loss.

Why half: a softmax of two depends only on the difference of its logits, and is the sigmoid of that.
Its two units have opposite gradients, each as large as that of a sigmoid unit, so in a step the
difference moves twice as far. This is so with Momentum and Adam as well: opposite gradients make
opposite steps. To stay equal, the sigmoid unit has to start at the difference of the two.

But only the last layer is twice as fast: what it hands down to hidden layers is the same. So with
hidden layers no one rate for all makes the two equal. A logit times the square root of 2 does, for
plain gradient descent, from a start divided by it: the factor counts once in the gradient of the
last layer and once in what a step changes there, 2 in all, and hidden layers don't notice.
Data of more classes are made two here: the first half of the classes against the rest.

Use: either; where one sigmoid unit takes the place of two softmax units, tune the rate anew, and
begin with twice the old one.
Symptoms: training is slow
Topic: Softmax
"""

import keras
import numpy as np

UNITS = 100
OPTIMIZERS = {
    "SGD": (keras.optimizers.SGD, {}),
    "Momentum": (keras.optimizers.SGD, {"momentum": 0.9}),
    "Adam": (keras.optimizers.Adam, {}),
}


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    output="softmax",
    logit_scale=1.0,
    last_init="glorot_uniform",
    hidden_layers=2,
    optimizer="SGD",
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax or a sigmoid.

    Args:
        input_shape: of one example, (features,).
        num_classes: of the data; labels are integers from 0.
        output: "softmax" with a unit for each class; or, for two classes, "sigmoid" with one unit
            that gives the probability of class 1.
        logit_scale: factor of the logits, before the softmax or the sigmoid.
        last_init: Keras's name of an initializer, for the kernel of the logits.
        hidden_layers: how many; 0 for logistic regression.
        optimizer: "SGD", "Momentum" or "Adam".
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of the optimizer.
    """
    if output == "sigmoid" and num_classes != 2:
        raise ValueError(f"one sigmoid unit tells 2 classes apart, not {num_classes}")
    layers = [keras.Input(input_shape)]
    for n in range(1, hidden_layers + 1):
        layers += [
            keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
    units, loss = num_classes, "sparse_categorical_crossentropy"
    if output == "sigmoid":
        units, loss = 1, "binary_crossentropy"
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(units, kernel_initializer=last_init, name="logits"),
    ]
    if logit_scale != 1:
        layers.append(keras.layers.Rescaling(logit_scale, name="scale"))
    layers.append(keras.layers.Activation(output, name=output))
    kind, arguments = OPTIMIZERS[optimizer]
    model = keras.Sequential(layers)
    model.compile(optimizer=kind(learning_rate, **arguments), loss=loss, metrics=["accuracy"])
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, the rate on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        output=hp.Choice("output", ["softmax", "sigmoid"]) if num_classes == 2 else "softmax",
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


TWO, ONE = "two softmax units", "one sigmoid unit"
DOUBLE, SCALED = f"{ONE}, twice the rate", "one, logit times √2"
SIGMOID = {"output": "sigmoid"}
ARMS = {TWO: {}, DOUBLE: SIGMOID, ONE: SIGMOID, SCALED: SIGMOID | {"logit_scale": 2**0.5}}
NONE, HIDDEN = "no hidden layers", "two hidden layers"
FLAT, MOMENTUM, ADAM = (f"{NONE}, {rule}" for rule in OPTIMIZERS)
DEEP, FREE, BEST = f"{HIDDEN}, SGD", f"{HIDDEN}, own starts", "best lr"
LINEAR = {"hidden_layers": 0, "dropout": 0.0}
ALIKE = {"last_init": "zeros"}  # the difference of zeros is zero, so two units and one start alike
RATE = 0.05
# What is trained, at which rate, and with which outputs; the last is tuned in `run`.
RUNS = {
    FLAT: (ALIKE | LINEAR, RATE, (TWO, DOUBLE, ONE)),
    MOMENTUM: (ALIKE | LINEAR | {"optimizer": "Momentum"}, 0.005, (TWO, DOUBLE)),
    ADAM: (ALIKE | LINEAR | {"optimizer": "Adam"}, 0.005, (TWO, DOUBLE)),
    DEEP: (ALIKE, RATE, tuple(ARMS)),
    FREE: ({}, 0.005, (TWO, ONE)),
    BEST: ({}, RATE, (TWO, ONE)),
}


def at(line, run):
    """Name the variant of an output in one of RUNS."""
    return f"{line}, {run}"


VARIANTS = {
    at(line, run): arguments | ARMS[line] | {"learning_rate": rate * (1 + (line == DOUBLE))}
    for run, (arguments, rate, lines) in RUNS.items()
    for line in lines
}
TOLERANCE = 1e-3  # of losses and probabilities: far more than rounding, far less than an effect


def two_classes(data):
    """Return the data with the first half of the classes as 0 and the rest as 1."""
    half = data.num_classes // 2
    names = tuple(", ".join(part) for part in (data.class_names[:half], data.class_names[half:]))
    splits = (data.train, data.validation, data.test)
    parts = (type(split)(split.x, (split.y >= half).astype(np.int32)) for split in splits)
    return type(data)(data.name, names, *parts)


def deviations(split, seeds, factor=2):
    """Train two units, and one from their difference at `factor` times the rate, with plain Keras.

    Returns:
        How far their probabilities are apart at the most after two epochs, (seeds,).
    """
    shape, found = split.x.shape[1:], []
    two = build_model(shape, 2, **LINEAR, learning_rate=RATE)
    one = build_model(shape, 2, **LINEAR, output="sigmoid", learning_rate=factor * RATE)
    for seed in seeds:
        start = np.random.default_rng(seed).normal(0, 0.1, size=(shape[0] + 1, 2))
        for model, values in ((two, start), (one, np.diff(start))):
            model.set_weights([values[1:], values[0]])
            model.fit(split.x, split.y, batch_size=100, epochs=2, shuffle=False, verbose=0)
        found.append(float(np.abs(two(split.x)[:, 1:] - one(split.x)).max()))
    return found


def run(lab):
    """Train from equal starts, where curves can be the same, then from own starts and tuned."""
    from recipes._lab import evidence

    course, own = "Deep Learning Specialization, course 2 week 3", "this recipe"
    after = f"after {course}"
    data = two_classes(lab.data(examples=1000))
    best = {at(line, BEST): VARIANTS[at(line, BEST)] for line in (ONE, TWO)}
    variants = VARIANTS | lab.tune(build_model, best, data, epochs=20)
    watch = [at(line, run) for run in (FLAT, DEEP) for line in (TWO, DOUBLE)]
    histories = lab.train(build_model, variants, data, epochs=20, watch=watch)

    def apart(line, run):
        """Judge how far a loss curve is from that of two units at the most, seed by seed."""
        curves = [histories.curve("loss", at(of, run)) for of in (TWO, line)]
        return evidence.judge_exact(np.ptp(curves, axis=0).max(axis=1), TOLERANCE, unit="nats")

    double = "one unit at twice the rate has the loss curve of two softmax units, same start"
    for run, source in ((FLAT, course), (MOMENTUM, own), (ADAM, own), (DEEP, after)):
        lab.claim(f"{double}, {run}", source, apart(DOUBLE, run))
    text = "one unit at twice the rate has their probabilities, from the difference of their starts"
    found = deviations(data.train, lab.seeds)
    lab.claim(f"{text}, {FLAT}, plain fit", own, evidence.judge_exact(found, TOLERANCE))
    text = f"one unit with a logit times √2 has their loss curve, same rate, same start, {DEEP}"
    lab.claim(text, own, apart(SCALED, DEEP))
    text = f"test accuracy is the same within 1 point, {FREE}, each at best lr"
    points = histories.difference("test_accuracy", *best, scale=100)
    lab.claim(text, course, points, within=1, unit="points")
    text = "two units learn sooner than one at the same rate, lower mean loss"
    for run, start in ((FLAT, ", same start"), (DEEP, ", same start"), (FREE, "")):
        one, two = (histories.mean_over_epochs("loss", at(line, run)) for line in (ONE, TWO))
        lab.claim(f"{text}, {run}{start}, lr {RUNS[run][1]:g}", after, one - two, unit="nats")
    layout = {run: {line: at(line, run) for line in RUNS[run][2]} for run in (FLAT, DEEP)}
    # Guessing has a loss of ln 2, .69.
    labels = {"metric": "loss", "label": "training loss (nats)", "scale": 1, "limits": (0, 0.8)}
    lab.figure(lab.panels(histories, layout, **labels))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
