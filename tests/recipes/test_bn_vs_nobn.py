"""The recipe bn_vs_nobn: its models by value, and its claims where the effect is planted."""

import keras
import numpy as np
import pytest

from recipes import bn_vs_nobn as recipe
from recipes._lab.lab import Lab, Options

SCALES = [10 ** (-4 * n / 15) for n in range(16)]
WITHOUT, WITH, DEFAULTS = "without BN", "with BN", "BN, Keras's defaults"


@pytest.mark.parametrize(
    ("arm", "normalization"), [(WITHOUT, None), (WITH, (0.9, 1e-5)), (DEFAULTS, (0.99, 1e-3))]
)
def test_the_layers_and_numbers_of_each_arm(arm, normalization):
    for scale in recipe.SCALES[::5]:
        model = recipe.build_model((64,), 10, **recipe.VARIANTS[arm, scale])
        expected = []
        for n in range(1, 6):
            expected.append((keras.layers.Dense, f"h{n}"))
            if normalization:
                expected.append((keras.layers.BatchNormalization, f"h{n}_bn"))
            expected.append((keras.layers.Activation, f"h{n}_act"))
        expected += [(keras.layers.Dropout, "dropout"), (keras.layers.Dense, "softmax")]
        assert [(type(layer), layer.name) for layer in model.layers] == expected
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dense):
                assert type(layer.kernel_initializer) is keras.initializers.RandomNormal
                assert layer.kernel_initializer.stddev == pytest.approx(scale)
                assert layer.kernel.numpy().std() == pytest.approx(scale, rel=0.1)
            elif isinstance(layer, keras.layers.BatchNormalization):
                assert (layer.momentum, layer.epsilon) == normalization
            elif isinstance(layer, keras.layers.Dropout):
                assert layer.rate == 0  # the book has none
        assert type(model.optimizer) is keras.optimizers.SGD
        assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01)


def test_no_two_layers_start_from_the_same_weights():
    model = recipe.build_model()
    kernels = [model.get_layer(f"h{n}").kernel.numpy() for n in range(2, 6)]
    assert all(not np.array_equal(a, b) for n, a in enumerate(kernels) for b in kernels[:n])


def test_defaults_are_those_of_keras():
    layer = keras.layers.BatchNormalization()
    expected = {"bn_momentum": layer.momentum, "bn_epsilon": layer.epsilon}
    assert recipe.ARMS[DEFAULTS] == expected


def test_every_arm_has_the_books_sixteen_scales():
    assert [key[1] for key in recipe.VARIANTS][:16] == pytest.approx(SCALES)
    assert list(recipe.VARIANTS) == [(arm, s) for arm in recipe.ARMS for s in recipe.SCALES]


def curves(ends, rng):
    """Make up six seeds of training that ends at a value for each arm and scale, with some noise.

    Args:
        ends: `{arm: 16 final accuracies}`.
        rng: a `np.random.Generator`.
    """
    return {
        (arm, scale): [
            {"accuracy": np.linspace(0.1, end, 21) + rng.normal(0, 0.002, 21)} for _ in range(6)
        ]
        for arm, of_scale in ends.items()
        for scale, end in zip(recipe.SCALES, of_scale, strict=True)
    }


@pytest.fixture
def verdicts(made_up):
    """`verdicts(ends)` runs the recipe on made-up results and returns its claims."""

    def run(ends):
        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs):
                assert (build_model, variants) == (recipe.build_model, recipe.VARIANTS)
                assert (epochs, data.train.x.shape[1]) == (20, 1000)
                self.results = made_up(curves(ends, np.random.default_rng(0)), chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        return lab

    return run


LEARNS, STUCK = 0.95, 0.1


def test_where_normalization_helps_every_claim_holds(verdicts):
    """BN learns at all but one scale, nothing else at more than two, Keras's defaults at eight."""
    lab = verdicts(
        {
            WITHOUT: [STUCK, STUCK, LEARNS, *[STUCK] * 13],
            WITH: [*[LEARNS] * 15, STUCK],
            DEFAULTS: [*[LEARNS] * 8, *[STUCK] * 8],
        }
    )
    assert [claim.verdict for claim in lab.claims] == ["holds"] * 4
    assert [claim.judgement.estimate for claim in lab.claims] == pytest.approx(
        [14, 14, 0, 7], abs=0.5
    )
    assert [claim.ours for claim in lab.claims] == [False, False, False, True]
    assert list(lab.rows) == [f"{arm}, best scale" for arm in recipe.ARMS]
    assert list(lab.figures) == ["figure.png", "figure-all-scales.png"]


def test_where_it_does_harm_none_does(verdicts):
    """The opposite: it learns without BN, at the smallest scale too, and best with the defaults."""
    lab = verdicts(
        {
            WITHOUT: [LEARNS] * 16,
            WITH: [*[STUCK] * 14, LEARNS, LEARNS],
            DEFAULTS: [LEARNS] * 16,
        }
    )
    assert [claim.verdict for claim in lab.claims] == ["does not hold"] * 4


def test_thirteen_scales_of_sixteen_are_too_few(verdicts):
    with_bn = [*[LEARNS] * 13, *[STUCK] * 3]
    without = [*[STUCK] * 13, *[LEARNS] * 3]
    lab = verdicts({WITHOUT: without, WITH: with_bn, DEFAULTS: with_bn})
    assert lab.claims[0].verdict == "does not hold"  # at three it is worse
    lab = verdicts({WITHOUT: [STUCK] * 16, WITH: with_bn, DEFAULTS: with_bn})
    assert lab.claims[0].verdict == "not detected"
