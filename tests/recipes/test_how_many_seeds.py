"""The recipe how_many_seeds: its splits and winners by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import how_many_seeds as recipe
from recipes._lab.lab import Lab, Options

FEWER, MORE = recipe.FEWER, recipe.MORE
SPLITS, SEEDS, BOTH = recipe.SPLITS, recipe.SEEDS, recipe.BOTH


def test_both_networks_of_a_pair_share_their_split():
    data = Lab(Options(), None, None, None).data()
    fewer, more, other = (
        recipe.dealt(data, network, run).split(0)
        for network, run in ((FEWER, 3), (MORE, 3), (MORE, 4))
    )
    assert (len(fewer.train), len(fewer.test)) == (500, 300)
    assert (len(more.train), len(more.test)) == (600, 300)
    np.testing.assert_array_equal(fewer.train.x, more.train.x[:500])
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
    """`judged(of_split, of_seed, shared, gain)` runs the recipe on made-up accuracies.

    Args:
        of_split: standard deviation of the test accuracy by split, in percentage points.
        of_seed: by seed.
        shared: whether both networks have the same luck on a split.
        gain: of the better network over the other, in percentage points.
    """

    def run(of_split, of_seed, shared=True, gain=1.0):
        random = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, copy):
                assert list(data) == list(copy) == list(variants)
                for varied, number in ((SEEDS, 0), (SPLITS, 3)):
                    x, other = (
                        data[key, FEWER, n].test.x for key, n in ((varied, 3), (BOTH, number))
                    )
                    np.testing.assert_array_equal(x, other)
                runs = {}
                for _ in range(6):
                    luck = random.normal(0, 1, (2, 2, recipe.RUNS))  # networks, sources, runs
                    luck -= luck.mean(axis=-1, keepdims=True)
                    luck /= luck.std(axis=-1, ddof=1, keepdims=True)
                    for varied, network, number in variants:
                        key = varied, network, number
                        assert copy[key] == (0 if varied == SPLITS else number)
                        mine = luck[0 if shared or network == FEWER else 1]
                        points = 90 + gain * (network == MORE)
                        points += of_split * mine[0, 0 if varied == SEEDS else number]
                        points += of_seed * mine[1, 0 if varied == SPLITS else number]
                        points += random.normal(0, 0.01)
                        ends = {"accuracy": [0.1, 0.9], "test_accuracy": points / 100}
                        runs.setdefault(key, []).append(ends)
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-spread.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_splits_are_the_luck_that_pairs_share(judged):
    # At 90 % of 300 examples the binomial standard deviation is 1.73 percentage points.
    found = judged(of_split=1.73, of_seed=0.2)
    assert found[:3] == ["holds"] * 3
    assert found[3:] == ["makes no difference", "does not hold"]  # no pair is wrong


def test_where_pairs_share_nothing_single_pairs_are_wrong(judged):
    found = judged(of_split=1.73, of_seed=0.2, shared=False, gain=1.5)
    assert found[2] != "holds"
    assert found[:2] + found[3:] == ["holds"] * 4


def test_where_seeds_are_all_the_luck(judged):
    assert judged(of_split=0.1, of_seed=1.7)[:2] == ["does not hold"] * 2
