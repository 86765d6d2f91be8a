"""TrainingMonitor: when and where it speaks; test_healthy_and_sick has what it says of what."""

import math

import keras
import numpy as np
import pytest

from callbacks.probe import Probe
from callbacks.training_monitor import TrainingMonitor, numbers_of_classes

layers = keras.layers
optimizers = keras.optimizers


def fit(digits, *, epochs, **options):
    """Train too slowly on 200 digits with a monitor; return it."""
    x, y = (part[:200] for part in digits)
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, "softmax")])
    model.compile(optimizers.SGD(1e-6), "sparse_categorical_crossentropy")
    monitor = TrainingMonitor(x[:100], y[:100], **options)
    model.fit(x, y, epochs=epochs, verbose=0, callbacks=[monitor])
    return monitor


def normal(std):
    return keras.initializers.RandomNormal(0, std)


def test_initial_loss_of_a_trained_model_is_its_own(digits):
    x, y = digits
    model = keras.Sequential([layers.Dense(10, activation="softmax", kernel_initializer=normal(9))])
    model.compile(optimizers.SGD(1e-4), "sparse_categorical_crossentropy")
    model.fit(x[:200], y[:200], verbose=0)
    monitor = TrainingMonitor(x[:100], y[:100])
    model.fit(x[:200], y[:200], verbose=0, callbacks=[monitor])
    assert "initial loss" not in monitor.findings


CE = "sparse_categorical_crossentropy"


def mean_probability(y, predictions):
    return keras.ops.mean(predictions, axis=-1)


@pytest.mark.parametrize(
    ("loss", "options", "guessing"),
    [
        (CE, {}, "ln 10 + ln 4 = 3.69"),
        ([CE, keras.losses.SparseCategoricalCrossentropy()], {}, "ln 10 + ln 4 = 3.69"),
        ({"a": CE, "b": CE}, {"metrics": [[lambda y, p: 0.0], []]}, "ln 10 + ln 4 = 3.69"),
        ([CE, mean_probability], {}, None),
        (keras.losses.SparseCategoricalCrossentropy(reduction="sum"), {}, None),
        ([CE, CE], {"loss_weights": [1.0, 20.0]}, None),
    ],
    ids=["one loss", "list", "dictionary", "another loss", "sum", "weights"],
)
def test_initial_loss_of_two_outputs_is_beside_the_sum_of_both(loss, options, guessing, digits):
    x, y = (part[:100] for part in digits)
    image = keras.Input((64,))
    a = layers.Dense(10, "softmax", kernel_initializer=normal(9), name="a")(image)
    b = layers.Dense(4, "softmax", kernel_initializer="zeros", name="b")(image)
    model = keras.Model(image, [a, b])
    model.compile(optimizers.SGD(1e-4), loss, **options)
    monitor = TrainingMonitor(x, [y, y % 4])
    monitor.set_model(model)
    monitor.on_train_begin()
    monitor.on_epoch_begin(0)
    if guessing is None:
        assert "initial loss" not in monitor.findings
    else:
        assert f"while guessing gives {guessing}." in monitor.findings["initial loss"]


def test_a_loss_of_guessing_is_that_of_keras(digits):
    """All weights are 0, so each class of each output has the same probability."""
    x, y = (part[:100] for part in digits)
    image = keras.Input((64,))
    outputs = [layers.Dense(n, "softmax", kernel_initializer="zeros")(image) for n in (10, 4)]
    model = keras.Model(image, outputs)
    model.compile("sgd", CE)
    shapes = Probe(model, x, [y, y % 4]).prediction_shapes
    assert numbers_of_classes(CE, shapes) == [10, 4]
    loss = model.evaluate(x, [y, y % 4], verbose=0)[0]
    assert loss == pytest.approx(math.log(10) + math.log(4), rel=1e-5)


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


def test_a_finding_is_said_once_on_the_console_and_in_tensorboard(digits, tensorboard, capsys):
    findings = fit(digits, epochs=9, log_dir=tensorboard.root / "sick").findings
    assert findings.keys() == {"small updates", "stuck loss"}
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines == [f"TrainingMonitor: {message}" for message in findings.values()]
    tag = "training_monitor/small updates"
    (row,) = tensorboard.get("text/text", "sick/monitor", tag, points=1)
    assert row["step"] == 2
    assert "higher learning rate" in row["text"]


def test_every_epochs(digits):
    assert "after epoch 4" in fit(digits, epochs=4, every=2).findings["small updates"]


def test_a_second_fit_starts_afresh(digits):
    monitor = fit(digits, epochs=3)
    assert set(monitor.findings) == {"small updates"}
    x, y = digits
    monitor.model.optimizer.learning_rate = 0.05
    monitor.model.fit(x, y, epochs=3, verbose=0, callbacks=[monitor])
    assert monitor.findings == {}


def test_after_a_look_at_nan_the_update_ratio_is_that_of_one_update(digits, monkeypatch):
    x, y = (part[:200] for part in digits)
    kernels, ratios = [], []
    update_ratios = Probe.update_ratios
    monkeypatch.setattr(
        Probe, "update_ratios", lambda probe: ratios.append(update_ratios(probe)) or ratios[-1]
    )
    model = keras.Sequential([keras.Input((64,)), layers.Dense(10, "softmax", name="out")])
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    spy = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: kernels.append(model.layers[0].kernel.numpy()),
        on_epoch_end=lambda epoch, logs: logs.update(loss=math.nan) if epoch == 0 else None,
    )
    monitor = TrainingMonitor(x[:100], y[:100])
    model.fit(x, y, epochs=2, batch_size=20, verbose=0, callbacks=[spy, monitor])
    assert "the training loss" in monitor.findings["non-finite values"]
    update = model.layers[0].kernel.numpy() - kernels[-1]
    expected = np.linalg.norm(update) / np.linalg.norm(kernels[-1])
    assert ratios[-1] == {"out/kernel": pytest.approx(expected, rel=1e-4)}


@pytest.mark.parametrize(("steps", "is_said"), [(299, False), (301, True)])
def test_overfitting_waits_for_the_moving_statistics(steps, is_said, digits):
    """Their momentum of 0.99 forgets in 3 / (1 - 0.99) steps what they started from."""
    x, y = digits
    model = keras.Sequential([layers.BatchNormalization(), layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.build((None, 64))
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(steps)
    monitor = TrainingMonitor(x[:100], y[:100])
    monitor.set_model(model)
    monitor.on_train_begin()
    for epoch in range(7):
        monitor.on_epoch_begin(epoch)
        monitor.on_epoch_end(epoch, {"loss": 1 - 0.1 * epoch, "val_loss": 1 + 0.5 * epoch})
    assert ("overfitting" in monitor.findings) == is_said
