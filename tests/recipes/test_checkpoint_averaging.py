"""The recipe checkpoint_averaging: means by value, and its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import checkpoint_averaging as recipe
from recipes._lab.lab import Lab, Options


def test_each_run_has_initial_values_of_its_own():
    assert list(recipe.COPIES) == list(recipe.VARIANTS) == recipe.RUNS
    assert len(set(recipe.COPIES.values())) == 5


def test_weights_are_averaged_over_epochs_and_not_over_seeds():
    epochs = [types.SimpleNamespace(weights={"w": np.array([[n], [10.0 * n]])}) for n in (1, 2, 6)]
    assert recipe.average_weights(epochs).weights["w"].tolist() == [[3], [30]]


def test_percent_right_is_by_seed():
    probabilities = np.array([[[0.9, 0.1], [0.8, 0.2]], [[0.9, 0.1], [0.4, 0.6]]])
    assert recipe.percent_right(probabilities, np.array([[0, 1], [0, 1]])).tolist() == [50, 100]


class MadeUpModels:
    """Models of six seeds whose weight says how many of a hundred examples they get right."""

    def __init__(self, right):
        self.weights = {"right": np.full(6, float(right))}

    def predict(self, x):
        """All examples are of class 0; those that are right are twice as sure as the others."""
        right = np.arange(100) < self.weights["right"][:, np.newaxis]
        sure = np.where(right, 0.8, 0.4)
        return np.stack([sure, 1 - sure], axis=-1)


@pytest.fixture
def judged(made_up):
    """`judged(right)` runs the recipe where `right(run, epoch)` of 100 examples are right."""

    def run(right):
        class MadeUpLab(Lab):
            def data(self, examples):
                test = types.SimpleNamespace(x=None, y=np.zeros((6, 100), int))
                return types.SimpleNamespace(test=test)

            def train(self, build_model, variants, data, *, copy, record, epochs, batch_size):
                assert (copy, list(record)) == (recipe.COPIES, [36, 37, 38, 39, 40])
                self.results = made_up({key: [{"accuracy": [0.1, 0.9]}] * 6 for key in variants})
                self.results.models = lambda key, epoch: MadeUpModels(right(key, epoch))
                self.results.recorded = lambda key: list(record)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, claim.judgement.estimate) for claim in lab.claims]

    return run


def test_where_weights_do_as_well_as_predictions_and_runs_better_every_claim_holds(judged):
    """Runs end at 80 or 95 %, which is what two or more of five agree on; epochs gain 3 points."""
    ends = dict(zip(recipe.RUNS, (80, 80, 80, 95, 95), strict=True))
    found = judged(lambda run, epoch: ends[run] + (0 if epoch == 40 else 3))
    assert found == [("holds", pytest.approx(n)) for n in (95 - 89, 3, 3, 0)]


def test_where_epochs_gain_more_than_runs_but_not_by_their_weights_two_do_not(judged):
    wiggle = {36: 10, 37: 10, 38: -10, 39: -10, 40: 0}
    runs, predictions, weights, equality = judged(lambda run, epoch: 80 + wiggle[epoch])
    assert runs == ("does not hold", pytest.approx(-10))
    assert predictions == ("holds", pytest.approx(10))
    assert weights == ("does not hold", pytest.approx(0))
    assert equality == ("does not hold", pytest.approx(-10))


def test_where_the_last_epoch_is_best_no_mean_helps(judged):
    found = judged(lambda run, epoch: 90 if epoch == 40 else 80)
    assert found[1:3] == [("does not hold", pytest.approx(n)) for n in (-10, -8)]
