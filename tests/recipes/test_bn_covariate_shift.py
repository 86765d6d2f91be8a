"""The recipe bn_covariate_shift: its layers and distances by value, claims on planted effects."""

import types

import numpy as np
import pytest
from scipy import stats

from recipes import bn_covariate_shift as recipe
from recipes._lab.lab import Lab, Options

RNG = np.random.default_rng(1)
WITHOUT, WITH, NOISY = "without BN", "with BN", "BN, then noise"


@pytest.mark.parametrize(
    ("variant", "between"), [(WITHOUT, []), (WITH, ["h3_bn"]), (NOISY, ["h3_bn", "h3_noise"])]
)
def test_the_layers_of_each_variant(variant, between):
    model = recipe.build_model(**recipe.VARIANTS[variant])
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name.startswith("h3")] == ["h3", *between, "h3_act"]


def test_the_noise_is_one_row_for_all_examples_and_only_in_training():
    layer, x = recipe.ShiftingNoise(0.5), np.zeros((3, 4000), np.float32)
    noise = layer(x, training=True).numpy()
    np.testing.assert_array_equal(noise, np.repeat(noise[:1], 3, axis=0))
    assert noise.std() == pytest.approx(0.5, rel=0.05)
    assert np.abs(layer(x, training=True).numpy() - noise).max() > 0.5  # drawn anew
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_drift_is_that_of_wasserstein_in_standard_deviations():
    h3 = {9: RNG.normal(2, 3, (2, 50, 4)), 10: RNG.normal(1, 5, (2, 50, 4))}
    h3[9][0, :, 0] = h3[10][0, :, 0] = 7  # a unit that is dead
    h3[10][1, :, 3] = np.nan  # as after training that diverged
    noise = []

    def models(variant, epoch):
        def outputs(x, *, training, draw):
            assert (variant, x, training) == (WITH, "inputs", True)
            noise.append(draw)
            return {"h3": h3[epoch]}

        return types.SimpleNamespace(outputs=outputs)

    expected = np.zeros((2, 4))
    for seed, unit in np.ndindex(2, 4):
        before, after = h3[9][seed, :, unit], h3[10][seed, :, unit]
        if (seed, unit) not in ((0, 0), (1, 3)):
            spread = np.sqrt((before.var() + after.var()) / 2)
            expected[seed, unit] = stats.wasserstein_distance(before, after) / spread
    drift = recipe.drift_of_h3(types.SimpleNamespace(models=models), WITH, 10, "inputs")
    assert drift == pytest.approx(expected.mean(axis=1))
    assert noise[0] != noise[1]  # drawn anew


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(speeds, drifts)` runs the recipe on made-up numbers.

    Args:
        speeds: accuracy in % in all epochs, in the order of the variants.
        drifts: how far the outputs of a variant move in an epoch, likewise.
    """

    def run(speeds, drifts):
        drifts = dict(zip(recipe.VARIANTS, drifts, strict=True))

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, record):
                assert all(e in record and e - 1 in record for e in recipe.EPOCHS)
                assert max(recipe.EPOCHS) == epochs
                runs = {
                    key: [{"accuracy": [0.1, v / 100, v / 100]} for v in RNG.normal(speed, 0.1, 6)]
                    for key, speed in zip(variants, speeds, strict=True)
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        def drift_of_h3(results, variant, epoch, x):
            assert x.shape[:2] == (6, 300)
            return RNG.normal(drifts[variant], 0.01, 6)

        monkeypatch.setattr(recipe, "drift_of_h3", drift_of_h3)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_less_drift_is_not_why_bn_helps_every_claim_holds(judged):
    """With noise BN keeps 9 of 10 points of speed."""
    assert judged([80, 90, 89], [0.3, 0.1, 0.5]) == ["holds"] * 3


def test_where_it_is_none_does(judged):
    """With noise BN loses 5 of 10 points of speed."""
    assert judged([80, 90, 85], [0.3, 0.5, 0.1]) == ["does not hold"] * 3


def test_noise_takes_more_than_a_share_of_nothing(judged):
    """Where BN slows training down, there is no gain to keep."""
    assert judged([85, 80, 75], [0.3, 0.1, 0.5])[2] == "does not hold"
