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
import json
import os
import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from recipes._lab.training import checkpoints
from recipes._lab.training.fitting import fit
from recipes._lab.training.graph import Graph
from recipes._lab.training.members import Member
from recipes._lab.training.numerics import members_multiple

# Chunks run side by side, one a core; inside a chunk, each operation stays on its core. That wastes
# least, and results don't depend on the number of cores.
tf.config.threading.set_intra_op_parallelism_threads(1)

# Members in one call of the graph: fewer waste time between operations, more fall out of cache.
CHUNK = 24
# On a GPU nothing falls out of cache: one chunk takes all members that its memory holds.
GPU_CHUNK = 4096
# Of the inputs of one chunk, where each member has data of its own: twelve times MNIST's 10,000.
MOST_BYTES = 400 * 2**20


def train(members, *, store=None, progress=None, engine="population", threads=None):
    """Train all members and return their results in the same order.

    Args:
        members: any mixture; those of one architecture, shape of data and plan become one
            population.
        store: keeps finished chunks for a run that is killed: `load(key)` returns a dict of
            arrays or None, `save(key, arrays)`.
        progress: called with the number of epochs that one member or more have just finished,
            from any thread.
        engine: "population", or "keras" to train every member with plain `fit`.
        threads: how many train at once; None for one a core, or one for a GPU. Results don't
            depend on it.

    Returns:
        A list of `Result`.
    """
    threads = threads or (1 if has_gpu() else cores())
    stopped = threading.Event()

    def advance(epochs):
        if stopped.is_set():
            raise concurrent.futures.CancelledError
        if progress is not None:
            progress(epochs)

    results = [None] * len(members)

    def work(chunk):
        trained = checkpoints.load(store, chunk.members, chunk.is_fitted)
        if trained is None:
            trained = chunk.train(chunk.members, advance)
            checkpoints.save(store, chunk.members, chunk.is_fitted, trained)
        else:
            advance(sum(member.epochs for member in chunk.members))
        for index, result in zip(chunk.indices, trained, strict=True):
            results[index] = result

    chunks = divide(members, threads, engine)
    _in_threads(work, [chunk for chunk in chunks if not chunk.is_fitted], threads, stopped)
    for chunk in chunks:
        if chunk.is_fitted:
            work(chunk)
    return results


def _in_threads(work, chunks, threads, stopped):
    """Call `work(chunk)` for each chunk, so many at once; set `stopped` and raise if one fails."""
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work, chunk) for chunk in chunks]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            stopped.set()  # ends the chunks that are under way after their epoch
            pool.shutdown(cancel_futures=True)
            raise


class Chunk(NamedTuple):
    """Members that are trained together.

    Attributes:
        indices: of the members, among all.
        members: of one architecture and plan; or the only one, if it can't be stacked.
        train: `train(members, progress)` returns their results.
    """

    indices: list[int]
    members: list[Member]
    train: Callable

    @property
    def is_fitted(self):
        """Whether it is one member, trained by plain `fit`."""
        return self.train is fit


