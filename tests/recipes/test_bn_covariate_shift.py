"""The recipe bn_covariate_shift: its layers, distances, shifts and the signs of its claims."""

import types

import keras
import numpy as np
import pytest
from scipy import stats

from recipes import bn_covariate_shift as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.errors import UserError
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.training import architecture
from recipes._lab.training.members import Member
from recipes._lab.training.models import Models

RNG = np.random.default_rng(1)


@pytest.mark.parametrize(
    ("arm", "between", "rate"),
    [
        ("WITHOUT", [], 0.1),
        ("WITH", ["h3_bn"], 0.1),
        ("LAYER", ["h3_ln"], 0.1),
        ("FAST", ["h3_bn"], 1.0),
        ("NOISY", ["h3_bn", "h3_noise"], 0.1),
    ],
)
def test_the_layers_and_the_rate_of_each_variant(arm, between, rate):
    model = recipe.build_model(**recipe.VARIANTS[getattr(recipe, arm)])
    names = [layer.name for layer in model.layers]
    assert [name for name in names if name[:2] == "h3"] == ["h3", *between, "h3_act"]
    assert sum(name.endswith("_noise") for name in names) == (5 if arm == "NOISY" else 0)
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(rate)


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
    before[:, 0] = after[:, 0] = 7  # constant
    before[:, 1], after[:, 1] = np.nan, np.inf  # diverged
    assert recipe.distance(before, after) == pytest.approx(np.sum(expected[2:]) / 4)


def test_drift_is_measured_over_epochs_with_weights_before_and_after():
    model = recipe.build_model((6,), 3, normalization=None)
    first = model.get_weights()
    second = [w + 0.5 * (n == 5) for n, w in enumerate(first)]  # the bias of h3
    result = types.SimpleNamespace(snapshots={0: first, 4: first, 5: second, 6: first})
    histories = types.SimpleNamespace(
        recorded=lambda _: [0, 4, 5, 6],
        seeds=lambda _: [9],
        results={("a", 9): result},
        model=lambda *_: keras.models.clone_model(model),
    )
    x = RNG.normal(size=(40, 6)).astype(np.float32)
    ends, moved = recipe.drift(histories, "a", x)
    spread = keras.Model(model.inputs[0], model.get_layer("h3").output)(x).numpy().std(axis=0)
    assert ends == [5, 6]
    np.testing.assert_allclose(moved, [[np.mean(0.5 / spread)] * 2], rtol=1e-4)


def test_the_shifts_are_proportional_to_the_spread():
    images = np.arange(32, dtype=float).reshape(1, 2, 16, 1)
    x = images.reshape(1, 32)
    kinds = recipe.shifted(x, 4.0, images)
    np.testing.assert_array_equal(kinds["brighter"], x + 6)
    np.testing.assert_array_equal(kinds["fainter"], x / 4)
    moved = kinds["moved sideways"].reshape(2, 16)  # by two of sixteen columns
    np.testing.assert_array_equal(moved[:, :3], [[14, 15, 0], [30, 31, 16]])
    large = np.zeros((100, 100))
    assert recipe.shifted(large, 4.0, None)["noisy"].std() == pytest.approx(4, rel=0.05)
    assert "moved sideways" not in recipe.shifted(large, 4.0, None)


def test_adapted_models_normalize_by_the_statistics_of_the_new_inputs():
    def build():
        return recipe.build_model((6,), 3, dropout=0.0)

    member = Member("a", build, architecture.read(build), 0, data=None, epochs=1)
    models = Models([member], [build().get_weights()])
    x = RNG.normal(3, 2, (50, 6)).astype(np.float32)
    wanted = models.predict(x, training=True)
    assert np.abs(models.predict(x) - wanted).max() > 0.01
    np.testing.assert_allclose(recipe.adapt(models, x).predict(x), wanted, atol=1e-5)


def test_the_claims_of_made_up_results(hand_made, monkeypatch):
    r, zeros = recipe, np.zeros((4, 2), np.float32)
    split = Split(zeros, np.zeros(4, np.int32))
    data = Dataset("made-up", ("a", "b"), split, split, split)
    ends = {r.WITHOUT: 0.7, r.WITH: 0.9, r.LAYER: 0.8, r.FAST: 0.95, r.NOISY: 0.86}
    histories = hand_made({v: [{"accuracy": [0.1, e, e]}] * 6 for v, e in ends.items()})
    drifts = {r.WITHOUT: 0.4, r.WITH: 0.1, r.LAYER: 0.3, r.FAST: 0.2, r.NOISY: 0.9}
    # Accuracy of unchanged inputs and of three kinds of shift, which the first input tells apart.
    accuracy = {
        r.WITHOUT: [0.90, 0.80, 0.70, 0.60],
        r.WITH: [0.92, 0.81, 0.74, 0.55],
        r.LAYER: [0.90, 0.90, 0.90, 0.90],
        r.FAST: [0.94, 0.80, 0.80, 0.70],
        r.ADAPTED: [0.91, 0.91, 0.74, 0.0],
    }

    class Trained:
        def __init__(self, name):
            self.accuracy = lambda split: np.full(6, accuracy[name][int(split.x[0, 0])])

    def shifted(x, spread, images):
        assert images is None
        return {kind: x + n for n, kind in enumerate(("brighter", "fainter", "noisy"), 1)}

    class MadeUpLab(Lab):
        def data(self, *, images=False, examples=None):
            if images:
                raise UserError("vectors")
            return data

        def train(self, build_model, variants, data, *, epochs, record):
            assert (list(variants), epochs) == (list(drifts), 20)
            assert all(n - 1 in record or n + 1 in record for n in record)
            return histories

    histories.models = Trained
    monkeypatch.setattr(r, "drift", lambda _, v, x: ([1, 2], np.full((6, 2), drifts[v])))
    monkeypatch.setattr(r, "adapt", lambda models, x: Trained(r.ADAPTED))
    monkeypatch.setattr(r, "shifted", shifted)
    lab = MadeUpLab(Options(), None, None, None)
    r.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    # Lost without BN: 10, 20, 30 points; with it 11, 18, 37; at lr 1 14, 14, 24; adapted 0, 17.
    assert estimates == pytest.approx([0.3, 0.2, 0.5, 16, -4, -1, 2, -7, 2, 2])
    assert "(at least 2 asked" in lab.claims[-2].judgement.finding  # of three shifts
    assert "(all asked" in lab.claims[-1].judgement.finding  # two of two
    assert list(lab.figures) == ["figure.png", "figure-shifted-inputs.png"]
