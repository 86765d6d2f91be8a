"""The recipe optimizer_paths: Keras's steps by hand, and its claims from made-up paths."""

import keras
import numpy as np
import pytest

from recipes import optimizer_paths as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


def test_the_first_steps_are_those_of_the_rules_by_hand():
    starts = [recipe.START, (-6.0, -1.0)]
    n = np.arange(31)
    for name, x, y in (("SGD", 0.905, -0.9), (recipe.HALF, 0.9525, 0.05)):
        paths = recipe.walk(starts, **recipe.VARIANTS[name])
        for path, start in zip(paths, starts, strict=True):
            by_hand = np.transpose([start[0] * x**n, start[1] * y**n])
            np.testing.assert_allclose(path, by_hand, rtol=1e-3, atol=1e-5)
    first, second = recipe.walk(starts, **recipe.VARIANTS["Momentum"])[0, 1:3]
    np.testing.assert_allclose(first, [-7 + 0.07, 2 - 0.4], rtol=1e-6)
    velocity = [0.9 * 0.07 + 0.1 * 0.693, 0.9 * -0.4 - 0.1 * 3.2]
    np.testing.assert_allclose(second - first, velocity, rtol=1e-5)
    first, second = recipe.walk(starts, **recipe.VARIANTS["AdaGrad"])[0, 1:3]
    np.testing.assert_allclose(first, [-7 + 1.5, 2 - 1.5], rtol=1e-6)
    move = 1.5 * np.array([0.55, -1]) / np.sqrt([0.49 + 0.3025, 16 + 1])
    np.testing.assert_allclose(second - first, move, rtol=1e-5)
    first = recipe.walk(starts, **recipe.VARIANTS["RMSprop"])[1, 1]
    np.testing.assert_allclose(first, [-6 + 0.1**0.5, -1 + 0.1**0.5], rtol=1e-5)
    first = recipe.walk(starts, **recipe.VARIANTS["Adam"])[1, 1]
    np.testing.assert_allclose(first, [-6 + 0.3, -1 + 0.3], rtol=1e-5)


def test_heights_lengths_and_crossings_by_hand():
    path = np.array([[-2.0, 3.0], [1.0, -1.0], [1.0, 4.0], [0.0, 4.0]])
    np.testing.assert_allclose(recipe.f(path), [9.2, 1.05, 16.05, 16])
    np.testing.assert_allclose(recipe.lengths(path), [5, 5, 1])
    assert recipe.crossings(path) == 2
    assert recipe.crossings(path[None, 1:]).tolist() == [1]


def test_the_model_has_the_optimizer_that_is_asked_for():
    kinds = {"SGD": "SGD", "Momentum": "SGD", "AdaGrad": "Adagrad", "RMSprop": "RMSprop"}
    for name in ("SGD", "Momentum", "AdaGrad", "RMSprop", "Adam"):
        model = recipe.build_model((5,), 3, optimizer=name, learning_rate=0.25)
        assert type(model.optimizer) is getattr(keras.optimizers, kinds.get(name, name))
        assert float(model.optimizer.learning_rate.numpy()) == 0.25
        assert getattr(model.optimizer, "momentum", 0) == (0.9 if name == "Momentum" else 0)
        assert getattr(model.optimizer, "initial_accumulator_value", 0) == 0
    hidden = [f"h{n}{kind}" for n in (1, 2) for kind in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]


def path_of(corners):
    """A made-up path that goes from corner to corner and then rests at the last one."""
    rest = [corners[-1]] * (recipe.STEPS + 1 - len(corners))
    return np.array([*corners, *rest], float)


def test_the_claims_of_made_up_paths(hand_made, monkeypatch):
    """Each path is short enough to reckon with; networks end lower with two rules, higher with one.

    AdaGrad's last step is 1/16 of the first and, x being -8 then -2, 1/4 of it per slope.
    """
    shrinking = np.array([[-8.0, 0.0], *[[-4.0, 0.0]] * 28, [-2.0, 0.0], [-1.75, 0.0]])
    paths = {
        ("SGD", 0.95): path_of([(0, 3), (0, -3), (0, 3), (0, 1)]),  # 2 changes, length 14
        ("SGD", 0.475): path_of([(0, 3), (0, 2)]),
        ("Momentum", 0.1): path_of([(-4, 0), (0, 4), (0, -1)]),  # 1 change, sways 9
        ("AdaGrad", 1.5): shrinking,
        ("RMSprop", 0.1): np.transpose([np.r_[np.arange(30.0), 29.25], np.zeros(31)]),
        ("Adam", 0.3): path_of([(-4, 2), (-1, 6), (-1, 6)]),  # length 5, sways 4, ends high
    }
    starts = []

    def walk(points, optimizer, learning_rate):
        starts.append(np.array(points))
        path = paths[optimizer, learning_rate]
        return np.stack([2 * path] + [path] * (len(points) - 1))  # the book's start is not judged

    class MadeUpLab(Lab):
        def tune(self, build_model, variants, data, *, epochs, batch_size):
            assert (epochs, batch_size) == (30, 1000)
            assert all(of == {"optimizer": n, "dropout": 0} for n, of in variants.items())
            return variants

        def train(self, build_model, variants, data, **_):
            loss = dict(zip(variants, [0.5, 0.4, 0.3, 0.9, 0.6], strict=True))
            runs = {
                n: [{"accuracy": [0.1, 0.9], "loss": [2.3, end]}] * 7 for n, end in loss.items()
            }
            return hand_made(runs)

    monkeypatch.setattr(recipe, "walk", walk)
    # One worse of 3 rules refutes "all" from 7 seeds on.
    lab = MadeUpLab(Options(seeds=7), None, None, None)
    recipe.run(lab)
    assert all(points[0].tolist() == [-7, 2] for points in starts)
    near = starts[0][1:] - starts[0][0]
    assert near.shape == (7, 2)
    assert 0 < abs(near).min() < abs(near).max() < 1
    found = [claim.judgement.estimate for claim in lab.claims]
    expected = [2 - 1, 3, 9 - 4, 10 - 6.25, 25 - 10, 10 - 25, 1 - 36.05, 4 - 1, 2]
    assert found == pytest.approx(expected)
    fails = [n for n, of in enumerate(lab.claims) if of.judgement.verdict == "does not hold"]
    assert fails == [5, 6, 8]
