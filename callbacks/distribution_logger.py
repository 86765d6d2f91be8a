"""Distributions of weights, activations and gradients for TensorBoard, from plain `model.fit`."""

import contextlib
import copy
import functools
import itertools
import os
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

KINDS = ("weights", "activations", "gradients")


class DistributionLogger(keras.callbacks.Callback):
    """Logs how weights, activations and gradients are distributed, layer by layer.

    Before training (step 0) and after every `every`-th epoch (step e + 1 after epoch e), one
    compiled pass over a fixed probe batch gives the output of every layer and the gradient of
    every kernel. Training isn't changed: weights and history keep the same bits.

    HISTOGRAMS and DISTRIBUTIONS show, of the finite values:

    - `weights/<layer>/<weight>`: every weight; of batch normalization gamma, beta and the moving
      statistics.
    - `activations/<layer>`: the layer's output. Its spread should stay alike from layer to layer
      (Glorot & Bengio 2010); piles at 0 (ReLU) or at ±1 (tanh) are units that don't learn.
    - `gradients/<layer>/<kernel>`, and `gradients_log10/...`: the orders of magnitude of those
      other than 0. A peak that moves left from layer to layer towards the input is a vanishing
      gradient.

    SCALARS shows, for each layer or kernel:

    - `activation_mean`, `activation_std`.
    - `activation_zero_fraction`, `dead_units` (ReLU): the share of zeros; the number of units
      (of channels in a convolution: the last axis) that are zero for the whole probe.
    - `saturated_fraction` (tanh, sigmoid): the share of outputs beyond ±0.97, or outside 0.03 to
      0.97.
    - `gradient_norm`: the L2 norm, and `gradient_norm/global` that of all these kernels together.
    - `update_ratio`: ‖update‖ / ‖kernel‖ of the epoch's last training step (the mean over the
      last execution if `steps_per_execution` > 1). Healthy is about 1e-3; far above, the learning
      rate is too high, far below too low (CS231n, "Neural Networks Part 3"). Not logged when Keras
      doesn't know the number of steps of an epoch.
    - `non_finite`: how many values are NaN or Inf, by kind and, where there are any, by name.

    Cards line up by name, so name the layers: `h1`, `h1_bn`, `h1_act`, `h2`... A layer of a nested
    model is called `inner/h1`. A layer that is called repeatedly shows its last output, one that
    returns several tensors its first.

    A second `fit` writes on into the same directory, from the step that `initial_epoch` says. A
    deep copy, as keras-tuner makes one for each execution of a trial, writes into a subdirectory
    of its own, `fit-0`, `fit-1`... in order of training.

    Args:
        log_dir: Directory of this run's logs. Keras's TensorBoard callback may have the same.
        x: Probe inputs as `fit` takes them, an array or a nest of arrays. About 100 examples of
            the training data are enough; the outputs of all layers are held in memory at once.
        y: Probe targets; only gradients need them.
        every: Epochs from one snapshot to the next.
        kinds: What to log: some of "weights", "activations", "gradients".
        layers: Names of the layers to log; None for all.
        training: True shows what training sees (batch statistics, dropout), False inference.

    Raises:
        ValueError: before the first training step, if an argument is wrong, or the model or its
            loss doesn't take the probe batch.
        OSError: before the first training step, if `log_dir` can't be written to.

    When writing fails later (disk full), one warning says so and training goes on without logs.

    Example:
    ```python
    x, y = np.random.rand(1000, 20).astype("float32"), np.random.randint(0, 3, 1000)
    model = keras.Sequential([
        keras.layers.Dense(50, activation="relu", name="h1"),
        keras.layers.Dense(3, activation="softmax", name="out"),
    ])
    model.compile("adam", "sparse_categorical_crossentropy")
    logger = DistributionLogger("logs/relu", x[:100], y[:100])
    model.fit(x, y, epochs=10, callbacks=[logger])  # then: tensorboard --logdir logs
    ```
    """

    def __init__(self, log_dir, x, y=None, *, every=1, kinds=KINDS, layers=None, training=True):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be a whole number of epochs, at least 1; got {every!r}.")
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"kinds must be some of {KINDS}; got {kinds!r}.")
        self.log_dir = os.fspath(log_dir)
        self.x, self.y = probe_batch(x, y)
        self.every, self.kinds, self.layers, self.training = every, kinds, layers, training
        self._is_copy = False
        self._probe = self._log = None

    def __deepcopy__(self, memo):
        clone = copy.copy(self)  # what can't be copied deep, on_train_begin makes anew
        clone._is_copy = True
        return clone

    def on_train_begin(self, logs=None):
        """Prepare the probe and open the log."""
        self._probe = Probe(
            self.model,
            self.x,
            self.y,
            layers=self.layers,
            training=self.training,
            with_gradients="gradients" in self.kinds,
        )
        self._due = self._before_training = True
        if self._is_copy:
            self.log_dir, self._is_copy = free_subdirectory(self.log_dir), False
        self._log = Log(self.log_dir)

    def on_epoch_begin(self, epoch, logs=None):
        """Log the distributions before training."""
        if self._before_training:
            self._before_training = False
            self._snapshot(step=epoch)
        self._due = (epoch + 1) % self.every == 0

    def on_train_batch_begin(self, batch, logs=None):
        """Keep the kernels before the last update."""
        if self._due:
            self._probe.before_batch(batch, self.params.get("steps"))

    def on_epoch_end(self, epoch, logs=None):
        """Log the distributions."""
        if self._due:
            self._snapshot(step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the log."""
        self._log.close()
        self._probe = self._log = None

    def _snapshot(self, step):
        arrays = {"weights": {name: w.numpy() for name, w in self._probe.weights.items()}}
        if set(self.kinds) != {"weights"}:
            _, arrays["activations"], arrays["gradients"] = self._probe()
        summary = summarize(
            **{kind: arrays[kind] for kind in self.kinds},
            update_ratios=self._probe.update_ratios() if "weights" in self.kinds else None,
            activation_names=self._probe.activation_names,
        )
        self._log.write(summary, step)


def summarize(
    weights=None,
    activations=None,
    gradients=None,
    *,
    update_ratios=None,
    activation_names=None,
    bins=30,
):
    """Turn arrays into one `Summary`: the histograms and scalars that `DistributionLogger` shows.

    To write it with a writer of `tf.summary`:
    `tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)`.

    Args:
        weights: {"h1/kernel": array}, any weights.
        activations: {"h1_act": array of shape (examples, ..., units)}.
        gradients: {"h1/kernel": array}, the gradients of kernels.
        update_ratios: {"h1/kernel": ‖update‖ / ‖kernel‖}.
        activation_names: {"h1_act": "relu"}: which activations to search for dead ("relu",
            "relu6") or saturated ("tanh", "sigmoid") units.
        bins: Bins of a histogram, of equal width from the smallest to the largest value.

    Returns:
        A `tf.compat.v1.Summary`.
    """
    summary = tf.compat.v1.Summary()

    def add_scalar(tag, value):
        summary.value.add(tag=tag, simple_value=value)

    def add_histogram(tag, values):
        value = summary.value.add(tag=tag)
        value.metadata.plugin_data.plugin_name = "histograms"
        value.metadata.data_class = 2  # tensor
        rows = histogram(values, bins)
        value.tensor.dtype = tf.float64.as_datatype_enum
        for size in rows.shape:
            value.tensor.tensor_shape.dim.add(size=size)
        value.tensor.tensor_content = rows.tobytes()

    def add_kind(kind, arrays):
        """Add the histograms and non-finite counts; return {name: finite values}."""
        finite, total_non_finite = {}, 0
        for name, array in arrays.items():
            values = np.asarray(array, np.float64)  # the squares of large float32 overflow
            # One Inf or NaN blanks TensorBoard's whole card: it is counted instead.
            finite[name] = values[np.isfinite(values)]
            add_histogram(f"{kind}/{name}", finite[name])
            if non_finite := values.size - finite[name].size:
                add_scalar(f"non_finite/{kind}/{name}", non_finite)
            total_non_finite += non_finite
        add_scalar(f"non_finite/{kind}", total_non_finite)
        return finite

    if weights is not None:
        add_kind("weights", weights)
    for name, ratio in (update_ratios or {}).items():
        add_scalar(f"update_ratio/{name}", ratio)

    if activations is not None:
        for name, values in add_kind("activations", activations).items():
            if values.size == 0:
                continue
            add_scalar(f"activation_mean/{name}", values.mean())
            add_scalar(f"activation_std/{name}", values.std())
            function = (activation_names or {}).get(name)
            if function in RECTIFIERS:
                add_scalar(f"activation_zero_fraction/{name}", np.mean(values == 0))
                add_scalar(f"dead_units/{name}", dead_units(activations[name]))
            elif function in STEEP:
                add_scalar(f"saturated_fraction/{name}", saturated_fraction(values, function))

    if gradients is not None:
        norms = []
        for name, values in add_kind("gradients", gradients).items():
            add_histogram(f"gradients_log10/{name}", np.log10(np.abs(values[values != 0])))
            norms.append(l2_norm(gradients[name]))
            add_scalar(f"gradient_norm/{name}", norms[-1])
        add_scalar("gradient_norm/global", l2_norm(norms))

    return summary


def histogram(values, bins):
    """Return [left, right, count] of bins of equal width, (bins, 3), like `np.histogram`.

    A third of its time: that a rounding error may put a value into the bin beside is no matter.
    """
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    if low == high:
        around = max(0.5, 1e-9 * abs(low))  # half of one is nothing beside a float of 1e16
        low, high = low - around, high + around
    places = ((values - low) * (bins / (high - low))).astype(np.intp)
    counts = np.bincount(np.minimum(places, bins - 1), minlength=bins)
    edges = np.linspace(low, high, bins + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


# From here on distribution_logger.py and training_monitor.py are the same, to be pasted one by one.

RECTIFIERS = ("relu", "relu6")  # a unit that gives only zeros is dead
# Outside these outputs the slope is below 6 % (tanh) or 12 % (sigmoid) of its maximum.
STEEP = {"tanh": (-0.97, 0.97), "sigmoid": (0.03, 0.97)}
# Small gradients survive in float16; in float32 a power of two changes no bit.
LOSS_SCALE = 2.0**10


class Probe:
    """Looks into a model with one compiled pass over a fixed batch, and changes nothing in it.

    In a `keras.StatelessScope` no variable is updated: even with `training=True` the batch
    statistics, dropout seeds and metrics keep the same bits.

    Args:
        model: A compiled model. One without Input gets its weights here, from the shape of `x`.
        x: Inputs, an array or a nest of arrays.
        y: Targets, the same, or None.
        layers: Names of the layers to look at; None for all. Inner layers are `inner/name`.
        training: Whether layers behave as in training.
        with_gradients: Whether to compute the loss and the gradients.

    Raises:
        ValueError: if the model has no such layers, or it or its loss doesn't take the batch.
    """

    def __init__(self, model, x, y, *, layers=None, training=True, with_gradients=True):
        self._model, self._x, self._y = model, x, y
        self._training, self._with_gradients = training, with_gradients
        self._compiled_pass = tf.function(self._pass)
        self._kernels_before = {}
        if not model.built:
            self._call(model, x)
        found = named_layers(model)
        if unknown := set(layers or ()) - set(found):
            raise ValueError(f"The model has no layers {sorted(unknown)}, only {list(found)}.")
        self.layers = {name: found[name] for name in found if layers is None or name in layers}
        self.activation_names = {n: activation_name(each) for n, each in self.layers.items()}
        self.weights = {
            f"{name}/{weight.path.rpartition(layer.name + '/')[2]}": weight
            for name, layer in self.layers.items()
            for weight in layer.weights
        }
        self.kernels = {
            name: weight
            for name, weight in self.weights.items()
            if weight.trainable and len(weight.shape) > 1
        }

    def __call__(self):
        """Return the loss without penalties, {layer: output} and {kernel: gradient}, in float32."""
        outputs = self._call(self._compiled_pass, self._x, self._y)
        return keras.tree.map_structure(lambda tensor: tensor.numpy(), outputs)

    def _call(self, function, *args):
        try:
            return function(*args)
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            raise ValueError(
                f"The model or its loss doesn't take the probe {described(self._x, self._y)}. "
                "Pass a batch of training data, just as fit takes it."
            ) from error

    def _pass(self, x, y):
        model = self._model
        kernels = {name: tf.identity(kernel.value) for name, kernel in self.kernels.items()}
        mapping = [(kernel, kernels[name]) for name, kernel in self.kernels.items()]
        data_loss, gradients = 0.0, {}
        with (
            tf.GradientTape() as tape,
            keras.StatelessScope(mapping, collect_losses=True),
            recorded_outputs(self.layers) as outputs,
        ):
            tape.watch(kernels)
            predictions = model(x, training=self._training)
            if self._with_gradients:
                loss = model.compute_loss(x=x, y=y, y_pred=predictions)
                # Keras divides the loss by the number of replicas, whose gradients it adds up.
                loss *= tf.distribute.get_strategy().num_replicas_in_sync
                data_loss = loss - sum(model.losses)
                loss *= LOSS_SCALE
        if self._with_gradients:
            # A kernel on which the loss doesn't depend gets zeros.
            gradients = tape.gradient(loss, kernels, unconnected_gradients="zero")
            gradients = {
                name: tf.convert_to_tensor(g) / LOSS_SCALE for name, g in gradients.items()
            }
        return keras.tree.map_structure(
            lambda tensor: tf.cast(tensor, tf.float32), (data_loss, outputs, gradients)
        )

    def before_batch(self, batch, steps):
        """Keep the kernels if the last execution of an epoch of `steps` begins with this batch."""
        steps_left = (steps or 0) - batch
        if 0 < steps_left <= self._model.steps_per_execution:
            self._kernels_before = {name: kernel.numpy() for name, kernel in self.kernels.items()}
            self._steps_since = steps_left

    def update_ratios(self):
        """Return {kernel: ‖update‖ / ‖kernel‖} per training step since `before_batch` kept them."""
        ratios = {}
        for name, before in self._kernels_before.items():
            with np.errstate(invalid="ignore"):  # Inf - Inf
                update = l2_norm(self.kernels[name].numpy() - before) / self._steps_since
            if size := l2_norm(before):
                ratios[name] = update / size
        self._kernels_before = {}
        return ratios


class Log:
    """A TensorBoard event file that may fail when it is opened, but later only warns, once.

    `tf.io.TFRecordWriter` says when a disk is full; `tf.summary`'s writer loses events silently.

    Raises:
        OSError: if `log_dir` can't be written to.
    """

    def __init__(self, log_dir):
        path = os.path.join(log_dir, f"events.out.tfevents.{time.time():.6f}.{os.getpid()}")
        try:
            tf.io.gfile.makedirs(log_dir)
            self._file = tf.io.TFRecordWriter(path)
        except tf.errors.OpError as error:
            raise OSError(f"Can't write to log_dir {log_dir!r}: {error.message}") from error
        self._append(tf.compat.v1.Event(file_version="brain.Event:2"))

    def write(self, summary, step):
        """Write a `tf.compat.v1.Summary` so that TensorBoard can read it at once."""
        self._append(tf.compat.v1.Event(step=step, summary=summary))

    def _append(self, event):
        if self._file is None:
            return
        event.wall_time = time.time()
        try:
            self._file.write(event.SerializeToString())
            self._file.flush()
        except tf.errors.OpError as error:
            self._file = None
            warnings.warn(f"Training goes on, but without logs: {error.message}", stacklevel=2)

    def close(self):
        """Close the file."""
        if self._file is not None:
            self._file.close()


def free_subdirectory(log_dir):
    """Return the first of log_dir/fit-0, log_dir/fit-1... that doesn't exist."""
    paths = (os.path.join(log_dir, f"fit-{number}") for number in itertools.count())
    return next(path for path in paths if not tf.io.gfile.exists(path))


def probe_batch(x, y):
    """Return x and y as arrays, floats in Keras's float type; check that they are a batch."""

    def to_array(values):
        values = np.asarray(values)
        return values.astype(keras.config.floatx()) if values.dtype.kind == "f" else values

    batch = keras.tree.map_structure(lambda v: None if v is None else to_array(v), (x, y))
    lengths = {array.shape[:1] for array in keras.tree.flatten(batch) if array is not None}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        raise ValueError(f"The probe needs x and y of one length above 0; got {described(*batch)}.")
    return batch


def described(x, y):
    """Return shapes and types, and the range of integers: "x: float32 (100, 64), y: ..."."""

    def one(array):
        integers = array is not None and array.dtype.kind in "iu" and array.size
        extent = f" from {array.min()} to {array.max()}" if integers else ""
        return None if array is None else f"{array.dtype} {array.shape}{extent}"

    x, y = keras.tree.map_structure(one, (x, y))
    return f"x: {x}, y: {y}"


def named_layers(model, prefix=""):
    """Return {name: layer} of a model and of the models in it."""
    layers = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            layers |= named_layers(layer, f"{prefix}{layer.name}/")
        elif not isinstance(layer, keras.layers.InputLayer):
            layers[prefix + layer.name] = layer
    return layers


@contextlib.contextmanager
def recorded_outputs(layers):
    """Yield a dictionary that takes up the (first) output of each layer when a model is called."""
    outputs = {}

    def recording(name, call):
        @functools.wraps(call)
        def record(*args, **kwargs):
            result = call(*args, **kwargs)
            first = keras.tree.flatten(result)[0]
            if first.dtype.is_floating:
                outputs[name] = first
            return result

        return record

    for name, layer in layers.items():
        vars(layer)["call"] = recording(name, layer.call)  # hides the method, on this one object
    try:
        yield outputs
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)


def activation_name(layer):
    """Return "relu" for Dense(activation="relu"), Activation("relu") and ReLU() alike."""
    return getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower())


def dead_units(outputs):
    """Return how many units, along the last axis, give only zeros."""
    return int(np.sum(np.all(outputs == 0, axis=tuple(range(outputs.ndim - 1)))))


def saturated_fraction(outputs, activation_name):
    """Return the share of the outputs of "tanh" or "sigmoid" where the slope is nearly 0."""
    low, high = STEEP[activation_name]
    return float(np.mean((outputs < low) | (outputs > high)))


def l2_norm(values):
    """Return the L2 norm, in float64: the squares of large float32 overflow."""
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))
