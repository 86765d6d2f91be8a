"""Finished chunks in the store of a run, so that one that is killed goes on from there."""

import collections
import hashlib
import json

import keras
import numpy as np

from recipes._lab.training.members import METRICS, Result


def key(members, fitted):
    """Name a chunk by what its results depend on, within one store."""
    parts = [fitted]
    for member in members:
        numbers = member.spec and (
            member.spec.hyperparameters,
            member.spec.signature,
            member.spec.initializers,
        )
        rate = member.spec and member.spec.learning_rate
        rate = keras.optimizers.schedules.serialize(rate) if callable(rate) else rate
        plan = (
            member.epochs,
            member.batch_size,
            member.patience,
            member.evaluate_every,
            member.watch,
        )
        where = (member.place, member.label, member.seed, member.data.fingerprint)
        parts.append([where, numbers, rate, plan, [int(epoch) for epoch in member.record]])
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def save(store, members, fitted, results):
    """Keep the results of a chunk, if there is a store and the chunk is trained from start to end.

    Where training pauses, there is more to keep than a store does.
    """
    if not _is_kept(store, members):
        return
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
    store.save(key(members, fitted), arrays)


def load(store, members, fitted):
    """Return the results of a chunk that an earlier run has kept, or None."""
    arrays = store.load(key(members, fitted)) if _is_kept(store, members) else None
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


def _is_kept(store, members):
    return store is not None and members[0].start is None and members[0].stop is None
