"""What the callbacks of this folder share: when they look, what they find, and a log for it."""

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

KINDS = ("weights", "activations", "gradients")
RECTIFIERS = ("relu", "relu6")  # a unit that gives only zeros is dead
# Outside these outputs the slope is below 6 % (tanh) or 12 % (sigmoid) of its maximum.
STEEP = {"tanh": (-0.97, 0.97), "sigmoid": (0.03, 0.97)}
# Small gradients survive in float16; in float32 a power of two changes no bit.
LOSS_SCALE = 2.0**10
# So many values represent a larger output: a share is right within 1 %.
SAMPLE = 10_000
# Only as many examples are used as keep the outputs of all layers below so many values, 0.5 GB.
VALUES = 2**27
# What only changes the shape of an output, or its type.
RESHAPING = ("Cast", "ConcatV2", "ExpandDims", "Identity", "Reshape", "Squeeze", "Transpose")
FEWER_EXAMPLES = "Pass fewer examples as the probe."


class ProbeCallback(keras.callbacks.Callback):
    """Looks at a probe batch before training, and then every so many epochs or batches.

    A subclass implements `look(step)`: step 0 is before training, e + 1 after epoch e; with
    `every_batches` it is the number of batches trained, in all fits: of a new callback, those that
    the model's optimizer has counted. `probe_options` are those of `Probe`.

    What goes wrong until the first look has succeeded is raised. Of a later look that fails, as out
    of memory, one warning says the cause; training goes on, and the rest of the fit has no looks.
    """

    def __init__(self, x, y, *, every, every_batches, log_dir, **probe_options):
        super().__init__()
        if keras.config.backend() != "tensorflow":
            raise RuntimeError(
                f"{type(self).__name__} needs TensorFlow, and Keras's backend is "
                f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow before importing keras."
            )
        for name, number in (("every", every), ("every_batches", every_batches)):
            if number is not None and (not isinstance(number, int) or number < 1):
                raise ValueError(f"{name} must be a whole number, at least 1; got {number!r}.")
        self.x, self.y = probe_batch(x, y)
        self.every, self.every_batches = every, every_batches
        self.log_dir = None if log_dir is None else os.fspath(log_dir)
        self._probe_options = probe_options
        self._batches = 0  # trained, in all fits
        self._is_copy = False
        self._probe = self._log = None

    def __deepcopy__(self, memo):
        clone = copy.copy(self)  # what can't be copied deep, on_train_begin makes anew
        clone._is_copy, clone._batches = True, 0
        return clone

    def look(self, step):
        """Look at the model; `step` is for TensorBoard."""
        raise NotImplementedError

    def on_train_begin(self, logs=None):
        """Prepare the probe and open the log."""
        self._probe = Probe(self.model, self.x, self.y, **self._probe_options)
        for note in self._probe.notes:
            print(f"\n{type(self).__name__}: {note}")
        self._before_training = True
        self._batches = self._batches or updates_counted(self.model) or 0
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
            self._before_batch(self.every_batches - self._batches % self.every_batches)
        elif self._due:
            self._before_batch((self.params.get("steps") or 0) - batch)

    def on_epoch_end(self, epoch, logs=None):
        """Look at the model, if it is time."""
        if self._due:
            self._look_again(epoch + 1)
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
            self._look_again(batches)

    def _before_batch(self, steps_left):
        if self._probe is not None:
            self._probe.before_batch(steps_left)

    def _look_again(self, step):
        if self._probe is None:
            return
        try:
            self.look(step)
        except Exception as error:
            self._probe = None  # no more looks, and its memory is free
            reason = error.__cause__ or error
            advice = f" {FEWER_EXAMPLES}" if is_out_of_memory(reason) else ""
            warnings.warn(
                f"Training goes on, but without {type(self).__name__}: {cause(reason)}.{advice}",
                stacklevel=2,
            )


class Output(NamedTuple):
    """What the pass keeps of a layer's output of shape (examples, ..., units)."""

    values: np.ndarray  # all; of a large output SAMPLE, drawn with replacement at fixed places
    non_finite: int  # number of NaN and Inf in the whole output
    dead_units: int  # number of units that are zero for the whole probe
    units: int


