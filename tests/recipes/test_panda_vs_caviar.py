"""The recipe panda_vs_caviar: the babysitter's rule, and its claims from made-up scores."""

import types

import keras
import numpy as np
import pytest

from recipes import panda_vs_caviar as recipe
from recipes._lab import data as data_module
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.training import population
from recipes._lab.training.members import Pause


def test_the_switches_of_build_model():
    model = recipe.build_model((7,), 3, dropout=0.3, learning_rate=0.2)
    assert [(layer.name, type(layer).__name__) for layer in model.layers] == [
        ("h1", "Dense"),
        ("h1_bn", "BatchNormalization"),
        ("h1_act", "Activation"),
        ("h2", "Dense"),
        ("h2_bn", "BatchNormalization"),
        ("h2_act", "Activation"),
        ("dropout", "Dropout"),
        ("softmax", "Dense"),
    ]
    assert model.get_layer("dropout").rate == 0.3
    assert type(model.optimizer) is keras.optimizers.SGD
    assert model.optimizer.momentum == 0.9
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("loss", "ever_back", "rate", "back"),
    [
        (1.9, False, 0.9, False),  # it fell, and always did
        (1.99, False, 0.9, False),
        (2.0, False, 0.1, True),
        (2.1, True, 0.1, True),
        (np.nan, False, 0.1, True),
        (np.inf, True, 0.1, True),
        (1.91, True, 0.1, False),  # by less than 5 %
        (1.89, True, 0.3, False),
    ],
)
def test_the_rule(loss, ever_back, rate, back):
    assert recipe.decide(0.3, loss, 2.0, ever_back) == (pytest.approx(rate), back)


def test_training_goes_on_from_the_last_good_state(monkeypatch):
    losses = iter([4.0, 2.0, np.nan, 1.0, 0.99, 0.5])  # the first at rate 0
    asked = []

    def train(members):
        (member,) = members
        epoch = member.stop
        asked.append((member.spec.learning_rate, member.start))
        history = {metric: np.full(13, 0.01 * epoch) for metric in ("loss", "val_accuracy")}
        history["loss"][epoch] = next(losses)
        test = {"test_accuracy": 0.02 * epoch}
        return [types.SimpleNamespace(history=history, test=test, pause=Pause(epoch, [epoch], []))]

    monkeypatch.setattr(population, "train", train)
    data = types.SimpleNamespace(input_shape=(4,), num_classes=3, chance=0.4)
    found = recipe.train_on(data, [(0, 0.1, True)], 5, 2)
    rates, starts = zip(*asked, strict=True)
    np.testing.assert_allclose(rates, [0, 0.1, 0.3, 0.1, 0.1, 0.1 / 3])
    # [2] are the weights after the first block; the second one was in vain.
    assert [(start.epoch, start.weights) for start in starts[1:]] == [
        (0, [2]),
        (2, [2]),
        (4, [2]),
        (6, [6]),
        (8, [8]),
    ]
    np.testing.assert_allclose(found[0, 0], rates[1:])
    np.testing.assert_allclose(found[1, 0], [0.02, 0, 0.06, 0.08, 0.1])
    np.testing.assert_allclose(found[2, 0], [0.04, 0.4, 0.12, 0.16, 0.2])


def test_the_babysitter_changes_nothing_before_the_first_look():
    data = data_module.load("digits").flat()
    both = recipe.train_on(data, [(0, 0.03, False), (0, 0.03, True)], 3, 1)
    np.testing.assert_allclose(both[0], [[0.03] * 3, [0.03, 0.09, 0.27]])
    assert both[1, 0, 0] == both[1, 1, 0] > 0.5  # the same until the first look
    assert not np.array_equal(both[1, 0], both[1, 1])


def test_the_best_so_far_by_hand():
    validation, test = np.array([[0.3, 0.5, 0.4, 0.5]]), np.array([[0.9, 0.2, 0.8, 0.7]])
    of_validation, of_test = recipe.best_so_far(validation, test)
    assert of_validation.tolist() == [[0.3, 0.5, 0.5, 0.5]]
    assert of_test.tolist() == [[0.9, 0.2, 0.2, 0.2]]


def test_claims_have_the_right_sign(monkeypatch):
    """Of two models the babysat one is better by 3 points, of eight the many by 1."""
    many = np.array([0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6, 0.9])
    babysat, alone = [0.5, 0.63, *[0.89] * 6], [0.5] * 8
    curves = {"loss": np.zeros((8, 21))}
    search = types.SimpleNamespace(
        val_accuracy=many, test_accuracy=many, curves=curves, values={"learning_rate": [0.01] * 8}
    )

    def train_on(data, models, blocks, epochs):
        assert (blocks, epochs) == (8, 20)
        assert models[:3] == [(0, 0.01, True), (1, 0.01, True), (0, 1e-4, True)]
        scores = [babysat if watched else alone for *_, watched in models]
        return np.array([np.ones_like(scores), scores, scores])

    monkeypatch.setattr(recipe, "train_on", train_on)
    lab = Lab(Options(), None, print, None)
    monkeypatch.setattr(lab, "search", lambda *_, **__: [search] * 2)
    recipe.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    np.testing.assert_allclose(estimates, [1, 3, 39, 39, -1, 39, -1])
    assert set(lab.figures) == {"figure.png", "figure-rates.png"}
