"""DistributionLogger: the logged values are those of numpy, of a tape and of hand-made models."""

import resource
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks.distribution_logger import DistributionLogger, summarize
from callbacks.probe import Probe

layers = keras.layers
EPOCHS = 2


def data(examples=80, features=6, classes=3):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(examples, features)).astype("float32")
    return x, rng.integers(0, classes, examples)


def compiled(*stack, loss="sparse_categorical_crossentropy", **kwargs):
    model = keras.Sequential([keras.Input((6,)), *stack])
    model.compile(keras.optimizers.SGD(0.5), loss, **kwargs)
    return model


def plain_model(**kwargs):
    return compiled(
        layers.Dense(5, activation="relu", name="h1"),
        layers.Dense(4, activation="tanh", name="h2"),
        layers.Dense(3, activation="softmax", name="out"),
        **kwargs,
    )


def bn_dropout_model():
    return compiled(
        layers.Dense(5, name="h1", kernel_regularizer=keras.regularizers.L2(0.01)),
        layers.BatchNormalization(name="h1_bn"),
        layers.Activation("relu", name="h1_act"),
        layers.Dropout(0.3, name="h1_drop"),
        layers.Dense(3, activation="softmax", name="out"),
    )


class Spy(keras.callbacks.Callback):
    """Keeps all kernels before every batch and after every epoch."""

    def on_train_begin(self, logs=None):
        self.before_batch, self.after_epoch = {}, [self.kernels()]

    def kernels(self):
        return {layer.name: layer.kernel.numpy() for layer in self.model.layers}

    def on_train_batch_begin(self, batch, logs=None):
        self.before_batch[batch] = self.kernels()

    def on_epoch_end(self, epoch, logs=None):
        self.after_epoch.append(self.kernels())


def assert_histogram(rows, values):
    counts, edges = np.histogram(np.asarray(values, np.float64), 30)
    np.testing.assert_array_equal(np.asarray(rows)[:, 2], counts)
    np.testing.assert_allclose(np.asarray(rows)[:, :2], np.stack([edges[:-1], edges[1:]], axis=1))


@pytest.fixture(scope="module")
def served(tensorboard):
    """One logged fit of two epochs, read back through TensorBoard's own server."""
    keras.utils.set_random_seed(0)
    x, y = data()
    model, spy = plain_model(), Spy()
    logger = DistributionLogger(tensorboard.root / "plain", x[:50], y[:50])
    tapes = [tape_gradients(model, x[:50], y[:50])]
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: tapes.append(tape_gradients(model, x[:50], y[:50]))
    )
    model.fit(x, y, epochs=EPOCHS, batch_size=20, verbose=0, callbacks=[spy, logger, record])

    def get(tag, plugin="histograms/histograms", points=EPOCHS + 1):
        return tensorboard.get(plugin, "plain", tag, points=points)

    return get, model, spy, tapes, x[:50]


def tape_gradients(model, x, y):
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x))
    kernels = [layer.kernel for layer in model.layers]
    gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
    return {layer.name: g.numpy() for layer, g in zip(model.layers, gradients, strict=True)}


# --- values, through TensorBoard's server ---------------------------------------------------


def test_weight_histograms_count_as_numpy_before_training_and_after_each_epoch(served):
    get, _, spy, _, _ = served
    rows = get("weights/h1/kernel")
    assert [step for _, step, _ in rows] == [0, 1, 2]
    for (_, _, histogram), kernels in zip(rows, spy.after_epoch, strict=True):
        assert_histogram(histogram, kernels["h1"])


def test_activation_histograms_are_those_of_the_layers(served):
    get, model, _, _, x = served
    hidden = model.layers[0](x)
    assert_histogram(get("activations/h1")[-1][2], hidden)
    assert_histogram(get("activations/out")[-1][2], model(x))
    mean = get("activation_mean/h1", "scalars/scalars")[-1][2]
    std = get("activation_std/h1", "scalars/scalars")[-1][2]
    np.testing.assert_allclose([mean, std], [np.mean(hidden), np.std(hidden)], rtol=1e-5)


