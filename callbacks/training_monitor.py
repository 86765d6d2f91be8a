"""A monitor of `model.fit`: says in plain words what goes wrong in training and what to try."""

import contextlib
import copy
import functools
import itertools
import math
import os
import time
import warnings

import keras
import numpy as np
import tensorflow as tf

ADVICE = {
    "initial loss": "inputs of mean 0 and standard deviation 1, smaller initial weights; check "
    "that the loss expects what the last layer gives, softmax or logits",
    "non-finite values": "a lower learning rate, clipping (global_clipnorm=1.0); check the data "
    "for NaN, the labels for their range, the model and its loss for log(0) and 1/0",
    "dead units": "a lower learning rate, He initialization, batch normalization, leaky ReLU",
    "saturated units": "smaller initial weights (Glorot), scaled inputs, batch normalization, ReLU",
    "exploding gradients": "smaller initial weights, scaled inputs and targets, batch "
    "normalization, clipping (global_clipnorm=1.0)",
    "vanishing gradients": "ReLU, He or Glorot initialization, batch normalization, skip "
    "connections",
    "large updates": "a lower learning rate",
    "small updates": "a higher learning rate",
    "stuck loss": "ten times the learning rate and a tenth of it, and to fit only 20 examples; "
    "check that each label belongs to its example",
    "overfitting": "early stopping, weight decay, dropout, augmentation, more data",
}
# Limits that tell sick runs from healthy ones: plain, normalized, convolutional and recurrent
# networks on 8×8 digits, with SGD, Adam and RMSprop, batches of 4 to all examples. In brackets is
# how far the healthy ones went.
WORSE_THAN_GUESSING = 1.5  # initial loss above ln(classes), in nats (1.1: He initialization)
DEAD = 0.6  # share of a layer's units (0.43: Adam, learning rate 0.01)
SATURATED = 0.75  # share of a layer's outputs (0.65: tanh, Adam, learning rate 0.01)
LARGE_GRADIENT = 100.0  # global norm (19: inputs from 0 to 16)
SMALL_GRADIENT = 1e-3  # global norm at a high loss (0.3)
IMBALANCE = 300.0  # largest norm of a kernel's gradient over the smallest (17: two sigmoids)
LARGE_UPDATE = 0.1  # median of the update-to-weight ratios (0.05: SGD on all examples)
SMALL_UPDATE = 1e-5  # the same at a high loss (4e-4: SGD, learning rate 0.01)


