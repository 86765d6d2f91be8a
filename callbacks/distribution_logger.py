"""Distributions of weights, activations and gradients for TensorBoard, from plain `model.fit`."""

import contextlib
import copy
import functools
import itertools
import math
import os
import time
import warnings
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

# The same in training_monitor.py, to ProbeCallback's end, so that each file can be pasted alone.
KINDS = ("weights", "activations", "gradients")
RECTIFIERS = ("relu", "relu6")  # a unit that gives only zeros is dead
# Outside these outputs the slope is below 6 % (tanh) or 12 % (sigmoid) of its maximum.
STEEP = {"tanh": (-0.97, 0.97), "sigmoid": (0.03, 0.97)}
# Small gradients survive in float16; in float32 a power of two changes no bit.
LOSS_SCALE = 2.0**10
# Of a larger output, that many values stand for the whole: a share is right within 1 %.
SAMPLE = 10_000
# As many examples are looked at as keep the outputs of all layers below that many values, 0.5 GB.
VALUES = 2**27
# What only changes the shape of an output, or its type.
RESHAPING = ("Cast", "ConcatV2", "ExpandDims", "Identity", "Reshape", "Squeeze", "Transpose")


class ProbeCallback(keras.callbacks.Callback):
    """Looks at a probe batch before training, and then every so many epochs or batches.

    A subclass implements `look(step)`: step 0 is before training, e + 1 after epoch e, or the
    number of batches trained. Arguments and errors are those of the subclasses.
    """

    def __init__(self, x, y, *, every, every_batches, log_dir):
        super().__init__()
        if keras.config.backend() != "tensorflow":
            raise RuntimeError(
                f"{type(self).__name__} needs TensorFlow, and Keras's backend is "
                f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow before importing keras."
            )
        for unit, number in (("epochs", every), ("batches", every_batches)):
            name = "every" if unit == "epochs" else "every_batches"
            if number is not None and (not isinstance(number, int) or number < 1):
                raise ValueError(
                    f"{name} must be a whole number of {unit}, at least 1; got {number!r}."
                )
        self.x, self.y = probe_batch(x, y)
        self.every, self.every_batches = every, every_batches
        self.log_dir = None if log_dir is None else os.fspath(log_dir)
        self._batches = 0  # trained, in all fits
        self._is_copy = False
        self._probe = self._log = None

    def __deepcopy__(self, memo):
        clone = copy.copy(self)  # what can't be copied deep, on_train_begin makes anew
        clone._is_copy, clone._batches = True, 0
        return clone

    def new_probe(self):
        """Return the probe of a fit."""
        return Probe(self.model, self.x, self.y)

    def look(self, step):
        """Look at the model; `step` is for TensorBoard."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        """Prepare the probe and open the log."""
        self._probe = self.new_probe()
        for note in self._probe.notes:
            print(f"\n{type(self).__name__}: {note}")
        self._due = self._before_training = True
        if self.log_dir is not None:
            if self._is_copy:
                self.log_dir, self._is_copy = free_subdirectory(self.log_dir), False
            self._log = Log(self.log_dir)

    def on_epoch_begin(self, epoch, logs=None):
        """Look at the model before training."""
        if self._before_training:
            self.look(self._batches if self.every_batches else epoch)
            self._before_training = False
        self._due = not self.every_batches and (epoch + 1) % self.every == 0
        self._batches_before_epoch = self._batches

    def on_train_batch_begin(self, batch, logs=None):
        """Look at the model, if it is time, and keep the kernels before the last update."""
        if self.every_batches:
            self._count(self._batches_before_epoch + batch)
            self._probe.before_batch(self.every_batches - self._batches % self.every_batches)
        elif self._due:
            self._probe.before_batch((self.params.get("steps") or 0) - batch)

    def on_epoch_end(self, epoch, logs=None):
        """Look at the model, if it is time."""
        if self._due:
            self.look(epoch + 1)
        elif self.every_batches:
            trained = self._batches + self.model.steps_per_execution
            steps = self.params.get("steps") or math.inf  # the last execution may be shorter
            self._count(min(trained, self._batches_before_epoch + steps))

    def on_train_end(self, logs=None):
        """Close the log."""
        if self._log is not None:
            self._log.close()
        self._probe = self._log = None

    def _count(self, batches):
        before, self._batches = self._batches, batches
        if batches // self.every_batches > before // self.every_batches:
            self.look(batches)


class DistributionLogger(ProbeCallback):
    """Logs how weights, activations and gradients are distributed, layer by layer.

    Before training (step 0) and after every `every`-th epoch (step e + 1 after epoch e), one
    compiled pass over a fixed probe batch gives the output of every layer and the gradient of
    every kernel. Training isn't changed: weights and history keep the same bits.

    Of an output of more than 10,000 values as many drawn at random stand for the whole, in each
    snapshot those at the same places; `dead_units` and `non_finite` count in the whole. Of a large
    network as many examples of the probe are looked at as keep all outputs below 0.5 GB.

    HISTOGRAMS and DISTRIBUTIONS show, of the finite values:

    - `weights/<layer>/<weight>`: every weight; of batch normalization gamma, beta and the moving
      statistics.
    - `activations/<layer>`: the layer's output. Its spread should stay alike from layer to layer
      (Glorot & Bengio 2010); piles at 0 (ReLU) or at ±1 (tanh) are units that don't learn.
    - `gradients/<layer>/<kernel>`, and `gradients_log10/...`: the orders of magnitude of those
      other than 0. A peak that moves left from layer to layer towards the input is a vanishing
      gradient. Kernels are the trainable weights with several axes, but no biases.

    SCALARS shows, for each layer or kernel:

    - `activation_mean`, `activation_std`.
    - `activation_zero_fraction`, `dead_units` (ReLU): the share of zeros; the number of units
      (of channels in a convolution: the last axis) that are zero for the whole probe.
    - `saturated_fraction` (tanh, sigmoid): the share of outputs beyond ±0.97, or outside 0.03 to
      0.97.
    - `gradient_norm`: the L2 norm, and `gradient_norm/global` that of all these kernels together.
    - `update_ratio`: ‖update‖ / ‖kernel‖ of the last update before the snapshot (the mean over
      the last execution if `steps_per_execution` > 1). Healthy is about 1e-3; far above, the
      learning rate is too high, far below too low (CS231n, "Neural Networks Part 3"). Not logged
      when Keras doesn't know the number of steps of an epoch, nor when the optimizer's `use_ema`
      may swap averages in.
    - `non_finite`: how many values are NaN or Inf, by kind and, where there are any, by name.

    Cards line up by name, so name the layers: `h1`, `h1_bn`, `h1_act`, `h2`... A layer within
    another layer or model is called `inner/h1`; of two with one name the second is `h1_1`. A layer
    that is called repeatedly shows its last output, one that returns several tensors its first, one
    within a loop (an RNN's cell) none. Without call() there are only weights, without loss no
    gradients.

    A second `fit` writes on into the same directory, from the step that `initial_epoch` says. A
    deep copy, as keras-tuner makes one for each execution of a trial, writes into a subdirectory
    of its own, `fit-0`, `fit-1`... in order of training.

    Args:
        log_dir: Directory of this run's logs. Keras's TensorBoard callback may have the same.
        x: Probe inputs as `fit` takes them, an array or a nest of arrays; or a `tf.data.Dataset`
            or `keras.utils.PyDataset`, of which the first batch is taken. About 100 examples of
            the training data are enough.
        y: Probe targets; only gradients need them.
        every: Epochs from one snapshot to the next.
        every_batches: Batches from one snapshot to the next, instead of epochs; the steps are then
            the batches trained.
        kinds: What to log: some of "weights", "activations", "gradients".
        layers: Names of the layers to log, each with the layers in it; None for all.
        training: True shows what training sees (batch statistics, dropout), False inference.

    Raises:
        ValueError: before the first training step, if an argument is wrong, or the model or its
            loss doesn't take the probe batch.
        OSError: before the first training step, if `log_dir` can't be written to.
        RuntimeError: if Keras's backend isn't TensorFlow.

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

    def __init__(
        self,
        log_dir,
        x,
        y=None,
        *,
        every=1,
        every_batches=None,
        kinds=KINDS,
        layers=None,
        training=True,
    ):
        super().__init__(x, y, every=every, every_batches=every_batches, log_dir=log_dir)
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"kinds must be some of {KINDS}; got {kinds!r}.")
        self.kinds, self.layers, self.training = kinds, layers, training

    def new_probe(self):
        """Return the probe of a fit."""
        return Probe(
            self.model,
            self.x,
            self.y,
            kinds=self.kinds,
            layers=self.layers,
            training=self.training,
        )

    def look(self, step):
        """Log the distributions."""
        loss, activations, gradients = self._probe()
        arrays = {
            "weights": {name: weight.numpy() for name, weight in self._probe.weights.items()},
            "activations": activations or None,
            "gradients": None if loss is None else gradients,
        }
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
        activations: {"h1_act": array of shape (examples, ..., units), or an `Output`}.
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
            of_whole = array.non_finite if isinstance(array, Output) else None
            array = array.values if isinstance(array, Output) else array
            values = np.asarray(array, np.float64)  # the squares of large float32 overflow
            # One Inf or NaN blanks TensorBoard's whole card: it is counted instead.
            finite[name] = values[np.isfinite(values)]
            add_histogram(f"{kind}/{name}", finite[name])
            non_finite = values.size - finite[name].size if of_whole is None else of_whole
            if non_finite:
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