def test_gradients_are_those_of_a_tape(served):
    get, _, _, tapes, _ = served
    for name in ("h1", "h2", "out"):
        norms = [row[2] for row in get(f"gradient_norm/{name}/kernel", "scalars/scalars")]
        expected = [np.linalg.norm(tape[name]) for tape in tapes]
        np.testing.assert_allclose(norms, expected, rtol=1e-4)
    norms = [row[2] for row in get("gradient_norm/global", "scalars/scalars")]
    expected = [np.linalg.norm(np.concatenate([g.ravel() for g in t.values()])) for t in tapes]
    np.testing.assert_allclose(norms, expected, rtol=1e-4)
    last = np.asarray(get("gradients/out/kernel")[-1][2])
    np.testing.assert_allclose(
        [last[0, 0], last[-1, 1]], [tapes[-1]["out"].min(), tapes[-1]["out"].max()], rtol=1e-4
    )


def test_log10_gradients_leave_out_the_zeros(served):
    get, _, _, tapes, _ = served
    gradient = tapes[-1]["h1"]
    rows = np.asarray(get("gradients_log10/h1/kernel")[-1][2])
    assert rows[:, 2].sum() == np.count_nonzero(gradient)
    magnitudes = np.log10(np.abs(gradient[gradient != 0]))
    assert rows[-1, 1] == pytest.approx(magnitudes.max(), rel=1e-4)


def test_update_ratio_is_that_of_the_last_step(served):
    get, _, spy, _, _ = served
    rows = get("update_ratio/h2/kernel", "scalars/scalars", points=EPOCHS)
    assert [step for _, step, _ in rows] == [1, 2]  # nothing is updated before training
    before, after = spy.before_batch[3]["h2"], spy.after_epoch[-1]["h2"]  # 4 batches of 20
    assert rows[-1][2] == pytest.approx(
        np.linalg.norm(after - before) / np.linalg.norm(before), rel=1e-5
    )


def test_distributions_dashboard_answers(served):
    get = served[0]
    assert len(get("weights/h1/kernel", "distributions/distributions")) == EPOCHS + 1


# --- values, from the event files -----------------------------------------------------------


def fit(tmp_path, model, x, y, *, epochs=1, batch_size=20, probe=50, **options):
    logger = DistributionLogger(tmp_path, x[:probe], y[:probe], **options)
    return model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0, callbacks=[logger])


def test_update_ratio_averages_the_steps_of_the_last_execution(tmp_path, read_logs):
    x, y = data(160)
    model, spy = plain_model(steps_per_execution=3), Spy()  # 8 steps: 3 + 3 + 2
    logger = DistributionLogger(tmp_path, x, y)
    model.fit(x, y, batch_size=20, verbose=0, callbacks=[spy, logger])
    before, after = spy.before_batch[6]["h1"], spy.after_epoch[-1]["h1"]
    expected = np.linalg.norm(after - before) / np.linalg.norm(before) / 2
    assert read_logs(tmp_path)["update_ratio/h1/kernel", 1] == pytest.approx(expected, rel=1e-5)


def constants(*values):
    return lambda *_, **__: np.array(values)


def units():
    bias = constants(*[-1e3] * 3, *[0] * 5)
    return layers.Dense(8, name="h", bias_initializer=bias), layers.ReLU(name="act")


def channels():
    bias = constants(*[-1e3] * 3, *[1e3] * 5)
    convolution = layers.Conv1D(8, 3, activation="relu", name="act", bias_initializer=bias)
    return layers.Reshape((6, 1)), convolution, layers.Flatten()


