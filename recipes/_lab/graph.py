"""The training of one architecture as one TensorFlow graph, many members at once."""

import json

import keras
import numpy as np
import tensorflow as tf

from callbacks.distribution_logger import activation_name, summarize
from recipes._lab import layers, optimizers
from recipes._lab.architecture import initial_weights, key, layer_names
from recipes._lab.members import Record, answered_right, batch_order, built, rates

# Examples evaluated at once: fewer waste time between operations, more fall out of cache.
BLOCK = 256
# Training examples whose activations and gradients are looked at.
PROBE = 96


class Graph:
    """The training step of one architecture for crews of a fixed size, traced once.

    Args:
        members: all members that it will train.
        size: members in a crew; smaller crews are filled up with copies of their last member.
        seeds: distinct seeds in a crew, at the most.
    """

    def __init__(self, members, size, seeds):
        first = members[0]
        self.size, self.seeds = size, seeds
        self.data, self.batch_size = first.data, min(first.batch_size, len(first.data.train))
        self.steps = len(self.data.train) // self.batch_size  # of one epoch
        model = built(first)
        self.layers, self.names = model.layers, layer_names(model)
        self.loss = keras.losses.get(model.loss)
        self.rule = json.loads(first.blueprint.signature)[-2]
        self.kinds = dict(zip(self.names, map(type, self.layers), strict=True))
        self.noisy = [
            name
            for name, layer in zip(self.names, self.layers, strict=True)
            if isinstance(layer, keras.layers.Dropout | keras.layers.GaussianNoise)
        ]
        self.shapes = {
            f"{name}/{weight.name}": tuple(weight.shape)
            for name, layer in zip(self.names, self.layers, strict=True)
            for weight in layer.weights
        }
        self.counts = [len(layer.weights) for layer in self.layers]
        self.trainable = [w.trainable for layer in self.layers for w in layer.weights]
        # Factors that are zero for everybody are left out: what nobody asked for costs nothing.
        numbers = first.blueprint.hyperparameters
        self.numbers = [
            name
            for name in numbers
            if not (name.endswith(("/l1", "/l2", "weight_decay")) or name == "momentum")
            or any(member.blueprint.hyperparameters[name] for member in members)
        ]
        self.class_weighted = any(member.class_weight for member in members)
        self.x, self.y = tf.constant(self.data.train.x), tf.constant(self.data.train.y)
        self.probe_x, self.probe_y = self.x[:PROBE], self.y[:PROBE]
        self._lay_out_evaluation()
        self.run_epoch = tf.function(self._run_epoch, autograph=False)
        self.measure = tf.function(self._measure, autograph=False)
        self.look = tf.function(self._look, autograph=False)

    def _lay_out_evaluation(self):
        """Cut train, validation and test into blocks of equal size, the last of each padded."""
        splits = (self.data.train, self.data.validation, self.data.test)
        count = len(self.data.validation)
        block = -(-count // -(-count // BLOCK))
        block = -(-block // layers.PACKET) * layers.PACKET
        inputs, labels, real, owner = [], [], [], []
        for number, split in enumerate(splits):
            blocks = -(-len(split) // block)
            rows = np.arange(blocks * block)
            inputs.append(split.x[rows % len(split)].reshape(blocks, block, *split.x.shape[1:]))
            labels.append(split.y[rows % len(split)].reshape(blocks, block))
            real.append((rows < len(split)).astype(np.float32).reshape(blocks, block))
            owner += [number] * blocks
        self.blocks = [tf.constant(np.concatenate(part)) for part in (inputs, labels, real)]
        self.owner = tf.constant(owner)
        self.split_sizes = np.array([len(split) for split in splits])[:, None]
        self.until_test = len(owner) - owner.count(2)

    def _by_layer(self, weights):
        """Divide a flat list of weights into one list a layer."""
        weights = iter(weights)
        return [[next(weights) for _ in range(count)] for count in self.counts]

    def _forward(self, x, weights, numbers, noise, training):
        y, moved = layers.forward(
            self.layers, self.names, self._by_layer(weights), x, numbers, noise, training
        )
        return y, [weight for layer in moved for weight in layer]

    def _losses(self, y, outputs):
        """Return each example's loss, (members, batch), by the compiled loss."""
        loss = getattr(self.loss, "call", self.loss)
        if outputs.shape[-1] == 1:
            y = tf.cast(y[..., None], tf.float32)
        return loss(tf.broadcast_to(y, [*outputs.shape[:2], *y.shape[2:]]), outputs)

    def _run_epoch(self, weights, states, numbers, plan, batches, rates, first_step):
        """Train one epoch.

        Args:
            weights: stacked weights, (members, ...) each.
            states: what the optimizer keeps for each trainable weight.
            numbers: lifted numbers, (members,) each.
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
            trainable = [w for w, t in zip(weights, self.trainable, strict=True) if t]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(trainable)
                outputs, moved = self._forward(x, weights, numbers, noise, training=True)
                losses = self._losses(y, outputs)
                if self.class_weighted:
                    y = tf.broadcast_to(y, losses.shape)
                    losses *= tf.gather(plan["class_weight"], y, batch_dims=1)
                objective = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
                objective += self._penalty(weights, numbers)
            gradients = tape.gradient(objective, trainable, unconnected_gradients="zero")
            gradients, states = iter(gradients), iter(states)
            new_weights, new_states = [], []
            for weight, is_trainable in zip(moved, self.trainable, strict=True):
                if is_trainable:
                    weight, state = optimizers.update(
                        self.rule,
                        weight,
                        next(gradients),
                        next(states),
                        rates[s],
                        numbers,
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

        def noise(name, shape):
            keys = plan["noise_keys"][self.noisy.index(name)]
            draw = _normal if self.kinds[name] is keras.layers.GaussianNoise else _bits
            seeds = [tf.stack([keys[k], step]) for k in range(self.seeds)]
            return self._spread(tf.stack([draw(seed, shape) for seed in seeds]), plan)

        return noise

    def _look(self, weights, states, numbers, plan, rate, step):
        """Take one training step on a fixed batch, but only to look at it.

        Returns:
            The output of each layer, the gradient of each kernel, and for each kernel the ratio
            ‖update‖ / ‖kernel‖; all with the members in front.
        """
        shape = [self.size if self.seeds > 1 else 1, *self.probe_y.shape]
        x = tf.broadcast_to(self.probe_x, [shape[0], *self.probe_x.shape])
        kernels = [w for w, t in zip(weights, self.trainable, strict=True) if t]
        outputs = []
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            predictions, _ = layers.forward(
                self.layers,
                self.names,
                self._by_layer(weights),
                x,
                numbers,
                self._noise(plan, step),
                training=True,
                kept=outputs,
            )
            losses = self._losses(tf.broadcast_to(self.probe_y, shape), predictions)
            objective = tf.reduce_sum(tf.reduce_mean(losses, axis=1))
            objective += self._penalty(weights, numbers)
        gradients = tape.gradient(objective, kernels, unconnected_gradients="zero")
        found, ratios = [], []
        for kernel, gradient, state in zip(kernels, gradients, states, strict=True):
            if len(kernel.shape) > 2:
                new, _ = optimizers.update(self.rule, kernel, gradient, state, rate, numbers, step)
                axes = list(range(1, len(kernel.shape)))  # up to four, tf.norm takes two
                squares = (tf.reduce_sum(tf.square(w), axes) for w in (new - kernel, kernel))
                ratios.append(tf.sqrt(tf.divide(*squares)))
                found.append(gradient)
        outputs = [tf.broadcast_to(o, [self.size, *o.shape[1:]]) for o in outputs]
        return outputs, found, ratios

    def _distributions(self, watched, weights, *arguments):
        """Return a serialized Summary of weights, activations and gradients by watched position."""
        outputs, gradients, ratios = (
            [tensor.numpy() for tensor in part] for part in self.look(weights, *arguments)
        )
        weights = [weight.numpy() for weight in weights]
        kernels = [
            name
            for (name, shape), trainable in zip(self.shapes.items(), self.trainable, strict=True)
            if trainable and len(shape) > 1
        ]

        def of(names, stacked, n):
            return dict(zip(names, (array[n] for array in stacked), strict=True))

        functions = dict(zip(self.names, map(activation_name, self.layers), strict=True))
        return {
            n: summarize(
                of(self.shapes, weights, n),
                of(self.names, outputs, n),
                of(kernels, gradients, n),
                update_ratios=of(kernels, ratios, n),
                activation_names=functions,
            ).SerializeToString()
            for n in watched
        }

    def _penalty(self, weights, numbers):
        """Return the sum of all members' L1 and L2 penalties."""
        total = 0.0
        for name, weight in zip(self.shapes, weights, strict=True):
            axes = list(range(1, len(weight.shape)))
            for number, magnitude in (("l1", tf.abs), ("l2", tf.square)):
                if f"{name}/{number}" in numbers:
                    factor = tf.cast(numbers[f"{name}/{number}"], tf.float32)
                    total += tf.reduce_sum(factor * tf.reduce_sum(magnitude(weight), axes))
        return total

    def _measure(self, weights, numbers, first, last):
        """Sum losses and hits over blocks first..last - 1: (2, splits, members), in inference."""
        folded = layers.fold(self.layers, self.names, self._by_layer(weights), numbers)

        def step(block, sums):
            x, y, real = (part[block][None] for part in self.blocks)
            outputs, _ = layers.forward(*folded, x, numbers, None, training=False)
            values = tf.stack([self._losses(y, outputs), answered_right(self.loss, y, outputs)])
            values = tf.reduce_sum(values * real, axis=2)  # (2, members)
            owner = tf.one_hot(self.owner[block], 3)[None, :, None]
            return block + 1, sums + owner * values[:, None, :]

        sums = tf.zeros([2, 3, self.size])
        return tf.while_loop(lambda block, _: block < last, step, (first, sums))[1]

    def train(self, members, progress):
        """Train one crew and return its results."""
        crew = [*members, *[members[-1]] * (self.size - len(members))]
        seeds = sorted({member.seed for member in crew})
        seeds += seeds[-1:] * (self.seeds - len(seeds))
        numbers = {
            name: tf.constant([m.blueprint.hyperparameters[name] for m in crew], tf.float64)
            for name in self.numbers
        }
        epochs = crew[0].epochs
        table = np.stack(
            [rates(m.blueprint.learning_rate, epochs * self.steps) for m in crew], axis=1
        )
        plan = self._plan(crew, seeds)
        draws = [initial_weights(m.blueprint, m.seed, self.shapes) for m in crew]
        weights = [tf.constant(np.stack(values)) for values in zip(*draws, strict=True)]
        states = [
            optimizers.initial_state(self.rule, weight, numbers)
            for weight, is_trainable in zip(weights, self.trainable, strict=True)
            if is_trainable
        ]
        record = Record(crew, epochs)

        def watch(epoch):
            record.epoch(epoch, self._metrics(weights, numbers), weights)
            watched = record.watched(epoch, len(members))
            if watched:
                step = min(epoch * self.steps, len(table) - 1)
                rate, step = tf.constant(table[step]), tf.constant(step)
                record.distributions[epoch] = self._distributions(
                    watched, weights, states, numbers, plan, rate, step
                )

        watch(0)
        for epoch in range(epochs):
            batches = [
                batch_order(seed, epoch, len(self.data.train), self.batch_size) for seed in seeds
            ]
            first = epoch * self.steps
            weights, states = self.run_epoch(
                weights,
                states,
                numbers,
                plan,
                tf.constant(np.stack(batches, axis=1)),
                tf.constant(table[first : first + self.steps]),
                tf.constant(first),
            )
            watch(epoch + 1)
            progress(len(members))
            if record.stopped.all():
                progress(len(members) * (epochs - epoch - 1))
                break
        weights = record.restore(weights)
        sums = self.measure(weights, numbers, *map(tf.constant, (self.until_test, len(self.owner))))
        test = sums.numpy()[:, 2] / self.split_sizes[2]
        return record.results(len(members), weights, test)

    def _plan(self, crew, seeds):
        plan = {
            "seed_of_member": tf.constant([seeds.index(member.seed) for member in crew]),
            "noise_keys": tf.constant(
                [[key(seed, name, "noise") for seed in seeds] for name in self.noisy],
                tf.int32,
                shape=(len(self.noisy), len(seeds)),
            ),
        }
        if self.class_weighted:
            classes = range(self.data.num_classes)
            plan["class_weight"] = tf.constant(
                [[(m.class_weight or {}).get(c, 1.0) for c in classes] for m in crew], tf.float32
            )
        return plan

    def _metrics(self, weights, numbers):
        """Return METRICS, (4, members)."""
        sums = self.measure(weights, numbers, tf.constant(0), tf.constant(self.until_test))
        loss, accuracy = sums.numpy() / self.split_sizes
        return np.stack([loss[0], accuracy[0], loss[1], accuracy[1]])


def _bits(seed, shape):
    """Draw uint16 uniformly, of any shape, two from each 32 random bits."""
    count = 1
    for size in shape:
        count *= size
    words = tf.random.stateless_uniform([-(-count // 2)], seed, None, None, tf.uint32)
    return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:count], shape)


def _normal(seed, shape):
    return tf.random.stateless_normal(shape, seed)
