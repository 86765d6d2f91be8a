"""What does a random search of 100 trials over learning rate and weight decay find?

Claim: of 100 trials with both drawn on logarithmic scales, those learn well whose learning rate is
.001 to .01 and whose weight decay is 1e-8 to 1e-6 (Deep Learning from Scratch, 6.5.3); a few epochs
are enough to see which (6.5.2).
Look for: in the figure, which of the two hyperparameters puts the dots in order, and that accuracy
still rises at the right edge; in TensorBoard, under HPARAMS, the trials of one search.
Why: within the 200 steps of a trial the largest learning rate with the largest weight decay shrinks
the weights by .02 %, so these decays can decide nothing; the book calls half of its range good, and
about half of the best trials lie there. The learning rate decides, and its range ends too early.
Use: a search of the learning rate alone, in a range that goes on until accuracy falls again, with a
few epochs for each trial.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    batch_norm=True,
    weight_decay=1e-6,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: six hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        weight_decay: each step shrinks the weights by so much times the learning rate.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in range(1, 7):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, weight_decay=weight_decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10, *, rates=(1e-4, 1.0), **arguments):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    decay = hp.Float("weight_decay", 1e-8, 1e-4, sampling="log")
    rate = hp.Float("learning_rate", *rates, sampling="log")
    return build_model(
        input_shape, num_classes, weight_decay=decay, learning_rate=rate, **arguments
    )


BOOK = "Deep Learning from Scratch"
SEARCH = "the book's search"
VARIANTS = {SEARCH: {"rates": (1e-6, 1e-2), "batch_norm": False, "dropout": 0.0}}


def best_of(accuracy):
    """Return which trials are the best fifth, (trials,), 20 of 100 in the book's figure."""
    count = len(accuracy) // 5
    return np.isin(np.arange(len(accuracy)), np.argsort(-accuracy, kind="stable")[:count])


def surplus(search, name, low, high):
    """Return how many more of the best trials than of all lie between low and high, in points."""
    inside = (search.values[name] >= low) & (search.values[name] <= high)
    return 100 * (inside[best_of(search.val_accuracy)].mean() - inside.mean())


def seen_early(search):
    """Return how many of the best trials, %, were among the best after a fifth of the epochs."""
    epochs = search.val_curves.shape[1] - 1
    early = best_of(search.val_curves[:, epochs // 5])
    return 100 * early[best_of(search.val_accuracy)].mean()


def highest_quarter(search):
    """Return the highest learning rates that were tried and their validation accuracies."""
    rates = search.values["learning_rate"]
    highest = np.argsort(rates)[len(rates) * 3 // 4 :]
    return rates[highest], search.val_accuracy[highest]


def run(lab):
    """Search three times like the book, but in batches of 20: 100 trials of 200 steps."""
    data = lab.data(examples=400)
    searches = lab.search(
        build_tunable, VARIANTS, data, trials=100, epochs=10, batch_size=20, repetitions=3
    )
    points = "percentage points"
    rate = searches.measure(lambda search: surplus(search, "learning_rate", 1e-3, 1e-2), points)
    decay = searches.measure(lambda search: surplus(search, "weight_decay", 1e-8, 1e-6), points)
    early = searches.measure(seen_early, "%")
    rise = searches.measure(
        lambda search: lab.rank_correlation(*highest_quarter(search)), "of rank correlation"
    )

    lab.claim(
        "more of the 20 best trials than of all 100 have a learning rate of .001 to .01",
        source=f"{BOOK}, 6.5.3",
        that=rate > 0,
    )
    lab.claim(
        "more of the 20 best trials than of all 100 have a weight decay of 1e-8 to 1e-6",
        source=f"{BOOK}, 6.5.3",
        that=decay > 0,
    )
    lab.claim(
        "more than half of the 20 best trials are among the 20 best after a fifth of the epochs",
        source=f"{BOOK}, 6.5.2",
        that=early > 50,
    )
    lab.claim(
        "among the 25 highest learning rates, which end at .01, accuracy still rises with the "
        "rate: rank correlation above .5",
        that=rise > 0.5,
    )
    axes = {"learning_rate": "learning rate", "weight_decay": "weight decay"}
    lab.figure(lab.trials(searches, axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
