"""The recipe coarse_to_fine: its model and ranges by value, its rounds, the signs of its claims."""

import types

import keras_tuner
import numpy as np
import pytest

from recipes import coarse_to_fine as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

ONE, THREE = recipe.VARIANTS


def test_the_layers_and_numbers():
    model = recipe.build_model((5,), 3, weight_decay=0.4, momentum=0.7, learning_rate=0.2)
    names = ["h1", "h1_bn", "h1_act", "h2", "h2_bn", "h2_act", "dropout", "softmax"]
    assert [layer.name for layer in model.layers] == names
    kernels = [w.numpy() for w in model.trainable_weights if w.path.endswith("kernel")]
    expected = 0.2 * sum((kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert model.optimizer.momentum == 0.7
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.2)


def test_the_wide_ranges():
    hp = keras_tuner.HyperParameters()
    hp.Fixed("one_minus_momentum", 0.02)
    assert recipe.build_tunable(hp, (5,), 3).optimizer.momentum == pytest.approx(0.98)
    hp = keras_tuner.HyperParameters()
    recipe.build_tunable(hp, (5,), 3)
    assert {p.name: (p.min_value, p.max_value, p.sampling) for p in hp.space} == {
        "weight_decay": (1e-8, 1e-4, "log"),
        "one_minus_momentum": (1e-3, 1e-1, "log"),
        "learning_rate": (1e-6, 10.0, "log"),
    }


def test_rounds_share_out_the_trials():
    assert recipe.rounds(51) == [slice(0, 17), slice(17, 34), slice(34, 51)]
    assert recipe.rounds(5) == [slice(0, 1), slice(1, 3), slice(3, 5)]


def test_helpers_by_hand():
    search = types.SimpleNamespace(
        val_accuracy=np.array([0.9, 0.2, 0.7, 0.6]), test_accuracy=np.array([0.5, 0.9, 0.8, 0.95])
    )
    assert recipe.on_test(search, slice(None)) == pytest.approx(50)
    assert recipe.on_test(search, slice(1, 4)) == pytest.approx(80)
    # The bar is .1 + .9 x (.9 - .1) = .82.
    first, second = np.array([0.9, 0.83, 0.81, 0.1]), np.array([0.0, 0.1, 0.83, 0.5])
    assert recipe.more_good(first, second, 0.1) == pytest.approx(25)


def test_the_claims_of_made_up_searches():
    """In rounds, the best is better by 2 points on validation and by 3 on test."""
    rng = np.random.default_rng(0)
    # Of 17 trials seven are good; in later rounds all but two of them.
    coarse = np.r_[np.zeros(3), np.full(7, 0.3), np.full(6, 0.85), 0.9]
    fine = np.r_[0.3, 0.3, np.full(14, 0.89), 0.92]
    validation = {ONE: np.tile(coarse, 3), THREE: np.r_[coarse, fine - 0.01, fine]}
    asked = []

    def searched(name):
        scores = validation[name]
        return types.SimpleNamespace(
            values={n: rng.random(51) for n in ("weight_decay", "one_minus_momentum", "rate")},
            val_accuracy=scores,
            test_accuracy=scores + 0.01 * (scores > 0.91) + rng.normal(0, 1e-6, 51),
        )

    class MadeUpLab(Lab):
        def search(self, build_tunable, data, *, name, **plan):
            assert build_tunable is recipe.build_tunable
            asked.append(plan)
            return [searched(name) for _ in range(10)]

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    same = {"trials": 51, "epochs": 10, "repetitions": 10}
    assert asked == [same | {"stages": 1}, same | {"stages": 3}]
    # Good is .84 and above: 21 of 51 trials, and 7 + 15 + 15 = 37. Medians are .3 and .89.
    expected = [3, 2, 59, 100 * 16 / 51, 3]
    assert [c.judgement.estimate for c in lab.claims] == pytest.approx(expected, abs=1e-3)
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 4
    assert list(lab.figures) == ["figure.png", "figure-ranges.png"]


def test_diverged_trials_count_at_chance():
    """Most trials diverge, which is a score of zero; a median of chance is not worse than that."""
    asked = []

    class MadeUpLab(Lab):
        def search(self, build_tunable, data, **_):
            asked.append(data.chance)
            zeros = np.r_[np.zeros(50), 0.9]
            values = {n: np.ones(51) for n in "abc"}
            search = types.SimpleNamespace(values=values, val_accuracy=zeros, test_accuracy=zeros)
            if len(asked) == 2:
                search.val_accuracy = np.where(zeros > 0, zeros, data.chance)
            return [search] * 5

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    assert lab.claims[2].judgement.estimate == 0
