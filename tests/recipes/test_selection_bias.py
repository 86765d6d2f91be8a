"""The recipe selection_bias: what picks, how often, on which folds, and the signs of its claims."""

import itertools
import types

import keras
import numpy as np
import pytest

from recipes import selection_bias as recipe
from recipes._lab.data import Dataset, Split

RNG = np.random.default_rng(0)


def test_the_arguments_reach_the_model():
    model = recipe.build_model((7,), 3, dropout=0.4, weight_decay=0.02, learning_rate=0.3)
    kinds = [type(layer).__name__ for layer in model.layers]
    hidden = ["Dense", "BatchNormalization", "Activation"]
    assert kinds == [*hidden, *hidden, "Dropout", "Dense"]
    assert model.get_layer("dropout").rate == 0.4
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.3)
    squares = sum(
        float(np.square(layer.kernel).sum())
        for layer in model.layers
        if isinstance(layer, keras.layers.Dense)
    )
    assert float(sum(model.losses)) == pytest.approx(0.01 * squares, rel=1e-5)


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_picked_is_the_mean_over_all_draws(count):
    chooser, other = RNG.permutation(6) / 6, RNG.uniform(size=6)
    draws = [list(draw) for draw in itertools.combinations(range(6), count)]
    best = [draw[int(chooser[draw].argmax())] for draw in draws]
    expected = [chooser[best].mean(), other[best].mean()]
    np.testing.assert_allclose(recipe.picked(chooser, other, count), expected)


def test_each_half_picks_and_judges():
    validation, test = np.array([0.5, 0.9, 0.4]), np.array([0.6, 0.5, 0.8])
    # Validation picks .9, worth .5 on test; test picks .8, worth .4 on validation.
    np.testing.assert_allclose(recipe.in_turn(validation, test, 3), [0.85, 0.45])
    there, elsewhere = recipe.in_turn(validation + 0.05, validation, 1)  # one half is easier
    assert there == pytest.approx(elsewhere)


def test_one_fold_picks_alone_and_five_by_their_mean():
    validation = np.full((5, 3), 0.5)
    validation[:, 1] = 0.6
    validation[0, 2] = 0.8  # one fold picks trial 2, the others and the mean trial 1
    test = np.array([0.1, 0.7, 0.2])
    alone, together = (recipe.picked_by(count, validation, test) for count in (1, 5))
    np.testing.assert_allclose(alone, [(0.8 + 4 * 0.6) / 5, (0.2 + 4 * 0.7) / 5])
    np.testing.assert_allclose(together, [0.6, 0.7])


def test_each_example_validates_once_and_never_trains_then():
    x = np.arange(23, dtype=np.float32)[:, np.newaxis]
    y = np.arange(23, dtype=np.int32) % 2
    data = Dataset("d", ("a", "b"), Split(x[:15], y[:15]), Split(x[15:20], y[15:20]), Split(x, y))
    folds = list(recipe.folds_of(data))
    assert sorted(np.concatenate([of.validation.x[:, 0] for of in folds])) == list(range(20))
    for of in folds:
        assert not set(of.validation.x[:, 0]) & set(of.train.x[:, 0])
        assert (len(of.train), len(of.validation)) == (16, 4)
        np.testing.assert_array_equal(of.train.y, of.train.x[:, 0] % 2)
        assert of.test is data.test


def test_the_claims_have_the_signs_of_their_words():
    """Each half favours one lucky trial; fold 1 is lucky with a trial that is bad on test."""

    def split(count):
        return Split(np.zeros((count, 4), np.float32), np.arange(count, dtype=np.int32) % 2)

    def search(build_tunable, data, *, trials, name, **plan):
        validation, test = np.full(trials, 0.5), np.full(trials, 0.5)
        if name == "halves":
            validation[-1] = test[-2] = 0.7
        else:
            validation[2] = test[2] = 0.6
            if name == "fold 1":
                validation[3] = 0.9
        return [types.SimpleNamespace(val_accuracy=validation, test_accuracy=test)]

    said, data = [], Dataset("d", ("a", "b"), split(60), split(20), split(30))
    recipe.run(
        types.SimpleNamespace(
            data=lambda: data,
            search=search,
            claim=lambda text, source, differences, **bounds: said.append((differences, bounds)),
            lines=lambda *layout, **labels: None,
            figure=lambda *figure: None,
        )
    )
    # The best of 100 has .7 there and .5 elsewhere; a tenth of the draws of 10 contain it.
    expected = [20, 18, -2, 8, 0]
    np.testing.assert_allclose([float(d[0]) for d, _ in said], expected, atol=1e-9)
    assert [bounds.get("within") for _, bounds in said] == [None, None, 1, None, None]
