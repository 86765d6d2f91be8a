"""A user's data -> the labels least believed, the examples that repeat, how well a forest does.

What the recipes data_inspection and data_leaks do with planted mistakes, on data whose mistakes
nobody knows. A random forest stands for the networks: it takes seconds and needs no tuning.
"""

import dataclasses

import numpy as np

from recipes._lab.data import Source
from recipes._lab.scores import Scores, score

EXAMPLES = 10_000  # that are looked at, at the most
FOLDS = 5
TREES = 200
SUSPECTS = 24
REPETITIONS = 12  # groups of equal examples that are shown


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An example whose label a forest that has not seen it does not believe.

    Args:
        example: its number, from 0.
        label: its label.
        believed: the class that is more probable.
        probabilities: of the label and of the believed class, 0..1.
    """

    example: int
    label: str
    believed: str
    probabilities: tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What came of looking at data.

    Args:
        examined: numbers of the examples that the forest looked at, from 0.
        scores: of its answers for examples that it has not seen.
        suspects: the labels least believed, the least first.
        unbelieved: how many labels are less probable than another that comes into question.
        repeated: groups of examples that are equal, those with several labels first.
        contradicting: how many of these groups have several labels.
    """

    examined: np.ndarray
    scores: Scores
    suspects: list[Suspect]
    unbelieved: int
    repeated: list[np.ndarray]
    contradicting: int

    @property
    def has_learned(self) -> bool:
        """Whether the forest is better than a constant answer; else it doubts no label."""
        return _has_learned(self.scores)


def inspect(source: Source) -> Inspection:
    """Look at all examples that are to be split, or at `EXAMPLES` drawn at random."""
    examined = np.arange(len(source.y))
    if len(examined) > EXAMPLES:
        examined = np.sort(np.random.default_rng(0).permutation(examined)[:EXAMPLES])
    y = source.y[examined]
    probabilities = _out_of_fold(source, examined)
    scores = score(probabilities, y, source.class_names)
    others, believed = _others(probabilities, y)
    labelled = probabilities[np.arange(len(y)), y]
    doubted = np.flatnonzero(believed > labelled)
    if not _has_learned(scores):
        doubted = doubted[:0]
    least = doubted[np.argsort(labelled[doubted] - believed[doubted], kind="stable")]
    suspects = [
        Suspect(
            int(examined[n]),
            source.class_names[y[n]],
            source.class_names[others[n]],
            (float(labelled[n]), float(believed[n])),
        )
        for n in least[:SUSPECTS]
    ]
    repeated = _repeated(source)
    several = [len(np.unique(source.y[group])) > 1 for group in repeated]
    order = np.argsort(np.logical_not(several), kind="stable")
    return Inspection(
        examined,
        scores,
        suspects,
        len(doubted),
        [repeated[n] for n in order],
        sum(several),
    )


def _has_learned(scores):
    return scores.accuracy > scores.majority


def _others(probabilities, y):
    """Return for each example the class that it may rather be of, and its probability, or 0.

    A class comes into question where it is at least as probable as it is on average for the
    examples that are labelled so: confident learning (Northcutt, Jiang and Chuang 2021).
    """
    classes = np.arange(probabilities.shape[1])
    usual = np.array([probabilities[y == c, c].mean() if (y == c).any() else 2.0 for c in classes])
    confident = np.where(probabilities >= usual, probabilities, 0.0)
    confident[np.arange(len(y)), y] = 0.0
    return confident.argmax(axis=1), confident.max(axis=1)


def _out_of_fold(source, examined):
    """Return the probabilities of the classes, of each example by a forest that has not seen it."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict

    x = source.fit(source.raw)(source.raw)[examined]
    y = source.y[examined]
    folds = max(2, min(FOLDS, np.bincount(y)[np.unique(y)].min()))
    forest = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=0, n_jobs=-1)
    if source.groups is None:
        splits, groups = StratifiedKFold(folds, shuffle=True, random_state=0), None
    else:
        splits = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
        groups = source.groups[examined]
    predicted = cross_val_predict(
        forest, x.reshape(len(x), -1), y, groups=groups, cv=splits, method="predict_proba"
    )
    probabilities = np.zeros((len(y), len(source.class_names)))
    probabilities[:, np.unique(y)] = predicted
    return probabilities


def _repeated(source):
    """Return groups of examples whose raw values are all equal."""
    groups = {}
    for number in range(len(source.y)):
        groups.setdefault(_content(source.raw, number), []).append(number)
    return [np.array(group) for group in groups.values() if len(group) > 1]


def _content(raw, number):
    if isinstance(raw, dict):
        return tuple(_content(values, number) for values in raw.values())
    value = raw[number]
    return value if isinstance(value, str) else value.tobytes()  # printing would round numbers