class Probe:
    """Looks into a model with one compiled pass over a fixed batch, and changes nothing in it.

    In a `keras.StatelessScope` no variable is updated: even with `training=True` the batch
    statistics, dropout seeds and metrics keep the same bits. Outputs are reduced within the pass.

    Args:
        model: A compiled model. One without Input gets its weights here, from the shape of `x`.
        x: Inputs, an array or a nest of arrays.
        y: Targets, the same, or None.
        kinds: What to find out, some of KINDS; updates with "weights".
        layers: Names of the layers to look at, each with what is in it; None for all.
        training: Whether layers behave as in training.

    Attributes:
        layers: {name: layer}; a layer within another is `outer/name`.
        activation_names: {name of layer: "relu"}.
        weights: {layer/weight: variable}, each once.
        kernels: The trainable weights with several axes, but no biases.
        final: Names of the layers that give the predictions, maybe reshaped.
        prediction_shapes: Shapes of the model's outputs.
        notes: What the probe doesn't show, and why, a line each.

    Raises:
        ValueError: if the model has no such layers, or it or its loss doesn't take the batch.
    """

    def __init__(self, model, x, y, *, kinds=KINDS, layers=None, training=True):
        self._model, self._batch = model, (x, y)
        self._kinds, self._chosen, self._training = set(kinds), layers, training
        self.final, self.prediction_shapes = set(), []
        self._kernels_before = {}
        self._pass = self._look if model.run_eagerly else tf.function(self._look, autograph=False)
        self._has_own_train_step = type(model).train_step is not keras.Model.train_step
        has_call = type(model).call is not keras.Model.call
        self.notes = [] if has_call else ["weights only, since the model has no call()."]
        self._has_pass = has_call and self._kinds != {"weights"}
        if has_call and not model.built:
            self._try(model, x)
        self._find_layers()
        if self._has_pass:
            self._try(self._trace)

    def __call__(self):
        """Return the loss without penalties or None, {layer: Output} and {kernel: gradient}."""
        if not self._has_pass:
            self._find_layers()  # they may have got their weights since
            return None, {}, {}
        loss, *arrays = self._call(self._pass, *self._batch)
        outputs, gradients = keras.tree.map_structure(lambda tensor: tensor.numpy(), arrays)
        return None if loss is None else float(loss), outputs, gradients

    def before_batch(self, steps_left):
        """Keep the kernels if a training execution or accumulated update ends in `steps_left`."""
        if "weights" not in self._kinds or self._model.optimizer is None:
            return
        every = optimizer_setting(self._model.optimizer, "gradient_accumulation_steps") or 1
        window = max(self._model.steps_per_execution, every)
        if 0 < steps_left <= window and not self._kernels_before:
            self._kernels_before = {name: kernel.numpy() for name, kernel in self.kernels.items()}
            start = updates_counted(self._model)
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

    def _find_layers(self):
        found, chosen = named_layers(self._model), self._chosen
        if unknown := set(chosen or ()) - set(found):
            known = shortened(list(found))
            raise ValueError(f"The model has no layers {sorted(unknown)}, only {known}.")
        self.layers = {
            name: layer
            for name, layer in found.items()
            if not chosen or any(f"{name}/".startswith(f"{each}/") for each in chosen)
        }
        self.activation_names = {n: activation_name(each) for n, each in self.layers.items()}
        self.weights = named_weights(self.layers if chosen else self.layers | {"": self._model})
        self.kernels = {
            name: weight
            for name, weight in self.weights.items()
            if weight.trainable and len(weight.shape) > 1 and "bias" not in weight.name
        }

    def _call(self, function, *args):
        try:
            return function(*args)
        except Exception as error:  # Keras cuts "from error" off
            batch = "Pass a batch of training data, just as fit takes it."
            raise ValueError(
                f"The model or its loss doesn't take the probe {described(*self._batch)}: "
                f"{cause(error)}. {FEWER_EXAMPLES if is_out_of_memory(error) else batch}"
            ) from error

    def _try(self, function, *args):
        """Call a function; where only train_step() knows what the model takes, do without."""
        try:
            self._call(function, *args)
        except ValueError as error:
            if not self._has_own_train_step:
                raise
            self._has_pass = False
            self.notes = [f"weights only: {cause(error.__cause__)}."]

    def _trace(self):
        """Trace the pass, for fewer examples if the outputs of all would take too much memory."""
        trace = getattr(self._pass, "get_concrete_function", self._pass)
        trace(*self._batch)
        examples = len(arrays_of(self._batch)[0])
        kept = int(examples * VALUES / max(self._values, VALUES)) or 1
        if kept < examples:
            self._batch = map_arrays(lambda array: array[:kept], self._batch)
            trace(*self._batch)
            self.notes.append(f"looks at {kept} of the {examples} probe examples, to save memory.")

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
            scaled, loss = self._loss(x, y, predictions)
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
        return loss, {name: reduced(output) for name, output in outputs.items()}, gradients

    def _loss(self, x, y, predictions):
        """Return the loss of training, scaled, and that without penalties; or None and None."""
        if "gradients" not in self._kinds:
            return None, None
        try:
            loss = self._model.compute_loss(x=x, y=y, y_pred=predictions)
        except Exception as error:
            if not self._has_own_train_step:
                raise
            self.notes = [f"no gradients, since only train_step() knows the loss: {cause(error)}."]
            return None, None
        # Keras divides the loss by the number of replicas, whose gradients it adds up.
        loss *= tf.distribute.get_strategy().num_replicas_in_sync
        return loss * LOSS_SCALE, tf.cast(loss - sum(self._model.losses), tf.float32)


