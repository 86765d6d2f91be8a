"""The recipe bn_and_dropout: the order of its layers, its variance shift, and its claims' signs."""

import keras
import numpy as np
import pytest

from recipes import bn_and_dropout as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

L = keras.layers
DATA = Dataset(
    "made-up", ("a", "b"), *[Split(np.eye(4, 3, dtype=np.float32), np.array([0, 1, 0, 1]))] * 3
)


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ({}, [L.Dense, L.BatchNormalization, L.Activation, L.Dropout]),
        ({"dropout_first": True}, [L.Dense, L.Dropout, L.BatchNormalization, L.Activation]),
        ({"batch_norm": False}, [L.Dense, L.Activation, L.Dropout]),
    ],
)
def test_the_order_of_the_layers(arguments, body):
    model = recipe.build_model(dropout=0.3, **arguments)
    assert [type(layer) for layer in model.layers] == [*body * 3, L.Dense]
    rates = [layer.rate for layer in model.layers if isinstance(layer, L.Dropout)]
    assert rates == [0.3] * 3


def test_the_variants_share_the_one_without_dropout():
    assert recipe.at(recipe.BEFORE, 0.0) == recipe.at(recipe.AFTER, 0.0)
    assert recipe.at(recipe.WITHOUT, 0.0) == "without BN, rate 0"
    assert len(recipe.VARIANTS) == 5 + 5 + 4 + 2
    for arm, switches in recipe.ARMS.items():
        for rate in recipe.RATES[1:]:
            assert recipe.VARIANTS[recipe.at(arm, rate)] == switches | {"dropout": rate}
    assert recipe.VARIANTS[recipe.at(recipe.AFTER, 0.0)] == {"dropout": 0.0}


class MadeUpModels:
    """Two units whose inputs to each normalization have the variances 1 and 4."""

    def __init__(self, factor):
        moving = np.array([[1.0, 4.0]]) * factor
        self.weights = {f"h{n}_bn/moving_variance": moving for n in (1, 2, 3)}

    def outputs(self, _):
        inputs = np.array([[[1.0, 2.0], [-1.0, -2.0]]])  # (models, examples, units)
        names = [(f"h{n}", f"h{n}_bn", f"h{n}_act", f"h{n}_dropout") for n in (1, 2, 3)]
        return {name: inputs * (1 if len(name) == 2 else 9) for of in names for name in of}


def test_the_variance_shift_is_that_of_the_normalizations_inputs():
    np.testing.assert_allclose(recipe.variance_shift(MadeUpModels(3.0), None), [[3.0] * 3])
    np.testing.assert_array_equal(recipe.variance_shift(MadeUpModels(np.nan), None), [[1.0] * 3])


def test_the_claims_of_made_up_histories(hand_made):
    """Training and test accuracy (%) of each variant are known, so is every claim."""
    ends = {recipe.at(arm, rate): (99, 80) for arm in recipe.ARMS for rate in recipe.RATES}
    ends |= {recipe.at(recipe.WITHOUT, 0.0): (100, 90), recipe.at(recipe.WITHOUT, 0.2): (98, 95)}
    ends |= {recipe.at(recipe.AFTER, 0.0): (99, 92), recipe.at(recipe.AFTER, 0.3): (98, 93)}
    ends |= {recipe.at(recipe.BEFORE, 0.1): (98, 92.5), recipe.at(recipe.BEFORE, 0.5): (97, 77)}
    ends |= {recipe.LARGE_WITHOUT: (100, 91), recipe.LARGE_WITH: (100, 93)}
    runs = {
        name: [{"accuracy": [0.1, train / 100], "val_accuracy": [0.1, test / 100]}] * 5
        for name, (train, test) in ends.items()
    }
    histories = hand_made(runs, chance=0.5, classes=2)
    histories.models = lambda name: MadeUpModels(8.0 if name.startswith("Dropout") else 2.0)

    class MadeUpLab(Lab):
        def data(self, **_):
            return DATA

        def tune(self, build_model, variants, data, **_):
            return variants

        def train(self, build_model, variants, data, **_):
            self.histories = histories
            return histories

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    estimates = [claim.judgement.estimate for claim in lab.claims]
    # Gaps 10 and 7, 9 and 7; gains 5 and 1; 95 against 92; 80 against 77; 93 against 92.5; 8 : 2.
    assert estimates == pytest.approx([3, 2, 4, 3, 3, 3, 0.5, 2])
    assert list(lab.rows)[2:5] == [f"{arm}, best rate" for arm in recipe.ARMS]
    assert list(lab.figures) == ["figure.png", "figure-variance.png"]
