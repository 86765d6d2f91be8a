"""Do analytic and numeric gradients agree?

Claim: in float64, by a centred difference with a step of 1e-5, they agree up to a relative error of
1e-7; float32 and one-sided differences spoil the comparison of right gradients (CS231n, Neural
Networks Part 3; Deep Learning from Scratch, 4.3.1).
Look for: in the figure, how deep each valley is, and at which step; in figure-layers, in which
layers the errors of a planted mistake show; in TensorBoard, under histograms, the gradients.
Why: two errors make the valley. A centred difference, (f(w + h) - f(w - h)) / 2h, leaves out terms
of the order of h², a one-sided one of h: on the right, errors grow with the step. And f is rounded,
by 1e-16 of it in float64 and 1e-7 in float32, which the division makes 1 / h times larger: on the
left, they grow again. A mistake in one layer's backward pass reaches the layers before it, and
never those behind: the last layer that disagrees holds the mistake.
Use: keras.config.set_dtype_policy("float64"), no Dropout, a fixed batch, a centred difference and a
step of 1e-5, on a few weights of each layer.
Symptoms: the loss does not move; nobody knows whether the code is right
Topic: Data and sanity
"""

import keras
import numpy as np


def build_model(
    input_shape=(64,), num_classes=10, *, batch_norm=True, dropout=0.1, learning_rate=0.1
):
    """Return a compiled classifier of vectors: three small hidden layers and a softmax.

    Args:
        input_shape: shape of one example, (features,).
        num_classes: number of classes; labels are integers from 0.
        batch_norm: whether to normalize before each activation.
        dropout: rate of Dropout after the last hidden layer.
        learning_rate: learning rate of SGD.
    """
    model = keras.Sequential([keras.Input(input_shape)])
    for n in (1, 2, 3):
        model.add(keras.layers.Dense(20, name=f"h{n}"))
        if batch_norm:
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
FLOAT64, FLOAT32, CENTRED, ONE_SIDED = "float64", "float32", "centred", "one-sided"
STEPS = (1e-1, 1e-2, 1e-3, 1e-5, 1e-7, 1e-9)
LAYERS = ("h1", "h2", "h3", "softmax")
EXAMPLES, PLACES = 20, 5  # of a batch; weights of each kernel whose gradients are compared


@keras.ops.custom_gradient
def wrong_tanh(x):
    """Return tanh(x), whose backward pass has a slope of 1 - y for 1 - y²."""
    y = keras.ops.tanh(x)
    return y, lambda upstream: upstream * (1 - y)


def model_of(dtype, data, activation="tanh"):
    """Return the model with weights and arithmetic of a type, and an activation in h2."""
    keras.config.set_dtype_policy(dtype)
    try:
        model = build_model(data.input_shape, data.num_classes, **VARIANTS[MODEL])
    finally:
        keras.config.set_dtype_policy("float32")
    model.get_layer("h2_act").activation = keras.activations.get(activation)
    return model


def loss_of(model):
    """Return the training loss of a model as a compiled function of a batch, x and y."""
    import tensorflow as tf

    cross_entropy = keras.losses.sparse_categorical_crossentropy
    return tf.function(lambda x, y: tf.reduce_mean(cross_entropy(y, model(x, training=True))))


def quotient(loss, kernel, place, ends):
    """Return by how much the loss changes with one weight of a kernel, between two ends of it."""
    values, losses = kernel.numpy(), []
    for end in ends:
        moved = values.copy()
        moved.flat[place] += end
        kernel.assign(moved)
        losses.append(float(loss()))
    kernel.assign(values)
    return (losses[0] - losses[1]) / (ends[0] - ends[1])


def relative_error(a, b):
    """Return |a - b| / max(|a|, |b|), as CS231n defines it, but 1e-17 at least."""
    return np.maximum(np.abs(a - b) / np.maximum(np.abs(a), np.abs(b)), 1e-17)


