"""The recipe residual_depth: its blocks by value, and its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import residual_depth as recipe
from recipes._lab.lab import Lab, Options


def normalized(x):
    """Batch normalization in training, gamma 1 and beta 0."""
    return (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)


def relu(x):
    return np.maximum(x, 0)


@pytest.mark.parametrize("kind", ["plain", "post-activation", "pre-activation"])
def test_a_block_by_hand(kind):
    block = recipe.Block(3, kind)
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    y = block(x, training=True).numpy()
    first, second = (layer.kernel.numpy() for layer in block.dense)
    if kind == "pre-activation":
        expected = x + relu(normalized(relu(normalized(x)) @ first)) @ second
    else:
        inner = normalized(relu(normalized(x @ first)) @ second)
        expected = relu(inner if kind == "plain" else x + inner)
    np.testing.assert_allclose(y, expected, atol=1e-4)


def test_the_variants_are_each_kind_with_one_block_and_with_eight():
    depths = {"1 block": 1, "8 blocks": 8}
    assert {
        (kind, depth): {"kind": kind, "blocks": blocks, "dropout": 0.0}
        for kind in ("plain", "post-activation", "pre-activation")
        for depth, blocks in depths.items()
    } == recipe.VARIANTS
    model = recipe.build_model(blocks=8)
    assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.1)
    dense = [w for w in model.trainable_weights if w.name == "kernel"]
    assert len(dense) == 2 + 2 * 8
    assert isinstance(model, keras.Sequential)


@pytest.fixture
def judged(made_up):
    """`judged(plain=(90, 80), ...)` runs the recipe on made-up accuracies, in %, by depth."""

    def run(**accuracies):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, evaluate_every, watch):
                assert variants == recipe.VARIANTS
                runs = {}
                for kind, depth in variants:
                    level = accuracies[kind.split("-")[0]][list(recipe.BLOCKS).index(depth)] / 100
                    runs[kind, depth] = [
                        {"accuracy": [level + noise] * 3, "test_accuracy": level + noise}
                        for noise in rng.normal(0, 0.001, 6)
                    ]
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-test.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_papers_are_right_every_claim_holds(judged):
    found = judged(plain=(90, 60), post=(90, 93), pre=(90, 96))
    assert found == [("holds", estimate) for estimate in (30, 33, 3, 3, 3)]


def test_where_they_are_wrong_none_does(judged):
    found = judged(plain=(90, 95), post=(90, 85), pre=(90, 80))
    assert found == [("does not hold", estimate) for estimate in (-5, -10, -5, -5, -5)]
