"""Both callbacks with all ways to train, with models that lack something, and pasted alone."""

import ast
import copy
import importlib
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks.distribution_logger import DistributionLogger
from callbacks.probe import Probe
from callbacks.training_monitor import TrainingMonitor
from recipes._lab.training.fitting import prepare

layers = keras.layers
FOLDER = Path(__file__).parents[2] / "callbacks"
CLASSES = {"distribution_logger": "DistributionLogger", "training_monitor": "TrainingMonitor"}


def data(examples=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(examples, 6)).astype("float32"), rng.integers(0, 3, examples)


def small(optimizer="adam", **kwargs):
    """One layer, which is traced fast."""
    model = keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax", name="h1")])
    model.compile(optimizer, "sparse_categorical_crossentropy", **kwargs)
    return prepare(model, np.zeros(1, int))


def with_batch_normalization_and_dropout():
    stack = [
        layers.Dense(5, name="h1", kernel_regularizer="l2"),
        layers.BatchNormalization(name="h1_bn"),
        layers.Activation("relu", name="h1_act"),
        layers.Dropout(0.3, name="h1_drop"),
        layers.Dense(3, activation="softmax", name="out"),
    ]
    model = keras.Sequential([keras.Input((6,)), *stack])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return prepare(model, np.zeros(1, int))


def callbacks_for(log_dir, x, y):
    return [DistributionLogger(log_dir, x, y), TrainingMonitor(x, y, log_dir=log_dir)]


def test_training_keeps_its_bits(tmp_path):
    x, y = data()
    logger, monitor = callbacks_for(tmp_path / "training", x, y)
    inference = DistributionLogger(tmp_path / "inference", x, y, training=False)
    results = []
    for callbacks in ([], [logger, inference, monitor]):
        keras.utils.set_random_seed(1)
        model = with_batch_normalization_and_dropout()
        history = model.fit(
            x, y, epochs=2, verbose=0, validation_split=0.2, callbacks=callbacks
        ).history
        results.append((history, model.get_weights()))
    (history, weights), (history_with, weights_with) = results
    assert history == history_with
    for without, with_callbacks in zip(weights, weights_with, strict=True):
        np.testing.assert_array_equal(without, with_callbacks)


def test_several_inputs_and_outputs(tmp_path, read_logs):
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    h = layers.Concatenate(name="join")([a, b])
    outputs = [layers.Dense(3, activation="softmax", name="c")(h), layers.Dense(1, name="r")(h)]
    model = keras.Model({"a": a, "b": b}, outputs)
    model.compile(
        "sgd", ["sparse_categorical_crossentropy", "mse"], metrics=[["accuracy"], ["mae"]]
    )
    x, y = data()
    x, y = {"a": x, "b": -x}, [y, x[:, :1]]
    model.fit(x, y, epochs=1, verbose=0, callbacks=callbacks_for(tmp_path, x, y))
    logs = read_logs(tmp_path)
    assert logs["gradient_norm/c/kernel", 1] > 0
    assert logs["gradient_norm/r/kernel", 1] > 0


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy, tmp_path, read_logs):
    keras.config.set_dtype_policy(policy)
    try:
        model = with_batch_normalization_and_dropout()
    finally:
        keras.config.set_dtype_policy("float32")
    x, y = data()
    model.fit(x, y, verbose=0, callbacks=callbacks_for(tmp_path, x, y))
    logs = read_logs(tmp_path)
    assert logs["non_finite/gradients", 0] == logs["non_finite/activations", 1] == 0
    # In float32 the same weights have nearly the same gradients.
    single = with_batch_normalization_and_dropout()
    single.set_weights(model.get_weights())
    _, outputs, gradients = Probe(model, x, y, training=False)()
    _, _, expected = Probe(single, x, y, training=False)()
    assert outputs["h1"].values.dtype == gradients["h1/kernel"].dtype == np.float32
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max()
        assert scale > 0
        np.testing.assert_allclose(gradient, expected[name], atol=0.03 * scale)


