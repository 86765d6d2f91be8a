"""Distributions from the stacked pass against those of one ordinary model at a time."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from callbacks.distribution_logger import Probe, summarize
from recipes._lab.data import Dataset, Split
from recipes._lab.training import architecture, graph, loading, population
from recipes._lab.training import members as members_module

RATES = (0.01, 0.2)


def build(learning_rate, **options):
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, name="h1", kernel_regularizer=keras.regularizers.L2(0.01)),
            keras.layers.BatchNormalization(name="h1_bn"),
            keras.layers.Activation("relu", name="h1_act"),
            keras.layers.Dense(3, activation="softmax", name="softmax"),
        ]
    )
    optimizer = keras.optimizers.SGD(learning_rate, **options)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(150, 6)).astype("float32"), rng.integers(0, 3, 150).astype("int32")
    part = Split(x, y)
    data = Dataset("made up", ("a", "b", "c"), part, part, part)
    members = []
    for rate in RATES:

        def make(rate=rate):
            return build(rate)

        spec = architecture.read(make)
        members += [
            members_module.Member(
                f"{rate}", make, spec, seed, data, epochs=2, batch_size=50, record=(0, 2), watch=at
            )
            for seed, at in ((0, (0, 2)), (1, ()))
        ]
    return members, population.train(members)


def content(serialized):
    """Return {tag: scalar or histogram} of a Summary."""
    summary = tf.compat.v1.Summary.FromString(serialized)
    return {
        value.tag: tf.make_ndarray(value.tensor) if value.HasField("tensor") else value.simple_value
        for value in summary.value
    }


def test_only_watched_members_are_looked_at(trained):
    members, results = trained
    for member, result in zip(members, results, strict=True):
        assert tuple(result.distributions) == member.watch


@pytest.mark.parametrize("which", [0, 2])
@pytest.mark.parametrize("epoch", [0, 2])
def test_they_are_those_of_plain_keras(trained, which, epoch):
    members, results = trained
    member, result = members[which], results[which]
    model = loading.load_model(member, result.snapshots[epoch])
    train = member.data.train
    probe = Probe(model, train.x[: graph.PROBE], train.y[: graph.PROBE])
    _, outputs, gradients = probe()
    weights = {name: weight.numpy() for name, weight in probe.weights.items()}
    rate = RATES[which // 2]
    ratios = {
        name: rate * np.linalg.norm(gradients[name]) / np.linalg.norm(weights[name])
        for name in gradients
    }
    expected = content(
        summarize(
            weights,
            outputs,
            gradients,
            update_ratios=ratios,
            activation_names={"h1_act": "relu"},
        ).SerializeToString()
    )
    found = content(result.distributions[epoch])
    assert set(found) == set(expected)
    assert any(tag.startswith("dead_units") for tag in found)
    for tag, value in expected.items():
        if np.ndim(value) == 0:
            assert found[tag] == pytest.approx(value, rel=1e-4, abs=1e-7), tag
        else:
            # Edges differ in the last bit, so a value near one may fall into the next bin.
            np.testing.assert_allclose(found[tag][:, :2], value[:, :2], rtol=1e-3, atol=1e-6)
            assert abs(found[tag][:, 2] - value[:, 2]).sum() <= 4, tag
            assert found[tag][:, 2].sum() == value[:, 2].sum()


def test_watching_changes_no_bit(trained):
    members, results = trained
    blind = [dataclasses.replace(m, watch=()) for m in members]
    for seen, unseen in zip(results, population.train(blind), strict=True):
        for a, b in zip(seen.weights, unseen.weights, strict=True):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(seen.history["loss"], unseen.history["loss"])


def test_who_accumulates_gradients_is_shown_an_update_at_each_moment(trained):
    plain, *_ = trained[0]

    def make():
        return build(RATES[0], gradient_accumulation_steps=2)

    slow = dataclasses.replace(plain, build=make, spec=architecture.read(make), label="slow")
    first, second = (content(r.distributions[0]) for r in population.train([plain, slow]))
    assert first["update_ratio/h1/kernel"] > 0
    assert second["update_ratio/h1/kernel"] == first["update_ratio/h1/kernel"]


def test_a_member_trained_with_fit_has_them_too(trained):
    members, results = trained
    (fitted,) = population.train(members[:1], engine="keras")
    stacked = content(results[0].distributions[0])
    assert set(content(fitted.distributions[0])) | {
        tag for tag in stacked if tag.startswith("update_ratio")
    } == set(stacked)
