"""The recipe dropout_inference: averages over masks by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import dropout_inference as recipe
from recipes._lab.lab import Lab, Options

ARITHMETIC, GEOMETRIC, INFERENCE = recipe.ARITHMETIC, recipe.GEOMETRIC, recipe.INFERENCE


class MadeUpModels:
    """Six models that are 60 % sure of class 0; every second mask makes them 90 % or 10 %."""

    def predict(self, x, training=False, draw=0):
        sure = {True: 0.9 if draw % 2 else 0.1, False: 0.6}[training]
        return np.broadcast_to([sure, 1 - sure], (6, 4, 2))


def test_the_averages_over_masks():
    found = recipe.predictions(MadeUpModels(), None)
    assert {count for _, count in found} == set(recipe.MASKS)
    np.testing.assert_allclose(found[ARITHMETIC, 1][0, 0], [0.1, 0.9])
    np.testing.assert_allclose(found[ARITHMETIC, 2][3, 1], [0.5, 0.5])
    # Of five masks two say .9 and three .1: odds of 9^(2 - 3), to the fifth root.
    low = 1 / (1 + 9**0.2)
    np.testing.assert_allclose(found[GEOMETRIC, 5][5, 3], [low, 1 - low])
    np.testing.assert_allclose(found[ARITHMETIC, 5][5, 3], [0.42, 0.58])
    assert all((found[INFERENCE, count][..., 0] == 0.6).all() for count in recipe.MASKS)


def test_accuracy_and_loss_of_each_seed():
    probabilities = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [1.0, 0.0]]])
    accuracy, loss = recipe.scores(probabilities, np.array([[0, 0], [0, 1]]))
    np.testing.assert_array_equal(accuracy, [50, 50])
    np.testing.assert_allclose(loss, [-np.log([0.9, 0.2]).mean(), -np.log([0.5, 1e-7]).mean()])


def test_inference_is_one_of_many_masks_on_average():
    """With a linear network it is exactly the geometric mean; here a softmax regression's."""
    import keras

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(1, 20)).astype(np.float32)
    dropout = keras.layers.Dropout(0.2)
    dense = keras.layers.Dense(3)
    logits = dense(dropout(np.repeat(x, 20_000, axis=0), training=True))
    np.testing.assert_allclose(np.mean(logits, axis=0), dense(x)[0], atol=0.03)


@pytest.fixture
def judged(made_up, monkeypatch):
    """`judged(probabilities)` runs the recipe on a made-up probability of the right class."""

    def run(right):
        rng = np.random.default_rng(0)
        noise = rng.normal(0, 0.002, (6, 50))

        def predictions(models, x):
            sure = {key: np.clip(p + noise, 0, 1) for key, p in right.items()}
            return {key: np.stack([p, 1 - p], axis=-1) for key, p in sure.items()}

        class MadeUpLab(Lab):
            def data(self, examples):
                zeros = types.SimpleNamespace(x=None, y=np.zeros((6, 50), int))
                return types.SimpleNamespace(test=zeros)

            def train(self, build_model, variants, data, *, epochs):
                self.results = made_up({recipe.MODEL: [{"accuracy": [0.1, 0.9]}] * 6}, chance=0.1)
                self.results.models = lambda key: None
                return self.results

        monkeypatch.setattr(recipe, "predictions", predictions)
        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-distance.png"]
        return [claim.verdict for claim in lab.claims]

    return run


def probabilities(one_mask, arithmetic, geometric, inference):
    """Probability of the right class: of the mean of one mask, of more, and of inference."""
    many = np.linspace(0, 1, 50) < np.array([arithmetic, geometric, inference])[:, None]
    sure = {ARITHMETIC: 0.8, GEOMETRIC: 0.9, INFERENCE: 0.95}
    found = {}
    for count in recipe.MASKS:
        for kind, right in zip(sure, many, strict=True):
            found[kind, count] = np.where(right, sure[kind], 1 - sure[kind])
    found[ARITHMETIC, 1] = np.where(np.linspace(0, 1, 50) < one_mask, 0.8, 0.2)
    return found


def test_where_inference_stands_for_the_average_every_claim_holds(judged):
    assert judged(probabilities(0.5, 0.8, 0.8, 0.8)) == ["holds"] * 4


def test_where_it_does_not_none_does(judged):
    """Inference is worse than the masks, of which one is as good as all; the loss tells so, too."""
    found = probabilities(0.99, 0.7, 0.2, 0.95)
    assert judged(found) == ["does not hold"] * 4
