"""The training of one architecture as one TensorFlow graph, many members at once."""

import functools
import json

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

    Args:
        members: all members that it will train.
        size: members in a chunk; smaller chunks are filled up with copies of their last member.
        seeds: distinct seeds in a chunk, at the most.
    """

    def __init__(self, members, size, seeds):
        first = members[0]
        self.size, self.seeds = size, seeds
        self.data, self.batch_size = first.data, min(first.batch_size, len(first.data.train))
        self.steps = len(self.data.train) // self.batch_size  # of one epoch
        self.stack = Stack(model_to_train(first))
        self.optimizer = json.loads(first.spec.signature)[-2]
        self.hyperparameters = self.hyperparameters_of(members)
        self.class_weighted = self.weights_classes(members)
        self.x, self.y = _examples(self.data)
        self.probe_x, self.probe_y = self.x[:PROBE], self.y[:PROBE]
        self.blocks, self.owner = _evaluation(self.data)
        self.until_test = int(np.count_nonzero(self.owner != 2))
        splits = (self.data.train, self.data.validation, self.data.test)
        self.split_sizes = np.array([len(split) for split in splits])[:, None]
        self.run_epoch = tf.function(self._run_epoch, autograph=False)
        self.measure = tf.function(self._measure, autograph=False)

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
    def weights_classes(members):
        """Tell whether some member weights its classes."""
        return any(member.class_weight for member in members)

    def _run_epoch(self, weights, states, hyperparameters, plan, batches, rates, first_step):
        """Train one epoch.

        Args:
            weights: stacked weights, (members, ...) each.
            states: what the optimizer keeps for each trainable weight.
            hyperparameters: per-member hyperparameters, (members,) each.
            plan: `seed_of_member` (members,), `noise_keys` (layers with noise, seeds) and, if
                classes are weighted, `class_weight` (members, classes).
            batches: indices of examples, (steps, seeds, batch).
            rates: learning rates, (steps, members).
            first_step: steps taken before this epoch.

        Returns:
            The weights and states after the epoch.
        """

        def step(s, weights, states):
            x, y = (self._spread(tf.gather(part, batches[s]), plan) for part in (self.x, self.y))

            noise = self._noise(plan, first_step + s)
            trainable = [w for w, t in zip(weights, self.stack.trainable, strict=True) if t]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(trainable)
                outputs, updated = self.stack.forward(
                    x, weights, hyperparameters, noise, training=True
                )
                losses = self.stack.losses(y, outputs)
                if self.class_weighted:
                    y = tf.broadcast_to(y, losses.shape)
                    losses *= tf.gather(plan["class_weight"], y, batch_dims=1)
                objective = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
                objective += self.stack.penalty(weights, hyperparameters)
            gradients = tape.gradient(objective, trainable, unconnected_gradients="zero")
            gradients, states = iter(gradients), iter(states)
            new_weights, new_states = [], []
            for weight, is_trainable in zip(updated, self.stack.trainable, strict=True):
                if is_trainable:
                    weight, state = optimizers.update(
                        self.optimizer,
                        weight,
                        next(gradients),
                        next(states),
                        rates[s],
                        hyperparameters,
                        first_step + s,
                    )
                    new_states.append(state)
                new_weights.append(weight)
            return s + 1, new_weights, new_states

        _, weights, states = tf.while_loop(
            lambda s, *_: s < self.steps, step, (0, list(weights), states), parallel_iterations=1
        )
        return weights, states

    def _spread(self, values, plan):
        """Turn values by seed into values by member; with one seed, they are shared: (1, ...)."""
        return values if self.seeds == 1 else tf.gather(values, plan["seed_of_member"])

    def _noise(self, plan, step):
        """Return the function that `layers.forward` asks for noise, at one step."""
        return self.stack.noise(plan["noise_keys"], step, lambda values: self._spread(values, plan))

    def _distributions(self, watched, weights, states, hyperparameters, plan, rate, step):
        """Take a training step on a fixed batch, but only to look at it.

        A handful of passes: run as they stand, they take less time than to be made a graph.

        Returns:
            For each watched position a serialized Summary of weights, activations and gradients.
        """
        multiple = members_multiple(len(self.probe_y))
        chosen = watched + watched[-1:] * (-len(watched) % multiple)  # the others are left out

        def of_chosen(tensors):
            return [tf.gather(tensor, chosen) for tensor in tensors]

        plan = plan | {"seed_of_member": tf.gather(plan["seed_of_member"], chosen)}
        hyperparameters = {
            name: tf.gather(values, chosen) for name, values in hyperparameters.items()
        }
        if "gradient_accumulation_steps" in hyperparameters:  # each pass shows an update
            hyperparameters["gradient_accumulation_steps"] = tf.ones([len(chosen)], tf.float64)
        weights, rate = of_chosen(weights), tf.gather(rate, chosen)
        x, y = (part[None] for part in (self.probe_x, self.probe_y))
        if self.seeds > 1:  # inputs are the same, but the masks are not
            x, y = tf.repeat(x, len(chosen), axis=0), tf.repeat(y, len(chosen), axis=0)
        noise = self._noise(plan, step)
        outputs, gradients = self.stack.forward_and_backward(x, y, weights, hyperparameters, noise)
        by_name = dict(zip(self.stack.shapes, weights, strict=True))
        states = dict(zip(gradients, map(of_chosen, states), strict=True))
        gradients = {name: gradients[name] for name in self.stack.kernels}
        ratios = {}
        for name, gradient in gradients.items():
            kernel = by_name[name]
            new, _ = optimizers.update(
                self.optimizer, kernel, gradient, states[name], rate, hyperparameters, step
            )
            axes = list(range(1, len(kernel.shape)))  # up to four, tf.norm takes two
            squares = (tf.reduce_sum(tf.square(w), axes) for w in (new - kernel, kernel))
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

    def _measure(self, weights, hyperparameters, first, last):
        """Sum losses and hits over blocks first..last - 1: (2, splits, members), in inference."""
        predict = self.stack.inference(weights, hyperparameters)

        def step(block, sums):
            x, y, real = (part[block][None] for part in self.blocks)
            outputs = predict(x)
            hits = is_correct(self.stack.loss, y, outputs)
            values = tf.stack([self.stack.losses(y, outputs), hits])
            values = tf.reduce_sum(values * real, axis=2)  # (2, members)
            # Not by a product: an infinite loss on one split is none on the others.
            owner = tf.equal(tf.gather(self.owner, block), tf.range(3))[None, :, None]
            return block + 1, sums + tf.where(owner, values[:, None, :], 0.0)

        sums = tf.zeros([2, 3, self.size])
        return tf.while_loop(lambda block, _: block < last, step, (first, sums))[1]

    def train(self, members, progress):
        """Train one chunk and return its results."""
        chunk = [*members, *[members[-1]] * (self.size - len(members))]
        seeds = sorted({member.seed for member in chunk})
        seeds += seeds[-1:] * (self.seeds - len(seeds))
        hyperparameters = {
            name: tf.constant([m.spec.hyperparameters[name] for m in chunk], tf.float64)
            for name in self.hyperparameters
        }
        epochs = chunk[0].epochs
        steps = max(1, epochs * self.steps)  # without training there is a first step to look at
        table = np.stack([rates(m.spec.learning_rate, steps) for m in chunk], axis=1)
        plan = self._plan(chunk, seeds)
        first = chunk[0].start.epoch if chunk[0].start else 0
        last = epochs if chunk[0].stop is None else chunk[0].stop
        if chunk[0].start:
            weights = _stacked([m.start.weights for m in chunk])
            states = [_stacked(of) for of in zip(*[m.start.states for m in chunk], strict=True)]
        else:
            weights = _stacked([initial_weights(m.spec, m.seed, self.stack.shapes) for m in chunk])
            states = [
                optimizers.initial_state(self.optimizer, weight, hyperparameters)
                for weight, is_trainable in zip(weights, self.stack.trainable, strict=True)
                if is_trainable
            ]
        record = Record(chunk, epochs)

        def watch(epoch):
            record.epoch(epoch, self._metrics(weights, hyperparameters), weights)
            watched = record.watched(epoch, len(members))
            if watched:
                step = min(epoch * self.steps, len(table) - 1)
                rate, step = tf.constant(table[step]), tf.constant(step)
                record.distributions[epoch] = self._distributions(
                    watched, weights, states, hyperparameters, plan, rate, step
                )

        if first == 0:
            watch(0)
        for epoch in range(first, last):
            batches = [
                batch_order(seed, epoch, len(self.data.train), self.batch_size) for seed in seeds
            ]
            step = epoch * self.steps
            weights, states = self.run_epoch(
                weights,
                states,
                hyperparameters,
                plan,
                tf.constant(np.stack(batches, axis=1)),
                tf.constant(table[step : step + self.steps]),
                tf.constant(step),
            )
            watch(epoch + 1)
            progress(len(members))
            if record.stopped.all():
                progress(len(members) * (epochs - epoch - 1))
                break
        weights = record.restore(weights)
        blocks = map(tf.constant, (self.until_test, len(self.owner)))
        sums = self.measure(weights, hyperparameters, *blocks)
        test = sums.numpy()[:, 2] / self.split_sizes[2]
        results = record.results(len(members), weights, test)
        if last < epochs:
            states = [[state.numpy() for state in of] for of in states]
            for n, result in enumerate(results):
                own = [[state[n].copy() for state in of] for of in states]
                result.pause = Pause(last, result.weights, own)
        return results

    def _plan(self, chunk, seeds):
        plan = {
            "seed_of_member": tf.constant([seeds.index(member.seed) for member in chunk]),
            "noise_keys": tf.constant(
                [[seed_from(seed, name, "noise") for seed in seeds] for name in self.stack.noisy],
                tf.int32,
                shape=(len(self.stack.noisy), len(seeds)),
            ),
        }
        if self.class_weighted:
            classes = range(self.data.num_classes)
            plan["class_weight"] = tf.constant(
                [[(m.class_weight or {}).get(c, 1.0) for c in classes] for m in chunk], tf.float32
            )
        return plan

    def _metrics(self, weights, hyperparameters):
        """Return METRICS, (4, members)."""
        sums = self.measure(weights, hyperparameters, tf.constant(0), tf.constant(self.until_test))
        loss, accuracy = sums.numpy() / self.split_sizes
        return np.stack([loss[0], accuracy[0], loss[1], accuracy[1]])


def _stacked(lists):
    """Turn one list of arrays a member into one list of tensors, (members, ...)."""
    return [tf.constant(np.stack(values)) for values in zip(*lists, strict=True)]


# Graphs of the same data share its tensors; two data sets are kept.
@functools.lru_cache(maxsize=2)
def _examples(data):
    """Return inputs and labels to train on, as tensors."""
    return tf.constant(data.train.x), tf.constant(data.train.y)


@functools.lru_cache(maxsize=2)
def _evaluation(data):
    """Cut train, validation and test into blocks of equal size, the last of each padded.

    Returns:
        Inputs, labels and weights (0 for padding), tensors of (blocks, block, ...) each; and of
        each block the number of its split, (blocks,).
    """
    splits = (data.train, data.validation, data.test)
    block = min(BLOCKS, key=lambda size: _padded(splits[:2], size))
    inputs, labels, real, owner = [], [], [], []
    for number, split in enumerate(splits):
        blocks = -(-len(split) // block)
        rows = np.arange(blocks * block)
        inputs.append(split.x[rows % len(split)].reshape(blocks, block, *split.x.shape[1:]))
        labels.append(split.y[rows % len(split)].reshape(blocks, block))
        real.append((rows < len(split)).astype(np.float32).reshape(blocks, block))
        owner += [number] * blocks
    tensors = [tf.constant(np.concatenate(part)) for part in (inputs, labels, real)]
    return tensors, np.array(owner, np.int32)


def _padded(splits, size):
    """Return how many examples are evaluated in blocks of a size, the padding included."""
    return sum(-(-len(split) // size) * size for split in splits)
