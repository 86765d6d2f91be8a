"""The recipe zero_init: its initial weights by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import zero_init as recipe
from recipes._lab.lab import Lab, Options

ZEROS, EQUAL, RANDOM = recipe.VARIANTS


@pytest.mark.parametrize(("variant", "value"), [(ZEROS, 0), (EQUAL, 0.01)])
def test_all_weights_start_from_one_value(variant, value):
    model = recipe.build_model(**recipe.VARIANTS[variant])
    for name in ("h1", "h2", "softmax"):
        kernel = model.get_layer(name).kernel.numpy()
        np.testing.assert_array_equal(kernel, np.full(kernel.shape, np.float32(value)))


def test_random_weights_differ_from_layer_to_layer():
    model = recipe.build_model(**recipe.VARIANTS[RANDOM])
    first, second = (model.get_layer(name).kernel.numpy() for name in ("h1", "h2"))
    assert [first.std(), second.std()] == pytest.approx([0.05, 0.05], rel=0.05)
    assert not np.array_equal(first, second)


def test_differences_are_between_units_not_between_inputs():
    equal = np.array([[[1.0, 1.0], [5.0, 5.0]], [[2.0, 2.0], [2.0, 2.0]]])
    other = equal + np.array([[[0, 0], [0, 0.25]], [[0.5, 0], [0, 0]]])
    models = types.SimpleNamespace(weights={"h1/kernel": equal, "h2/kernel": other})
    assert recipe.differences(models) == [0, 0.5]


@pytest.fixture
def judged(made_up):
    """`judged(between, ends)` runs the recipe on made-up results of two variants.

    Args:
        between: difference of the units of a layer, from zeros and from .01.
        ends: training accuracies in %, from .01 and from random weights.
    """

    def run(between, ends):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)
        unlike = dict(zip((ZEROS, EQUAL), between, strict=True))
        end = dict(zip((ZEROS, EQUAL, RANDOM), (10, *ends), strict=True))

        def models(variant):
            kernel = np.array([[[0, unlike[variant]]]] * 6)
            return types.SimpleNamespace(weights={"h1/kernel": kernel, "h2/kernel": 0 * kernel})

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, **plan):
                return variants

            def train(self, build_model, variants, data, *, epochs):
                runs = {
                    key: [{"accuracy": [0.1, end[key] / 100 + k * n]} for n in noise]
                    for k, key in enumerate(variants, 1)
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = models
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_equal_units_stay_equal_every_claim_holds(judged):
    assert judged(between=(0, 1e-7), ends=(20, 90)) == ["holds"] * 3


def test_where_they_come_apart_and_learn_none_does(judged):
    assert judged(between=(0.1, 0.1), ends=(95, 90)) == ["does not hold"] * 3


def test_each_start_is_judged_by_itself(judged):
    assert judged(between=(0, 0.1), ends=(20, 90))[:2] == ["holds", "does not hold"]
