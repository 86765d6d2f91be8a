"""The recipe double_descent: its widths and labels by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import double_descent as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

CLEAN, NOISY = recipe.CLEAN, recipe.NOISY


def test_inputs_become_what_varies_most_in_training():
    random = np.random.default_rng(0)
    scales = np.append(np.ones(39), 10)  # the last input varies most
    parts = [Split(random.normal(7, scales, (400, 40)), np.zeros(400, np.int32)) for _ in range(3)]
    changed = recipe.principal_components(Dataset("made up", ("a",), *parts), random)
    x = changed.train.x
    assert [part.x.shape for part in changed.parts] == [(400, 32)] * 3
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
    variances = np.linalg.eigvalsh(np.cov(parts[0].x.T))[::-1]
    np.testing.assert_allclose(np.cov(x.T), np.diag(variances[:32]), atol=1e-3)
    assert abs(np.corrcoef(changed.test.x[:, 0], parts[2].x[:, -1])[0, 1]) > 0.99


@pytest.mark.parametrize("units", [4, 256])
def test_a_network_has_so_many_units(units):
    model = recipe.build_model((64,), 10, batch_norm=False, dropout=0.0, units=units)
    # A weight for each input and a bias, of each unit; then the same of each class.
    assert model.count_params() == units * 65 + 10 * (units + 1)


def by_width(*means):
    """Return accuracies of two seeds, a point apart, by width."""
    return {
        width: types.SimpleNamespace(array=lambda mean=mean: np.array([mean - 0.5, mean + 0.5]))
        for width, mean in zip(recipe.WIDTHS, means, strict=True)
    }


def test_the_narrowest_network_that_fits():
    assert recipe.threshold(by_width(40, 50, 70, 89.9, 90.1, 99, 100)) == 32
    assert recipe.threshold(by_width(95, 99, 99, 99, 99, 99, 99)) == 2
    assert recipe.threshold(by_width(50, 50, 50, 50, 50, 50, 50)) == 256  # none does


def test_the_best_of_the_narrower_ones():
    accuracy = by_width(50, 60, 80, 70, 75, 90, 95)
    assert recipe.best_below(32, accuracy) == 8
    assert recipe.best_below(256, accuracy) == 64
    assert recipe.best_below(2, accuracy) == 2  # there is none


@pytest.fixture
def judged(made_up):
    """`judged(clean, noisy)` runs the recipe on made-up test accuracies in %, by width.

    With wrong labels 64 units fit the training examples.
    """

    def run(clean, noisy):
        ends = {CLEAN: clean, NOISY: noisy}
        random = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every):
                assert variants == recipe.VARIANTS
                wrong = data[CLEAN].train.y != data[NOISY].train.y
                assert wrong.mean() == 0.2
                np.testing.assert_array_equal(data[CLEAN].test.y, data[NOISY].test.y)
                runs = {}
                for labels, units in variants:
                    fit = 1.0 if units >= 64 or labels == CLEAN else 0.7
                    test = ends[labels][recipe.WIDTHS.index(units)] / 100
                    runs[labels, units] = [
                        {
                            "accuracy": [0.1, fit],
                            "val_accuracy": [0.1, test + noise],
                            "test_accuracy": test + noise,
                        }
                        for noise in random.normal(0, 0.002, 6)
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_a_double_descent_with_wrong_labels_only(judged):
    found = judged(clean=(60, 70, 80, 90, 91, 92, 93), noisy=(50, 60, 80, 78, 75, 70, 85))
    assert found == [("holds", 10), ("holds", 15), ("holds", 12), ("holds", 5)]


def test_a_single_descent_and_overfitting_the_wider_the_worse(judged):
    found = judged(clean=(60, 70, 80, 85, 95, 92, 93), noisy=(58, 60, 62, 64, 66, 70, 50))
    assert found == [
        ("does not hold", -4),
        ("does not hold", -20),
        ("does not hold", -3),
        ("does not hold", -16),
    ]
