"""The recipe width_transfer: muP's weights and steps by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import width_transfer as recipe
from recipes._lab.lab import Lab, Options

USUAL, MUP = recipe.USUAL, recipe.MUP
NARROW, WIDE = recipe.NARROW, recipe.WIDE
LAYERS = ("h1", "h2", "softmax")
PLAIN = {"batch_norm": False, "dropout": 0.0}


def effective(model):
    """Return each kernel times what its inputs are multiplied by."""
    return [
        model.get_layer(f"{name}_scale").scale * model.get_layer(name).kernel.numpy()
        for name in LAYERS
    ]


@pytest.mark.parametrize(("tuned_units", "last"), [(400, 1 / 20), (100, 1 / 40)])
def test_initial_weights_are_the_usual_ones_but_the_last_are_smaller(tuned_units, last):
    model = recipe.build_model((200,), 50, units=400, tuned_units=tuned_units, **PLAIN)
    deviations = [kernel.std() for kernel in effective(model)]
    # He's, and 1 / sqrt(inputs), divided by the square root of how many times as wide.
    expected = [np.sqrt(2 / 200), np.sqrt(2 / 400), last]
    assert deviations == pytest.approx(expected, rel=0.05)


def stepped(wider):
    """Return by how much a step of Keras's own changes each effective kernel, from equal ones."""
    model = recipe.build_model((5,), 3, units=8, tuned_units=8 / wider, **PLAIN)
    random = np.random.default_rng(0)
    for name in LAYERS:
        kernel = model.get_layer(name).kernel
        scale = model.get_layer(f"{name}_scale").scale
        kernel.assign(random.normal(0, 0.5, kernel.shape) / scale)
    before = effective(model)
    model.run_eagerly = True
    model.train_on_batch(random.normal(size=(6, 5)).astype(np.float32), np.arange(6) % 3)
    return [new - old for new, old in zip(effective(model), before, strict=True)]


def test_learning_rates_of_the_layers_are_those_of_the_papers_table():
    for step, reference, factor in zip(stepped(4), stepped(1), (1, 1 / 4, 1 / 4), strict=True):
        moved = reference != 0  # not the weights of dead units
        # The median, as Adam's epsilon counts where gradients are tiny.
        assert np.median(step[moved] / reference[moved]) == pytest.approx(factor, rel=0.01)


def test_both_parametrizations_are_the_same_narrow_network():
    for rate in recipe.RATES:
        usual, mup = (recipe.VARIANTS[scaling, NARROW, rate] for scaling in (USUAL, MUP))
        assert usual == mup


@pytest.fixture
def judged(made_up):
    """`judged(moved)` runs the recipe on made-up training losses.

    Args:
        moved: by how many doublings the best learning rate of the wide network is higher than that
            of the narrow one, by parametrization.
    """

    def run(moved):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every):
                assert variants == recipe.VARIANTS
                runs = {}
                for k, key in enumerate(variants, 1):
                    scaling, units, rate = key
                    best = np.log2(recipe.RATES[5])
                    if units == WIDE:
                        best += moved[scaling]
                    loss = 0.1 + 0.05 * (np.log2(rate) - best) ** 2
                    runs[key] = [
                        {"accuracy": [0.1, 0.9], "loss": [2.3, loss + n * (k % 7)]} for n in noise
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def test_where_only_the_usual_rate_moves_every_claim_holds(judged):
    found = judged({USUAL: -2, MUP: 0})
    # Two doublings off its best, the usual wide network's loss is 0.05 * 2² higher.
    assert found == [("holds", e) for e in (2, 0, 0.2)]


def test_where_only_that_of_mup_moves_none_does(judged):
    found = judged({USUAL: 1, MUP: 3})
    assert found == [("does not hold", e) for e in (-1, 3, -0.4)]
