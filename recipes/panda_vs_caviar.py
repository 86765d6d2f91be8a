"""Babysit one model, or train many at once?

Claim: with enough compute train many models with different settings and keep the best (caviar: a
fish lays many eggs and leaves them to their fate); with compute for only one or very few, babysit
one (panda: a single cub, well cared for) (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, which line is higher where compute is scarce, and which at the end; in
TensorBoard, under HPARAMS, the many.
Why: whoever is lucky with the first learning rate is ahead at first. The babysitter soon raises one
that is too low, lowers one that is too high, and starts again where a model is dead, but spends
blocks of epochs on finding out. With enough compute either side has a good one.
Use: many at once where they can run side by side; a babysitter has to wait for each block to end.
Symptoms: there is compute for a few trials only
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.03):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(50, kernel_initializer="he_normal", name=f"h{n}"))
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
    rate = hp.Float("learning_rate", 1e-4, 1.0, sampling="log")
    return build_model(input_shape, num_classes, learning_rate=rate)


COURSE = "Deep Learning Specialization, course 2 week 3"
MODELS = 8  # that the compute is enough for
EPOCHS = 10  # of each of the many, and between two looks of the babysitter
PANDA, CAVIAR, ALONE = "one, babysat", "the best of many", "one, left alone"
VARIANTS = {CAVIAR: {}, ALONE: {}}  # both draw the same first learning rate
HERE, BEFORE, ANEW = (
    "go on",
    "back to the state before this block",
    "start from the initial weights",
)


def decide(rate, before, after, accuracy):
    """Return the babysitter's next learning rate, and from where: HERE, BEFORE or ANEW.

    Args:
        rate: learning rate of the last block of epochs.
        before: training loss at the end of the block before; infinite at first.
        after: training loss at the end of the last block.
        accuracy: training accuracy there, 0 to 1.
    """
    if not after < before:  # also if it is not finite
        return rate / 3, BEFORE
    if after > 0.95 * before and accuracy < 0.5:  # dead, or hardly moving
        return (rate / 10 if rate > 0.1 else rate * 10), ANEW
    if after > 0.95 * before:
        return rate / 3, HERE
    return (rate if accuracy > 0.9 else rate * 3), HERE


def babysit(model, rate, train, held_out, blocks, epochs):
    """Train with plain fit, look at the loss after every block and decide how to go on.

    Args:
        model: a compiled model, not yet trained.
        rate: learning rate to start with.
        train: inputs and labels.
        held_out: inputs and labels of the validation and of the test part.
        blocks: after how many the compute is used up.
        epochs: of a block.

    Returns:
        Validation and test accuracy in % after each block, (2, blocks).
    """
    model.optimizer.build(model.trainable_variables)
    fresh = kept = model.get_state_tree(value_format="numpy_array")  # the optimizer's, too
    before, found = np.inf, []
    for _ in range(blocks):
        model.optimizer.learning_rate = rate
        history = model.fit(*train, batch_size=100, epochs=epochs, verbose=0).history
        after, accuracy = history["loss"][-1], history["accuracy"][-1]
        found.append([100 * np.mean(np.argmax(model(x), axis=1) == y) for x, y in held_out])
        rate, start = decide(rate, before, after, accuracy)
        if start == HERE:
            kept, before = model.get_state_tree(value_format="numpy_array"), after
        elif start == ANEW:
            kept, before = fresh, np.inf
        model.set_state_tree(kept)
    model.set_state_tree(fresh)  # as it came
    return np.transpose(found)


def best_so_far(validation, test):
    """Return the test accuracy of what is best on validation among the first 1, 2, ... of them."""
    best = [validation[: count + 1].argmax() for count in range(len(validation))]
    return test[best]


def by_compute(name, curves):
    """Return curves, (seeds, blocks), as `{(name, 1), (name, 2), ...: (seeds,)}`."""
    return {(name, n): values for n, values in enumerate(np.transpose(curves), start=1)}


def run(lab):
    """Train many models, and one eight times as long: left alone, and babysat."""
    data = lab.data(examples=500)
    searches = lab.search(
        build_tunable,
        VARIANTS,
        data,
        trials={CAVIAR: MODELS, ALONE: 1},
        epochs={CAVIAR: EPOCHS, ALONE: MODELS * EPOCHS},
        repetitions=6,
    )
    many = [best_so_far(of.val_accuracy, of.test_accuracy) for of in searches[CAVIAR]]
    enough = len(many[0])  # 8 models, fewer in a quick run
    babysat = []
    model = build_model(data.input_shape, data.num_classes)  # a single one is compiled only once
    for n, search in enumerate(searches[CAVIAR]):
        train, *held_out = [(of.x[n], of.y[n]) for of in (data.train, data.validation, data.test)]
        keras.utils.set_random_seed(lab.seeds[n])
        model.set_weights(build_model(data.input_shape, data.num_classes).get_weights())
        rate = float(search.values["learning_rate"][0])  # that of the first of the many
        found = babysit(model, rate, train, held_out, enough, lab.epochs(EPOCHS))
        babysat.append(best_so_far(*found))
    curves = by_compute(PANDA, babysat) | by_compute(CAVIAR, many)
    accuracy = lab.measure(curves, "%", "test accuracy")

    lab.claim(
        "with compute for 8 models the best of many is more accurate on test than the babysat one",
        source=COURSE,
        that=accuracy[CAVIAR, enough] > accuracy[PANDA, enough],
    )
    lab.claim(
        "with compute for 2 models the babysat one is more accurate on test than the better of two",
        source=COURSE,
        that=accuracy[PANDA, 2] > accuracy[CAVIAR, 2],
    )
    lab.claim(
        "with compute for 8 models the babysat one is more accurate than the same left alone",
        that=accuracy[PANDA, enough] > searches.best("test_accuracy")[ALONE],
    )
    axes = {"along": range(1, enough + 1), "x_label": "compute (models of 10 epochs)"}
    lab.figure(lab.lines(accuracy, lines=(PANDA, CAVIAR), **axes))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