# keras-tuner 1.4 calls old thread functions; Keras 3.15 saves weights with NumPy 1's __array__.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_keras_tuner_gives_each_trial_its_directory(tmp_path, read_logs):
    keras_tuner = pytest.importorskip("keras_tuner")

    def build(hp):
        return small(keras.optimizers.SGD(hp.Float("learning_rate", 1e-3, 1e-1)))

    x, y = data()
    logger, monitor = callbacks_for(tmp_path / "logs", x, y)
    small().fit(x, y, verbose=0, callbacks=[logger])  # it may have been used before
    tuner = keras_tuner.RandomSearch(
        build, "val_loss", max_trials=2, executions_per_trial=1, directory=tmp_path / "tuner"
    )
    tuner.search(x, y, epochs=1, validation_data=(x, y), verbose=0, callbacks=[logger, monitor])
    first, second = (read_logs(tmp_path / "logs" / trial) for trial in ("fit-0", "fit-1"))
    assert {step for _, step in first} == {step for _, step in second} == {0, 1}
    tag = "update_ratio/h1/kernel", 1
    assert first[tag] != second[tag]
    for trial in ("fit-0", "fit-1"):
        assert (tmp_path / "logs" / "monitor" / trial).is_dir()


def test_a_loop_that_calls_only_the_epoch_hooks(tmp_path, read_logs):
    x, y = data()
    model = small()
    for callback in callbacks_for(tmp_path, x, y):
        callback.set_model(model)
        callback.on_train_begin()
        for epoch in range(2):
            callback.on_epoch_begin(epoch)
            callback.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 1.0})
        callback.on_train_end()
    logs = read_logs(tmp_path)
    assert {step for _, step in logs} == {0, 1, 2}
    assert not any(tag.startswith("update_ratio") for tag, _ in logs)  # it saw no step


def test_a_copy_made_while_training_is_a_fresh_callback(tmp_path):
    x, y = data()
    originals, copies = callbacks_for(tmp_path, x, y), []
    make = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: copies.extend(copy.deepcopy(originals))
    )
    small().fit(x, y, verbose=0, callbacks=[*originals, make])
    small().fit(x, y, verbose=0, callbacks=copies)
    assert list((tmp_path / "fit-0").glob("events*"))
    assert copies[0].x is originals[0].x


# Keras's TensorBoard reads the learning rate with NumPy 1's __array__.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_one_directory_for_all_three_callbacks(tensorboard):
    log_dir = tensorboard.root / "shared"
    x, y = data()
    callbacks = [keras.callbacks.TensorBoard(log_dir), *callbacks_for(log_dir, x, y)]
    callbacks[-1].findings["ours"] = "forgotten at the start of a fit"
    model = small(keras.optimizers.Adam(1e-9))  # gives the monitor something to say
    model.fit(x, y, epochs=3, verbose=0, callbacks=callbacks)
    tensorboard.get("scalars/scalars", "shared/train", "epoch_loss", points=3)
    tensorboard.get("histograms/histograms", "shared", "activations/h1", points=4)
    said = tensorboard.get(
        "text/text", "shared/monitor", "training_monitor/small updates", points=1
    )
    assert callbacks[-1].findings.keys() == {"small updates"}
    assert "higher learning rate" in said[0]["text"]


# --- what a model may lack ---------------------------------------------------------------------


class Generative(keras.Model):
    """Has no call(), and a train_step of its own that logs no "loss"."""

    def __init__(self):
        super().__init__()
        self.generator = keras.Sequential([layers.Dense(6, name="g1")], name="generator")

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.generator(data)))
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        return {"g_loss": loss}


def test_without_call_there_are_weights(tmp_path, read_logs, capsys):
    x, _ = data()
    model = Generative()
    model.compile("sgd")
    model.fit(x, epochs=2, verbose=0, callbacks=callbacks_for(tmp_path, x, None))
    logs = read_logs(tmp_path)
    assert ("weights/generator/g1/kernel", 2) in logs
    assert logs["update_ratio/generator/g1/kernel", 2] > 0
    assert {tag.split("/")[0] for tag, _ in logs} == {"weights", "update_ratio", "non_finite"}
    said = capsys.readouterr().out
    for name in ("DistributionLogger", "TrainingMonitor"):
        assert f"{name}: weights only, since the model has no call().\n" in said


class Adversarial(Generative):
    """Has an optimizer of its own, and none of Keras."""

    def compile(self, generator_optimizer):
        super().compile(optimizer=None)
        self.generator_optimizer = generator_optimizer

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self.generator(data)))
        gradients = tape.gradient(loss, self.generator.trainable_weights)
        self.generator_optimizer.apply(gradients, self.generator.trainable_weights)
        return {"g_loss": loss}


