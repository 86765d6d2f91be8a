"""The recipe weight_decay: its models and steps by value, and its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import weight_decay as recipe
from recipes._lab.lab import Lab, Options

SGD, SGD_DECAY, ADAM, ADAM_DECAY = recipe.SGD, recipe.SGD_DECAY, recipe.ADAM, recipe.ADAM_DECAY


def test_the_variants_differ_in_optimizer_and_decay_only():
    plain = {"batch_norm": False, "dropout": 0.0}
    books = plain | {"optimizer": "SGD", "learning_rate": 0.01}
    expected = {
        (SGD, f"λ {λ:g}"): books | {"decay": λ, "in_loss": True} for λ in (0, 0.01, 0.03, 0.1)
    }
    assert expected | {(SGD_DECAY, "λ 0.1"): books | {"decay": 0.1}} == recipe.VARIANTS
    assert {ADAM: plain | {"in_loss": True}, ADAM_DECAY: plain} == recipe.TO_TUNE


def stepped(**arguments):
    """Return the weights before and after one step of Keras's own, flat, of the same model."""
    keras.utils.set_random_seed(0)
    arguments = {"batch_norm": False, "dropout": 0.0, "learning_rate": 0.1} | arguments
    model = recipe.build_model((5,), 3, **arguments)
    for weight in model.trainable_weights:
        if weight.name == "bias":
            weight.assign(weight + 0.1)  # at 0, none could shrink
    before = [weight.numpy() for weight in model.trainable_weights]
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    x[:, 0] = 0  # whose weights have no gradient
    model.run_eagerly = True
    model.train_on_batch(x, np.arange(8) % 3)
    both = before, [weight.numpy() for weight in model.trainable_weights]
    return [np.concatenate([weight.ravel() for weight in of]) for of in both]


@pytest.mark.parametrize("in_loss", [True, False])
def test_with_sgd_a_step_shrinks_all_weights_by_rate_times_decay_in_both_ways(in_loss):
    start, none = stepped(optimizer="SGD", decay=0.0)
    _, shrunk = stepped(optimizer="SGD", decay=0.5, in_loss=in_loss)
    np.testing.assert_allclose(none - shrunk, 0.1 * 0.5 * start, atol=1e-5)


def test_adam_takes_a_penalty_for_a_gradient_but_not_a_decay():
    start, none = stepped(decay=0.0)
    _, decayed = stepped(decay=0.5)
    np.testing.assert_allclose(none - decayed, 0.1 * 0.5 * start, atol=1e-5)
    _, penalized = stepped(decay=0.5, in_loss=True)
    # Without another gradient, the first step is the learning rate, however small the penalty.
    np.testing.assert_allclose((start - penalized)[:100], 0.1 * np.sign(start[:100]), atol=1e-4)


def test_the_norm_is_that_of_all_kernels():
    weights = {
        "h1/kernel": np.array([[[3.0]], [[1.0]]]),
        "h1/bias": np.array([[9.0], [9.0]]),
        "softmax/kernel": np.array([[[4.0]], [[0.0]]]),
    }
    np.testing.assert_allclose(recipe.norm(weights), [5, 1])
    halves = {name: values / 2 for name, values in weights.items()}
    np.testing.assert_allclose(recipe.norm_of_difference(weights, halves), [50, 50])


@pytest.fixture
def judged(made_up):
    """`judged(ends, norms, apart)` runs the recipe on made-up results.

    Args:
        ends: (training, test) accuracy in % of each variant.
        norms: of the kernels, at each λ of SGD.
        apart: how far L2 and decay are apart after an epoch, as a share.
    """

    def run(ends, norms, apart):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, **candidates):
                assert list(variants) == list(recipe.TO_TUNE)
                return variants

            def train(self, build_model, variants, data, *, epochs, record):
                runs = {
                    key: [
                        {"accuracy": [0.1, train / 100], "val_accuracy": [0.1, test / 100 + noise]}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                    for key, (train, test) in zip(variants, ends, strict=True)
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = models
                return self.results

        def models(key, epoch=None):
            if epoch == 1:
                size = 1 + apart if key[0] == SGD_DECAY else 1
            else:
                size = norms[list(recipe.VARIANTS).index(key)]
            return types.SimpleNamespace(weights={"h1/kernel": np.full((6, 1, 1), float(size))})

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def test_where_the_textbooks_are_right_every_claim_holds(judged):
    """Ends of SGD at four λ, of decay in its update, of Adam with L2 and with decay."""
    ends = [(100, 90), (98, 91), (95, 92), (85, 84), (85, 84), (100, 90), (100, 93)]
    found = judged(ends, norms=[9, 8, 6, 3], apart=1e-6)
    assert [verdict for verdict, _ in found] == ["holds"] * 5
    estimates = [estimate for _, estimate in found]
    assert estimates == pytest.approx([9, 1, 0, 3, 8], abs=0.2)


def test_where_they_are_wrong_none_does(judged):
    ends = [(100, 95), (100, 94), (100, 93), (100, 90), (100, 90), (100, 94), (100, 92)]
    found = judged(ends, norms=[9, 8, 6, 3], apart=0.01)
    assert [verdict for verdict, _ in found[:4]] == ["does not hold"] * 4
    worse = [(100, 90), (98, 91), (95, 92), (85, 94), (85, 94), (100, 90), (100, 93)]
    assert judged(worse, norms=[9, 8, 6, 3], apart=0.01)[4] == ("makes no difference", 0)
