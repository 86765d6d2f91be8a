"""The recipe selection_bias: who picks what by hand, its claims where the effect is planted."""

import numpy as np
import pytest

from recipes import selection_bias as recipe
from recipes._lab.lab import Lab, Options


def test_the_settings_are_drawn_from_wide_ranges():
    assert all(len(recipe.VARIANTS) % count == 0 for count in recipe.COUNTS)
    rates = np.log10([setting["learning_rate"] for setting in recipe.VARIANTS.values()])
    assert (-3 < rates.min() < -2.5) & (-0.5 < rates.max() < 0)


def column(*values):
    """Return accuracies of settings with a single seed, (settings, 1)."""
    return np.array(values, float)[:, np.newaxis]


def test_the_best_of_each_group_is_picked():
    chooser, judge = column(1, 3, 4, 2), column(50, 60, 70, 80)
    assert recipe.pick(chooser, judge, 4) == ([4], [70])
    assert recipe.pick(chooser, judge, 2) == ([3.5], [65])  # 3 of the first two, 4 of the others
    assert recipe.pick(chooser, judge, 1) == ([2.5], [65])
    two_seeds = np.hstack([chooser, chooser[::-1]])
    there, elsewhere = recipe.pick(two_seeds, np.hstack([judge, judge]), 4)
    assert (there.tolist(), elsewhere.tolist()) == ([4, 4], [70, 60])


@pytest.fixture
def judged(made_up):
    """`judged(accuracy)` runs the recipe; accuracy(number, rng) on validation, and on test."""

    def run(accuracy):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, **plan):
                assert variants == recipe.VARIANTS
                assert [len(part) for part in data.split(0).parts] == [400, 360, 359]
                runs = {}
                for number, name in enumerate(variants):
                    pairs = [accuracy(number, rng) for _ in range(12)]
                    runs[name] = [
                        {"accuracy": [0.1, v], "val_accuracy": [0.1, v], "test_accuracy": t}
                        for v, t in pairs
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(seeds=12), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, claim.judgement.estimate) for claim in lab.claims]

    return run


def test_where_accuracies_are_worth_and_luck_every_claim_holds(judged):
    def both(number, rng):
        worth = 0.7 if number // 5 % 2 else 0.5  # half of the groups of five hold good settings
        return worth + rng.normal(0, 0.05, 2)

    assert [verdict for verdict, _ in judged(both)] == ["holds"] * 3


def test_where_there_is_no_luck_nothing_looks_too_good(judged):
    def worth(number, rng):
        return [0.5 + number / 100 + rng.normal(0, 1e-5)] * 2

    found = judged(worth)
    assert [verdict for verdict, _ in found] == ["makes no difference"] * 2 + ["holds"]
    # The best of each five are the numbers 4, 9, ..., 39, on average 21.5: 17.5 below the last.
    assert [estimate for _, estimate in found] == pytest.approx([0, 0, 17.5], abs=0.1)


def test_what_looks_best_where_it_picked_may_be_worst_elsewhere(judged):
    def opposite(number, rng):
        return 0.5 + number / 100, 0.9 - number / 100 + rng.normal(0, 0.001)

    verdicts = [verdict for verdict, _ in judged(opposite)]
    assert verdicts == ["holds", "holds", "does not hold"]


def test_where_one_part_is_easier_nothing_looks_too_good(judged):
    def easier(number, rng):
        accuracy = 0.5 + number / 100
        return accuracy + 0.05 + rng.normal(0, 1e-5), accuracy

    assert judged(easier)[0][1] == pytest.approx(0, abs=0.1)