@pytest.mark.parametrize("options", [{}, {"every_batches": 1}])
def test_without_optimizer_there_are_no_updates(options, tmp_path, read_logs):
    x, _ = data()
    model = Adversarial()
    model.compile(keras.optimizers.SGD(0.1))
    logger, monitor = DistributionLogger(tmp_path, x, **options), TrainingMonitor(x, **options)
    history = model.fit(x, batch_size=64, epochs=3, verbose=0, callbacks=[logger, monitor])
    losses = history.history["g_loss"]
    assert losses[-1] < losses[0]
    logs = read_logs(tmp_path)
    assert {step for _, step in logs} == {0, 1, 2, 3}
    assert {tag.split("/")[0] for tag, _ in logs} == {"weights", "non_finite"}
    assert monitor.findings == {}


class Reconstructing(Generative):
    def call(self, x):
        return self.generator(x)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (None, "No loss to compute. Provide a `loss` argument in `compile()`"),
        ("mse", "None values not supported"),
    ],
)
def test_without_loss_there_are_no_gradients(loss, reason, tmp_path, read_logs, capsys):
    x, _ = data()
    model = Reconstructing()
    model.compile("sgd", loss)
    history = model.fit(x, verbose=0, callbacks=callbacks_for(tmp_path, x, None))
    assert len(history.history["g_loss"]) == 1
    logs = read_logs(tmp_path)
    assert ("weights/generator/g1/kernel", 1) in logs
    assert ("activations/generator/g1", 1) in logs
    assert not any(tag.startswith("gradients") for tag, _ in logs)
    said = f"DistributionLogger: no gradients, since only train_step() knows the loss: {reason}.\n"
    assert said in capsys.readouterr().out


class TakesNoise(Generative):
    def call(self, x):
        return self.generator(x["noise"])


def test_a_call_that_takes_other_inputs_than_its_train_step_leaves_weights(
    tmp_path, read_logs, capsys
):
    x, _ = data()
    model = TakesNoise()
    model.compile("sgd")
    model.generator.build((None, 6))
    model.built = True
    model.fit(x, epochs=1, verbose=0, callbacks=callbacks_for(tmp_path, x, None))
    assert ("weights/generator/g1/kernel", 1) in read_logs(tmp_path)
    assert "DistributionLogger: weights only: " in capsys.readouterr().out


def test_losses_that_layers_add_are_enough(tmp_path, read_logs):
    x, _ = data()
    image = keras.Input((6,))
    output = layers.Dense(6, name="h", activity_regularizer="l2")(image)
    model = keras.Model(image, output)
    model.compile("sgd")
    model.fit(x, epochs=1, verbose=0, callbacks=callbacks_for(tmp_path, x, None))
    assert read_logs(tmp_path)["gradient_norm/h/kernel", 1] > 0


def test_a_model_that_runs_eagerly(tmp_path, read_logs):
    class Eager(keras.Sequential):
        def call(self, x, training=None):
            assert float(keras.ops.mean(x)) < 1  # a graph has no such number
            return super().call(x)

    x, y = data()
    model = Eager([layers.Dense(3, "softmax", name="h1")])
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(x, y, verbose=0, callbacks=callbacks_for(tmp_path, x, y))
    logs = read_logs(tmp_path)
    assert logs["gradient_norm/h1/kernel", 1] > 0
    assert ("activations/h1", 1) in logs


@pytest.mark.parametrize(
    ("error", "said", "options"),
    [
        (
            MemoryError("Unable to allocate 1 TiB"),
            "Unable to allocate 1 TiB. Pass fewer examples as the probe.",
            {},
        ),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore"),
            "OOM when allocating. Pass fewer examples as the probe.",
            {"every_batches": 1},
        ),
        (RuntimeError("no such device"), "no such device.", {}),
    ],
    ids=["memory", "memory of a device, every batch", "another"],
)
def test_a_later_look_that_fails_ends_the_looks_but_not_the_training(
    error, said, options, tmp_path, read_logs
):
    class Failing(layers.Dense):
        """Runs eagerly; not after epoch 1 with a whole probe of 64."""

        def call(self, inputs):
            if len(inputs) == 64 and model.optimizer.iterations == 2:
                raise error
            return super().call(inputs)

    x, y = data()
    model = keras.Sequential([keras.Input((6,)), Failing(3, activation="softmax", name="h1")])
    model.compile("sgd", "sparse_categorical_crossentropy", run_eagerly=True)
    callbacks = [DistributionLogger(tmp_path, x, y, **options), TrainingMonitor(x, y, **options)]
    with pytest.warns(UserWarning, match="Training goes on, but without ") as caught:
        history = model.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=callbacks)
    assert [str(warning.message) for warning in caught] == [
        f"Training goes on, but without {name}: {said}" for name in CLASSES.values()
    ]
    assert len(history.history["loss"]) == 3
    assert {step for _, step in read_logs(tmp_path)} == ({0, 1} if options else {0})
    # Another fit looks again.
    model.fit(x, y, initial_epoch=3, epochs=4, verbose=0, callbacks=callbacks)
    assert max(step for _, step in read_logs(tmp_path)) == (8 if options else 4)


