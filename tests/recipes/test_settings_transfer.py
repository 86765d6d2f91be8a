"""The recipe settings_transfer: drift and costs by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import settings_transfer as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options
from recipes._lab.measures import Measure

THIS, SAMPLE, DRIFTING, CANCER = recipe.THIS, recipe.SAMPLE, recipe.DRIFTING, recipe.CANCER


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


def test_the_cost_of_another_winner():
    loss = {
        ("here", "a"): [0.5, 0.1],  # two seeds
        ("here", "b"): [0.2, 0.9],
        ("there", "a"): [0.1, 0.1],
        ("there", "b"): [2, 0.05],
    }
    test = {("here", "a"): [60, 70], ("here", "b"): [85, 40]}
    cost = recipe.cost(Measure(loss), Measure(test), on="here", chosen_on="there")
    assert cost.tolist() == [85 - 60, 70 - 40]


@pytest.fixture
def verdicts(made_up):
    """`verdicts(orders)` runs the recipe where each kind of data has an order of the settings."""

    def run(orders):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, **plan):
                assert list(data) == [THIS, SAMPLE, DRIFTING, CANCER]
                old, sample, drifting, cancer = (kind.split(0) for kind in data.values())
                assert {len(kind.train) for kind in (old, sample, drifting)} == {400}
                both = [{row.tobytes() for row in kind.train.x} for kind in (old, sample)]
                assert len(both[0] & both[1]) < 5  # but for equal images
                assert not np.array_equal(sample.test.x, drifting.test.x)
                assert cancer.num_classes == 2
                ranks = {name: rank for rank, name in enumerate(recipe.SETTINGS)}
                runs = {}
                for kind, name in variants:
                    accuracy = 0.5 + 0.02 * orders[kind](ranks[name])
                    runs[kind, name] = [
                        {"accuracy": [0.1, accuracy + noise], "val_loss": [1, 1 - accuracy]}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-order.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def same(rank):
    return rank


def turned(rank):
    return 19 - rank


def last_but_one(rank):
    """Exchange the two best settings."""
    return {18: 19, 19: 18}.get(rank, rank)


def test_where_orders_are_similar_and_winners_differ_every_claim_holds(verdicts):
    orders = {THIS: same, SAMPLE: same, DRIFTING: turned, CANCER: last_but_one}
    assert verdicts(orders) == ["holds"] * 4


def test_where_the_winner_is_always_the_same_nothing_is_lost(verdicts):
    orders = dict.fromkeys((THIS, SAMPLE, DRIFTING, CANCER), same)
    assert verdicts(orders)[0] == "holds"
    assert "holds" not in verdicts(orders)[1:]


def test_where_another_sample_has_another_order_drift_is_not_to_blame(verdicts):
    orders = {THIS: same, SAMPLE: turned, DRIFTING: last_but_one, CANCER: turned}
    assert verdicts(orders) == ["does not hold", "holds", "holds", "does not hold"]
