"""The recipe how_many_seeds: its pairs and winners by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import how_many_seeds as recipe
from recipes._lab.lab import Lab, Options

FEWER, MORE = recipe.FEWER, recipe.MORE


def test_both_networks_of_a_pair_share_their_split():
    data = Lab(Options(), None, None, None).data()
    fewer, more, other = (
        recipe.dealt(data, network, run).split(0)
        for network, run in ((FEWER, 3), (MORE, 3), (MORE, 4))
    )
    assert (len(fewer.train), len(fewer.test)) == (250, 100)
    assert (len(more.train), len(more.test)) == (300, 100)
    np.testing.assert_array_equal(fewer.train.x, more.train.x[:250])
    np.testing.assert_array_equal(fewer.test.x, more.test.x)
    assert not np.array_equal(other.test.x, more.test.x)


def column(*values):
    """Return differences of runs with a single seed, (runs, 1)."""
    return np.array(values, float)[:, np.newaxis]


def test_wrong_winners_are_counted_in_all_groups_of_neighbours():
    differences = column(1, -2, 0, 3)
    assert recipe.wrong_winners(differences, 1) == [37.5]  # one of four, and half a tie
    # Means of 1, -2; of -2, 0; of 0, 3; of 3, 1.
    assert recipe.wrong_winners(differences, 2) == [50]
    assert recipe.wrong_winners(differences, 4) == [0]
    two_seeds = np.hstack([differences, -differences])
    assert recipe.wrong_winners(two_seeds, 1).tolist() == [37.5, 62.5]


def test_equal_accuracies_are_a_tie_whatever_their_rounding():
    assert recipe.wrong_winners(column(0.1 + 0.2 - 0.3), 1) == [50]


@pytest.fixture
def judged(made_up):
    """`judged(shared, gain)` runs the recipe on accuracies that differ by 1.7 percentage points.

    Args:
        shared: whether both networks have the same luck in a run.
        gain: of the better network over the other, in percentage points.
    """

    def run(shared, gain):
        random = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, copy):
                assert list(data) == list(variants) == list(recipe.VARIANTS)
                assert copy == {number: number for number in range(recipe.RUNS)}
                runs = {}
                for _ in range(6):
                    luck = random.normal(0, 1.7, (2, recipe.RUNS))
                    for network, number in variants:
                        mine = luck[0 if shared or network == FEWER else 1, number]
                        points = 90 + gain * (network == MORE) + mine + random.normal(0, 0.01)
                        ends = {"accuracy": [0.1, 0.9], "test_accuracy": points / 100}
                        runs.setdefault((network, number), []).append(ends)
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_pairs_share_their_luck_no_pair_is_wrong(judged):
    assert judged(shared=True, gain=1) == ["makes no difference", "holds", "does not hold"]


def test_where_pairs_share_nothing_single_pairs_are_wrong(judged):
    found = judged(shared=False, gain=1.5)
    assert found[1] != "holds"
    assert [found[0], found[2]] == ["holds", "holds"]
