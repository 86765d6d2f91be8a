"""The recipe bn_noise: its steps by value, and its claims where the effect is planted."""

import numpy as np
import pytest

from recipes import bn_noise as recipe
from recipes._lab.lab import Lab, Options

NOISY, QUIET = "ghost batches of 8", "ghost batches of 128"


@pytest.mark.parametrize(("name", "size", "batches"), [(NOISY, 8, 16), (QUIET, 128, None)])
def test_ghost_batches_make_steps_of_128_examples(name, size, batches):
    model = recipe.build_model((7,), 3, **recipe.VARIANTS[name, 0.3])
    assert recipe.SIZES[name] == size
    assert model.optimizer.gradient_accumulation_steps == batches
    assert model.get_layer("h1_bn").momentum == 1 - size / 512  # 512 examples in the averages
    names = [f"h{n}{part}" for n in (1, 2) for part in ("", "_bn", "_act")]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]


@pytest.fixture
def judged(made_up):
    """`judged(accuracies, losses)` runs the recipe on those (%, nats) on test at the best rates."""

    def run(accuracies, losses):
        accuracies = dict(zip(recipe.SIZES, accuracies, strict=True))
        losses = dict(zip(recipe.SIZES, losses, strict=True))

        def runs(name, rate):
            best = rate == 1.0
            high = accuracies[name] / 100 if best else 0.2
            noise = np.random.default_rng(len(name)).normal(0, 1e-3, 6)
            return [
                {
                    "accuracy": [0.1, high],
                    "loss": [2.3, 0.1],
                    "val_loss": [2.3, 0.1 if best else 2],
                    "test_accuracy": high - 0.1 + n,
                    "test_loss": losses[name] + n if best else 0,
                }
                for n in noise
            ]

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, evaluate_every):
                assert data.train.x.shape[1] == 512
                assert batch_size == recipe.SIZES
                self.results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        return [(claim.verdict, claim.judgement.estimate) for claim in lab.claims]

    return run


def test_where_noise_regularizes_every_claim_holds(judged):
    found = judged(accuracies=(97, 94), losses=(0.2, 0.5))
    assert found == [("holds", pytest.approx(n, abs=0.2)) for n in (0.3, 3, 0.3)]


def test_where_it_does_harm_none_does(judged):
    found = judged(accuracies=(90, 96), losses=(0.5, 0.2))
    assert found == [("does not hold", pytest.approx(n, abs=0.2)) for n in (-0.3, -6, -0.3)]
