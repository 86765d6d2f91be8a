"""How much weight decay, and as L2 in the loss or as decay in the update?

Claim: weight decay narrows the gap between training and test accuracy (Deep Learning from Scratch,
6.4.2). L2 in the loss and decay in the update are the same with plain gradient descent, but not
with Adam (CS231n), where decay generalizes better (Loshchilov and Hutter 2019, "Decoupled Weight
Decay Regularization").

Look for: in the figure, where the gap falls while the test error rises; in TensorBoard, under
histograms, how the kernels shrink.

Weight decay λ makes a step of gradient descent w - learning_rate * (gradient + λ * w). Keras's
L2(l) adds l * sum(w**2) to the loss, whose gradient is 2 * l * w, so l = λ / 2. The weight_decay of
its optimizers is λ itself, as they multiply it by the learning rate; but it shrinks every trainable
weight, biases too, unless excluded. So the penalty here is on all of them. Rounding alone makes the
two drift apart in the end, so their weights are compared early.

Adam divides each gradient by its usual size, and a penalty with it: weights with large gradients
shrink less, and one without any by the learning rate at each step, however small λ. Decay in the
update shrinks all by the same share. So a good λ is much larger for the decay. (Momentum, too, adds
up the penalty's gradients, to 1 / (1 - momentum) times as much, but not the decay.)

Use: Adam(weight_decay=λ), or either way with SGD; search λ on a logarithmic scale, by loss or
accuracy on validation data, never by the gap.
Symptoms: validation far below training; validation loss rises
Topic: Regularization
"""

import keras
import numpy as np

OPTIMIZERS = {"SGD": keras.optimizers.SGD, "Adam": keras.optimizers.Adam}


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="SGD",
    decay=0.003,
    in_loss=False,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: six hidden layers of 100 units and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        optimizer: "SGD" or "Adam".
        decay: the weight decay λ, of all trainable weights.
        in_loss: whether it is a penalty in the loss, not a decay in the update.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of the optimizer.
    """
    penalty = keras.regularizers.L2(decay / 2) if in_loss else None
    dense = {"kernel_initializer": "he_normal", "kernel_regularizer": penalty}
    dense |= {"bias_regularizer": penalty}
    norm = {"momentum": 0.9, "epsilon": 1e-5}
    norm |= {"gamma_regularizer": penalty, "beta_regularizer": penalty}
    layers = [keras.Input(input_shape)]
    for n in range(1, 7):
        layers.append(keras.layers.Dense(100, **dense, name=f"h{n}"))
        if batch_norm:
            layers.append(keras.layers.BatchNormalization(**norm, name=f"h{n}_bn"))
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers.append(keras.layers.Dropout(dropout, name="dropout"))
    layers.append(keras.layers.Dense(num_classes, "softmax", **dense, name="softmax"))
    in_update = None if in_loss else decay
    model = keras.Sequential(layers)
    model.compile(
        optimizer=OPTIMIZERS[optimizer](learning_rate, weight_decay=in_update),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, rate and decay on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        decay=hp.Float("decay", 1e-4, 1e-1, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


BARE = {"batch_norm": False, "dropout": 0.0}  # as in the book
BOOK, SGD, ADAM, ADAMW = "SGD, lr 0.01", "SGD, lr 0.1", "Adam, L2", "Adam, decay"
SLOW, ADAPTIVE = {"learning_rate": 0.01}, {"optimizer": "Adam", "learning_rate": 0.001}
ARMS = {  # and the λ of each
    BOOK: (BARE | SLOW | {"in_loss": True, "fit": {"epochs": 200}}, (0, 0.001, 0.01, 0.1)),
    SGD: (BARE | {"in_loss": True}, (0, 0.001, 0.003, 0.01, 0.03)),
    ADAM: (BARE | ADAPTIVE | {"in_loss": True}, (0, 0.0001, 0.001, 0.01, 0.1)),
    ADAMW: (BARE | ADAPTIVE, (0, 0.01, 0.1, 1, 10)),
}


def at(arm, decay):
    """Name the variant of one arm and λ; without any, both ways are the same."""
    return f"{ADAM if arm == ADAMW and not decay else arm}, λ {decay:g}"


SWEEPS = {arm: [at(arm, decay) for decay in decays] for arm, (_, decays) in ARMS.items()}
VARIANTS = {
    at(arm, decay): arguments | {"decay": decay}
    for arm, (arguments, decays) in ARMS.items()
    for decay in decays
}
NONE, STRONG, IN_UPDATE = at(BOOK, 0), at(BOOK, 0.1), "SGD, lr 0.01, decay, λ 0.1"
VARIANTS[IN_UPDATE] = VARIANTS[STRONG] | {"in_loss": False}


def apart(first, second):
    """Return how far models' weights, {name: (seeds, ...)}, are apart in % of their norm."""

    def norm(weights):
        return np.sqrt(sum(np.square(w).reshape(len(w), -1).sum(axis=1) for w in weights))

    ratio = norm([first[name] - second[name] for name in first]) / norm(second.values())
    return 100 * np.nan_to_num(ratio, nan=1.0, posinf=1.0)


