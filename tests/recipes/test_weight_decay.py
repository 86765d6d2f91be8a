"""The recipe weight_decay: a step and the norm by value, and its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import weight_decay as recipe
from recipes._lab.lab import Lab, Options


def stepped(weight_decay):
    """Return the weights before and after one step of Keras's own, flat, of the same model."""
    keras.utils.set_random_seed(0)
    arguments = recipe.PLAIN | {"weight_decay": weight_decay}
    model = recipe.build_model((5,), 3, **arguments)
    before = np.concatenate([weight.numpy().ravel() for weight in model.trainable_weights])
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    model.run_eagerly = True
    model.train_on_batch(x, np.arange(8) % 3)
    after = np.concatenate([weight.numpy().ravel() for weight in model.trainable_weights])
    return before, after


def test_a_step_shrinks_all_weights_by_rate_times_decay():
    start, none = stepped(0.0)
    _, shrunk = stepped(0.5)
    np.testing.assert_allclose(none - shrunk, 0.01 * 0.5 * start, atol=1e-6)


def test_the_norm_is_that_of_all_kernels():
    weights = {
        "h1/kernel": np.array([[[3.0]], [[1.0]]]),
        "h1/bias": np.array([[9.0], [9.0]]),
        "softmax/kernel": np.array([[[4.0]], [[0.0]]]),
    }
    models = types.SimpleNamespace(weights=weights)
    np.testing.assert_allclose(recipe.norm_of_kernels(models), [5, 1])


@pytest.fixture
def judged(made_up):
    """`judged(ends, norms)` runs the recipe on made-up results.

    Args:
        ends: (training, test) accuracy in % at each λ.
        norms: of the kernels, likewise.
    """

    def run(ends, norms):
        rng = np.random.default_rng(0)

        def models(name):
            norm = norms[list(recipe.DECAYS).index(name)]
            return types.SimpleNamespace(weights={"h1/kernel": np.full((6, 1, 1), float(norm))})

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every):
                assert data.train.x.shape[1] == 300
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

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def test_where_decay_narrows_the_gap_every_claim_holds(judged):
    found = judged(ends=[(100, 90), (98, 91), (95, 92), (85, 84)], norms=[9, 8, 6, 3])
    assert [verdict for verdict, _ in found] == ["holds"] * 3
    assert [estimate for _, estimate in found] == pytest.approx([9, 1, 8], abs=0.2)


def test_where_it_widens_the_gap_and_is_best_at_its_largest_none_does(judged):
    found = judged(ends=[(90, 90), (92, 90), (95, 91), (100, 94)], norms=[9, 8, 6, 3])
    assert found == [
        ("does not hold", pytest.approx(-6, abs=0.2)),
        ("does not hold", -1),
        ("makes no difference", 0),  # 0.1 is what validation chooses
    ]
