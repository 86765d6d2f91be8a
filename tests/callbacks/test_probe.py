"""The probe: every weight has a name, mistakes say their cause, large outputs become a sample."""

import keras
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf

from callbacks.distribution_logger import DistributionLogger, summarize
from callbacks.probe import SAMPLE, Probe, cause, named_layers, probe_batch, sublayers
from callbacks.training_monitor import TrainingMonitor

layers = keras.layers


def data(examples=50, classes=3):
    rng = np.random.default_rng(0)
    return rng.normal(size=(examples, 6)).astype("float32"), rng.integers(0, classes, examples)


def compiled(*stack, loss="sparse_categorical_crossentropy", shape=(6,), **options):
    model = keras.Sequential([keras.Input(shape, **options), *stack])
    model.compile("sgd", loss)
    return model


# --- names ---------------------------------------------------------------------------------------


class Block(layers.Layer):
    """Two layers of which the one's name ends like the block's own, and a weight of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.down = layers.Dense(4, activation="relu", name="down_block")
        self.up = layers.Dense(6, name="up_block")

    def build(self, shape):
        self.scale = self.add_weight(shape=(6,), name="scale", initializer="ones")
        self.down.build(shape)
        self.up.build((None, 4))

    def call(self, x):
        return x + self.scale * self.up(self.down(x))


class Namesakes(keras.Model):
    """Two layers with one name, a weight of the model's own."""

    def __init__(self):
        super().__init__()
        self.first, self.second = layers.Dense(6, name="fc"), layers.Dense(3, name="fc")
        self.temperature = self.add_weight(shape=(), name="temperature", initializer="ones")

    def call(self, x):
        return keras.ops.softmax(self.second(self.first(x)) / self.temperature)


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.h1, self.out = layers.Dense(5, name="h1"), layers.Dense(3, name="out")

    def call(self, x):  # without a training argument
        return keras.ops.softmax(self.out(keras.ops.relu(self.h1(x))))


class Transposed(layers.Layer):
    """Has the kernel of another layer, as its own."""

    def __init__(self, other, **kwargs):
        super().__init__(**kwargs)
        self._others = lambda: other

    def build(self, shape):
        self.kernel = self._others().kernel

    def call(self, x):
        return keras.ops.matmul(x, keras.ops.transpose(self.kernel))


def bidirectional():
    return compiled(
        layers.Bidirectional(layers.SimpleRNN(4, name="rnn"), name="both"),
        layers.Dense(3, "softmax", name="out"),
        shape=(5, 2),
    )


