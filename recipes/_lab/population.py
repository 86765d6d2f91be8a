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

import keras
import numpy as np
import tensorflow as tf

from recipes._lab import layers
from recipes._lab.fitting import fit
from recipes._lab.graph import Graph
from recipes._lab.members import METRICS, Result

# Crews run side by side, one a core; inside a crew, each operation stays on its core. That wastes
# least, and results don't depend on the number of cores.
tf.config.threading.set_intra_op_parallelism_threads(1)

# Members in one call of the graph: fewer waste time between operations, more fall out of cache.
CREW = 24


def train(members, *, store=None, progress=None, engine="population", threads=None):
    """Train all members and return their results in the same order.

    Args:
        members: any mixture; those of one architecture, data and plan become one population.
        store: keeps finished crews for a run that is killed: `load(key)` returns a dict of
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
        if engine == "population" and member.blueprint is not None:
            start = member.start.epoch if member.start else 0
            plan = (id(member.data), member.epochs, member.batch_size, start, member.stop)
            populations[member.blueprint.signature, plan].append(index)
        else:
            alone.append(index)
    results = [None] * len(members)

    def work(crew, train_crew):
        group = [members[index] for index in crew]
        # Where training pauses, there is more to keep than a store does.
        stored = store is not None and group[0].start is None and group[0].stop is None
        where = _store_key(group, train_crew is fit) if stored else None
        trained = _load(store, where) if stored else None
        if trained is None:
            trained = train_crew(group, advance)
            if stored:
                _save(store, where, trained)
        else:
            advance(sum(member.epochs for member in group))
        for index, result in zip(crew, trained, strict=True):
            results[index] = result

    queue = []
    for indices in populations.values():
        group = [members[index] for index in indices]
        first = group[0]
        batch_size = min(first.batch_size, len(first.data.train))
        multiple = layers.multiple(batch_size)
        crews, size, seeds = _crews([m.seed for m in group], multiple, threads)
        train_crew = _population(group, size, seeds).train
        steps = first.epochs * (len(first.data.train) // batch_size)
        work_of_crew = size * steps * batch_size * len(json.loads(first.blueprint.signature))
        for number, crew in enumerate(crews):
            crew = [indices[i] for i in crew]
            queue.append(((number > 0, -work_of_crew), crew, train_crew))
    # All populations stand in one queue. First a crew of each, so that one is traced while another
    # trains; then the largest, so that no core is left with one when the others have finished.
    queue.sort(key=lambda entry: entry[0])
    with concurrent.futures.ThreadPoolExecutor(threads or cores()) as pool:
        futures = [pool.submit(work, crew, train_crew) for _, crew, train_crew in queue]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            stopped.set()  # ends the crews that are under way after their epoch
            pool.shutdown(cancel_futures=True)
            raise
    for index in alone:
        work([index], fit)
    return results


class _Population:
    """Members of one architecture, data and plan, with a graph that is traced when first needed."""

    def __init__(self, members, size, seeds):
        self.size, self.seeds = size, seeds
        self._arguments, self._graph, self._lock = (members, size, seeds), None, threading.Lock()

    def train(self, members, progress):
        """Train one crew and return its results."""
        with self._lock:
            self._graph = self._graph or Graph(*self._arguments)
            self._arguments = None
        return self._graph.train(members, progress)


def _population(members, size, seeds):
    """Return a population for crews of this size, one of the last ones if it fits.

    Tracing takes a second or so: a search that trains batch after batch, or a recipe that tunes
    before it trains, does it once.
    """
    first, data = members[0], members[0].data
    needed = Graph.numbers_of(members)
    like = (first.blueprint.signature, first.batch_size, needed, Graph.weights_classes(members))
    for known, its_data, population in _recent:
        fits = size <= population.size <= 2 * size and population.seeds >= seeds
        if known == like and its_data is data and fits:
            return population
    population = _Population(members, size, seeds)
    _recent.appendleft((like, data, population))
    return population


_recent = collections.deque(maxlen=16)


def cores():
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _crews(member_seeds, multiple, threads=None):
    """Divide members into crews of equal size, with as few seeds in each as that allows.

    Members of one seed see the same batches and the same random bits, which are then drawn once.

    Returns:
        Lists of indices; the size of the largest, rounded up to a multiple of `multiple`; the
        largest number of seeds in one.
    """
    by_seed = collections.defaultdict(list)
    for index, seed in enumerate(member_seeds):
        by_seed[seed].append(index)
    size = min(CREW, -(-len(member_seeds) // (threads or cores())))
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
        where = (member.place, member.label, member.seed)
        parts.append([where, numbers, rate, plan, member.record])
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
