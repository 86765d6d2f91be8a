"""What is remarked of a search."""

import types

import keras_tuner
import numpy as np
import pytest

from recipes._lab.tuning.remarks import lead, remarks


def tuner_of(*rows):
    """Make up a finished tuner: each row is a status, a message and accuracies by seed."""
    trials = [
        types.SimpleNamespace(
            status=status,
            message=message,
            best_step=1,
            accuracies=np.array(accuracies),
            hyperparameters=types.SimpleNamespace(values={"rate": 0.5 + n / 10}),
        )
        for n, (status, message, accuracies) in enumerate(rows)
    ]
    curves = {"val_accuracy": None}
    return types.SimpleNamespace(
        trials=lambda: trials,
        history=lambda trial: (
            curves | {"val_accuracy": np.stack([0 * trial.accuracies, trial.accuracies], axis=1)}
        ),
    )


def test_a_lead_is_judged_by_the_noise_of_seeds():
    # Differences of 1 and 3 points: mean 2, half of the interval 12.706 * sqrt(2) / sqrt(2).
    assert lead([0.91, 0.93], [0.90, 0.90]) == (
        "the best trial is 2.00 percentage points ahead of the second, ± 12.71 over 2 seeds (95 % "
        "interval): within the noise of seeds"
    )
    assert lead([0.95, 0.9501], [0.90, 0.90]).endswith("beyond the noise of seeds")
    assert "one seed cannot tell whether that is noise; SEEDS=3 can" in lead([0.9], [0.8])


def test_shares_and_an_end_are_told():
    made = tuner_of(
        ("COMPLETED", None, [0.8]),
        ("COMPLETED", None, [0.9]),
        ("FAILED", "diverged in epoch 1 (seed 0)", [0.0]),
        ("FAILED", "failed: ValueError: mine", [0.0]),
    )
    space = keras_tuner.HyperParameters()
    space.Float("rate", 0.0, 0.6)
    first, second = made.trials()[:2]
    told = remarks([made], space, [second, first])
    assert told[0].startswith("rate 0.6 lies at the upper end of its range, 0 to 0.6")
    assert told[1:3] == ["1 of 4 trials diverged, 25 %", "1 of 4 trials failed, 25 %"]
    assert told[3].startswith(
        "the best trial is 10.00 percentage points ahead of the second; one seed"
    )
    assert len(remarks([made], space, [second])) == 2


@pytest.mark.parametrize("gap", [0.0, -0.01])
def test_no_lead_is_no_lead(gap):
    assert lead([0.9 + gap, 0.9 + gap], [0.9, 0.9]).endswith("within the noise of seeds")
