"""Batch normalization or layer normalization in a recurrent net?

Claim: batch normalization does not suit recurrent networks, layer normalization does, above all
where sequences vary in length (notes on the Deep Learning Specialization, course 2 week 3, after
Ba, Kiros and Hinton 2016).

Look for: in the figure, which curve rises first and which one ends highest; in figure-lengths, how
soon each kind of network falls when images end early; in TensorBoard, what rnn1_bn and rnn1_ln
return.

Why the two differ less than that: here they stand between the layers, where all steps of all
sequences share one mean and one variance. The objection is above all to batch normalization inside
the recurrence, for which Keras's SimpleRNN has no place: there each step needs statistics of its
own, and the last steps of long sequences have few examples to take them from. What is left of it:
where the sequences of the test are shorter than those of training, the averages no longer fit. And
a small net that learns well as it is may lose by either.

Use: neither in a small recurrent net, unless it gains on validation data; of the two,
LayerNormalization where sequences get shorter than in training.
Symptoms: training is slow; batches have to be small
Topic: Batch normalization
"""

import keras
import numpy as np

UNITS = 32


def build_model(
    input_shape=(8, 8, 1),
    num_classes=10,
    *,
    normalization="batch",
    dropout=0.1,
    learning_rate=0.003,
):
    """Return a compiled classifier that reads images row by row: two recurrent layers, a softmax.

    Args:
        input_shape: of one example, (rows, columns, channels); each row is a step.
        num_classes: units of the softmax; labels are integers from 0.
        normalization: after each recurrent layer: "batch", "layer" or None.
        dropout: share of the last recurrent layer's units that training drops.
        learning_rate: of Adam.
    """
    rows = input_shape[0]
    layers = [keras.Input(input_shape), keras.layers.Reshape((rows, -1), name="rows")]
    short = rows <= 64  # unrolled, a short loop is faster
    for n in (1, 2):
        every_step = n == 1  # the second layer only passes on its last step
        recurrent = keras.layers.SimpleRNN
        layers.append(recurrent(UNITS, return_sequences=every_step, unroll=short, name=f"rnn{n}"))
        if normalization == "batch":
            batch_normalization = keras.layers.BatchNormalization
            layers.append(batch_normalization(momentum=0.9, epsilon=1e-5, name=f"rnn{n}_bn"))
        elif normalization == "layer":
            layers.append(keras.layers.LayerNormalization(epsilon=1e-5, name=f"rnn{n}_ln"))
    layers.append(keras.layers.Dropout(dropout, name="dropout"))
    layers.append(keras.layers.Dense(num_classes, activation="softmax", name="softmax"))
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(8, 8, 1), num_classes=10):
    """The same model for keras-tuner: random search, the rate on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
    )


NONE, BATCH, LAYER = "no normalization", "BN", "LayerNorm"
VARIANTS = {NONE: {"normalization": None}, BATCH: {}, LAYER: {"normalization": "layer"}}
ALL, VARYING = "all rows", "varying lengths"  # of the sequences in training
RATES = (0.002, 0.006, 0.02)
EPOCHS = 15


def at(lengths, arm, rate):
    """Name the variant of one kind of sequences, arm and learning rate."""
    return f"{arm}, {lengths}, lr {rate:g}"


def cut(split, lengths):
    """Return the examples with only their first rows; what follows is blank.

    Args:
        split: part of a data set.
        lengths: rows to keep, (examples,), or one number for all.
    """
    kept = np.arange(split.x.shape[1]) < np.reshape(lengths, (-1, 1))
    return type(split)(split.x * kept[:, :, None, None], split.y)


def vary(data):
    """Return data in which each example ends after a random number of rows, a quarter or more."""
    import dataclasses

    draw, rows = np.random.default_rng(0), data.input_shape[0]
    parts = {part: getattr(data, part) for part in ("train", "validation", "test")}
    for part, split in parts.items():
        parts[part] = cut(split, draw.integers(-(-rows // 4), rows + 1, len(split)))
    return dataclasses.replace(data, **parts)


def run(lab):
    """Compare the three at their best rates, on sequences of one length and of varying ones."""
    notes = "notes on the Deep Learning Specialization, course 2 week 3"
    data = lab.data(images=True, examples=1000)
    # The weights of the epoch with the lowest validation loss count, not those of the last one.
    plans = {ALL: {"data": data}, VARYING: {"data": vary(data)}}
    variants = {
        at(lengths, arm, rate): arguments
        | {"learning_rate": rate, "fit": plan | {"patience": EPOCHS}}
        for lengths, plan in plans.items()
        for arm, arguments in VARIANTS.items()
        for rate in RATES
    }
    watch = [at(ALL, arm, RATES[1]) for arm in VARIANTS]
    histories = lab.train(build_model, variants, data, epochs=EPOCHS, watch=watch)
    best = {
        lengths: {arm: histories.best([at(lengths, arm, r) for r in RATES]) for arm in VARIANTS}
        for lengths in plans
    }
    lab.table({f"{arm}, {lengths}": v for lengths, of in best.items() for arm, v in of.items()})
    for lengths, of in best.items():
        where = f"{lengths}, each at its best lr"
        for text, first, second, gain in (
            ("with LayerNorm test accuracy is higher than with BN", LAYER, BATCH, 0),
            ("with LayerNorm it is higher than with no normalization", LAYER, NONE, 0),
            # Less than a point is not worth another kind of layer.
            ("with BN it is not a point higher than with none", NONE, BATCH, -1),
        ):
            difference = histories.difference("test_accuracy", of[first], of[second], 100)
            lab.claim(f"{text}, {where}", notes, difference, at_least=gain, unit="points")
        speed = {arm: histories.mean_over_epochs("accuracy", v) for arm, v in of.items()}
        text = f"with LayerNorm the network learns faster than with none, {where}"
        lab.claim(text, notes, 100 * (speed[LAYER] - speed[NONE]), unit="points")

    rows = data.input_shape[0]
    ends = sorted({max(1, round(rows * eighths / 8)) for eighths in range(1, 9)})
    test = type(data.test)(data.test.x[:1000], data.test.y[:1000])
    accuracy = {}
    for lengths, of in best.items():
        models = {arm: histories.models(variant) for arm, variant in of.items()}
        accuracy[f"trained on {lengths}"] = {
            arm: (ends, 100 * np.stack([m.accuracy(cut(test, end)) for end in ends], axis=1))
            for arm, m in models.items()
        }
    of_all, fewer = accuracy[f"trained on {ALL}"], max(1, len(ends) - 1)
    mean = {arm: values[:, :fewer].mean(axis=1) for arm, (_, values) in of_all.items()}
    for other in (BATCH, NONE):
        text = f"trained on all rows and tested on fewer, {LAYER} is better than {other}"
        lab.claim(text, notes, mean[LAYER] - mean[other], unit="points")

    curves = {f"{lengths}, each at its best lr": of for lengths, of in best.items()}
    label = "validation accuracy (%)"
    lab.figure(lab.panels(histories, curves, metric="val_accuracy", label=label))
    label = "test accuracy (%)"
    lab.figure(lab.lines(accuracy, x_label="rows read", y_label=label, limits=(0, 103)), "lengths")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
