"""Do analytic and numeric gradients agree?

Claim: in float64, by a centred difference with a step of 1e-5, they agree up to a relative error of
1e-7; float32 spoils the comparison of right gradients (CS231n, Neural Networks Part 3).
Look for: in the figure, how deep each valley is, and at which step; in figure-layers, where the
errors of a planted mistake show.
Why: a centred difference, (f(w + h) - f(w - h)) / 2h, leaves out terms of the order of h²: errors
grow with the step. And f is rounded, by 1e-16 of it in float64 and 1e-7 in float32, which the
division makes 1 / h times larger: they grow again on the left. A mistake in a backward pass reaches
the layers before it and none after it: look into the last layer that disagrees.
Use: keras.config.set_dtype_policy("float64"), no Dropout, a fixed batch, a centred difference and a
step of 1e-5, on a few weights of each layer.
Symptoms: the loss does not move; is my code right?
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(input_shape=(64,), num_classes=10, *, dropout=0.1, learning_rate=0.1):
    """Return a compiled classifier of vectors: three small hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2, 3):
        model.add(keras.layers.Dense(20, name=f"h{n}"))
        model.add(keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"h{n}_bn"))
        model.add(keras.layers.Activation("tanh", name=f"h{n}_act"))
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
    learning_rate = hp.Float("learning_rate", 1e-2, 1.0, sampling="log")
    return build_model(input_shape, num_classes, dropout=dropout, learning_rate=learning_rate)


NOTES = "CS231n, Neural Networks Part 3"
MODEL = "3 x 20 units, batch normalization"
VARIANTS = {MODEL: {"dropout": 0.0}}
FLOAT64, FLOAT32 = "float64", "float32"
STEPS = (1e-1, 1e-2, 1e-3, 1e-5, 1e-7, 1e-9)
LAYERS = ("h1", "h2", "h3", "softmax")
EXAMPLES = 20  # of the batch
PLACES = 5  # weights of each kernel whose gradients are compared


@keras.ops.custom_gradient
def wrong_tanh(x):
    """Return tanh(x), whose backward pass has a slope of 1 - y instead of 1 - y²."""
    y = keras.ops.tanh(x)
    return y, lambda upstream: upstream * (1 - y)


def model_of(dtype, data, activation="tanh"):
    """Return the model with weights and arithmetic of a type, and an activation in h2."""
    keras.config.set_dtype_policy(dtype)
    model = build_model(data.input_shape, data.num_classes, **VARIANTS[MODEL])
    keras.config.set_dtype_policy("float32")
    model.get_layer("h2_act").activation = keras.activations.get(activation)
    return model


def quotient(loss, batch, kernel, place, step):
    """Return the centred difference quotient of a loss for one weight of a kernel."""
    values = kernel.numpy()
    change = np.zeros_like(values)
    change.flat[place] = step
    kernel.assign(values + change)
    above = float(loss(*batch))
    kernel.assign(values - change)
    below = float(loss(*batch))
    kernel.assign(values)
    return (above - below) / (2 * step)


def relative_errors(loss, batch, kernel, gradient, step):
    """Return |a - b| / max(|a|, |b|), as CS231n defines it, at some weights of a kernel."""
    used = np.flatnonzero(gradient)  # a pixel that is always 0 has no gradient
    places = used[np.linspace(0, len(used) - 1, PLACES).astype(int)]
    a = gradient.ravel()[places]
    b = np.array([quotient(loss, batch, kernel, place, step) for place in places])
    return np.maximum(np.abs(a - b) / np.maximum(np.abs(a), np.abs(b)), 1e-17)


def check(model, weights, data, steps):
    """Return relative errors at each seed's weights, (steps, seeds, layers, places)."""
    import tensorflow as tf  # Keras has no gradients of its own

    cross_entropy = keras.losses.sparse_categorical_crossentropy
    loss = tf.function(lambda x, y: tf.reduce_mean(cross_entropy(y, model(x, training=True))))
    kernels = [model.get_layer(layer).kernel for layer in LAYERS]
    errors = np.empty((len(steps), len(weights), len(LAYERS), PLACES))
    for seed, (x, y) in enumerate(zip(data.train.x, data.train.y, strict=True)):
        model.set_weights(weights[seed])
        batch = x[:EXAMPLES].astype(model.dtype), y[:EXAMPLES]
        with tf.GradientTape() as tape:
            value = loss(*batch)
        gradients = tape.gradient(value, [kernel.value for kernel in kernels])
        for layer, (kernel, gradient) in enumerate(zip(kernels, gradients, strict=True)):
            for n, step in enumerate(steps):
                slopes = gradient.numpy()
                errors[n, seed, layer] = relative_errors(loss, batch, kernel, slopes, step)
    return errors


def run(lab):
    """Compare gradients of a trained network with difference quotients; then plant a mistake."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=5)
    weights = [results.model(MODEL, seed).get_weights() for seed in lab.seeds]
    medians = {}
    for dtype in (FLOAT64, FLOAT32):
        by_step = np.median(check(model_of(dtype, data), weights, data, STEPS), axis=(2, 3))
        for step, by_seed in zip(STEPS, by_step, strict=True):
            medians[dtype, step] = np.log10(by_seed)
    median = lab.measure(medians, unit="power of ten", label="median relative error")
    (errors,) = check(model_of(FLOAT64, data, wrong_tanh), weights, data, [1e-5])
    largest = dict(zip(LAYERS, np.log10(errors.max(axis=2)).T, strict=True))
    wrong = lab.measure(largest, unit="power of ten", label="largest relative error")

    lab.claim(
        "in float64, centred, at a step of 1e-5 the median relative error is below 1e-7",
        source=NOTES,
        that=median[FLOAT64, 1e-5] < -7,
    )
    lab.claim(
        "in float32 the median relative error at a step of 1e-5 is over a million times larger "
        "than in float64",
        source=NOTES,
        that=median[FLOAT32, 1e-5] - median[FLOAT64, 1e-5] > 6,
    )
    lab.claim(
        "with a wrong slope after h2 the largest relative errors of h1 and h2 are above 1e-2, and "
        "those of the layers after it below 1e-4",
        that=lab.every(
            [wrong["h1"] > -2, wrong["h2"] > -2, wrong["h3"] < -4, wrong["softmax"] < -4],
            unit="layers",
        ),
    )
    lab.figure(
        lab.lines(median, along=STEPS, lines=(FLOAT64, FLOAT32), x_label="step h", x_scale="log")
    )
    lab.figure(lab.dots(wrong), name="layers")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
