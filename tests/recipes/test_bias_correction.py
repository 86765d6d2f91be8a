"""The recipe bias_correction: averages and steps by hand, its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import bias_correction as recipe
from recipes._lab.lab import Lab, Options

VALUES = np.array([[1.0, 2.0], [2.0, 2.0], [4.0, 2.0]], np.float32)  # (steps, seeds)


def test_moves_by_hand():
    moves = recipe.moves(keras.optimizers.SGD(0.1, momentum=0.5), VALUES)
    np.testing.assert_allclose(moves[:, 0], [-0.1, -0.25, -0.525], rtol=1e-5)


@pytest.mark.parametrize("beta_2", [0.999, 0.9999])
def test_adam_without_its_correction_by_hand(beta_2):
    model = recipe.build_model(beta_2=beta_2, bias_correction=False, steps=5, learning_rate=0.01)
    gradients = np.random.default_rng(0).normal(size=(5, 1))
    mean = square = 0
    expected = []
    for gradient in gradients:
        mean = 0.9 * mean + 0.1 * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        expected.append(-0.01 * mean / (np.sqrt(square) + 1e-7))
    np.testing.assert_allclose(recipe.moves(model.optimizer, gradients), expected, rtol=1e-3)


def test_adam_as_it_is():
    optimizer = recipe.build_model(beta_2=0.99, learning_rate=0.01).optimizer
    assert optimizer.beta_2 == 0.99
    np.testing.assert_allclose(recipe.moves(optimizer, VALUES[:1]), -0.01, rtol=1e-5)


@pytest.fixture
def judged(made_up):
    """`judged(at_01, at_best)` runs the recipe on made-up accuracies, corrected and not, in %.

    They are those at a rate of .01 and those at .001, which are best on validation.
    """

    def run(at_01, at_best):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, watch):
                assert variants == recipe.VARIANTS
                assert epochs * data.train.x.shape[1] / 100 == 200  # the template's steps
                noise = np.random.default_rng(0).normal(0, 0.001, (2, 6))
                runs = {}
                for arm, rate in variants:
                    n = (recipe.WITH, recipe.WITHOUT).index(arm)
                    end = {0.01: at_01, 0.001: at_best}.get(rate, (20, 20))[n]
                    validation = 0.9 if rate == 0.001 else 0.5
                    runs[arm, rate] = [
                        {"accuracy": [0.1, end / 100 + e], "val_accuracy": [0.1, validation]}
                        for e in noise[n]
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-training.png"]
        assert [claim.any_data for claim in lab.claims] == [True, False, False]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_correction_helps_the_claims_on_training_hold(judged):
    found = judged(at_01=(90, 50), at_best=(95, 91))
    assert found == [("holds", 0), ("holds", 40), ("holds", 4)]


def test_where_it_does_harm_they_do_not(judged):
    found = judged(at_01=(50, 90), at_best=(91, 95))
    assert found[1:] == [("does not hold", -40), ("does not hold", -4)]


def test_where_adam_is_not_corrected_the_first_claim_fails(judged, monkeypatch):
    sgd = keras.optimizers.SGD(1 - 0.9, momentum=0.9)
    real = recipe.moves

    def moves(optimizer, gradients):
        if isinstance(optimizer, keras.optimizers.SGD):
            return real(optimizer, gradients)
        return real(sgd, gradients) / gradients  # so that both averages are the same

    monkeypatch.setattr(recipe, "moves", moves)
    found = judged(at_01=(90, 50), at_best=(95, 91))
    assert [verdict for verdict, _ in found] == ["does not hold", "holds", "holds"]
