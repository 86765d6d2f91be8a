"""The recipe likelihood_loss: its losses and gradients by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import likelihood_loss as recipe
from recipes._lab.lab import Lab, Options


def test_the_likelihood_is_one_minus_the_probability_of_the_label():
    loss = recipe.build_model(loss="likelihood").loss
    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]], np.float32)
    assert float(loss(np.array([0, 2]), probabilities)) == pytest.approx(1 - 0.4, abs=2e-3)
    assert recipe.build_model().loss == "sparse_categorical_crossentropy"


def test_gradients_by_hand(monkeypatch):
    monkeypatch.setattr(recipe, "PROBABILITIES", np.array([0.1, 0.5]))
    with_log = recipe.gradients("sparse_categorical_crossentropy")
    np.testing.assert_allclose(with_log, [-0.9, -0.5], rtol=1e-5)
    np.testing.assert_allclose(recipe.gradients("likelihood"), [-0.09, -0.25], atol=1e-3)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(without, power)` runs the recipe on made-up accuracies without the log, in %.

    They are 95 with it; gradients without are those with it times a power of the probability.
    """

    def run(without, power):
        def gradients(loss):
            exact = recipe.PROBABILITIES - 1
            return exact * (recipe.PROBABILITIES**power if loss == "likelihood" else 1)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                assert learning_rate == recipe.RATES
                self.epochs_tuned = epochs
                return variants

            def train(self, build_model, variants, data, *, epochs):
                assert epochs == self.epochs_tuned
                assert variants == recipe.VARIANTS
                noise = np.random.default_rng(0).normal(0, 0.001, (4, 6))
                runs = {}
                for key, errors in zip(variants, noise, strict=True):
                    end = 95 if recipe.CROSS_ENTROPY in key else without[key[1]]
                    tests = end / 100 + errors
                    runs[key] = [{"accuracy": [0.1, a], "test_accuracy": a} for a in tests]
                self.results = made_up(runs, chance=0.1)
                return self.results

        monkeypatch.setattr(recipe, "gradients", gradients)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-gradient.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_notes_are_right_theirs_hold(judged):
    found = judged({recipe.WITH: 95, recipe.WITHOUT: 95}, power=1)
    assert found == [("holds", 0), ("holds", 0), ("makes no difference", 0), ("holds", 0)]


def test_where_they_are_wrong_ours_hold(judged):
    found = judged({recipe.WITH: 92, recipe.WITHOUT: 85}, power=1)
    assert found == [("does not hold", -3), ("does not hold", -10), ("holds", 10), ("holds", 0)]


def test_where_the_likelihood_is_faster_and_its_gradient_another_ours_fail(judged):
    verdicts = [verdict for verdict, _ in judged({recipe.WITH: 95, recipe.WITHOUT: 99}, power=2)]
    assert verdicts == ["holds", "does not hold", "does not hold", "does not hold"]
