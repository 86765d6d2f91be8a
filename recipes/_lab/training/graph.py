"""The training of one architecture as one TensorFlow graph, many members at once."""

import copy
import functools
import json
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from callbacks.distribution_logger import activation_name, summarize
from recipes._lab.seeding import batch_order, seed_from
from recipes._lab.training import optimizers
from recipes._lab.training.initial_weights import initial_weights
from recipes._lab.training.loading import model_to_train
from recipes._lab.training.members import Pause
from recipes._lab.training.numerics import PACKET, members_multiple
from recipes._lab.training.recording import PROBE, Record
from recipes._lab.training.schedules import rates
from recipes._lab.training.stack import Stack, is_correct

# Examples evaluated at once: fewer waste time between operations, more fall out of cache.
BLOCKS = range(256, 120, -PACKET)


class Graph:
    """The training step of one architecture for chunks of a fixed size, traced once.

    What it is traced for is the shape of the data; the data themselves are arguments, so that
    seeds, folds and data sets of equal shape share one graph.

    Args:
        members: all members that it will train.
        size: members in a chunk; smaller chunks are filled up with copies of their last member.
        streams: distinct pairs of data and seed in a chunk, at the most: each has its own batches.
        datasets: distinct data in a chunk, at the most.
    """

    def __init__(self, members, size, streams, datasets):
        first = members[0]
        self.size, self.streams, self.datasets = size, streams, datasets
        self.batch_size = min(first.batch_size, len(first.data.train))
        self.stack = Stack(model_to_train(first), first.spec.looped)
        self.optimizer = json.loads(first.spec.signature)[-2]
        self.rules = optimizers.rules(self.optimizer, self.stack.trained(self.stack.shapes))
        self.hyperparameters = self.hyperparameters_of(members)
        self.weighted = self.weights_examples(members)
        self.run_epoch = tf.function(self._run_epoch, autograph=False)
        self.measure = tf.function(self._measure, autograph=False)

    def resized(self, size):
        """Return the same graph for chunks of another size, to be traced anew."""
        other = copy.copy(self)
        other.size = size
        other.run_epoch = tf.function(other._run_epoch, autograph=False)
        other.measure = tf.function(other._measure, autograph=False)
        return other

    @staticmethod
    def hyperparameters_of(members):
        """Return the names of the per-member hyperparameters that the members need.

        Factors that are zero for everybody are left out: what nobody asked for costs nothing.
        """
        return [
            name
            for name in members[0].spec.hyperparameters
            if not (name.endswith(("/l1", "/l2")) or name in optimizers.OPTIONAL)
            or any(member.spec.hyperparameters[name] for member in members)
        ]

    @staticmethod
    def weights_examples(members):
        """Tell whether some member's training examples have weights."""
        return any(member.data.train.weights is not None for member in members)

    def _run_epoch(self, weights, states, hyperparameters, plan, pool, batches, rates, first_step):
        """Train one epoch.

        Args:
            weights: stacked weights, (members, ...) each.
            states: what the optimizer keeps for each trainable weight.
            hyperparameters: per-member hyperparameters, (members,) each.
            plan: see `_plan`.
            pool: inputs, labels and, if some have them, weights of all examples, (examples of all
                data, ...) each.
            batches: rows of the pool, (steps, streams, batch).
            rates: learning rates, (steps, members).
            first_step: steps taken before this epoch.

        Returns:
            The weights and states after the epoch.
        """

        def step(s, weights, states):
            rows = tf.gather(batches, s)  # a slice would take five times as many nodes
            x, y, *factors = (self._spread(tf.gather(part, rows), plan) for part in pool)
            noise = self._noise(plan, first_step + s)
            trainable = self.stack.trained(weights)
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(trainable)
                outputs, updated, penalty = self.stack.forward(
                    x, weights, hyperparameters, noise, training=True
                )
                losses = self.stack.losses(y, outputs)
                if self.weighted:
                    losses *= factors[0]
                objective = tf.reduce_sum(tf.reduce_mean(losses, axis=1)) + penalty
                objective += self.stack.penalty(weights, hyperparameters)
            gradients = tape.gradient(objective, trainable, unconnected_gradients="zero")
            trained, states = optimizers.update(
                self.rules,
                self.stack.trained(updated),
                gradients,
                states,
                tf.gather(rates, s),
                hyperparameters,
                first_step + s,
            )
            return s + 1, self.stack.replaced(updated, trained), states

        _, weights, states = tf.while_loop(
            lambda s, *_: s < batches.shape[0],
            step,
            (0, list(weights), states),
            parallel_iterations=1,
        )
        return weights, states

    def _spread(self, values, plan):
        """Turn values by stream into values by member; of one stream, they are shared: (1, ...)."""
        return values if self.streams == 1 else tf.gather(values, plan["stream_of_member"])

    def _spread_data(self, values, plan):
        """Turn values by data into values by member; of one data set, they are shared."""
        return values if self.datasets == 1 else tf.gather(values, plan["data_of_member"])

    def _noise(self, plan, step):
        """Return the function that `layers.forward` asks for noise, at one step."""
        return self.stack.noise(plan["noise_keys"], step, lambda values: self._spread(values, plan))

    def _distributions(self, watched, weights, states, hyperparameters, plan, probe, rate, step):
        """Take a training step on a fixed batch of each member's data, but only to look at it.

        A handful of passes: run as they stand, they take less time than to be made a graph.

        Returns:
            For each watched position a serialized Summary of weights, activations and gradients.
        """
        multiple = members_multiple(probe[1].shape[1])
        chosen = watched + watched[-1:] * (-len(watched) % multiple)  # the others are left out

        def of_chosen(tensors):
            return [tf.gather(tensor, chosen) for tensor in tensors]

        of_member = ("stream_of_member", "data_of_member")
        plan = plan | {name: tf.gather(plan[name], chosen) for name in of_member}
        hyperparameters = {
            name: tf.gather(values, chosen) for name, values in hyperparameters.items()
        }
        hyperparameters = optimizers.updating_at_each_step(hyperparameters)
        weights, rate = of_chosen(weights), tf.gather(rate, chosen)
        x, y = (self._spread_data(part, plan) for part in probe)
        if self.streams > 1 and self.datasets == 1:  # equal inputs, but masks of their own
            x, y = tf.repeat(x, len(chosen), axis=0), tf.repeat(y, len(chosen), axis=0)
        noise = self._noise(plan, step)
        outputs, gradients = self.stack.forward_and_backward(x, y, weights, hyperparameters, noise)
        by_name = dict(zip(self.stack.shapes, weights, strict=True))
        trainable = [by_name[name] for name in gradients]
        states = list(map(of_chosen, states))
        updated, _ = optimizers.update(
            self.rules,
            trainable,
            list(gradients.values()),
            states,
            rate,
            hyperparameters,
            step,
        )
        updated = dict(zip(gradients, updated, strict=True))
        gradients = {name: gradients[name] for name in self.stack.kernels}
        ratios = {}
        for name in gradients:
            kernel = by_name[name]
            axes = list(range(1, len(kernel.shape)))  # up to four, tf.norm takes two
            squares = (tf.reduce_sum(tf.square(w), axes) for w in (updated[name] - kernel, kernel))
            ratios[name] = tf.sqrt(tf.divide(*squares))
        kinds = [
            {name: tensor.numpy() for name, tensor in part.items()}
            for part in (by_name, outputs, gradients, ratios)
        ]
        functions = dict(
            zip(self.stack.names, map(activation_name, self.stack.layers), strict=True)
        )

        def summary(n):
            arrays, activations, slopes, moves = (
                {name: array[n] for name, array in part.items()} for part in kinds
            )
            return summarize(
                arrays, activations, slopes, update_ratios=moves, activation_names=functions
            )

        return {n: summary(k).SerializeToString() for k, n in enumerate(watched)}

    def _measure(self, weights, hyperparameters, plan, pool, blocks, first, last):
        """Sum losses and hits over blocks first..last - 1: (2, parts, members), in inference.

        Args:
            weights: as in `_run_epoch`.
            hyperparameters: as in `_run_epoch`.
            plan: as in `_run_epoch`.
            pool: inputs and labels of all examples, as in `_run_epoch`.
            blocks: see `_blocks`.
            first: number of the first block.
            last: number of the block to stop at.
        """
        predict = self.stack.inference(weights, hyperparameters)
        rows, is_real, owners = blocks

        def step(block, sums):
            of_block = tf.gather(rows, block)
            x, y = (self._spread_data(tf.gather(part, of_block), plan) for part in pool)
            real = tf.gather(is_real, block)
            outputs = predict(x)
            hits = is_correct(self.stack.loss, y, outputs)
            values = tf.stack([self.stack.losses(y, outputs), hits])
            values = tf.reduce_sum(values * real, axis=2)  # (2, members)
            # Not by a product: an infinite loss on one split is none on the others.
            owner = tf.reshape(tf.equal(tf.gather(owners, block), [0, 1, 2]), [1, 3, 1])
            return block + 1, sums + tf.where(owner, tf.expand_dims(values, 1), 0.0)

        sums = tf.zeros([2, 3, self.size])
        return tf.while_loop(lambda block, _: block < last, step, (first, sums))[1]

    def train(self, members, progress):
        """Train one chunk and return its results."""
        chunk = [*members, *[members[-1]] * (self.size - len(members))]
        first_member = chunk[0]
        streams = _filled(dict.fromkeys((m.data, m.seed) for m in chunk), self.streams)
        datasets = _filled(dict.fromkeys(m.data for m in chunk), self.datasets)
        examples = len(first_member.data.train)
        steps = examples // self.batch_size  # of one epoch
        offsets = np.array([datasets.index(data) for data, _ in streams]) * _size(datasets[0])
        data = _tensors(tuple(datasets))
        hyperparameters = {
            name: tf.constant([m.spec.hyperparameters[name] for m in chunk], tf.float64)
            for name in self.hyperparameters
        }
        epochs = first_member.epochs
        # Without training there is a first step to look at.
        table = [rates(m.spec.learning_rate, max(1, epochs * steps)) for m in chunk]
        table = np.stack(table, axis=1)
        plan = self._plan(chunk, streams, datasets)
        pool = (*data.pool, data.factors) if self.weighted else data.pool
        first = first_member.start.epoch if first_member.start else 0
        last = epochs if first_member.stop is None else first_member.stop
        weights, states = self._start(chunk, hyperparameters)
        record = Record(chunk, epochs)

        def watch(epoch):
            metrics = None
            if first_member.is_evaluated(epoch):
                metrics = self._metrics(weights, hyperparameters, plan, data)
            record.epoch(epoch, metrics, weights)
            watched = record.watched(epoch, len(members))
            if watched:
                step = min(epoch * steps, len(table) - 1)
                rate, step = tf.constant(table[step]), tf.constant(step)
                record.distributions[epoch] = self._distributions(
                    watched, weights, states, hyperparameters, plan, data.probe, rate, step
                )

        if first == 0:
            watch(0)
        for epoch in range(first, last):
            batches = [
                offset + batch_order(seed, epoch, examples, self.batch_size)
                for offset, (_, seed) in zip(offsets, streams, strict=True)
            ]
            step = epoch * steps
            weights, states = self.run_epoch(
                weights,
                states,
                hyperparameters,
                plan,
                pool,
                tf.constant(np.stack(batches, axis=1).astype(np.int32)),
                tf.constant(table[step : step + steps]),
                tf.constant(step),
            )
            watch(epoch + 1)
            progress(len(members))
            if record.stopped.all():
                progress(len(members) * (epochs - epoch - 1))
                break
        paused = weights
        weights = record.restore(self._final(weights, states) if last else weights)
        blocks = data.until_test, data.blocks[0].shape[0]
        test = self._measured(weights, hyperparameters, plan, data, *blocks)[:, 2]
        results = record.results(len(members), weights, test)
        if last < epochs:
            paused = [weight.numpy() for weight in paused]
            states = [[state.numpy() for state in of] for of in states]
            for n, result in enumerate(results):
                member_states = [[state[n].copy() for state in of] for of in states]
                result.pause = Pause(last, [weight[n].copy() for weight in paused], member_states)
        return results

    def _final(self, weights, states):
        """Return the weights that training ends with."""
        trained = self.stack.trained(weights)
        return self.stack.replaced(
            weights, optimizers.final_weights(self.optimizer, trained, states)
        )

    def _start(self, chunk, hyperparameters):
        """Return weights and states of the optimizer to start from, or to go on from a pause."""
        if chunk[0].start:
            states = zip(*[member.start.states for member in chunk], strict=True)
            return _stacked([m.start.weights for m in chunk]), [_stacked(of) for of in states]
        layers = dict(zip(self.stack.names, self.stack.layers, strict=True))
        opened = self.stack.opened
        weights = _stacked([initial_weights(m.spec, m.seed, layers, opened) for m in chunk])
        states = [
            optimizers.initial_state(rule, weight, hyperparameters)
            for rule, weight in zip(self.rules, self.stack.trained(weights), strict=True)
        ]
        return weights, states

    def _metrics(self, weights, hyperparameters, plan, data):
        """Return METRICS, (4, members)."""
        loss, accuracy = self._measured(weights, hyperparameters, plan, data, 0, data.until_test)
        return np.stack([loss[0], accuracy[0], loss[1], accuracy[1]])

    def _measured(self, weights, hyperparameters, plan, data, first, last):
        """Return losses and accuracies in some of the blocks, (2, parts, members)."""
        blocks = map(tf.constant, (first, last))
        sums = self.measure(weights, hyperparameters, plan, data.pool, data.blocks, *blocks)
        return sums.numpy() / data.sizes

    def _plan(self, chunk, streams, datasets):
        """Return what differs between members.

        `stream_of_member` and `data_of_member`, (members,); `noise_keys`, (layers with noise,
        streams).
        """
        return {
            "stream_of_member": tf.constant([streams.index((m.data, m.seed)) for m in chunk]),
            "data_of_member": tf.constant([datasets.index(m.data) for m in chunk]),
            "noise_keys": tf.constant(
                [[seed_from(s, name, "noise") for _, s in streams] for name in self.stack.noisy],
                tf.int32,
                shape=(len(self.stack.noisy), len(streams)),
            ),
        }


