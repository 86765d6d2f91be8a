"""The recipe weight_init_activations: its models by value, its measures and claims by hand."""

import types

import keras
import numpy as np
import pytest

from recipes import weight_init_activations as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options


@pytest.mark.parametrize(
    ("init", "deviation"),
    [("std 1", 1), ("std .01", 0.01), ("Xavier", 1 / 20), ("He", 2**0.5 / 20), ("zeros", 0)],
)
def test_the_initial_weights_have_the_scale_they_are_named_after(init, deviation):
    variant = recipe.VARIANTS[f"tanh, {init}"]
    model = recipe.build_model((400,), 3, **variant)
    first, second = (model.get_layer(name).kernel.numpy() for name in ("h1", "h2"))
    assert first.shape == (400, 100)
    assert first.std() == pytest.approx(deviation, rel=0.03)
    assert not np.array_equal(first[:100], second) or init == "zeros"
    kinds = {type(layer) for layer in model.layers}
    assert keras.layers.BatchNormalization not in kinds
    assert model.get_layer("dropout").rate == 0
    assert model.get_layer("h5_act").activation is keras.activations.tanh


def test_normalization_stands_before_each_activation_unless_switched_off():
    names = [layer.name for layer in recipe.build_model().layers]
    hidden = [f"h{n}{kind}" for n in range(1, 6) for kind in ("", "_bn", "_act")]
    assert names == [*hidden, "dropout", "softmax"]


def test_spread_and_fall_of_hand_computed_values():
    # One seed, two examples, two units: unit 1 gives 0 and 2, unit 2 gives 10 to both.
    layer = np.array([[[0.0, 10.0], [2.0, 10.0]]], np.float32)
    assert recipe.spread([layer])[0, 0] == pytest.approx(
        np.sqrt(np.mean([0, 4, 100, 100]) - 5.5**2)
    )
    assert recipe.spread([layer, 3 * layer], over=1).tolist() == [[0.5], [1.5]]
    assert recipe.fall(np.array([[6.0], [1.0], [2.0]])).tolist() == [3.0]
    assert recipe.fall(np.array([[0.0], [0.0]])).tolist() == [1.0]


FACTORS = {"std 1": 0.5, "std .01": 0.1, "Xavier": 0.9, "He": 0.8}  # from layer to layer


class Models:
    """Outputs of ± one number a layer, which differ between examples; gradients the other way."""

    def __init__(self, variant):
        function, init = variant.split(", ")[:2]
        self.dropout = "Dropout" in variant
        self.factor = FACTORS.get(init, 0)
        self.first = 0.99 if function != "sigmoid" else 0.98

    def layers(self, kind, factor, last):
        sizes = [self.first * factor ** (n if not last else 5 - n) for n in range(5)]
        signs = np.array([1.0, -1.0, 1.0, -1.0])[:, None] * np.ones(3)
        return {f"h{n}{kind}": np.stack([s * signs] * 6) for n, s in enumerate(sizes, 1)}

    def outputs(self, x):
        return self.layers("_act", self.factor, False)

    def gradients(self, split):
        kernels = self.layers("/kernel", self.factor, True)
        kernels["h1/kernel"] = np.repeat(kernels["h1/kernel"], 4, axis=1)  # doubles its norm
        return kernels

    @property
    def weights(self):
        # What a unit does with its inputs may differ, but not between units.
        kernels = {f"h{n}/kernel": np.arange(72.0).reshape(6, 4, 3) // 3 for n in range(1, 6)}
        if self.dropout:
            kernels["h5/kernel"][:, 2, 1] += 0.25
        return kernels


def test_the_claims_of_made_up_models():
    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, record, watch):
            assert build_model is recipe.build_model
            assert (len(data.train), 0 in record) == (1000, True)
            assert set(watch) <= set(variants)
            noise = {v: a["fit"] for v, a in variants.items() if "fit" in a}
            assert len(noise) == 12
            for name, fit in noise.items():
                assert name.endswith("random input")
                assert fit["epochs"] == 0
                assert fit["data"].train.x.shape == (1000, 100)
                assert fit["data"].train.x.std() == pytest.approx(1, abs=0.01)
            return types.SimpleNamespace(models=lambda variant, epoch=None: Models(variant))

        def table(self, variants):
            pass

    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    assert list(lab.figures) == ["figure.png", "figure-over-examples.png"]
    estimates = [claim.judgement.estimate for claim in lab.claims]
    for n in (0, 8):  # random input, data
        # Halved four times, nothing is at the limits of tanh; at those of a sigmoid, -0.06 is.
        assert estimates[n : n + 2] == pytest.approx([50, 0])
        below = [np.log10(0.05 / (first * 1e-4)) for first in (0.98, 0.99, 0.99)]
        halvings = [4 * -np.log2(factor) for factor in (0.9, 0.9, 0.8)]
        assert estimates[n + 2 : n + 8 : 2] == pytest.approx(below)
        assert estimates[n + 3 : n + 8 : 2] == pytest.approx(halvings)
    growing = [16 / 2, 16 / 2, 0.9**-4 / 2]
    assert estimates[16:19] == pytest.approx(growing)
    assert estimates[19:] == pytest.approx([0.9**-4, 0, 0, 0.25])
    verdicts = [claim.judgement.verdict for claim in lab.claims]
    assert verdicts[2:4] == ["holds", "holds"]
    assert verdicts[7] == "does not hold"  # 1.29 halvings
    assert verdicts[20:] == ["holds", "holds", "does not hold"]
    assert "random input" in lab.claims[0].text
    assert lab.claims[8].text.endswith(", data")