def dead_units(output):
    """Return how many units, along the last axis, give only zeros."""
    if isinstance(output, Output):
        return output.dead_units
    return np.count_nonzero(np.all(output == 0, axis=tuple(range(output.ndim - 1))))


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


# From here on the same in training_monitor.py.


class Output(NamedTuple):
    """What the pass keeps of a layer's output.

    Attributes:
        values: The output, or if it is large SAMPLE of its values, drawn with replacement at
            places that stay the same.
        non_finite: Number of NaN and Inf in the whole output.
        dead_units: Number of units, along the last axis, that are zero for the whole probe.
        units: Number of units.
    """

    values: np.ndarray
    non_finite: int
    dead_units: int
    units: int


class Probe:
    """Looks into a model with one compiled pass over a fixed batch, and changes nothing in it.

    In a `keras.StatelessScope` no variable is updated: even with `training=True` the batch
    statistics, dropout seeds and metrics keep the same bits. Outputs are reduced within the pass.

    Args:
        model: A compiled model. One without Input gets its weights here, from the shape of `x`.
        x: Inputs, an array or a nest of arrays.
        y: Targets, the same, or None.
        kinds: What to find out, some of KINDS.
        layers: Names of the layers to look at, each with what is in it; None for all.
        training: Whether layers behave as in training.

    Attributes:
        layers: {name: layer}; a layer within another is `outer/name`.
        weights: {layer/weight: variable}, each once.
        kernels: The trainable weights with several axes, but no biases.
        final: Names of the layers that give the predictions, maybe reshaped.
        notes: What the probe doesn't show, and why, a line each.

    Raises:
        ValueError: if the model has no such layers, or it or its loss doesn't take the batch.
    """

    def __init__(self, model, x, y, *, kinds=KINDS, layers=None, training=True):
        self._model, self._batch = model, (x, y)
        self._kinds, self._chosen, self._training = set(kinds), layers, training
        self._kernels_before = {}
        is_eager = model.run_eagerly
        self._pass = self._look if is_eager else tf.function(self._look, autograph=False)
        self.notes, self.final, self.prediction_shapes = [], set(), []
        has_call = type(model).call is not keras.Model.call
        self._has_pass = has_call and self._kinds != {"weights"}
        if not has_call:
            self._note("weights only, since the model has no call().")
        elif not model.built:
            self._call(model, x)
        self._find_layers()
        if self._has_pass:
            self._prepare()

    def _find_layers(self):
        chosen, found = self._chosen, named_layers(self._model)
        if unknown := set(chosen or ()) - set(found):
            known = shortened(list(found))
            raise ValueError(f"The model has no layers {sorted(unknown)}, only {known}.")
        self.layers = {
            name: layer
            for name, layer in found.items()
            if not chosen or any(f"{name}/".startswith(f"{each}/") for each in chosen)
        }
        self.activation_names = {n: activation_name(each) for n, each in self.layers.items()}
        self.weights = named_weights(self.layers, None if chosen else self._model)
        self.kernels = {
            name: weight
            for name, weight in self.weights.items()
            if weight.trainable and len(weight.shape) > 1 and "bias" not in weight.name
        }

    def __call__(self):
        """Return the loss without penalties or None, {layer: Output} and {kernel: gradient}."""
        if not self._has_pass:
            self._find_layers()  # they may have got their weights since
            return None, {}, {}
        loss, *arrays = self._call(self._pass, *self._batch)
        outputs, gradients = keras.tree.map_structure(lambda tensor: tensor.numpy(), arrays)
        return None if loss is None else float(loss), outputs, gradients

    def _call(self, function, *args):
        try:
            return function(*args)
        except Exception as error:  # Keras cuts "from error" off
            raise ValueError(
                f"The model or its loss doesn't take the probe {described(*self._batch)}: "
                f"{cause(error)}. Pass a batch of training data, just as fit takes it."
            ) from error

    def _prepare(self):
        try:
            self._call(self._trace)
        except ValueError as error:
            if not has_own_train_step(self._model):
                raise
            self._has_pass = False
            self._note(f"weights only. {error}")

    def _trace(self):
        """Trace the pass, for fewer examples if the outputs of all would take too much memory."""
        trace = getattr(self._pass, "get_concrete_function", self._pass)
        trace(*self._batch)
        examples = len(arrays_of(self._batch)[0])
        kept = int(examples * VALUES / max(self._values, VALUES)) or 1
        if kept < examples:
            self._batch = keras.tree.map_structure(
                lambda array: None if array is None else array[:kept], self._batch
            )
            self._note(f"looks at {kept} of the {examples} probe examples, to save memory.")
            trace(*self._batch)

    def _note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def _look(self, x, y):
        kernels = {name: tf.identity(kernel.value) for name, kernel in self.kernels.items()}
        mapping = [(kernel, kernels[name]) for name, kernel in self.kernels.items()]
        with (
            tf.GradientTape() as tape,
            keras.StatelessScope(mapping, collect_losses=True),
            recorded_outputs(self.layers) as outputs,
        ):
            tape.watch(kernels)
            predictions = self._model(x, training=self._training)
            loss, data_loss = self._loss(x, y, predictions)
            scaled = None if loss is None else loss * LOSS_SCALE
        gradients = {}
        if loss is not None:
            # A kernel on which the loss doesn't depend gets zeros.
            gradients = tape.gradient(scaled, kernels, unconnected_gradients="zero")
            gradients = {
                name: tf.cast(tf.convert_to_tensor(gradient), tf.float32) / LOSS_SCALE
                for name, gradient in gradients.items()
            }
        self._values = sum(output.shape.num_elements() or 0 for output in outputs.values())
        self.prediction_shapes = [each.shape for each in keras.tree.flatten(predictions)]
        self.final = final_layers(predictions, outputs)
        return data_loss, {name: reduced(output) for name, output in outputs.items()}, gradients

    def _loss(self, x, y, predictions):
        """Return the loss of training and that without penalties, or None and None."""
        model = self._model
        own_loss = type(model).compute_loss is not keras.Model.compute_loss or model.losses
        if "gradients" not in self._kinds:
            return None, None
        if getattr(model, "loss", None) is None and not own_loss:
            self._note("no gradients, since the model is compiled without a loss.")
            return None, None
        try:
            loss = model.compute_loss(x=x, y=y, y_pred=predictions)
        except Exception as error:
            if not has_own_train_step(model):
                raise
            self._note(f"no gradients, since only its train_step() knows the loss: {cause(error)}.")
            return None, None
        # Keras divides the loss by the number of replicas, whose gradients it adds up.
        loss *= tf.distribute.get_strategy().num_replicas_in_sync
        return loss, tf.cast(loss - sum(model.losses), tf.float32)

    def before_batch(self, steps_left):
        """Keep the kernels if a training execution or accumulated update ends in `steps_left`."""
        every = accumulation_steps(self._model.optimizer)
        window = max(self._model.steps_per_execution, every)
        if 0 < steps_left <= window and not self._kernels_before:
            self._kernels_before = {name: kernel.numpy() for name, kernel in self.kernels.items()}
            start = int(self._model.optimizer.iterations.numpy())
            self._updates = (start + steps_left) // every - start // every

    def update_ratios(self):
        """Return {kernel: ‖update‖ / ‖kernel‖} per update since `before_batch` kept them."""
        before, self._kernels_before = self._kernels_before, {}
        # Averages that are swapped in are no updates.
        if optimizer_setting(self._model.optimizer, "use_ema") or not before or not self._updates:
            return {}
        with np.errstate(invalid="ignore"):  # Inf - Inf
            return {
                name: l2_norm(self.kernels[name].numpy() - kernel) / self._updates / size
                for name, kernel in before.items()
                if (size := l2_norm(kernel))
            }


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
    if y is None and isinstance(x, keras.utils.PyDataset | tf.data.Dataset):
        batch = x[0] if isinstance(x, keras.utils.PyDataset) else next(iter(x), None)
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    batch = keras.tree.map_structure(lambda v: None if v is None else to_array(v), (x, y))
    lengths = {array.shape[:1] for array in arrays_of(batch)}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        raise ValueError(
            f"The probe needs x and y of one length above 0; got {described(*batch)}. Pass a "
            "batch: rows as one array, np.asarray(rows); of a data set dataset.batch(100)."
        )
    return batch


