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

import numpy as np
import tensorflow as tf

from recipes._lab.training import checkpoints
from recipes._lab.training.fitting import fit
from recipes._lab.training.graph import Graph
from recipes._lab.training.numerics import members_multiple

# Chunks run side by side, one a core; inside a chunk, each operation stays on its core. That wastes
# least, and results don't depend on the number of cores.
tf.config.threading.set_intra_op_parallelism_threads(1)

# Members in one call of the graph: fewer waste time between operations, more fall out of cache.
CHUNK = 24
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
        threads: how many train at once; None for one a core. Results don't depend on it.

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
        if engine == "population" and member.spec is not None:
            start = member.start.epoch if member.start else 0
            plan = (member.epochs, member.batch_size, member.evaluate_every, start, member.stop)
            populations[member.spec.signature, _shape(member.data), plan].append(index)
        else:
            alone.append(index)
    results = [None] * len(members)

    def work(chunk, train_chunk):
        group = [members[index] for index in chunk]
        # Where training pauses, there is more to keep than a store does.
        stored = store is not None and group[0].start is None and group[0].stop is None
        where = checkpoints.key(group, train_chunk is fit) if stored else None
        trained = checkpoints.load(store, where) if stored else None
        if trained is None:
            trained = train_chunk(group, advance)
            if stored:
                checkpoints.save(store, where, trained)
        else:
            advance(sum(member.epochs for member in group))
        for index, result in zip(chunk, trained, strict=True):
            results[index] = result

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
        train_chunk = _population(group, size, *counts).train
        steps = first.epochs * (len(first.data.train) // batch_size)
        work_of_chunk = size * steps * batch_size * len(json.loads(first.spec.signature))
        for number, chunk in enumerate(chunks):
            chunk = [indices[i] for i in chunk]
            queue.append(((number > 0, -work_of_chunk), chunk, train_chunk))
    # All populations stand in one queue. First a chunk of each, so that one is traced while another
    # trains; then the largest, so that no core is left with one when the others have finished.
    queue.sort(key=lambda entry: entry[0])
    with concurrent.futures.ThreadPoolExecutor(threads or cores()) as pool:
        futures = [pool.submit(work, chunk, train_chunk) for _, chunk, train_chunk in queue]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            stopped.set()  # ends the chunks that are under way after their epoch
            pool.shutdown(cancel_futures=True)
            raise
    for index in alone:
        work([index], fit)
    return results


class _Population:
    """Members of one architecture and plan, with a graph that is traced when first needed."""

    def __init__(self, members, size, streams, datasets):
        self.size, self.streams, self.datasets = size, streams, datasets
        self._arguments, self._graph = (members, size, streams, datasets), None
        self._lock = threading.Lock()

    def train(self, members, progress):
        """Train one chunk and return its results."""
        with self._lock:
            self._graph = self._graph or Graph(*self._arguments)
            self._arguments = None
        return self._graph.train(members, progress)


def _population(members, size, streams, datasets):
    """Return a population for chunks of this size, one of the last ones if it fits.

    Tracing takes a second or so: a search that trains batch after batch, or a recipe that tunes
    before it trains, does it once.
    """
    first = members[0]
    like = (
        first.spec.signature,
        first.batch_size,
        first.data.input_shape,
        first.data.num_classes,
        Graph.hyperparameters_of(members),
        Graph.weights_classes(members),
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
    population = _Population(members, size, streams, datasets)
    _recent.appendleft((like, population))
    return population


_recent = collections.deque(maxlen=16)


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _shape(data):
    """Return what must be equal of the data of members that share a graph."""
    return data.input_shape, data.num_classes, *map(len, data.parts)


def _chunks(streams, multiple, threads=None):
    """Divide members into chunks of equal size, with as few streams in each as that allows.

    Members of one stream, a pair of data and seed, see the same batches and the same random bits,
    which are then drawn once.

    Args:
        streams: of each member.
        multiple: of which the size of the chunks must be one.
        threads: how many train at once; None for one a core.

    Returns:
        Lists of indices; the size of the largest, rounded up to a multiple of `multiple`.
    """
    by_stream = collections.defaultdict(list)
    for index, stream in enumerate(streams):
        by_stream[stream].append(index)
    size = min(CHUNK, -(-len(streams) // (threads or cores())))
    chunks = []
    if len(streams) >= len(by_stream) * size / 2:
        for indices in by_stream.values():
            chunks += _split(indices, size)
    else:  # too few members of each stream to fill a chunk
        largest = max(sum(part.x.nbytes for part in data.parts) for data, _ in by_stream)
        size = min(size, max(1, MOST_BYTES // largest))
        chunks = _split([index for indices in by_stream.values() for index in indices], size)
    return chunks, -(-max(map(len, chunks)) // multiple) * multiple


def _split(indices, size):
    return [part.tolist() for part in np.array_split(indices, -(-len(indices) // size))]
