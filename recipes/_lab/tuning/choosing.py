"""Which value of one argument each variant gets: the best on validation, on seeds of their own."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Choice:
    """What came of trying several values for a variant.

    Attributes:
        value: the best; None where nothing learned, which is no reason for a value.
        tried: mean final accuracy on validation (%) of each value, in order.
    """

    value: float | None
    tried: dict[float, float]


def choose(train, variants, values, argument, *, by="val_accuracy", extensions, accepts):
    """Choose a value for each variant by its mean accuracy on validation, then the lower loss.

    Where the best value lies at an end of the range, two more beyond that end are tried.

    Args:
        train: `train(trials)` trains `{(*key, value): arguments}` and returns its `Results`.
        variants: `{key: arguments}`.
        values: the values to try first, `{key: list}`.
        argument: whose value it is.
        by: the accuracy, or another metric of which more is better.
        extensions: how often a variant goes on beyond an end, at the most.
        accepts: `accepts(key, value)` tells whether the model can have a value beyond an end; a
            rate of Dropout ends at 1.

    Returns:
        `{key: Choice}`.
    """
    scores = {key: {} for key in variants}  # {value: (accuracy, -loss)}
    learned, due = set(), values
    for _ in range(1 + extensions):
        trials = {
            (*key, value): variants[key] | {argument: value}
            for key, new in due.items()
            for value in new
        }
        trained = train(trials)
        accuracy, loss = trained.final(by), trained.final("val_loss")
        for tried in trials:
            *key, value = tried
            mean = accuracy.values[tried].mean(), -loss.values[tried].mean()
            scores[tuple(key)][value] = mean
            if np.mean(list(accuracy.runs[tried].values())) < 0.5:
                learned.add(tuple(key))
        due = {key: beyond(scores[key]) for key in variants if key in learned}
        due = {key: [value for value in new if accepts(key, value)] for key, new in due.items()}
        due = {key: new for key, new in due.items() if new}
        if not due:
            break
    return {
        key: Choice(
            max(of, key=of.get) if key in learned else None,
            {value: float(accuracy) for value, (accuracy, _) in sorted(of.items())},
        )
        for key, of in scores.items()
    }


def beyond(scores):
    """Return two more values beyond the end at which the best of `{value: score}` lies, if any."""
    values, best = sorted(scores), max(scores, key=scores.get)
    if len(values) < 3 or best not in (values[0], values[-1]):
        return []
    end, next_to, third = values[:3] if best == values[0] else values[:-4:-1]
    if not end or not third:  # factors lead nowhere from zero
        return []
    return [next_to * end / third, end * end / third]  # 0.1, 0.3, 1 goes on with 3, 10
