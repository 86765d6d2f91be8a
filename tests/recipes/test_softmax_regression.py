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


def test_the_log_odds_of_the_first_two_classes():
    probabilities = np.array([[[0.6, 0.2, 0.2], [0.0, 0.4, 0.6]]])
    models = types.SimpleNamespace(predict=lambda x: probabilities)
    odds = recipe.log_odds(models, None)
    np.testing.assert_allclose(odds, [[np.log(3), np.log(1e-37 / 0.4)]])


def test_the_bend_is_the_largest_distance_from_the_line_between_the_ends(monkeypatch):
    monkeypatch.setattr(recipe, "SHARES", [0, 0.5, 1])
    odds = np.array([[4.0, 2.0, 0.0], [4.0, 5.0, 0.0], [4.0, -1.0, 0.0]])
    np.testing.assert_allclose(recipe.bend(odds), [0, 3, 3])


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(alone, hidden, lead)` runs the recipe on made-up bends, in nats, and accuracies."""

    def run(alone, hidden, lead):
        rng = np.random.default_rng(0)
        bends = {recipe.REGRESSION: alone, recipe.HIDDEN: hidden}

        def log_odds(models, x):
            arc = bends[models] * np.sin(np.pi * recipe.SHARES)
            return 5 - 10 * recipe.SHARES + np.outer(1 + rng.random(6) / 100, arc)

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

        monkeypatch.setattr(recipe, "log_odds", log_odds)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-test.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_the_course_is_right_every_claim_holds(judged):
    assert judged(alone=0, hidden=3, lead=0.02) == ["holds"] * 3


def test_where_it_is_wrong_none_does(judged):
    assert judged(alone=0.01, hidden=0.5, lead=-0.02) == ["does not hold"] * 3
