"""The recipe rnn_normalization: its layers, how sequences are cut, and the signs of its claims."""

import keras
import numpy as np
import pytest

from recipes import rnn_normalization as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

L = keras.layers


def a_dataset(rows=8, examples=400):
    x = np.ones((examples, rows, 2, 1), np.float32)
    return Dataset("made-up", ("a", "b"), *[Split(x, np.zeros(examples, np.int32))] * 3)


@pytest.mark.parametrize(
    ("arm", "kind"),
    [("NONE", None), ("BATCH", L.BatchNormalization), ("LAYER", L.LayerNormalization)],
)
def test_the_layers_of_each_arm(arm, kind):
    model = recipe.build_model((5, 4, 3), 7, **recipe.VARIANTS[getattr(recipe, arm)])
    one = [L.SimpleRNN, kind] if kind else [L.SimpleRNN]
    assert [type(layer) for layer in model.layers] == [L.Reshape, *one, *one, L.Dropout, L.Dense]
    assert model.get_layer("rows").output.shape == (None, 5, 12)
    assert model.get_layer("rnn1").output.shape == (None, 5, 32)  # every step
    assert model.get_layer("rnn2").output.shape == (None, 32)  # the last one


def test_batch_normalization_shares_statistics_between_the_steps():
    model = recipe.build_model((5, 4, 1), 3)
    x = np.random.default_rng(0).normal(size=(20, 5, 4, 1)).astype(np.float32)
    ends = [model.get_layer("rnn1").output, model.get_layer("rnn1_bn").output]
    before, after = keras.Model(model.inputs[0], ends)(x, training=True)
    mean, variance = (f(before.numpy(), axis=(0, 1)) for f in (np.mean, np.var))
    np.testing.assert_allclose(after, (before - mean) / np.sqrt(variance + 1e-5), atol=1e-4)


def test_each_row_is_a_step():
    model = recipe.build_model((5, 4, 1), 3, normalization=None)
    steps = keras.Model(model.inputs[0], model.get_layer("rnn1").output)
    x = np.ones((1, 5, 4, 1), np.float32)
    changed = x.copy()
    changed[:, 1] = 0
    differ = np.abs(steps(x).numpy() - steps(changed).numpy()).max(axis=-1)[0] > 1e-6
    assert differ.tolist() == [False, True, True, True, True]


def test_what_is_cut_is_blank_and_the_rest_stays():
    split = recipe.cut(a_dataset().train, 3)
    assert split.x.dtype == np.float32
    np.testing.assert_array_equal(split.x[5, :, :, 0], [[1, 1]] * 3 + [[0, 0]] * 5)
    lengths = np.array([1, 8] * 200)
    np.testing.assert_array_equal(recipe.cut(split, lengths).x.sum(axis=(1, 2, 3)), [2, 6] * 200)


def test_lengths_vary_from_a_quarter_of_the_rows_to_all():
    data = recipe.vary(a_dataset(rows=10))
    for part in (data.train, data.validation, data.test):
        lengths = part.x[:, :, 0, 0].sum(axis=1)
        np.testing.assert_array_equal(np.unique(lengths), np.arange(3, 11))
        np.testing.assert_array_equal(part.x[lengths == 4][0, :, 1, 0], [1] * 4 + [0] * 6)
    assert not np.array_equal(data.train.x, data.test.x)


def test_the_claims_of_made_up_results(hand_made):
    r, data, asked = recipe, a_dataset(), {}
    ends = {r.NONE: 0.90, r.BATCH: 0.94, r.LAYER: 0.97}
    lost = {r.ALL: 0, r.VARYING: 0.2}
    curves = {}
    for lengths, less in lost.items():
        for arm, end in ends.items():
            for rate in r.RATES:  # the second is the best on validation, the third on test data
                end_here = end - less * (1 + (arm == r.BATCH))
                best, most = rate == r.RATES[1], rate == r.RATES[2]
                run = {"accuracy": [0.1, end_here - 0.1, end_here], "test_accuracy": end_here}
                run["val_accuracy"] = [0.1, 0.2, 0.9 if best else 0.3]
                curves[r.at(lengths, arm, rate)] = [run | ({"test_accuracy": 1} if most else {})]
    histories = hand_made({name: runs * 6 for name, runs in curves.items()})

    class Trained:
        """Right on one in ten for each row; on shorter images the arms differ."""

        def __init__(self, variant):
            self.extra = 0.1 * variant.startswith(r.LAYER) - 0.2 * variant.startswith(r.NONE)

        def accuracy(self, split):
            rows = split.x[0, :, 0, 0].sum()
            return np.full(6, rows / 10 + (rows < 8) * self.extra)

    class MadeUpLab(Lab):
        def data(self, *, images, examples):
            assert images
            return data

        def train(self, build_model, variants, data, **_):
            asked.update(variants)
            self.histories = histories
            return histories

    histories.models = Trained
    lab = MadeUpLab(Options(), None, None, None)
    r.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([3, 7, -4, 7, 23, 7, 16, 7, 10, 30])
    for claim, verdict in ((lab.claims[2], "does not hold"), (lab.claims[6], "holds")):
        assert claim.judgement.verdict == verdict
        assert "more than -1 asked" in claim.judgement.finding
    assert list(asked) == list(curves)
    assert {given["learning_rate"] for given in asked.values()} == {0.002, 0.006, 0.02}
    for name, arguments in asked.items():
        assert (arguments["fit"]["data"] is data) == (r.ALL in name)
    assert list(lab.rows) == [f"{arm}, {at}" for at in lost for arm in ends]
    assert list(lab.figures) == ["figure.png", "figure-lengths.png"]
