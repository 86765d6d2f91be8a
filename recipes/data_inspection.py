"""Which labels are wrong?

Claim: wrong labels are found among those that a network that has not seen the example believes
least, and without them a network trains to a higher accuracy (Northcutt et al. 2021, "Confident
Learning").
Look for: in the figure, how many wrong labels are among the first suspects; in figure-suspects, the
first suspects themselves, with a star if made wrong on purpose.
Why: a network learns wrong labels last, one by one, but once it has memorized them it believes
them. So the examples are dealt into folds, and those of each fold are judged by a network that was
trained on the others. Least believed are wrong labels and hard examples alike; whoever drops both
drops something to learn from.
Use: sort the examples by how probable their labels are to networks that never saw them, look at the
least probable, and mend the labels that are wrong.
Symptoms: training never reaches 100 %
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.2, learning_rate=0.01):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD with a momentum of 0.9.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NORTHCUTT = "Northcutt et al. 2021, Confident Learning"
SHARES = (2, 4, 6, 8, 10, 15, 20)  # % of the examples, those least believed first
FOLDS = 4
WRONG, MEMORIZED, DROPPED = "5 % wrong labels", "memorized", "10 % suspects dropped"
WITHOUT = "5 % wrong labels, without fold"  # and its number
VARIANTS = {WRONG: {}, MEMORIZED: {}} | {(WITHOUT, fold): {} for fold in range(FOLDS)}
# After 20 epochs a network believes few wrong labels yet, whether it has seen them or not; after
# 100 it has memorized them all.
EPOCHS = {WRONG: 20, MEMORIZED: 100, WITHOUT: 20, DROPPED: 20}
UNSEEN = "by networks that have not seen them"
SEEN, KNOWN = "by one that has seen them for 20 epochs", "by one that has memorized them"


def without_fold(data, fold):
    """Return data without every fourth training example, beginning with number `fold`."""

    def change(dataset, random):
        kept = np.arange(len(dataset.train)) % FOLDS != fold
        return dataset.with_train(dataset.train.x[kept], dataset.train.y[kept])

    return data.map(change)


def belief(models, x, y):
    """Return how probable models find the labels, (seeds, examples)."""
    return np.take_along_axis(models.predict(x), y[..., np.newaxis], axis=-1)[..., 0]


def found(believed, wrong, share):
    """Return how many wrong labels, %, are in that share of the examples, %, least believed."""
    first = believed.argsort(axis=1)[:, : round(share / 100 * believed.shape[1])]
    return 100 * np.take_along_axis(wrong, first, axis=1).sum(axis=1) / wrong.sum(axis=1)


def run(lab):
    """Make labels wrong, sort them by how probable networks find them, and drop the first 10 %."""
    data = lab.data(examples=1000)
    noisy = data.map(lambda dataset, random: dataset.with_wrong_labels(0.05, random))
    x, y = noisy.train.x, noisy.train.y
    wrong = y != data.train.y
    datasets = {(WITHOUT, fold): without_fold(noisy, fold) for fold in range(FOLDS)}
    datasets |= {WRONG: noisy, MEMORIZED: noisy}
    results = lab.train(build_model, VARIANTS, datasets, epochs=EPOCHS, batch_size=50)

    seen = belief(results.models(WRONG), x, y)
    known = belief(results.models(MEMORIZED), x, y)
    unseen = np.empty(y.shape)
    for fold in range(FOLDS):
        rows = slice(fold, None, FOLDS)
        unseen[:, rows] = belief(results.models((WITHOUT, fold)), x[:, rows], y[:, rows])
    recalls = {}
    for share in SHARES:
        recalls[UNSEEN, share] = found(unseen, wrong, share)
        recalls[SEEN, share] = found(seen, wrong, share)
        recalls[KNOWN, share] = found(known, wrong, share)
    recall = lab.measure(recalls, "%", "wrong labels found")

    suspects = unseen.argsort(axis=1)  # the least believed first
    kept = suspects[:, y.shape[1] // 10 :]
    seeds = np.arange(len(y))[:, np.newaxis]
    cleaned = noisy.with_train(x[seeds, kept], y[seeds, kept])
    results |= lab.train(build_model, {DROPPED: {}}, cleaned, epochs=EPOCHS, batch_size=50)
    test = results.final("test_accuracy")

    lab.claim(
        "80 % of 5 % wrong labels are among the 10 % least believed",
        source=NORTHCUTT,
        that=recall[UNSEEN, 10] > 80,
    )
    lab.claim(
        "networks that have not seen a label find more of the wrong ones than one that has "
        "memorized them in 100 epochs",
        source=NORTHCUTT,
        that=recall[UNSEEN, 10] > recall[KNOWN, 10],
    )
    lab.claim(
        "dropping the 10 % least believed labels raises test accuracy",
        source=NORTHCUTT,
        that=test[DROPPED] > test[WRONG],
    )
    lab.table([WRONG, DROPPED])
    label = "examples looked at, least believed first (%)"
    lab.figure(lab.lines(recall, along=SHARES, x_label=label, lines=(UNSEEN, SEEN, KNOWN)))
    first = suspects[0, :24]
    titles = [f"given {data.class_names[label][:12]}" for label in y[0, first]]
    pictures = lab.pictures(x[0, first], titles, shape=data.picture_shape, marked=wrong[0, first])
    lab.figure(pictures, name="suspects")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
