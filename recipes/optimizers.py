"""Which optimizer learns fastest on real data?

Claim: Momentum, AdaGrad and Adam learn faster than plain gradient descent (SGD), and some end
higher; but no method is best everywhere (Deep Learning from Scratch, sections 6.1.7 and 6.1.8).

Look for: in the figure, how far apart the losses are at one rate for all, and how close once each
rule has a rate of its own; in TensorBoard, the same under epoch_loss.

One rate for all is not a fair race, for it means a step of another size to every rule. SGD's is the
rate times the gradient, which may be tiny. Momentum's steps add up to ten times that. Those of
AdaGrad, RMSprop and Adam are divided by the size of the gradients, so each weight moves by about
the rate. A rule that needs another rate looks slow, as SGD does at the book's, or unstable. The
best rate is here the one that ends highest on validation data; a larger one may start faster.

Use: Adam at .001 to begin with; whichever rule, a learning rate tuned for it.
Symptoms: training is slow
Topic: Optimization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 4
UNITS = 100
OPTIMIZERS = {
    "SGD": (keras.optimizers.SGD, {}),
    "Momentum": (keras.optimizers.SGD, {"momentum": 0.9}),
    "Nesterov": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True}),
    # Keras starts AdaGrad's sum of squares at .1, the paper and the book at 0.
    "AdaGrad": (keras.optimizers.Adagrad, {"initial_accumulator_value": 0.0}),
    "RMSprop": (keras.optimizers.RMSprop, {}),
    "Adam": (keras.optimizers.Adam, {}),
}


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    optimizer="SGD",
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: four hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        optimizer: "SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop" or "Adam".
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of the optimizer.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            normalization = keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"
            )
            layers.append(normalization)
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
    layers += [
        keras.layers.Dropout(dropout, name="dropout"),
        keras.layers.Dense(num_classes, activation="softmax", name="softmax"),
    ]
    kind, arguments = OPTIMIZERS[optimizer]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=kind(learning_rate, **arguments),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: RMSprop and Adam want much smaller rates."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


RULES = tuple(OPTIMIZERS)
OTHERS = RULES[1:]  # than SGD
ONE, TUNED = "lr 0.01", "best lr"
BOOK_ADAM = "Adam, lr 0.001"  # the book's rate for Adam; all others have .01 there
BARE = {"batch_norm": False, "dropout": 0.0}  # as in the book


def at(rule, setting):
    """Name the variant of a rule at one rate for all, or at the best of its own."""
    return f"{rule}, {setting}"


VARIANTS = {
    at(rule, setting): BARE | {"optimizer": rule, "learning_rate": 0.01}  # `run` tunes half of them
    for setting in (ONE, TUNED)
    for rule in RULES
}
VARIANTS[BOOK_ADAM] = BARE | {"optimizer": "Adam", "learning_rate": 0.001}


def run(lab):
    """Train six rules at one rate, and at the best rate of each; compare their speed and end."""
    book, after = "Deep Learning from Scratch, 6.1.", "after Deep Learning from Scratch, 6.1."
    data = lab.data(examples=1000)
    plan = {"epochs": 30, "batch_size": 128}
    asked = {at(rule, TUNED): VARIANTS[at(rule, TUNED)] for rule in RULES}
    rates = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    tuned = lab.tune(build_model, asked, data, values=rates, **plan)
    watch = [at(rule, ONE) for rule in ("SGD", "Momentum", "Adam")]
    histories = lab.train(build_model, VARIANTS | tuned, data, watch=watch, **plan)

    def speed(variant):
        """Return the mean training accuracy over all epochs, (seeds,), in points."""
        return 100 * histories.mean_over_epochs("accuracy", variant)

    def lead(setting):
        """Return how much faster than SGD the others learn, {rule: (seeds,)}, in points."""
        return {rule: speed(at(rule, setting)) - speed(at("SGD", setting)) for rule in OTHERS}

    def best(setting, rules=RULES):
        """Return the rule that ends highest on validation data."""
        chosen = histories.best([at(rule, setting) for rule in rules])
        return VARIANTS[chosen]["optimizer"]

    by_book = {rule: lead(ONE)[rule] for rule in ("Momentum", "AdaGrad")}
    by_book["Adam"] = speed(BOOK_ADAM) - speed(at("SGD", ONE))
    text = "Momentum, AdaGrad and Adam learn faster than SGD, 3 of 3, lr 0.01 (Adam's 0.001)"
    lab.claim(text, book + "8", by_book, at_least=3, unit="rules")
    for setting in (ONE, TUNED):
        text = f"all others learn faster than SGD, 5 of 5, each at {setting}"
        lab.claim(text, after + "8", lead(setting), at_least=5, unit="rules")
    text = "more than half of their mean lead over SGD at lr 0.01 is gone, each at best lr"
    before, left = (np.mean(list(lead(setting).values()), axis=0) for setting in (ONE, TUNED))
    lab.claim(text, "this recipe", before / 2 - left, unit="points")
    for setting, source in ((ONE, book), (TUNED, after)):
        accuracy = {r: 100 * histories.final("test_accuracy", at(r, setting)) for r in RULES}
        higher = {rule: accuracy[rule] - accuracy["SGD"] for rule in OTHERS}
        text = f"some end higher in test accuracy than SGD, 1 of 5 or more, each at {setting}"
        lab.claim(text, source + "8", higher, at_least=1, unit="rules")
    winner = best(ONE)
    rival = best(TUNED, [rule for rule in RULES if rule != winner])
    text = "no rule is best everywhere: the best at lr 0.01 ends below another, each at best lr"
    gain = histories.difference("test_accuracy", at(rival, TUNED), at(winner, TUNED), scale=100)
    lab.claim(text, book + "7", gain, unit="points")

    layout = {f"each at {setting}": {r: at(r, setting) for r in RULES} for setting in (ONE, TUNED)}
    layout[f"each at {ONE}"][BOOK_ADAM] = BOOK_ADAM
    limits = 0, 1.15 * np.log(data.num_classes)  # a little above the loss of guessing
    labels = {"metric": "loss", "label": "training loss (nats)", "scale": 1, "limits": limits}
    lab.figure(lab.panels(histories, layout, **labels))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
