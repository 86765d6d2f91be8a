"""Searches and recipes on a real Ray of this machine give what they give without."""

import contextlib
import dataclasses
import functools
import os
import signal

import keras
import numpy as np
import pytest

from recipes import bn_vs_nobn
from recipes._lab import data
from recipes._lab.errors import UserError
from recipes._lab.lab import Lab, Options
from recipes._lab.training import architecture, cluster, population
from recipes._lab.training.members import Member
from recipes._lab.tuning.oracles import make_oracle
from recipes._lab.tuning.tuner import PopulationTuner

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # keras-tuner's and Ray's
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def ray_cluster():
    pytest.importorskip("ray", reason="no Ray is installed: requirements-cluster.txt")
    here = cluster.Cluster("auto")
    yield here
    here.close()


@pytest.fixture(scope="module")
def digits():
    whole = data.load("digits").flat()
    return dataclasses.replace(whole, train=data.Split(whole.train.x[:200], whole.train.y[:200]))


def searched(digits, train=population.train):
    """Search and return (values, score) of each trial."""
    oracle = make_oracle("random", 6, 0)
    tuner = PopulationTuner(oracle, bn_vs_nobn.build_tunable, digits, epochs=2, train=train)
    tuner.search()
    return [(trial.hyperparameters.values, trial.score) for trial in tuner.trials()]


def test_each_member_gets_its_own_data(ray_cluster, digits):
    """Two data sets in one part: the second one's labels are turned round."""
    turned = digits.with_train(y=9 - digits.train.y)
    build = functools.partial(bn_vs_nobn.build_model, (64,), 10, learning_rate=0.1)
    spec = architecture.read(build)
    members = [Member(str(n), build, spec, n, d, 1) for n, d in enumerate((digits, turned) * 3)]
    for shipped, here in zip(ray_cluster.train(members), population.train(members), strict=True):
        assert shipped.test == here.test
        np.testing.assert_array_equal(shipped.history["loss"], here.history["loss"])


class Store(dict):
    """A store of finished chunks, in memory."""

    def save(self, key, arrays):
        self[key] = arrays

    load = dict.get


def trained(train, store=None):
    """Train two architectures, one of which only `fit` can, with two seeds; as a recipe does."""

    @contextlib.contextmanager
    def progress(description, total):
        yield lambda steps: None

    lab = Lab(Options(quick=True), store, lambda line: None, progress, train)
    variants = {
        "plain": {},
        "with a layer of one's own": {"layer": Doubled},
    }
    return lab.train(build_doubled, variants, lab.data(examples=200), epochs=2)


class Doubled(keras.layers.Layer):
    """A layer that no population knows."""

    def call(self, inputs):
        return 2 * inputs


def build_doubled(input_shape, num_classes, layer=None):
    model = bn_vs_nobn.build_model(input_shape, num_classes)
    if layer:
        model = keras.Sequential([keras.Input(input_shape), layer(), *model.layers])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_a_recipe_gives_the_same_bits_and_keeps_its_chunks(ray_cluster, monkeypatch):
    store = Store()
    here, shipped = trained(population.train), trained(ray_cluster.train, store)
    assert len(store) == 2 * min(2, ray_cluster.slots)  # chunks of each architecture
    monkeypatch.setattr(ray_cluster, "_start", None)  # nothing is trained a second time
    for results in (shipped, trained(ray_cluster.train, store)):
        assert results.outcomes.keys() == here.outcomes.keys()
        for where, outcome in here.outcomes.items():
            assert results.outcomes[where].test == outcome.test
            for ours, theirs in zip(results.outcomes[where].weights, outcome.weights, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_the_trials_are_those_without_a_cluster_though_a_worker_is_killed(
    ray_cluster, digits, tmp_path, monkeypatch
):
    killed, steps = tmp_path / "killed", []

    def dies_once(members, *datasets):
        if not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return cluster._work(members, *datasets)

    import ray

    work = ray.remote(max_retries=cluster.RETRIES)(dies_once)
    monkeypatch.setattr(ray_cluster, "_work", work)

    def train(members, *, store, progress):
        return ray_cluster.train(members, store=store, progress=steps.append)

    with_ray = searched(digits, train)
    assert killed.exists()
    assert with_ray == searched(digits)
    assert len({score for _, score in with_ray}) > 1
    assert sum(steps) == 6 * 2


def test_nobody_at_the_address_is_one_line():
    pytest.importorskip("ray", reason="no Ray is installed: requirements-cluster.txt")
    for address in ("127.0.0.1:1", "nowhere", "127.0.0.1:x"):
        with pytest.raises(UserError, match="no Ray cluster answers at"):
            cluster.Cluster(address)
