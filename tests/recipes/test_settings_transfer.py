"""The recipe settings_transfer: costs by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import settings_transfer as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.measures import Measure

THIS, SAMPLE, OTHER = recipe.THIS, recipe.SAMPLE, recipe.OTHER


def test_the_cost_of_another_winner():
    loss = {
        (THIS, "a"): [0.5, 0.1],  # two seeds
        (THIS, "b"): [0.2, 0.9],
        (OTHER, "a"): [0.1, 0.1],
        (OTHER, "b"): [2, 0.05],
    }
    test = {(THIS, "a"): [60, 70], (THIS, "b"): [85, 40]}
    cost = recipe.cost(Measure(loss), Measure(test), chosen_on=OTHER)
    assert cost.tolist() == [85 - 60, 70 - 40]


@pytest.fixture
def verdicts(made_up):
    """`verdicts(orders)` runs the recipe where each kind of data has an order of the settings."""

    def run(orders):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, **plan):
                assert list(data) == [THIS, SAMPLE, OTHER]
                this, sample, other = (kind.split(0) for kind in data.values())
                both = [{row.tobytes() for row in kind.train.x} for kind in (this, sample)]
                assert [len(kind.train) for kind in (this, sample)] == [200, 200]
                assert len(both[0] & both[1]) < 5  # but for equal images
                assert other.num_classes == 2
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
        assert list(lab.figures) == ["figure.png", "figure-cost.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_breast_cancer_is_not_compared_with_itself():
    class AskedLab(Lab):
        def train(self, build_model, variants, data, **plan):
            raise RuntimeError(*(kind.name for kind in data.values()))

    with pytest.raises(RuntimeError) as error:
        recipe.run(AskedLab(Options(data="breast_cancer"), None, None, None))
    assert error.value.args == ("breast_cancer", "breast_cancer", "digits")


def same(rank):
    return rank


def turned(rank):
    return 19 - rank


def last_but_one(rank):
    """Exchange the two best settings."""
    return {18: 19, 19: 18}.get(rank, rank)


def test_where_orders_are_similar_and_winners_differ_every_claim_holds(verdicts):
    orders = {THIS: same, SAMPLE: same, OTHER: last_but_one}
    assert verdicts(orders) == ["holds"] * 3


def test_where_the_winner_is_always_the_same_nothing_is_lost(verdicts):
    orders = dict.fromkeys((THIS, SAMPLE, OTHER), same)
    assert verdicts(orders)[0] == "holds"
    assert "holds" not in verdicts(orders)[1:]


def test_where_another_sample_loses_more_other_data_are_not_to_blame(verdicts):
    orders = {THIS: same, SAMPLE: turned, OTHER: last_but_one}
    assert verdicts(orders) == ["holds", "holds", "does not hold"]


def test_where_the_order_is_turned_the_first_claim_fails(verdicts):
    orders = {THIS: same, SAMPLE: same, OTHER: turned}
    assert verdicts(orders) == ["does not hold", "holds", "holds"]
