"""The recipe optimizer_paths: its steps by hand, and its claims on planted paths."""

import keras
import numpy as np
import pytest

from recipes import optimizer_paths as recipe
from recipes._lab.lab import Lab, Options

STARTS = [(-7.0, 2.0), (-6.0, -1.0)]


def test_the_first_steps_by_hand():
    steps = {n: np.diff(recipe.walk(STARTS, **of)[0], axis=0) for n, of in recipe.VARIANTS.items()}
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


def test_heights_lengths_and_crossings_by_hand():
    path = np.array([[[-2.0, 3.0], [1.0, -1.0], [1.0, 4.0], [0.0, 4.0]]])
    np.testing.assert_allclose(recipe.height(path), [[9.2, 1.05, 16.05, 16]])
    np.testing.assert_allclose(recipe.step_lengths(path), [[5, 5, 1]])
    assert recipe.crossings(path).tolist() == [2]


@pytest.mark.parametrize("name", recipe.VARIANTS)
def test_the_model_has_the_optimizer_that_is_asked_for(name):
    optimizer = recipe.build_model(**recipe.VARIANTS[name]).optimizer
    kinds = {"Momentum": "SGD", "AdaGrad": "Adagrad"}
    assert type(optimizer) is getattr(keras.optimizers, kinds.get(name, name))
    assert getattr(optimizer, "momentum", 0) == (0.9 if name == "Momentum" else 0)
    assert getattr(optimizer, "initial_accumulator_value", 0) == 0


def path_of(*corners):
    """Make up a path that goes from corner to corner and then rests at the last one."""
    rest = [corners[-1]] * (recipe.STEPS + 1 - len(corners))
    return np.array([*corners, *rest], float)


@pytest.fixture
def verdicts(monkeypatch):
    """`verdicts(paths)` runs the recipe on made-up paths."""

    def run(paths):
        starts = []

        def walk(points, optimizer, learning_rate):
            starts.append(np.array(points))
            return np.stack([paths[optimizer]] * len(points))

        monkeypatch.setattr(recipe, "walk", walk)
        lab = Lab(Options(seeds=8), None, None, None)  # six could not refute all three
        recipe.run(lab)
        near = starts[0] - recipe.START
        assert near.shape == (8, 2)
        assert 0 < abs(near).max() < 1
        assert (starts[-1] == recipe.START).all()  # of the figure
        assert all(claim.any_data for claim in lab.claims)
        return [claim.verdict for claim in lab.claims]

    return run


ZIGZAG = path_of((0, 3), (0, -3), (0, 3), (0, 1))
ZIGZAG[-1] += 1  # its last step is a sixth of its first
SLOWER = np.stack([np.append(np.arange(30.0), 29.05), np.zeros(31)], axis=1) / 30  # last step .05


def test_where_sgd_zigzags_and_adagrad_slows_down_every_claim_holds(verdicts):
    short = path_of((0, 1), (0, 0.5))
    paths = {"SGD": ZIGZAG, "Momentum": short, "AdaGrad": SLOWER, "Adam": short}
    assert verdicts(paths) == ["holds"] * 4


def test_where_they_do_not_no_claim_holds(verdicts):
    even = np.stack([np.arange(31.0), (-1.0) ** np.arange(31)], axis=1)
    calm = path_of((0, 1), (0, 0.5))
    paths = {"SGD": calm, "Momentum": ZIGZAG, "AdaGrad": even, "Adam": ZIGZAG}
    assert verdicts(paths) == ["does not hold"] * 4
