"""Compiled Sequentials, trained together: one graph per architecture.

`model.fit` on a small model spends nine tenths of its time outside the arithmetic. Here, models
that share an architecture are stacked along a member axis and trained as one graph: each with
its own seed, initial weights, learning rate, dropout rate, penalties and momentum. What can't be
stacked is trained by `fit`, one model after another, with the same batches and initial weights.

Everything random is keyed by what it is for, never by its position: initial weights by (seed,
layer, weight), noise by (seed, layer, step), batch orders by (seed, epoch). A member's numbers
are the same in any population, and a resumed run is the same run.
"""

import collections
import concurrent.futures
import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import tensorflow as tf

from callbacks.distribution_logger import Probe, activation_name, summarize
from recipes._lab import layers, optimizers
from recipes._lab.architecture import Blueprint, initial_weights, key, layer_names
from recipes._lab.data import Dataset

# Crews run side by side, one a core; inside a crew, each operation stays on its core. That wastes
# least, and results don't depend on the number of cores.
tf.config.threading.set_intra_op_parallelism_threads(1)

METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
# Members in one call of the graph: fewer waste time between operations, more fall out of cache.
CREW = 24
# Examples evaluated at once, for the same reason; FIT_BLOCK for one model by itself.
BLOCK = 256
# Training examples whose activations and gradients are looked at.
PROBE = 96
FIT_BLOCK = 1000


@dataclass(frozen=True)
class Member:
    """One model to train.

    Attributes:
        label: the variant's display name.
        build: returns the compiled model.
        blueprint: the same, taken apart; None if the model can only be trained by `fit`.
        seed: of its initial weights, batch orders and noise.
        data: what it learns from.
        epochs: how long, at the most.
        batch_size: examples a step; what doesn't fill a batch waits for the next epoch's order.
        patience: stop after so many epochs without a lower validation loss and restore the best
            weights; None to train to the end.
        class_weight: factor of each class's loss, `{class: factor}`, or None.
        record: epochs after which the weights are kept (0 is before training).
        watch: epochs after which distributions are kept, for TensorBoard.
    """

    label: str
    build: Callable[[], keras.Model]
    blueprint: Blueprint | None
    seed: int
    data: Dataset
    epochs: int
    batch_size: int = 100
    patience: int | None = None
    class_weight: dict | None = None
    record: tuple[int, ...] = ()
    watch: tuple[int, ...] = ()


@dataclass
class Result:
    """How one member's training went.

    Attributes:
        history: each of METRICS by epoch, (epochs + 1,), in inference mode; epoch 0 is before
            training, NaN follows early stopping. Losses leave out penalties, so that they can be
            compared between members.
        test: `{"test_loss", "test_accuracy"}`, of the final or restored weights.
        epoch: after which `weights` were reached: the last, or the best with early stopping.
        weights: final or restored weights, in the order of `model.weights`.
        snapshots: recorded weights by epoch.
        distributions: of a watched member, serialized Summaries of weights, activations and
            gradients by epoch.
    """

    history: dict[str, np.ndarray]
    test: dict[str, float]
    epoch: int
    weights: list[np.ndarray]
    snapshots: dict[int, list[np.ndarray]] = field(default_factory=dict)
    distributions: dict[int, bytes] = field(default_factory=dict)


