"""The recipe weight_init: its initial weights by value, and its claims on planted effects."""

import keras
import numpy as np
import pytest

from recipes import weight_init as recipe
from recipes._lab.lab import Lab, Options

BOOKS, RELU, TANH = "ReLU, lr .01", "ReLU", "tanh"
SMALL, XAVIER, HE = "std .01", "Xavier", "He"
VARIANTS = recipe.AT_BOOK_RATE | recipe.VARIANTS


@pytest.mark.parametrize(
    ("key", "activation", "deviation"),
    [
        ((BOOKS, SMALL), "relu", 0.01),
        ((BOOKS, XAVIER), "relu", 0.1),
        ((BOOKS, HE), "relu", np.sqrt(2) / 10),
        ((TANH, XAVIER), "tanh", 0.1),
        ((TANH, HE), "tanh", np.sqrt(2) / 10),
    ],
)
def test_the_initial_weights_of_each_variant(key, activation, deviation):
    model = recipe.build_model((100,), 10, **VARIANTS[key])
    kinds = [keras.layers.Dense, keras.layers.Activation] * 4
    assert [type(layer) for layer in model.layers[:-2]] == kinds  # and no normalization
    for n in range(1, 5):
        kernel = model.get_layer(f"h{n}").kernel.numpy()
        assert kernel.shape == (100, 100)
        assert kernel.std() == pytest.approx(deviation, rel=0.03)
        assert model.get_layer(f"h{n}_act").activation is keras.activations.get(activation)
    assert model.get_layer("dropout").rate == 0
    if key[0] == BOOKS:
        assert float(model.optimizer.learning_rate.numpy()) == pytest.approx(0.01)


def test_no_two_layers_start_from_the_same_weights():
    model = recipe.build_model((100,), init=0.01)
    first, second = (model.get_layer(name).kernel.numpy() for name in ("h1", "h2"))
    assert not np.array_equal(first, second)


@pytest.fixture
def verdicts(made_up):
    """`verdicts(ends)` runs the recipe on made-up final training accuracies in %."""

    def run(ends):
        rng = np.random.default_rng(0)

        class MadeUpLab(Lab):
            def tune(self, build_model, variants, data, *, epochs, learning_rate):
                self.epochs_tuned = epochs
                return {key: of | {"learning_rate": 0.3} for key, of in variants.items()}

            def train(self, build_model, variants, data, *, epochs, evaluate_every=1):
                steps = epochs * data.train.x.shape[1] / 100
                if variants == recipe.AT_BOOK_RATE:
                    assert steps == 2000
                else:
                    assert list(variants) == list(recipe.VARIANTS)
                    assert steps == 100
                    assert epochs == self.epochs_tuned
                runs = {
                    key: [{"accuracy": [0.1, ends[key] / 100 + e]} for e in rng.normal(0, 0.002, 6)]
                    for key in variants
                }
                results = made_up(runs, chance=0.1)
                self.results |= results
                return results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-first-steps.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def accuracies(books, relu, tanh):
    """Name final accuracies: from std .01, Xavier's and He's weights, or from the latter two."""
    return dict(zip(VARIANTS, [*books, *relu, *tanh], strict=True))


def test_where_the_rules_are_right_every_claim_holds(verdicts):
    ends = accuracies((10, 80, 95), (85, 95), (95, 92))
    assert verdicts(ends) == ["holds"] * 4


def test_where_they_are_wrong_none_does(verdicts):
    ends = accuracies((50, 95, 80), (95, 85), (92, 95))
    assert verdicts(ends) == ["does not hold"] * 4


def test_equal_accuracies_make_no_difference(verdicts):
    ends = accuracies((10, 95, 95), (95, 95), (95, 95))
    assert verdicts(ends) == ["holds"] + ["makes no difference"] * 3
