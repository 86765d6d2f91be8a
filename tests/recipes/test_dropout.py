"""The recipe dropout: its models and averages over masks by value, its claims on made-up runs."""

import keras
import numpy as np
import pytest

from recipes import dropout as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

DATA = Dataset(
    "made-up", ("a", "b"), *[Split(np.eye(4, 3, dtype=np.float32), np.array([0, 1, 0, 1]))] * 3
)
BOOK, TUNED = recipe.BOOK, recipe.TUNED


def test_the_variants_differ_in_rate_and_setting_only():
    names = [recipe.at(rate, BOOK) for rate in (0, 0.2)]
    names += [recipe.at(rate, TUNED) for rate in (0, 0.1, 0.2, 0.3, 0.5)]
    assert list(recipe.VARIANTS) == [*names, recipe.SCALED]
    for name, arguments in recipe.VARIANTS.items():
        plan = {"epochs": 300, "batch_size": 100} if "batch 100" in name else None
        assert arguments == {
            "batch_norm": False,
            "dropout": float(name.split()[1].strip(",")),
            "learning_rate": 0.01,
            "fit": plan or {"epochs": 40, "batch_size": 20},
        } | ({"scale_at_test": True} if name == recipe.SCALED else {})


@pytest.mark.parametrize("scale_at_test", [False, True])
def test_either_the_training_or_the_inference_is_scaled(scale_at_test):
    keras.utils.set_random_seed(0)
    model = recipe.build_model(batch_norm=False, dropout=0.2, scale_at_test=scale_at_test)
    parts = ("", "_act", "_dropout", *(["_scaling"] if scale_at_test else []))
    names = [f"h{n}{part}" for n in range(1, 7) for part in parts]
    assert [layer.name for layer in model.layers] == [*names, "softmax"]
    first = keras.Sequential(model.layers[1 : len(parts)])
    ones = np.ones((500, 100), np.float32)
    kept = 1 if scale_at_test else 1.25
    assert np.unique(first(ones, training=True)) == pytest.approx([0, kept])
    assert np.unique(first(ones, training=False)) == pytest.approx([0.8 * kept])


def test_normalization_stands_before_each_activation_unless_switched_off():
    names = [layer.name for layer in recipe.build_model().layers]
    parts = ("", "_bn", "_act", "_dropout")
    assert names == [*[f"h{n}{part}" for n in range(1, 7) for part in parts], "softmax"]


class MadeUpModels:
    """Five models that are 60 % sure of class 0; every second copy's masks make them 90 % or 10."""

    def __init__(self):
        self.weights = {f"{n}/kernel": np.ones(1) for n in ("h1", "h2", "h3", "softmax")}
        self.weights["h2/bias"] = np.ones(1)

    def predict(self, x, training=False, draw=0):
        sure = np.full(len(x), 0.6)
        if training:
            assert len(x) == 10 * 4
            sure = np.where(np.arange(len(x)) // 4 % 2, 0.9, 0.1)
        return np.stack([np.stack([sure, 1 - sure], axis=1)] * 5)

    def loss(self, _):
        assert self.weights["h1/kernel"] == self.weights["h2/bias"] == 1
        return np.full(5, sum(of[0] for of in self.weights.values()))


def test_the_averages_over_masks():
    errors, distances = recipe.compare_masks(MadeUpModels(), np.zeros((4, 3)), np.zeros(4, int))
    sizes = np.array(recipe.MASKS)
    for mean in (recipe.ARITHMETIC, recipe.GEOMETRIC):
        assert errors[mean].shape == distances[mean].shape == (5, len(sizes))
        assert errors[mean][2, 0] == 50  # one mask is wrong half of the time
        assert distances[mean][2, 0] == pytest.approx(100 * (0.5 + 0.3) / 2)
        assert distances[mean][2, [1, 3, 6]] == pytest.approx(10)  # means of both are .5
    # Of five masks two or three say .9: the odds of the geometric mean are 9^(1/5) or its inverse.
    low = 1 / (1 + 9**0.2)
    geometric = 100 * ((0.6 - low) + abs(0.6 - (1 - low))) / 2
    assert distances[recipe.GEOMETRIC][0, 2] == pytest.approx(geometric)
    assert distances[recipe.ARITHMETIC][0, 2] == pytest.approx(100 * (0.18 + 0.02) / 2)
    assert errors["inference"].tolist() == [[0] * len(sizes)] * 5


def test_the_claims_of_made_up_histories(hand_made, monkeypatch):
    """Training and test accuracy (%) of each variant are known, so is every claim."""
    ends = dict.fromkeys(recipe.VARIANTS, (99, 80))
    ends |= {recipe.at(0, BOOK): (100, 90), recipe.at(0.2, BOOK): (93, 88)}
    ends |= {recipe.at(0, TUNED): (100, 91), recipe.at(0.2, TUNED): (98, 92)}
    ends |= {recipe.at(0.3, TUNED): (97, 95), recipe.SCALED: (98, 92.5)}
    runs = {
        name: [{"accuracy": [0.1, 0.95, train / 100], "val_accuracy": [0.1, 0.1, test / 100]}] * 5
        for name, (train, test) in ends.items()
    }
    histories = hand_made(runs, chance=0.5, classes=2)
    histories.models = lambda _: MadeUpModels()

    lab = Lab(Options(), None, None, None)
    lab.data = lambda examples: DATA
    lab.tune = lambda build_model, variants, data, **_: variants
    lab.train = lambda build_model, variants, data, **_: histories
    shown = {recipe.INFERENCE: [4, 4], recipe.ARITHMETIC: [9, 3], recipe.GEOMETRIC: [9, 2]}
    found = [{kind: np.linspace(*v, 7) * np.ones((5, 1)) for kind, v in shown.items()}] * 2
    monkeypatch.setattr(recipe, "compare_masks", lambda *_: found)
    recipe.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    # Gaps 10 and 5, 88 - 90; 9 and 6, 95 - 91; 99.5 - 95; 3 - 4, 9 - 3, 3, 3 - 2; 92.5 - 92; ...
    expected = [5, -2, 3, 4, 4.5, -1, 6, 3, 1, None, 0.5, 3 * 0.25]
    assert estimates[:9] + estimates[10:] == pytest.approx(expected[:9] + expected[10:])
    assert 0 < abs(estimates[9]) < 0.005
    assert [claim.judgement.verdict for claim in lab.claims][9:11] == ["holds", "holds"]
    assert list(lab.figures) == ["figure.png", "figure-masks.png", "figure-rates.png"]
