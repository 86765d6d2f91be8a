"""The recipe bn_inference: its averages by value, its claims where the effect is planted."""

import types

import numpy as np
import pytest

from recipes import bn_inference as recipe
from recipes._lab.lab import Lab, Options


@pytest.mark.parametrize("momentum", [0.9, 0.99, 0.999])
def test_the_layers_of_each_variant(momentum):
    model = recipe.build_model((7,), 3, **recipe.VARIANTS[f"momentum {momentum:g}"])
    names = [f"h{n}{part}" for n in (1, 2, 3) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    assert {model.get_layer(f"h{n}_bn").momentum for n in (1, 2, 3)} == {momentum}
    assert model.get_layer("dropout").rate == 0  # else a batch's statistics would come with masks


def test_corrected_averages_of_constant_statistics_are_these_statistics():
    left = 0.9**7  # of the initial 0 and 1
    weights = {
        "h1/kernel": np.array([2.0]),
        "h1_bn/moving_mean": np.array([3 * (1 - left)]),
        "h1_bn/moving_variance": np.array([5 * (1 - left) + left]),
    }
    recipe.correct(weights, 0.9, 7)
    assert {name: float(w[0]) for name, w in weights.items()} == pytest.approx(
        {"h1/kernel": 2, "h1_bn/moving_mean": 3, "h1_bn/moving_variance": 5}
    )


class MadeUpModels:
    """Six models of known accuracy (%): by a batch, by averages, and by corrected ones."""

    def __init__(self, batch, averages, corrected):
        self.right = batch, averages, corrected
        self.weights = {"h1_bn/moving_mean": np.array([0.5])}

    def accuracy(self, split, training=False):
        batch, averages, corrected = self.right
        changed = self.weights["h1_bn/moving_mean"] != 0.5
        noise = np.random.default_rng(int(training)).normal(0, 0.001, 6)
        return (batch if training else corrected if changed else averages) / 100 + noise


def test_the_correction_comes_last_and_is_that_of_the_step(monkeypatch):
    models = MadeUpModels(90, 60, 89)
    results = types.SimpleNamespace(recorded=lambda name: [2], models=lambda name, epoch: models)
    monkeypatch.setattr(recipe, "MOMENTA", {recipe.SMALL: 0.9})
    found = recipe.accuracies(results, None, [7])
    means = {key: accuracy.mean() for key, accuracy in found.items()}
    kinds = (recipe.BATCH, recipe.AVERAGES, recipe.CORRECTED)
    right = {(recipe.SMALL, kind, 7): n for kind, n in zip(kinds, (90, 60, 89), strict=True)}
    assert means == pytest.approx(right, abs=0.2)
    assert models.weights["h1_bn/moving_mean"] == pytest.approx(0.5 / (1 - 0.9**7))


@pytest.fixture
def judged(made_up):
    """`judged(right)` runs the recipe; `right(name, steps)` returns accuracies as above."""

    def run(right):
        class MadeUpLab(Lab):
            def data(self, examples):
                x = np.zeros((6, examples, 2))
                return types.SimpleNamespace(train=types.SimpleNamespace(x=x), test=None)

            def train(self, build_model, variants, data, *, epochs, batch_size, record, **plan):
                assert (variants, epochs) == (recipe.VARIANTS, record[-1])
                assert batch_size == 100
                self.results = made_up({name: [{"accuracy": [0, 1]}] * 6 for name in variants})
                self.results.recorded = lambda name: list(record)
                self.results.models = lambda name, epoch: MadeUpModels(*right(name, 10 * epoch))
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        late, *early = lab.claims
        assert "after 1000 steps" in late.text
        assert all("after 100 steps" in claim.text for claim in early)
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_averages_come_late_every_claim_holds(judged):
    needed = {"momentum 0.9": 50, "momentum 0.99": 1000, "momentum 0.999": 9999}
    found = judged(lambda name, steps: (90, 90 if steps >= needed[name] else 60, 90))
    assert found == [("holds", n) for n in (0, 0, 30, 0)]


def test_where_they_fail_for_small_momenta_and_correction_does_harm_none_does(judged):
    averages = {"momentum 0.9": 40, "momentum 0.99": 99, "momentum 0.999": 80}
    found = judged(lambda name, steps: (90, averages[name] if steps < 1000 else 50, 70))
    assert found == [("does not hold", n) for n in (-40, -50, -9, -20)]
