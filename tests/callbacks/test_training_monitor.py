"""TrainingMonitor is silent on healthy runs and speaks, once, on each sickness planted."""

import keras
import numpy as np
import pytest

from callbacks.training_monitor import TrainingMonitor

layers = keras.layers
optimizers = keras.optimizers


def mlp(depth, activation="relu", *, init="he_normal", width=100, batch_norm=False, dropout=0.0):
    stack = []
    for number in range(1, depth + 1):
        stack.append(layers.Dense(width, kernel_initializer=init, name=f"h{number}"))
        if batch_norm:
            stack.append(layers.BatchNormalization(name=f"h{number}_bn"))
        stack.append(layers.Activation(activation, name=f"h{number}_act"))
        if dropout:
            stack.append(layers.Dropout(dropout, name=f"h{number}_drop"))
    return stack


def cnn():
    return [
        layers.Reshape((8, 8, 1)),
        layers.Conv2D(16, 3, padding="same", use_bias=False, name="c1"),
        layers.BatchNormalization(name="c1_bn"),
        layers.ReLU(name="c1_act"),
        layers.MaxPooling2D(name="c1_pool"),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="c2"),
        layers.Flatten(name="flat"),
    ]


def rnn():
    return [layers.Reshape((8, 8)), layers.LSTM(32, name="lstm")]


