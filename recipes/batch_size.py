"""What does the mini-batch size cost and buy?

Claim: small batches learn more from each pass through the data, large ones use parallel hardware.
Best is a size in between, typically 64 to 512; with fewer than 2000 examples, take them all at once
(Deep Learning Specialization, course 2 week 2).

Look for: in the figure, how the order of the batch sizes turns round from equal epochs to equal
steps; in figure-rates, which learning rates each size can use; in figure-seconds, which of the
budgets is most like this machine; in TensorBoard, under epoch_loss, batch 8 beside all examples.

The error of a gradient falls only with the root of the batch, and curvature limits the learning
rate sooner or later. So 16 steps on 8 examples lead further than one on 128. But what do they cost?
Each step takes a fixed time, and some more for every example. Where examples take all of it, equal
time means equal epochs; where they take none, side by side on large hardware, equal steps. Between
them, the fixed time is worth that of so many examples: the overhead, set to 128 here. Small
networks have a larger one. No claim rests on seconds, which no run repeats.

Use: batches of 128, or of 32 where examples take the time; a learning rate tuned for each size.
Symptoms: training is slow; batches have to be small
Topic: Optimization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 2
UNITS = 100


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors, two hidden layers and a softmax; `fit` has the size.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers.append(keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"))
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


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """The same model for keras-tuner: tune the learning rate anew for each batch size."""
    rate = hp.Float("learning_rate", 1e-3, 3.0, sampling="log")
    dropout = hp.Float("dropout", 0.0, 0.5)
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=rate)


EXAMPLES = 512  # which every batch size divides
SIZES = (8, 32, 128)  # and all examples at once
OVERHEAD = 128  # of a step, in examples that could be computed meanwhile
EPOCHS, TIME, STEPS = "equal epochs", f"equal time, overhead {OVERHEAD}", "equal steps"
BUDGETS = {EPOCHS: 32, TIME: 128 * (OVERHEAD + 128), STEPS: 128}  # equal at batch 128 of 512
SCALED = "equal epochs, lr scaled from the smallest"
TIMED = np.array((8, 32, 128, 512, 2048))  # sizes of the batches whose steps are timed
BARE = {"batch_norm": False, "dropout": 0.0}  # both would depend on the batch, or hide its noise


def sizes_for(examples):
    """Return the batch sizes, all examples last, and how many examples fill whole batches."""
    sizes = [size for size in SIZES if 2 * size <= examples] or [1]
    examples -= examples % sizes[-1]
    return [*sizes, examples], examples


def epochs_for(budget, size, examples):
    """Return how many epochs a budget is enough for, to the nearest, and one at least."""
    steps = examples / size  # of an epoch
    costs = {EPOCHS: 1, TIME: steps * (OVERHEAD + size), STEPS: steps}
    return max(1, round(BUDGETS[budget] / costs[budget]))


def at(budget, size, examples):
    """Name the variant of a budget and a batch size."""
    return f"{budget}, batch {size if size < examples else 'of all'}"


def variants_for(examples):
    """Return the variants of all budgets and batch sizes, with learning rates yet to be tuned."""
    return {
        at(budget, size, examples): BARE
        | {"fit": {"batch_size": size, "epochs": epochs_for(budget, size, examples)}}
        for budget in BUDGETS
        for size in sizes_for(examples)[0]
    }


VARIANTS = variants_for(EXAMPLES)


def seconds_of(step, sizes, repeats=20):
    """Return the seconds that `step(size)` takes at its fastest, for each size, after a warm-up."""
    import time

    def once(size):
        start = time.perf_counter()
        step(size)
        return time.perf_counter() - start

    return np.array([min([once(size) for _ in range(2 + repeats)][2:]) for size in sizes])


def run(lab):
    """Tune and train each batch size at three budgets, and time the steps of plain Keras."""
    from recipes._lab import evidence

    course, own = "Deep Learning Specialization, course 2 week 2", "this recipe"
    sizes, examples = sizes_for(len(lab.data(examples=EXAMPLES).train))
    data = lab.data(examples=examples)
    small, next_to, middle, whole = sizes[0], sizes[1], sizes[-2], sizes[-1]
    name = {budget: {n: at(budget, n, examples) for n in sizes} for budget in (*BUDGETS, SCALED)}
    # Epochs are those of "fit"; more rates are tried beyond an end if the best lies there.
    values = (0.03, 0.06, 0.12, 0.25, 0.5, 1.0)
    variants = lab.tune(build_model, variants_for(examples), data, values=values, epochs=1)
    rate = variants[name[EPOCHS][small]]["learning_rate"] * next_to / small
    variants[name[SCALED][next_to]] = variants[name[EPOCHS][next_to]] | {"learning_rate": rate}
    histories = lab.train(build_model, variants, data, epochs=1, watch=[*name[EPOCHS].values()])

    def label(size):
        return f"batch {size}" if size < whole else "all at once"

    def claim(text, source, first, second, **bound):
        points = histories.difference("test_accuracy", first, second, scale=100)
        lab.claim(text, source, points, unit="points", **bound)

    for budget, first, second, source in (
        (EPOCHS, small, whole, course),
        (STEPS, whole, small, own),
        (TIME, middle, small, course),
        (TIME, middle, whole, course),
    ):
        text = f"at {budget} test accuracy is higher with {label(first)} than with {label(second)}"
        text += ", each at its best lr"
        claim(text, source, name[budget][first], name[budget][second])
    best = histories.best([name[TIME][size] for size in sizes[:-1]])
    text = "of fewer than 2000 examples all at once is within 1 point of the best mini-batch, at "
    claim(text + TIME, course, name[TIME][whole], best, within=1)
    text = f"at {EPOCHS} {label(next_to)} is within 1 point of {label(small)}"
    for budget, how, source in (
        (EPOCHS, "each at its best lr", own),
        (SCALED, f"with its lr times {next_to / small:g}", "after Goyal et al. 2017"),
    ):
        claim(f"{text}, {how}", source, name[budget][next_to], name[EPOCHS][small], within=1)
    rises = (np.diff(histories.curve("loss", name[STEPS][whole]), axis=1) > 0).sum(axis=1)
    text = "all at once the training loss never rises from step to step, at the best lr"
    lab.claim(text, course, evidence.judge_exact(rises, 0, unit="rises"))

    def accuracies(budget):
        finals = [histories.final("test_accuracy", of) for of in name[budget].values()]
        return sizes, 100 * np.transpose(finals)

    axis = {"x_label": "examples in a batch", "x_scale": "log"}
    layout = {"each at its best learning rate": {budget: accuracies(budget) for budget in BUDGETS}}
    main = lab.lines(layout, **axis, y_label="test accuracy (%)")
    tried = {of["variant"]: of["val_accuracy"] for of in lab.tuned}
    tried = {of: ([*map(float, v)], 100 * np.array([[*v.values()]])) for of, v in tried.items()}
    layout = {b: {label(n): tried[of] for n, of in name[b].items()} for b in BUDGETS}
    labels = {"x_label": "learning rate", "y_label": "validation accuracy (%)"}
    tuning = lab.lines(layout, **labels, x_scale="log", limits=(0, 103))
    tuning.legends[0].set_title("mean over the seeds that tune")
    model = build_model(data.input_shape, data.num_classes, **BARE)
    x, y = (np.resize(of, (TIMED[-1], *of.shape[1:])) for of in (data.train.x, data.train.y))
    seconds = seconds_of(lambda size: model.train_on_batch(x[:size], y[:size]), TIMED)
    each, fixed = np.polyfit(TIMED, seconds, 1, w=1 / seconds)
    fit = {"a fixed time + one for each example": (TIMED, 1000 * (fixed + each * TIMED)[None])}
    title = f"this network on this machine: overhead {fixed / max(each, 1e-9):.0f}"
    layout = {title: {"measured": (TIMED, 1000 * seconds[None])} | fit}
    times = lab.lines(layout, **axis, y_label="time of a step (ms)")
    times.axes[0].set_ylim(0)
    times.legends[0].set_title("plain Keras, the fastest of many steps")
    for figure, ticks in ((main, sizes), (times, TIMED)):
        figure.axes[0].set_xticks(ticks, ticks)
        figure.axes[0].minorticks_off()
    for title, figure in ((None, main), ("rates", tuning), ("seconds", times)):
        lab.figure(figure, title)


if __name__ == "__main__":
    from recipes import main

    main(__file__)
