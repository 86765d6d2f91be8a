"""The recipe calibration: temperatures and tenths by value, its claims on planted effects."""

import types

import numpy as np
import pytest

from recipes import calibration as recipe
from recipes._lab.lab import Lab, Options
from recipes._lab.scores import expected_calibration_error

NOTHING, EARLY = recipe.NOTHING, recipe.EARLY


def softmax(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def test_a_temperature_divides_the_logits():
    logits = np.random.default_rng(0).normal(0, 2, (2, 5, 3))
    changed = recipe.with_temperature(softmax(logits), [1, 4])
    np.testing.assert_allclose(changed[0], softmax(logits[0]))
    np.testing.assert_allclose(changed[1], softmax(logits[1] / 4))
    np.testing.assert_allclose(recipe.with_temperature(softmax(logits), 2), softmax(logits / 2))
    certain = np.array([[[1.0, 0.0]]], np.float32)
    np.testing.assert_allclose(recipe.with_temperature(certain, 2), certain, atol=1e-9)


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
    """`judged(nothing, early, validation)` runs the recipe on made-up answers.

    Args:
        nothing: accuracy and confidence on test after the last epoch, 0..1.
        early: those of the weights of lowest validation loss.
        validation: those on validation after the last epoch.
    """

    def run(nothing, early, validation):
        noise = np.random.default_rng(0).normal(0, 0.002, (2, 6))

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, patience):
                assert variants == recipe.VARIANTS
                assert epochs * (data.train.y.shape[1] // batch_size) == 900
                assert patience == {NOTHING: None, EARLY: 10}
                test, on_validation = data.test, data.validation
                predicted = {
                    NOTHING: answers(test.y, nothing[0], nothing[1] + noise[0]),
                    EARLY: answers(test.y, early[0], early[1] + noise[1]),
                }
                validated = answers(on_validation.y, validation[0], validation[1] + noise[0])

                def errors(probabilities):
                    return list(map(expected_calibration_error, probabilities, test.y))

                def predict(key, x):
                    if np.array_equal(x, test.x):
                        return predicted[key]
                    assert key == NOTHING
                    np.testing.assert_array_equal(x, on_validation.x)
                    return validated

                def score(metric, probabilities):
                    assert metric == "test_expected_calibration_error"
                    return self.measure(100 * np.array(errors(probabilities[NOTHING])), "%")

                self.results = made_up(
                    {
                        key: [
                            {"accuracy": [0, 1], "test_expected_calibration_error": error}
                            for error in errors(predicted[key])
                        ]
                        for key in variants
                    },
                    chance=0.1,
                    classes=10,
                )
                self.results.models = lambda key: types.SimpleNamespace(
                    predict=lambda x: predict(key, x)
                )
                self.results.score = score
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-error.png"]
        return [(claim.verdict, round(claim.judgement.estimate)) for claim in lab.claims]

    return run


def test_where_the_source_is_right_every_claim_holds(judged):
    found = judged(nothing=(0.8, 0.95), early=(0.8, 0.85), validation=(0.8, 0.95))
    # Confidence is 15 points too high after the last epoch; with the temperature, none.
    assert found == [("holds", 15), ("holds", 10), ("holds", 15)]


def test_where_it_is_wrong_none_does(judged):
    found = judged(nothing=(0.9, 0.88), early=(0.9, 0.8), validation=(0.7, 0.88))
    # The temperature of a validation part that is harder makes answers on test too unsure.
    assert found == [("does not hold", -2), ("does not hold", -8), ("does not hold", -18)]
