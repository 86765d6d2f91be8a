"""The recipe settings_drift: drift and choices by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import settings_drift as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options
from recipes._lab.measures import Measure

BEFORE, SAMPLE, DRIFTING = recipe.BEFORE, recipe.SAMPLE, recipe.DRIFTING


def test_inputs_drift_from_what_they_were_to_a_mean_with_another_one():
    x = np.array([[1, 10], [2, 20], [3, 30]], np.float32)
    part = Split(x, np.array([0, 1, 0], np.int32))

    class Swapped:
        def permutation(self, count):
            assert count == 2
            return np.array([1, 0])

    drifted = recipe.drift(Dataset("d", ("a", "b"), part, part, part), Swapped())
    np.testing.assert_allclose(drifted.train.x, [[1, 10], [2 + 4.5, 20 - 4.5], [16.5, 16.5]])
    for held_out in (drifted.validation, drifted.test):
        np.testing.assert_allclose(held_out.x, [[5.5, 5.5], [11, 11], [16.5, 16.5]])
        np.testing.assert_array_equal(held_out.y, part.y)


def test_the_accuracy_of_another_winner():
    loss = Measure({("then", "a"): [0.1, 0.1], ("then", "b"): [2, 0.05]})  # two seeds
    test = Measure({("now", "a"): [60, 70], ("now", "b"): [85, 40]})
    assert recipe.of_best(loss, test, on="now", chosen_on="then").tolist() == [60, 40]


@pytest.fixture
def verdicts(made_up):
    """`verdicts(orders, harm)` runs the recipe where each kind of data has an order of settings.

    Drift costs all settings so much test accuracy, from 0 to 1.
    """

    def run(orders, harm):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, **plan):
                assert list(data) == [BEFORE, SAMPLE, DRIFTING]
                before, sample, drifting = (kind.split(0) for kind in data.values())
                assert {len(kind.train) for kind in (before, sample, drifting)} == {400}
                both = [{row.tobytes() for row in kind.train.x} for kind in (before, sample)]
                assert len(both[0] & both[1]) < 5  # but for equal images
                assert not np.array_equal(sample.test.x, drifting.test.x)
                ranks = {name: rank for rank, name in enumerate(recipe.SETTINGS)}
                runs = {}
                for kind, name in variants:
                    accuracy = 0.5 + 0.02 * orders[kind](ranks[name])
                    accuracy -= harm if kind == DRIFTING else 0
                    runs[kind, name] = [
                        {"accuracy": [0.1, accuracy + noise], "val_loss": [1, 1 - accuracy]}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-cost.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def same(rank):
    return rank


def turned(rank):
    return 19 - rank


def last_but_one(rank):
    """Leave the order as it is, but for the winner, who falls to the fifth place."""
    return 15.5 if rank == 19 else rank


def test_where_drift_changes_the_winner_and_does_harm_every_claim_holds(verdicts):
    orders = {BEFORE: same, SAMPLE: same, DRIFTING: last_but_one}
    assert verdicts(orders, harm=0.1) == ["holds"] * 3


def test_where_the_winner_stays_nothing_is_lost(verdicts):
    orders = dict.fromkeys((BEFORE, SAMPLE, DRIFTING), same)
    assert "holds" not in verdicts(orders, harm=-0.1)


def test_where_another_sample_loses_more_drift_is_not_to_blame(verdicts):
    orders = {BEFORE: same, SAMPLE: turned, DRIFTING: last_but_one}
    assert verdicts(orders, harm=0.1) == ["holds", "does not hold", "holds"]
