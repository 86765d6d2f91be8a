"""The recipe averaged_weights: its averages by value, its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import averaged_weights as recipe
from recipes._lab.lab import Lab, Options

RIGHT, WRONG = recipe.RIGHT, recipe.WRONG


def kernel_after(ema_momentum, epochs):
    """Return the first kernel after Keras's own fit of so many epochs of one batch each."""
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    model = recipe.build_model((5,), 3, ema_momentum=ema_momentum, batch_norm=False, dropout=0.0)
    model.run_eagerly = True
    model.fit(x, np.arange(8) % 3, epochs=epochs, verbose=0, shuffle=False)
    return model.get_layer("h1").kernel.numpy()


def test_training_ends_with_the_average_of_the_weights():
    first, second, third = (kernel_after(0.0, epochs) for epochs in (1, 2, 3))  # the last weights
    expected = 0.9 * (0.9 * first + 0.1 * second) + 0.1 * third
    np.testing.assert_allclose(kernel_after(0.9, 3), expected, atol=1e-6)
    assert np.abs(third - expected).max() > 1e-3


@pytest.fixture
def judged(made_up):
    """`judged(accuracies, errors)` runs the recipe on made-up results.

    Args:
        accuracies: on test, in %, by variant.
        errors: of the calibration on test, in %, by variant.
    """

    def run(accuracies, errors):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, **plan):
                assert plan["by"] == "val_balanced_accuracy"
                y = {labels: data[labels].train.y for labels in data}
                assert np.mean(y[RIGHT] != y[WRONG]) == pytest.approx(0.2)
                return variants

            def train(self, build_model, variants, data, **plan):
                runs = {}
                for k, key in enumerate(variants):
                    runs[key] = [
                        {
                            "accuracy": [0.1, 0.9],
                            "test_accuracy": accuracies[k] / 100 + k * n,
                            "test_expected_calibration_error": errors[k] / 100 + k * n,
                        }
                        for n in noise
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-calibration.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_averages_are_better_every_claim_holds(judged):
    found = judged(accuracies=(90, 94, 70, 77), errors=(8, 5, 20, 30))
    assert found == [("holds", 4), ("holds", 7), ("holds", 3)]


def test_where_they_are_worse_none_does(judged):
    found = judged(accuracies=(94, 90, 77, 70), errors=(5, 8, 30, 20))
    assert found == [("does not hold", -4), ("does not hold", -7), ("does not hold", -3)]