def attention():
    x = keras.Input((5, 4))
    h = layers.MultiHeadAttention(2, 3, name="mha")(x, x)
    model = keras.Model(x, layers.Dense(3, "softmax", name="out")(layers.Flatten()(h)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def block():
    return compiled(Block(name="block"), layers.Dense(3, "softmax", name="out"))


def namesakes():
    model = Namesakes()
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def without_input():
    stack = layers.Dense(5), layers.BatchNormalization(name="bn"), layers.Dense(3, name="out")
    model = keras.Sequential([*stack])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def subclassed():
    model = Subclassed()
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=True)
    return model


def nested():
    innermost = keras.Sequential([layers.Dense(4, activation="relu", name="h2")], name="innermost")
    inner = keras.Sequential([layers.Dense(5, name="h1"), innermost], name="inner")
    return compiled(inner, layers.Dense(3, "softmax", name="out"))


def shared():
    x = keras.Input((6,))
    layer = layers.Dense(6, activation="tanh", name="shared")
    h = layers.Add(name="add")([layer(x), layer(layer(x))])
    model = keras.Model(x, layers.Dense(3, activation="softmax", name="out")(h))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


# How to build it, the shape of an example, kernels, other weights and layers without a kernel.
MODELS = {
    "bidirectional": (
        bidirectional,
        (5, 2),
        {
            "both/forward_rnn/simple_rnn_cell/kernel",
            "both/backward_rnn/simple_rnn_cell/recurrent_kernel",
        },
        {"both/forward_rnn/simple_rnn_cell/bias"},
        {"both", "both/forward_rnn", "both/backward_rnn", "out"},
    ),
    "attention": (
        attention,
        (5, 4),
        {f"mha/{name}/kernel" for name in ("query", "key", "value", "attention_output")},
        {"mha/key/bias"},
        {"mha", "mha/query", "mha/key", "mha/value", "mha/attention_output"},
    ),
    "custom layer": (
        block,
        (6,),
        {"block/down_block/kernel", "block/up_block/kernel"},
        {"block/scale", "block/up_block/bias"},
        {"block", "block/down_block", "block/up_block", "out"},
    ),
    "two layers of one name": (
        namesakes,
        (6,),
        {"fc/kernel", "fc_1/kernel"},
        {"temperature"},
        {"fc", "fc_1"},
    ),
    "without Input": (without_input, (6,), {"out/kernel"}, {"bn/moving_mean"}, {"bn", "out"}),
    "subclassed, jit_compile": (subclassed, (6,), {"h1/kernel"}, {"out/bias"}, {"h1", "out"}),
    "nested": (
        nested,
        (6,),
        {"inner/h1/kernel", "inner/innermost/h2/kernel", "out/kernel"},
        {"inner/h1/bias"},
        {"inner/h1", "inner/innermost/h2", "out"},
    ),
    "functional, shared layer": (
        shared,
        (6,),
        {"shared/kernel", "out/kernel"},
        {"shared/bias"},
        {"shared", "add", "out"},
    ),
}


@pytest.mark.first_cases(3)
@pytest.mark.parametrize("name", MODELS)
def test_no_weight_and_no_output_is_lost(name, tmp_path, read_logs):
    build, shape, kernels, others, outputs = MODELS[name]
    model = build()
    x = np.random.default_rng(0).normal(size=(20, *shape)).astype("float32")
    y = np.arange(20) % 3
    model.fit(
        x, y, verbose=0, callbacks=[DistributionLogger(tmp_path, x, y), TrainingMonitor(x, y)]
    )
    # Nothing is left behind.
    assert not any("call" in vars(layer) for layer in named_layers(model).values())
    logs = read_logs(tmp_path)
    for step in (0, 1):
        logged = {tag for tag, logged_step in logs if logged_step == step}
        assert {f"weights/{each}" for each in kernels | others} <= logged
        assert {f"gradients/{each}" for each in kernels} <= logged
        assert {f"activations/{each}" for each in outputs} <= logged
        assert not any(tag.endswith("rnn_cell") for tag in logged)  # it runs in a loop
        assert sum(tag.startswith("weights/") for tag in logged) == len(model.weights)
        assert logs["gradient_norm/global", step] > 0
    assert {f"update_ratio/{each}" for each in kernels} <= logged


def test_a_weight_of_two_layers_has_one_name_and_all_of_the_gradient():
    x, y = data()
    first = layers.Dense(6, use_bias=False, name="a")
    model = compiled(first, Transposed(first, name="b"), layers.Dense(3, "softmax", name="out"))
    probe = Probe(model, x, y)
    assert "a/kernel" in probe.weights
    assert len({id(weight) for weight in probe.weights.values()}) == len(probe.weights)
    _, _, gradients = probe()
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=x, y=y, y_pred=model(x, training=True))
    expected = tape.gradient(loss, first.kernel.value)
    np.testing.assert_allclose(gradients["a/kernel"], expected, rtol=1e-4, atol=1e-7)


def test_a_layer_is_chosen_with_what_is_in_it():
    model = block()
    probe = Probe(model, *data(), layers=["block"])
    assert set(probe.layers) == {"block", "block/down_block", "block/up_block"}
    assert "block/scale" in probe.weights
    assert not any(name.startswith("out") for name in probe.weights)


def test_biases_with_several_axes_are_no_kernels():
    x = np.zeros((4, 5, 4), "float32")
    assert set(Probe(attention(), x, np.zeros(4)).kernels) == {
        *(f"mha/{name}/kernel" for name in ("query", "key", "value", "attention_output")),
        "out/kernel",
    }