def fit(digits, stack, optimizer, *, epochs=5, batch_size=32, train=1400, scale=1.0, **options):
    """Train on digits with a monitor; return what it found."""
    x, y = digits
    x = x * scale
    model = keras.Sequential(
        [keras.Input((64,)), *stack, layers.Dense(10, activation="softmax", name="out")]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    monitor = TrainingMonitor(x[:100], y[:100], **options)
    history = model.fit(
        x[:train],
        y[:train],
        epochs=epochs,
        batch_size=batch_size,
        validation_data=(x[1400:], y[1400:]),
        verbose=0,
        callbacks=[monitor],
    )
    return monitor.findings, history.history["val_accuracy"][-1]


def normal(std):
    return keras.initializers.RandomNormal(0, std)


# --- healthy runs ------------------------------------------------------------------------------

HEALTHY = {
    "MLP, SGD": (lambda: mlp(2), lambda: optimizers.SGD(0.05), {"epochs": 10}),
    "MLP, slow SGD": (lambda: mlp(2), lambda: optimizers.SGD(0.01), {"batch_size": 100}),
    "deep MLP, momentum": (lambda: mlp(5), lambda: optimizers.SGD(0.02, 0.9), {"epochs": 10}),
    "MLP, Adam, fitted perfectly": (lambda: mlp(2), optimizers.Adam, {"epochs": 15}),
    "BN and dropout": (
        lambda: mlp(5, batch_norm=True, dropout=0.2),
        lambda: optimizers.SGD(0.05),
        {"epochs": 8},
    ),
    "BN, large batch": (
        lambda: mlp(3, batch_norm=True),
        lambda: optimizers.Adam(0.01),
        {"epochs": 30, "batch_size": 1400},
    ),
    "small batch": (lambda: mlp(2), lambda: optimizers.SGD(0.01), {"batch_size": 4, "epochs": 2}),
    "large batch": (
        lambda: mlp(2),
        lambda: optimizers.SGD(0.1),
        {"batch_size": 1400, "epochs": 30},
    ),
    "tanh": (lambda: mlp(3, "tanh", init="glorot_uniform"), optimizers.Adam, {"epochs": 12}),
    "sigmoid": (lambda: mlp(2, "sigmoid", init="glorot_uniform"), optimizers.Adam, {"epochs": 8}),
    "CNN": (cnn, optimizers.Adam, {"epochs": 5}),
    "RNN": (rnn, lambda: optimizers.Adam(0.01), {"epochs": 4}),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_silent_on_healthy_runs(name, digits, capsys):
    stack, optimizer, options = HEALTHY[name]
    findings, accuracy = fit(digits, stack(), optimizer(), **options)
    assert findings == {}
    assert capsys.readouterr().out == ""
    assert accuracy > 0.3  # it does learn


# --- sicknesses --------------------------------------------------------------------------------


def test_initial_loss(digits):
    findings, _ = fit(digits, mlp(1, init=normal(1.0)), optimizers.Adam(), scale=16)
    assert "while guessing gives ln 10 = 2.3" in findings["initial loss"]
    assert findings["initial loss"].startswith("initial loss before training: ")


def test_initial_loss_of_a_trained_model_is_its_own(digits):
    x, y = digits
    model = keras.Sequential([layers.Dense(10, activation="softmax", kernel_initializer=normal(9))])
    model.compile(optimizers.SGD(1e-4), "sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    monitor = TrainingMonitor(x[:100], y[:100])
    model.fit(x, y, verbose=0, callbacks=[monitor])
    assert "initial loss" not in monitor.findings


def test_non_finite_values(digits):
    findings, _ = fit(digits, mlp(5, init=normal(1.0)), optimizers.SGD(0.01), epochs=3)
    assert "NaN or Inf in the training loss" in findings["non-finite values"]
    assert "h1/kernel" in findings["non-finite values"]
    assert "after epoch 1" in findings["non-finite values"]


def test_non_finite_data_is_found_before_training(digits):
    x, y = digits
    broken = x.copy()
    broken[3, 5] = np.nan
    findings, _ = fit((broken, y), mlp(1), optimizers.SGD(0.01), epochs=1)
    assert findings["non-finite values"].startswith("non-finite values before training")


def test_exploding_gradients(digits):
    findings, _ = fit(digits, mlp(5, init=normal(1.0)), optimizers.Adam(), epochs=2)
    assert "exploding gradients before training: global norm" in findings["exploding gradients"]


def test_vanishing_gradients_in_sigmoid_layers(digits):
    stack = mlp(5, "sigmoid", init="glorot_uniform")
    findings, _ = fit(digits, stack, optimizers.SGD(0.05), epochs=2)
    assert "of the largest norm in h1/kernel" in findings["vanishing gradients"]


def test_vanishing_gradients_everywhere(digits):
    stack = mlp(5, "tanh", init=normal(0.01))
    findings, _ = fit(digits, stack, optimizers.SGD(1e-4), epochs=2)
    assert "global norm" in findings["vanishing gradients"]


def test_dead_units(digits):
    stack = [
        layers.Dense(100, name="h1", bias_initializer=keras.initializers.Constant(-10)),
        layers.ReLU(name="h1_act"),
    ]
    findings, _ = fit(digits, stack, optimizers.SGD(0.05), epochs=2)
    assert "h1_act (100%)" in findings["dead units"]
    assert "vanishing gradients" not in findings  # the same thing again
    assert "small updates" not in findings


def test_a_learning_rate_that_kills_units(digits):
    """One step at this rate takes every unit below zero for good: inputs are positive.

    All labels are 0, and each unit takes from class 0 what it gives to the others, so each wants to
    be smaller. A rate of 1e-4 leaves them alive.
    """
    x, _ = digits
    against = np.repeat([[-1.0] + [1.0] * 9], 20, axis=0)
    for rate, dies in ((1.0, True), (1e-4, False)):
        hidden = layers.Dense(20, kernel_initializer="zeros", bias_initializer=normal(0), name="h1")
        last = layers.Dense(10, activation="softmax", trainable=False, name="out")
        model = keras.Sequential([keras.Input((64,)), hidden, layers.ReLU(name="h1_act"), last])
        hidden.bias.assign(np.full(20, 0.1))
        last.kernel.assign(against)
        model.compile(optimizers.SGD(rate), "sparse_categorical_crossentropy")
        monitor = TrainingMonitor(x[:100], np.zeros(100, int))
        model.fit(x[:32], np.zeros(32, int), epochs=2, verbose=0, callbacks=[monitor])
        assert ("dead units" in monitor.findings) == dies
        if dies:
            assert "h1_act (100%)" in monitor.findings["dead units"]
            assert "lower learning rate" in monitor.findings["dead units"]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_saturated_units(activation, digits):
    stack = mlp(2, activation, init=normal(3.0))
    findings, _ = fit(digits, stack, optimizers.SGD(0.001), epochs=2)
    assert "h1_act" in findings["saturated units"]


def test_large_updates(digits):
    findings, _ = fit(digits, [], optimizers.SGD(300.0), batch_size=1400, epochs=4, scale=0.1)
    assert "Try a lower learning rate" in findings["large updates"]


def test_small_updates_and_a_stuck_loss(digits):
    findings, _ = fit(digits, mlp(2), optimizers.SGD(1e-6), epochs=7)
    assert "healthy" in findings["small updates"]
    assert "after epoch 2" in findings["small updates"]
    assert "after epoch 6" in findings["stuck loss"]
    assert set(findings) == {"small updates", "stuck loss"}


def test_overfitting(digits):
    x, y = digits
    shuffled = np.concatenate([np.random.default_rng(0).permutation(y[:300]), y[300:]])
    stack = mlp(3, width=200)
    findings, _ = fit((x, shuffled), stack, optimizers.Adam(), train=300, epochs=20)
    assert set(findings) == {"overfitting"}
    assert "training loss fell" in findings["overfitting"]


def test_regression_has_no_classes_to_guess_among(digits):
    x, _ = digits
    model = keras.Sequential([*mlp(1), layers.Dense(1)])
    model.compile(optimizers.SGD(0.05), "mse")
    monitor = TrainingMonitor(x[:100], x[:100].sum(1, keepdims=True) / 10)
    model.fit(x, x.sum(1) / 10, epochs=2, verbose=0, callbacks=[monitor])
    assert monitor.findings == {}


# --- how it speaks -----------------------------------------------------------------------------


def test_a_finding_is_said_once_on_the_console_and_in_tensorboard(digits, tensorboard, capsys):
    log_dir = tensorboard.root / "sick"
    findings, _ = fit(digits, mlp(2), optimizers.SGD(1e-6), epochs=9, log_dir=log_dir)
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [f"TrainingMonitor: {message}" for message in findings.values()]
    [[_, step, _]] = [
        (row["wall_time"], row["step"], row["text"])
        for row in tensorboard.get(
            "text/text", "sick/monitor", "training_monitor/small updates", points=1
        )
    ]
    assert step == 2


def test_every_epochs(digits):
    findings, _ = fit(digits, mlp(2), optimizers.SGD(1e-6), epochs=4, every=2)
    assert "after epoch 4" in findings["small updates"]


def test_a_second_fit_starts_afresh(digits):
    x, y = digits
    model = keras.Sequential([*mlp(2), layers.Dense(10, activation="softmax")])
    model.compile(optimizers.SGD(1e-6), "sparse_categorical_crossentropy")
    monitor = TrainingMonitor(x[:100], y[:100])
    model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    assert set(monitor.findings) == {"small updates"}
    model.optimizer.learning_rate = 0.05
    model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    assert monitor.findings == {}


def test_training_keeps_its_bits(digits):
    x, y = digits
    results = []
    for callbacks in ([], [TrainingMonitor(x[:100], y[:100])]):
        keras.utils.set_random_seed(1)
        stack = mlp(1, batch_norm=True, dropout=0.3)
        model = keras.Sequential([*stack, layers.Dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(
            x, y, epochs=2, batch_size=200, validation_split=0.2, verbose=0, callbacks=callbacks
        )
        results.append((history.history, model.get_weights()))
    assert results[0][0] == results[1][0]
    for without, with_monitor in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(without, with_monitor)


# --- mistakes ----------------------------------------------------------------------------------


def test_mistakes_are_named(digits, tmp_path):
    x, y = digits
    with pytest.raises(ValueError, match="every must be a whole number"):
        TrainingMonitor(x, y, every=0)
    with pytest.raises(ValueError, match="x and y of one length above 0"):
        TrainingMonitor(x[:0], y[:0])
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match=r"doesn't take the probe x: float32 \(100, 60\)"):
        model.fit(x, y, verbose=0, callbacks=[TrainingMonitor(x[:100, :60], y[:100])])
    with pytest.raises(ValueError, match=r"y: int64 \(100,\) from 10 to 19"):
        model.fit(x, y, verbose=0, callbacks=[TrainingMonitor(x[:100], y[:100] + 10)])
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Can't write to log_dir"):
        model.fit(x, y, verbose=0, callbacks=[TrainingMonitor(x, y, log_dir=tmp_path / "file")])
    assert model.optimizer.iterations == 0
