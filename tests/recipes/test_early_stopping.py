"""The recipe early_stopping: its rule beside Keras's own, its claims on planted effects."""

import types

import keras
import numpy as np
import pytest

from recipes import early_stopping as recipe
from recipes._lab.lab import Lab, Options

RIGHT, WRONG = recipe.RIGHT, recipe.WRONG


@pytest.mark.parametrize(
    ("curve", "patience", "best_and_last"),
    [
        ([9, 5, 4, 6, 3, 7, 7, 1], 1, (2, 3)),
        ([9, 5, 4, 6, 3, 7, 7, 1], 2, (4, 6)),
        ([9, 5, 4, 6, 3, 7, 7, 1], 3, (7, 7)),  # which gets to the end
        ([0, 5, 5, 5, 5], 2, (1, 3)),  # a tie is no improvement, epoch 0 no epoch
    ],
)
def test_training_stops_by_hand(curve, patience, best_and_last):
    assert recipe.early_stopping(np.array(curve), patience) == best_and_last


def test_training_stops_where_keras_stops():
    random = np.random.default_rng(0)
    for patience in (1, 2, 4, 8):
        for curve in random.integers(0, 30, (20, 40)):
            callback = keras.callbacks.EarlyStopping(
                "val_loss", patience=patience, restore_best_weights=True
            )
            callback.set_model(keras.Sequential([keras.layers.Dense(1)]))
            callback.model.stop_training = False  # as fit starts
            callback.on_train_begin()
            last = 0
            while last < 39 and not callback.model.stop_training:
                last += 1
                callback.on_epoch_end(last - 1, {"val_loss": curve[last]})
            expected = callback.best_epoch + 1, last  # Keras counts from 0
            assert recipe.early_stopping(curve, patience) == expected


@pytest.fixture
def judged(made_up):
    """`judged(curves)` runs the recipe on made-up curves.

    Args:
        curves: `{labels: {"val_loss", "val_accuracy", "test_accuracy"}}` by epoch, (101,),
            accuracies from 0 to 1.
    """

    def run(curves):
        noise = np.random.default_rng(0).normal(0, 0.001, 6)

        def models(labels, epoch):
            right = curves[labels]["test_accuracy"][epoch] + epoch / 100 * noise
            return types.SimpleNamespace(accuracy=lambda test: right)

        class MadeUpLab(Lab):
            def train(self, build_model, variants, data, *, epochs, batch_size, record):
                assert variants == recipe.VARIANTS
                assert (epochs, list(record)) == (100, [*range(101)])
                y = {labels: data[labels].train.y for labels in data}
                assert np.mean(y[RIGHT] != y[WRONG]) == pytest.approx(0.2)
                runs = {
                    labels: [
                        {"accuracy": np.linspace(0.1, 1, 101)}
                        | {metric: of[metric] for metric in ("val_loss", "val_accuracy")}
                        for _ in range(6)
                    ]
                    for labels, of in curves.items()
                }
                self.results = made_up(runs, chance=0.1)
                self.results.models = models
                self.results.recorded = lambda labels: list(record)
                return self.results

        lab = MadeUpLab(Options(), None, None, None)
        recipe.run(lab)
        assert list(lab.figures) == ["figure.png", "figure-epochs.png"]
        return [(claim.verdict, round(claim.judgement.estimate, 1)) for claim in lab.claims]

    return run


EPOCH = np.arange(101)


def turning(at, start, best, end):
    """Return a curve that is best at an epoch and gets worse, both in a straight line."""
    return np.interp(EPOCH, [0, at, 100], [start, best, end])


def with_a_bump(curve):
    """Return a curve that falls from epoch 17 to 20 no further."""
    return np.where((EPOCH == 18) | (EPOCH == 19), curve[17], curve)


def test_where_the_sources_are_right_every_claim_holds(judged):
    wrong = {
        "val_loss": turning(20, 9, 1, 5),
        "val_accuracy": turning(20, 0.1, 0.9, 0.5),
        "test_accuracy": turning(20, 0.1, 0.9, 0.5),
    }
    right = {
        "val_loss": with_a_bump(turning(60, 9, 1, 5)),
        "val_accuracy": turning(80, 0.1, 0.9, 0.8),
        "test_accuracy": turning(80, 0.1, 0.9, 0.8),
    }
    # Right labels: patience 2 stops after epoch 19 at the 17th, 16 after epoch 76 at the 60th.
    assert judged({RIGHT: right, WRONG: wrong}) == [
        ("holds", 40),
        ("holds", 8),  # 16 of the 80 epochs in which it loses 40 points
        ("holds", 43),  # a point an epoch
        ("holds", 0),  # 76 is 4 times 19
        ("holds", 20),
    ]


def test_where_they_are_wrong_none_does(judged):
    wrong = {
        "val_loss": turning(20, 9, 1, 5),
        "val_accuracy": turning(20, 0.1, 0.9, 0.5),
        "test_accuracy": turning(100, 0.1, 0.9, 0.9),
    }
    right = {
        "val_loss": turning(20, 9, 1, 5),
        "val_accuracy": turning(40, 0.1, 0.9, 0.8),
        "test_accuracy": turning(1, 0.1, 0.9, 0.4),
    }
    # Both patiences find epoch 20 as the best.
    assert judged({RIGHT: right, WRONG: wrong}) == [
        ("does not hold", -64),
        ("does not hold", pytest.approx(-12.8, abs=0.1)),
        ("makes no difference", 0),
        ("does not hold", pytest.approx(36 / 22 - 4, abs=0.1)),
        ("does not hold", pytest.approx(-10.1, abs=0.1)),
    ]


def test_a_longer_patience_can_do_harm(judged):
    right = {
        "val_loss": with_a_bump(turning(60, 9, 1, 5)),
        "val_accuracy": turning(60, 0.1, 0.9, 0.8),
        "test_accuracy": turning(3, 0.1, 0.9, 0.4),
    }
    found = judged({RIGHT: right, WRONG: right})
    assert found[2] == ("does not hold", pytest.approx(-43 * 50 / 97, abs=0.1))
    assert found[4] == ("makes no difference", 0)