class TrainingMonitor(keras.callbacks.Callback):
    """Watches training and says, each once, what goes wrong and what to try.

    A finding is printed, kept in `findings` and shown under TensorBoard's TEXT. Before training
    and after every `every`-th epoch one compiled pass over a fixed probe batch is checked for:

    - initial loss: a cross-entropy far above that of guessing, ln(number of classes).
    - non-finite values: NaN or Inf in the loss, a weight, a layer's output or a gradient.
    - dead units: ReLU layers most of whose units are zero for the whole probe.
    - saturated units: hidden tanh or sigmoid layers with most outputs where the slope is nearly 0.
    - exploding gradients: a global norm far above that of healthy networks.
    - vanishing gradients: tiny in some kernels beside others, or in all while the loss is high.
    - large or small updates: a training step changes kernels by far more, or at a high loss far
      less, than a thousandth of their norm.
    - stuck loss: a high training loss that has fallen by less than 1 % in 5 epochs.
    - overfitting: a validation loss well above its best (by 20 %, and by 5 % of the loss before
      training) for 5 epochs, while the training loss fell.

    A loss is high near that before training or that of guessing. The limits are wide, and what may
    pass must be seen twice in a row: healthy runs stay silent. Training isn't changed: weights and
    history keep the same bits. Sources: CS231n, "Neural Networks Part 3"; Glorot & Bengio 2010,
    "Understanding the difficulty of training deep feedforward neural networks".

    Args:
        x: Probe inputs as `fit` takes them, an array or a nest of arrays: about 100 examples of
            the training data, of all classes.
        y: Probe targets.
        every: Epochs from one look at the probe to the next.
        log_dir: Directory of this run's logs. The TEXT goes into a subdirectory `monitor`; from
            deep copies, as keras-tuner makes one for each execution of a trial, into
            `monitor/fit-0`, `monitor/fit-1`... None writes no logs.

    Attributes:
        findings: {problem: message} of the latest fit, in order of appearance.

    Raises:
        ValueError: before the first training step, if an argument is wrong, or the model or its
            loss doesn't take the probe batch.
        OSError: before the first training step, if `log_dir` can't be written to.

    When writing fails later (disk full), one warning says so and training goes on without logs.

    Example:
    ```python
    x, y = np.random.rand(1000, 20).astype("float32"), np.random.randint(0, 3, 1000)
    model = keras.Sequential([
        keras.layers.Dense(50, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ])
    model.compile(keras.optimizers.SGD(10.0), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=10, callbacks=[TrainingMonitor(x[:100], y[:100])])
    ```
    """

    def __init__(self, x, y, *, every=1, log_dir=None):
        super().__init__()
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"every must be a whole number of epochs, at least 1; got {every!r}.")
        self.x, self.y = probe_batch(x, y)
        self.every = every
        self.log_dir = None if log_dir is None else os.path.join(log_dir, "monitor")
        self.findings = {}
        self._is_copy = False
        self._probe = self._log = None

    def __deepcopy__(self, memo):
        clone = copy.copy(self)  # what can't be copied deep, on_train_begin makes anew
        clone._is_copy = True
        return clone

    def on_train_begin(self, logs=None):
        """Prepare the probe and open the log."""
        self._probe = Probe(self.model, self.x, self.y)
        self.findings = {}
        self._suspected = set()
        self._losses, self._validations = [], []
        self._reference_loss = None
        # Until then the validation loss may just wait for batch normalization's moving statistics.
        momenta = [getattr(layer, "momentum", 0) for layer in self._probe.layers.values()]
        self._settling_steps = max((3 / (1 - m) for m in momenta if m < 1), default=0)
        self._due = True
        if self.log_dir is not None:
            if self._is_copy:
                self.log_dir, self._is_copy = free_subdirectory(self.log_dir), False
            self._log = Log(self.log_dir)

    def on_epoch_begin(self, epoch, logs=None):
        """Check the model before training."""
        if self._reference_loss is None:
            self._check(step=epoch)
        self._due = (epoch + 1) % self.every == 0

    def on_train_batch_begin(self, batch, logs=None):
        """Keep the kernels before the last update."""
        if self._due:
            self._probe.before_batch(batch, self.params.get("steps"))

    def on_epoch_end(self, epoch, logs=None):
        """Check the losses and the model."""
        self._losses.append(logs["loss"])
        if "val_loss" in logs:
            self._validations.append((logs["val_loss"], logs["loss"]))
        if self._due:
            self._check(step=epoch + 1)

    def on_train_end(self, logs=None):
        """Close the log."""
        if self._log is not None:
            self._log.close()
        self._probe = self._log = None

    def _check(self, step):
        """Report at once what is certain, and the rest when it is seen twice in a row."""
        suspected_before, self._suspected = self._suspected, set()
        for problem, certain, fact in self._problems():
            self._suspected.add(problem)
            if problem not in self.findings and (certain or problem in suspected_before):
                when = f"after epoch {step}" if self._losses else "before training"
                message = f"{problem} {when}: {fact}. Try {ADVICE[problem]}."
                self.findings[problem] = message
                print(f"\nTrainingMonitor: {message}")
                if self._log is not None:
                    self._log.write(text_summary(f"training_monitor/{problem}", message), step)

    def _problems(self):
        """Yield (problem, whether seeing it once is enough, fact)."""
        loss, activations, gradients = self._probe()
        loss = float(loss)
        if self._reference_loss is None:  # before training
            classes = number_of_classes(self.model.loss, activations)
            guessing = math.log(classes) if classes else math.inf
            self._reference_loss = min(loss, guessing)
            if (
                loss > guessing + WORSE_THAN_GUESSING
                and self.model.optimizer.iterations.numpy() == 0
            ):
                fact = f"{loss:.3g}, while guessing gives ln {classes} = {guessing:.3g}"
                yield "initial loss", True, fact

        values = {"the training loss": self._losses[-1:], "the loss of the probe": loss}
        values |= {name: weight.numpy() for name, weight in self._probe.weights.items()}
        values |= {f"the output of {name}": output for name, output in activations.items()}
        if broken := non_finite(values):
            yield "non-finite values", True, f"NaN or Inf in {listed(broken)}"
        elif broken := non_finite(gradients):
            # Once, it may be an overflow in float16, which training skips.
            yield "non-finite values", False, f"NaN or Inf in the gradient of {listed(broken)}"
        else:  # otherwise the rest would only follow from it
            high = loss > 0.95 * self._reference_loss
            causes = list(self._unit_problems(activations))
            causes += self._gradient_problems(gradients, high and not causes)
            yield from causes
            yield from self._update_problems(high and not causes)
            yield from self._loss_problems(high)

    def _unit_problems(self, activations):
        functions = self._probe.activation_names
        dead = {
            name: dead_units(output) / output.shape[-1]
            for name, output in activations.items()
            if functions[name] in RECTIFIERS
        }
        if layers := above(DEAD, dead):
            yield "dead units", False, f"nothing but zeros for the whole probe in {layers}"
        saturated = {
            name: saturated_fraction(output, functions[name])
            for name, output in list(activations.items())[:-1]  # the last one may be sure of itself
            if functions[name] in STEEP
        }
        if layers := above(SATURATED, saturated):
            yield "saturated units", False, f"outputs where the slope is nearly 0 in {layers}"

    def _gradient_problems(self, gradients, high):
        norms = {name: l2_norm(gradient) for name, gradient in gradients.items()}
        largest, global_norm = max(norms.values(), default=0), l2_norm(list(norms.values()))
        tiny = [name for name, norm in norms.items() if 0 < norm < largest / IMBALANCE]
        if global_norm > LARGE_GRADIENT:
            yield "exploding gradients", True, f"global norm {global_norm:.3g}"
        elif tiny:
            fact = f"less than 1/{IMBALANCE:.0f} of the largest norm in {listed(tiny)}"
            yield "vanishing gradients", False, fact
        elif norms and high and global_norm < SMALL_GRADIENT:
            yield "vanishing gradients", False, f"global norm {global_norm:.3g}, at a high loss"

    def _update_problems(self, high):
        if ratios := self._probe.update_ratios():
            ratio = float(np.median(list(ratios.values())))
            fact = f"a step changes a kernel by {ratio:.1g} of its norm, about 0.001 is healthy"
            if ratio > LARGE_UPDATE:
                yield "large updates", False, fact
            elif ratio < SMALL_UPDATE and high:
                yield "small updates", False, fact

    def _loss_problems(self, high):
        if high and len(self._losses) > 5 and min(self._losses[-5:]) > 0.99 * self._losses[-6]:
            fact = f"{self._losses[-1]:.3g}, and 5 epochs ago {self._losses[-6]:.3g}"
            yield "stuck loss", True, fact
        settled = self.model.optimizer.iterations.numpy() > self._settling_steps
        if settled and len(self._validations) > 5:
            (best, loss_at_best), (latest, loss) = min(self._validations), self._validations[-1]
            limit = max(1.2 * best, best + 0.05 * self._reference_loss)
            if min(self._validations[-5:])[0] > limit and loss < loss_at_best:
                fact = f"validation loss {latest:.3g}, at best {best:.3g}; training loss fell"
                yield "overfitting", True, fact


def number_of_classes(loss, activations):
    """Return how many classes a cross-entropy tells apart; None for another loss."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    name = getattr(loss, "__name__", type(loss).__name__).replace("_", "").lower()
    if name in ("categoricalcrossentropy", "sparsecategoricalcrossentropy") and activations:
        return list(activations.values())[-1].shape[-1]  # the last layer's
    return 2 if name == "binarycrossentropy" else None


def non_finite(arrays):
    """Return the names of those with NaN or Inf."""
    return [name for name, array in arrays.items() if not np.all(np.isfinite(array))]


def above(limit, shares):
    """Return "h1 (70%), h2 (80%)", those above the limit."""
    return listed([f"{name} ({share:.0%})" for name, share in shares.items() if share > limit])


def listed(names):
    """Return "a, b, c and 7 more"."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def text_summary(tag, text):
    """Return a `Summary` that shows the text under TensorBoard's TEXT."""
    metadata = {"plugin_data": {"plugin_name": "text"}, "data_class": "DATA_CLASS_TENSOR"}
    summary = tf.compat.v1.Summary()
    summary.value.add(tag=tag, metadata=metadata, tensor=tf.make_tensor_proto(text))
    return summary


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
