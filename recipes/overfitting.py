"""Which remedy closes the gap between training and test, and which one raises test accuracy?

Claim: each of these narrows the gap: L2, L1 or both penalties, Dropout, batch normalization, early
stopping, a smaller model, fewer inputs, smaller batches, shifted copies of the images, more data
(Deep Learning from Scratch, 6.3 and 6.4; CS231n). More data is by far the best (Karpathy 2019).

Look for: in the figure, which remedies lower the test error, and which only the gap; in
TensorBoard, under epoch_accuracy, train beside validation.

While a network knows its examples by heart, the gap is the test error, and only what raises test
accuracy narrows it. A stronger remedy closes it from the other side: it keeps the network from
learning its examples, and what is true of all along with them. Some do more for the loss, as they
make it less sure of wrong answers. Only other examples say anything new.

All train for 300 steps at one rate, so that more examples don't mean more training; but shifted
copies, which take longer to learn, for 600. Validation data choose the strength of penalties and
Dropout, and how many copies.

Use: more data; copies changed as test data may be; Dropout or a penalty no stronger than validation
asks for.
Symptoms: validation far below training; validation loss rises
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    hidden_layers=6,
    penalty=0.001,
    l1_share=0.0,
    dropout=0.1,
    batch_norm=True,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: hidden layers of 100 units and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        hidden_layers: how many.
        penalty: factor of the sum of all squared weights (L2), which is added to the loss.
        l1_share: share of it that goes to the sum of their absolute values (L1) instead.
        dropout: share of each hidden layer's units that training drops.
        batch_norm: whether to normalize before each activation.
        learning_rate: of plain gradient descent.
    """
    penalties = keras.regularizers.L1L2(penalty * l1_share, penalty * (1 - l1_share))
    kernel = {"kernel_initializer": "he_normal", "kernel_regularizer": penalties}
    layers = [keras.Input(input_shape)]
    for n in range(1, hidden_layers + 1):
        layers.append(keras.layers.Dense(100, **kernel, name=f"h{n}"))
        if batch_norm:
            norm = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")
            layers.append(norm)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
        if dropout:
            layers.append(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    layers.append(keras.layers.Dense(num_classes, "softmax", **kernel, name="softmax"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: random search, rate and penalty on logarithmic scales."""
    return build_model(
        input_shape,
        num_classes,
        hidden_layers=hp.Int("hidden_layers", 1, 6),
        penalty=hp.Float("penalty", 1e-5, 1e-2, sampling="log"),
        dropout=hp.Float("dropout", 0.05, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


FEW, MORE = 300, 1000  # examples: the book's, and those of "more data"
STEPS, BOOK_STEPS = 300, 600  # half of the book's, at ten times its learning rate
CROSS = ((1, 1), (0, 1), (1, 0), (1, 2), (2, 1))  # from a frame of one pixel: down, right
SHIFTS = {"4 shifted copies": CROSS, "8 shifted copies": tuple(np.ndindex(3, 3))}
NONE, BOOK, BOOK_L2 = "no remedy", "no remedy, the book's setting", "L2, the book's setting"
STOPPED, HALF, MORE_DATA = "early stopping", "half of the inputs", "more data"
BARE = {"penalty": 0.0, "dropout": 0.0, "batch_norm": False}
# `run` chooses strengths, and adds the data, batches and epochs that are not those of all.
VARIANTS = {
    NONE: BARE,
    "L2": BARE | {"penalty": 0.001},
    "L1": BARE | {"penalty": 0.001, "l1_share": 1.0},
    "elastic net": BARE | {"penalty": 0.001, "l1_share": 0.1},  # equal parts at a weight of .1
    "Dropout": BARE | {"dropout": 0.1},
    "batch normalization": BARE | {"batch_norm": True},
    "2 of 6 layers": BARE | {"hidden_layers": 2},
    BOOK: BARE | {"learning_rate": 0.01},
    BOOK_L2: BARE | {"learning_rate": 0.01, "penalty": 0.05},  # the book's weight decay of .1
}
VARIANTS |= dict.fromkeys((STOPPED, HALF, "batches of 20", MORE_DATA, *SHIFTS), BARE)


def with_training(data, x, y):
    """Return the data with other training examples."""
    parts = type(data.train)(x, y), data.validation, data.test
    return type(data)(data.name, data.class_names, *parts)


def half(data):
    """Return the data with half of the inputs: those that vary most in training."""
    kept = np.argsort(-data.train.x.var(axis=0), kind="stable")[: -(-data.input_shape[0] // 2)]
    parts = (type(of)(of.x[:, kept], of.y) for of in (data.train, data.validation, data.test))
    return type(data)(data.name, data.class_names, *parts)


def shifted(data, images, places):
    """Return the data with training images at all places; what comes in from outside is zero."""
    height, width = images.shape[1:3]
    framed = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    copies = [framed[:, down : down + height, right : right + width] for down, right in places]
    x = np.concatenate(copies).reshape(-1, *data.input_shape)
    return with_training(data, x, np.tile(data.train.y, len(places)))


def fit(data, batch_size=100, steps=STEPS, **more):
    """Return what `lab.train` needs to train for so many steps on data."""
    epochs = max(1, steps // max(1, len(data.train) // batch_size))
    return {"fit": {"data": data, "batch_size": batch_size, "epochs": epochs, **more}}


def run(lab):
    """Overfit 300 examples without and with each remedy; compare gap, test accuracy and loss."""
    from recipes._lab.errors import UserError

    data = lab.data(examples=MORE)
    few = with_training(data, data.train.x[:FEW], data.train.y[:FEW])
    own = {HALF: fit(half(few)), "batches of 20": fit(few, 20), MORE_DATA: fit(data)}
    own |= dict.fromkeys((BOOK, BOOK_L2), fit(few, steps=BOOK_STEPS))
    own |= {STOPPED: fit(few, patience=10)}
    missing = [] if len(data.train) > FEW else [MORE_DATA]
    try:
        images = lab.data(images=True, examples=FEW).train.x
        own |= {n: fit(shifted(few, images, to), steps=BOOK_STEPS) for n, to in SHIFTS.items()}
    except UserError:  # vectors can't be shifted
        missing += SHIFTS
    variants = {n: of | own.get(n, fit(few)) for n, of in VARIANTS.items() if n not in missing}
    for argument, values, names in (
        ("penalty", (0.0003, 0.001, 0.003, 0.01), ("L2", "L1", "elastic net")),
        ("dropout", (0.05, 0.1, 0.2), ("Dropout",)),
    ):
        asked, more = {n: variants[n] for n in names}, {"values": values, "extend": False}
        variants |= lab.tune(build_model, asked, few, epochs=0, argument=argument, **more)
    histories = lab.train(build_model, variants, few, epochs=0, watch=["L2", NONE])
    accuracy = {n: 100 * histories.final("test_accuracy", n) for n in variants}
    gap = {n: 100 * histories.final("accuracy", n) - accuracy[n] for n in variants}
    loss = {n: histories.final("test_loss", n) for n in variants}

    def gain(name, other=NONE):
        return histories.difference("test_accuracy", name, other, scale=100)

    remedies = [n for n in variants if n not in (NONE, BOOK, BOOK_L2, *SHIFTS)]
    copies = [n for n in SHIFTS if n in variants]
    remedies += [histories.best(copies)] if copies else []
    best = histories.best([n for n in remedies if n != MORE_DATA])
    book, us, karpathy = "Deep Learning from Scratch, 6.4", "this recipe", "Karpathy 2019"
    for text, source, differences in (
        ("narrows the gap", f"{book}; CS231n", {n: gap[NONE] - gap[n] for n in remedies}),
        ("raises test accuracy", us, {n: accuracy[n] - accuracy[NONE] for n in remedies}),
        ("lowers the test loss", us, {n: loss[NONE] - loss[n] for n in remedies}),
    ):
        text = f"each remedy {text}, {len(remedies)} of {len(remedies)}, lr 0.1"
        lab.claim(text, source, differences, at_least=len(remedies), unit="remedies")
    text = "on the same examples the best remedy raises test accuracy by a point or more, lr 0.1"
    lab.claim(text, us, gain(best), at_least=1, unit="points")
    if MORE_DATA in variants:
        text = "more data raise test accuracy more than the best other remedy, lr 0.1"
        lab.claim(text, karpathy, gain(MORE_DATA, best), unit="points")
    if copies:
        text = "shifted copies raise test accuracy, lr 0.1"
        lab.claim(text, karpathy, gain(remedies[-1]), unit="points")
    where, book_gain = "lr 0.01, weight decay 0.1", gain(BOOK_L2, BOOK)
    closer = book_gain._replace(values=gap[BOOK] - gap[BOOK_L2])
    lab.claim(f"L2 narrows the gap, {where}", f"{book}.2", closer, unit="points")
    lab.claim(f"L2 raises test accuracy, {where}", us, book_gain, unit="points")
    rows = [NONE, *sorted(remedies, key=lambda n: -accuracy[n].mean())]
    lab.table([*rows, BOOK, BOOK_L2])
    layout = {"gap: training minus test accuracy": {n: gap[n] for n in rows}}
    layout |= {"test error": {n: 100 - accuracy[n] for n in rows}}
    note = f" (left out for want of data: {', '.join(missing)})" if missing else ""
    lab.figure(lab.dots(layout, x_label=f"percentage points{note}"))
    lab.figure(lab.dots({"": {n: loss[n] for n in rows}}, x_label="test loss (nats)"), "loss")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
