"""The recipe preprocessing: its treatments by value, and its claims where the effect is planted."""

import numpy as np
import pytest

from recipes import preprocessing as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

RANDOM = np.random.default_rng(0)


def dataset(train, test):
    parts = [Split(np.float32(x), np.zeros(len(x), int)) for x in (train, test, test)]
    return Dataset("made up", ("a", "b"), *parts)


TRAIN, TEST = [[0.0, 10.0, 7.0], [4.0, 20.0, 7.0]], [[2.0, 40.0, 8.0]]  # the last is constant


@pytest.mark.parametrize(
    ("treatment", "train", "test"),
    [
        (recipe.as_stored, 255 * np.array(TRAIN), 255 * np.array(TEST)),
        (recipe.scaled_and_centred, [[-0.1, -0.25, 0], [0.1, 0.25, 0]], [[0, 1.25, 0.05]]),
        (recipe.standardized, [[-1, -1, 0], [1, 1, 0]], [[0, 5, 0]]),
    ],
)
def test_treatments_by_the_training_part(treatment, train, test):
    treated = treatment(dataset(TRAIN, TEST), RANDOM)
    np.testing.assert_allclose(treated.train.x, train, atol=1e-6)
    np.testing.assert_allclose(treated.test.x, test, atol=1e-6)


def test_whitened_inputs_are_uncorrelated_with_a_variance_of_1():
    x = RANDOM.normal(size=(200, 3)) @ [[1, 2, 0], [0, 1, 0], [1, 0, 0.001]]
    centred = x - x.mean(axis=0)
    white = recipe.whitened(dataset(centred, 2 * centred), RANDOM)
    covariance = np.cov(white.train.x.T, bias=True)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-2)
    np.testing.assert_allclose(np.diag(covariance)[:2], [1, 1], atol=1e-3)
    smallest = np.linalg.eigvalsh(np.cov(centred.T, bias=True))[0]
    assert covariance[2, 2] == pytest.approx(smallest / (smallest + 1e-5), abs=0.01)  # < 1
    np.testing.assert_allclose(white.test.x, 2 * white.train.x, atol=1e-5)


def test_units_are_those_of_a_column_in_all_parts():
    changed = recipe.in_other_units(dataset(TRAIN, TEST), RANDOM)
    scale = changed.train.x[1] / TRAIN[1]
    assert ((scale >= 0.1) & (scale <= 100)).all()
    assert len(set(scale)) == 3
    np.testing.assert_allclose(changed.test.x, scale * TEST, rtol=1e-6)


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up (mean training, test) accuracies in %."""

    def run(ends):
        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                assert list(variants) == list(learning_rate) == list(data)
                np.testing.assert_allclose(data[recipe.RAW].train.x.max(), 255)
                assert max(learning_rate[recipe.RAW]) < min(learning_rate[recipe.SCALED])
                return variants

            def train(self, build_model, variants, data, *, epochs):
                noise = np.random.default_rng(0).normal(0, 0.001, 6)
                runs = {
                    key: [
                        {"accuracy": [0.1, speed / 100 + n], "test_accuracy": test / 100 + n * k}
                        for n in noise
                    ]
                    for k, (key, (speed, test)) in enumerate(ends.items())
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-test.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


RAW, SCALED, STANDARD = recipe.RAW, recipe.SCALED, recipe.STANDARD
UNITS, WHITE = recipe.UNITS, recipe.WHITE


def test_where_the_notes_are_right_every_claim_holds(judged):
    ends = {RAW: (70, 80), SCALED: (90, 95), STANDARD: (92, 95), UNITS: (80, 85), WHITE: (90, 91)}
    assert judged(ends) == [("holds", 22), ("holds", 10), ("holds", 0), ("holds", 4)]


def test_where_they_are_wrong_none_does(judged):
    ends = {RAW: (90, 95), SCALED: (80, 93), STANDARD: (85, 96), UNITS: (80, 98), WHITE: (90, 98)}
    found = judged(ends)
    assert [verdict for verdict, _ in found] == ["does not hold"] * 4
    assert [estimate for _, estimate in found] == [-5, -2, -3, -5]
