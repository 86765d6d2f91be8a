"""The recipe bn_placement: its networks and biases by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import bn_placement as recipe
from recipes._lab.lab import Lab, Options


@pytest.mark.parametrize(
    ("place", "order"), [("before", ["", "_bn", "_act"]), ("after", ["", "_act", "_bn"])]
)
def test_the_layers_of_each_place(place, order):
    model = recipe.build_model((64,), 10, **recipe.VARIANTS[place, 0.3])
    names = [f"h{n}{part}" for n in range(1, 6) for part in order]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    assert all(model.get_layer(f"h{n}").use_bias for n in range(1, 6))  # whose use is tested
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.3)


def test_what_is_pasted_has_no_bias_that_does_nothing():
    assert not any(recipe.build_model().get_layer(f"h{n}").use_bias for n in range(1, 6))


def test_largest_bias_is_that_of_hidden_layers_and_1_where_training_diverged():
    weights = {f"h{n}/bias": np.full((3, 2), 0.1 * n) for n in range(1, 6)}
    weights["h2/bias"][1, 1] = -4
    weights["h5/bias"][2, 0] = np.nan
    weights["softmax/bias"] = np.full((3, 2), 9.0)
    assert recipe.largest_bias(types.SimpleNamespace(weights=weights)).tolist() == [0.5, 4, 1]


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(before, after)` runs the recipe on (best accuracy in %, largest bias)."""

    def run(before, after):
        planted = {"before": before, "after": after}

        def runs(place, rate):
            high = planted[place][0] / 100 if rate == 1.0 else 0.3
            noise = np.random.default_rng(0).normal(0, 1e-3, 6)
            return [{"accuracy": [0.1, high], "test_accuracy": high / 2 + n} for n in noise]

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every):
                assert (build_model, variants) == (recipe.build_model, recipe.VARIANTS)
                self.results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                self.results.models = lambda key: key
                return self.results

        def largest_bias(key):
            place, rate = key
            assert rate == 1.0  # the best
            return [planted[place][1]] * 6

        monkeypatch.setattr(recipe, "largest_bias", largest_bias)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 2)) for claim in lab.claims]

    return run


def test_where_before_is_as_good_and_its_biases_stay_at_0_every_claim_holds(judged):
    found = judged(before=(94, 1e-7), after=(95, 0.2))
    assert found == [("holds", -0.5), ("holds", 0), ("holds", 0.2)]


def test_where_it_is_worse_and_only_its_biases_move_none_does(judged):
    found = judged(before=(90, 1e-3), after=(98, 1e-3))
    assert found == [("does not hold", -4), ("does not hold", 0), ("does not hold", 0)]