# --- batches and backends ----------------------------------------------------------------------


@pytest.mark.parametrize(("steps_per_execution", "generated"), [(1, False), (1, True), (3, False)])
def test_every_batches(steps_per_execution, generated, tmp_path, read_logs):
    """9 batches an epoch, 18 in all; what is logged after 12 are the weights after 12."""
    x, y = data(9 * 16)
    kernels = {}
    model = small(steps_per_execution=steps_per_execution)
    spy = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: kernels.setdefault(
            int(model.optimizer.iterations), model.get_layer("h1").kernel.numpy()
        )
    )
    logger = DistributionLogger(tmp_path, x, y, every_batches=6)
    monitor = TrainingMonitor(x, y, every_batches=6)
    batches = ((x[n : n + 16], y[n : n + 16]) for _ in range(2) for n in range(0, len(x), 16))
    inputs = (
        {"x": batches, "steps_per_epoch": 9, "shuffle": False} if generated else {"x": x, "y": y}
    )
    model.fit(
        **inputs,
        batch_size=None if generated else 16,
        epochs=2,
        verbose=0,
        callbacks=[spy, logger, monitor],
    )
    logs = read_logs(tmp_path)
    assert {step for _, step in logs} == {0, 6, 12, 18}
    for step in (0, 6, 12):
        counts, _ = np.histogram(kernels[step].astype("float64"), 30)
        np.testing.assert_array_equal(logs["weights/h1/kernel", step][:, 2], counts)
    before = kernels[12 - steps_per_execution]
    ratio = np.linalg.norm(kernels[12] - before) / np.linalg.norm(before) / steps_per_execution
    assert logs["update_ratio/h1/kernel", 12] == pytest.approx(ratio, rel=1e-5)


def test_the_batches_of_a_second_fit_go_on(tmp_path, read_logs):
    x, y = data()
    model, logger = small(), DistributionLogger(tmp_path, x, y, every_batches=4)
    for _ in range(2):
        model.fit(x, y, batch_size=16, verbose=0, callbacks=[logger])
    assert {step for _, step in read_logs(tmp_path)} == {0, 4, 8}


def test_the_batches_of_a_new_logger_go_on(tmp_path, read_logs):
    """4 batches an epoch: one epoch with the first logger, two with the second."""
    x, y = data()
    model = small()
    for first, last in ((0, 1), (1, 3)):
        logger = DistributionLogger(tmp_path, x, y, every_batches=3)
        options = {"initial_epoch": first, "epochs": last, "batch_size": 16, "verbose": 0}
        model.fit(x, y, callbacks=[logger], **options)
    assert {step for _, step in read_logs(tmp_path)} == {0, 3, 4, 6, 9, 12}


def test_the_monitor_says_after_which_batch():
    x, y = data()
    model = small(keras.optimizers.Adam(1e-9))
    monitor = TrainingMonitor(x, y, every_batches=2)
    model.fit(x, y, batch_size=16, epochs=1, verbose=0, callbacks=[monitor])
    assert "small updates after batch 4: " in monitor.findings["small updates"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_is_named_in_a_line(backend, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: backend)
    for make in (lambda: TrainingMonitor(*data()), lambda: DistributionLogger(tmp_path, *data())):
        with pytest.raises(RuntimeError, match=f"needs TensorFlow, .* is {backend}: ") as error:
            make()
        assert "\n" not in str(error.value)


def test_accumulated_gradients_make_an_update_once(tmp_path, read_logs):
    """10 batches, of which the 4th and the 8th update."""
    x, y = data(160)
    kernels = []
    model = small(keras.optimizers.SGD(0.1, gradient_accumulation_steps=4))
    spy = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: kernels.append(
            model.get_layer("h1").kernel.numpy()
        )
    )
    logger = DistributionLogger(tmp_path, x, y)
    model.fit(x, y, batch_size=16, verbose=0, callbacks=[spy, logger])
    expected = np.linalg.norm(kernels[8] - kernels[7]) / np.linalg.norm(kernels[7])
    assert expected > 0
    ratio = read_logs(tmp_path)["update_ratio/h1/kernel", 1]
    assert ratio == pytest.approx(expected, rel=1e-4)


