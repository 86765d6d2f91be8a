"""The recipe binary_classifier: its outputs and data by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import binary_classifier as recipe
from recipes._lab.data import Splits, read
from recipes._lab.lab import Lab, Options

TWO, ONE = recipe.TWO, recipe.ONE


@pytest.mark.parametrize("network", recipe.NETWORKS)
def test_one_unit_has_twice_the_rate_and_the_same_start(network):
    two, one = (
        recipe.build_model((64,), 2, **recipe.VARIANTS[network, output]) for output in (TWO, ONE)
    )
    assert (two.output_shape, one.output_shape) == ((None, 2), (None, 1))
    assert (two.loss, one.loss) == ("sparse_categorical_crossentropy", "binary_crossentropy")
    assert type(two.optimizer) is type(one.optimizer)
    rates = [float(model.optimizer.learning_rate.numpy()) for model in (two, one)]
    assert rates[1] == pytest.approx(2 * rates[0])
    x = np.random.default_rng(0).normal(size=(3, 64))
    np.testing.assert_allclose(two(x)[:, 1:], one(x))
    assert [layer.name for layer in two.layers][:-1] == [layer.name for layer in one.layers][:-1]


def test_a_sigmoid_needs_two_classes():
    with pytest.raises(ValueError, match="2 classes apart, not 3"):
        recipe.build_model((64,), 3, output="sigmoid")


def test_ten_classes_become_two():
    data = Splits(read("digits"), [0])
    two = data.map(recipe.two_classes)
    np.testing.assert_array_equal(two.test.y, data.test.y >= 5)
    assert two.class_names == ("the first 5 classes", "the others")


@pytest.fixture
def judged(made_up):
    """`judged(apart, lead)` runs the recipe on losses `apart` and test accuracies `lead` apart."""

    def run(apart, lead):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                assert list(variants) == list(recipe.TO_TUNE)
                return variants

            def train(self, build_model, variants, data, *, epochs):
                assert list(variants) == list(recipe.VARIANTS)
                runs = {}
                for network, output in variants:
                    of_one = output == ONE
                    runs[network, output] = [
                        {
                            "accuracy": [0.5, 0.9, 1],
                            "loss": [0.69, 0.3 + of_one * apart[network], 0.1],
                            "test_accuracy": 0.95 + of_one * lead + noise,
                        }
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                self.results = made_up(runs, chance=0.5)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def networks(flat=0.0, adam=0.0, deep=0.0):
    """Name how far losses are apart in nats, for each network."""
    return {recipe.FLAT: flat, recipe.FLAT_ADAM: adam, recipe.DEEP: deep, recipe.BEST: 0.0}


def test_equal_curves_hold_each_by_itself(judged):
    assert judged(networks(), lead=0) == ["holds"] * 4
    assert judged(networks(deep=0.05), lead=0) == ["holds", "holds", "does not hold", "holds"]


def test_other_curves_do_not(judged):
    assert judged(networks(flat=0.01, adam=-0.01, deep=0.01), lead=0.03) == ["does not hold"] * 4
