"""The recipe bn_placement: its models by value, its measures, its claims on made-up histories."""

import types

import keras
import numpy as np
import pytest

from recipes import bn_placement as recipe
from recipes._lab.first_version import FirstLab as Lab
from recipes._lab.lab import Options

RATES = 0.03, 0.1, 0.3, 1.0, 3.0
ORDER = {
    "no BN": ["", "_act"],
    "before": ["", "_bn", "_act"],
    "after": ["", "_act", "_bn"],
    "before, no bias": ["", "_bn", "_act"],
    "before, no gamma, beta": ["", "_bn", "_act"],
}


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
@pytest.mark.parametrize("part", ORDER)
def test_the_layers_of_each_variant(activation, part):
    model = recipe.build_model((64,), 10, **recipe.VARIANTS[f"{activation}, {part}, lr 0.3"])
    names = [f"h{n}{layer}" for n in range(1, 6) for layer in ORDER[part]]
    assert [layer.name for layer in model.layers] == [*names, "dropout", "softmax"]
    initializer = {"relu": keras.initializers.HeNormal, "sigmoid": keras.initializers.GlorotNormal}
    for layer in model.layers[:-2]:
        if layer.name.endswith("_bn"):
            learns = part != "before, no gamma, beta"
            assert (layer.center, layer.scale) == (learns, learns)
            assert (layer.momentum, layer.epsilon) == (0.9, 1e-5)
        elif layer.name.endswith("_act"):
            assert layer.activation is getattr(keras.activations, activation)
        else:
            assert layer.use_bias == (part != "before, no bias")
            assert type(layer.kernel_initializer) is initializer[activation]
    assert model.layers[-1].use_bias
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.3)


def test_fifty_variants():
    names = [f"{a}, {p}, lr {r:g}" for a in ("relu", "sigmoid") for p in ORDER for r in RATES]
    assert list(recipe.VARIANTS) == names


def test_largest_bias_leaves_out_the_softmax():
    weights = {f"h{n}/bias": np.full((2, 3), 0.1 * n) for n in range(1, 6)}
    weights["h2/bias"][1, 2] = -4
    weights["softmax/bias"] = np.full((2, 3), 9.0)
    assert recipe.largest_bias(types.SimpleNamespace(weights=weights)).tolist() == [0.5, 4]


def test_straightness():
    x = np.array([-1.0, 0, 1])[None, :, None] * np.ones((1, 1, 2))
    # Unit 1 is a line. Unit 2 is |x|: its variance, a sum of squares of 2/3, no line explains.
    y = np.concatenate([3 * x[..., :1] + 1, np.abs(x[..., 1:])], axis=2)
    outputs = {f"h{n}_{of}": v for n in range(1, 6) for of, v in (("bn", x), ("act", y))}
    assert recipe.straightness(outputs) == pytest.approx([100 * 18 / (18 + 2 / 3)])
    constant = {name: np.ones((1, 3, 2)) for name in outputs}
    assert recipe.straightness(constant) == [0]


def test_the_claims_of_made_up_histories(hand_made, monkeypatch):
    level = {"no BN": 0.1, "before": 0.8, "after": 0.77}
    level |= {"before, no bias": 0.805, "before, no gamma, beta": 0.76}
    variants = {}
    for name in recipe.VARIANTS:
        activation, part = name.split(", ", 1)
        part, rate = part.rsplit(", lr ", 1)
        high = level[part] + (0.05 if activation == "sigmoid" and part == "after" else 0)
        high -= {"1": 0, "3": 0.5 if part == "after" else 0.1}.get(rate, 0.02)
        # Training and test differ, so that one can't be taken for the other.
        variants[name] = [{"accuracy": [0.1] + [high] * 3, "test_accuracy": 0.5 * high}] * 10
    histories = hand_made(variants, chance=0.1, classes=10)

    class MadeUpLab(Lab):
        def train(self, build_model, variants, data, *, epochs, watch):
            assert variants is recipe.VARIANTS
            assert set(watch) < set(variants)
            self.histories = histories
            return histories

    asked = lambda name: types.SimpleNamespace(name=name, outputs=lambda x: name)  # noqa: E731
    monkeypatch.setattr(histories, "models", asked, raising=False)
    bias = {"before": [0, 0, 0, 2e-7, np.nan] * 2, "after": [0.1, 0.1, 0.1, 0.1, np.nan] * 2}
    part_of = lambda name: name.split(", ", 1)[1].rsplit(", lr", 1)[0]  # noqa: E731
    monkeypatch.setattr(recipe, "largest_bias", lambda models: np.array(bias[part_of(models.name)]))
    lines = {"before": [98.0, 98, 98, 98, np.nan] * 2, "before, no gamma, beta": [99.0] * 10}
    monkeypatch.setattr(recipe, "straightness", lambda outputs: np.array(lines[part_of(outputs)]))
    lab = MadeUpLab(Options(), None, None, None)
    recipe.run(lab)
    # Of each activation: test before - after; rates won; points at lr 3; test without - with bias;
    # test with - without gamma. A diverged seed's bias counts as 1, or as 1e-9; its share as 0.
    relu, sigmoid = [1.5, 5, 43, 0.25, 2], [-1, 1, 38, 0.25, 2]
    others = [1, (4 * 5 - 3) / 5, 99, 2 * 4 / 5, 5]
    estimates = [claim.judgement.estimate for claim in lab.claims]
    assert estimates == pytest.approx([*relu, *sigmoid, *others], abs=1e-5)
    verdicts = {n: lab.claims[n].judgement.verdict for n in (0, 5, 6, 10, 12)}
    fails = "does not hold"  # and at the bound of -1 the claim about the sigmoid just holds
    assert verdicts == {0: "holds", 5: "holds", 6: fails, 10: fails, 12: "holds"}
    assert [claim.primary for claim in lab.claims] == [True] + [False] * 14
    assert list(lab.figures) == ["figure.png", "figure-parts.png"]
