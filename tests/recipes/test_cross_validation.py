"""The recipe cross_validation: who is picked by hand, its claims where the effect is planted."""

import numpy as np
import pytest

from recipes import cross_validation as recipe
from recipes._lab.lab import Lab, Options


def test_four_folds_of_ten_settings_cost_as_much_as_one_fold_of_forty():
    assert len(recipe.FOLDS) * recipe.FEW == recipe.MANY
    assert recipe.VARIANTS["fold 3", "setting 9"] == recipe.VARIANTS["fold 1", "setting 9"]


def test_each_seed_picks_its_own_setting():
    validation = np.array([[50, 90], [60, 40], [55, 80]])  # three settings, two seeds
    other = np.array([[1, 2], [3, 4], [5, 6]])
    assert recipe.picked(validation, other).tolist() == [3, 2]


@pytest.fixture
def judged(made_up):
    """`judged(accuracy)` runs the recipe; accuracy(fold, number, rng) on validation, on test."""

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
                    number = int(name.split()[1])
                    pairs = [accuracy(fold, number, rng) for _ in range(20)]
                    runs[fold, name] = [
                        {"accuracy": [0.1, v], "val_accuracy": [0.1, v], "test_accuracy": t}
                        for v, t in pairs
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(seeds=20), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_single_folds_mislead_all_of_them_pick_better(judged):
    def misleading(fold, number, rng):
        """Half of the settings are good, and each fold overrates a quarter of the others."""
        good = number < 20
        overrated = fold == recipe.FOLDS[number % 4] and not good
        return (0.95 if overrated else 0.7 + 0.1 * good) + rng.normal(0, 1e-4), 0.6 + 0.3 * good

    assert judged(misleading) == ["does not hold", "holds", "holds"]


def test_where_there_is_no_luck_more_settings_are_better_than_more_folds(judged):
    def worth(fold, number, rng):
        return [0.5 + number / 100 + rng.normal(0, 1e-5)] * 2

    found = judged(worth)
    assert found[:2] == ["holds", "does not hold"]
    assert found[2] != "holds"


def test_where_scores_are_luck_those_of_one_fold_exaggerate_more(judged):
    def luck(fold, number, rng):
        return rng.normal(0.7, 0.05), 0.7 + rng.normal(0, 1e-4)

    assert judged(luck) == ["holds", "makes no difference", "holds"]
