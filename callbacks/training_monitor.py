"""A monitor of `model.fit`: says in plain words what goes wrong in training and what to try."""

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
    "targets not scaled": "targets of mean 0 and standard deviation 1; scale predictions back",
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
LARGE_GRADIENT = 1e4  # global norm (1200: ResNet50), for targets up to 1
LARGE_TARGETS = 30.0  # root mean square at a high loss
SMALL_GRADIENT = 1e-3  # global norm at a high loss (0.3), for targets from 1
IMBALANCE = 300.0  # largest norm of a kernel's gradient over the smallest (17: two sigmoids)
LARGE_UPDATE = 0.1  # median of the update-to-weight ratios (0.05: SGD on all examples)
SMALL_UPDATE = 1e-5  # the same at a high loss (4e-4: SGD, learning rate 0.01)
WORSE = 1.05  # loss beside that of guessing (1.0: no signal at all)
# Losses that grow with the targets.
REGRESSION = ("meansquarederror", "meanabsoluteerror", "huber", "logcosh")


# The same in distribution_logger.py, to ProbeCallback's end, so that each file can be pasted alone.
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


class TrainingMonitor(ProbeCallback):
    """Watches training and says, each once, what goes wrong and what to try.

    A finding is printed, kept in `findings` and shown under TensorBoard's TEXT. Before training
    and after every `every`-th epoch one compiled pass over a fixed probe batch is checked for:

    - initial loss: a cross-entropy far above that of guessing, ln(number of classes).
    - non-finite values: NaN or Inf in the loss, a weight, a layer's output or a gradient.
    - dead units: ReLU layers most of whose units are zero for the whole probe.
    - saturated units: hidden tanh or sigmoid layers with most outputs where the slope is nearly 0.
    - exploding gradients: a global norm far above that of healthy networks, for such targets.
    - vanishing gradients: tiny in the first kernel beside others, or in all while the loss is high.
    - targets not scaled: a regression's targets are large, and the loss stays high.
    - large or small updates: an update changes kernels by far more, or at a high loss far less,
      than a thousandth of their norm, and the learning rate isn't rising to or falling from more.
    - stuck loss: a high training loss that has fallen by less than 1 % in 5 epochs, while guessing
      is better or updates are small; else it may be as low as the data allow.
    - overfitting: a validation loss well above its best (by 20 %, and by 5 % of the loss before
      training) for 5 epochs, while the training loss fell.

    A loss is high near that of guessing (classes alike, or the mean of the targets), or near that
    before training where it isn't known. The limits are wide, and what may pass must be seen twice
    in a row: healthy runs stay silent. Training isn't changed: weights and history keep the same
    bits. Sources: CS231n, "Neural Networks Part 3"; Glorot & Bengio 2010, "Understanding the
    difficulty of training deep feedforward neural networks".

    Of an output of more than 10,000 values as many drawn at random stand for the whole where
    saturated units are sought; of a large network as many examples of the probe are looked at as
    keep all outputs below 0.5 GB. Without call() only weights and updates are checked, without loss
    no gradients.

    Args:
        x: Probe inputs as `fit` takes them, an array or a nest of arrays: about 100 examples of
            the training data, of all classes; or a `tf.data.Dataset` or `keras.utils.PyDataset`, of
            which the first batch is taken.
        y: Probe targets.
        every: Epochs from one look at the probe to the next.
        every_batches: Batches from one look to the next, instead of epochs; a stuck loss and
            overfitting show only over epochs.
        log_dir: Directory of this run's logs. The TEXT goes into a subdirectory `monitor`; from
            deep copies, as keras-tuner makes one for each execution of a trial, into
            `monitor/fit-0`, `monitor/fit-1`... None writes no logs.

    Attributes:
        findings: {problem: message} of the latest fit, in order of appearance.

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
        keras.layers.Dense(50, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ])
    model.compile(keras.optimizers.SGD(10.0), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=10, callbacks=[TrainingMonitor(x[:100], y[:100])])
    ```
    """

    def __init__(self, x, y=None, *, every=1, every_batches=None, log_dir=None):
        log_dir = None if log_dir is None else os.path.join(log_dir, "monitor")
        super().__init__(x, y, every=every, every_batches=every_batches, log_dir=log_dir)
        self.findings = {}

    def on_train_begin(self, logs=None):
        """Prepare the probe and open the log."""
        super().on_train_begin(logs)
        self.findings, self._suspected = {}, set()
        self._losses, self._validations, self._rates = [], [], []
        self._is_new = self.model.optimizer.iterations.numpy() == 0
        self._largest_norm = 0.0
        loss = getattr(self.model, "loss", None)
        self._classes = number_of_classes(loss, self._probe.prediction_shapes)
        self._guessing = math.log(self._classes) if self._classes else loss_of_mean(loss, self.y)
        is_regression = loss_name(loss) in REGRESSION and isinstance(self.y, np.ndarray)
        self._scale = root_mean_square(self.y) if is_regression else 1.0
        # Until then the validation loss may just wait for batch normalization's moving statistics.
        momenta = [getattr(layer, "momentum", 0) for layer in self._probe.layers.values()]
        self._settling_steps = max((3 / (1 - m) for m in momenta if m < 1), default=0)

    def on_epoch_end(self, epoch, logs=None):
        """Check the losses and the model."""
        logs = logs or {}
        if "loss" in logs:  # a train_step of one's own may log others
            self._losses.append(logs["loss"])
            if "val_loss" in logs:
                self._validations.append((logs["val_loss"], logs["loss"]))
        super().on_epoch_end(epoch, logs)

    def look(self, step):
        """Report at once what is certain, and the rest when it is seen twice in a row."""
        suspected_before, self._suspected = self._suspected, set()
        for problem, certain, fact in self._problems():
            self._suspected.add(problem)
            if problem not in self.findings and (certain or problem in suspected_before):
                unit = "batch" if self.every_batches else "epoch"
                when = "before training" if self._before_training else f"after {unit} {step}"
                message = f"{problem} {when}: {fact}. Try {ADVICE[problem]}."
                self.findings[problem] = message
                print(f"\nTrainingMonitor: {message}")
                if self._log is not None:
                    self._log.write(text_summary(f"training_monitor/{problem}", message), step)

    def _problems(self):
        """Yield (problem, whether seeing it once is enough, fact)."""
        loss, outputs, gradients = self._probe()
        if self._before_training:
            self._first_loss = loss
            yield from self._initial_problems(loss)
        values = {"the training loss": self._losses[-1:]}
        values |= {"the loss of the probe": [] if loss is None else loss}
        values |= {name: weight.numpy() for name, weight in self._probe.weights.items()}
        broken = non_finite(values)
        broken += [f"the output of {name}" for name, each in outputs.items() if each.non_finite]
        if broken:
            yield "non-finite values", True, f"NaN or Inf in {listed(broken)}"
        elif broken := non_finite(gradients):
            # Once, it may be an overflow in float16, which training skips.
            yield "non-finite values", False, f"NaN or Inf in the gradient of {listed(broken)}"
        else:  # otherwise the rest would only follow from it
            high = self._is_high(loss)
            causes = list(self._unit_problems(outputs))
            causes += self._gradient_problems(gradients, high and not causes)
            yield from causes
            updates = list(self._update_problems(high and not causes))
            yield from updates
            is_slow = any(problem == "small updates" for problem, *_ in updates)
            if high and (is_slow or loss > WORSE * self._guessing):
                yield from self._stuck_loss()
            yield from self._overfitting()

    def _is_high(self, loss):
        if loss is None:
            return False
        if self._guessing < math.inf:
            return loss > 0.95 * self._guessing
        return self._is_new and loss > 0.95 * self._first_loss

    def _initial_problems(self, loss):
        if self._classes and self._is_new and (loss or 0) > self._guessing + WORSE_THAN_GUESSING:
            guessing = f"guessing gives ln {self._classes} = {self._guessing:.3g}"
            yield "initial loss", True, f"{loss:.3g}, while {guessing}"

    def _unit_problems(self, outputs):
        functions = self._probe.activation_names
        dead = {
            name: output.dead_units / output.units
            for name, output in outputs.items()
            if functions[name] in RECTIFIERS
        }
        if layers := above(DEAD, dead):
            yield "dead units", False, f"nothing but zeros for the whole probe in {layers}"
        saturated = {
            name: saturated_fraction(output.values, functions[name])
            for name, output in outputs.items()
            if functions[name] in STEEP and name not in self._probe.final  # these may be sure
        }
        if layers := above(SATURATED, saturated):
            yield "saturated units", False, f"outputs where the slope is nearly 0 in {layers}"

    def _gradient_problems(self, gradients, high):
        norms = {name: l2_norm(gradient) for name, gradient in gradients.items()}
        largest, global_norm = max(norms.values(), default=0), l2_norm(list(norms.values()))
        self._largest_norm = max(self._largest_norm, global_norm)
        tiny = [name for name, norm in norms.items() if 0 < norm < largest / IMBALANCE]
        # What vanishes does so towards the input; elsewhere a gate may be nearly closed.
        first = next((name for name, norm in norms.items() if norm), None)
        fact = f"global norm {global_norm:.3g}"
        if global_norm > LARGE_GRADIENT * max(1, self._scale):
            yield "exploding gradients", True, fact
        elif self._scale > LARGE_TARGETS and high and not self._before_training:
            fact = f"they are about {self._scale:.3g} large, and the loss is still high"
            yield "targets not scaled", False, fact
        elif first in tiny:
            fact = f"less than 1/{IMBALANCE:.0f} of the largest norm in {listed(tiny)}"
            yield "vanishing gradients", False, fact
        elif norms and high and self._largest_norm < SMALL_GRADIENT * min(1, self._scale):
            yield "vanishing gradients", False, f"{fact}, at a high loss"

    def _update_problems(self, high):
        rate = getattr(self.model.optimizer, "learning_rate", 0.0)
        self._rates.append(float(getattr(rate, "numpy", lambda: rate)()))
        is_steady = self._rates[-1] >= 0.5 * max(self._rates) and not self._is_warming_up()
        if ratios := self._probe.update_ratios():
            ratio = float(np.median(list(ratios.values())))
            fact = f"an update changes a kernel by {ratio:.1g} of its norm, about 0.001 is healthy"
            if ratio > LARGE_UPDATE:
                yield "large updates", False, fact
            elif ratio < SMALL_UPDATE and high and is_steady:
                yield "small updates", False, fact

    def _is_warming_up(self):
        return self._rates[-1] > 1.01 * self._rates[-2:][0]

    def _stuck_loss(self):
        if self._is_warming_up():
            return
        if len(self._losses) > 5 and min(self._losses[-5:]) > 0.99 * self._losses[-6]:
            fact = f"{self._losses[-1]:.3g}, and 5 epochs ago {self._losses[-6]:.3g}"
            yield "stuck loss", True, fact

    def _overfitting(self):
        settled = self.model.optimizer.iterations.numpy() > self._settling_steps
        if settled and len(self._validations) > 5:
            (best, loss_at_best), (latest, loss) = min(self._validations), self._validations[-1]
            reference = min(self._guessing, self._first_loss or 0)
            limit = max(1.2 * best, best + 0.05 * reference)
            if min(self._validations[-5:])[0] > limit and loss < loss_at_best:
                fact = f"validation loss {latest:.3g}, at best {best:.3g}; training loss fell"
                yield "overfitting", True, fact


def loss_name(loss):
    """Return "meansquarederror" for "mse", `keras.losses.MeanSquaredError()` and its function."""
    loss = keras.losses.get(loss) if isinstance(loss, str) else loss
    return getattr(loss, "__name__", type(loss).__name__).replace("_", "").lower()


def number_of_classes(loss, prediction_shapes):
    """Return how many classes a cross-entropy tells apart; None for another loss."""
    name = loss_name(loss)
    if name in ("categoricalcrossentropy", "sparsecategoricalcrossentropy") and prediction_shapes:
        return prediction_shapes[0][-1]
    return 2 if name == "binarycrossentropy" else None


def loss_of_mean(loss, y):
    """Return the loss of a regression that always gives the mean target; inf for another loss."""
    if loss_name(loss) not in REGRESSION or not isinstance(y, np.ndarray):
        return math.inf
    y = y.astype("float32")
    means = np.broadcast_to(y.mean(axis=0), y.shape)
    return float(np.mean(keras.losses.get(loss)(y, means))) or math.inf


def root_mean_square(y):
    """Return how large targets are."""
    return float(np.sqrt(np.mean(np.square(y, dtype=np.float64))))


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


# From here on the same in distribution_logger.py.


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
