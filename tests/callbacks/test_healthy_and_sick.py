"""TrainingMonitor is silent on healthy trainings and names the sickness of sick ones.

`python -m tests.callbacks.test_healthy_and_sick` writes the table of both into docs/callbacks.md.
"""

import re
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from callbacks.training_monitor import ADVICE, TrainingMonitor

layers, optimizers = keras.layers, keras.optimizers
DOCS = Path(__file__).parents[2] / "docs" / "callbacks.md"
HEALTHY, SICK = {}, {}


def healthy(name):
    """Register a training on which the monitor says nothing."""
    return lambda train: HEALTHY.setdefault(name, train)


def sick(name, problem, fact="", *, alone=False):
    """Register a training whose problem the monitor names, in words that match `fact`.

    Args:
        name: For the table.
        problem: What the monitor says.
        fact: A regular expression of when and how.
        alone: Whether it says nothing else.
    """
    return lambda train: SICK.setdefault(name, (problem, fact, alone, train))


def watched(model, x, y, optimizer="adam", loss="sparse_categorical_crossentropy", **options):
    """Compile a model, train it with a monitor on a probe of 100 and return that."""
    model.compile(optimizer, loss)
    return fitted(model, x, y, **options)


def fitted(model, *data, **options):
    """Train a compiled model on x and y, or x alone, with a monitor; return that."""
    monitor = TrainingMonitor(*keras.tree.map_structure(lambda array: array[:100], data))
    fit(model, data, monitor=monitor, **options)
    return monitor


def fit(model, data, *, epochs=4, batch_size=32, validation=None, monitor=None, callbacks=()):
    """Train a compiled model, always with the same batches, which are served faster than drawn."""
    if model.built:
        model.optimizer.build(model.trainable_variables)  # else fit traces its step twice
    model.fit(
        batches(data, batch_size),
        epochs=epochs,
        validation_data=None if validation is None else batches(validation, 500),
        callbacks=[*callbacks, *filter(None, [monitor])],
        shuffle=False,
        verbose=0,
    )


def batches(data, size):
    return tf.data.Dataset.from_tensor_slices(data).batch(size)


def looked_at(model, x, y, optimizer="adam", loss="sparse_categorical_crossentropy"):
    """Compile a model, let a monitor look at it as before training, and return that."""
    model.compile(optimizer, loss)
    monitor = TrainingMonitor(x[:100], y[:100])
    monitor.set_model(model)
    monitor.on_train_begin()
    monitor.on_epoch_begin(0)
    return monitor


DIGITS = load_digits(return_X_y=True)


def digits(examples=400):
    x, y = DIGITS
    return (x[:examples] / 16).astype("float32"), y[:examples]


def normal(std):
    return keras.initializers.RandomNormal(0, std, seed=0)


def mlp(activation="relu", *, depth=2, init="he_normal", width=50):
    hidden = [layers.Dense(width, activation, kernel_initializer=init) for _ in range(depth)]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])


def weak_signal(examples=600):
    """Labels that two features tell a little better than guessing."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, 2)).astype("float32")
    return x, (rng.random(examples) < 0.5 + 0.05 * np.tanh(x[:, 0])).astype("float32")


def logistic(features):
    return keras.Sequential([keras.Input((features,)), layers.Dense(1, "sigmoid")])


def regression(scale=1.0, offset=0.0, examples=400):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, 8)).astype("float32")
    y = np.sin(x[:, 0]) + x[:, 1] + 0.1 * rng.normal(size=examples)
    return x, (offset + scale * y).astype("float32")


def regressor():
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(50, "relu"), layers.Dense(50, "relu"), layers.Dense(1)]
    )


def sentences(examples=300):
    """Sequences of 20 words of 200; the label says whether a word below 20 is in it."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 200, (examples, 20))
    return x, (x < 20).any(axis=1).astype("float32")


# --- healthy -----------------------------------------------------------------------------------


@healthy("MLP, SGD")
def _():
    return watched(mlp(), *digits(), optimizers.SGD(0.05), epochs=6)


@healthy("MLP, Adam, until it is fitted perfectly")
def _():
    return watched(mlp(), *digits(), "adam", epochs=25)


@healthy("tanh, Adam")
def _():
    return watched(mlp("tanh", init="glorot_uniform"), *digits(), epochs=12)


@healthy("sigmoid, Adam")
def _():
    return watched(mlp("sigmoid", init="glorot_uniform"), *digits(), epochs=8)