def run(lab):
    """Overfit 300 examples with more and more weight decay, in the loss and in the update."""
    from recipes._lab import evidence

    data = lab.data(examples=300)  # as many as the book overfits
    plan = {"epochs": 100, "record": (1,), "watch": [NONE, STRONG, at(ADAM, 0.1), at(ADAMW, 0.1)]}
    histories = lab.train(build_model, VARIANTS, data, **plan)

    def final(metric, variant):
        return 100 * histories.final(metric, variant)

    def gap(variant, metric="test_accuracy"):
        return final("accuracy", variant) - final(metric, variant)

    def gain(first, second):
        return histories.difference("test_accuracy", first, second, scale=100)

    def narrower(first, second):
        return gain(first, second)._replace(values=gap(second) - gap(first))

    def early(first, second):
        return apart(*(histories.models(name, 1).weights for name in (first, second)))

    best = {arm: histories.best(names[1:]) for arm, names in SWEEPS.items()}
    none, some, adam, adamw = at(SGD, 0), best[SGD], best[ADAM], best[ADAMW]
    closest = min(SWEEPS[SGD], key=lambda name: gap(name, "val_accuracy").mean())
    loss = histories.difference("test_loss", none, some)
    same = evidence.judge_exact(early(STRONG, IN_UPDATE), 0.01, unit="%")
    other, both = early(at(ADAM, 0.1), at(ADAMW, 0.1)), gain(STRONG, IN_UPDATE)
    book, paper, us = (
        "Deep Learning from Scratch, 6.4.2",
        "Loshchilov and Hutter 2019",
        "this recipe",
    )
    narrows, raises = "weight decay narrows the gap", "weight decay raises test accuracy"
    wrong = "the λ of the smallest validation gap has less test accuracy than the best λ, lr 0.1"
    equal = "with SGD, L2 and decay lead to equal weights up to 0.01 %, an epoch, λ 0.1"
    within = "with SGD, L2 and decay end within 1 point of test accuracy, lr 0.01, λ 0.1"
    unequal = "with Adam, L2 and decay lead to weights 1 % apart or more, an epoch, λ 0.1"
    better = "with Adam, decay gives more test accuracy than L2, each at its best λ"
    for text, source, differences, more in (
        (f"{narrows}, lr 0.01, λ 0.1", book, narrower(STRONG, NONE), {}),
        (f"{raises}, lr 0.01, λ 0.1", us, gain(STRONG, NONE), {}),
        (f"{narrows}, lr 0.1, best λ", f"after {book}", narrower(some, none), {}),
        (f"{raises}, lr 0.1, best λ", us, gain(some, none), {}),
        ("weight decay lowers the test loss, lr 0.1, best λ", us, loss, {"unit": "nats"}),
        (wrong, us, gain(some, closest), {}),
        (equal, "CS231n", same, {}),
        (within, "CS231n", both, {"within": 1}),
        (unequal, "CS231n", other, {"at_least": 1, "unit": "%"}),
        (better, paper, gain(adamw, adam), {}),
    ):
        lab.claim(text, source, differences, **({"unit": "points"} | more))
    lab.table([NONE, STRONG, none, some, closest, at(ADAM, 0), adam, adamw])
    layout = {}
    for arm, names in SWEEPS.items():
        decays = np.array(ARMS[arm][1], float)
        decays[0] = decays[1] / 10  # 0 has no place on a logarithmic axis
        error = [100 - final("test_accuracy", name) for name in names]
        lines = {"test error": error, "gap: training minus test accuracy": list(map(gap, names))}
        layout[arm] = {line: (decays, np.stack(of, axis=1)) for line, of in lines.items()}
    labels = {"x_label": "weight decay λ (leftmost: none)", "y_label": "percentage points"}
    lab.figure(lab.lines(layout, **labels, x_scale="log"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
