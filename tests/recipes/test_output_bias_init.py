"""The recipe output_bias_init: its bias by value, its data, and its claims on planted effects."""

import numpy as np
import pytest

from recipes import output_bias_init as recipe
from recipes._lab.data import Splits, read
from recipes._lab.lab import Lab, Options

ZERO, LOG = "bias 0", "bias log p"


def test_a_network_that_sees_nothing_predicts_the_frequencies():
    model = recipe.build_model((64,), 2, class_frequencies=[0.9, 0.1])
    np.testing.assert_allclose(model(np.zeros((1, 64)))[0], [0.9, 0.1], rtol=1e-5)
    assert (recipe.build_model((64,), 2).get_layer("softmax").bias.numpy() == 0).all()


def test_the_first_class_against_the_rest():
    data = Splits(read("digits"), [0])
    two = data.map(recipe.one_against_the_rest)
    np.testing.assert_array_equal(two.test.y, data.test.y == 0)
    assert two.class_names == ("rest", "0")
    assert np.mean(two.train.y) == pytest.approx(0.1, abs=0.01)


@pytest.fixture
def judged(made_up):
    """`judged(zero, log)` runs the recipe on made-up (first loss, last loss, test accuracy)."""

    def run(zero, log):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs):
                assert list(variants) == list(recipe.VARIANTS)
                for (bias, _), arguments in variants.items():
                    frequencies = arguments["class_frequencies"]
                    assert (frequencies is None) == (bias == ZERO)
                    if frequencies is not None:  # of nine in ten, and one in ten
                        np.testing.assert_allclose(frequencies, [0.9, 0.1], atol=0.01)
                runs = {}
                for bias, rate in variants:
                    first, last, test = zero if bias == ZERO else log
                    runs[bias, rate] = [
                        {
                            "accuracy": np.linspace(0.5, 0.99, 21),
                            "loss": np.linspace(first, last, 21) + noise,
                            "test_accuracy": test + noise,
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


def test_where_the_bias_helps_at_first_every_claim_holds(judged):
    assert judged(zero=(0.7, 0.1, 0.98), log=(0.3, 0.1, 0.98)) == ["holds"] * 3


def test_where_it_does_harm_none_does(judged):
    assert judged(zero=(0.3, 0.1, 0.98), log=(0.7, 0.1, 0.95)) == ["does not hold"] * 3