@healthy("five layers, momentum")
def _():
    return watched(mlp(depth=5), *digits(), optimizers.SGD(0.02, 0.9), epochs=6)


@healthy("batches of 4")
def _():
    return watched(mlp(), *digits(), optimizers.SGD(0.01), epochs=2, batch_size=4)


@healthy("all examples in a batch")
def _():
    return watched(mlp(), *digits(), optimizers.SGD(0.1), epochs=15, batch_size=400)


@healthy("all examples in a batch, batch normalization")
def _():
    x, y = digits()
    stack = [layers.Dense(50), layers.BatchNormalization(), layers.ReLU()]
    model = keras.Sequential([keras.Input((64,)), *stack, layers.Dense(10, "softmax")])
    options = {"epochs": 14, "batch_size": 300, "validation": (x[300:], y[300:])}
    return watched(model, x[:300], y[:300], optimizers.Adam(0.01), **options)


@healthy("batch normalization and dropout")
def _():
    stack = [layers.Dense(50), layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((64,)), *stack, layers.Dense(10, "softmax")])
    return watched(model, *digits(), optimizers.SGD(0.05))


@healthy("small initial weights before batch normalization")
def _():
    stack = []
    for _ in range(2):
        stack += [layers.Dense(50, kernel_initializer=normal(1e-3)), layers.BatchNormalization()]
    model = keras.Sequential([keras.Input((64,)), *stack, layers.Dense(10, "softmax")])
    return watched(model, *digits())


@healthy("vision: CNN")
def _():
    stack = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    stack = [layers.Reshape((8, 8, 1)), *stack, layers.Dense(10, "softmax")]
    return watched(keras.Sequential([keras.Input((64,)), *stack]), *digits())


@healthy("vision: a residual block with a layer scale of 1e-6")
def _():
    x = keras.Input((64,))
    h = layers.Dense(32)(x)
    block = layers.Dense(64, "gelu")(layers.LayerNormalization()(h))
    scale = layers.LayerNormalization(
        center=False, gamma_initializer=keras.initializers.Constant(1e-6)
    )
    h = layers.Add()([h, scale(layers.Dense(32)(block))])
    model = keras.Model(x, layers.Dense(10, "softmax")(h))
    return watched(model, *digits())


@healthy("text: embeddings, averaged")
def _():
    stack = [layers.Embedding(200, 16), layers.GlobalAveragePooling1D(), layers.Dense(16, "relu")]
    model = keras.Sequential([keras.Input((20,)), *stack, layers.Dense(1, "sigmoid")])
    return watched(model, *sentences(), "adam", "binary_crossentropy")


@healthy("text: LSTM")
def _():
    stack = [layers.Embedding(200, 8), layers.LSTM(8)]
    model = keras.Sequential([keras.Input((20,)), *stack, layers.Dense(1, "sigmoid")])
    return watched(model, *sentences(), "adam", "binary_crossentropy", epochs=3)


@healthy("attention")
def _():
    x = keras.Input((20,))
    h = layers.Embedding(200, 16)(x)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 8)(h, h))
    h = layers.GlobalAveragePooling1D()(h)
    model = keras.Model(x, layers.Dense(1, "sigmoid")(h))
    return watched(model, *sentences(), "adam", "binary_crossentropy")


@healthy("autoencoder, its sigmoid before a Reshape")
def _():
    x = (digits()[0] > 0.5).astype("float32")
    x[:, ::3] = 0  # most pixels are black, and it is sure of them
    x[:, 1::3] = 0
    images = x.reshape(-1, 8, 8)
    stack = [layers.Flatten(), layers.Dense(16, "relu"), layers.Dense(64, "sigmoid")]
    model = keras.Sequential([keras.Input((8, 8)), *stack, layers.Reshape((8, 8))])
    return watched(model, images, images, optimizers.Adam(0.03), "binary_crossentropy", epochs=10)


@healthy("autoencoder, squared error")
def _():
    x, _ = digits()
    model = keras.Sequential([keras.Input((64,)), layers.Dense(16, "relu"), layers.Dense(64)])
    return watched(model, x, x, "adam", "mse")


@healthy("regression")
def _():
    return watched(regressor(), *regression(), "adam", "mse")


@healthy("regression, targets around 10")
def _():
    return watched(regressor(), *regression(5, 10), "adam", "mse", epochs=8)


@healthy("regression, targets in hundreds, learned anyway")
def _():
    optimizer = optimizers.Adam(0.05)
    return watched(regressor(), *regression(200), optimizer, "mse", epochs=8)


