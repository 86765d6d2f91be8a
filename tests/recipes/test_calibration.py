"""The recipe calibration: mixing and temperatures by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import calibration as recipe
from recipes._lab.data import Dataset, Split
from recipes._lab.lab import Lab, Options
from recipes._lab.scores import SCORES

NOTHING, EARLY = recipe.NOTHING, recipe.EARLY
SMOOTHING, MIXUP = recipe.SMOOTHING, recipe.MIXUP


def test_mixed_examples_stand_twice_with_their_shares_as_weights():
    # An input is 0 or 1 as its label is, so the mixed input is the share of label 1.
    y = np.arange(50) % 2
    split = Split(y[:, np.newaxis].astype(np.float32), y.astype(np.int32))
    data = Dataset("made up", ("0", "1"), split, split, split)
    train = recipe.mixed(0.4)(data, np.random.default_rng(0)).train
    assert len(train) == 2 * 10 * 50
    np.testing.assert_allclose(train.weights.mean(), 1, rtol=1e-6)
    first, second = np.split(np.arange(1000), 2)
    np.testing.assert_array_equal(train.x[first], train.x[second])
    np.testing.assert_allclose(train.weights[first] + train.weights[second], 2, rtol=1e-6)
    of_one = train.weights[first] * train.y[first] + train.weights[second] * train.y[second]
    np.testing.assert_allclose(train.x[first, 0], of_one / 2, atol=1e-6)
    # The standard deviation of a Beta distribution.
    assert train.weights.std() / 2 == pytest.approx(0.5 / np.sqrt(2 * 0.4 + 1), abs=0.03)


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def test_a_temperature_divides_the_logits():
    logits = np.random.default_rng(0).normal(0, 2, (2, 5, 3))
    changed = recipe.with_temperature(softmax(logits), [1, 4])
    np.testing.assert_allclose(changed[0], softmax(logits[0]))
    np.testing.assert_allclose(changed[1], softmax(logits[1] / 4))
    certain = np.array([[[1.0, 0.0]]], np.float32)
    np.testing.assert_allclose(recipe.with_temperature(certain, [2]), certain, atol=1e-9)


def test_the_temperature_is_found_that_was_multiplied_away():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (2, 4000, 3))
    y = (softmax(logits).cumsum(axis=-1) < random.random((2, 4000, 1))).sum(axis=-1)
    sure = np.stack([softmax(3 * logits[0]), softmax(logits[1] / 2)])
    assert recipe.fitted_temperatures(sure, y) == pytest.approx([3, 0.5], rel=0.1)


def test_confidence_and_accuracy_by_tenths():
    # The surer the more often right, in any order: .50, .51, ... .69; the first four are wrong.
    sure = np.linspace(0.5, 0.69, 20)
    probabilities = np.stack([sure, 1 - sure], axis=-1)[np.newaxis]
    y = np.array([[1] * 4 + [0] * 16])
    order = np.random.default_rng(0).permutation(20)
    confidence, accuracy = recipe.by_tenths(probabilities[:, order], y[:, order])
    np.testing.assert_allclose(np.ravel(confidence), np.linspace(50.5, 68.5, 10))
    # .50 is a tie, which goes to class 0.
    np.testing.assert_allclose(np.ravel(accuracy), [0, 0] + [100] * 8)


def answers(y, accuracy, confidence):
    """Return probabilities, (seeds, examples, 10): so often right, so sure (by seed) of each."""
    right = np.arange(y.shape[1]) < round(accuracy * y.shape[1])
    answered = np.where(right, y, (y + 1) % 10)
    sure = np.broadcast_to(np.reshape(confidence, (-1, 1, 1)), (*y.shape, 1))
    return np.where(np.eye(10)[answered] == 1, sure, (1 - sure) / 9)


@pytest.fixture
def judged(made_up):
    """`judged(test, validation)` runs the recipe on made-up answers.

    Args:
        test: accuracy and confidence by remedy, 0..1.
        validation: those of the network with nothing on validation.
    """

    def run(test, validation):
        noise = np.random.default_rng(0).normal(0, 0.002, (6, 6))

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, **plan):
                assert variants == recipe.VARIANTS
                parts = data[NOTHING].test, data[NOTHING].validation
                steps = {}
                for remedy, epochs in plan["epochs"].items():
                    of = data[(remedy, 0.1) if remedy == MIXUP else remedy].train
                    steps[remedy] = epochs * (of.y.shape[1] // plan["batch_size"][remedy])
                assert set(steps.values()) == {900}
                # The second strength of a remedy is better on validation.
                runs = {
                    key: [{"accuracy": [0, 1], "val_expected_calibration_error": [1, 0.5 - n / 9]}]
                    * 6
                    for n, key in enumerate(variants)
                }
                self.results = made_up(runs, chance=0.1, classes=10)

                def predict(key, x):
                    remedy, *strength = key if isinstance(key, tuple) else (key,)
                    assert strength in ([], [0.1] if remedy == SMOOTHING else [0.4])
                    on_test = np.array_equal(x, parts[0].x)
                    accuracy, confidence = test[remedy] if on_test else validation
                    number = list(recipe.EPOCHS).index(remedy)
                    y = parts[0 if on_test else 1].y
                    return answers(y, accuracy, confidence + noise[number])

                def score(metric, probabilities):
                    (of,) = probabilities.values()
                    name = metric.removeprefix("test_")
                    pairs = zip(of, parts[0].y, strict=True)
                    return self.measure([100 * SCORES[name](p, y) for p, y in pairs], "%")

                self.results.models = lambda key: types.SimpleNamespace(
                    predict=lambda x: predict(key, x)
                )
                self.results.score = score
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-error.png", "figure-brier.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_sources_are_right_every_claim_holds(judged):
    found = judged(
        test={
            NOTHING: (0.8, 0.95),
            EARLY: (0.8, 0.85),
            SMOOTHING: (0.8, 0.75),
            MIXUP: (0.8, 0.82),
        },
        validation=(0.8, 0.95),
    )
    # Of the network with nothing confidence is 15 points too high; with the temperature, none.
    assert found == [
        ("holds", 15),
        ("holds", 10),
        ("holds", 15),
        ("holds", 10),
        ("holds", 13),
    ]


def test_where_they_are_wrong_none_does(judged):
    found = judged(
        test={
            NOTHING: (0.9, 0.88),
            EARLY: (0.9, 0.8),
            SMOOTHING: (0.9, 0.7),
            MIXUP: (0.9, 0.75),
        },
        validation=(0.7, 0.88),
    )
    # The temperature of a validation part that is harder makes answers on test too unsure.
    assert found == [
        ("does not hold", -2),
        ("does not hold", -8),
        ("does not hold", -18),
        ("does not hold", -18),
        ("does not hold", -13),
    ]
