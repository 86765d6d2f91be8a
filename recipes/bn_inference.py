"""What does batch normalization do with one example at test time?

Claim: a single example has no batch to be normalized by, so exponentially weighted averages of the
batches' statistics stand in for it (Deep Learning Specialization, course 2 week 3).

Look for: in the figure, how many steps each momentum needs until the moving averages do as well as
the statistics of a batch; in TensorBoard, under epoch_accuracy, how long the larger momenta lag
behind although all three train alike.

Why so many: Keras starts the averages at mean 0 and variance 1, and after n steps a share of
momentum^n of these initial values is left. They are far from a network's statistics, so even a
small share spoils the predictions. Taking it out (the correction for bias that Adam makes for its
own averages) leaves an average over all steps so far, or over the last 1 / (1 - momentum) if there
were more. What still separates it from a batch is that the weights have moved on meanwhile.

Use: momentum=0.9 in training of fewer than some 500 steps; predict with training=False, as Keras
does.
Symptoms: training learns, validation stays at chance; predictions depend on the rest of the batch
Topic: Batch normalization
"""

import keras
import numpy as np

HIDDEN_LAYERS = 3
UNITS = 100


def build_model(
    input_shape=(64,),
    num_classes=10,
    *,
    momentum=0.9,
    epsilon=1e-5,
    dropout=0.1,
    learning_rate=0.1,
):
    """Return a compiled classifier of vectors: three normalized hidden layers and a softmax.

    Args:
        input_shape: of one example, (features,).
        num_classes: units of the softmax; labels are integers from 0.
        momentum: of the moving averages that inference uses: the share kept at each step.
        epsilon: added to each variance.
        dropout: share of the last hidden layer's units that training drops.
        learning_rate: of plain gradient descent.
    """
    layers = [keras.Input(input_shape)]
    for n in range(1, HIDDEN_LAYERS + 1):
        layers += [
            keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"h{n}"),
            keras.layers.BatchNormalization(momentum=momentum, epsilon=epsilon, name=f"h{n}_bn"),
            keras.layers.Activation("relu", name=f"h{n}_act"),
        ]
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
    """The same model for keras-tuner: random search, 1 - momentum on a logarithmic scale."""
    return build_model(
        input_shape,
        num_classes,
        momentum=1 - hp.Float("one_minus_momentum", 1e-3, 0.3, sampling="log"),
        dropout=hp.Float("dropout", 0.0, 0.5),
        learning_rate=hp.Float("learning_rate", 1e-3, 1.0, sampling="log"),
    )


MOMENTA = (0.9, 0.99, 0.999)
VARIANTS = {f"momentum {m:g}": {"momentum": m, "dropout": 0.0} for m in MOMENTA}
SMALL, DEFAULT, LARGE = VARIANTS
MODES = BATCH, AVERAGES, CORRECTED = "statistics of a batch", "moving averages", "bias-corrected"
USABLE = 2  # points of accuracy that averages may lose against a batch's own statistics
STEPS = 100  # after which they are judged
# Epochs of five steps, of which the first are looked at most closely.
EXAMPLES, BATCH_SIZE, EPOCHS = 500, 100, 400
RECORD = (*range(1, 13), *range(14, 21, 2), *range(22, 50, 4), *range(50, 401, 25))


def correct(weights, momentum, steps):
    """Take what is left of the initial values, 0 and 1, out of the moving averages, in place."""
    left = momentum**steps
    for name, values in weights.items():
        if name.endswith("/moving_mean"):
            weights[name] = values / (1 - left)
        elif name.endswith("/moving_variance"):
            weights[name] = np.maximum(values - left, 0) / (1 - left)


def usable_from(steps, lost):
    """Return the step from which on no more than USABLE points are lost, (seeds,).

    Args:
        steps: at which was measured, (steps,), ascending.
        lost: points, (seeds, steps). Who never gets there counts with the last step.
    """
    late = lost > USABLE
    first = np.where(late.any(axis=1), len(steps) - late[:, ::-1].argmax(axis=1), 0)
    return np.asarray(steps)[np.minimum(first, len(steps) - 1)]


