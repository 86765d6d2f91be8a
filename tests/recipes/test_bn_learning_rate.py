"""The recipe bn_learning_rate: its models by value, its claims where the effect is planted."""

import keras
import numpy as np
import pytest

from recipes import bn_learning_rate as recipe
from recipes._lab.lab import Lab, Options

WITHOUT, WITH = "without BN", "with BN"
NETWORKS = [(depth, arm) for depth in ("5 layers", "10 layers") for arm in (WITHOUT, WITH)]


@pytest.mark.parametrize(("depth", "arm"), NETWORKS)
def test_the_layers_and_the_rate_of_each_network(depth, arm):
    rate = recipe.RATES[3]
    model = recipe.build_model((64,), 10, **recipe.VARIANTS[depth, arm, rate])
    parts = ("", "_bn", "_act") if arm == WITH else ("", "_act")
    names = [f"h{n}{part}" for n in range(1, int(depth.split()[0]) + 1) for part in parts]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    assert model.get_layer("dropout").rate == 0
    assert type(model.get_layer("h2").kernel_initializer) is keras.initializers.HeNormal
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.64)


def test_six_rates_by_factors_of_four():
    np.testing.assert_allclose(recipe.RATES, 0.01 * 4 ** np.arange(6))
    assert len(recipe.VARIANTS) == 4 * 6


def test_the_largest_usable_rate_of_each_seed():
    usable = np.zeros((6, 3))  # (rates, seeds)
    usable[[1, 3], 0] = 1  # a gap does not count
    usable[:, 1] = 1
    np.testing.assert_allclose(10 ** recipe.largest(usable), [0.64, 10.24, 0.005])


@pytest.fixture
def judged(made_up):
    """`judged(planted)` runs the recipe where a network learns up to a rate, from an epoch on."""

    def run(planted):
        def runs(depth, arm, rate):
            last, epoch = planted[depth, arm]
            accuracy = np.where(np.arange(16) < epoch, 0.5, 0.95)
            if rate > recipe.RATES[last] * 1.01:
                accuracy = np.full(16, 0.1)
            rank = 0.01 * list(recipe.RATES).index(rate)  # the largest usable rate is the best
            return [{"accuracy": accuracy, "val_accuracy": accuracy - 0.2 + rank}] * 8

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, watch):
                assert (build_model, variants, epochs) == (recipe.build_model, recipe.VARIANTS, 15)
                self.results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        keys = [(*network, recipe.RATES[planted[network][0]]) for network in NETWORKS]
        assert list(lab.rows.values()) == keys
        return [(claim.verdict, round(claim.judgement.estimate, 2)) for claim in lab.claims]

    return run


def test_where_normalization_allows_more_every_claim_holds(judged):
    ends = [(3, 7), (5, 2), (1, 99), (5, 3)]  # one never gets to 90 %: that counts as 16 epochs
    found = judged(dict(zip(NETWORKS, ends, strict=True)))
    assert found == [("holds", n) for n in (1.2, 3.31, 2, 5, 13)]


def test_where_it_allows_less_none_does(judged):
    found = judged(dict(zip(NETWORKS, [(5, 2), (3, 7), (5, 3), (1, 9)], strict=True)))
    assert found == [("does not hold", n) for n in (-1.2, -2.41, 0, -5, -6)]
