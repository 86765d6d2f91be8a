"""The recipe softmax_logits: its losses and errors by value, and its claims on made-up numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes import softmax_logits as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.training.stack import Stack

FORMS = ("softmax", "logits", "raw logits", "likelihood")


def test_the_variants_differ_in_loss_and_normalization_only():
    names = [f"{loss}, {norm}" for norm in ("with BN", "without BN") for loss in FORMS]
    assert list(recipe.VARIANTS) == names
    for name, arguments in recipe.VARIANTS.items():
        loss, norm = name.split(", ")
        assert arguments == {"loss": loss, "batch_norm": norm == "with BN", "dropout": 0}
        model = recipe.build_model((5,), 3, **arguments)
        parts = ["", "_bn", "_act"] if norm == "with BN" else ["", "_act"]
        hidden = [f"h{n}{part}" for n in (1, 2) for part in parts]
        assert [layer.name for layer in model.layers] == [*hidden, "dropout", "softmax"]
        linear = model.layers[-1].activation is keras.activations.linear
        assert linear == (loss in ("logits", "raw logits"))


def test_what_a_compiled_model_says_of_its_loss_is_its_form():
    """Where p = .7 is the probability of the right class."""
    logits, x, y = np.log([0.7, 0.1, 0.2]), np.zeros((1, 5), np.float32), np.zeros(1, int)
    expected = {
        "softmax": -np.log(0.7),
        "logits": -np.log(0.7),
        "raw logits": np.log(3),  # all are clipped to the same
        "likelihood": 0.3,
    }
    for form in FORMS:
        model = recipe.build_model((5,), 3, loss=form, batch_norm=False, dropout=0.0)
        model.layers[-1].set_weights([np.zeros((100, 3)), logits])
        assert float(model.compute_loss(x, y, model(x))) == pytest.approx(expected[form], abs=1e-3)


def test_the_likelihood_s_gradient_is_that_of_minus_p():
    z, y = tf.constant(np.random.default_rng(0).normal(0, 3, (50, 4))), np.arange(50) % 4
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = recipe.LOSSES["likelihood"].call(y, keras.ops.softmax(z))
    outputs = keras.ops.softmax(z).numpy()
    share = outputs[np.arange(50), y][:, None]
    assert tape.gradient(loss, z).numpy() == pytest.approx(
        share * (outputs - np.eye(4)[y]), rel=0.02
    )


def test_the_likelihood_of_many_models_at_once():
    stack = Stack(recipe.build_model((5,), 3, loss="likelihood"))
    outputs = np.random.default_rng(0).dirichlet(np.ones(3), (4, 2)).astype(np.float32)
    losses = stack.losses(tf.constant([[2, 0]]), tf.constant(outputs)).numpy()
    right = np.stack([outputs[:, 0, 2], outputs[:, 1, 0]], axis=1)
    assert losses == pytest.approx(1 - right, abs=1.1e-3)


def test_the_logits_are_lowest_for_the_right_class_and_highest_for_another():
    z, y = recipe.make_logits(seed=3, classes=5)
    assert z.shape == (32, 5)
    assert len(set(y)) > 1
    assert (z[np.arange(32), y] == 0).all()
    assert (z[np.arange(32), (y + 1) % 5] == 1).all()
    assert ((z >= 0) & (z <= 1)).all()


def test_each_way_is_right_as_far_as_it_is():
    z, y = np.array([[0.0, 1], [1, 0], [0, 1]]), np.array([0, 1, 0])
    sizes = recipe.SIZES
    # -ln 1e-7 is 16.1; the least float32 is about e^-87, or e^-103 with those that lost digits.
    limits = [(201, 201), (201, 201), (16, 17), (85, 104)]
    for way, (right_below, wrong_above) in zip(recipe.make_ways(3, 2), limits, strict=True):
        loss, gradient = way(np.float32(2 * z), y)
        # ln(1 + e^2), and the other class's probability, 1 / (1 + e^-2)
        assert loss == pytest.approx(2.126928, abs=1e-6)
        assert gradient[:, 0] == pytest.approx([-0.880797, 0.880797, -0.880797], abs=1e-6)
        errors = recipe.errors(way, z, y)
        assert errors.shape == (2, sizes.size)
        assert errors[:, sizes < min(right_below, 15)].max() < 1e-5
        assert errors[0, sizes < right_below].max() < 1e-4
        assert (errors[:, sizes > wrong_above] > 0.1).all()


def test_a_wrong_way_is_found():
    z, y = recipe.make_logits(0, 3)
    fused = recipe.make_ways(32, 3)[1]

    def wrong(z, y):
        loss, gradient = fused(z, y)
        return 1.5 * loss, gradient + 0.25

    errors = recipe.errors(wrong, z, y)
    assert errors[0] == pytest.approx(0.5, abs=1e-5)
    assert errors[1] == pytest.approx(0.25, abs=1e-5)


def test_the_claims_of_made_up_runs(hand_made, monkeypatch):
    """The compiled model is off, the clipped gradient is 1, one value by hand is finite."""
    off = dict(zip(recipe.WAYS, (3e-4, 1e-5, 1, np.inf), strict=True))

    def errors(way, z, y):
        found = np.full((2, recipe.SIZES.size), off[way])
        if way == recipe.WAYS[3]:
            found[0, -1] = 2
        return found

    class Named(str):
        def __call__(self, z, y):
            return 16.1, np.ones(1)

    monkeypatch.setattr(recipe, "make_ways", lambda *shape: tuple(map(Named, recipe.WAYS)))
    monkeypatch.setattr(recipe, "errors", errors)
    rates = {"softmax": 1.0, "raw logits": 0.1, "likelihood": 10.0}
    end = {"softmax": 0.9, "logits": 0.895, "raw logits": 0.3, "likelihood": 0.893}

    class MadeUpLab(Lab):
        def data(self, examples):
            return Dataset("made up", ("a", "b"), *[Split(np.zeros((2, 1)), np.array([1, 0]))] * 3)

        def tune(self, build_model, variants, data, *, epochs, values):
            assert len(variants) == 6
            return {n: of | {"learning_rate": rates[of["loss"]]} for n, of in variants.items()}

        def train(self, build_model, variants, data, *, epochs):
            assert list(variants) == list(recipe.VARIANTS)
            for of in variants.values():
                rate = rates.get(of["loss"], 1.0) * (1 if of["batch_norm"] else 0.3)
                assert of["learning_rate"] == pytest.approx(rate)
            made = {}
            for name, of in variants.items():
                last = end[of["loss"]] - 0.1 * (name == "likelihood, without BN")
                made[name] = [{"accuracy": [0.5, last - 0.1, last]}] * 6
            return hand_made(made)

    lab = MadeUpLab(Options(seeds=6), None, None, None)
    recipe.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([1e-5, 3e-4, 1, 1, -0.7, -10.7, 0.7, -0.5, 60])
    no = [n for n, claim in enumerate(lab.claims) if claim.judgement.verdict == "does not hold"]
    assert no == [1, 2, 3, 5]
    assert list(lab.figures) == ["figure.png", "figure-training.png"]
