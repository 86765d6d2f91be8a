"""What tests of searches share."""

import os
import types

import keras_tuner
import numpy as np
import pytest
import scipy


class Nearest:
    """Stands for the Gaussian process, which takes its time: the nearest known point."""

    def __init__(self):
        self.x, self.y = np.zeros((1, 1)), np.zeros(1)

    def fit(self, x, y):
        # What is summed up in another order is another number, as in the process itself.
        self.x, self.y = x, y + np.cumsum(y)[-1] / 1e3

    def predict(self, x, return_std):
        away = np.abs(self.x - x).sum(axis=1)
        return self.y[away.argmin()][None], 0.1 * away.min()[None]


@pytest.fixture
def quick_process(monkeypatch):
    oracle = keras_tuner.oracles.BayesianOptimizationOracle
    monkeypatch.setattr(oracle, "_make_gpr", lambda self: Nearest())
    monkeypatch.setattr(
        scipy.optimize, "minimize", lambda of, x0, **_: types.SimpleNamespace(x=x0, fun=of(x0))
    )
    monkeypatch.setattr(os, "fsync", lambda _: None)  # not what is looked at here