def to_array(values):
    """Return values as an array that a model takes."""
    if hasattr(values, "toarray"):  # scipy.sparse
        values = values.toarray()
    if isinstance(values, tf.SparseTensor):
        values = tf.sparse.to_dense(values)
    reason = ""
    try:
        array = np.asarray(values)
        if array.dtype == object and all(isinstance(text, str) for text in array.flat):
            array = array.astype(str)
    except Exception as error:
        array, reason = np.array(None), f" ({cause(error)})"
    if array.dtype == object:
        raise ValueError(
            f"The probe needs arrays; got a {type(values).__name__}{reason}. Of a data set or "
            "generator pass a batch, x, y = next(iter(dataset)), and of ragged rows padded ones."
        )
    return array.astype(keras.config.floatx()) if array.dtype.kind == "f" else array


def arrays_of(batch):
    """Return the arrays of a nest, without None."""
    return [array for array in keras.tree.flatten(batch) if array is not None]


def described(x, y):
    """Return shapes and types, and the range of integers: "x: float32 (100, 64), y: ..."."""

    def one(array):
        integers = array is not None and array.dtype.kind in "iu" and array.size
        extent = f" from {array.min()} to {array.max()}" if integers else ""
        return None if array is None else f"{array.dtype} {array.shape}{extent}"

    x, y = keras.tree.map_structure(one, (x, y))
    return f"x: {shortened(x)}, y: {shortened(y)}"