def test_keras_still_tells_the_layers_of_a_layer():
    """The one name that isn't public."""
    each = Block()
    assert sublayers(each) == [each.down, each.up]
    model = bidirectional()
    assert [layer for layer in sublayers(model) if layer in model.layers] == model.layers


# --- causes --------------------------------------------------------------------------------------


def softmax():
    return compiled(layers.Dense(3, "softmax"))


def sum_of_two():
    a, b = keras.Input((6,), name="a"), keras.Input((6,), name="b")
    model = keras.Model({"a": a, "b": b}, layers.Dense(3, "softmax")(layers.Add()([a, b])))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


class TakesTwo(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3, "softmax")

    def build(self, shape):
        self.dense.build((None, 6))

    def call(self, x):
        return self.dense(x["a"] + x["b"])


def takes_two():
    model = TakesTwo()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.build({"a": (None, 6), "b": (None, 6)})
    return model


def stateful():
    stack = layers.LSTM(3, stateful=True), layers.Dense(3, "softmax")
    return compiled(*stack, shape=(4, 2), batch_size=10)


X, Y = data()
CAUSES = {
    "one-hot labels with a sparse loss": (softmax, X, np.eye(3)[Y], "must have rank"),
    "labels from 1": (softmax, X, Y + 1, "y: int64 (50,) from 1 to 3: Received a label value of 3"),
    "strings": (softmax, X, np.array(["a", "b"])[Y % 2], "Cast string to float is not supported"),
    "a missing feature": (sum_of_two, {"a": X}, Y, 'Missing data for input "b"'),
    "a missing feature of call()": (takes_two, {"a": X}, Y, "KeyError b"),
    "a stateful batch": (stateful, np.zeros((7, 4, 2), "float32"), Y[:7], "stateful"),
    "a shape": (softmax, X[:, :4], Y, "x: float32 (50, 4), y: "),
    "targets missing": (softmax, X, None, "y: None: None values not supported"),
    "a shape of targets": (softmax, X, np.zeros((50, 2), "float32"), "y: float32 (50, 2): "),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_cause_is_in_the_message(name, tmp_path):
    build, x, y, expected = CAUSES[name]
    model = build()
    logger = DistributionLogger(tmp_path, x, y)
    logger.set_model(model)

    def start():
        logger.on_train_begin()
        logger.on_epoch_begin(0)

    with pytest.raises(ValueError, match="doesn't take the probe x: ") as error:
        start()
    message = str(error.value)
    assert expected in message
    assert "\n" not in message
    assert len(message) < 700


def test_out_of_memory_asks_for_fewer_examples(monkeypatch):
    model = softmax()

    def exhausted(**_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")

    monkeypatch.setattr(model, "compute_loss", exhausted)
    with pytest.raises(ValueError, match=r"allocating\. Pass fewer examples as the probe\.$"):
        Probe(model, X, Y)


def test_the_cause_of_a_memory_error_of_numpy_is_its_message():
    with pytest.raises(MemoryError) as error:
        np.empty(2**59)
    assert cause(error.value).startswith("Unable to allocate 4.00 EiB for an array with shape")


# --- kinds of probe ------------------------------------------------------------------------------


class Batches(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return X[10 * index : 10 * index + 10], Y[10 * index : 10 * index + 10], np.ones(10)


@pytest.mark.parametrize(
    "probe",
    [
        lambda: (tf.data.Dataset.from_tensor_slices((X, Y)).batch(10), None),
        lambda: (Batches(), None),
        lambda: (scipy.sparse.csr_matrix(X[:10]), Y[:10]),
        lambda: (tf.sparse.from_dense(X[:10]), tf.constant(Y[:10])),
    ],
    ids=["tf.data", "PyDataset", "scipy.sparse", "SparseTensor"],
)
def test_one_batch_is_taken(probe, tmp_path):
    logger = DistributionLogger(tmp_path, *probe())
    np.testing.assert_array_equal(logger.x, X[:10])
    np.testing.assert_array_equal(logger.y, Y[:10])


@pytest.mark.parametrize(
    "texts",
    [
        tf.constant(["a b", "ü", "b"]),
        np.array(["a b", "ü", "b"], object),
        np.array(["a b", "ü", "b"]),
    ],
    ids=["tensor of bytes", "objects", "NumPy's type"],
)
def test_a_model_takes_strings_of_any_type(texts):
    vectorize = layers.TextVectorization(vocabulary=["a", "b", "ü"], output_mode="count")
    model = compiled(vectorize, layers.Dense(3, "softmax", name="out"), shape=(), dtype="string")
    x, y = probe_batch(texts, Y[:3])
    counts = np.array([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 1, 0]])  # of unknown words, a, b, ü
    expected = model.compute_loss(y=y, y_pred=model.get_layer("out")(counts))
    assert Probe(model, x, y)()[0] == pytest.approx(float(expected), rel=1e-5)


class TensorWithGradients:
    """What PyTorch's tensor does."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use detach() first.")


def generator():
    yield X, Y


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X[:0], Y[:0], r"one length above 0; got x: float32 \(0, 6\), "),
        (X[:5], Y[:4], "one length above 0; got x: "),
        (3, 4, "one length above 0; got x: "),
        (tf.data.Dataset.range(0), None, "one length above 0; got x: None, y: None"),
        (generator(), None, r"got a generator.* pass a batch, x, y = next\(iter\(dataset\)\)"),
        (tf.ragged.constant([[1.0, 2.0], [3.0]]), Y[:2], "RaggedTensor.* of ragged rows padded"),
        (TensorWithGradients(), Y, r"got a TensorWithGradients \(Can't call numpy\(\) on Tensor"),
        (X.tolist(), Y, r"one length above 0; got x: .{0,250}\.\.\., y: .* np.asarray"),
        ([[1.0, 2.0], [3.0]], Y[:2], "one length above 0"),
        (np.array([[1, 2], [3]], object), Y[:2], "padded"),
    ],
    ids=[
        "empty",
        "two lengths",
        "numbers",
        "empty data set",
        "generator",
        "RaggedTensor",
        "PyTorch",
        "rows",
        "ragged rows",
        "ragged array",
    ],
)
def test_what_is_no_batch_is_named(x, y, message, tmp_path):
    with pytest.raises(ValueError, match=message) as error:
        DistributionLogger(tmp_path, x, y)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_unknown_layers_of_a_large_model_are_a_short_message():
    model = compiled(*(layers.Dense(3, name=f"layer_{n}") for n in range(40)), loss="mse")
    with pytest.raises(ValueError, match="no layers") as error:
        Probe(model, *data(), layers=["nowhere"])
    assert len(str(error.value)) < 300


# --- what comes out ------------------------------------------------------------------------------


def large(activation="relu"):
    """Outputs of 50 × 1000 values; 70 units are dead."""
    model = compiled(
        layers.Dense(1000, activation, name="h"), layers.Dense(3, "softmax", name="out"), shape=(6,)
    )
    bias = np.zeros(1000)
    bias[:70] = -1000.0
    model.layers[0].bias.assign(bias)
    return model


def test_of_a_large_output_a_sample_comes_out_and_counts_of_the_whole():
    x, y = data()
    model = large()
    output = Probe(model, x, y)()[1]["h"]
    whole = model.layers[0](x).numpy()
    assert output.values.shape == (SAMPLE,)
    assert output.dead_units == np.sum(np.all(whole == 0, axis=0)) >= 70
    assert (output.units, output.non_finite) == (1000, 0)
    assert set(output.values) <= set(whole.ravel())
    # 10,000 drawn: five standard errors.
    assert np.mean(output.values) == pytest.approx(whole.mean(), abs=float(5 * whole.std() / 100))
    assert np.mean(output.values == 0) == pytest.approx(np.mean(whole == 0), abs=0.025)


def test_the_histogram_of_a_sample_is_that_of_numpy_at_the_same_places(tmp_path, read_logs):
    x, y = data()
    model = large()
    model.fit(x, y, verbose=0, callbacks=[DistributionLogger(tmp_path, x, y)])
    places = tf.random.stateless_uniform([SAMPLE], (0, 0), 0, 50 * 1000, tf.int32).numpy()
    values = model.layers[0](x).numpy().ravel()[places]
    rows = read_logs(tmp_path)["activations/h", 1]
    assert rows[:, 2].sum() == SAMPLE
    counts, edges = np.histogram(values.astype("float64"), 30)
    np.testing.assert_allclose(rows[:, 0], edges[:-1], atol=1e-5)
    assert np.abs(rows[:, 2] - counts).sum() < 0.01 * SAMPLE  # some lie on an edge


def test_one_nan_in_a_large_output_is_counted():
    x, y = data()
    x[7, 2] = np.nan
    output = Probe(large("linear"), x, y)()[1]["h"]
    assert output.non_finite == 1000
    summary = summarize(activations={"h": output})
    counts = {v.tag: v.simple_value for v in summary.value if v.tag.startswith("non_finite")}
    assert counts == {"non_finite/activations": 1000, "non_finite/activations/h": 1000}


def test_an_output_without_values_is_not_shown():
    inputs = keras.Input((6,))
    nothing = layers.Lambda(lambda x: x[:, :0], name="nothing")(inputs)
    joined = layers.Concatenate(name="joined")([inputs, nothing])
    model = keras.Model(inputs, layers.Dense(3, "softmax", name="out")(joined))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert set(Probe(model, *data())()[1]) == {"joined", "out"}


def test_small_outputs_come_out_whole():
    x, y = data()
    model = block()
    outputs = Probe(model, x, y)()[1]
    expected = model.layers[0](x).numpy()
    np.testing.assert_allclose(outputs["block"].values, expected.ravel(), rtol=1e-5, atol=1e-6)


def test_of_a_network_with_large_outputs_fewer_examples_are_looked_at(
    tmp_path, capsys, monkeypatch
):
    x, y = data()
    monkeypatch.setattr("callbacks.probe.VALUES", 20 * 1003)
    model = large()
    model.fit(x, y, verbose=0, callbacks=[DistributionLogger(tmp_path, x, y)])
    said = "DistributionLogger: looks at 20 of the 50 probe examples, to save memory.\n"
    assert said in capsys.readouterr().out
    probe = Probe(model, x, y)
    loss, outputs, _ = probe()
    assert loss == pytest.approx(float(model.compute_loss(x=x, y=y[:20], y_pred=model(x[:20]))))
    whole = model.layers[0](x[:20]).numpy()
    assert outputs["h"].dead_units == np.sum(np.all(whole == 0, axis=0))


@pytest.mark.parametrize(
    ("kinds", "kernels"), [(["weights"], {"dense/kernel"}), (["gradients"], set())]
)
def test_kernels_are_kept_only_to_show_updates(kinds, kernels):
    model = compiled(layers.Dense(3, "softmax", name="dense"))
    probe = Probe(model, X, Y, kinds=kinds)
    probe.before_batch(1)
    model.train_on_batch(X, Y)
    assert set(probe.update_ratios()) == kernels


def test_layers_that_give_the_predictions_are_known():
    x = keras.Input((6,))
    hidden = layers.Dense(4, "tanh", name="hidden")(x)
    image = layers.Reshape((2, 2), name="image")(layers.Dense(4, "sigmoid", name="pixels")(hidden))
    sign = keras.ops.squeeze(layers.Dense(1, "tanh", name="sign")(hidden), -1)
    model = keras.Model(x, [image, sign])
    model.compile("sgd", ["mse", "mse"])
    probe = Probe(model, X, [np.zeros((50, 2, 2), "float32"), np.zeros(50, "float32")])
    assert probe.final == {"pixels", "image", "sign"}
