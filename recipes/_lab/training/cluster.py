"""Chunks of members -> Ray, on this machine or on many. Retries, GPUs and authentication are Ray's.

The run itself, its oracle, its evidence and its files stay in one process; what goes out are chunks
of members, and what comes back are their results, the same as without a cluster (at an equal number
of threads within an operation, which is one). A worker or a node that dies costs its chunk, which
Ray runs again.
"""

import contextlib
import dataclasses
import socket
from pathlib import Path

from recipes._lab.errors import UserError
from recipes._lab.training import checkpoints, population

ROOT = Path(__file__).parents[3]
RETRIES = 10  # of a chunk whose worker dies
EXCLUDED = ("/runs", "/.venv", "/.git", "/tests", "/recipes/results")


@contextlib.contextmanager
def training(address):
    """Yield what trains members: `population.train`, or at an address a `Cluster`'s."""
    if address is None:
        yield population.train
        return
    with contextlib.closing(Cluster(address)) as cluster:
        yield cluster.train


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
                "Ray is not installed; say CLUSTER=... to make, which installs it, or "
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
        resources = ray.cluster_resources()
        self.slots = int(resources.get("GPU", 0) or resources.get("CPU", 1))
        share = {"num_gpus": 1} if resources.get("GPU") else {"num_cpus": 1}
        self._work = ray.remote(max_retries=RETRIES, **share)(_work)

    def train(self, members, *, store=None, progress=None):
        """Train members as `population.train` does, each chunk as one task of Ray's."""
        results = [None] * len(members)

        def finish(chunk, trained):
            for index, result in zip(chunk.indices, trained, strict=True):
                results[index] = result
            if progress is not None:
                progress(sum(member.span for member in chunk.members))

        running = {}
        for chunk in population.divide(members, self.slots):
            trained = checkpoints.load(store, chunk.members, chunk.is_fitted)
            if trained is None:
                running[self._start(chunk.members)] = chunk
            else:
                finish(chunk, trained)
        while running:
            (done,), _ = self._ray.wait(list(running), num_returns=1)
            chunk, trained = running.pop(done), self._ray.get(done)
            checkpoints.save(store, chunk.members, chunk.is_fitted, trained)
            finish(chunk, trained)
        return results

    def _start(self, members):
        """Start the task that trains a chunk; each data set is shipped once, for all chunks."""
        datasets = list(dict.fromkeys(member.data for member in members))
        for data in datasets:
            if data not in self._shipped:
                self._shipped[data] = self._ray.put(data)
        bare = [dataclasses.replace(m, data=datasets.index(m.data)) for m in members]
        return self._work.remote(bare, *(self._shipped[data] for data in datasets))

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


def _work(members, *datasets):
    """Train some members, which tell their data by number, in a process of Ray's."""
    from recipes._lab import quiet

    quiet.import_tensorflow()
    from recipes._lab.training import population

    members = [dataclasses.replace(member, data=datasets[member.data]) for member in members]
    return population.train(members, threads=1)