def shortened(value):
    """Return text, cut to a length that can be read."""
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def cause(error):
    """Return the line that says what is wrong, without what Keras and TensorFlow put around it."""
    text = getattr(error, "message", None) or str(error.args[0] if error.args else error)
    text = text.partition("\x1b[1m")[2].partition("\x1b[0m")[0] or text
    around = ("Graph execution error", "Detected at node", "File ", "[[", "in user code")
    lines = (line.strip() for line in text.splitlines())
    line = next((line for line in lines if line and not line.startswith(around)), "")
    name = "" if " " in line else f"{type(error).__name__} "
    return shortened(f"{name}{line}").rstrip(".")


def sublayers(layer):
    """Return the layers directly in a layer; Keras has a public name only for those of a model."""
    return layer._flatten_layers(include_self=False, recursive=False)


def named_layers(layer, prefix="", seen=None):
    """Return {name: layer} of all layers in a layer, each once, those of `block` as block/name."""
    layers, seen = {}, set() if seen is None else seen
    for each in sublayers(layer):
        if id(each) not in seen and not isinstance(each, keras.layers.InputLayer):
            seen.add(id(each))
            name = unused(prefix + each.name, layers)
            layers[name] = each
            layers |= named_layers(each, f"{name}/", seen)
    return layers