def test_averages_that_are_swapped_in_are_no_updates(tmp_path, read_logs):
    x, y = data()
    model = small(keras.optimizers.Adam(use_ema=True))
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    model.fit(x, y, verbose=0, callbacks=[swap, DistributionLogger(tmp_path, x, y)])
    assert not any(tag.startswith("update_ratio") for tag, _ in read_logs(tmp_path))


MIRRORED = """
    import keras, numpy as np, sys, tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    from callbacks.distribution_logger import DistributionLogger
    from callbacks.probe import Probe
    from callbacks.training_monitor import TrainingMonitor

    def build():
        layers = keras.layers
        output = layers.Dense(3, "softmax", kernel_regularizer="l2")
        model = keras.Sequential([layers.BatchNormalization(), output])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    x, y = np.random.rand(64, 6).astype("float32"), np.random.randint(0, 3, 64)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    with strategy.scope():
        model = build()
    callbacks = [DistributionLogger(sys.argv[1], x, y), TrainingMonitor(x, y)]
    model.fit(x, y, verbose=0, callbacks=callbacks)
    with strategy.scope():
        model.fit(x, y, initial_epoch=1, epochs=2, verbose=0, callbacks=callbacks)
        inside = Probe(model, x, y)()
    outside = Probe(model, x, y)()
    single = build()
    single.build(x.shape)
    single.set_weights(model.get_weights())
    expected = Probe(single, x, y)()
    for found in (inside, outside):
        np.testing.assert_allclose(found[0], expected[0], rtol=1e-5)
        for gradient, other in zip(found[2].values(), expected[2].values(), strict=True):
            np.testing.assert_allclose(gradient, other, rtol=1e-5, atol=1e-7)
"""


@pytest.mark.further
def test_mirrored_strategy_with_two_replicas(tmp_path, read_logs):
    """In a process of its own: the devices must be there before TensorFlow starts."""
    script = textwrap.dedent(MIRRORED)
    command = [sys.executable, "-c", script, str(tmp_path)]
    subprocess.run(command, cwd=FOLDER.parent, check=True, capture_output=True)
    assert {step for _, step in read_logs(tmp_path)} == {0, 1, 2}


# --- pasted alone ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["probe", *CLASSES])
def test_a_file_imports_only_keras_tensorflow_numpy_and_the_probe(name):
    modules = set()
    for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + node.module.split(".")[0])
    assert modules - set(sys.stdlib_module_names) <= {"keras", "tensorflow", "numpy", ".probe"}


@pytest.mark.parametrize("name", CLASSES)
def test_two_files_are_enough_in_a_package_of_any_name(name, tmp_path, monkeypatch):
    package = f"pasted_{name}"
    (tmp_path / package).mkdir()
    for file in ("probe", name):
        shutil.copy(FOLDER / f"{file}.py", tmp_path / package)
    monkeypatch.syspath_prepend(tmp_path)
    callback = getattr(importlib.import_module(f"{package}.{name}"), CLASSES[name])
    assert callback.__base__.__module__ == f"{package}.probe"


@pytest.mark.parametrize("name", CLASSES)
def test_the_example_runs_in_a_notebook_below_the_probe(name, tmp_path, monkeypatch, capsys):
    """Where nothing can be imported, the two files are pasted one after the other."""
    monkeypatch.chdir(tmp_path)  # the example writes there
    source = (FOLDER / f"{name}.py").read_text()
    code = textwrap.dedent(source.split("```python\n")[1].split("```")[0])
    source = re.sub(r"^from \.probe import (\([^)]*\)|.*)$", "", source, flags=re.MULTILINE)
    namespace = {"__name__": "__main__"}
    for pasted in ((FOLDER / "probe.py").read_text(), source, code):
        exec(pasted, namespace)
    if name == "distribution_logger":
        assert list(tmp_path.glob("logs/relu/events*"))
    else:
        assert "TrainingMonitor: dead units after epoch 2: " in capsys.readouterr().out