def divide(members, threads, engine="population"):
    """Divide members into chunks, in the order in which they are best trained.

    Args:
        members: as in `train`.
        threads: how many chunks are trained at once.
        engine: as in `train`.

    Returns:
        A list of `Chunk`.
    """
    populations, alone = collections.defaultdict(list), []
    for index, member in enumerate(members):
        if engine == "population" and member.spec is not None:
            start = member.start.epoch if member.start else 0
            plan = (member.epochs, member.batch_size, member.evaluate_every, start, member.stop)
            populations[member.spec.signature, _shape(member.data), plan].append(index)
        else:
            alone.append(Chunk([index], [member], fit))
    queue = []
    for indices in populations.values():
        group = [members[index] for index in indices]
        first = group[0]
        batch_size = min(first.batch_size, len(first.data.train))
        multiple = members_multiple(batch_size)
        streams = [(member.data, member.seed) for member in group]
        chunks, size = _chunks(streams, multiple, threads)
        distinct = [{streams[index] for index in chunk} for chunk in chunks]
        counts = (
            max(len(of_chunk) for of_chunk in distinct),
            max(len({data for data, _ in of_chunk}) for of_chunk in distinct),
        )
        population = _population(group, size, *counts, multiple)
        steps = first.epochs * (len(first.data.train) // batch_size)
        work_of_chunk = size * steps * batch_size * len(json.loads(first.spec.signature))
        for number, chunk in enumerate(chunks):
            of_chunk = Chunk(
                [indices[n] for n in chunk], [group[n] for n in chunk], population.train
            )
            queue.append(((number > 0, -work_of_chunk), of_chunk))
    # All populations stand in one queue. First a chunk of each, so that one is traced while another
    # trains; then the largest, so that no core is left with one when the others have finished.
    queue.sort(key=lambda entry: entry[0])
    return [chunk for _, chunk in queue] + alone


class _Population:
    """Members of one architecture and plan, with a graph that is traced when first needed."""

    def __init__(self, members, size, streams, datasets, multiple):
        self.size, self.streams, self.datasets = size, streams, datasets
        self._multiple = multiple
        self._arguments, self._graph = (members, size, streams, datasets), None
        self._lock = threading.Lock()

    def train(self, members, progress):
        """Train one chunk and return its results; in halves if a GPU's memory can't hold it."""
        with self._lock:
            self._graph = self._graph or Graph(*self._arguments)
            self._arguments = None
        results = []
        while len(results) < len(members):
            graph = self._graph
            part = members[len(results) : len(results) + graph.size]
            try:
                results += graph.train(part, progress)
            except tf.errors.ResourceExhaustedError:
                half = _rounded_up(graph.size // 2, self._multiple)
                if half == graph.size:
                    raise
                with self._lock:
                    self._graph = graph.resized(half)
                    self.size = half
        return results


def _population(members, size, streams, datasets, multiple):
    """Return a population for chunks of this size, one of the last ones if it fits.

    Tracing takes a second or so: a search that trains batch after batch, or a recipe that tunes
    before it trains, does it once.
    """
    first = members[0]
    like = (
        first.spec.signature,
        min(first.batch_size, len(first.data.train)),
        first.data.input_shape,
        first.data.num_classes,
        Graph.hyperparameters_of(members),
        Graph.weights_examples(members),
    )
    for known, population in _recent:
        fits = (
            size <= population.size <= 2 * size
            and streams <= population.streams
            and datasets <= population.datasets
            and (datasets == 1) == (population.datasets == 1)
        )
        if known == like and fits:
            return population
    population = _Population(members, size, streams, datasets, multiple)
    _recent.appendleft((like, population))
    return population


_recent = collections.deque(maxlen=16)


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def has_gpu():
    """Tell whether TensorFlow trains on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def _shape(data):
    """Return what must be equal of the data of members that share a graph."""
    return data.input_shape, data.num_classes, *map(len, data.parts)


def _chunks(streams, multiple, threads):
    """Divide members into chunks of equal size, with as few streams in each as that allows.

    Members of one stream, a pair of data and seed, see the same batches and the same random bits,
    which are then drawn once.

    Args:
        streams: of each member.
        multiple: of which the size of the chunks must be one.
        threads: how many chunks are trained at once.

    Returns:
        Lists of indices; the size of the largest, rounded up to a multiple of `multiple`.
    """
    by_stream = collections.defaultdict(list)
    for index, stream in enumerate(streams):
        by_stream[stream].append(index)
    size = min(GPU_CHUNK if has_gpu() else CHUNK, -(-len(streams) // threads))
    chunks = []
    if len(streams) >= len(by_stream) * size / 2:
        for indices in by_stream.values():
            chunks += _split(indices, size)
    else:  # too few members of each stream to fill a chunk
        largest = max(sum(part.x.nbytes for part in data.parts) for data, _ in by_stream)
        size = min(size, max(1, MOST_BYTES // largest))
        chunks = _split([index for indices in by_stream.values() for index in indices], size)
    return chunks, _rounded_up(max(map(len, chunks)), multiple)


def _rounded_up(count, multiple):
    return -(-count // multiple) * multiple


def _split(indices, size):
    return [part.tolist() for part in np.array_split(indices, -(-len(indices) // size))]
