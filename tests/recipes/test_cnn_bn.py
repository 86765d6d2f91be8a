"""The recipe cnn_bn: its two nets by value, the shuffled pixels, and the claims' signs."""

import keras
import numpy as np
import pytest

from recipes import cnn_bn
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

L = keras.layers


def a_dataset(shape=(5, 4, 2), examples=6):
    rng = np.random.default_rng(3)
    x, y = rng.random((examples, *shape), np.float32), np.arange(examples, dtype=np.int32) % 3
    return Dataset("made-up", ("a", "b", "c"), *(Split(x + part, y) for part in range(3)))


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("convolution", [True, False])
def test_the_layers_of_each_net(convolution, batch_norm):
    model = cnn_bn.build_model(convolution=convolution, batch_norm=batch_norm)
    one = [L.Conv2D if convolution else L.Dense, L.BatchNormalization, L.Activation]
    one = [kind for kind in one if batch_norm or kind is not L.BatchNormalization]
    body = [*one, L.MaxPooling2D] * 2 + [L.Flatten] if convolution else [L.Flatten, *one, *one]
    assert [type(layer) for layer in model.layers] == [*body, L.Dropout, L.Dense]
    for n in (1, 2):
        name = f"conv{n}" if convolution else f"h{n}"
        assert model.get_layer(name).use_bias is not batch_norm
        if batch_norm:  # one mean a filter, not a position
            means = model.get_layer(f"{name}_bn").moving_mean
            assert means.shape == ((cnn_bn.FILTERS[n - 1],) if convolution else (20,))


@pytest.mark.parametrize(
    ("shape", "classes", "units"),
    # 8 x 8: 72 + 1152 + 640 weights, as 20² + 74 · 20 is next to; 28 x 28: 9064, 11² + 794 · 11.
    [((8, 8, 1), 10, 20), ((28, 28, 1), 10, 11), ((3, 3, 1), 2, 30)],
)
def test_the_dense_net_has_about_as_many_weights(shape, classes, units):
    assert cnn_bn.units_for(shape, classes) == units
    conv, dense = (
        sum(
            np.prod(weight.shape)
            for weight in cnn_bn.build_model(shape, classes, convolution=kind).trainable_weights
            if weight.name == "kernel"
        )
        for kind in (True, False)
    )
    assert dense == pytest.approx(conv, rel=0.05)


def test_pixels_move_together_and_channels_stay():
    data = a_dataset()
    shuffled = cnn_bn.shuffle(data)
    assert shuffled.class_names == data.class_names
    order = np.random.default_rng(0).permutation(20)
    for part in ("train", "validation", "test"):
        before, after = getattr(data, part), getattr(shuffled, part)
        assert after.x.shape == before.x.shape
        for place, origin in enumerate(order):
            moved = after.x[:, place // 4, place % 4]  # of 5 rows and 4 columns
            np.testing.assert_array_equal(moved, before.x[:, origin // 4, origin % 4])
        np.testing.assert_array_equal(after.y, before.y)


def test_a_dense_net_with_its_rows_reordered_is_the_same_net():
    data = a_dataset()
    shuffled = cnn_bn.shuffle(data)
    model = cnn_bn.build_model((5, 4, 2), 3, convolution=False)
    expected = model.predict(data.train.x, verbose=0)
    kernel = model.get_layer("h1").kernel
    rows = np.arange(40).reshape(20, 2)[np.random.default_rng(0).permutation(20)].ravel()
    assert np.abs(model.predict(shuffled.train.x, verbose=0) - expected).max() > 1e-3
    kernel.assign(kernel.numpy()[rows])
    np.testing.assert_allclose(model.predict(shuffled.train.x, verbose=0), expected, atol=1e-6)


def test_the_claims_of_made_up_histories(hand_made):
    """The mean over epochs and the last value of each variant are known, so is every claim."""
    v = cnn_bn
    ends = [(v.WITHOUT, 0.80), (v.WITH, 0.90), (v.WITHOUT_BEST, 0.93), (v.WITH_BEST, 0.97)]
    ends += [(v.SHUFFLED, 0.91), (v.DENSE, 0.94), (v.DENSE_SHUFFLED, 0.935)]
    histories = hand_made(
        {name: [{"accuracy": [0.1, end - 0.2, end]}] * 5 for name, end in ends}, chance=0.1
    )
    data, asked = a_dataset(), {}

    class MadeUpLab(Lab):
        def data(self, **_):
            return data

        def tune(self, build_model, variants, data, **_):
            return {name: given | {"learning_rate": 0.3} for name, given in variants.items()}

        def train(self, build_model, variants, data, **_):
            asked.update(variants)
            self.histories = histories
            return histories

    lab = MadeUpLab(Options(), None, None, None)
    cnn_bn.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([10, 4, 4, 3, 5.5, 2.5, 0.5])
    assert set(asked) == set(v.VARIANTS)
    rates = {name: given["learning_rate"] for name, given in asked.items()}
    assert [rates.pop(name) for name in (v.WITHOUT, v.WITH)] == [v.RATE, v.RATE]
    assert set(rates.values()) == {0.3}
    for name, given in asked.items():
        assert ("fit" in given) == (name in (v.SHUFFLED, v.DENSE_SHUFFLED))
    assert list(lab.figures) == ["figure.png", "figure-pixels.png"]
