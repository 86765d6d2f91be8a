"""The recipe width_transfer: muP's weights and steps by value, its claims on planted effects."""

import numpy as np
import pytest

from recipes import width_transfer as recipe
from recipes._lab.lab import Lab, Options

SGD, ADAM, USUAL, MUP = recipe.SGD, recipe.ADAM, recipe.USUAL, recipe.MUP
NARROW, WIDE = recipe.NARROW, recipe.WIDE
LAYERS = ("h1", "h2", "softmax")
PLAIN = {"batch_norm": False, "dropout": 0.0}


def effective(model):
    """Return each kernel times what its inputs are multiplied by."""
    return [
        model.get_layer(f"{name}_scale").scale * model.get_layer(name).kernel.numpy()
        for name in LAYERS
    ]


@pytest.mark.parametrize("optimizer", [SGD, ADAM])
@pytest.mark.parametrize(("tuned_units", "last"), [(400, 1 / 20), (100, 1 / 40)])
def test_initial_weights_are_the_usual_ones_but_the_last_are_smaller(optimizer, tuned_units, last):
    arguments = PLAIN | {"optimizer": optimizer, "tuned_units": tuned_units}
    model = recipe.build_model((200,), 50, units=400, **arguments)
    deviations = [kernel.std() for kernel in effective(model)]
    # He's, and 1 / sqrt(inputs), divided by the square root of how many times as wide.
    expected = [np.sqrt(2 / 200), np.sqrt(2 / 400), last]
    assert deviations == pytest.approx(expected, rel=0.05)


def stepped(optimizer, wider):
    """Return by how much a step of Keras's own changes each effective kernel, from equal ones."""
    model = recipe.build_model(
        (5,), 3, units=8, tuned_units=8 / wider, optimizer=optimizer, learning_rate=0.01, **PLAIN
    )
    random = np.random.default_rng(0)
    for name in LAYERS:
        kernel = model.get_layer(name).kernel
        scale = model.get_layer(f"{name}_scale").scale
        kernel.assign(random.normal(0, 0.5, kernel.shape) / scale)
    before = effective(model)
    model.run_eagerly = True
    model.train_on_batch(random.normal(size=(6, 5)).astype(np.float32), np.arange(6) % 3)
    return [new - old for new, old in zip(effective(model), before, strict=True)]


@pytest.mark.parametrize(
    ("optimizer", "factors"), [(SGD, (4.0, 1.0, 0.25)), (ADAM, (1.0, 0.25, 0.25))]
)
def test_learning_rates_of_the_layers_are_those_of_the_papers_table(optimizer, factors):
    usual, mup = stepped(optimizer, 1), stepped(optimizer, 4)
    for step, reference, factor in zip(mup, usual, factors, strict=True):
        moved = reference != 0  # not the weights of dead units
        # The median, as Adam's epsilon counts where gradients are tiny.
        assert np.median(step[moved] / reference[moved]) == pytest.approx(factor, rel=0.01)


def test_both_parametrizations_are_the_same_narrow_network():
    for rate in recipe.RATES[SGD]:
        usual, mup = (recipe.VARIANTS[SGD, scaling, NARROW, rate] for scaling in (USUAL, MUP))
        assert usual == mup


@pytest.fixture
def judged(made_up):
    """`judged(moved)` runs the recipe on made-up training losses.

    Args:
        moved: by how many doublings the best learning rate of the wide network is higher than that
            of the narrow one, by optimizer and parametrization.
    """

    def run(moved):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every):
                assert variants == recipe.VARIANTS
                runs = {}
                for k, key in enumerate(variants, 1):
                    optimizer, scaling, units, rate = key
                    best = np.log2(recipe.RATES[optimizer][5])
                    if units == WIDE:
                        best += moved[optimizer, scaling]
                    loss = 0.1 + 0.05 * (np.log2(rate) - best) ** 2
                    runs[key] = [
                        {"accuracy": [0.1, 0.9], "loss": [2.3, loss + n * (k % 7)]} for n in noise
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-sgd.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def test_where_only_the_usual_rate_moves_every_claim_holds(judged):
    moved = {(SGD, USUAL): -3, (SGD, MUP): 0, (ADAM, USUAL): -2, (ADAM, MUP): 0}
    found = judged(moved)
    # Two doublings off its best, the usual wide network's loss is 0.05 * 2² higher.
    assert found == [("holds", e) for e in (3, 0, 2, 0, 0.2)]


def test_where_only_that_of_mup_moves_none_does(judged):
    moved = {(SGD, USUAL): 1, (SGD, MUP): -2, (ADAM, USUAL): 1, (ADAM, MUP): 2}
    found = judged(moved)
    assert found == [("does not hold", e) for e in (-1, -2, -1, 2, -0.2)]