def _filled(distinct, count):
    """Return a list of distinct things, made longer by its last one."""
    distinct = list(distinct)
    return distinct + distinct[-1:] * (count - len(distinct))


def _stacked(lists):
    """Turn one list of arrays a member into one list of tensors, (members, ...)."""
    return [tf.constant(np.stack(values)) for values in zip(*lists, strict=True)]


def _size(data):
    """Return how many examples all parts have together."""
    return sum(len(part) for part in data.parts)


class _Tensors(NamedTuple):
    """Several data sets of equal shape as tensors.

    Attributes:
        pool: inputs and labels of all examples, data set by data set, training first.
        factors: of the losses of all examples.
        probe: inputs and labels of the first training examples, (data, PROBE, ...) each.
        blocks: in which the examples are evaluated, see `_blocks`; rows of the pool, (blocks, data,
            block).
        until_test: number of the blocks before the test part.
        sizes: examples of each part, (3, 1).
    """

    pool: tuple
    factors: tf.Tensor
    probe: tuple
    blocks: tuple
    until_test: int
    sizes: np.ndarray


# Graphs that train on the same data share its tensors; few are kept, since data may be large.
@functools.lru_cache(maxsize=4)
def _tensors(datasets):
    """Return several data sets of equal shape as `_Tensors`."""
    parts = [part for data in datasets for part in data.parts]
    probes = [data.train for data in datasets]
    sizes = [len(part) for part in datasets[0].parts]
    rows, real, owners = _blocks(sizes)
    offsets = _size(datasets[0]) * np.arange(len(datasets))
    rows = (rows[:, None] + offsets[:, None]).astype(np.int32)
    return _Tensors(
        pool=(
            tf.constant(np.concatenate([part.x for part in parts])),
            tf.constant(np.concatenate([part.y for part in parts])),
        ),
        factors=tf.constant(np.concatenate([part.factors for part in parts])),
        probe=(
            tf.constant(np.stack([train.x[:PROBE] for train in probes])),
            tf.constant(np.stack([train.y[:PROBE] for train in probes])),
        ),
        blocks=tuple(map(tf.constant, (rows, real, owners))),
        until_test=int(np.count_nonzero(owners != 2)),
        sizes=np.array(sizes)[:, None],
    )


def _blocks(sizes):
    """Cut training, validation and test into blocks of equal size, the last of each padded.

    Args:
        sizes: examples of each part.

    Returns:
        Rows of the examples in the data set and whether each is no padding, (blocks, block) each;
        and of each block the number of its part, (blocks,).
    """
    block = min(BLOCKS, key=lambda size: _padded(sizes[:2], size))
    rows, real, owners = [], [], []
    for part, size in enumerate(sizes):
        blocks = -(-size // block)
        numbers = np.arange(blocks * block)
        rows.append((sum(sizes[:part]) + numbers % size).reshape(blocks, block))
        real.append((numbers < size).astype(np.float32).reshape(blocks, block))
        owners += [part] * blocks
    return np.concatenate(rows), np.concatenate(real), np.array(owners, np.int32)


def _padded(sizes, block):
    """Return how many examples are evaluated in blocks of a size, the padding included."""
    return sum(-(-size // block) * block for size in sizes)
