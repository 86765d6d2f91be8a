"""The recipe random_search: what it computes by value, its claims where the effect is planted."""

import keras
import keras_tuner
import numpy as np
import pytest

from recipes import random_search as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.tuning.searches import Search, Searches


def test_the_books_network_and_ranges():
    hp = keras_tuner.HyperParameters()
    model = recipe.build_tunable(hp, (5,), 3, **recipe.VARIANTS[recipe.SEARCH])
    assert sum(isinstance(layer, keras.layers.Dense) for layer in model.layers) == 7
    assert not any(isinstance(k, keras.layers.BatchNormalization) for k in model.layers)
    assert model.get_layer("dropout").rate == 0
    ranges = {p.name: (p.sampling, p.min_value, p.max_value) for p in hp.space}
    assert ranges == {"learning_rate": ("log", 1e-6, 1e-2), "weight_decay": ("log", 1e-8, 1e-4)}


def test_what_is_computed_of_a_search_by_hand():
    accuracy = np.array([10, 50, 90, 20, 91, 30, 40, 89, 60, 10.0])
    assert np.flatnonzero(recipe.best_of(accuracy)).tolist() == [2, 4]
    curves = np.zeros((10, 51))
    curves[:, 10] = [0, 9, 8, 0, 0, 0, 0, 0, 0, 0]  # trials 1 and 2 lead after a fifth
    values = {"learning_rate": np.array([1, 1, 3, 1, 5, 1, 1, 3, 1, 1])}
    search = Search(values, accuracy, accuracy, curves, 4)
    assert recipe.seen_early(search) == 50
    assert recipe.surplus(search, "learning_rate", 2, 4) == pytest.approx(50 - 20)


def test_the_highest_quarter_of_the_learning_rates():
    values = {"learning_rate": np.array([1, 8, 3, 4, 5, 6, 7, 2])}
    accuracy = np.array([10.0, 80, 30, 40, 50, 60, 70, 20])
    rates, accuracies = recipe.highest_quarter(Search(values, accuracy, accuracy, None, 1))
    assert (rates.tolist(), accuracies.tolist()) == ([7, 8], [70, 80])


@pytest.fixture
def judged():
    """`judged(score, early)` runs the recipe on made-up searches and returns its verdicts."""

    def run(score, early):
        rng = np.random.default_rng(0)

        def search():
            """Make up a search, whose scores follow from the logarithms of rate and decay."""
            rates, decays = 10 ** rng.uniform(-6, -2, 100), 10 ** rng.uniform(-8, -4, 100)
            accuracy = score(np.log10(rates), np.log10(decays))
            curves = np.zeros((100, 51))
            curves[:, 10] = early(accuracy) + rng.normal(0, 0.2, 100)
            values = {"learning_rate": rates, "weight_decay": decays}
            return Search(values, accuracy, accuracy, curves, int(accuracy.argmax()))

        class MadeUpLab(Lab):
            def search(
                self, build_tunable, variants, data, *, trials, epochs, batch_size, repetitions
            ):
                assert (variants, trials) == (recipe.VARIANTS, 100)
                assert epochs * 400 / batch_size == 200  # steps, as in the book
                assert data.train.x.shape[1] == 400
                return Searches({recipe.SEARCH: [search() for _ in range(4 * repetitions)]})

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_both_decide_and_show_early_every_claim_holds(judged):
    assert (
        judged(lambda rate, decay: rate + 0.6 * (decay < -6), lambda accuracy: accuracy)
        == ["holds"] * 4
    )


def test_where_the_opposite_is_true_none_does(judged):
    found = judged(lambda rate, decay: -rate - 0.6 * (decay < -6), lambda accuracy: 0)
    assert found == ["does not hold"] * 4