# --- outputs -------------------------------------------------------------------------------------


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
            if getattr(first, "graph", graph) is not graph:  # eager tensors have none
                outputs.pop(name, None)
            elif tf.is_tensor(first) and first.dtype.is_floating and has_values(first.shape):
                outputs[name] = first
            return result

        return record

    layers = {name: each for name, each in layers.items() if not isinstance(each, keras.Model)}
    for name, layer in layers.items():
        vars(layer)["call"] = recording(name, layer.call)  # hides the method, on this one object
    try:
        yield outputs
    finally:
        for layer in layers.values():
            vars(layer).pop("call", None)


def has_values(shape):
    """Tell whether an output has axes, and none of length 0."""
    return bool(shape.rank) and 0 not in shape


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


def saturated_fraction(outputs, activation_name):
    """Return the share of the outputs of "tanh" or "sigmoid" where the slope is nearly 0."""
    low, high = STEEP[activation_name]
    return float(np.mean((outputs < low) | (outputs > high)))


def l2_norm(values):
    """Return the L2 norm, in float64: the squares of large float32 overflow."""
    return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))


# --- models --------------------------------------------------------------------------------------


def sublayers(layer):
    """Return the layers directly in a layer; Keras has a public name only for those of a model."""
    return layer._flatten_layers(include_self=False, recursive=False)


def named_layers(layer, prefix="", seen=None):
    """Return {name: layer} of all layers in a layer, each once, `block/name` before `block`."""
    layers, seen = {}, set() if seen is None else seen
    for each in sublayers(layer):
        if id(each) not in seen and not isinstance(each, keras.layers.InputLayer):
            seen.add(id(each))
            name = unused(prefix + each.name, layers)
            layers |= named_layers(each, f"{name}/", seen) | {name: each}
    return layers


def named_weights(layers):
    """Return {layer/weight: variable}, each once: by the first layer that has it, an inner one."""
    weights, seen = {}, set()
    for layer_name, layer in layers.items():
        for weight in layer.weights:
            if id(weight) not in seen:
                seen.add(id(weight))
                name = f"{layer_name}/{weight.name}".lstrip("/")
                weights[unused(name, weights)] = weight
    return weights


def unused(name, names):
    """Return the name, or with the first number at its end with which it isn't among names."""
    numbered = (f"{name}_{number}" for number in itertools.count(1))
    return next(each for each in itertools.chain([name], numbered) if each not in names)


