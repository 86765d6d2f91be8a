"""The recipe softmax_logits: its losses and gradients by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import softmax_logits as recipe
from recipes._lab.lab import Lab, Options


def test_the_likelihood_is_one_minus_the_probability_of_the_label():
    loss = recipe.build_model(loss="likelihood").loss
    probabilities = np.array([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]], np.float32)
    assert float(loss(np.array([0, 2]), probabilities)) == pytest.approx(1 - 0.4, abs=2e-3)
    assert recipe.build_model().loss == "sparse_categorical_crossentropy"


@pytest.mark.parametrize("way", recipe.WAYS)
def test_all_ways_agree_at_a_small_logit(way, monkeypatch):
    monkeypatch.setattr(recipe, "LOGITS", np.array([0.0, 2.0]))
    found = recipe.gradients(*recipe.WAYS[way])
    np.testing.assert_allclose(found, [-0.5, -1 / (1 + np.exp(-2))], rtol=1e-5)


def test_two_operations_part_at_a_large_logit(monkeypatch):
    monkeypatch.setattr(recipe, "LOGITS", np.array([30.0, 150.0]))
    np.testing.assert_array_equal(recipe.gradients(*recipe.WAYS[recipe.TWO_STEPS]), [0, 0])
    by_hand = recipe.gradients(*recipe.WAYS[recipe.BY_HAND])
    assert by_hand[0] == pytest.approx(-1)
    assert np.isnan(by_hand[1])


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(gradients, lead)` runs the recipe on made-up gradients and test accuracies."""

    def run(gradients, lead):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                return variants

            def train(self, build_model, variants, data, *, epochs):
                assert list(variants) == list(recipe.VARIANTS)
                runs = {}
                for loss, norm in variants:
                    test = 0.95 if loss == recipe.CROSS_ENTROPY else 0.95 + lead
                    noisy = test + rng.normal(0, 0.001, 6)
                    runs[loss, norm] = [{"accuracy": [0.1, 1], "test_accuracy": t} for t in noisy]
                self.results = made_up(runs, chance=0.1)
                return self.results

        monkeypatch.setattr(recipe, "gradients", gradients)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-training.png"]
        return [claim.verdict for claim in lab.claims]

    return run


EXACT = 1 / (1 + np.exp(recipe.LOGITS)) - 1


def test_where_the_notes_are_right_every_claim_holds(judged):
    def gradients(activation, loss):
        return np.where(recipe.LOGITS > 17, 0, EXACT) if loss is recipe.two_steps else EXACT

    assert judged(gradients, lead=0) == ["holds"] * 5


def test_where_they_are_wrong_none_does(judged):
    def gradients(activation, loss):
        return EXACT if loss is recipe.two_steps else EXACT + 1e-5

    assert judged(gradients, lead=-0.03) == ["does not hold"] * 5
