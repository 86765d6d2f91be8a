"""The recipe bn_covariate_shift: its layers and distances by value, claims on planted effects."""

import types

import keras
import numpy as np
import pytest
from scipy import stats

from recipes import bn_covariate_shift as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.training import architecture
from recipes._lab.training.members import Member
from recipes._lab.training.models import Models

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


def test_distance_is_that_of_wasserstein_in_standard_deviations():
    before, after = RNG.normal(2, 3, (50, 4)), RNG.normal(1, 5, (50, 4))
    spread = np.sqrt((before.var(axis=0) + after.var(axis=0)) / 2)
    expected = [stats.wasserstein_distance(before[:, n], after[:, n]) / spread[n] for n in range(4)]
    assert recipe.distance(before, after) == pytest.approx(np.mean(expected))
    before[:, 0] = after[:, 0] = 7  # a unit that is dead
    assert recipe.distance(before, after) == pytest.approx(np.sum(expected[1:]) / 4)


def test_the_outputs_of_h3_are_those_before_its_normalization():
    model = recipe.build_model((6,), 3)
    results = types.SimpleNamespace(seeds=lambda _: [4, 9], model=lambda *_: model)
    x = RNG.normal(size=(2, 40, 6)).astype(np.float32)
    first, second = recipe.outputs_of_h3(results, WITH, 5, x)
    h3 = keras.Model(model.inputs[0], model.get_layer("h3").output)
    np.testing.assert_allclose(first, h3(x[0], training=True), atol=1e-5)
    np.testing.assert_allclose(second, h3(x[1], training=True), atol=1e-5)


def test_the_shifts_are_proportional_to_the_spread():
    x = RNG.normal(size=(2, 100, 50))
    kinds = recipe.shifted(x, 4.0)
    assert list(kinds) == ["unchanged", *recipe.SHIFTS]
    np.testing.assert_array_equal(kinds["brighter"], x + 6)
    np.testing.assert_array_equal(kinds["fainter"], x / 4)
    assert (kinds["noisy"] - x).std() == pytest.approx(4, rel=0.05)


def test_models_with_renewed_averages_normalize_by_the_new_inputs():
    def build():
        return recipe.build_model((6,), 3, dropout=0.0)

    member = Member("a", build, architecture.read(build), 0, data=None, epochs=1)
    models = Models([member], [build().get_weights()])
    x = RNG.normal(3, 2, (1, 50, 6)).astype(np.float32)
    wanted = models.predict(x, training=True)
    assert np.abs(models.predict(x) - wanted).max() > 0.01
    renewed = recipe.renew_averages(models, x)
    np.testing.assert_allclose(renewed.predict(x), wanted, atol=1e-5)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(speeds, drifts, accuracies)` runs the recipe on made-up numbers.

    Args:
        speeds: accuracy in % in all epochs, in the order of the variants.
        drifts: how far each unit of a variant moves from epoch to epoch, likewise.
        accuracies: test accuracy in % of unchanged, brighter, fainter and noisy inputs, by network.
    """

    def run(speeds, drifts, accuracies):
        drifts = dict(zip(recipe.VARIANTS, drifts, strict=True))
        kinds = ["unchanged", *recipe.SHIFTS]

        def outputs_of_h3(results, variant, epoch, x):
            values = RNG.normal(0, 1, 300)[:, np.newaxis]
            return [values * 0 + np.linspace(-1, 1, 300)[:, None] + drifts[variant] * epoch] * 6

        class Network:
            """Right on the first so many of a hundred examples, all of class 0."""

            def __init__(self, name):
                self.right = dict(zip(kinds, accuracies[name], strict=True))

            def predict(self, kind):
                right = self.right[kind] + RNG.integers(0, 2, (6, 1))
                return np.eye(2)[(np.arange(100) >= right).astype(int)]

        class MadeUpLab(Lab):
            def data(self, examples):
                part = types.SimpleNamespace(x=np.zeros((6, 400, 3)), y=np.zeros((6, 100), int))
                return types.SimpleNamespace(train=part, test=part)

            def train(self, build_model, variants, data, *, epochs, record):
                assert all(e in record and e - 1 in record for e in recipe.EPOCHS)
                assert max(recipe.EPOCHS) == epochs
                runs = {
                    key: [{"accuracy": [0.1, v / 100, v / 100]} for v in RNG.normal(speed, 0.1, 6)]
                    for key, speed in zip(variants, speeds, strict=True)
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = Network
                return self.results

        monkeypatch.setattr(recipe, "outputs_of_h3", outputs_of_h3)
        monkeypatch.setattr(recipe, "shifted", lambda x, spread: {kind: kind for kind in kinds})
        monkeypatch.setattr(recipe, "renew_averages", lambda models, x: Network(recipe.RENEWED))
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-inputs.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_all_is_as_they_say_every_claim_holds(judged):
    """With noise BN keeps 9 of 10 points of speed; it loses less at two shifts of three."""
    accuracies = {
        WITHOUT: [90, 50, 60, 70],
        WITH: [90, 70, 80, 60],
        recipe.RENEWED: [90, 88, 88, 60],
    }
    assert judged([80, 90, 89], [0.3, 0.1, 0.5], accuracies) == ["holds"] * 5


def test_where_it_is_the_opposite_none_holds(judged):
    """With noise BN loses 5 of 10 points of speed; it loses more at two shifts of three."""
    accuracies = {
        WITHOUT: [90, 80, 80, 50],
        WITH: [90, 40, 30, 70],
        recipe.RENEWED: [90, 50, 40, 60],
    }
    assert judged([80, 90, 85], [0.3, 0.5, 0.1], accuracies) == ["does not hold"] * 5


def test_noise_takes_more_than_a_share_of_nothing(judged):
    """Where BN slows training down, there is no gain to keep."""
    accuracies = {name: [90, 50, 60, 70] for name in (WITHOUT, WITH, recipe.RENEWED)}
    assert judged([85, 80, 75], [0.3, 0.1, 0.5], accuracies)[2] == "does not hold"
