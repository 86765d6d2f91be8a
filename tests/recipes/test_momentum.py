"""The recipe momentum: averages by hand, and its claims where the effect is planted."""

import keras
import numpy as np
import pytest

from recipes import momentum as recipe
from recipes._lab.lab import Lab, Options

VALUES = np.array([[1.0, 2.0], [2.0, 2.0], [4.0, 2.0]], np.float32)  # (steps, seeds)


def test_averages_by_hand():
    averages = recipe.average(VALUES, 0.5)
    np.testing.assert_allclose(averages, [[0.5, 1], [1.25, 1.5], [2.625, 1.75]])


def test_moves_by_hand():
    moves = recipe.moves(keras.optimizers.SGD(0.1, momentum=0.5), VALUES)
    np.testing.assert_allclose(moves[:, 0], [-0.1, -0.25, -0.525], rtol=1e-5)


def test_variants_have_equal_effective_rates():
    assert len(recipe.VARIANTS) == 36
    for (name, rate), arguments in recipe.VARIANTS.items():
        assert name == f"β {arguments['momentum']:g}"
        assert arguments["learning_rate"] / (1 - arguments["momentum"]) == pytest.approx(rate)


@pytest.fixture
def judged(made_up):
    """`judged(ends)` runs the recipe on made-up accuracies in %, by β, at the fourth rate."""

    def run(ends):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, watch):
                assert variants == recipe.VARIANTS
                rng = np.random.default_rng(0)
                runs = {
                    (name, rate): [
                        {"accuracy": [0.1, (ends[name] - 9 * (n != 3)) / 100 + e]}
                        for e in rng.normal(0, 0.001, 6)
                    ]
                    for name in recipe.BETAS
                    for n, rate in enumerate(recipe.RATES)
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-average.png"]
        assert [claim.any_data for claim in lab.claims] == [True, True, False, False, False]
        return [claim.verdict for claim in lab.claims]

    return run


def by_beta(*ends):
    return dict(zip(recipe.BETAS, ends, strict=True))


def test_where_beta_matters_as_it_is_said_to_every_claim_holds(judged):
    found = judged(by_beta(95, 97, 97.2, 97, 90, 80))  # 0, .9, .9005, .99, .999, .9995
    assert found == ["holds"] * 5


def test_where_it_matters_in_the_opposite_way_none_of_those_on_training_does(judged):
    found = judged(by_beta(97, 90, 80, 97, 95, 95))
    assert found == [*["holds"] * 2, *["does not hold"] * 3]


def test_where_averages_are_not_keras_s_own_the_claim_on_them_fails(judged, monkeypatch):
    monkeypatch.setattr(recipe, "average", lambda values, beta: np.cumsum(values, axis=0))
    found = judged(by_beta(95, 97, 97.2, 97, 90, 80))
    assert found == ["holds", "does not hold", *["holds"] * 3]


def test_where_keras_does_not_average_the_first_claim_fails(judged, monkeypatch):
    monkeypatch.setattr(recipe, "moves", lambda optimizer, gradients: -gradients)
    found = judged(by_beta(95, 97, 97.2, 97, 90, 80))
    assert found == [*["does not hold"] * 2, *["holds"] * 3]
