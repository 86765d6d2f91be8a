"""Babysit one model, or train many at once?

Claim: with enough compute train many models with different settings and keep the best (caviar: a
fish lays many eggs and leaves them to their fate); with compute for only one or very few, babysit
one (panda: a single cub, well cared for) (Deep Learning Specialization, course 2 week 3).
Look for: in the figure, which line is higher where compute is scarce, and which at the end; in
TensorBoard, under HPARAMS, the many.
Why: two draws of a learning rate are luckier than one. The babysitter soon raises a rate that is
too low, lowers one that is too high, and starts again where a model is dead, but spends blocks of
epochs on finding out. With enough compute both end with a good rate.
Use: many at once where they can run side by side; one that is babysat has to wait for each block to
end, and is not clearly more accurate at equal compute.
Symptoms: each trial is expensive
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
EPOCHS = 10  # of each of the many, and of a block of the babysitter
PANDA, CAVIAR, ALONE = "one, babysat", "the best of many", "one, left alone"
VARIANTS = {CAVIAR: {}, ALONE: {}}  # both draw the same first learning rate
GO_ON, GO_BACK, START_ANEW = "go on", "go back before this block", "start anew"


def decide(rate, before, after, accuracy, chance):
    """Return the babysitter's next learning rate, and whether to go on, to go back or start anew.

    Args:
        rate: learning rate of the last block of epochs.
        before: training loss at the end of the block before; infinite at first.
        after: training loss at the end of the last block.
        accuracy: training accuracy there, 0 to 1.
        chance: that of always answering the most frequent class.
    """
    if not after < before:  # also if it is not finite
        return rate / 3, GO_BACK
    if after > 0.95 * before and accuracy < (1 + chance) / 2:  # dead, or hardly moving
        return (rate / 10 if rate > 0.1 else rate * 10), START_ANEW
    if after > 0.95 * before:
        return rate / 3, GO_ON
    return (rate if accuracy > 0.9 else rate * 3), GO_ON


def learn(model, x, y, epochs, random):
    """Train, and return the loss and the accuracy of the last epoch.

    By `train_on_batch`, as `fit` takes longer to begin an epoch than these few batches.
    """
    for _ in range(epochs):
        model.reset_metrics()
        order = random.permutation(len(x))
        for start in range(0, len(x), 100):
            batch = order[start : start + 100]
            loss, accuracy = model.train_on_batch(x[batch], y[batch])
    return loss, accuracy


def babysit(model, rate, dataset, blocks, epochs):
    """Train from a first learning rate, and decide after each block of epochs how to go on.

    Returns:
        Validation and test accuracy, 0 to 1, after each block: two arrays, (blocks,).
    """
    train, *held_out = dataset.parts
    initial = kept = model.get_state_tree(value_format="numpy_array")  # the optimizer's, too
    random = np.random.default_rng(0)  # of the order of examples, the same for every seed
    before, accuracies = np.inf, []
    for _ in range(blocks):
        model.optimizer.learning_rate = rate
        after, accuracy = learn(model, train.x, train.y, epochs, random)
        right = [model.predict_on_batch(part.x).argmax(axis=1) == part.y for part in held_out]
        accuracies.append(list(map(np.mean, right)))
        rate, action = decide(rate, before, after, accuracy, dataset.chance)
        if action == GO_ON:
            kept, before = model.get_state_tree(value_format="numpy_array"), after
        elif action == START_ANEW:
            kept, before = initial, np.inf
        model.set_state_tree(kept)
    model.set_state_tree(initial)  # ready for another babysitter
    return np.transpose(accuracies)


def run(lab):
    """Train eight models, and one eight times as long: left alone, and babysat."""
    data = lab.data(examples=500)
    trials = {CAVIAR: MODELS, ALONE: 1}
    epochs = {CAVIAR: EPOCHS, ALONE: MODELS * EPOCHS}
    searches = lab.search(
        build_tunable, VARIANTS, data, trials=trials, epochs=epochs, repetitions=6
    )
    blocks = len(searches[CAVIAR][0].val_accuracy)  # 8 models, fewer in a quick run
    compute = range(1, blocks + 1)
    keras.utils.set_random_seed(0)  # so that every run of the recipe draws the same masks
    model = build_model(data.input_shape, data.num_classes)  # once: compiling takes longest
    model.optimizer.build(model.trainable_variables)
    values = {(way, count): [] for way in (PANDA, CAVIAR) for count in compute}
    for seed, search in zip(lab.seeds, searches[CAVIAR], strict=True):
        keras.utils.set_random_seed(seed)
        model.set_weights(build_model(data.input_shape, data.num_classes).get_weights())
        rate = search.values["learning_rate"][0]
        validation, test = babysit(model, rate, data.split(seed), blocks, lab.epochs(EPOCHS))
        for count in compute:
            values[PANDA, count].append(100 * test[validation[:count].argmax()])
            best = search.val_accuracy[:count].argmax()
            values[CAVIAR, count].append(search.test_accuracy[best])
    accuracy = lab.measure(values, "%", "test accuracy")

    lab.claim(
        "with compute for 8 models the best of many is more accurate on test than the babysat one",
        source=COURSE,
        that=accuracy[CAVIAR, blocks] > accuracy[PANDA, blocks],
    )
    lab.claim(
        "with compute for 2 models the babysat one is more accurate on test than the better of two",
        source=COURSE,
        that=accuracy[PANDA, 2] > accuracy[CAVIAR, 2],
    )
    lab.claim(
        "with compute for 8 models the best weights of the babysat one are more accurate on test "
        "than the last ones of the same model left alone",
        that=accuracy[PANDA, blocks] > searches.best("test_accuracy")[ALONE],
    )
    label = "compute (models of 10 epochs)"
    lab.figure(lab.lines(accuracy, along=compute, x_label=label, lines=(PANDA, CAVIAR)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
