"""Distributions of weights, activations and gradients for TensorBoard, from plain `model.fit`."""

import numpy as np
import tensorflow as tf

from .probe import (
    KINDS,
    RECTIFIERS,
    STEEP,
    Output,
    Probe,
    ProbeCallback,
    activation_name,
    add_tensor,
    l2_norm,
    saturated_fraction,
)

# For training loops of one's own, which log the same with them.
__all__ = ["DistributionLogger", "Probe", "activation_name", "summarize"]
BINS = 30  # of a histogram, as many as TensorBoard shows


class DistributionLogger(ProbeCallback):
    """Logs how weights, activations and gradients are distributed, layer by layer.

    Before training (step 0) and after every `every`-th epoch (step e + 1 after epoch e), one
    compiled pass over a fixed probe batch gives the output of every layer and the gradient of
    every kernel. Training isn't changed: weights and history keep the same bits.

    HISTOGRAMS and DISTRIBUTIONS show, of the finite values:

    - `weights/<layer>/<weight>`: every weight; of batch normalization the moving statistics, too.
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
      when Keras doesn't know the number of steps of an epoch, nor with the optimizer's `use_ema`,
      nor when the model was compiled without an optimizer.
    - `non_finite`: how many values are NaN or Inf, by kind and, where there are any, by name.

    An output of more than 10,000 values is represented by a random sample of 10,000, always at the
    same places; `dead_units` and `non_finite` are exact. For a large network only as many probe
    examples are used as keep all outputs below 0.5 GB.

    Cards line up by name, so name the layers: `h1`, `h1_bn`, `h1_act`, `h2`... A layer within
    another is called `inner/h1`; of two with one name the second is `h1_1`. A layer that is called
    repeatedly shows its last output, one that returns several tensors its first, one within a loop
    (an RNN's cell) none. Without call() there are only weights, without loss no gradients.

    A second `fit` writes on into the same directory, from the step that `initial_epoch` says; with
    `every_batches` a new logger begins at the batches that the model's optimizer has counted. A
    deep copy, as keras-tuner makes one for each execution of a trial, writes into a subdirectory
    of its own, `fit-0`, `fit-1`... in order of training.

    Args:
        log_dir: Directory of this run's logs. Keras's TensorBoard callback may have the same.
        x: Probe inputs as `fit` takes them: about 100 examples of the training data, an array or a
            nest of arrays; or a `tf.data.Dataset` or `keras.utils.PyDataset`, of which the first
            batch is taken.
        y: Probe targets; only gradients need them.
        every: Epochs from one snapshot to the next.
        every_batches: Batches from one snapshot to the next, instead of epochs; the steps are then
            the batches trained, in all fits.
        kinds: What to log: some of "weights", "activations", "gradients".
        layers: Names of the layers to log, each with the layers in it; None for all.
        training: True shows what training sees (batch statistics, dropout), False inference.

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
        if isinstance(kinds, str) or not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"kinds must be some of {KINDS}; got {kinds!r}.")
        super().__init__(
            x,
            y,
            every=every,
            every_batches=every_batches,
            log_dir=log_dir,
            kinds=kinds,
            layers=layers,
            training=training,
        )
        self.kinds = kinds

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
    weights=None, activations=None, gradients=None, *, update_ratios=None, activation_names=None
):
    """Turn arrays into one `Summary`: the histograms and scalars that `DistributionLogger` shows.

    Args:
        weights: {"h1/kernel": array}, any weights.
        activations: {"h1_act": array of shape (examples, ..., units), or an `Output`}.
        gradients: {"h1/kernel": array}, the gradients of kernels.
        update_ratios: {"h1/kernel": ‖update‖ / ‖kernel‖}.
        activation_names: {"h1_act": "relu"}: which activations to search for dead ("relu",
            "relu6") or saturated ("tanh", "sigmoid") units.

    Returns:
        A `tf.compat.v1.Summary`.
    """
    summary = tf.compat.v1.Summary()
    if weights is not None:
        add_kind(summary, "weights", weights)
    for name, ratio in (update_ratios or {}).items():
        add_scalar(summary, f"update_ratio/{name}", ratio)
    if activations is not None:
        add_activations(summary, activations, activation_names or {})
    if gradients is not None:
        add_gradients(summary, gradients)
    return summary


def add_activations(summary, activations, activation_names):
    """Add the distribution of each output, and the share of dead or saturated units."""
    for name, values in add_kind(summary, "activations", activations).items():
        if values.size == 0:
            continue
        add_scalar(summary, f"activation_mean/{name}", values.mean())
        add_scalar(summary, f"activation_std/{name}", values.std())
        function = activation_names.get(name)
        if function in RECTIFIERS:
            add_scalar(summary, f"activation_zero_fraction/{name}", np.mean(values == 0))
            add_scalar(summary, f"dead_units/{name}", dead_units(activations[name]))
        elif function in STEEP:
            fraction = saturated_fraction(values, function)
            add_scalar(summary, f"saturated_fraction/{name}", fraction)


def add_gradients(summary, gradients):
    """Add the distribution of each gradient, its orders of magnitude and its norm."""
    norms = []
    for name, values in add_kind(summary, "gradients", gradients).items():
        magnitudes = np.log10(np.abs(values[values != 0]))
        add_histogram(summary, f"gradients_log10/{name}", magnitudes)
        norms.append(l2_norm(gradients[name]))
        add_scalar(summary, f"gradient_norm/{name}", norms[-1])
    add_scalar(summary, "gradient_norm/global", l2_norm(norms))


def add_kind(summary, kind, arrays):
    """Add histograms and non-finite counts; return {name: finite values}."""
    finite, total_non_finite = {}, 0
    for name, array in arrays.items():
        drawn = array.values if isinstance(array, Output) else array
        values = np.asarray(drawn, np.float64)  # the squares of large float32 overflow
        # One Inf or NaN blanks TensorBoard's whole card: it is counted instead.
        finite[name] = values[np.isfinite(values)]
        add_histogram(summary, f"{kind}/{name}", finite[name])
        non_finite = getattr(array, "non_finite", values.size - finite[name].size)
        if non_finite:
            add_scalar(summary, f"non_finite/{kind}/{name}", non_finite)
        total_non_finite += non_finite
    add_scalar(summary, f"non_finite/{kind}", total_non_finite)
    return finite


def add_scalar(summary, tag, value):
    """Add a number for SCALARS."""
    summary.value.add(tag=tag, simple_value=value)


def add_histogram(summary, tag, values):
    """Add finite values for HISTOGRAMS and DISTRIBUTIONS."""
    add_tensor(summary, tag, histogram(values), "histograms")


def dead_units(output):
    """Return how many units, along the last axis, give only zeros."""
    if isinstance(output, Output):
        return output.dead_units
    return np.count_nonzero(np.all(output == 0, axis=tuple(range(output.ndim - 1))))


def histogram(values):
    """Return [left, right, count] of bins of equal width, (BINS, 3), like `np.histogram`.

    A third of its time: that a rounding error may put a value into the bin beside is no matter.
    """
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    if low == high:
        around = max(0.5, 1e-9 * abs(low))  # half of one is nothing beside a float of 1e16
        low, high = low - around, high + around
    places = ((values - low) * (BINS / (high - low))).astype(np.intp)
    counts = np.bincount(np.minimum(places, BINS - 1), minlength=BINS)
    edges = np.linspace(low, high, BINS + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)