@healthy("regression, targets of thousandths")
def _():
    return watched(regressor(), *regression(1e-3), "adam", "mse", epochs=8)


@healthy("imbalanced: one in twenty")
def _():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(600, 4)).astype("float32")
    y = (x[:, 0] > 1.65).astype("float32")
    return watched(logistic(4), x, y, optimizers.Adam(0.01), "binary_crossentropy", epochs=10)


@healthy("weak signal, at its floor")
def _():
    return watched(
        logistic(2), *weak_signal(), optimizers.Adam(0.01), "binary_crossentropy", epochs=15
    )


@healthy("weak signal, cosine decay to 0")
def _():
    rate = optimizers.schedules.CosineDecay(0.05, 15 * 19)
    return watched(
        logistic(2), *weak_signal(), optimizers.SGD(rate), "binary_crossentropy", epochs=16
    )


@healthy("weak signal, regression")
def _():
    x, y = weak_signal()
    model = keras.Sequential([keras.Input((2,)), layers.Dense(8, "relu"), layers.Dense(1)])
    return watched(model, x, y - 0.5, optimizers.Adam(0.01), "mse", epochs=12)


@healthy("transfer: a new head on a frozen base")
def _():
    x, y = digits()
    base = keras.Sequential([keras.Input((64,)), layers.Dense(50, "relu")])
    base.trainable = False
    model = keras.Sequential([keras.Input((64,)), base, layers.Dense(2, "softmax")])
    return watched(model, x, y % 2)


@healthy("warm-up over all epochs")
def _():
    rate = optimizers.schedules.PolynomialDecay(1e-8, 13 * 8, 1e-5)
    return watched(mlp(), *digits(), optimizers.SGD(rate), epochs=8)


@healthy("resumed: classes, converged")
def _():
    model = mlp()
    x, y = digits(200)
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    fit(model, (x, y), epochs=15)
    model.optimizer.learning_rate = 1e-6
    return fitted(model, x, y, epochs=8)


@healthy("resumed: regression at its floor, compiled anew")
def _():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 2)).astype("float32")
    y = (x[:, 0] + rng.normal(0, 0.5, 400)).astype("float32")
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(optimizers.SGD(0.1), "mse")
    fit(model, (x, y))
    return watched(model, x, y, optimizers.SGD(0.01), "mse", epochs=8)


@healthy("gradient accumulation")
def _():
    optimizer = optimizers.SGD(0.05, gradient_accumulation_steps=5)
    return watched(mlp(), *digits(), optimizer)


@healthy("several outputs, confident")
def _():
    x, y = digits()
    image = keras.Input((64,))
    h = layers.Dense(50, "relu")(image)
    is_small = layers.Dense(1, "sigmoid", name="small")(h)
    sign = layers.Dense(1, "tanh", name="sign")(h)
    model = keras.Model(image, [is_small, sign])
    targets = (y < 5).astype("float32"), np.ones(len(y), "float32")
    optimizer = optimizers.Adam(0.02)
    return watched(model, x, targets, optimizer, ["binary_crossentropy", "mse"], epochs=15)


@healthy("two outputs with a cross-entropy each")
def _():
    x, y = digits()
    image = keras.Input((64,))
    h = layers.Dense(50, "relu")(image)
    model = keras.Model(image, [layers.Dense(10, "softmax")(h), layers.Dense(10, "softmax")(h)])
    return watched(model, x, (y, (y + 1) % 10))


@healthy("a loss that is summed over the batch")
def _():
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    return watched(mlp(), *digits(), optimizers.SGD(0.001), loss)


@healthy("averaged weights, swapped in after each epoch")
def _():
    optimizer = optimizers.Adam(0.01, use_ema=True, ema_momentum=0.999)
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    return watched(mlp(), *digits(), optimizer, callbacks=[swap])


@healthy("mixed precision")
def _():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return watched(mlp(), *digits())
    finally:
        keras.config.set_dtype_policy("float32")


@healthy("several labels at once")
def _():
    x, y = digits()
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(50, "relu"), layers.Dense(3, "sigmoid")]
    )
    labels = np.stack([y % 2, y < 5, y == 0], axis=1).astype("float32")
    return watched(model, x, labels, "adam", "binary_crossentropy")


