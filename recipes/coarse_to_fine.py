"""Does it pay to search wide ranges first and then to zoom in?

Claim: draw from wide ranges, narrow them to where the best trials lie and draw again, two or three
times: so better settings are found than by drawing from the wide ranges all the time (Deep Learning
Specialization, course 2 week 3; Deep Learning from Scratch, 6.5.2; CS231n, Neural Networks Part 3).
Look for: in the figure, that zooming in raises the median trial, and whether it raises the best;
in figure-trials, on which values the trials close in; in TensorBoard, under HPARAMS, the trials of
one search of each kind.
Why: 36 draws from the wide ranges hit the good region several times, and at its top the trials
differ by little more than the luck of a validation set. So drawing on finds a good setting, too.
Zooming in finds many, and shows how far the good region reaches. It pays where the wide ranges are
hit rarely, yet often enough for the first stage to see where.
Use: one stage to find a good setting; STAGES=3 of `make search` to see how far good ones reach.
Symptoms: a search finds nothing better
Topic: Hyperparameters
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    weight_decay=1e-6,
    dropout=0.1,
    momentum=0.9,
    learning_rate=0.03,
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        weight_decay: each step shrinks the weights by so much times the learning rate.
        dropout: rate of Dropout after the last hidden layer.
        momentum: momentum of SGD.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate, momentum=momentum, weight_decay=weight_decay),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    return build_model(
        input_shape,
        num_classes,
        weight_decay=hp.Float("weight_decay", 1e-8, 1e-4, sampling="log"),  # as in the book
        momentum=1 - hp.Float("one_minus_momentum", 1e-3, 1e-1, sampling="log"),  # in the course
        learning_rate=hp.Float("learning_rate", 1e-6, 10.0, sampling="log"),  # in CS231n
    )


COURSE = "Deep Learning Specialization, course 2 week 3"
CS231N = "CS231n, Neural Networks Part 3"
ONE, THREE = "one stage of 36", "three stages of 12"
STAGES = {ONE: 1, THREE: 3}
VARIANTS = {ONE: {}, THREE: {}}


def best_of_stage(search, number):
    """Return the test accuracy, %, of the best trial of a stage: 0, 1 or 2 of three."""
    trials = np.array_split(np.arange(len(search.val_accuracy)), 3)[number]
    return search.test_accuracy[trials[search.val_accuracy[trials].argmax()]]


def median_of_last_stage(search, stages):
    """Return the median validation accuracy, %, of the trials of the last of so many stages."""
    return np.median(np.array_split(search.val_accuracy, stages)[-1])


def run(lab):
    """Search six times in one stage and in three, which begin with the same 12 trials."""
    data = lab.data(examples=400)
    searches = lab.search(
        build_tunable, VARIANTS, data, trials=36, epochs=10, stages=STAGES, repetitions=6
    )
    test = searches.best("test_accuracy")
    first = searches.measure(lambda search: best_of_stage(search, 0), "%")
    last = searches.measure(lambda search: best_of_stage(search, 2), "%")
    medians = {}
    for key, stages in STAGES.items():
        medians[key] = [median_of_last_stage(search, stages) for search in searches[key]]
    median = lab.measure(medians, "%")

    lab.claim(
        "the best trial of three stages is more accurate on test than the best of one stage",
        source=COURSE,
        that=test[THREE] > test[ONE],
    )
    lab.claim(
        "of three stages, the best trial of the last is more accurate on test than that of the "
        "first",
        source=CS231N,
        that=last[THREE] > first[THREE],
    )
    lab.claim(
        "the median trial of the last of three stages is more accurate on validation than that of "
        "a single stage",
        source=COURSE,
        that=median[THREE] > median[ONE],
    )
    accuracies = {"best trial, on test": test, "median of the last stage, on validation": median}
    lab.figure(lab.dots(accuracies, x_label="accuracy (%)"))
    lab.figure(lab.trials(searches, "learning_rate", each=VARIANTS), name="trials")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
