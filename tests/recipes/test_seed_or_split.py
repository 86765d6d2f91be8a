"""The recipe seed_or_split: its splits by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import seed_or_split as recipe
from recipes._lab.lab import Lab, Options

SEEDS, SPLITS, FEW = recipe.SEEDS, recipe.SPLITS, recipe.FEW


def test_a_run_has_a_split_of_its_own_and_so_many_examples():
    data = Lab(Options(), None, None, None).data()
    one, fewer, other = (
        recipe.dealt(data, run, test).split(0) for run, test in ((3, 300), (3, 75), (4, 300))
    )
    assert (len(one.train), len(one.test), len(fewer.test)) == (500, 300, 75)
    np.testing.assert_array_equal(one.train.x, fewer.train.x)
    assert not np.array_equal(one.test.x, other.test.x)


@pytest.fixture
def judged(made_up):
    """`judged(deviations)` runs the recipe on accuracies with these standard deviations.

    Args:
        deviations: of the test accuracy over the runs, in percentage points, `{varied: number}`;
            the mean is 90 %.
    """

    def run(deviations):
        random = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, copy):
                assert list(data) == list(copy) == list(variants)
                assert [copy[key, 3] for key in (SEEDS, SPLITS, FEW)] == [3, 0, 0]
                x, same, other = (
                    data[key].test.x for key in ((SEEDS, 3), (SPLITS, 0), (SPLITS, 3))
                )
                np.testing.assert_array_equal(x, same)
                assert not np.array_equal(x, other)
                runs = {}
                for _ in range(6):
                    for varied, deviation in deviations.items():
                        luck = random.normal(size=recipe.RUNS)
                        luck = (luck - luck.mean()) / luck.std(ddof=1)
                        points = 90 + (deviation + random.normal(0, 0.01)) * luck
                        for number, accuracy in enumerate(points / 100):
                            ends = {"accuracy": [0.1, 0.9], "test_accuracy": accuracy}
                            runs.setdefault((varied, number), []).append(ends)
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def test_where_the_split_is_the_luck_every_claim_holds(judged):
    # At 90 % of 300 examples the binomial standard deviation is 1.73 percentage points.
    assert judged({SEEDS: 0.73, SPLITS: 1.73, FEW: 3.43}) == [
        ("holds", 1.0),
        ("holds", 0.0),
        ("holds", 1.7),
    ]


def test_where_the_seed_is_none_does(judged):
    assert judged({SEEDS: 1.73, SPLITS: 0.73, FEW: 0.23}) == [
        ("does not hold", -1.0),
        ("does not hold", -1.0),
        ("does not hold", -0.5),
    ]