def named_weights(layers, model=None):
    """Return {layer/weight: variable}, each once: by the innermost layer that has it."""
    weights, seen = {}, set()
    for prefix, layer in [*((f"{name}/", layer) for name, layer in layers.items()), ("", model)]:
        if layer is None:
            continue
        inner = {id(weight) for each in sublayers(layer) for weight in each.weights}
        for weight in layer.weights:
            if id(weight) not in inner | seen:
                seen.add(id(weight))
                weights[unused(prefix + weight.name, weights)] = weight
    return weights


def unused(name, names):
    """Return the name, or with the first number at its end with which it isn't among names."""
    numbered = (f"{name}_{number}" for number in itertools.count(1))
    return name if name not in names else next(each for each in numbered if each not in names)


@contextlib.contextmanager
def recorded_outputs(layers):
    """Yield a dictionary that takes up the (first) output of each layer when a model is called.

    Not of models, whose layers are there, nor from within a loop, out of which nothing comes.
    """
    outputs, graph = {}, tf.compat.v1.get_default_graph()

    def recording(name, call):
        @functools.wraps(call)
        def record(*args, **kwargs):
            result = call(*args, **kwargs)
            first = next(iter(keras.tree.flatten(result)), None)
            is_floating = tf.is_tensor(first) and first.dtype.is_floating
            if is_floating and first.shape.rank and 0 not in first.shape:
                in_loop = getattr(first, "graph", graph) is not graph  # eager tensors have none
                outputs[name] = None if in_loop else first
            return result

        return record

    layers = {name: each for name, each in layers.items() if not isinstance(each, keras.Model)}
    for name, layer in layers.items():
        vars(layer)["call"] = recording(name, layer.call)  # hides the method, on this one object
    try:
        yield outputs
    finally:
        for name, layer in layers.items():
            vars(layer).pop("call", None)
            if outputs.get(name, 0) is None:
                del outputs[name]


