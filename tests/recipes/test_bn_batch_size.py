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
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(1)
    assert recipe.SIZES[key[1]] == size
    if kind == "BN":  # batches of any size add up to 512 examples in the averages
        assert model.get_layer("h2_bn").momentum == 1 - size / 512


@pytest.fixture
def judged(made_up):
    """`judged(bn, ln)` runs the recipe on accuracies (%) in batches of 2, 16 and 128, best rate."""

    def run(bn, ln):
        highest = {"BN": dict(zip(recipe.SIZES, bn, strict=True))}
        highest["LayerNorm"] = dict(zip(recipe.SIZES, ln, strict=True))

        def runs(kind, size, rate):
            high = highest[kind][size] / 100 if np.isclose(rate, 1) else 0.2
            noise = np.random.default_rng(len(kind + size)).normal(0, 1e-3, 6)
            return [{"accuracy": [0.1, high], "test_accuracy": high - 0.1 + n} for n in noise]

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, evaluate_every):
                assert data.train.x.shape[1] == 512
                self.results = made_up({key: runs(*key) for key in variants}, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png"]
        assert len(lab.rows) == 6
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


def test_where_small_batches_spoil_bn_alone_every_claim_holds(judged):
    found = judged(bn=(60, 95, 95), ln=(94, 94, 94))
    assert [verdict for verdict, _ in found] == ["holds"] * 3
    assert [estimate for _, estimate in found] == pytest.approx([35, 0, 0], abs=0.2)


def test_where_they_spoil_layer_normalization_none_does(judged):
    found = judged(bn=(95, 70, 90), ln=(60, 94, 94))
    assert [verdict for verdict, _ in found] == ["does not hold"] * 3
    assert [estimate for _, estimate in found] == pytest.approx([-5, -34, -20], abs=0.2)
