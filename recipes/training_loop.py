"""Is `fit` more than a loop?

Claim: a loop over mini-batches with tf.GradientTape, the loss and the optimizer is all that
training takes (Deep Learning Specialization, course 2 week 3, programming assignment).
Look for: in the figure, how long a step takes in each way (times are this machine's, and no run
repeats them exactly).
Why: in each step `fit` calls the model with training=True, which draws Dropout's masks and updates
moving averages, and applies the gradients of the trainable weights. It also feeds the batches,
keeps the metrics and calls the callbacks, which counts where epochs are short. tf.function traces a
step into a graph, which saves most of Python's time; it traces it anew for every new shape of a
batch, and for every new value of an argument that is a Python number.
Use: `fit`, with a callback or a `train_step` of your own; where a loop is needed, tf.function
around its step, training=True, and tensors, not Python numbers, as arguments.
Symptoms: training is slow; Dropout changes nothing
Topic: Optimization
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.003):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after each hidden layer.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("relu", name=f"h{n}_act"))
        model.add(keras.layers.Dropout(dropout, name=f"h{n}_dropout"))
    model.add(keras.layers.Dense(num_classes, "softmax", name="softmax"))
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def build_tunable(hp, input_shape=(64,), num_classes=10):
    """Return the same model with keras-tuner's hyperparameters, the learning rate log-uniform."""
    dropout = hp.Float("dropout", 0.0, 0.5)
    learning_rate = hp.Float("learning_rate", 1e-4, 3e-2, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


COURSE = "Deep Learning Specialization, course 2 week 3, programming assignment"
FIT, LOOP = "fit", "loop, tf.function"
EAGER, RETRACED = "loop, eager", "loop, traced in every step"
VARIANTS = {FIT: {}, LOOP: {}}  # one network, trained in two ways
EPOCHS, BATCH_SIZE = 10, 100


def make_step(model, graph=True):
    """Return a function that takes one step of training, as in the course's assignment.

    Args:
        model: the compiled model.
        graph: whether the step runs as a graph, traced anew for every new `number`.
    """
    import tensorflow as tf  # Keras has no gradients of its own

    loss_of = keras.losses.SparseCategoricalCrossentropy()

    def step(x, y, number=None):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        gradients = tape.gradient(loss, model.trainable_weights)
        model.optimizer.apply(gradients, model.trainable_weights)

    return tf.function(step) if graph else step


def loop(step, x, y, epochs):
    """Take a step on each batch, in order, epoch after epoch."""
    for _ in range(epochs):
        for start in range(0, len(x), BATCH_SIZE):
            step(x[start : start + BATCH_SIZE], y[start : start + BATCH_SIZE])


def fit(model, x, y, epochs):
    """Let Keras do the same; shuffled, it would draw an order of its own."""
    model.fit(x, y, batch_size=BATCH_SIZE, epochs=epochs, shuffle=False, verbose=0)


def run(lab):
    """Train the same network with fit and with a loop; then time a step of each way."""
    data, epochs = lab.data(examples=1000), lab.epochs(EPOCHS)
    x, y = data.train.x[0], data.train.y[0]  # of the first seed; the others only repeat the times
    # A smaller last batch would round differently in the two graphs, and Adam magnifies that.
    steps = max(1, len(x) // BATCH_SIZE)  # in an epoch
    x, y = x[: steps * BATCH_SIZE], y[: steps * BATCH_SIZE]
    models = {}
    for way, arguments in VARIANTS.items():
        keras.utils.set_random_seed(lab.seeds[0])  # both start alike, and draw the same masks
        models[way] = build_model(data.input_shape, data.num_classes, **arguments)
    step, eager_step = make_step(models[LOOP]), make_step(models[LOOP], graph=False)
    fit(models[FIT], x, y, epochs)
    loop(step, x, y, epochs)
    pairs = zip(models[FIT].get_weights(), models[LOOP].get_weights(), strict=True)
    deviations = [np.abs(by_fit - by_loop).max() for by_fit, by_loop in pairs]
    # Now that both are traced they are timed.
    batch = x[:BATCH_SIZE], y[:BATCH_SIZE]
    count = epochs * steps
    times = {
        FIT: [lab.milliseconds(fit, models[FIT], x, y, epochs) / count for _ in lab.seeds],
        LOOP: [lab.milliseconds(loop, step, x, y, epochs) / count for _ in lab.seeds],
        EAGER: [lab.milliseconds(eager_step, *batch, fastest_of=3) for _ in lab.seeds],
        RETRACED: [lab.milliseconds(step, *batch, number) for number in lab.seeds],
    }
    time = lab.measure(times, unit="ms", label="time of a step")

    lab.claim(
        "a loop under tf.function ends with the weights of fit, up to 0.000001",
        source=COURSE,
        that=lab.exact(deviations, 1e-6),
        any_data=True,
    )
    lab.claim(
        "a step without tf.function takes more than twice as long as one with it",
        that=time[EAGER] > 2 * time[LOOP],
        any_data=True,
    )
    lab.claim(
        "a step traced anew, for a new Python number, takes longer than one without tf.function",
        that=time[RETRACED] > time[EAGER],
        any_data=True,
    )
    lab.claim(
        "in epochs of 10 steps a step of fit takes longer than one of the loop under tf.function",
        that=time[FIT] > time[LOOP],
        any_data=True,
    )
    lab.figure(lab.dots(time, x_scale="log"))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
