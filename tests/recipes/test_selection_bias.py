"""The recipe selection_bias: who picks what by hand, its claims where the effect is planted."""

import numpy as np
import pytest

from recipes import selection_bias as recipe
from recipes._lab.lab import Lab, Options


def test_four_folds_of_ten_settings_cost_as_much_as_one_fold_of_forty():
    settings = {
        fold: [key[1] for key in recipe.VARIANTS if key[0] == fold] for fold in recipe.FOLDS
    }
    sizes = [len(of) for of in settings.values()]
    assert sizes == [40, 10, 10, 10]
    for names in settings.values():
        assert names[:10] == settings["fold 1"][:10]
        assert all(40 % count == 0 for count in recipe.COUNTS)
    drawn = [recipe.VARIANTS["fold 1", name] for name in settings["fold 1"]]
    assert recipe.VARIANTS["fold 3", "setting 9"] == drawn[9]
    rates = np.log10([setting["learning_rate"] for setting in drawn])
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


def test_each_data_set_picks_and_judges():
    validation, test = column(50, 90, 40), column(60, 50, 80)
    # Validation picks 90, worth 50 on test; test picks 80, worth 40 on validation.
    assert recipe.optimism(validation, test, 3) == [40]
    assert recipe.optimism(validation + 5, validation, 1) == [0]  # one of them is easier


@pytest.fixture
def verdicts(made_up):
    """`verdicts(accuracy)` runs the recipe; accuracy(fold, name, rng) on validation, on test."""

    def run(accuracy):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, **plan):
                assert list(data) == list(recipe.FOLDS)
                validation = [part.split(0).validation for part in data.values()]
                assert sum(len(part) for part in validation) == 1438  # all but the test part
                assert {len(part.split(0).train) for part in data.values()} == {400}
                runs = {}
                for fold, name in variants:
                    pairs = [accuracy(fold, name, rng) for _ in range(6)]
                    runs[fold, name] = [
                        {"accuracy": [0.1, v], "val_accuracy": [0.1, v], "test_accuracy": t}
                        for v, t in pairs
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-test.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_accuracies_are_luck_the_pick_looks_too_good(verdicts):
    def luck(fold, name, rng):
        return rng.normal(0.7, 0.05, 2)

    assert verdicts(luck)[:2] == ["holds", "holds"]


def test_where_there_is_no_luck_nothing_looks_too_good(verdicts):
    def none(fold, name, rng):
        return [0.5 + int(name.split()[1]) / 100 + rng.normal(0, 1e-5)] * 2

    # The best of 40 settings is the last: folds pick among the first ten.
    found = verdicts(none)
    assert found[0] in ("makes no difference", "not detected")
    assert found[2:] == ["holds", "does not hold"]


def test_where_single_folds_mislead_all_of_them_pick_better(verdicts):
    def misleading(fold, name, rng):
        """Only the first ten differ: each is good and looks so but in one fold."""
        number = int(name.split()[1])
        good = number < 5
        unlucky = fold == recipe.FOLDS[0] and number >= 5
        return (0.95 if unlucky else 0.7 + 0.1 * good) + rng.normal(0, 1e-4), 0.6 + 0.3 * good

    assert verdicts(misleading)[2:] == ["does not hold", "holds"]
