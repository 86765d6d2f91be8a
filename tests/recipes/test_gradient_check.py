"""The recipe gradient_check: gradients by hand, planted mistakes, and claims on made-up ones."""

import types

import keras
import numpy as np
import pytest

from recipes import gradient_check as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    x, y = random.random((40, 3), np.float32), random.integers(0, 2, 40).astype(np.int32)
    return Dataset("made up", ("a", "b"), *[Split(x, y)] * 3)


def small(dropout=0.5):
    """Return three normalized layers of two units, with Dropout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "UNITS", 2)
        return recipe.build_model((3,), 2, dropout=dropout, dtype="float64")


@pytest.fixture(scope="module")
def given(data):
    weights = [variable.numpy() for variable in small().trainable_variables]
    return recipe.setting(data, weights, 1, "float64")


def test_the_variants_differ_in_activation_only():
    assert recipe.VARIANTS == {"tanh": {"activation": "tanh"}, "ReLU": {"activation": "relu"}}
    model = recipe.build_model((7,), 3, **recipe.VARIANTS["ReLU"])
    names = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    assert model.get_layer("h2_act").activation is keras.activations.relu
    assert not model.get_layer("h1").use_bias
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert {v.dtype for v in small().trainable_variables} == {"float64"}


def test_the_relative_error_is_that_of_cs231n():
    found = recipe.relative_error(np.array([1, 0, 0, -2, 3]), np.array([2, 0, 5, 2, 3]))
    np.testing.assert_array_equal(found, [0.5, np.nan, 1, 2, 0])


def test_a_setting_holds_places_in_every_weight_and_a_batch(data, monkeypatch):
    monkeypatch.setattr(recipe, "NUMBERS", 20)
    weights = [np.zeros((100, 10)), np.full(10, 1.0), np.full(10, 2.0)]
    places, row, mask, x, y = recipe.setting(data, weights, 3, "float32")
    assert len(set(places)) == 20
    counts = np.histogram(places, [0, 1000, 1010, 1020])[0]
    assert (counts >= 3).all()  # in proportion to their sizes the small ones would have none
    np.testing.assert_array_equal(row, np.concatenate([w.ravel() for w in weights]))
    assert row.dtype == x.dtype == np.float32
    assert (len(x), mask.tolist()) == (20, [3, 0])
    drawn = [np.flatnonzero((data.train.x == example).all(axis=1)).item() for example in x]
    np.testing.assert_array_equal(data.train.y[drawn], y)
    assert recipe.setting(data, weights, 4, "float32")[0].tolist() != places.tolist()


def test_both_gradients_are_those_of_the_loss_in_training(data):
    """Without Dropout, against the formulas in NumPy."""
    model = small(dropout=0.0)
    weights = [variable.numpy() for variable in model.trainable_variables]
    places, row, mask, x, y = recipe.setting(data, weights, 1, "float64")

    def loss(row):
        parts = iter(np.split(row, np.cumsum([weight.size for weight in weights])[:-1]))
        shapes = iter(weight.shape for weight in weights)
        values = x
        for _ in range(3):
            values = values @ next(parts).reshape(next(shapes))
            values = (values - values.mean(axis=0)) / np.sqrt(values.var(axis=0) + 1e-3)
            values = np.tanh(next(parts) * values + next(parts))
            next(shapes), next(shapes)
        values = values @ next(parts).reshape(next(shapes)) + next(parts)
        chances = np.exp(values) / np.exp(values).sum(axis=1, keepdims=True)
        return -np.log(chances[np.arange(len(y)), y]).mean()

    analytic, numeric = recipe.differentiators(model)
    exact, found = analytic(row, mask, x, y), numeric(places, row, mask, x, y)
    for n, h in ((0, 1e-1), (3, 1e-4)):
        for k, place in enumerate(places[:9]):
            up, down = (loss(row + s * h * (np.arange(len(row)) == place)) for s in (1, -1))
            assert found["centred"][n, k] == pytest.approx((up - down) / (2 * h), abs=1e-10)
            assert found["one-sided"][n, k] == pytest.approx((up - loss(row)) / h, abs=1e-10)
            if n == 3:
                assert exact[place] == pytest.approx((up - down) / (2 * h), abs=1e-6)


def test_a_mask_stays_unless_another_is_asked_for(given):
    places, *rest = given
    analytic, numeric = recipe.differentiators(small())
    exact = analytic(*rest)[places]
    assert np.nanmax(recipe.relative_error(exact, numeric(places, *rest)["centred"][4])) < 1e-4
    other = numeric(places, *rest, other=1)
    assert np.nanmedian(recipe.relative_error(exact, other["centred"][4])) > 0.9


def test_a_wrong_slope_is_found_up_to_its_layer(given):
    x = keras.ops.linspace(-2.0, 2.0, 9)
    np.testing.assert_allclose(recipe.wrong_tanh(x), np.tanh(x), rtol=1e-6)
    _, *rest = given
    model = small()
    right = recipe.differentiators(model)[0](*rest)
    model.get_layer("h2_act").activation = recipe.wrong_tanh
    wrong = recipe.differentiators(model)[0](*rest)
    third = 6 + 2 + 2 + 4 + 2 + 2  # kernels, gammas and betas of the first two layers
    np.testing.assert_array_equal(right[third:], wrong[third:])
    assert (abs(right - wrong)[10:third] > 1e-3).any()
    assert (abs(right - wrong)[:6] > 1e-3).any()


H = np.array([float(f"1e-{n}") for n in range(1, 13)])[:, None]


def made_up(model):
    """Return gradients of 1 and quotients whose errors follow the two laws, with one number off."""
    dtype = model.layers[0].compute_dtype

    def numeric(places, row, mask, x, y, other=0):
        act = model.get_layer("h2_act").activation
        rounding = {"float64": 1e-16, "float32": 1e-7}[dtype] / H
        off = np.where(np.arange(len(places)) == 7, 30, 1)  # the largest error
        if act is keras.activations.relu:
            off = off * np.where(H > 1e-5, 100, 1)
        errors = {rule: off * (H**power / 10 + rounding) for rule, power in POWERS.items()}
        if act is recipe.wrong_tanh:
            errors = {rule: np.where(places < THIRD, 0.2, of) for rule, of in errors.items()}
        later = 10 if row[0] == 2 else 1  # after training
        return {rule: 1 - np.minimum(0.999, later * of + other) for rule, of in errors.items()}

    return lambda row, *_: np.ones(len(row)), numeric


POWERS = {"centred": 2, "one-sided": 1}
SHAPES = [s for n in (7, 20, 20) for s in ((n, 20), (20,), (20,))] + [(20, 3), (3,)]
THIRD = 7 * 20 + 20 * 20 + 4 * 20


@pytest.fixture
def lab(data, monkeypatch):
    x, y = np.zeros((30, 7), np.float32), np.arange(30) % 3
    given = Dataset("made up", ("a", "b", "c"), *[Split(x, y)] * 3)

    def models(variant, epoch):
        value = {0: 1.0, None: 2.0}[epoch]
        weights = {f"weight {n}": np.full((6, *shape), value) for n, shape in enumerate(SHAPES)}
        return types.SimpleNamespace(weights={"moving_mean": None} | weights)

    class MadeUpLab(Lab):
        def data(self, examples):
            return given

        def train(self, build_model, variants, data, *, epochs, record):
            assert (variants, epochs, record) == (recipe.VARIANTS, 10, (0,))
            return types.SimpleNamespace(models=models)

    monkeypatch.setattr(recipe, "differentiators", made_up)
    return MadeUpLab(Options(seeds=6), None, None, None)


def test_the_claims_of_made_up_gradients(lab):
    recipe.run(lab)
    found = [(claim.judgement.verdict, claim.judgement.estimate) for claim in lab.claims]
    h = 1e-5
    usual = h**2 / 10 + 1e-16 / h
    yes = "holds"
    expected = [
        (yes, -7 - np.log10(10 * usual)),
        (yes, -4 - np.log10(300 * usual)),
        ("does not hold", 2 + np.log10(30 * (1e-5 + 1e-5))),
        (yes, np.log10((1e-11 + 1e-2) / usual)),
        (yes, np.log10((1e-7 + 1e-13) / (1e-5 + 1e-14)) + 2),
        (yes, np.log10((1e-4 + 1e-13) / (1e-3 + 1e-14)) + 1),
        (yes, np.log10((1e-21 + 1e-6) / (1e-15 + 1e-9)) - 3),
        (yes, 2),
        (yes, np.log10(0.999) + 2),
        (yes, np.log10(0.2) + 2),
    ]
    assert found == [(verdict, pytest.approx(value, abs=1e-6)) for verdict, value in expected]
    assert list(lab.figures) == ["figure.png"]
