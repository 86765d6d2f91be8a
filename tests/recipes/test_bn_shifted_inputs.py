"""The recipe bn_shifted_inputs: shifts and averages by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import bn_shifted_inputs as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.training import architecture
from recipes._lab.training.members import Member
from recipes._lab.training.models import Models

RNG = np.random.default_rng(1)
WITHOUT, WITH, RENEWED = "without BN", "with BN", "BN, renewed averages"
KINDS = ["unchanged", "brighter", "fainter", "noisy"]


@pytest.mark.parametrize(("variant", "between"), [(WITHOUT, []), (WITH, ["h3_bn"])])
def test_the_layers_of_each_variant(variant, between):
    model = recipe.build_model(**recipe.VARIANTS[variant])
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name.startswith("h3")] == ["h3", *between, "h3_act"]


def test_the_shifts_are_proportional_to_the_spread():
    x = RNG.normal(size=(2, 100, 50))
    kinds = recipe.shifted(x, 4.0)
    assert list(kinds) == KINDS
    np.testing.assert_array_equal(kinds["unchanged"], x)
    np.testing.assert_array_equal(kinds["brighter"], x + 6)
    np.testing.assert_array_equal(kinds["fainter"], x / 4)
    assert (kinds["noisy"] - x).std() == pytest.approx(4, rel=0.05)


def test_models_with_renewed_averages_normalize_by_the_new_inputs():
    def build():
        return recipe.build_model((6,), 3, dropout=0.0)

    data = types.SimpleNamespace(input_shape=(6,), num_classes=3)
    member = Member("a", build, architecture.read(build), 0, data, epochs=1)
    models = Models([member], [build().get_weights()])
    x = RNG.normal(3, 2, (1, 50, 6)).astype(np.float32)
    wanted = models.predict(x, training=True)
    assert np.abs(models.predict(x) - wanted).max() > 0.01
    renewed = recipe.renew_averages(models, x)
    np.testing.assert_allclose(renewed.predict(x), wanted, atol=1e-5)


def test_percent_right():
    guesses = np.array([[[0.9, 0.1], [0.9, 0.1]], [[0.9, 0.1], [0.2, 0.8]]])
    models = types.SimpleNamespace(predict=lambda x: guesses)
    assert recipe.percent_right(models, None, np.array([[0, 1], [0, 1]])).tolist() == [50, 100]


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(accuracies)` runs the recipe on test accuracies in % of each kind of input."""

    def run(accuracies):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs):
                assert variants == recipe.VARIANTS
                self.results = made_up({key: [{"accuracy": [0.1, 0.9]}] * 6 for key in variants})
                self.results.models = lambda variant: variant
                return self.results

        def percent_right(network, kind, y):
            assert y.shape[0] == 6
            return RNG.normal(accuracies[network][KINDS.index(kind)], 0.1, 6)

        monkeypatch.setattr(recipe, "shifted", lambda x, spread: {kind: kind for kind in KINDS})
        monkeypatch.setattr(recipe, "renew_averages", lambda models, x: RENEWED)
        monkeypatch.setattr(recipe, "percent_right", percent_right)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_bn_and_renewed_averages_help_every_claim_holds(judged):
    """With BN less is lost at two shifts of three."""
    accuracies = {
        WITHOUT: [90, 50, 60, 70],
        WITH: [90, 70, 80, 60],
        RENEWED: [90, 89.5, 89.5, 60],
    }
    assert judged(accuracies) == ["holds"] * 3


def test_where_they_do_harm_none_does(judged):
    """With BN more is lost at two shifts of three."""
    accuracies = {
        WITHOUT: [90, 80, 80, 50],
        WITH: [90, 40, 30, 70],
        RENEWED: [90, 50, 40, 60],
    }
    assert judged(accuracies) == ["does not hold"] * 3


def test_renewed_averages_that_mend_one_shift_of_two_are_not_enough(judged):
    accuracies = {
        WITHOUT: [90, 50, 60, 70],
        WITH: [90, 40, 50, 60],
        RENEWED: [90, 89.5, 85, 60],
    }
    assert judged(accuracies)[1:] == ["holds", "does not hold"]
