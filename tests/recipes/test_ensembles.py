"""The recipe ensembles: means of predictions and weights by value, claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import ensembles as recipe
from recipes._lab.lab import Lab, Options

WEAK, STRONG = recipe.WEAK, recipe.STRONG
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("network", "layers", "units"), [(WEAK, 6, 20), (STRONG, 2, 100)])
def test_the_networks(network, layers, units):
    model = recipe.build_model((5,), 3, **recipe.VARIANTS[network, "member 10"])
    hidden = [f"h{n}{part}" for n in range(1, layers + 1) for part in ("", "_act")]
    assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
    assert {layer.units for layer in model.layers[:-2:2]} == {units}


def test_each_member_has_initial_values_of_its_own():
    assert list(recipe.COPIES) == recipe.MEMBERS
    assert len(set(recipe.COPIES.values())) == len(recipe.MEMBERS) == 10


def test_percent_right_is_by_seed():
    probabilities = np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.9, 0.1], [0.4, 0.6]]])
    assert recipe.percent_right(probabilities, np.array([[0, 1], [0, 1]])).tolist() == [50, 100]


class MadeUpModels:
    """Models of six seeds that give class 0 the same probability for all test examples."""

    def __init__(self, sure):
        self.sure = sure

    def predict(self, x):
        return np.stack([np.full(x.shape[:2], self.sure), np.full(x.shape[:2], 1 - self.sure)], -1)


@pytest.fixture
def judged(made_up):
    """`judged(weak, strong)` runs the recipe on made-up members.

    Args:
        weak: probability of the right class, which is the same for all examples, by member.
        strong: likewise.
    """

    def run(weak, strong):
        sure = {WEAK: weak, STRONG: strong}

        class MadeUpLab(Lab):
            def data(self, examples):
                test = types.SimpleNamespace(x=np.zeros((6, 50, 1)), y=np.zeros((6, 50), int))
                return types.SimpleNamespace(test=test)

            def train(self, build_model, variants, data, *, copy, epochs, batch_size):
                assert copy == recipe.COPIES
                self.results = made_up({key: [{"accuracy": [0.1, 0.9]}] * 6 for key in variants})
                self.results.models = lambda key: MadeUpModels(
                    sure[key[0]][recipe.MEMBERS.index(key[1])]
                )
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, claim.judgement.estimate) for claim in lab.claims]

    return run


def test_where_averaging_pays_every_claim_holds(judged):
    """Seven of ten members are right; on average all of the first 5 are, and all of the 10."""
    members = [0.4, 0.9, 0.4, 0.9, 0.9, 0.4, 0.9, 0.9, 0.9, 0.9]
    found = judged(weak=members, strong=members)
    assert found == [("holds", pytest.approx(n)) for n in (30, 30, 30)]


def test_where_it_does_not_none_does(judged):
    """Seven of ten members are right, but less sure than the other three, so the mean is wrong."""
    members = [0.1] * 3 + [0.6] * 7
    found = judged(weak=members, strong=members)
    assert found == [("does not hold", pytest.approx(-70))] * 3


def test_where_the_first_models_add_nothing_their_gain_is_not_the_larger_one(judged):
    """The first five are wrong together; with five more they are right."""
    members = [0.1] * 3 + [0.6] * 2 + [0.9] * 5
    *pays, diminishing = judged(weak=members, strong=members)
    assert pays == [("holds", pytest.approx(100 - 70))] * 2
    assert diminishing == ("does not hold", pytest.approx((0 - 70) - (100 - 0)))