def train(members, *, store=None, progress=None, engine="population"):
    """Train all members and return their results in the same order.

    Args:
        members: any mixture; those of one architecture, data and plan become one population.
        store: keeps finished crews for a run that is killed: `load(key)` returns a dict of
            arrays or None, `save(key, arrays)`.
        progress: called with the number of epochs that one member or more have just finished,
            from any thread.
        engine: "population", or "keras" to train every member with plain `fit`.

    Returns:
        A list of `Result`.
    """
    stopped = threading.Event()

    def advance(epochs):
        if stopped.is_set():
            raise concurrent.futures.CancelledError
        if progress is not None:
            progress(epochs)

    populations, alone = collections.defaultdict(list), []
    for index, member in enumerate(members):
        if engine == "population" and member.blueprint is not None:
            plan = (id(member.data), member.epochs, member.batch_size)
            populations[member.blueprint.signature, plan].append(index)
        else:
            alone.append(index)
    results = [None] * len(members)

    def work(crew, train_crew):
        group = [members[index] for index in crew]
        where = None if store is None else _store_key(group, train_crew is _fit)
        trained = None if store is None else _load(store, where)
        if trained is None:
            trained = train_crew(group, advance)
            if store is not None:
                _save(store, where, trained)
        else:
            advance(sum(member.epochs for member in group))
        for index, result in zip(crew, trained, strict=True):
            results[index] = result

    # Crews of all populations stand in one queue, so that one is traced while another trains.
    with concurrent.futures.ThreadPoolExecutor(cores()) as pool:
        futures = []
        for indices in populations.values():
            first = members[indices[0]]
            multiple = layers.multiple(min(first.batch_size, len(first.data.train)))
            crews, size, seeds = _crews([members[index].seed for index in indices], multiple)
            population = _Population([members[index] for index in indices], size, seeds)
            for crew in crews:
                futures.append(pool.submit(work, [indices[i] for i in crew], population.train))
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            stopped.set()  # ends the crews that are under way after their epoch
            pool.shutdown(cancel_futures=True)
            raise
    for index in alone:
        work([index], _fit)
    return results


def batch_order(seed, epoch, examples, batch_size):
    """Return the batches of one epoch: indices of examples, (steps, batch_size)."""
    order = np.random.default_rng([key(seed, "batches"), epoch]).permutation(examples)
    steps = examples // batch_size
    return order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def rates(learning_rate, steps):
    """Return the learning rate at each step, (steps,) float32, of a number or a schedule."""
    if callable(learning_rate):
        return np.array([float(learning_rate(step)) for step in range(steps)], np.float32)
    return np.full(steps, learning_rate, np.float32)


