"""The recipe data_leaks: each leak by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import data_leaks as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

HONEST, COPIES, SCALING = recipe.HONEST, recipe.COPIES, recipe.SCALING
ROW, TARGET = recipe.ROW, recipe.TARGET


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def data(random):
    """Ten classes; 60 examples for training, 80 reported, 100 new; five columns."""
    parts = [
        Split(random.normal(size=(n, 5)).astype(np.float32), random.integers(0, 10, n))
        for n in (60, 80, 100)
    ]
    return Dataset("made up", tuple("abcdefghij"), *parts)


def test_a_column_of_noise_is_appended(data, random):
    wider = recipe.with_column(data, random)
    assert wider.input_shape == (6,)
    np.testing.assert_array_equal(wider.test.x[:, :5], data.test.x)
    assert 0 <= wider.test.x[:, 5].min() < wider.test.x[:, 5].max() <= 1


def test_near_copies_of_the_first_reported_examples(data, random):
    leaky = recipe.near_copies(data, random)
    assert len(leaky.train) == 60
    np.testing.assert_array_equal(leaky.train.y[:20], data.validation.y[:20])
    np.testing.assert_array_equal(leaky.train.x[20:], data.train.x[20:])
    noise = leaky.train.x[:20] - data.validation.x[:20]
    assert noise.std() == pytest.approx(0.1, rel=0.3)


def test_row_numbers_are_in_order_of_the_classes_but_of_new_rows(data, random):
    leaky = recipe.row_number(data, random)
    for part in (leaky.train, leaky.validation):
        np.testing.assert_array_equal(np.floor(10 * part.x[:, -1]), part.y)
    np.testing.assert_array_equal(leaky.test.x, data.test.x)


def test_the_disguised_target_tells_seven_in_ten_and_nothing_of_new_rows(data, random):
    leaky = recipe.target_in_disguise(data, random)
    told = np.mean(leaky.validation.x[:, -1] == leaky.validation.y)
    assert told == pytest.approx(0.7 + 0.3 / 10, abs=0.15)
    assert (leaky.test.x[:, -1] == 0).all()
    np.testing.assert_array_equal(leaky.train.x[:, :4], data.train.x[:, :4])


def test_scaled_by_training_or_by_the_reported_part_too(data, random):
    x = recipe.standardized(data, random).train.x
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0)], [[0] * 5, [1] * 5], atol=1e-5)
    leaky = recipe.standardized(data, random, parts=2)
    x = np.concatenate([leaky.train.x, leaky.validation.x])
    np.testing.assert_allclose([x.mean(axis=0), x.std(axis=0)], [[0] * 5, [1] * 5], atol=1e-5)


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up (reported, new) accuracies in %."""

    def run(ends):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size):
                assert set(variants) == set(data) == set(ends)
                noise = np.random.default_rng(0).normal(0, 0.001, (len(ends), 6))
                runs = {
                    key: [
                        {"accuracy": [0, 1], "val_accuracy": [0, a + n], "test_accuracy": b}
                        for n in of_key
                    ]
                    for (key, (a, b)), of_key in zip(ends.items(), noise, strict=True)
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        ends = {key: (a / 100, b / 100) for key, (a, b) in ends.items()}
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


LEAKS = {HONEST: (90, 90), COPIES: (94, 90), ROW: (99, 60), TARGET: (95, 70), SCALING: (90.1, 90)}


def test_where_leaks_flatter_every_claim_holds(judged):
    assert judged(LEAKS) == ["holds"] * 3


def test_where_they_do_not_none_does(judged):
    ends = dict.fromkeys((COPIES, ROW, TARGET), (85, 90)) | {HONEST: (90, 90), SCALING: (95, 90)}
    assert judged(ends) == ["does not hold"] * 3


def test_a_claim_of_two_leaks_needs_both(judged):
    for leak in (ROW, TARGET):
        assert judged(LEAKS | {leak: (80, 90)}) == ["holds", "does not hold", "holds"]
