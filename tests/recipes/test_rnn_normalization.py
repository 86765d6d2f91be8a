"""The recipe rnn_normalization: its layer by value, how images end, claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import rnn_normalization as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

RNG = np.random.default_rng(1)


def by_hand(x, mask, weights, normalize):
    """Return the last state of a simple recurrent layer, step by step; `normalize(sum, step)`."""
    kernel, bias, recurrent, recurrent_bias = weights
    state = np.zeros((len(x), recurrent.shape[1]))
    for step in range(x.shape[1]):
        total = x[:, step] @ kernel + bias + state @ recurrent + recurrent_bias
        new = np.tanh(normalize(total, step))
        state = np.where(mask[:, step, None], new, state)
    return state


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_the_layer_step_by_step(normalization):
    x, mask = RNG.normal(size=(6, 3, 4)).astype(np.float32), np.ones((6, 3), bool)
    mask[:2, 1:] = mask[2, 2] = False
    layer = recipe.NormalizedRNN(5, normalization)
    result = layer(x, training=True, mask=keras.ops.convert_to_tensor(mask))
    dense = [*layer.from_input.get_weights(), *layer.from_state.get_weights()]

    def normalize(total, step):
        if normalization == "batch":  # over the examples that have not ended
            active = total[mask[:, step]]
            return 0.1 * (total - active.mean(axis=0)) / np.sqrt(active.var(axis=0) + 1e-5)
        if normalization == "layer":  # over the units
            spread = np.sqrt(total.var(axis=1, keepdims=True) + 1e-5)
            return (total - total.mean(axis=1, keepdims=True)) / spread
        return total

    np.testing.assert_allclose(result, by_hand(x, mask, dense, normalize), atol=1e-4)


def test_each_step_has_moving_averages_of_its_own():
    layer = recipe.NormalizedRNN(5, "batch")
    x = RNG.normal(size=(6, 3, 4)).astype(np.float32)
    layer(x, training=True, mask=np.array([[True, True, False]] * 6))
    moved = [float(np.abs(norm.moving_mean).max()) for norm in layer.norms]
    assert moved[0] > 0
    assert moved[1] > 0
    assert moved[0] != moved[1]
    assert moved[2] == 0  # no example has come so far


def test_the_layer_is_made_again_from_its_configuration():
    layer = recipe.NormalizedRNN(5, "batch", name="rnn")
    again = recipe.NormalizedRNN.from_config(layer.get_config())
    assert (again.units, again.normalization, again.name) == (5, "batch", "rnn")


@pytest.mark.parametrize("variant", recipe.VARIANTS)
def test_what_follows_the_end_of_an_image_is_not_read(variant):
    model = recipe.build_model((5, 4, 1), 3, **recipe.VARIANTS[variant])
    rnn = model.get_layer("rnn")
    states = keras.Model(model.inputs[0], rnn.output)
    x = RNG.random((2, 5, 4, 1), np.float32) + 0.1
    assert states(x).shape == (2, 64)
    ended = np.concatenate([x[:, :3], 0 * x[:, 3:]], axis=1)
    assert np.abs(states(x).numpy() - states(ended).numpy()).max() > 1e-3
    mask = model.get_layer("mask")
    rows = model.get_layer("rows")
    np.testing.assert_array_equal(mask.compute_mask(rows(ended)), [[True] * 3 + [False] * 2] * 2)


def test_images_end_after_a_random_number_of_rows():
    x = np.ones((400, 8, 2, 1), np.float32)
    split = Split(x, np.zeros(400, np.int32))
    data = recipe.shorten(Dataset("made-up", ("a", "b"), split, split, split), RNG)
    for part in data.parts:
        rows = part.x.any(axis=(2, 3))
        assert np.unique(rows.sum(axis=1)).tolist() == [2, 3, 4, 5, 6]
        assert (np.diff(rows.astype(int), axis=1) <= 0).all()  # never a row after the end
    assert not np.array_equal(data.train.x, data.test.x)


@pytest.fixture
def judged(made_up):
    """`judged(ends, whole)` runs the recipe on made-up accuracies in % of each variant."""

    def run(ends, whole):
        noise = RNG.normal(0, 0.1, (3, 6))

        def models(variant):
            k = list(recipe.VARIANTS).index(variant)

            def accuracy(test):
                assert test.x[:, :, 6:].max() > 0  # whole images
                return (whole[k] + noise[k]) / 100

            return types.SimpleNamespace(accuracy=accuracy)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs):
                assert data.test.x[:, :, 6:].max() == 0
                runs = {
                    variant: [{"accuracy": [0.1, (end + n) / 100]} for n in noise[k]]
                    for k, (variant, end) in enumerate(zip(variants, ends, strict=True))
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = models
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-whole.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_layer_normalization_suits_better_every_claim_holds(judged):
    found = judged(ends=[60, 65, 70], whole=[40, 35, 50])
    assert found == [("holds", n) for n in (5, 15, 10)]


def test_where_it_does_harm_none_does(judged):
    found = judged(ends=[75, 80, 70], whole=[40, 55, 50])
    assert found == [("does not hold", n) for n in (-10, -5, -5)]
