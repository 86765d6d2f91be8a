"""The recipe output_bias_init: its bias by value, its thinned data, the signs of its claims."""

import keras
import numpy as np
import pytest

from recipes import output_bias_init
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options
from recipes._lab.training import architecture
from recipes._lab.training.initial_weights import initial_weights


def test_only_the_last_bias_depends_on_the_frequencies():
    plain = output_bias_init.build_model((5,), 3)
    told = output_bias_init.build_model((5,), 3, class_frequencies=[10, 20, 70])
    names = ["h1", "h1_bn", "h1_act", "h2", "h2_bn", "h2_act", "dropout", "softmax"]
    assert [layer.name for layer in told.layers] == names
    for one, other in zip(plain.weights, told.weights, strict=True):
        if one.path.endswith("softmax/bias"):
            np.testing.assert_array_equal(one, [0, 0, 0])
            np.testing.assert_allclose(other, np.log([0.1, 0.2, 0.7]), rtol=1e-6)
        elif "kernel" not in one.path:
            np.testing.assert_array_equal(one, other)
    told.layers[-1].kernel.assign(np.zeros((100, 3)))
    answers = told(np.random.default_rng(0).normal(size=(4, 5)))
    np.testing.assert_allclose(answers, [[0.1, 0.2, 0.7]] * 4, rtol=1e-6)


# Keras, where it saves a model's variables.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
def test_the_frequencies_are_saved_and_trained_together(tmp_path):
    def build():
        return output_bias_init.build_model((5,), 3, class_frequencies=[1, 1, 2])

    build().save(tmp_path / "model.keras")
    bias = keras.models.load_model(tmp_path / "model.keras").layers[-1].bias_initializer
    np.testing.assert_allclose(bias((3,)), np.log([0.25, 0.25, 0.5]), rtol=1e-6)
    spec = architecture.read(build)
    plain = architecture.read(lambda: output_bias_init.build_model((5,), 3))
    assert spec.signature == plain.signature
    (drawn,) = initial_weights(spec, 7, {"softmax/bias": (3,)})
    np.testing.assert_allclose(drawn, np.log([0.25, 0.25, 0.5]), rtol=1e-6)


@pytest.fixture
def data():
    """Three classes, the second the most frequent; x is the number of the row."""
    y = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [12, 40, 20])).astype(np.int32)
    split = Split(np.arange(72, dtype=np.float32)[:, None], y)
    return Dataset("made up", ("a", "b", "c"), split, split, split)


def test_thinning_keeps_a_share_that_falls_to_a_tenth(data):
    thin, alike = (output_bias_init.thinned(data, balanced) for balanced in (False, True))
    for part in ("train", "validation", "test"):
        # 40, 20 / √10 = 6.3 and 12 / 10 = 1.2, rounded up
        assert np.bincount(getattr(thin, part).y).tolist() == [2, 40, 7]
        # the smaller of 12, the rarest, and 49 / 3
        assert np.bincount(getattr(alike, part).y).tolist() == [12, 12, 12]
    rows = thin.train.x[:, 0].astype(int)
    assert (np.diff(rows) > 0).all()
    np.testing.assert_array_equal(thin.train.y, data.train.y[rows])
    again = output_bias_init.thinned(data, False)
    np.testing.assert_array_equal(again.train.x, thin.train.x)
    assert (thin.name, thin.class_names) == (data.name, data.class_names)


def test_the_claims_of_made_up_curves(hand_made):
    """The frequencies gain .3, .2, .1, .05 and then nothing, and 4 points of test accuracy."""
    given = {}

    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, **_):
            given.update(variants)
            zero = np.r_[2.5, 2.0, 1.5, 1.0, np.full(17, 0.5)]
            gain = np.r_[0.3, 0.2, 0.1, 0.05, np.zeros(17)]
            made = {}
            for name in variants:
                told = name.startswith("imbalanced") and "log p" in name
                run = {"accuracy": np.full(21, 0.9), "test_accuracy": 0.94 if told else 0.9}
                made[name] = [run | {"loss": zero - told * gain}] * 6
            self.histories = hand_made(made)
            return self.histories

    lab = MadeUpLab(Options(), None, None, None)
    output_bias_init.run(lab)
    for name, arguments in given.items():
        labels = arguments["fit"]["data"].train.y
        told = np.bincount(labels).tolist() if "log p" in name else None
        assert arguments["class_frequencies"] == told
        assert (np.ptp(np.bincount(labels)) == 0) == name.startswith("balanced")
    p = np.bincount(given["imbalanced, bias 0, lr 0.1"]["fit"]["data"].train.y) / 417
    worth = np.log(10) + (p * np.log(p)).sum()
    found = [claim.judgement.estimate for claim in lab.claims]
    # The mean of .2, .1 and .05; and .05 in per cent of what the frequencies are worth.
    by_rate = [0.35 / 3, 100 * 0.05 / worth] * 3
    assert found == pytest.approx([0.3, *by_rate, 0, 4, 4, 4, 0])
    assert [claim.judgement.verdict for claim in lab.claims] == (
        ["holds", *["holds", "does not hold"] * 3, "holds", *["does not hold"] * 3, "holds"]
    )
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 11
