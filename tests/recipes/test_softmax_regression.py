"""The recipe softmax_regression: what it computes by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import softmax_regression as recipe
from recipes._lab.lab import Lab, Options


def test_the_lines_lead_from_class_0_to_class_1():
    x = np.array([[[9.0, 9.0], [0.0, 1.0], [2.0, 3.0], [5.0, 5.0]]])
    split = types.SimpleNamespace(x=x, y=np.array([[2, 1, 0, 0]]))
    lines = recipe.straight_lines(split)
    assert lines.shape == (1, 21, 2)
    np.testing.assert_allclose(lines[0, [0, 10, 20]], [[2, 3], [1, 2], [0, 1]])


class MadeUpModels:
    """One model that returns given probabilities and a given gradient."""

    def __init__(self, probabilities, gradient):
        self._probabilities, self._gradient = np.array(probabilities), np.array(gradient)

    def predict(self, x):
        return self._probabilities

    def gradients(self, split, training):
        assert not training
        return {"softmax/bias": self._gradient}


def test_the_log_odds_of_the_first_two_classes():
    models = MadeUpModels([[[0.6, 0.2, 0.2], [0.0, 0.5, 0.5]]], [])
    odds = recipe.log_odds(models, None)
    np.testing.assert_allclose(odds, [[np.log(3), np.log(1e-37 / 0.5)]])


def test_the_error_of_the_gradient():
    # Predictions minus labels are (-.4, .4) and (.2, -.2); their mean is (-.1, .1).
    models = MadeUpModels([[[0.6, 0.4], [0.2, 0.8]]], [[-0.1, 0.13]])
    split = types.SimpleNamespace(x=None, y=np.array([[0, 1]]))
    assert recipe.gradient_error(models, split) == pytest.approx(0.03)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(bend, error, lead)` runs the recipe on made-up odds, gradients and accuracies."""

    def run(bend, error, lead):
        rng = np.random.default_rng(0)
        odds = 5 - 10 * recipe.SHARES + bend * np.sin(np.pi * recipe.SHARES)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                return variants

            def train(self, build_model, variants, data, *, epochs):
                tests = {recipe.REGRESSION: 0.9, recipe.HIDDEN: 0.9 + lead}
                runs = {
                    name: [
                        {"accuracy": [0.1, 1], "test_accuracy": test + noise}
                        for noise in rng.normal(0, 0.002, 6)
                    ]
                    for name, test in tests.items()
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = lambda name: name
                return self.results

        monkeypatch.setattr(recipe, "log_odds", lambda models, x: np.stack([odds] * 6))
        monkeypatch.setattr(recipe, "gradient_error", lambda models, split: error)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-test.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_course_is_right_every_claim_holds(judged):
    assert judged(bend=0, error=1e-8, lead=0.02) == ["holds"] * 5


def test_where_it_is_wrong_only_its_worked_examples_hold(judged):
    verdicts = judged(bend=0.01, error=1e-4, lead=-0.02)
    assert verdicts == ["does not hold"] * 2 + ["holds"] * 2 + ["does not hold"]
