"""What does the size of a mini-batch cost and buy?

Claim: small batches make more progress in each pass through the data, larger ones use the hardware
better; best is a size in between, or with fewer than 2000 examples all of them at once (Deep
Learning Specialization, course 2 week 2).
Look for: in the figure, how the gaps between the sizes change from equal epochs to equal time; in
figure-seconds, how little longer a step takes with more examples; in TensorBoard, under loss,
the smallest batch beside all examples.
Why: the error of a gradient falls only with the root of the batch size, so 16 steps on 8 examples
lead further than one on 128. But each step has a fixed cost; on two cores and with this network it
is that of about 1000 examples, and equal time is then almost the same as equal steps.
Use: batches of 128, with the learning rate tuned for that size; smaller ones only where the fixed
cost of a step is small.
Symptoms: training is slow; batches have to be small
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.3
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD, for batches of 128.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
            model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
    model.add(keras.layers.Dropout(dropout, name="dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-3, 3.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE = "Deep Learning Specialization, course 2 week 2"
EXAMPLES = 512  # all of them
SMALL, MIDDLE, ALL = "batch 8", "batch 128", "all at once"
SIZES = {SMALL: 8, MIDDLE: 128, ALL: EXAMPLES}
OVERHEAD = 1000  # examples that take as long as the fixed part of a step, see figure-seconds
BY_EPOCHS, BY_TIME = "equal epochs", "equal time"
PLAIN = {"batch_norm": False, "dropout": 0.0}  # both would add noise of their own
VARIANTS = {(budget, size): PLAIN for budget in (BY_EPOCHS, BY_TIME) for size in SIZES}
TIMED = (8, 128, 512, 2048)  # sizes of the batches whose steps are timed


def epochs_in_equal_time(size):
    """Return how many epochs take the time of 192 steps on 8 examples."""
    steps = 192 * (OVERHEAD + 8) / (OVERHEAD + size)
    return max(1, round(steps * size / EXAMPLES))


def run(lab):
    """Train at equal epochs and at equal time, at the best learning rates; time plain Keras."""
    data = lab.data(examples=EXAMPLES)
    epochs = {BY_EPOCHS: 30}
    for name, size in SIZES.items():
        epochs[BY_TIME, name] = epochs_in_equal_time(size)
    plan = {"epochs": epochs, "batch_size": SIZES}
    tuned = lab.tune(build_model, VARIANTS, data, learning_rate=(0.03, 0.1, 0.3, 1.0), **plan)
    results = lab.train(build_model, tuned, data, watch=[BY_EPOCHS], **plan)
    test = results.final("test_accuracy")

    lab.claim(
        "at equal epochs test accuracy is higher with batch 8 than with all at once, best rates",
        source=COURSE,
        that=test[BY_EPOCHS, SMALL] > test[BY_EPOCHS, ALL],
    )
    lab.claim(
        "in equal time test accuracy is higher with batch 128 than with batch 8, best rates",
        source=COURSE,
        that=test[BY_TIME, MIDDLE] > test[BY_TIME, SMALL],
    )
    lab.claim(
        "in equal time test accuracy with 512 examples all at once is within 1 percentage point of "
        "that with batch 128, best rates",
        source=COURSE,
        that=test[BY_TIME, ALL].within(1, of=test[BY_TIME, MIDDLE]),
    )
    lab.figure(lab.dots(test, each=(BY_EPOCHS, BY_TIME)))

    model = build_model(data.input_shape, data.num_classes, **PLAIN)
    times = {}
    for size in TIMED:
        x = np.resize(data.train.x, (size, *data.input_shape))  # over and over again
        y = np.resize(data.train.y, size)
        step = model.train_on_batch
        step(x, y)  # not timed: it traces the step
        times[size] = [lab.milliseconds(step, x, y, fastest_of=10) for _ in lab.seeds]
    time = lab.measure(times, unit="ms", label="time of a step")
    axes = {"x_label": "examples in a batch", "limits": (0, None)}
    lab.figure(lab.lines(time, along=TIMED, **axes), name="seconds")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
