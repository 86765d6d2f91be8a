"""The recipe update_rules: steps by hand, its claims on planted paths."""

import numpy as np
import pytest

from recipes import update_rules as recipe
from recipes._lab.lab import Lab, Options

STARTS = [(-7.0, 2.0), (-6.0, -1.0)]


@pytest.mark.parametrize("walk", [recipe.keras_path, recipe.numpy_path])
def test_the_first_steps_by_hand(walk):
    steps = {n: np.diff(walk(STARTS, **of)[:, 0], axis=0) for n, of in recipe.VARIANTS.items()}
    n = np.arange(31)
    by_hand = np.transpose([-7 * 0.905**n, 2 * (-0.9) ** n])
    np.testing.assert_allclose(steps["SGD"], np.diff(by_hand, axis=0), atol=1e-5)
    np.testing.assert_allclose(steps["Momentum"][0], [0.07, -0.4], rtol=1e-5)
    velocity = [0.9 * 0.07 + 0.1 * 0.693, 0.9 * -0.4 - 0.1 * 3.2]
    np.testing.assert_allclose(steps["Momentum"][1], velocity, rtol=1e-5)
    np.testing.assert_allclose(steps["AdaGrad"][0], [1.5, -1.5], rtol=1e-5)
    second = 1.5 * np.array([0.55, -1]) / np.sqrt([0.49 + 0.3025, 16 + 1])
    np.testing.assert_allclose(steps["AdaGrad"][1], second, rtol=1e-5)
    np.testing.assert_allclose(steps["Adam"][0], [0.3, -0.3], rtol=1e-4)
    mean = np.array([0.09 * -0.7 + 0.1 * -0.67, 0.09 * 4 + 0.1 * 3.4]) / 0.19
    square = np.array([0.999 * 0.49 + 0.67**2, 0.999 * 16 + 3.4**2]) * 0.001 / (1 - 0.999**2)
    np.testing.assert_allclose(steps["Adam"][1], -0.3 * mean / np.sqrt(square), rtol=1e-4)


def first_steps(walk, optimizer):
    """Return first steps by gradient, whose keys must be in order."""
    steps = recipe.first_steps(walk, optimizer, "rule")
    assert list(steps) == [(optimizer, "rule", g) for g in recipe.GRADIENTS]
    return np.concatenate(list(steps.values()))


def test_what_epsilon_makes_of_small_gradients():
    g = recipe.GRADIENTS
    in_keras = first_steps(recipe.keras_path, "AdaGrad")
    np.testing.assert_allclose(in_keras, g / np.sqrt(g**2 + 1e-7), atol=1e-6)
    by_the_book = first_steps(recipe.numpy_path, "AdaGrad")
    np.testing.assert_allclose(by_the_book, g / (g + 1e-7))
    for walk in (recipe.keras_path, recipe.numpy_path):
        # As in the paper, which has g / (g + epsilon), but for an epsilon 32 times as large.
        adam = first_steps(walk, "Adam")
        np.testing.assert_allclose(adam, g / (g + 1e-7 * np.sqrt(1000)), atol=1e-4)


@pytest.fixture
def verdicts(monkeypatch):
    """`verdicts(error, epsilon)` runs the recipe where formulas are so far off, or divide by more.

    All paths are straight, and what is off is so after the first step; Adam alone divides by more.
    """

    def run(error, epsilon):
        def walk(starts, optimizer, learning_rate):
            return np.array(starts) - np.arange(recipe.STEPS + 1)[:, np.newaxis, np.newaxis]

        def beside(starts, optimizer, learning_rate):
            path = walk(starts, optimizer, learning_rate)
            path[1:] += epsilon * (optimizer == "Adam") * (abs(path[0]) < 1e-4)
            path[2:] += error
            return path

        monkeypatch.setattr(recipe, "keras_path", walk)
        monkeypatch.setattr(recipe, "numpy_path", beside)
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        assert all(claim.any_data for claim in lab.claims)
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_formulas_are_keras_s_every_claim_holds(verdicts):
    assert verdicts(error=1e-5, epsilon=0) == ["holds"] * 3


def test_where_paths_part_only_the_claim_on_paths_fails(verdicts):
    assert verdicts(error=1e-3, epsilon=0) == ["does not hold", "holds", "holds"]


def test_where_small_gradients_part_only_the_claim_on_that_optimizer_fails(verdicts):
    assert verdicts(error=0, epsilon=1e-3) == ["holds", "holds", "does not hold"]
