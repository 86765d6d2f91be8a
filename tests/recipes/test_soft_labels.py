"""The recipe soft_labels: its mixed examples by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import soft_labels as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

NOTHING, SMOOTHING, MIXUP = recipe.NOTHING, recipe.SMOOTHING, recipe.MIXUP
BEST = (NOTHING, (SMOOTHING, 0.1), (MIXUP, 0.4))  # on validation


def test_mixed_examples_stand_twice_with_their_shares_as_weights():
    # An input is 0 or 1 as its label is, so the mixed input is the share of label 1.
    y = np.arange(50) % 2
    split = Split(y[:, np.newaxis].astype(np.float32), y.astype(np.int32))
    data = Dataset("made up", ("0", "1"), split, split, split)
    train = recipe.mixed(0.4)(data, np.random.default_rng(0)).train
    assert len(train) == 2 * 10 * 50
    np.testing.assert_allclose(train.weights.mean(), 1, rtol=1e-6)
    first, second = np.split(np.arange(1000), 2)
    np.testing.assert_array_equal(train.x[first], train.x[second])
    np.testing.assert_allclose(train.weights[first] + train.weights[second], 2, rtol=1e-6)
    of_one = train.weights[first] * train.y[first] + train.weights[second] * train.y[second]
    np.testing.assert_allclose(train.x[first, 0], of_one / 2, atol=1e-6)
    # The standard deviation of a Beta distribution.
    assert train.weights.std() / 2 == pytest.approx(0.5 / np.sqrt(2 * 0.4 + 1), abs=0.03)


def test_smoothed_labels_share_a_part_among_all_classes():
    loss = recipe.build_model((4,), 2, label_smoothing=0.1).loss
    p = np.array([[0.8, 0.2]], np.float32)
    found = loss(np.array([[1.0, 0.0]], np.float32), p)
    assert float(found) == pytest.approx(-0.95 * np.log(0.8) - 0.05 * np.log(0.2), rel=1e-5)


@pytest.fixture
def judged(made_up):
    """`judged(errors, accuracies)` runs the recipe on made-up scores.

    Args:
        errors: calibration errors in % on test, by remedy; the other strength of a remedy, which is
            worse on validation, has 50 points more.
        accuracies: likewise, of which it has 50 points less.
    """

    def run(errors, accuracies):
        noise = dict(zip(errors, np.random.default_rng(0).normal(0, 0.002, (3, 6)), strict=True))

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, evaluate_every):
                assert variants == recipe.VARIANTS
                runs = {}
                for key in variants:
                    remedy = key[0] if isinstance(key, tuple) else key
                    train = data[key if remedy == MIXUP else remedy].train
                    assert epochs[remedy] * (train.y.shape[1] // batch_size[remedy]) == 900
                    worse = 0 if key in BEST else 0.5
                    runs[key] = [
                        {
                            "accuracy": [0, 1],
                            "val_expected_calibration_error": [1, 0.1 + worse],
                            "test_expected_calibration_error": errors[remedy] / 100 + worse + n,
                            "test_accuracy": accuracies[remedy] / 100 - worse + n,
                            "test_brier_score": 0.1,
                        }
                        for n in noise[remedy]
                    ]
                self.results = made_up(runs, chance=0.1, classes=10)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-brier.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_sources_are_right_every_claim_holds(judged):
    found = judged(
        errors={NOTHING: 15, SMOOTHING: 5, MIXUP: 2},
        accuracies={NOTHING: 80, SMOOTHING: 84, MIXUP: 80},
    )
    assert found == [("holds", 10), ("holds", 4), ("holds", 13)]


def test_where_they_are_wrong_none_does(judged):
    found = judged(
        errors={NOTHING: 2, SMOOTHING: 20, MIXUP: 15},
        accuracies={NOTHING: 84, SMOOTHING: 80, MIXUP: 80},
    )
    assert found == [("does not hold", -18), ("does not hold", -4), ("does not hold", -13)]
