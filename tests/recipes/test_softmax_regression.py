"""The recipe softmax_regression: its models and measures by value, its claims on made-up models."""

import types

import keras
import numpy as np
import pytest
from matplotlib.figure import Figure

from recipes import softmax_regression as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


def test_the_variants_differ_in_the_hidden_layer_only():
    names = [f"{k}, {n}" for k in ("blobs", "data") for n in ("no hidden layer", "hidden layer")]
    assert list(recipe.VARIANTS) == names
    for units, name in zip((0, 100, 0, 100), names, strict=True):
        assert recipe.VARIANTS[name] == {"units": units, "batch_norm": False, "dropout": 0}
        model = recipe.build_model((5,), 3, **recipe.VARIANTS[name])
        hidden = ["h1", "h1_act"] if units else []
        assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
        assert model.count_params() == (5 * 100 + 100 + 100 * 3 + 3 if units else 5 * 3 + 3)


def test_normalization_is_there_by_default_with_and_without_a_hidden_layer():
    for units, before, after in ((9, ["h1"], ["h1_act"]), (0, [], [])):
        names = [layer.name for layer in recipe.build_model((5,), 3, units=units).layers]
        assert names == [*before, "h1_bn", *after, "dropout", "softmax"]


def test_the_two_classes_are_the_most_frequent_and_of_one_length():
    split = Split(np.arange(9.0)[:, None], np.array([0, 2, 1, 2, 1, 2, 1, 1, 0]))
    first, second, two = recipe.two_classes(split)
    assert two.tolist() == [1, 2]
    assert first.ravel().tolist() == [2, 4, 6]
    assert second.ravel().tolist() == [1, 3, 5]


def models_of(logit):
    """Two equal models in two dimensions, whose second class has this logit, the first 0."""

    def predict(x):
        z = np.stack([np.zeros(np.shape(x)[:-1]), logit(np.asarray(x))], axis=-1)
        outputs = np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True)
        return np.stack([outputs.reshape(-1, *outputs.shape[-2:])[0]] * 2)

    return types.SimpleNamespace(predict=predict)


def test_between_two_ties_is_a_third_on_a_line_and_none_on_a_parabola():
    x = np.random.default_rng(0).uniform(-2, 2, (200, 2))
    for logit, straight in (
        (lambda x: x @ [2, 1] - 0.5, True),
        (lambda x: x[..., 0] ** 2 - 1, False),
    ):
        models = models_of(logit)
        split = Split(x, (logit(x) > 0).astype(int))
        odds = recipe.odds_between_ties(models, split)
        assert odds.shape == (2,)
        # Halfway between x = -1 and x = 1 the logit is 0² - 1.
        assert odds == pytest.approx(0 if straight else 1, abs=1e-9)


def test_what_meets_no_boundary_counts_nothing():
    split = Split(np.eye(2), np.array([0, 1]))
    assert recipe.odds_between_ties(models_of(lambda x: x[..., 0] + 9), split).tolist() == [0, 0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_gradient_is_found_right_and_another_wrong(dtype, monkeypatch):
    z, y = np.array([[0.0, 3, -2], [5, 1, 1], [0, 0, 0]]), np.array([1, 2, 0])
    assert recipe.gradient_error(z, y, dtype) < 3
    loss = keras.losses.sparse_categorical_crossentropy

    def twice(y, outputs):
        return 2 * loss(y, outputs)

    monkeypatch.setattr(keras.losses, "sparse_categorical_crossentropy", twice)
    # At the last example the gradient is -2/3, and at once -4/3.
    assert recipe.gradient_error(z, y, dtype) > 0.6 / np.finfo(dtype).eps


def test_two_units_at_half_the_rate_and_no_other_are_one():
    random = np.random.default_rng(0)
    y = np.arange(60) % 2
    split = Split(random.normal(y[:, None] - 0.5, 1, (60, 3)), y)
    assert recipe.gap_to_logistic(split, 1, 0.5) < 1e-12
    assert min(recipe.gap_to_logistic(split, 1, share) for share in (0.4, 0.6, 1)) > 0.01


def test_the_blobs_are_alike_in_each_part_and_of_the_widths_given():
    split = Split(np.zeros((1, 2)), np.zeros(1, int))
    blobs = recipe.make_blobs(Dataset("any", ("a",), split, split, split), examples=4000)
    for part in (blobs.train, blobs.validation, blobs.test):
        assert np.bincount(part.y).tolist() == [1000] * 4
        for label, (centre, width) in enumerate(zip(recipe.CENTRES, recipe.WIDTHS, strict=True)):
            x = part.x[part.y == label]
            assert x.mean(axis=0) == pytest.approx(centre, abs=0.1)
            assert x.std(axis=0) == pytest.approx(width, rel=0.1)


def test_the_claims_of_made_up_models(hand_made, monkeypatch):
    """Logits are 0 and 2 a; the sums are off by .25; both boundaries are bent."""
    monkeypatch.setattr(recipe, "draw", lambda split, models: Figure(figsize=(1, 1)))
    odds = {
        "blobs, no hidden layer": 2e-4,
        "blobs, hidden layer": 1,
        "data, no hidden layer": 5e-4,
        "data, hidden layer": 0.5,
    }
    found = iter([np.full(6, odds[name]) for name in recipe.VARIANTS])
    monkeypatch.setattr(recipe, "odds_between_ties", lambda models, split: next(found))
    monkeypatch.setattr(recipe, "gradient_error", lambda z, y, kind: 11 if kind == "float64" else 2)
    monkeypatch.setattr(recipe, "gap_to_logistic", lambda split, seed, share: (share - 0.5) / 10)
    x = np.array([[1.0], [-1.0]])

    class MadeUpLab(Lab):
        def data(self, examples):
            return Dataset("made up", ("a", "b"), *[Split(x, np.array([1, 0]))] * 3)

        def tune(self, build_model, variants, data, *, epochs):
            assert [name.partition(",")[0] for name in variants] == ["data", "data"]
            return {name: of | {"learning_rate": 3} for name, of in variants.items()}

        def train(self, build_model, variants, data, *, epochs):
            assert [of["learning_rate"] for of in variants.values()] == [0.3, 0.3, 3, 3]
            end = {name: 0.9 + 0.05 * (name == "data, hidden layer") for name in variants}
            made = hand_made({name: [{"accuracy": [0.5, of]}] * 6 for name, of in end.items()})
            weights = {"kernel": np.tile([[[0.0, 2]]], (6, 1, 1)), "bias": np.zeros((6, 2))}
            off = types.SimpleNamespace(
                weights=weights, predict=lambda x: np.full((6, 2, 2), 0.625)
            )
            made.models = lambda name: off
            return made

    lab = MadeUpLab(Options(seeds=6), None, None, None)
    recipe.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([0.25, 5e-4, 11, 0, 0, 0, 2, 5, 5], abs=1e-12)
    no = [n for n, claim in enumerate(lab.claims) if claim.judgement.verdict == "does not hold"]
    assert no == [0, 2]
    assert "4 parameters with a hidden layer, not 4," in lab.claims[-1].text
    assert list(lab.figures) == ["figure.png", "figure-hardmax.png"]