def error_of_averages(x, seed, momentum=0.9):
    """Return how far Keras's moving averages are at most from sums over the batches."""
    batches = np.array_split(np.random.default_rng(seed).permutation(x), 5)
    layer = keras.layers.BatchNormalization(momentum=momentum)
    for batch in batches:
        layer(batch, training=True)
    shares = (1 - momentum) * momentum ** np.arange(4, -1, -1)
    mean = shares @ [batch.mean(axis=0) for batch in batches]
    variance = shares @ [batch.var(axis=0) for batch in batches] + momentum**5  # of the initial 1
    return np.max([abs(layer.moving_mean - mean), abs(layer.moving_variance - variance)])


def one_by_one(model, x, y):
    """Show single examples to a Keras model, and return what changes.

    Returns:
        The most that a batch changes a prediction at inference; the most that two single examples
        differ in their outputs with training=True; the points of accuracy that this cost.
    """

    def singly(training):
        return np.concatenate([model(example[None], training=training) for example in x[:20]])

    def accuracy():
        return 100 * np.mean(np.argmax(model(x, training=False), axis=1) == y)

    batch, before = np.array(model(x[:20], training=False)), accuracy()
    changed = abs(singly(training=False) - batch).max()
    return changed, np.ptp(singly(training=True), axis=0).max(), before - accuracy()


def run(lab):
    """Train with three momenta, and compare averages with statistics step by step."""
    from recipes._lab import evidence

    source, own = "Deep Learning Specialization, course 2 week 3", "this recipe"
    data = lab.data(examples=EXAMPLES)
    plan = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "record": RECORD}
    histories = lab.train(build_model, VARIANTS, data, **plan)
    every = -(-len(data.test) // 1000)  # a thousand examples do, from all over the test set
    x, y = data.test.x[::every], data.test.y[::every]
    epochs, seeds = histories.recorded(SMALL), histories.seeds(SMALL)
    steps = [epoch * max(1, len(data.train) // BATCH_SIZE) for epoch in epochs]
    n = max(np.searchsorted(steps, STEPS, side="right") - 1, 0)  # of the step that is judged

    def accuracies(variant):
        """Return the accuracy in each mode, {mode: (seeds, steps)}, in %."""
        columns = []
        for epoch, step in zip(epochs, steps, strict=True):
            models = histories.models(variant, epoch)
            outputs = [models.predict(x, training=True), models.predict(x)]
            correct(models.weights, VARIANTS[variant]["momentum"], step)
            outputs.append(models.predict(x))
            columns.append(100 * np.mean(np.argmax(outputs, axis=-1) == y, axis=-1))
        return dict(zip(MODES, np.moveaxis(columns, 0, -1), strict=True))

    measured = {variant: accuracies(variant) for variant in VARIANTS}
    lost = {variant: of[BATCH] - of[AVERAGES] for variant, of in measured.items()}
    usable = {variant: usable_from(steps, of) for variant, of in lost.items()}
    shown = [one_by_one(histories.model(SMALL, seed), x, y) for seed in seeds]
    changed, spread, cost = np.transpose(shown)
    errors = [error_of_averages(data.train.x, seed) for seed in seeds]

    for text, of, values in (
        ("at inference a prediction is the same alone and in a batch", source, changed),
        ("Keras's averages are the exponentially weighted ones of the batches", source, errors),
        ("with training=True every single example has the same output", own, spread),
    ):
        lab.claim(f"{text}, up to 1e-5", of, evidence.judge_exact(values, 1e-5))
    close = f"after {steps[n]} steps averages are within {USABLE} points of a batch's statistics"
    for variant in VARIANTS:
        points = lost[variant][:, n]
        lab.claim(f"{close}, {variant}", source, points, within=USABLE, unit="points")
    points = (measured[LARGE][BATCH] - measured[LARGE][CORRECTED])[:, n]
    text = f"{close} if corrected for bias, {LARGE}"
    lab.claim(text, own, points, within=USABLE, unit="points")
    for larger, smaller in ((DEFAULT, SMALL), (LARGE, DEFAULT)):
        text = f"averages need more steps to stay within {USABLE} points, {larger} than {smaller}"
        lab.claim(text, own, usable[larger] - usable[smaller], unit="steps")
    text = f"20 single examples with training=True lower the accuracy at inference, {SMALL}"
    lab.claim(text, own, cost, unit="points")
    layout = {
        variant: {mode: (steps, values) for mode, values in of.items()}
        for variant, of in measured.items()
    }
    labels = {"x_label": "training step", "y_label": "test accuracy (%)"}
    lab.figure(lab.lines(layout, **labels, x_scale="log", limits=(0, 103)))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
