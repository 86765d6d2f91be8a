"""The recipe bn_batch_size: its models by value, and its claims where the effect is planted."""

import keras
import numpy as np
import pytest

from recipes import bn_batch_size as recipe
from recipes._lab.lab import Lab, Options

LAYERS = {
    "BN": (keras.layers.BatchNormalization, "_bn"),
    "LayerNorm": (keras.layers.LayerNormalization, "_ln"),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("size", [2, 16, 128])
def test_the_layers_of_each_variant(kind, size):
    key = (kind, f"batches of {size}", recipe.RATES[5])
    model = recipe.build_model((7,), 3, **recipe.VARIANTS[key])
    layer, ending = LAYERS[kind]
    names = [f"h{n}{part}" for n in (1, 2) for part in ("", ending, "_act")]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    assert type(model.get_layer(f"h2{ending}")) is layer
    assert model.optimizer.gradient_accumulation_steps is None
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1)
    assert recipe.SIZES[key[1]] == size
    if kind == "BN":  # batches of any size add up to 512 examples in the averages
        assert model.get_layer("h2_bn").momentum == 1 - size / 512


@pytest.mark.parametrize(("size", "steps"), [(8, 16), (128, None)])
def test_ghost_batches_make_steps_of_128_examples(size, steps):
    name = f"ghost batches of {size}"
    model = recipe.build_model((7,), 3, **recipe.GHOSTS[name, 0.3])
    assert recipe.GHOST_SIZES[name] == size
    assert model.optimizer.gradient_accumulation_steps == steps
    assert model.get_layer("h1_bn").momentum == 1 - size / 512


@pytest.fixture
def judged(made_up):
    """`judged(highest, losses)` runs the recipe on accuracies (%) and test losses at best rates."""

    def run(highest, losses):
        def runs(*key):
            name, rate = key[-2:]
            high = highest[key[:-1]] / 100 if np.isclose(rate, 1) else 0.2
            noise = np.random.default_rng(len(str(key))).normal(0, 1e-3, 6)
            return [
                {
                    "accuracy": [0.1, high],
                    "loss": [2.3, 0.1],
                    "test_accuracy": high - 0.1 + n,
                    "test_loss": losses.get(name, 0) + n if np.isclose(rate, 1) else 0,
                }
                for n in noise
            ]

        class MadeUpLab(Lab):
            def data(self, examples):
                assert examples == 512

            def train(self, build_model, variants, data, *, epochs, batch_size, evaluate_every):
                results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                self.results |= results
                return results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-ghost.png"]
        assert len(lab.rows) == 6
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def planted(bn, ln, ghosts):
    """Name the accuracies of batches of 2, 16 and 128, and of ghost batches of 8 and 128."""
    sizes = ("batches of 2", "batches of 16", "batches of 128")
    highest = {("BN", size): of for size, of in zip(sizes, bn, strict=True)}
    highest |= {("LayerNorm", size): of for size, of in zip(sizes, ln, strict=True)}
    names = ("ghost batches of 8", "ghost batches of 128")
    return highest | {(name,): of for name, of in zip(names, ghosts, strict=True)}


def test_where_small_batches_spoil_bn_and_noise_helps_every_claim_holds(judged):
    losses = {"ghost batches of 8": 0.2, "ghost batches of 128": 0.5}
    found = judged(planted((60, 95, 95), (94, 94, 94), (97, 94)), losses)
    assert [verdict for verdict, _ in found] == ["holds"] * 5
    assert [estimate for _, estimate in found] == pytest.approx([35, 0, 0, 0.3, 3], abs=0.2)


def test_where_it_is_the_other_way_round_none_does(judged):
    losses = {"ghost batches of 8": 0.5, "ghost batches of 128": 0.2}
    found = judged(planted((95, 70, 90), (60, 94, 94), (90, 96)), losses)
    assert [verdict for verdict, _ in found] == ["does not hold"] * 5
    estimates = [estimate for _, estimate in found]
    assert estimates == pytest.approx([-5, -34, -20, -0.3, -6], abs=0.2)
