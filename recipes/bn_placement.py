"""Does batch normalization belong before the activation, and does it need bias, gamma and beta?

Claim: before the activation is the usual place and the better default; it makes the bias of the
layer before it redundant; and without gamma and beta a sigmoid stays in its linear part, which
makes the network worse (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, which placement falls faster at a small rate, and which one still learns
at a large one (losses above the frame are cut); in the second, how little a missing part changes;
in TensorBoard, under weights, h1/bias of "before" beside "after", and how far h3_bn/gamma goes.

A bias shifts all examples alike, and a normalization that follows takes the shift out again: the
bias has no gradient but rounding. After an activation that is not so. Gamma and beta start at 1 and
0, where a sigmoid is almost straight; gamma must grow by more than half until a line explains less
than 95 % of its variance. Where the rate and the steps don't take it there, little can be lost
without it; at large rates, after long training or in tasks that need the bend, more.

Use: Dense(use_bias=False), BatchNormalization, Activation, in this order, with gamma and beta.
Symptoms: training is slow
Topic: Batch normalization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 5
UNITS = 100
NORMALIZATION = {"momentum": 0.9, "epsilon": 1e-5}  # Keras's .99 needs hundreds of steps


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    activation="relu",
    placement="before",
    bias=True,
    gamma_beta=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: five hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        activation: of the hidden layers, "relu" (He's initial values) or another (Glorot's).
        placement: of the normalizations, "before" or "after" the activations; "none" of them.
        bias: whether the hidden layers have one.
        gamma_beta: whether the normalizations learn a factor and a shift for each unit.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    init = "he_normal" if activation == "relu" else "glorot_normal"
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        dense = keras.layers.Dense(UNITS, use_bias=bias, kernel_initializer=init, name=f"h{n}")
        act = keras.layers.Activation(activation, name=f"h{n}_act")
        bn = keras.layers.BatchNormalization(
            scale=gamma_beta, center=gamma_beta, name=f"h{n}_bn", **NORMALIZATION
        )
        order = {"none": [dense, act], "before": [dense, bn, act], "after": [dense, act, bn]}
        layers += order[placement]
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: the learning rate on a logarithmic scale."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-2, 10.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NONE, BEFORE, AFTER = "no BN", "before", "after"
NO_BIAS, NO_GAMMA = "before, no bias", "before, no gamma, beta"
PARTS = {NONE: {"placement": "none"}, BEFORE: {}, AFTER: {"placement": "after"}}
PARTS |= {NO_BIAS: {"bias": False}, NO_GAMMA: {"gamma_beta": False}}
ACTIVATIONS = "relu", "sigmoid"
RATES = 0.03, 0.1, 0.3, 1.0, 3.0
BIAS_TOLERANCE = 1e-6  # rounding of 32-bit sums stays below, what a bias learns is far above


def at(activation, part, rate):
    """Name the variant of one activation, placement or missing part, and learning rate."""
    return f"{activation}, {part}, lr {rate:g}"


VARIANTS = {
    at(activation, part, rate): PARTS[part] | {"activation": activation, "learning_rate": rate}
    for activation in ACTIVATIONS
    for part in PARTS
    for rate in RATES
}


def largest_bias(models):
    """Return the largest size of any hidden bias, (models,); a diverged one is NaN."""
    biases = [models.weights[f"h{n}/bias"] for n in range(1, HIDDEN_LAYERS + 1)]
    return np.abs(biases).max(axis=(0, 2))


def straightness(outputs):
    """Return what share of the hidden outputs' variance lines explain, (models,), in per cent.

    Each unit has its own line, from BN to activation; `outputs` are those of `Models.outputs`.
    """
    explained = total = 0
    for n in range(1, HIDDEN_LAYERS + 1):
        x, y = outputs[f"h{n}_bn"], outputs[f"h{n}_act"]  # (models, examples, units)
        x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
        explained += ((x * y).sum(axis=1) ** 2 / (x**2).sum(axis=1).clip(1e-30)).sum(axis=1)
        total += (y**2).sum(axis=(1, 2))
    return 100 * explained / total.clip(1e-30)


def run(lab):
    """Train 50 variants, compare placements and parts, look at the biases and the sigmoids."""
    from recipes._lab import evidence

    course, own = "Deep Learning Specialization, course 2 week 3", "this recipe"
    data = lab.data(examples=1000)
    watch = [at(name, part, 0.1) for name in ACTIVATIONS for part in (BEFORE, AFTER, NO_GAMMA)]
    histories = lab.train(build_model, VARIANTS, data, epochs=15, watch=watch)

    def best(name, part):
        return histories.best([at(name, part, rate) for rate in RATES])

    def gain(first, second):
        return histories.difference("test_accuracy", first, second, scale=100)

    def speed(name, part, rate):
        return 100 * histories.mean_over_epochs("accuracy", at(name, part, rate))

    def faster(name, than):
        """Compare BN before: the mean training accuracy over all epochs, rate by rate."""
        return {f"lr {r:g}": speed(name, BEFORE, r) - speed(name, than, r) for r in RATES}

    def biases(part):
        return np.max([largest_bias(histories.models(best(a, part))) for a in ACTIVATIONS], axis=0)

    def straight(part):
        return straightness(histories.models(best("sigmoid", part)).outputs(data.validation.x))

    for name in ACTIVATIONS:
        before, after, no_gamma = (best(name, part) for part in (BEFORE, AFTER, NO_GAMMA))
        text = f"{name}: BN before is at most 1 point less accurate than after, each at its best lr"
        lab.claim(text, course, gain(before, after), at_least=-1, unit="points")
        text, by_rate = f"{name}: BN before learns faster than after", faster(name, AFTER)
        lab.claim(f"{text} at 3 of 5 rates", own, by_rate, at_least=3, unit="rates")
        lab.claim(f"{text} at the largest rate, lr 3", own, by_rate["lr 3"], unit="points")
        rate = VARIANTS[before]["learning_rate"]  # one for both, which should be one network
        text = f"{name}: BN before is as accurate without bias, within 1 point, lr {rate:g}"
        lab.claim(text, course, gain(at(name, NO_BIAS, rate), before), within=1, unit="points")
        text = f"{name}: without gamma, beta it is less accurate, each at its best lr"
        source = course if name == "sigmoid" else own
        lab.claim(text, source, gain(before, no_gamma), unit="points")
    # Diverged runs, whose numbers are NaN, count against each of the next four claims.
    exact = evidence.judge_exact(np.nan_to_num(biases(BEFORE), nan=1, posinf=1), BIAS_TOLERANCE)
    lab.claim("with BN before, no hidden bias goes beyond 1e-6, at the best lr", course, exact)
    beyond = np.nan_to_num(biases(AFTER), nan=0, posinf=0).clip(1e-9) / BIAS_TOLERANCE
    text = "with BN after, some hidden bias goes beyond 1e-6, at the best lr"
    lab.claim(text, own, np.log10(beyond), unit="factors of ten")
    share = np.nan_to_num(straight(NO_GAMMA))
    text = "sigmoid without gamma, beta: lines explain 95 % of its outputs' variance, best lr"
    lab.claim(text, course, share, at_least=95, unit="%")
    rest = np.nan_to_num(100 - straight(BEFORE))
    text = "sigmoid with gamma, beta: lines leave 5 % of its outputs' variance, best lr"
    lab.claim(text, course, rest, at_least=5, unit="%")
    text, by_rate = "sigmoid: without gamma, beta it learns slower", faster("sigmoid", NO_GAMMA)
    lab.claim(f"{text} at 3 of 5 rates", course, by_rate, at_least=3, unit="rates")
    lab.table([best(name, part) for name in ACTIVATIONS for part in PARTS])
    most = 1.3 * np.log(data.num_classes)  # a network that knows nothing has ln C

    def loss(variant):
        curve = histories.curve("loss", variant).clip(max=most)
        return range(curve.shape[1]), curve

    layout = {
        f"{name}, lr {rate:g}": {part: loss(at(name, part, rate)) for part in (NONE, BEFORE, AFTER)}
        for name in ACTIVATIONS
        for rate in (0.1, 3.0)
    }
    labels = {"x_label": "epoch (0 = before training)", "y_label": "training loss (nats)"}
    lab.figure(lab.lines(layout, limits=(0, most), **labels))
    layout = {
        name: {p: 100 * histories.final("test_accuracy", best(name, p)) for p in list(PARTS)[1:]}
        for name in ACTIVATIONS
    }
    lab.figure(lab.dots(layout, x_label="test accuracy at the best learning rate (%)"), "parts")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