def activation_name(layer):
    """Return "relu" for Dense(activation="relu"), Activation("relu") and ReLU() alike."""
    return getattr(getattr(layer, "activation", None), "__name__", type(layer).__name__.lower())


def optimizer_setting(optimizer, name):
    """Return a setting of an optimizer, or of that which it wraps for mixed precision."""
    return getattr(getattr(optimizer, "inner_optimizer", optimizer), name, None)


def updates_counted(model):
    """Return how many batches the optimizer has counted, of all fits; None without optimizer."""
    return None if model.optimizer is None else int(model.optimizer.iterations.numpy())


# --- batches and messages ------------------------------------------------------------------------


def probe_batch(x, y):
    """Return x and y as arrays, floats in Keras's float type; check that they are a batch."""
    if y is None and isinstance(x, keras.utils.PyDataset | tf.data.Dataset):
        batch = x[0] if isinstance(x, keras.utils.PyDataset) else next(iter(x), None)
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
    batch = map_arrays(to_array, (x, y))
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
    try:
        array = np.asarray(values)
        # TensorFlow's strings are bytes in NumPy.
        if array.dtype == object and not all(isinstance(v, str | bytes) for v in array.flat):
            raise TypeError("its values are neither numbers nor strings")
    except Exception as error:
        raise ValueError(
            f"The probe needs arrays; got a {type(values).__name__} ({cause(error)}). Of a data "
            "set or generator pass a batch, x, y = next(iter(dataset)), and of ragged rows padded "
            "ones."
        ) from error
    is_float = array.dtype.kind == "f"
    return array.astype(keras.config.floatx() if is_float else array.dtype, copy=False)


def map_arrays(function, batch):
    """Return a nest with a function of each array; None stays None."""
    return keras.tree.map_structure(lambda v: None if v is None else function(v), batch)


def arrays_of(batch):
    """Return the arrays of a nest, without None."""
    return [array for array in keras.tree.flatten(batch) if array is not None]


def described(x, y):
    """Return shapes and types, and the range of integers: "x: float32 (100, 64), y: ..."."""

    def one(array):
        has_range = array.dtype.kind in "iu" and array.size
        extent = f" from {array.min()} to {array.max()}" if has_range else ""
        return f"{array.dtype} {array.shape}{extent}"

    x, y = map_arrays(one, (x, y))
    return f"x: {shortened(x)}, y: {shortened(y)}"


def shortened(value):
    """Return text, cut to a length that can be read."""
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def cause(error):
    """Return the line that says what is wrong, without what Keras and TensorFlow put around it."""
    # str() of a KeyError adds quotes; NumPy's MemoryError has a shape for its argument.
    has_text = error.args and isinstance(error.args[0], str)
    text = getattr(error, "message", None) or (error.args[0] if has_text else str(error))
    text = text.partition("\x1b[1m")[2].partition("\x1b[0m")[0] or text
    around = ("Graph execution error", "Detected at node", "File ", "[[", "in user code")
    lines = (line.strip() for line in text.splitlines())
    line = next((line for line in lines if line and not line.startswith(around)), "")
    name = "" if " " in line else f"{type(error).__name__} "
    return shortened(f"{name}{line}").rstrip(".")


def is_out_of_memory(error):
    """Tell whether memory ran out, of Python or of TensorFlow's device."""
    return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)


# --- the log -------------------------------------------------------------------------------------


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

    def close(self):
        """Close the file."""
        if self._file is not None:
            self._file.close()

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


def add_tensor(summary, tag, value, plugin):
    """Add what a dashboard shows, "histograms" or "text", to a `tf.compat.v1.Summary`."""
    metadata = {"plugin_data": {"plugin_name": plugin}, "data_class": "DATA_CLASS_TENSOR"}
    summary.value.add(tag=tag, metadata=metadata, tensor=tf.make_tensor_proto(value))


def free_subdirectory(log_dir):
    """Return the first of log_dir/fit-0, log_dir/fit-1... that doesn't exist."""
    paths = (os.path.join(log_dir, f"fit-{number}") for number in itertools.count())
    return next(path for path in paths if not tf.io.gfile.exists(path))
