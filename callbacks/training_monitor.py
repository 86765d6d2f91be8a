"""A monitor of `model.fit`: says in plain words what goes wrong in training and what to try."""

import math
import os
import warnings

import keras
import numpy as np
import tensorflow as tf

from .probe import (
    RECTIFIERS,
    STEEP,
    ProbeCallback,
    add_tensor,
    l2_norm,
    saturated_fraction,
    updates_counted,
)

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
MEANS = ("mean", "sum_over_batch_size", "mean_with_sample_weight")  # reductions of a loss


class TrainingMonitor(ProbeCallback):
    """Watches training and says, each once, what goes wrong and what to try.

    A finding is printed, kept in `findings` and shown under TensorBoard's TEXT. Before training
    and after every `every`-th epoch one compiled pass over a fixed probe batch is checked for:

    - initial loss: a cross-entropy far above that of guessing, ln(number of classes), summed over
      the outputs. Not with loss_weights, with another reduction than the mean, or where an output
      has another loss.
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

    A loss is high if it is near that of guessing (all classes alike, or the mean of the targets)
    or, where that isn't known, near that before training. The limits are wide, and what may pass
    must be seen twice in a row: healthy runs stay silent. Training isn't changed: weights and
    history keep the same bits. Sources: CS231n, "Neural Networks Part 3"; Glorot & Bengio 2010,
    "Understanding the difficulty of training deep feedforward neural networks".

    Saturated units are sought in a random sample of 10,000 values of larger outputs. For a large
    network only as many probe examples are used as keep all outputs below 0.5 GB. Without call()
    only weights and updates are checked, without loss no gradients, and without the model's
    optimizer (a GAN's two are its own) neither updates nor overfitting.

    Args:
        x: Probe inputs as `fit` takes them: about 100 examples of the training data, of all
            classes, an array or a nest of arrays; or a `tf.data.Dataset` or
            `keras.utils.PyDataset`, of which the first batch is taken.
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
        ValueError: if an argument is wrong, or, before the first training step, if the model or
            its loss doesn't take the probe batch. When a later look at it fails (out of memory),
            one warning says so and training goes on without further looks.
        OSError: before the first training step, if `log_dir` can't be written to. When writing
            fails later (disk full), one warning says so and training goes on without logs.
        RuntimeError: if Keras's backend isn't TensorFlow.

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
        self._is_new = updates_counted(self.model) == 0
        self._largest_norm = 0.0
        loss = self.model.loss
        self._classes = numbers_of_classes(loss, self._probe.prediction_shapes)
        if has_loss_weights(self.model):
            self._classes = []
        self._guessing = sum(math.log(number) for number in self._classes) or math.inf
        self._scale = 1.0  # of a regression's targets
        if loss_name(loss) in REGRESSION and isinstance(self.y, np.ndarray):
            self._guessing = loss_of_mean(loss, self.y)
            self._scale = l2_norm(self.y) / math.sqrt(self.y.size)
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
                self._report(problem, fact, step)

    def _report(self, problem, fact, step):
        unit = "batch" if self.every_batches else "epoch"
        when = "before training" if self._before_training else f"after {unit} {step}"
        message = f"{problem} {when}: {fact}. Try {ADVICE[problem]}."
        self.findings[problem] = message
        print(f"\nTrainingMonitor: {message}")
        if self._log is not None:
            summary = tf.compat.v1.Summary()
            add_tensor(summary, f"training_monitor/{problem}", message, "text")
            self._log.write(summary, step)

    def _problems(self):
        """Return (problem, whether seeing it once is enough, fact) of all that is wrong."""
        loss, outputs, gradients = self._probe()
        ratios = self._probe.update_ratios()  # at each look, lest the next has those of an epoch
        problems = []
        if self._before_training:
            self._first_loss = loss
            problems += self._initial_problems(loss)
        if broken := list(self._non_finite(loss, outputs, gradients)):
            return problems + broken  # the rest would only follow from it
        optimizer = self.model.optimizer  # a GAN may have two of its own instead
        if optimizer is not None:
            self._rates.append(float(tf.convert_to_tensor(optimizer.learning_rate)))
        high = self._is_high(loss)
        causes = list(self._unit_problems(outputs))
        causes += self._gradient_problems(gradients, high and not causes)
        updates = list(self._update_problems(ratios, high and not causes))
        problems += causes + updates
        is_slow = any(problem == "small updates" for problem, *_ in updates)
        is_bad = is_slow or (high and loss > WORSE * self._guessing)
        if is_bad and not self._is_warming_up():
            problems += self._stuck_loss()
        return problems + list(self._overfitting())

    def _is_high(self, loss):
        if loss is None:
            return False
        if self._guessing < math.inf:
            return loss > 0.95 * self._guessing
        return self._is_new and loss > 0.95 * self._first_loss

    def _initial_problems(self, loss):
        if self._classes and self._is_new and (loss or 0) > self._guessing + WORSE_THAN_GUESSING:
            guessing = " + ".join(f"ln {number}" for number in self._classes)
            fact = f"{loss:.3g}, while guessing gives {guessing} = {self._guessing:.3g}"
            yield "initial loss", True, fact

    def _non_finite(self, loss, outputs, gradients):
        values = {"the training loss": self._losses[-1:], "the loss of the probe": loss or 0.0}
        values |= {name: weight.numpy() for name, weight in self._probe.weights.items()}
        broken = non_finite(values)
        broken += [f"the output of {name}" for name, each in outputs.items() if each.non_finite]
        if broken:
            yield "non-finite values", True, f"NaN or Inf in {listed(broken)}"
        elif broken := non_finite(gradients):
            # Once, it may be an overflow in float16, which training skips.
            yield "non-finite values", False, f"NaN or Inf in the gradient of {listed(broken)}"

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

    def _update_problems(self, ratios, high):
        if ratios:
            is_steady = self._rates[-1] >= 0.5 * max(self._rates) and not self._is_warming_up()
            ratio = float(np.median(list(ratios.values())))
            fact = f"an update changes a kernel by {ratio:.1g} of its norm, about 0.001 is healthy"
            if ratio > LARGE_UPDATE:
                yield "large updates", False, fact
            elif ratio < SMALL_UPDATE and high and is_steady:
                yield "small updates", False, fact

    def _is_warming_up(self):
        return bool(self._rates) and self._rates[-1] > 1.01 * self._rates[-2:][0]

    def _stuck_loss(self):
        if len(self._losses) > 5 and min(self._losses[-5:]) > 0.99 * self._losses[-6]:
            fact = f"{self._losses[-1]:.3g}, and 5 epochs ago {self._losses[-6]:.3g}"
            yield "stuck loss", True, fact

    def _overfitting(self):
        settled = (updates_counted(self.model) or 0) > self._settling_steps
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


def numbers_of_classes(loss, prediction_shapes):
    """Return how many classes the cross-entropy of each output tells apart.

    Args:
        loss: What `compile` got: a loss for all outputs, or a list or dictionary of them.
        prediction_shapes: Shapes of the outputs.

    Returns:
        A list; [] if the loss of one of them is another, or isn't a mean over the examples.
    """
    losses = keras.tree.flatten(loss)
    if not keras.tree.is_nested(loss):
        losses *= len(prediction_shapes)
    # Keras has its own order of what has names.
    has_unknown_order = isinstance(loss, dict) and len({loss_name(each) for each in losses}) > 1
    if has_unknown_order or len(losses) != len(prediction_shapes):
        return []
    pairs = zip(losses, prediction_shapes, strict=True)
    numbers = [number_of_classes(each, shape) for each, shape in pairs]
    return numbers if all(numbers) else []


def number_of_classes(loss, prediction_shape):
    """Return how many classes a mean cross-entropy tells apart; None for another loss."""
    name = loss_name(loss)
    if getattr(loss, "reduction", "mean") not in MEANS:
        return None
    if name in ("categoricalcrossentropy", "sparsecategoricalcrossentropy"):
        return prediction_shape[-1]
    return 2 if name == "binarycrossentropy" else None


def has_loss_weights(model):
    """Tell whether `compile` got loss_weights, or may have got them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that a lambda is unsafe to load
            return model.get_compile_config().get("loss_weights") is not None
    except Exception:  # what can't be saved can't be read here, either
        return True


def loss_of_mean(loss, y):
    """Return the loss of a regression that always gives the mean target; inf if that is 0."""
    y = y.astype("float32")
    means = np.broadcast_to(y.mean(axis=0), y.shape)
    return float(np.mean(keras.losses.get(loss)(y, means))) or math.inf


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
