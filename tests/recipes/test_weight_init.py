"""The recipe weight_init: its models by value, and its claims from made-up histories."""

import keras
import numpy as np
import pytest

from recipes import weight_init as recipe
from recipes._lab import data as data_module
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

SPEED = {"std .01": 0.1, "Xavier": 0.5, "Glorot": 0.6, "He": 0.8, "std 1": 0.7}


@pytest.mark.parametrize(
    ("init", "deviation"),
    [
        ("std .01, lr 0.01", 0.01),
        ("Xavier, lr 0.01", 1 / 20),
        ("Glorot, lr 0.01", (2 / 500) ** 0.5),
        ("He, lr 0.01", 2**0.5 / 20),
    ],
)
def test_the_initial_weights_have_the_scale_they_are_named_after(init, deviation):
    variant = recipe.VARIANTS[f"relu, {init}"]
    model = recipe.build_model((400,), 3, **variant)
    assert model.get_layer("h1").kernel.numpy().std() == pytest.approx(deviation, rel=0.03)
    assert [layer.name for layer in model.layers if "_bn" in layer.name] == []
    assert model.get_layer("h4_act").activation is keras.activations.relu
    assert model.get_layer("dropout").rate == 0
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01)
    one = recipe.build_model((400,), 3, **recipe.VARIANTS["sigmoid, std 1, best lr"])
    assert one.get_layer("h1").kernel.numpy().std() == pytest.approx(1, rel=0.03)
    assert one.get_layer("h1_act").activation is keras.activations.sigmoid


def test_normalization_stands_before_each_activation_unless_switched_off():
    names = [layer.name for layer in recipe.build_model().layers]
    hidden = [f"h{n}{kind}" for n in range(1, 5) for kind in ("", "_bn", "_act")]
    assert names == [*hidden, "dropout", "softmax"]


@pytest.fixture
def lab(hand_made):
    """The lab after the recipe has judged made-up curves: steps of accuracy, at two epochs."""
    data = data_module.load("digits")
    chance = float(np.mean(data.test.y == np.bincount(data.train.y[:1000]).argmax()))
    trained = []

    class MadeUpLab(Lab):
        def tune(self, build_model, variants, data, *, epochs, values):
            assert epochs == 30
            assert all(name.endswith("best lr") for name in variants)
            return {name: of | {"learning_rate": 0.3} for name, of in variants.items()}

        def train(self, build_model, variants, data, *, epochs, watch):
            assert set(watch) <= set(variants)
            trained.append((variants, epochs))
            curves = {}
            for name in variants:
                function, init, rate = name.split(", ")
                speed = SPEED[init] * (0.5 if rate == "best lr" else 1)
                end = 0.96 if init != "std .01" else chance + 0.01
                loss = 2.25 if function == "tanh" else 2.30
                if init != "std .01":
                    loss = {"relu": 0.5, "tanh": 1.0, "sigmoid": 2.0}[function]
                run = {"accuracy": [0.1, speed, end], "loss": [2.4, 2.3, loss]}
                run["test_accuracy"] = 0.9 + SPEED[init] / 10
                curves[name] = [run] * 6
            self.histories |= hand_made(curves, chance=chance, classes=10)

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    lab.trained = trained
    return lab


def test_each_rate_has_its_variants_and_epochs(lab):
    (book, epochs), (best, fewer) = lab.trained
    assert (epochs, fewer) == (100, 30)
    assert set(book) | set(best) == set(recipe.VARIANTS)
    assert {of["learning_rate"] for of in book.values()} == {0.01}
    assert {of["learning_rate"] for of in best.values()} == {0.3}
    assert list(lab.figures) == ["figure.png", "figure-best-rates.png"]


def test_the_claims_of_made_up_histories(lab):
    estimates = [claim.judgement.estimate for claim in lab.claims]
    verdicts = [claim.judgement.verdict for claim in lab.claims]
    # The loss of guessing is ln 10, less a little as the classes are not quite equally frequent.
    assert estimates[:3] == pytest.approx(
        [100 * (loss / np.log(10) - 1) for loss in (2.3, 2.25, 2.3)], abs=0.02
    )
    assert estimates[3] == pytest.approx(1)
    assert estimates[4:8] == pytest.approx(
        [100 * (1 - loss / np.log(10)) for loss in (0.5, 0.5, 1, 2)], abs=0.02
    )
    # Accuracy of the first of two epochs differs; half of that in the mean over both.
    slow = [15, 10, 7.5, -15, -7.5, -7.5, -5]
    assert estimates[8:15] == pytest.approx(slow)
    assert estimates[15] == pytest.approx(-1)
    faster = ["holds"] * 3 + ["does not hold"] * 4
    assert verdicts == [
        "holds",
        "does not hold",
        "holds",
        *["holds"] * 4,
        "does not hold",
        *faster,
        "holds",
    ]
    assert lab.claims[0].text.startswith("relu, std .01, lr 0.01")
    assert lab.claims[11].text == "Xavier learns faster than He, tanh, lr 0.01"