class _Population:
    """Members of one architecture, data and plan, with a graph that is traced when first needed."""

    def __init__(self, members, size, seeds):
        self.arguments, self.graph, self.lock = (members, size, seeds), None, threading.Lock()

    def train(self, members, progress):
        """Train one crew and return its results."""
        with self.lock:
            self.graph = self.graph or _Graph(*self.arguments)
        return self.graph.train(members, progress)


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _crews(member_seeds, multiple):
    """Divide members into crews of equal size, with as few seeds in each as that allows.

    Members of one seed see the same batches and the same random bits, which are then drawn once.

    Returns:
        Lists of indices; the size of the largest, rounded up to a multiple of `multiple`; the
        largest number of seeds in one.
    """
    by_seed = collections.defaultdict(list)
    for index, seed in enumerate(member_seeds):
        by_seed[seed].append(index)
    size = min(CREW, -(-len(member_seeds) // cores()))
    crews = []
    if len(member_seeds) >= len(by_seed) * size / 2:
        for indices in by_seed.values():
            crews += _split(indices, size)
    else:  # too few members of each seed to fill a crew
        crews = _split([index for indices in by_seed.values() for index in indices], size)
    seeds = max(len({member_seeds[index] for index in crew}) for crew in crews)
    return crews, -(-max(map(len, crews)) // multiple) * multiple, seeds


def _split(indices, size):
    return [part.tolist() for part in np.array_split(indices, -(-len(indices) // size))]


class _Graph:
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
            values = tf.stack([self._losses(y, outputs), _hits(self.loss, y, outputs)])
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
        record = _Record(crew, epochs)

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


class _Record:
    """What is kept of one crew's training, and who has stopped early."""

    def __init__(self, crew, epochs):
        self.crew = crew
        self.history = np.full((len(METRICS), epochs + 1, len(crew)), np.nan)
        self.patience = np.array([np.inf if m.patience is None else m.patience for m in crew])
        self.stops_early = np.isfinite(self.patience).any()
        self.lowest = np.full(len(crew), np.inf)  # validation loss
        self.best_epoch = np.zeros(len(crew), int)
        self.stopped = np.zeros(len(crew), bool)
        self.best = None
        self.snapshots = [{} for _ in crew]
        self.distributions = {}

    def watched(self, epoch, count):
        """Return which of the first `count` members' distributions are asked for."""
        members = enumerate(self.crew[:count])
        return [n for n, m in members if epoch in m.watch and not self.stopped[n]]

    def epoch(self, epoch, metrics, weights):
        """Keep the METRICS, (4, members), and what is asked for of the weights after an epoch."""
        self.history[:, epoch, ~self.stopped] = metrics[:, ~self.stopped]
        for position, member in enumerate(self.crew):
            if epoch in member.record and not self.stopped[position]:
                self.snapshots[position][epoch] = [w[position].numpy() for w in weights]
        if not self.stops_early or epoch == 0:
            return
        lower = ~self.stopped & (metrics[2] < self.lowest)
        if self.best is None:
            self.best = list(weights)
        self.best = [
            tf.where(lower.reshape([-1] + [1] * (len(weight.shape) - 1)), weight, best)
            for weight, best in zip(weights, self.best, strict=True)
        ]
        self.lowest[lower], self.best_epoch[lower] = metrics[2][lower], epoch
        self.stopped |= ~lower & (epoch - self.best_epoch >= self.patience)

    def restore(self, weights):
        """Return the weights to keep: the best of those who stop early, else the last."""
        last = self.history.shape[1] - 1
        early = np.isfinite(self.patience)
        # Who was never better than infinity keeps the weights of the first epoch, as in Keras.
        self.best_epoch = np.where(early, np.maximum(self.best_epoch, min(1, last)), last)
        if self.best is None:
            return weights
        return [
            tf.where(early.reshape([-1] + [1] * (len(weight.shape) - 1)), best, weight)
            for weight, best in zip(weights, self.best, strict=True)
        ]

    def results(self, count, weights, test):
        """Return the results of the first `count` members; test is (2, members)."""
        weights = [weight.numpy() for weight in weights]
        return [
            Result(
                history={m: self.history[i, :, n] for i, m in enumerate(METRICS)},
                test={"test_loss": float(test[0, n]), "test_accuracy": float(test[1, n])},
                epoch=int(self.best_epoch[n]),
                # A copy, so that one member doesn't keep the whole crew in memory.
                weights=[weight[n].copy() for weight in weights],
                snapshots=self.snapshots[n],
                distributions={e: by[n] for e, by in self.distributions.items() if n in by},
            )
            for n in range(count)
        ]


def _hits(loss, y, outputs):
    """Return 1.0 where the most probable class is the label, else 0.0."""
    if outputs.shape[-1] == 1:
        threshold = 0.0 if getattr(loss, "from_logits", False) else 0.5
        predicted = tf.cast(outputs[..., 0] > threshold, y.dtype)
    else:
        predicted = tf.argmax(outputs, axis=-1, output_type=y.dtype)
    return tf.cast(predicted == y, tf.float32)


def _bits(seed, shape):
    """Draw uint16 uniformly, of any shape, two from each 32 random bits."""
    count = 1
    for size in shape:
        count *= size
    words = tf.random.stateless_uniform([-(-count // 2)], seed, None, None, tf.uint32)
    return tf.reshape(tf.reshape(tf.bitcast(words, tf.uint16), [-1])[:count], shape)


def _normal(seed, shape):
    return tf.random.stateless_normal(shape, seed)


def built(member):
    """Return the member's model, built for its data."""
    model = member.build()
    if not model.built:
        model.build((None, *member.data.input_shape))
    return model


def model_of(member, weights):
    """Return an ordinary compiled Keras model with the given weights."""
    model = built(member)
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
    if not model.optimizer.built:  # Keras warns of a saved model whose optimizer has no state
        model.optimizer.build(model.trainable_variables)
    return model


def _batches(member):
    """Yield the member's batches in the order in which a population would see them."""
    train, weight = member.data.train, member.class_weight or {}
    # As factors of the examples: `fit` takes no class_weight beside a generator.
    factors = np.array([weight.get(label, 1.0) for label in train.y.tolist()], np.float32)
    for epoch in range(member.epochs):
        size = min(member.batch_size, len(train))
        for rows in batch_order(member.seed, epoch, len(train), size):
            yield train.x[rows], train.y[rows], factors[rows]


def _fit(members, progress):
    """Train one member, the only one, with plain `fit`: the fallback, and the cross-check."""
    (member,) = members
    keras.utils.set_random_seed(key(member.seed, "fit"))
    model = built(member)
    if member.blueprint is not None:
        shapes = {
            f"{name}/{weight.name}": tuple(weight.shape)
            for name, layer in zip(layer_names(model), model.layers, strict=True)
            for weight in layer.weights
        }
        draws = initial_weights(member.blueprint, member.seed, shapes)
        for variable, value in zip(model.weights, draws, strict=True):
            variable.assign(value)
    record = _Record([member], member.epochs)
    loss = keras.losses.get(model.loss)

    @tf.function(reduce_retracing=True, autograph=False)
    def measure(x, y):
        outputs = model(x, training=False)
        hits = _hits(loss, y, outputs)
        if outputs.shape[-1] == 1:
            y = tf.cast(y[:, None], tf.float32)
        # A loss function of the user's own may return the mean of the batch.
        losses = tf.broadcast_to(getattr(loss, "call", loss)(y, outputs), tf.shape(hits))
        return tf.stack([tf.reduce_sum(losses), tf.reduce_sum(hits)])

    def measured(*splits):
        sums = [
            sum(
                measure(split.x[start : start + FIT_BLOCK], split.y[start : start + FIT_BLOCK])
                for start in range(0, len(split), FIT_BLOCK)
            )
            for split in splits
        ]
        return np.concatenate(
            [s.numpy() / len(split) for s, split in zip(sums, splits, strict=True)]
        )

    probe = member.watch and Probe(model, member.data.train.x[:PROBE], member.data.train.y[:PROBE])

    def watch(epoch):
        metrics = measured(member.data.train, member.data.validation)
        stacked = [tf.constant(variable.numpy()[None]) for variable in model.weights]
        record.epoch(epoch, metrics[:, None], stacked)
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
        _batches(member),
        epochs=member.epochs,
        steps_per_epoch=len(member.data.train) // min(member.batch_size, len(member.data.train)),
        verbose=0,
        shuffle=False,
        callbacks=[Watch()],
    )
    stacked = record.restore([tf.constant(v.numpy()[None]) for v in model.weights])
    for variable, value in zip(model.weights, stacked, strict=True):
        variable.assign(value[0])
    return record.results(1, stacked, measured(member.data.test)[:, None])


def _store_key(members, fitted):
    """Name a crew by what its results depend on, within one store."""
    parts = [fitted, members[0].data.fingerprint]
    for member in members:
        numbers = member.blueprint and (
            member.blueprint.hyperparameters,
            member.blueprint.signature,
            member.blueprint.initializers,
        )
        rate = member.blueprint and member.blueprint.learning_rate
        rate = keras.optimizers.schedules.serialize(rate) if callable(rate) else rate
        plan = (
            member.epochs,
            member.batch_size,
            member.patience,
            member.class_weight,
            member.watch,
        )
        parts.append([member.label, member.seed, numbers, rate, plan, member.record])
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _save(store, where, results):
    arrays = {
        "history": np.stack([[r.history[m] for m in METRICS] for r in results]),
        "test": np.array([[r.test["test_loss"], r.test["test_accuracy"]] for r in results]),
        "epoch": np.array([r.epoch for r in results]),
    }
    for n, result in enumerate(results):
        for epoch, weights in {"final": result.weights, **result.snapshots}.items():
            arrays |= {f"{n}/{epoch}/{i}": weight for i, weight in enumerate(weights)}
        for epoch, summary in result.distributions.items():
            arrays[f"distributions/{n}/{epoch}"] = np.frombuffer(summary, np.uint8)
    store.save(where, arrays)


def _load(store, where):
    arrays = store.load(where)
    if arrays is None:
        return None
    weights = [collections.defaultdict(dict) for _ in arrays["epoch"]]
    distributions = [{} for _ in arrays["epoch"]]
    for name, values in arrays.items():
        if name.startswith("distributions/"):
            _, n, epoch = name.split("/")
            distributions[int(n)][int(epoch)] = values.tobytes()
        elif name.count("/") == 2:
            n, epoch, i = name.split("/")
            weights[int(n)][epoch][int(i)] = values
    in_order = [{e: [by[i] for i in range(len(by))] for e, by in of.items()} for of in weights]
    return [
        Result(
            history={m: arrays["history"][n, i] for i, m in enumerate(METRICS)},
            test=dict(zip(("test_loss", "test_accuracy"), arrays["test"][n].tolist(), strict=True)),
            epoch=int(arrays["epoch"][n]),
            weights=of.pop("final"),
            snapshots={int(epoch): weights for epoch, weights in of.items()},
            distributions=distributions[n],
        )
        for n, of in enumerate(in_order)
    ]
