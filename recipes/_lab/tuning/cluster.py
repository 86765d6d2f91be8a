"""Batches of trials -> Ray, on this machine or on many. Retries, GPUs and authentication are Ray's.

The search itself, its oracle and its files stay in one process; what goes out are lists of members,
and what comes back are their results, the same as without a cluster (at an equal number of threads
within an operation, which is one). A worker or a node that dies costs its part of a batch, which
Ray runs again.
"""

import dataclasses
import socket
from pathlib import Path

import numpy as np

from recipes._lab.errors import UserError
from recipes._lab.training import population

ROOT = Path(__file__).parents[3]
RETRIES = 10  # of a part whose worker dies
EXCLUDED = ("/runs", "/.venv", "/.git", "/tests", "/recipes/results")


class Cluster:
    """Trains members on a Ray cluster.

    Args:
        address: "auto" for a Ray of this machine's own, with all of its cores or GPUs, or the
            address of a running one, such as "10.0.0.1:6379" or "ray://10.0.0.1:10001".

    Raises:
        UserError: Ray is not installed, or does not answer there.
    """

    def __init__(self, address):
        try:
            import ray
        except ImportError as error:
            raise UserError(
                "Ray is not installed; say make search with CLUSTER=..., which installs it, or "
                "pip install -r requirements-cluster.txt"
            ) from error
        if address != "auto":
            _check_port(address)
        self._ray, self._shipped = ray, {}
        quiet = {"log_to_driver": False, "logging_level": "error"}
        try:
            if address == "auto":
                environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
                here = {"num_cpus": population.cores(), "include_dashboard": False}
                ray.init("local", runtime_env=environment, **here, **quiet)
            else:
                environment = {"working_dir": str(ROOT), "excludes": list(EXCLUDED)}
                ray.init(address, runtime_env=environment, **quiet)
        except Exception as error:  # of many kinds
            reason = str(error).strip().partition("\n")[0]
            raise UserError(f"no Ray cluster answers at {address!r}: {reason}") from error
        found = ray.cluster_resources()
        self.slots = int(found.get("GPU", 0) or found.get("CPU", 1))
        share = {"num_gpus": 1} if found.get("GPU") else {"num_cpus": 1}
        self._work = ray.remote(max_retries=RETRIES, **share)(_work)

    def train(self, members, *, store=None, progress=None):
        """Train members as `population.train` does; a cluster has no use for the store."""
        datasets = list(dict.fromkeys(member.data for member in members))
        # Shipped once, and kept for the next batch of trials.
        self._shipped = {d: self._shipped.get(d) or self._ray.put(d) for d in datasets}
        # Sorted, so that each part has few architectures and data sets.
        order = sorted(
            range(len(members)),
            key=lambda n: (_architecture(members[n]), datasets.index(members[n].data)),
        )
        parts = [part for part in np.array_split(order, self.slots) if part.size]
        running = {}
        for part in parts:
            needed = list(dict.fromkeys(members[n].data for n in part))
            bare = [
                dataclasses.replace(members[n], data=needed.index(members[n].data)) for n in part
            ]
            running[self._work.remote(bare, *(self._shipped[d] for d in needed))] = part
        results = [None] * len(members)
        while running:
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            part = running.pop(done)
            for n, result in zip(part, self._ray.get(done), strict=True):
                results[n] = result
            if progress is not None:
                progress(sum(members[n].span for n in part))
        return results

    def close(self):
        """Leave the cluster; one of this machine's own ends."""
        self._ray.shutdown()


def _check_port(address):
    """Raise a UserError unless something listens there; Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster answers at {address!r} ({error}); give auto or host:port of one that "
            "`ray start --head` has started"
        ) from error


def _architecture(member):
    return member.spec.signature if member.spec else ""


def _work(members, *datasets):
    """Train some members, which tell their data by number, in a process of Ray's."""
    from recipes._lab import quiet

    quiet.import_tensorflow()
    from recipes._lab.training import population

    members = [dataclasses.replace(member, data=datasets[member.data]) for member in members]
    return population.train(members, threads=1)
