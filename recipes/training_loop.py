"""Is `fit` more than a loop?

Claim: a loop over mini-batches with tf.GradientTape, the loss and `optimizer.apply` is all that
training takes (Deep Learning Specialization, course 2 week 3, programming assignment).
Look for: in the figure, how long a step takes in each way (times are this machine's, and no run
repeats them exactly).
Why: in each step `fit` calls the model with training=True, adds penalties to the loss, and applies
the gradients of the trainable weights. Dropout's masks and the updates of moving averages are part
of that call; without training=True neither happens. tf.function traces a step once into a graph,
which saves most of Python's time, and traces it anew for every new shape of a batch, and for every
new value of an argument that is a Python number.
Use: `fit`, with a callback or a `train_step` of your own; where a loop is needed, tf.function
around its step, training=True, and tensors, not Python numbers, as arguments.
Symptoms: training is slow; Dropout changes nothing
Topic: Optimization
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.003
):
    """Return a compiled classifier of vectors: two hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after each hidden layer.
        learning_rate: learning rate of Adam.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2):
        model.add(keras.layers.Dense(100, kernel_initializer="he_normal", name=f"h{n}"))
        if batch_norm:
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
FIT, LOOP, FORGOTTEN = "fit", "loop, tf.function", "loop without training=True"
EAGER, RETRACED = "loop, eager", "loop, traced in every step"
VARIANTS = {FIT: {}, LOOP: {}, FORGOTTEN: {}}  # one network, three ways to train it
EPOCHS, BATCH_SIZE = 10, 100


def make_step(model, *, training=True, graph=True):
    """Return a function that takes one step of training, as in the course's assignment.

    Args:
        model: the compiled model.
        training: whether to call it with training=True.
        graph: whether the step runs as a graph, traced anew for every new `number`.
    """
    import tensorflow as tf  # Keras has no gradients of its own

    loss_of = keras.losses.SparseCategoricalCrossentropy()

    def step(x, y, number=0):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=training))
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


def start_again(model, seed):
    """Give a model the initial weights, masks and optimizer of a new one with this seed."""
    keras.utils.set_random_seed(seed)
    new = build_model(model.input_shape[1:], model.output_shape[-1])
    for layer, new_layer in zip(model.layers, new.layers, strict=True):
        for variable, value in zip(layer.variables, new_layer.variables, strict=True):
            variable.assign(value)
    for each in (model, new):
        each.optimizer.build(each.trainable_variables)
    for variable, value in zip(model.optimizer.variables, new.optimizer.variables, strict=True):
        variable.assign(value)


def accuracy(model, x, y):
    """Return the accuracy in %, without masks and with the moving averages."""
    return 100 * np.mean(keras.ops.convert_to_numpy(model(x)).argmax(axis=1) == y)


def milliseconds(function, repetitions):
    """Return how long each of several calls takes, after one that does not count."""
    import time

    times = []
    for _ in range(1 + repetitions):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return np.array(times[1:])


def run(lab):
    """Train the same network with fit and with loops, and time a step of each."""
    data, epochs = lab.data(examples=1000), lab.epochs(EPOCHS)
    models = {way: build_model(data.input_shape, data.num_classes) for way in VARIANTS}
    step, forgetful = make_step(models[LOOP]), make_step(models[FORGOTTEN], training=False)
    eager_step = make_step(models[LOOP], graph=False)
    deviations, accuracies = [], {way: [] for way in VARIANTS}
    for n, seed in enumerate(lab.seeds):
        x, y = data.train.x[n], data.train.y[n]
        for model in models.values():
            start_again(model, seed)
        fit(models[FIT], x, y, epochs)
        loop(step, x, y, epochs)
        loop(forgetful, x, y, epochs)
        pairs = zip(models[FIT].get_weights(), models[LOOP].get_weights(), strict=True)
        deviations += [np.abs(by_fit - by_loop).max() for by_fit, by_loop in pairs]
        for way, model in models.items():
            accuracies[way].append(accuracy(model, data.test.x[n], data.test.y[n]))
    test = lab.measure(accuracies, unit="%", label="test accuracy")

    count, steps, numbers = len(lab.seeds), -(-len(x) // BATCH_SIZE), iter(range(1, 100))
    batch = x[:BATCH_SIZE], y[:BATCH_SIZE]
    times = {
        FIT: milliseconds(lambda: fit(models[FIT], x, y, epochs), count) / (epochs * steps),
        LOOP: milliseconds(lambda: loop(step, x, y, epochs), count) / (epochs * steps),
        EAGER: milliseconds(lambda: eager_step(*batch), count),
        RETRACED: milliseconds(lambda: step(*batch, number=next(numbers)), count),
    }
    time = lab.measure(times, unit="ms", label="time of a step")

    lab.claim(
        "a loop under tf.function ends with the weights of fit, up to 0.000001",
        source=COURSE,
        that=lab.exact(deviations, 1e-6),
        any_data=True,
    )
    lab.claim(
        "a loop that forgets training=True is less accurate on test",
        that=test[FORGOTTEN] < test[LOOP],
    )
    lab.claim(
        "without tf.function a step takes more than twice as long",
        that=time[EAGER] > 2 * time[LOOP],
        any_data=True,
    )
    lab.claim(
        "traced in every step, for the sake of a Python number, it takes longer than without",
        that=time[RETRACED] > time[EAGER],
        any_data=True,
    )
    lab.claim(
        "a step of fit takes longer than one of the loop under tf.function",
        that=time[FIT] > time[LOOP],
        any_data=True,
    )
    lab.figure(lab.dots(time))


if __name__ == "__main__":
    from recipes import main

    main(__file__)