class Variational(keras.Model):
    """Computes its loss in a train_step of its own."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = layers.Dense(8, "tanh"), layers.Dense(64)

    def call(self, x):
        return self.decoder(self.encoder(x))

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self(data) - data))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return {"reconstruction": loss}


@healthy("a train_step of its own")
def _():
    model = Variational()
    model.compile("adam")
    return fitted(model, digits()[0])


# --- sick --------------------------------------------------------------------------------------


@sick("a learning rate of 1e-6", "small updates", "after epoch 2: .* healthy")
def _():
    return watched(mlp(), *digits(), optimizers.SGD(1e-6), epochs=2)


@sick("a learning rate of 1e-6, for longer", "stuck loss", "after epoch 6")
def _():
    return watched(mlp(), *digits(), optimizers.SGD(1e-6), epochs=6)


@sick("a learning rate of 1e-6 with gradient accumulation", "small updates")
def _():
    optimizer = optimizers.SGD(1e-6, gradient_accumulation_steps=5)
    return watched(mlp(), *digits(), optimizer, epochs=2)


@sick("regression with a learning rate of 1e-7", "small updates")
def _():
    return watched(regressor(), *regression(), optimizers.SGD(1e-7), "mse", epochs=2)


@sick("linear, a learning rate of 300", "large updates")
def _():
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, "softmax")])
    x, y = digits()
    return watched(model, x / 10, y, optimizers.SGD(300.0), epochs=2, batch_size=400)


@sick("tanh, Adam with a learning rate of 1", "saturated units")
def _():
    return watched(mlp("tanh"), *digits(), optimizers.Adam(1.0), epochs=2)


@sick("only one class is ever predicted", "stuck loss")
def _():
    model = mlp()
    model.layers[-1].bias.assign(np.eye(10)[0] * 4)
    model.layers[-1].trainable = model.layers[-2].trainable = False
    return watched(model, *digits(), optimizers.SGD(1e-4), epochs=6)


@sick("NaN in the data", "non-finite values", "before training")
def _():
    x, y = digits()
    x[3, 5] = np.nan  # of which a ReLU makes 0
    return looked_at(mlp("tanh"), x, y)


@sick("the logarithm of 0 in a loss", "non-finite values")
def _():
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1, "relu")])
    log = lambda y, predictions: -keras.ops.log(predictions)  # noqa: E731
    return watched(model, *regression(), optimizers.SGD(0.1), log, epochs=1)


@sick(
    "a regression that diverges",
    "non-finite values",
    "after epoch 1: NaN or Inf in the training loss, .*/kernel",
)
def _():
    return watched(regressor(), *regression(), optimizers.SGD(10.0), "mse", epochs=1)


@sick("an Inf among loaded weights", "non-finite values")
def _():
    model = mlp()
    kernel = model.layers[0].kernel.numpy()
    kernel[0, 0] = np.inf
    model.layers[0].kernel.assign(kernel)
    return watched(model, *digits(), epochs=1)


@sick(
    "initial weights of standard deviation 1",
    "initial loss",
    "before training: .* while guessing gives ln 10 = 2.3",
)
def _():
    return looked_at(mlp(init=normal(1.0)), *digits())


@sick("inputs from 0 to 255", "initial loss")
def _():
    x, y = digits()
    return looked_at(mlp(), 255 * x, y)


@sick("labels 5 to 9 only, the bias made for 0 to 4", "initial loss")
def _():
    model = mlp()
    model.layers[-1].bias.assign(np.repeat([5.0, -5.0], 5))
    x, y = digits()
    return looked_at(model, x, y % 5 + 5)


@sick("biases of -10", "dead units", r"nothing but zeros .* \(100%\)", alone=True)
def _():
    hidden = layers.Dense(50, "relu", bias_initializer=keras.initializers.Constant(-10))
    model = keras.Sequential([keras.Input((64,)), hidden, layers.Dense(10, "softmax")])
    return watched(model, *digits(), optimizers.SGD(0.05))


@sick("dead channels of a convolution", "dead units")
def _():
    convolution = layers.Conv2D(
        8, 3, activation="relu", bias_initializer=keras.initializers.Constant(-20)
    )
    stack = [layers.Reshape((8, 8, 1)), convolution, layers.Flatten(), layers.Dense(10, "softmax")]
    return watched(keras.Sequential([keras.Input((64,)), *stack]), *digits(), epochs=1)


@sick("tanh, initial weights of standard deviation 3", "saturated units")
def _():
    return watched(mlp("tanh", init=normal(3.0)), *digits(), optimizers.SGD(0.001), epochs=1)


@sick("sigmoid, inputs from 0 to 255", "saturated units")
def _():
    x, y = digits()
    model = mlp("sigmoid", init="glorot_uniform")
    return watched(model, 255 * x, y, optimizers.SGD(0.001), epochs=1)


@sick(
    "five ReLU layers, initial weights of standard deviation 1",
    "exploding gradients",
    "before training: global norm",
)
def _():
    return looked_at(mlp(depth=5, init=normal(1.0), width=100), *digits())


@sick("a deep regression, initial weights of standard deviation 1", "exploding gradients")
def _():
    hidden = [layers.Dense(50, "relu", kernel_initializer=normal(1.0)) for _ in range(4)]
    model = keras.Sequential([keras.Input((8,)), *hidden, layers.Dense(1)])
    return looked_at(model, *regression(), "adam", "mse")


@sick("five sigmoid layers", "vanishing gradients", "of the largest norm in dense.*/kernel")
def _():
    model = mlp("sigmoid", depth=5, init="glorot_uniform")
    return watched(model, *digits(), optimizers.SGD(0.05), epochs=1, batch_size=400)


@sick(
    "five tanh layers, tiny initial weights", "vanishing gradients", "global norm .* at a high loss"
)
def _():
    model = mlp("tanh", depth=5, init=normal(0.01))
    return watched(model, *digits(), optimizers.SGD(1e-4), epochs=1)


@sick("all initial weights 0", "dead units")
def _():
    model = mlp(init="zeros")
    model.layers[-1].kernel.assign(np.zeros((50, 10)))
    return watched(model, *digits(), optimizers.SGD(0.05), epochs=1)


@sick("prices in thousands", "targets not scaled")
def _():
    return watched(regressor(), *regression(80, 300), optimizers.Adam(1e-3), "mse", epochs=2)


@sick("shuffled labels, learned anyway", "overfitting", "training loss fell", alone=True)
def _():
    x, y = digits(300)
    y = np.random.default_rng(0).permutation(y)
    model = mlp(depth=3, width=200)
    options = {"epochs": 20, "validation": (x[200:], y[200:])}
    return watched(model, x[:200], y[:200], optimizers.Adam(0.003), **options)


@sick("20 noisy examples for a large network", "overfitting")
def _():
    x, y = regression(examples=220)
    y = (y > 0).astype("float32")
    y[:20] = np.random.default_rng(1).permutation(y[:20])
    model = keras.Sequential(
        [keras.Input((8,)), layers.Dense(200, "relu"), layers.Dense(1, "sigmoid")]
    )
    options = {"epochs": 25, "validation": (x[20:], y[20:])}
    return watched(model, x[:20], y[:20], optimizers.Adam(0.02), "binary_crossentropy", **options)


# --- tests -------------------------------------------------------------------------------------


@pytest.mark.first_cases(6)
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy(name):
    monitor = HEALTHY[name]()
    assert monitor.findings == {}
    losses = next(iter(monitor.model.history.history.values()))
    assert losses[-1] < losses[0]  # it does learn


@pytest.mark.first_cases(6)
@pytest.mark.parametrize("name", SICK)
def test_sick(name):
    problem, fact, alone, train = SICK[name]
    findings = train().findings
    assert problem in findings, findings
    assert re.search(fact, findings[problem]), findings
    assert findings[problem].endswith(f" Try {ADVICE[problem]}.")
    assert not alone or len(findings) == 1, findings


def table():
    """Return the trainings as a table, sick ones by what the monitor says of them."""
    rows = [f"| {name} | silent |" for name in HEALTHY]
    rows += [f"| {name} | {problem} |" for name, (problem, *_) in SICK.items()]
    return "\n".join(["| training | the monitor |", "|---|---|", *rows, ""])


def test_every_problem_is_planted():
    assert {problem for problem, *_ in SICK.values()} == set(ADVICE)
    assert min(len(HEALTHY), len(SICK)) >= 20


def test_the_table_of_the_docs_is_that_of_this_suite():
    assert renewed(DOCS.read_text(encoding="utf-8")) == DOCS.read_text(encoding="utf-8")


def renewed(text):
    start, end = (
        "<!-- trainings: written by tests/callbacks/test_healthy_and_sick.py -->\n",
        "<!-- /trainings -->",
    )
    before, _, rest = text.partition(start)
    _, _, after = rest.partition(end)
    return f"{before}{start}{table()}{end}{after}"


if __name__ == "__main__":
    DOCS.write_text(renewed(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