def reduced(tensor):
    """Return the `Output` of a layer's output, in the graph."""
    values = tf.cast(tensor, tf.float32)
    flat = tf.reshape(values, [-1])
    if flat.shape[0] is None or flat.shape[0] > SAMPLE:
        places = tf.random.stateless_uniform([SAMPLE], (0, 0), 0, tf.size(flat), tf.int32)
        flat = tf.gather(flat, places)
    is_zero = tf.reduce_all(values == 0, axis=list(range(values.shape.rank - 1)))
    return Output(
        flat,
        tf.math.count_nonzero(~tf.math.is_finite(values)),
        tf.math.count_nonzero(is_zero),
        tf.shape(values)[-1],
    )


def final_layers(predictions, outputs):
    """Return the names of the layers that give the predictions, maybe reshaped."""
    tensors, names = keras.tree.flatten(predictions), set()
    while tensors:
        tensor = tensors.pop()
        names |= {name for name, output in outputs.items() if output is tensor}
        operation = getattr(tensor, "op", None)  # an eager tensor has none
        if operation is not None and operation.type in RESHAPING:
            tensors += operation.inputs
    return names


def optimizer_setting(optimizer, name):
    """Return a setting of an optimizer, or of that which it wraps for mixed precision."""
    return getattr(getattr(optimizer, "inner_optimizer", optimizer), name, None)


def accumulation_steps(optimizer):
    """Return how many training steps make an update."""
    return optimizer_setting(optimizer, "gradient_accumulation_steps") or 1


def has_own_train_step(model):
    """Tell whether a model trains otherwise than by its loss on (x, y)."""
    return type(model).train_step is not keras.Model.train_step


def activation_name(layer):
    """Return "relu" for Dense(activation="relu"), Activation("relu") and ReLU() alike."""
    return getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower())


def saturated_fraction(outputs, activation_name):
    """Return the share of the outputs of "tanh" or "sigmoid" where the slope is nearly 0."""
    low, high = STEEP[activation_name]
    return float(np.mean((outputs < low) | (outputs > high)))


def l2_norm(values):
    """Return the L2 norm, in float64: the squares of large float32 overflow."""
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))