@pytest.mark.parametrize("stack", [units, channels])
def test_dead_units_and_channels_are_counted(stack, tmp_path, read_logs):
    x, y = data()
    model = compiled(*stack(), layers.Dense(3, activation="softmax", name="out"))
    fit(tmp_path, model, x, y)
    logs = read_logs(tmp_path)
    assert logs["dead_units/act", 0] == logs["dead_units/act", 1] == 3
    zeros = np.mean(keras.Sequential(model.layers[:2])(x[:50]) == 0)
    assert logs["activation_zero_fraction/act", 1] == pytest.approx(zeros)
    assert not any("out" in tag for tag, _ in logs if tag.startswith("dead_units"))


def test_saturated_outputs_are_counted(tmp_path, read_logs):
    x, y = data()
    bias = constants(100.0, -100.0, 0.0, 0.0)
    options = {"kernel_initializer": "zeros", "bias_initializer": bias}
    stack = [layers.Dense(4, name, name=name, **options) for name in ("tanh", "sigmoid")]
    fit(tmp_path, compiled(*stack, layers.Dense(3, activation="softmax")), x, y)
    logs = read_logs(tmp_path)
    assert logs["saturated_fraction/tanh", 0] == logs["saturated_fraction/sigmoid", 0] == 0.5


def test_batch_normalization_shows_all_four_statistics(tmp_path, read_logs):
    x, y = data()
    model = bn_dropout_model()
    fit(tmp_path, model, x, y)
    logs = read_logs(tmp_path)
    for weight in model.get_layer("h1_bn").weights:
        assert_histogram(logs[f"weights/h1_bn/{weight.name}", 1], weight.numpy())


def test_training_or_inference_mode(tmp_path, read_logs):
    x, y = data()
    model = bn_dropout_model()
    for training in (True, False):
        fit(tmp_path / str(training), model, x, y, training=training)
    training, inference = (read_logs(tmp_path / name) for name in ("True", "False"))
    assert training["activation_mean/h1_bn", 0] == pytest.approx(0, abs=1e-5)  # batch statistics
    expected = model.get_layer("h1_bn")(model.get_layer("h1")(x[:50]), training=False)
    assert inference["activation_mean/h1_bn", 1] == pytest.approx(np.mean(expected), rel=1e-4)
    dropped = [logs["activations/h1_drop", 1][0, 2] for logs in (training, inference)]
    assert dropped[0] > dropped[1]


def test_every_counts_epochs_and_the_start_is_always_there(tmp_path, read_logs):
    x, y = data()
    fit(tmp_path, plain_model(), x, y, epochs=5, every=2)
    assert {step for _, step in read_logs(tmp_path)} == {0, 2, 4}


def test_kinds_and_layers_are_chosen(tmp_path, read_logs):
    x, y = data()
    logger = DistributionLogger(tmp_path, x, kinds=("weights",), layers=("h2",))  # needs no y
    plain_model().fit(x, y, verbose=0, callbacks=[logger])
    assert {tag for tag, _ in read_logs(tmp_path)} == {
        "weights/h2/kernel",
        "weights/h2/bias",
        "non_finite/weights",
        "update_ratio/h2/kernel",
    }
    fit(tmp_path / "b", plain_model(), x, y, kinds=("gradients",), layers=["out"])
    groups = {tag.split("/")[0] for tag, _ in read_logs(tmp_path / "b")}
    assert groups == {"gradients", "gradients_log10", "gradient_norm", "non_finite"}


def test_a_second_fit_goes_on(tmp_path, read_logs):
    x, y = data()
    model, logger = plain_model(), DistributionLogger(tmp_path, x, y)
    model.fit(x, y, epochs=1, verbose=0, callbacks=[logger])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x, y, initial_epoch=1, epochs=3, verbose=0, callbacks=[logger])
    logs = read_logs(tmp_path)
    assert {step for _, step in logs} == {0, 1, 2, 3}
    assert_histogram(logs["weights/h1/kernel", 3], model.layers[0].kernel.numpy())


