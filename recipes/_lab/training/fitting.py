"""One member at a time, with plain `model.fit`: the fallback, and the cross-check."""

import keras
import numpy as np
import tensorflow as tf

from callbacks.distribution_logger import Probe, summarize
from recipes._lab.seeding import batch_order, seed_from
from recipes._lab.training.architecture import layer_names, wants_one_hot
from recipes._lab.training.connections import is_of_ones_own, layers_of
from recipes._lab.training.initial_weights import initial_weights
from recipes._lab.training.loading import model_to_train
from recipes._lab.training.opening import opened_layers
from recipes._lab.training.recording import PROBE, Record
from recipes._lab.training.stack import is_correct, labels_for

# Examples evaluated at once.
BLOCK = 1000


def _labels(member, model):
    """Return the training labels as the model's loss takes them, one-hot or whole numbers."""
    y, classes = member.data.train.y, member.data.num_classes
    return np.eye(classes, dtype=np.float32)[y] if wants_one_hot(model.loss) else y


def _batches(member, labels):
    """Yield the member's batches in the order in which a population would see them."""
    train, factors = member.data.train, member.data.train.factors
    for epoch in range(member.epochs):
        size = min(member.batch_size, len(train))
        for rows in batch_order(member.seed, epoch, len(train), size):
            yield train.x[rows], labels[rows], factors[rows]


def fit(members, progress):
    """Train one member, the only one, with plain `fit`: the fallback, and the cross-check."""
    (member,) = members
    keras.utils.set_random_seed(seed_from(member.seed, "fit"))
    model = model_to_train(member)
    if member.spec is not None:
        _assign(model, _initial_weights(member, model))
    record = Record([member], member.epochs)
    loss = keras.losses.get(model.loss)

    @tf.function(reduce_retracing=True, autograph=False)
    def measure(x, y):
        outputs = model(x, training=False)
        hits = is_correct(loss, y, outputs)
        y = labels_for(loss, y, outputs)
        # A loss function of the user's own may return the mean of the batch.
        losses = tf.broadcast_to(getattr(loss, "call", loss)(y, outputs), tf.shape(hits))
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(hits)])

    def measured(*splits):
        sums = [
            sum(
                measure(split.x[start : start + BLOCK], split.y[start : start + BLOCK])
                for start in range(0, len(split), BLOCK)
            )
            for split in splits
        ]
        return np.concatenate(
            [s.numpy() / len(split) for s, split in zip(sums, splits, strict=True)]
        )

    labels = _labels(member, model)
    prepare(model, labels)
    probe = member.watch and Probe(model, member.data.train.x[:PROBE], labels[:PROBE])

    def watch(epoch):
        metrics = None
        if member.is_evaluated(epoch):
            metrics = measured(member.data.train, member.data.validation)[:, None]
        stacked = [tf.constant(variable.numpy()[None]) for variable in model.weights]
        record.epoch(epoch, metrics, stacked)
        if record.watched(epoch, 1):
            _, outputs, gradients = probe()
            values = {name: weight.numpy() for name, weight in probe.weights.items()}
            summary = summarize(values, outputs, gradients, activation_names=probe.activation_names)
            record.distributions[epoch] = {0: summary.SerializeToString()}
        return stacked

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            watch(epoch + 1)
            progress(1)
            if record.stopped[0]:
                self.model.stop_training = True
                progress(member.epochs - epoch - 1)

    stacked = watch(0)
    model.fit(
        _batches(member, labels),
        epochs=member.epochs,
        steps_per_epoch=len(member.data.train) // min(member.batch_size, len(member.data.train)),
        verbose=0,
        shuffle=False,
        callbacks=[Watch()],
    )
    stacked = record.restore([tf.constant(v.numpy()[None]) for v in model.weights])
    _assign(model, [value[0] for value in stacked])
    return record.results(1, stacked, measured(member.data.test)[:, None])


def prepare(model, labels):
    """Make what `fit` would make while it traces its step, which it would then trace once more.

    That halves the time that a short `fit` takes, and changes no number. A model of one's own class
    may still make weights when it is called; it is left as it is.

    Args:
        model: built and compiled.
        labels: as `fit` gets them, (examples, ...).

    Returns:
        The model.
    """
    if is_of_ones_own(model):
        return model
    model.optimizer.build(model.trainable_variables)
    model.compute_metrics(None, labels[:1], np.zeros((1, *model.output_shape[1:]), np.float32))
    model.reset_metrics()
    return model


def _initial_weights(member, model):
    """Return the weights from which a population would start, in the order of `model.weights`."""
    layers = dict(zip(layer_names(model), layers_of(model), strict=True))
    looped = {name: layer for name, layer in layers.items() if name in member.spec.looped}
    return initial_weights(member.spec, member.seed, layers, opened_layers(looped))


def _assign(model, values):
    for variable, value in zip(model.weights, values, strict=True):
        variable.assign(value)
