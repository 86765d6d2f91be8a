"""The recipe sanity_checks: its faults by value, and its claims where they show and do not."""

import numpy as np
import pytest

from recipes import sanity_checks as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

RIGHT, LOW, HIGH, FEW = recipe.RIGHT, recipe.LOW, recipe.HIGH, recipe.FEW
UNSCALED, SHUFFLED = recipe.UNSCALED, recipe.SHUFFLED


def test_the_last_layer_starts_small():
    kernel = recipe.build_model().get_layer("softmax").kernel.numpy()
    assert kernel.std() == pytest.approx(0.01, rel=0.1)


def test_the_faults():
    split = Split(np.ones((50, 2), np.float32), np.arange(50) % 5)
    data = Dataset("made up", tuple("abcde"), split, split, split)
    random = np.random.default_rng(0)
    assert (recipe.unscaled(data, random).validation.x == 255).all()
    wrong = recipe.shuffled(data, random)
    assert (wrong.train.y != data.train.y).sum() > 25
    assert sorted(wrong.train.y) == sorted(data.train.y)
    np.testing.assert_array_equal(wrong.validation.y, data.validation.y)


@pytest.fixture
def judged(made_up):
    """`judged(losses, right)` runs the recipe on made-up losses, at first and in the end."""

    def run(losses, right):
        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, batch_size, learning_rate):
                assert 1000 / batch_size[RIGHT] == 20 / batch_size[FEW] == 10  # steps an epoch
                rates = {(RIGHT,): 0.2, (FEW,): 0.05}
                assert list(variants) == [RIGHT, FEW]
                return {key: recipe.PLAIN | {"learning_rate": n} for key, n in rates.items()}

            def train(self, build_model, variants, data, *, epochs, batch_size):
                rates = {name: of["learning_rate"] for name, of in variants.items()}
                plain = dict.fromkeys(recipe.VARIANTS, 0.2) | {FEW: 0.05}
                assert rates == plain | {LOW: pytest.approx(0.002), HIGH: pytest.approx(2)}
                assert data[FEW].train.x.shape[1] == 20
                noise = np.random.default_rng(0).normal(0, 0.001, 6)
                runs = {
                    name: [
                        {"accuracy": [0.1, 1], "loss": of + n, "val_accuracy": [0.1, right + n]}
                        for n in noise * k
                    ]
                    for k, (name, of) in enumerate(losses.items(), 1)
                }
                self.results = made_up(runs, chance=0.1, classes=10)
                return self.results

        losses = {name: np.array(of, float) for name, of in losses.items()}
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_each_check_sees_its_fault_every_claim_holds(judged):
    losses = {RIGHT: (2.31, 0.1), LOW: (2.3, 2.2), HIGH: (2.3, 0.9)}
    losses |= {FEW: (2.3, -0.01), UNSCALED: (9, 2.3), SHUFFLED: (2.3, 0.5)}
    assert judged(losses, right=0.11) == ["holds"] * 5


def test_where_none_does_no_claim_holds(judged):
    losses = {RIGHT: (2.6, 0.5), LOW: (2.3, 2.2), HIGH: (2.3, 0.1)}
    losses |= {FEW: (2.3, 0.1), UNSCALED: (2.4, 0.1), SHUFFLED: (2.3, 0.5)}
    assert judged(losses, right=0.2) == ["does not hold"] * 5