# --- numbers that aren't, and models with something missing -----------------------------------


def test_non_finite_weights_are_counted_and_the_rest_is_drawn(tensorboard):
    x, y = data()
    model = plain_model()
    kernel = model.layers[0].kernel.numpy()
    kernel[0, :3] = np.nan, np.inf, -np.inf
    model.layers[0].kernel.assign(kernel)
    fit(tensorboard.root / "inf", model, x, y)  # NaN spreads in training

    def get(tag, plugin):
        return tensorboard.get(plugin, "inf", tag, points=2)

    first, last = (np.asarray(row[2]) for row in get("weights/h1/kernel", "histograms/histograms"))
    assert np.all(np.isfinite(first))
    assert first[:, 2].sum() == kernel.size - 3
    assert last[:, 2].sum() == 0
    counts = [row[2] for row in get("non_finite/weights/h1/kernel", "scalars/scalars")]
    assert counts == [3, kernel.size]
    assert get("non_finite/weights", "scalars/scalars")[0][2] == 3
    assert get("non_finite/activations", "scalars/scalars")[0][2] > 0
    assert get("non_finite/gradients", "scalars/scalars")[0][2] > 0


def test_layers_without_weights_and_a_frozen_model(tmp_path, read_logs):
    x, y = data()
    model = compiled(
        layers.Activation("relu", name="act"), layers.Dense(3, activation="softmax", name="out")
    )
    model.get_layer("out").trainable = False
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The model does not have any trainable weights")
        fit(tmp_path, model, x, y)
    logs = read_logs(tmp_path)
    assert {tag for tag, _ in logs if tag.startswith("weights")} == {
        "weights/out/kernel",
        "weights/out/bias",
    }
    assert logs["gradient_norm/global", 1] == 0  # there is no kernel to train


def test_unconnected_parameters_get_zero_gradients(tmp_path, read_logs):
    class Unconnected(keras.Model):
        def __init__(self):
            super().__init__()
            self.used = layers.Dense(3, activation="softmax", name="used")
            self.unused = layers.Dense(4, name="unused")

        def call(self, x):
            self.unused(x)
            return self.used(x)

    x, y = data()
    model = Unconnected()
    model.compile("sgd", "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Gradients do not exist")
        fit(tmp_path, model, x, y)
    logs = read_logs(tmp_path)
    assert logs["gradient_norm/unused/kernel", 1] == 0
    assert logs["gradients/unused/kernel", 1][:, 2].sum() == 6 * 4
    assert logs["gradients_log10/unused/kernel", 1][:, 2].sum() == 0
    assert logs["gradient_norm/used/kernel", 1] > 0


def test_regularizers_are_part_of_the_gradient_but_not_of_the_loss():
    x, y = data()
    model = bn_dropout_model()
    loss, _, gradients = Probe(model, x, y, training=False)()
    kernel = model.get_layer("h1").kernel
    kernel.regularizer = None
    expected_loss, _, without = Probe(model, x, y, training=False)()
    assert loss == pytest.approx(expected_loss, rel=1e-6)
    np.testing.assert_allclose(
        gradients["h1/kernel"] - without["h1/kernel"], 0.02 * kernel.numpy(), atol=1e-6
    )


# --- summarize ---------------------------------------------------------------------------------


def summary_of(*args, **kwargs):
    return {
        value.tag: value.simple_value
        if value.WhichOneof("value") == "simple_value"
        else tf.make_ndarray(value.tensor)
        for value in summarize(*args, **kwargs).value
    }


@pytest.mark.parametrize("value", [0.0, 0.3, -7.0, 1e9, -1e16, 1e30])
def test_one_value_alone_has_a_histogram(value):
    rows = summary_of({"a/kernel": np.full(3, value)})["weights/a/kernel"]
    assert rows[:, 2].sum() == 3
    assert (rows[:, 0] < rows[:, 1]).all()
    (left, right, _), *others = rows[rows[:, 2] > 0]
    assert not others
    assert left <= value <= right
    if abs(value) < 1e6:
        assert (rows[0, 0], rows[-1, 1]) == (value - 0.5, value + 0.5)


