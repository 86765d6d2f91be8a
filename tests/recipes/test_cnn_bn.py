"""The recipe cnn_bn: its nets by value, the shuffled pixels, its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import cnn_bn as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options

PLACED, SHUFFLED = "pixels in place", "pixels shuffled"


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_layers_of_both_nets(batch_norm):
    normalization = ["bn"] if batch_norm else []
    for convolution, rest in ((True, ["act", "pool"]), (False, ["act"])):
        model = recipe.build_model(convolution=convolution, batch_norm=batch_norm)
        parts = [*normalization, *rest]
        body = [name for n in (1, 2) for name in (f"h{n}", *[f"h{n}_{part}" for part in parts])]
        body.insert(len(body) if convolution else 0, "flatten")
        assert [layer.name for layer in model.layers] == [*body, "dropout", "softmax"]
        kind = keras.layers.Conv2D if convolution else keras.layers.Dense
        assert {type(model.get_layer(f"h{n}")) for n in (1, 2)} == {kind}


def test_the_nets_take_about_as_many_multiplications():
    """A filter's weights count once for each position: 64 before the first pooling, then 16."""
    costs = []
    for convolution, positions in ((True, (64, 16, 1)), (False, (1, 1, 1))):
        model = recipe.build_model(convolution=convolution)
        kernels = [model.get_layer(name).kernel for name in ("h1", "h2", "softmax")]
        costs.append(sum(n * np.prod(k.shape) for n, k in zip(positions, kernels, strict=True)))
    assert costs == [9216 + 73728 + 1280, 16000 + 62500 + 2500]
    assert costs[1] == pytest.approx(costs[0], rel=0.05)


def test_pixels_move_together_and_channels_stay():
    x = np.random.default_rng(3).random((6, 5, 4, 2), np.float32)
    split = Split(x, np.arange(6, dtype=np.int32) % 3)
    data = Dataset("made-up", ("a", "b", "c"), split, split, split)
    shuffled = recipe.shuffle_pixels(data, np.random.default_rng(0))
    order = np.random.default_rng(0).permutation(20)
    for part in shuffled.parts:
        for place, origin in enumerate(order):
            moved, before = part.x[:, place // 4, place % 4], x[:, origin // 4, origin % 4]
            np.testing.assert_array_equal(moved, before)
        np.testing.assert_array_equal(part.y, split.y)


@pytest.fixture
def verdicts(made_up):
    """`verdicts(ends)` runs the recipe on made-up final accuracies in %, in the variants' order."""

    def run(ends):
        rng = np.random.default_rng(0)
        ends = dict(zip(recipe.VARIANTS, ends, strict=True))

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, learning_rate, **plan):
                images, shuffled = data[PLACED].test.x, data[SHUFFLED].test.x
                assert images.shape == shuffled.shape
                assert np.abs(images - shuffled).max() > 0.5
                self.asked = data, plan
                return variants

            def train(self, build_model, variants, data, **plan):
                assert (data, plan) == self.asked  # trained as it was tuned
                noise = rng.normal(0, 0.001, 6)
                runs = {
                    key: [
                        {"accuracy": [0.1, end / 100 + n]} for n in noise + rng.normal(0, 1e-4, 6)
                    ]
                    for key, end in ends.items()
                }
                self.results = made_up(runs, chance=0.1)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-pixels.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def test_where_position_matters_and_bn_helps_every_claim_holds(verdicts):
    assert verdicts([90, 96, 80, 92, 92]) == ["holds"] * 4


def test_where_neither_does_none_holds(verdicts):
    assert verdicts([96, 90, 91, 95, 85]) == ["does not hold"] * 4


def test_equal_nets_make_no_difference(verdicts):
    assert verdicts([90, 96, 80, 96, 96])[1] == "makes no difference"