def relative_errors(model, loss, x, y, ends):
    """Return the relative errors of gradients at some weights of each layer, (layers, PLACES).

    Args:
        model: what is checked.
        loss: its loss, from `loss_of`.
        x: inputs of a batch, of the model's type.
        y: labels.
        ends: from where to where a weight is moved: (h, -h), or (h, 0) for one side.
    """
    import tensorflow as tf

    kernels = [model.get_layer(layer).kernel for layer in LAYERS]
    with tf.GradientTape() as tape:
        value = loss(x, y)
    found = []
    gradients = tape.gradient(value, [kernel.value for kernel in kernels])
    for kernel, gradient in zip(kernels, gradients, strict=True):
        analytic = gradient.numpy().ravel()
        used = np.flatnonzero(analytic)  # a pixel that is always 0 has no gradient
        places = used[np.linspace(0, len(used) - 1, PLACES).astype(int)]
        numeric = [quotient(lambda: loss(x, y), kernel, place, ends) for place in places]
        found.append(relative_error(analytic[places], np.array(numeric)))
    return np.stack(found)


def errors(model, loss, trained, data, ends):
    """Return `relative_errors` at each seed's weights and first examples, (seeds, layers, ...)."""
    found = []
    for weights, x, y in zip(trained, data.train.x, data.train.y, strict=True):
        model.set_weights(weights)
        batch = x[:EXAMPLES].astype(model.dtype), y[:EXAMPLES]
        found.append(relative_errors(model, loss, *batch, ends))
    return np.stack(found)


def run(lab):
    """Compare gradients of a trained network with difference quotients; then plant a mistake."""
    data = lab.data(examples=1000)
    results = lab.train(build_model, VARIANTS, data, epochs=5)
    trained = [results.model(MODEL, seed).get_weights() for seed in lab.seeds]
    medians = {}
    for dtype in (FLOAT64, FLOAT32):
        model = model_of(dtype, data)
        loss = loss_of(model)
        for h in STEPS:
            for formula, ends in {CENTRED: (h, -h), ONE_SIDED: (h, 0)}.items():
                found = errors(model, loss, trained, data, ends)
                medians[dtype, formula, h] = np.log10(np.median(found, axis=(1, 2)))
    median = lab.measure(medians, unit="power of ten", label="median relative error")
    model = model_of(FLOAT64, data, wrong_tanh)
    wrong = np.log10(errors(model, loss_of(model), trained, data, (1e-5, -1e-5)).max(axis=2))
    by_layer = dict(zip(LAYERS, wrong.T, strict=True))
    largest = lab.measure(by_layer, unit="power of ten", label="largest relative error")

    lab.claim(
        "in float64, centred, at a step of 1e-5 the median relative error is below 1e-7",
        source=NOTES,
        that=median[FLOAT64, CENTRED, 1e-5] < -7,
    )
    lab.claim(
        "float32 makes that error a million times larger",
        source=NOTES,
        that=median[FLOAT32, CENTRED, 1e-5] - median[FLOAT64, CENTRED, 1e-5] > 6,
    )
    lab.claim(
        "at a step of 1e-3 the error of a one-sided difference is ten times that of a centred one",
        source=NOTES,
        that=median[FLOAT64, ONE_SIDED, 1e-3] - median[FLOAT64, CENTRED, 1e-3] > 1,
    )
    lab.claim(
        "with a wrong slope after h2 its largest relative error is above 1e-2",
        that=largest["h2"] > -2,
    )
    lab.claim(
        "those of the layers behind are below 1e-4",
        that=lab.every([largest["h3"] < -4, largest["softmax"] < -4], unit="layers"),
    )
    steps = {"along": STEPS, "x_label": "step h", "x_scale": "log"}
    both = {"each": (FLOAT64, FLOAT32), "lines": (CENTRED, ONE_SIDED)}
    lab.figure(lab.lines(median, **steps, **both))
    lab.figure(lab.dots(largest), name="layers")


if __name__ == "__main__":
    from recipes import main

    main(__file__)