def test_summarize_takes_any_arrays():
    values = np.random.default_rng(0).normal(size=(40, 30)).astype("float32")
    summary = summary_of({"a/kernel": values}, update_ratios={"a/kernel": 0.25})
    assert_histogram(summary["weights/a/kernel"], values)
    assert summary["update_ratio/a/kernel"] == 0.25
    assert summary["non_finite/weights"] == 0


@pytest.mark.parametrize(
    "values",
    [
        np.full(10, 3.0, "float32"),
        np.zeros(10, "float32"),
        np.float32([1, np.nextafter(np.float32(1), np.float32(2))]),
        np.float32([-3e38, 3e38]),
        np.float32([1e-45, 2e-45]),
        np.zeros((0, 3), "float32"),
        np.full((2, 3), np.nan, "float32"),
    ],
    ids=["constant", "zero", "neighbours", "huge", "subnormal", "empty", "nan"],
)
def test_summarize_takes_extreme_values(values):
    summary = summary_of(
        {"a": values}, {"a": values}, {"a": values}, activation_names={"a": "relu"}
    )
    finite = np.isfinite(values).sum()
    for kind in ("weights", "activations", "gradients"):
        assert np.all(np.isfinite(summary[f"{kind}/a"]))
        assert summary[f"{kind}/a"][:, 2].sum() == finite
        assert summary[f"non_finite/{kind}"] == values.size - finite


# --- mistakes and accidents --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every must be a whole number, at least 1; got 0."),
        ({"every": 2.5}, "every must be a whole number, at least 1; got 2.5."),
        ({"every_batches": 0}, "every_batches must be a whole number, at least 1; got 0."),
        ({"kinds": "weights"}, "kinds must be some of"),
        ({"kinds": ("weights", "biases")}, "kinds must be some of"),
        ({"kinds": ()}, "kinds must be some of"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message) as error:
        DistributionLogger(tmp_path, *data(), **options)
    assert "\n" not in str(error.value)


def test_a_probe_that_does_not_fit_stops_before_training(tmp_path):
    model = plain_model()
    before = model.get_weights()
    x, y = data()
    with pytest.raises(ValueError, match=r"take the probe x: float32 \(80, 4\)"):
        model.fit(x, y, verbose=0, callbacks=[DistributionLogger(tmp_path, x[:, :4], y)])
    assert model.optimizer.iterations == 0
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_unknown_layers_are_named(tmp_path):
    x, y = data()
    with pytest.raises(ValueError, match=r"no layers \['h9'\], only \['h1', 'h2', 'out'\]"):
        fit(tmp_path, plain_model(), x, y, layers=["h1", "h9"])


def test_a_directory_that_can_not_be_written_to_stops_before_training(tmp_path):
    x, y = data()
    (tmp_path / "file").write_text("")
    model = plain_model()
    with pytest.raises(OSError, match=r"Can't write to log_dir .* is not a directory"):
        fit(tmp_path / "file", model, x, y)
    assert model.optimizer.iterations == 0


def test_a_full_disk_ends_the_logs_but_not_the_training(tmp_path, read_logs):
    x, y = data()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill_the_disk(epoch, logs=None):
        if epoch == 1:
            size = max(path.stat().st_size for path in tmp_path.iterdir())
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))

    accident = keras.callbacks.LambdaCallback(on_epoch_begin=fill_the_disk)
    logger = DistributionLogger(tmp_path, x, y)
    try:
        with pytest.warns(UserWarning, match="Training goes on, but without logs: .*") as caught:
            history = plain_model().fit(x, y, epochs=4, verbose=0, callbacks=[logger, accident])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert len(history.history["loss"]) == 4
