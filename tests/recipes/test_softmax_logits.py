"""The recipe softmax_logits: its gradients by value, its claims on planted ones."""

import numpy as np
import pytest

from recipes import softmax_logits as recipe
from recipes._lab.lab import Lab, Options

FUSED, COMPILED, TWO_STEPS, BY_HAND = recipe.VARIANTS


@pytest.mark.parametrize("way", recipe.VARIANTS)
def test_all_ways_agree_at_a_small_logit(way, monkeypatch):
    monkeypatch.setattr(recipe, "LOGITS", np.array([0.0, 2.0]))
    found = recipe.gradients(**recipe.VARIANTS[way])
    np.testing.assert_allclose(found, [-0.5, -1 / (1 + np.exp(-2))], rtol=1e-5)


@pytest.mark.parametrize("way", [FUSED, COMPILED])
def test_where_the_loss_has_the_logits_the_gradient_is_right_at_a_large_one(way, monkeypatch):
    monkeypatch.setattr(recipe, "LOGITS", np.array([30.0, 150.0]))
    np.testing.assert_allclose(recipe.gradients(**recipe.VARIANTS[way]), [-1, -1], rtol=1e-6)


def test_two_operations_part_at_a_large_logit(monkeypatch):
    monkeypatch.setattr(recipe, "LOGITS", np.array([30.0, 150.0]))
    np.testing.assert_array_equal(recipe.gradients(**recipe.VARIANTS[TWO_STEPS]), [0, 0])
    by_hand = recipe.gradients(**recipe.VARIANTS[BY_HAND])
    assert by_hand[0] == pytest.approx(-1)
    assert np.isnan(by_hand[1])


@pytest.fixture
def judged(monkeypatch):
    """`judged(gradient)` runs the recipe on made-up gradients by way, at each of LOGITS."""

    def run(gradient):
        by_loss = {of["loss"]: gradient[way] for way, of in recipe.VARIANTS.items()}
        monkeypatch.setattr(recipe, "gradients", lambda activation, loss: by_loss[loss])
        lab = Lab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


EXACT = 1 / (1 + np.exp(recipe.LOGITS)) - 1


def test_where_the_notes_are_right_every_claim_holds(judged):
    clipped = np.where(recipe.LOGITS > 17, 0, EXACT)
    ends = np.where(recipe.LOGITS > 104, np.nan, EXACT)
    found = judged({FUSED: EXACT, COMPILED: EXACT, TWO_STEPS: clipped, BY_HAND: ends})
    assert found == ["holds"] * 4


def test_where_they_are_wrong_none_does(judged):
    off = EXACT + 1e-5
    found = judged({FUSED: off, COMPILED: off, TWO_STEPS: EXACT, BY_HAND: EXACT})
    assert found == ["does not hold"] * 4
