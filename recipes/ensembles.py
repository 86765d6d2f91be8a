"""What does averaging models buy?

Claim: the mean of several models' predictions is a few percent more accurate than one model; more
models gain more, though less and less, and so does variety among them. One may average models from
other initial values, the best of a search, checkpoints of one run, which are cheap and have little
variety, or the weights of a run, for a percent or two (CS231n, Neural Networks Part 3).

Look for: in the figure, how soon each line flattens, and how far above one member, a search's best
trial or a run's last epoch, in a weak network and a strong one; in figure-weights, what is left if
weights are averaged; in TensorBoard, under epoch_accuracy, how the weak network's curve jumps.

Averaging takes out what each member gets wrong in its own way, and nothing that all get wrong. So
it pays where a network comes out differently each time. Checkpoints differ only while a run is
still moving about. The weights of one run may be averaged, for its epochs lie close together. Two
runs have the same units in different orders, and means of unlike units are useless.

Each seed has an ensemble of its own, which shares no member with another. The moving average of
weights is taken at the ends of the last ten epochs, much as use_ema=True of Keras's optimizers
takes it, at each step. The networks have no batch normalization: its moving statistics would have
to be measured again for averaged weights.

Use: five models from other initial values if one alone is unreliable and inference may take five
times as long; else a better single model. Average predictions; weights only within one run.
Symptoms: worse on new data than in validation; the loss swings up and down
Topic: Regularization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    hidden_layers=2,
    units=100,
    batch_norm=True,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: hidden layers of equal width and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        hidden_layers: how many.
        units: of each of them.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, hidden_layers + 1):
        layers.append(keras.layers.Dense(units, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            layers += [keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn")]
        layers.append(keras.layers.Activation("relu", name=f"h{n}_act"))
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


def build_tunable(hp, input_shape=(64,), num_classes=10, **fixed):
    """The same model for keras-tuner, its learning rate on a logarithmic scale.

    `fixed` are other arguments of build_model.
    """
    dropout = hp.Float("dropout", 0.0, 0.5)
    rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate, **fixed)


WEAK, STRONG = "6 x 20, 300 examples", "2 x 100, 1000 examples"
NETWORKS = {  # layers x units, examples to train on
    WEAK: {"hidden_layers": 6, "units": 20, "batch_norm": False},
    STRONG: {"hidden_layers": 2, "units": 100, "batch_norm": False},
}
EXAMPLES = {WEAK: 300, STRONG: 1000}
PLAN = {WEAK: {"epochs": 40, "batch_size": 20}, STRONG: {"epochs": 20, "batch_size": 100}}
MEMBERS, FEW = 10, 5  # models that are averaged; of the first few all epochs are kept
ALL, MOMENTUM = tuple(range(1, 1001)), 0.9  # epochs; of averaged weights, from epoch to epoch
VARIANTS = {
    f"{network}, member {n}": arguments
    | {"dropout": 0.0, "fit": {"copy": n, "record": ALL if n <= FEW else ()}}
    for network, arguments in NETWORKS.items()
    for n in range(1, MEMBERS + 1)
}
INITS, SEARCHED, EPOCHS = "other initial values", "best of a search", "last epochs of one run"


def accuracy(probabilities, y):
    """Return the accuracy in %, (...), of probabilities (..., examples, classes)."""
    return 100 * np.mean(probabilities.argmax(axis=-1) == y, axis=-1)


def gains(predictions, y, turns=1):
    """Return how much better the mean of 1, 2, ... members is than one, (seeds, members), points.

    Args:
        predictions: (members, seeds, examples, classes).
        y: (examples,).
        turns: how many members have their turn as the first, all others following in a circle.
    """
    members, found = len(predictions), []
    for count in range(1, members + 1):
        groups = [np.arange(first, first + count) % members for first in range(turns)]
        found.append(np.mean([accuracy(predictions[g].mean(axis=0), y) for g in groups], axis=0))
    return np.stack(found, axis=1) - found[0][:, None]


def averaged(models, shares=None):
    """Return the first of several models with the mean of all their weights, changed in place."""
    for name in models[0].weights:
        weights = [of.weights[name] for of in models]
        models[0].weights[name] = np.average(weights, axis=0, weights=shares)
    return models[0]


def run(lab):
    """Train ten members of two networks, search, and average predictions and weights."""
    from functools import partial

    found, ends = {}, {}
    for network, arguments in NETWORKS.items():
        data, plan = lab.data(examples=EXAMPLES[network]), PLAN[network]
        x, y = data.test.x, data.test.y
        asked = {name: of for name, of in VARIANTS.items() if name.startswith(network)}
        names = list(asked)
        histories = lab.train(build_model, asked, data, watch=names[:1], **plan)
        models = [histories.models(name) for name in names]
        inits, by_epoch, moving = np.array([of.predict(x) for of in models]), [], []
        for name in names[:FEW]:
            last = [
                histories.models(name, e) for e in histories.recorded(name)[: -MEMBERS - 1 : -1]
            ]
            by_epoch.append(gains(np.array([of.predict(x) for of in last]), y))
            moving.append(accuracy(averaged(last, MOMENTUM ** np.arange(len(last))).predict(x), y))
        found[network] = {INITS: gains(inits, y, MEMBERS), EPOCHS: np.mean(by_epoch, axis=0)}
        if network == WEAK:
            tunable = partial(build_tunable, **arguments)
            searches = lab.search(tunable, data, trials=20, repetitions=len(lab.seeds), **plan)
            best = [
                [np.array(search.model(n)(x)) for n in search.ranking[:MEMBERS]]
                for search in searches
            ]
            best = np.stack([of[: min(map(len, best))] for of in best], axis=1)
            found[network][SEARCHED] = gains(best, y)
        ends[network] = {
            "one model": accuracy(inits[:FEW], y).mean(axis=0),
            "moving average of its weights": np.mean(moving, axis=0),
            f"mean of {FEW} models' weights": accuracy(averaged(models[:FEW]).predict(x), y),
            f"mean of {FEW} models' predictions": accuracy(inits[:FEW].mean(axis=0), y),
        }

    def gain(kind, count, network=WEAK):
        of = found[network][kind]
        return of[:, min(count, of.shape[1]) - 1]  # a quick run has fewer

    def claim(text, differences, network=WEAK, source="CS231n, Neural Networks Part 3", **more):
        lab.claim(f"{text}, {network}", source, differences, unit="points", **more)

    text = f"the mean of {MEMBERS} models is at least 2 points more accurate than one"
    for network in NETWORKS:
        claim(text, gain(INITS, MEMBERS, network), network, at_least=2)
    two, few, many = (gain(INITS, count) for count in (2, FEW, MEMBERS))
    claim(f"{MEMBERS} models are more accurate than 2", many - two)
    claim(f"from 1 to {FEW} models gains more than from {FEW} to {MEMBERS}", 2 * few - many)
    of_epochs, of_search = gain(EPOCHS, FEW), gain(SEARCHED, FEW)
    claim(f"{FEW} models gain more than the last {FEW} epochs of one run", few - of_epochs)
    claim(f"the mean of the last {FEW} epochs is more accurate than the last", of_epochs)
    claim(f"the mean of a search's {FEW} best trials is more accurate than the best", of_search)
    text = "the moving average of a run's weights is at least 1 point more accurate than the last"
    for network, of in ends.items():
        one, average, mixed, _ = of.values()
        claim(text, average - one, network, at_least=1)
    text = f"the mean of {FEW} models' weights is less accurate than one model"
    claim(text, one - mixed, STRONG, "this recipe")

    lab.table([f"{network}, member 1" for network in NETWORKS])
    layout = {
        network: {kind: (np.arange(1, v.shape[1] + 1), v) for kind, v in of.items()}
        for network, of in found.items()
    }
    lab.figure(lab.lines(layout, x_label="models averaged", y_label="gain in accuracy (points)"))
    lab.figure(lab.dots(ends, x_label="test accuracy (%)"), "weights")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
