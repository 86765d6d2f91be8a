"""The recipe bn_learning_rate: its models by value, and its claims on made-up histories."""

import keras
import numpy as np
import pytest

from recipes import bn_learning_rate as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

WITHOUT, WITH = "without BN", "with BN"


@pytest.mark.parametrize("depth", [5, 10])
@pytest.mark.parametrize("arm", [WITHOUT, WITH])
def test_the_layers_and_numbers_of_each_arm(depth, arm):
    arguments = recipe.VARIANTS[f"{depth} layers, {arm}, lr 0.22"]
    model = recipe.build_model((64,), 10, **arguments)
    kinds = [keras.layers.Dense, keras.layers.BatchNormalization, keras.layers.Activation]
    names = ["h{}", "h{}_bn", "h{}_act"]
    if arm == WITHOUT:
        del kinds[1], names[1]
    expected = [
        (kind, name.format(n))
        for n in range(1, depth + 1)
        for kind, name in zip(kinds, names, strict=True)
    ]
    expected += [(keras.layers.Dropout, "dropout"), (keras.layers.Dense, "softmax")]
    assert [(type(layer), layer.name) for layer in model.layers] == expected
    for layer in model.layers[:-1]:
        if isinstance(layer, keras.layers.Dense):
            assert type(layer.kernel_initializer) is keras.initializers.HeNormal
            assert layer.units == 100
        elif isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
        elif isinstance(layer, keras.layers.Activation):
            assert layer.activation is keras.activations.relu
    assert type(model.optimizer) is keras.optimizers.SGD
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(10 ** (-2 / 3))


def test_twelve_rates_three_to_a_factor_of_ten():
    rates = [10 ** (n / 3) for n in range(-7, 5)]
    for depth in (5, 10):
        for arm in (WITHOUT, WITH):
            names = [f"{depth} layers, {arm}, lr {rate:.2g}" for rate in rates]
            variants = [recipe.VARIANTS[name] for name in names]
            assert [v["learning_rate"] for v in variants] == pytest.approx(rates)
            assert {(v["hidden_layers"], v["batch_norm"]) for v in variants} == {
                (depth, arm == WITH)
            }
    assert len(recipe.VARIANTS) == 48


def test_width_and_largest_of_usable_rates():
    usable = np.zeros((3, 12), bool)
    usable[0, [2, 3, 4, 7]] = True  # a gap does not count
    usable[1] = True
    np.testing.assert_allclose(recipe.width(usable), [4 / 3, 4, 0])
    # Rate 7 is 1; rate 11 is 10^(4/3); without any, the step below 10^(-7/3).
    np.testing.assert_allclose(recipe.largest(usable), [0, 4 / 3, -8 / 3], atol=1e-12)


def made_up(hand_made):
    """Make up histories of which each arm's last usable rate, its epochs and its top are known."""
    rng = np.random.default_rng(0)
    arms = {
        (5, WITHOUT): (5, 5, 0.9),
        (5, WITH): (9, 2, 0.9),
        (10, WITHOUT): (3, 0, 0.8),
        (10, WITH): (8, 3, 0.9),
    }
    variants = {}
    for (depth, arm), (last, epochs, top) in arms.items():
        for n, rate in enumerate(recipe.RATES):
            final = top - 0.01 * (last - n) if 2 <= n <= last else 0.5
            if n == 0:
                final = 0.75
            if n == 1 and depth == 10:
                final = 0.6 if arm == WITHOUT else 0.55
            curve = np.where(np.arange(16) < (epochs if n == last else 7), 0.3, final)
            accuracy = curve + rng.normal(0, 0.001, (5, 16))
            if n == 1 and depth == 10:  # training tells another story than validation
                accuracy = (0.2 if arm == WITHOUT else 0.3) + rng.normal(0, 0.001, (5, 16))
            test = final - (0.1 if arm == WITHOUT else 0.05)
            runs = [{"accuracy": a, "val_accuracy": curve, "test_accuracy": test} for a in accuracy]
            variants[f"{depth} layers, {arm}, lr {rate:.2g}"] = runs
    return hand_made(variants, chance=0.1, classes=10)


def test_the_claims_of_made_up_histories(hand_made):
    histories = made_up(hand_made)

    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, watch):
            assert variants is recipe.VARIANTS
            assert set(watch) < set(variants)
            self.histories = histories
            return histories

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    # The bar is .1 + .9 x (.9 - .1) = .82. Of 12 rates 8 are usable with BN and 4 without, at 10
    # layers 7 and none: that counts as a step below the smallest, and as 16 of 15 epochs.
    expected = [4 / 3, 7 / 3, 4 / 3, 1 / 3 + 8 / 3, 3, 13, 5, 15, -10, 5]
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx(expected, abs=0.1)
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 9
    units = ["factors of ten"] * 4 + ["epochs"] * 2 + ["points"] * 4
    assert [claim.judgement.unit for claim in lab.claims] == units
    assert list(lab.figures) == ["figure.png", "figure-best_rates.png"]
    chosen = [f"5 layers, {WITHOUT}, lr 0.22", f"5 layers, {WITH}, lr 4.6"]
    chosen += [f"10 layers, {WITHOUT}, lr 0.046", f"10 layers, {WITH}, lr 2.2"]
    assert list(lab.rows) == chosen
