"""The recipe weight_decay: its models and steps by value, and its claims on made-up histories."""

import types

import keras
import numpy as np
import pytest

from recipes import weight_decay as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

BARE = {"batch_norm": False, "dropout": 0}


def test_the_variants_differ_in_rule_rate_and_decay_only():
    slow = BARE | {"learning_rate": 0.01, "fit": {"epochs": 200}}
    adam = BARE | {"optimizer": "Adam", "learning_rate": 0.001}
    expected = {f"SGD, lr 0.01, λ {d:g}": slow | {"decay": d} for d in (0, 0.001, 0.01, 0.1)}
    expected |= {
        f"SGD, lr 0.1, λ {d:g}": BARE | {"decay": d} for d in (0, 0.001, 0.003, 0.01, 0.03)
    }
    expected |= {f"Adam, L2, λ {d:g}": adam | {"decay": d} for d in (0.0001, 0.001, 0.01, 0.1)}
    expected = {name: of | {"in_loss": True} for name, of in expected.items()}
    expected |= {f"Adam, decay, λ {d:g}": adam | {"decay": d} for d in (0.01, 0.1, 1, 10)}
    expected["SGD, lr 0.01, decay, λ 0.1"] = slow | {"decay": 0.1, "in_loss": False}
    variants = dict(recipe.VARIANTS)
    none = variants.pop("Adam, L2, λ 0")  # in the loss or not
    assert {k: v for k, v in none.items() if k != "in_loss"} == adam | {"decay": 0}
    assert variants == expected


def stepped(**arguments):
    """Return the weights before and after one step of Keras's own, flat, of the same model."""
    keras.utils.set_random_seed(0)
    model = recipe.build_model((5,), 3, dropout=0, learning_rate=0.1, **arguments)
    for weight in model.trainable_weights:  # biases, too, and scales other than 1
        weight.assign(weight + 0.1)
    before = [weight.numpy() for weight in model.trainable_weights]
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    x[:, 0] = 0  # whose weights have no gradient
    model.run_eagerly = True
    model.train_on_batch(x, np.arange(8) % 3)
    both = before, [weight.numpy() for weight in model.trainable_weights]
    return [np.concatenate([weight.ravel() for weight in of]) for of in both]


def test_a_step_shrinks_all_weights_by_rate_times_decay_in_both_ways_with_sgd():
    start, none = stepped(decay=0.0)
    for in_loss in (True, False):
        _, shrunk = stepped(decay=0.5, in_loss=in_loss)
        np.testing.assert_allclose(none - shrunk, 0.1 * 0.5 * start, atol=1e-6)


def test_adam_takes_a_penalty_for_a_gradient_but_not_a_decay():
    bare = {"optimizer": "Adam", "batch_norm": False}
    start, none = stepped(decay=0.0, **bare)
    _, decayed = stepped(decay=0.5, **bare)
    np.testing.assert_allclose(none - decayed, 0.1 * 0.5 * start, atol=1e-6)
    _, penalized = stepped(decay=0.5, in_loss=True, **bare)
    # Where there is no other gradient, a penalty moves weights of any size by the whole rate.
    np.testing.assert_allclose(none[:100], start[:100])
    np.testing.assert_allclose((start - penalized)[:100], 0.1 * np.sign(start[:100]), rtol=1e-2)


def test_the_distance_of_weights_in_per_cent():
    one = {"a": np.array([[3.0, 4.0], [1, 1]]), "b": np.array([[[0.0]], [[1]]])}
    other = {"a": np.array([[3.0, 3.0], [1, 1]]), "b": np.array([[[4.0]], [[np.nan]]])}
    far = 100 * np.sqrt(17 / 34), 100  # what has diverged counts as 100 %
    assert recipe.apart(one, other) == pytest.approx(far)


def test_the_claims_of_made_up_runs(hand_made):
    # Points of validation and test, of training where it isn't 100, and how far to the right of 10.
    right = {"SGD, lr 0.01, λ 0": 80, "SGD, lr 0.01, λ 0.1": 75, "SGD, lr 0.01, decay, λ 0.1": 74.5}
    right |= {"SGD, lr 0.1, λ 0.003": 93, "SGD, lr 0.1, λ 0.03": 50}
    right |= {"Adam, L2, λ 0.001": 91, "Adam, decay, λ 1": 95}
    trained = {"SGD, lr 0.01, λ 0.1": 77, "SGD, lr 0.1, λ 0.03": 51}
    weights = {"SGD, lr 0.01, decay, λ 0.1": 10.0001, "Adam, L2, λ 0.1": 10.5}

    def models(variant, epoch):
        assert epoch == 1
        return types.SimpleNamespace(weights={"w": np.full((6, 1), weights.get(variant, 10.0))})

    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, record, watch):
            assert (len(data.train), epochs, record) == (300, 100, (1,))
            made = {}
            for name in variants:
                accuracy = right.get(name, 90) / 100
                run = {"accuracy": [0.1, trained.get(name, 100) / 100]}
                run |= {"val_accuracy": [0.1, accuracy], "test_accuracy": accuracy}
                made[name] = [run | {"test_loss": 1 - accuracy}] * 6
            self.histories = hand_made(made, chance=0.1, classes=10)
            self.histories.models = models
            return self.histories

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    yes, no = "holds", "does not hold"
    # The gap narrows from 20 to 2 points, and from 10 to 7; the smallest, 1, has 43 points less.
    expected = [(yes, 18), (no, -5), (yes, 3), (yes, 3), (yes, 0.03), (yes, 43)]
    expected += [(yes, 1e-3), (yes, 0.5), (yes, 5), (yes, 4)]
    assert found == [(v, pytest.approx(n, abs=2e-4)) for v, n in expected[:6]] + [
        (v, pytest.approx(n, rel=0.01)) for v, n in expected[6:]
    ]
