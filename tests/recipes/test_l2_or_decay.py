"""The recipe l2_or_decay: its steps and distances by value, and its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import l2_or_decay as recipe
from recipes._lab.lab import Lab, Options


def test_the_variants_differ_in_optimizer_and_decay_only():
    plain = {"batch_norm": False, "dropout": 0.0}
    sgd = plain | {"optimizer": "SGD", "learning_rate": 0.01}
    short, best = "λ 0.1, one epoch", "best λ"
    assert {
        ("SGD", "L2", short): sgd | {"in_loss": True},
        ("SGD", "decay", short): sgd,
        ("Adam", "L2", short): plain | {"in_loss": True},
        ("Adam", "decay", short): plain,
        ("Adam", "L2", best): plain | {"in_loss": True},
        ("Adam", "decay", best): plain,
    } == recipe.VARIANTS
    assert recipe.build_model().optimizer.weight_decay == 0.1


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


def models(*kernels):
    """Return made-up models: of each, one kernel of one number and a bias that does not count."""
    kernel = np.reshape(kernels, (-1, 1, 1)).astype(float)
    return types.SimpleNamespace(weights={"h1/kernel": kernel, "h1/bias": kernel[:, 0] * 9})


def test_kernels_are_one_vector_a_model():
    weights = {
        "h1/kernel": np.array([[[3.0]], [[1.0]]]),
        "h1/bias": np.array([[9.0], [9.0]]),
        "softmax/kernel": np.array([[[4.0, 5.0]], [[0.0, 6.0]]]),
    }
    found = recipe.kernels(types.SimpleNamespace(weights=weights))
    assert found.tolist() == [[3, 4, 5], [1, 0, 6]]


def test_the_difference_is_a_share_of_the_norm():
    apart = {"L2": models(4, 2), "decay": models(5, 2)}
    results = types.SimpleNamespace(models=lambda key: apart[key[1]])
    np.testing.assert_allclose(recipe.difference(results, "SGD"), [25, 0])


@pytest.fixture
def judged(made_up):
    """`judged(best, apart)` runs the recipe on made-up results.

    Args:
        best: test accuracy in % of L2 and of decay.
        apart: how far the two are apart after an epoch, as a share, by optimizer.
    """

    def run(best, apart):
        best = dict(zip(("L2", "decay"), best, strict=True))
        rng = np.random.default_rng(0)

        def made_up_models(key):
            optimizer, way, _ = key
            return models(*[1 + apart[optimizer] if way == "decay" else 1] * 6)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, **candidates):
                assert list(variants) == list(recipe.TO_TUNE)
                return variants

            def train(self, build_model, variants, data, *, epochs):
                assert variants == recipe.VARIANTS
                runs = {
                    key: [
                        {"accuracy": [0.1, 1.0], "test_accuracy": best[key[1]] / 100 + noise}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                    for key in variants
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = made_up_models
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 2)) for claim in lab.claims]

    return run


def test_where_the_paper_is_right_every_claim_holds(judged):
    found = judged(best=(90, 93), apart={"SGD": 1e-6, "Adam": 0.02})
    assert found == [("holds", pytest.approx(n, abs=0.2)) for n in (3, 0, 2)]


def test_where_it_is_wrong_none_does(judged):
    found = judged(best=(94, 92), apart={"SGD": 0.02, "Adam": 1e-6})
    assert found == [("does not hold", pytest.approx(n, abs=0.2)) for n in (-2, 2, 0)]
