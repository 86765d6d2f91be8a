"""Probabilities and labels -> how good the answers are, and how far they can be trusted."""

from dataclasses import dataclass

import numpy as np
from sklearn import metrics

# Shares of classes that differ by more than this factor are uneven: accuracy then hides a class.
UNEVEN = 1.5
BINS = 15  # of confidence, as Guo et al. 2017
FEWEST = 20  # examples, of which more can be said than how many are right


@dataclass(frozen=True)
class Scores:
    """How well a model answers, on examples that it was not trained on.

    Attributes:
        examples: how many.
        accuracy: share of right answers, 0..1.
        majority: accuracy of always answering the most frequent class of these examples.
        balanced_accuracy: mean of the classes' recalls.
        recall: by class, of its examples the share that is found.
        precision: by class, of the answers that name it the share that is right; None if none does.
        average_precision: of the second class of two, the mean precision over all thresholds of
            its probability; None if there are not two.
        confusion: examples by class (rows) and answer (columns).
    """

    examples: int
    accuracy: float
    majority: float
    balanced_accuracy: float
    recall: dict[str, float]
    precision: dict[str, float | None]
    average_precision: float | None
    confusion: list[list[int]]

    @property
    def is_uneven(self) -> bool:
        """Whether some classes are much more frequent than others."""
        return is_uneven(np.sum(self.confusion, axis=1))

    @property
    def warnings(self) -> list[str]:
        """What is wrong with the answers, a sentence each; nothing is said of a few examples."""
        if self.examples < FEWEST:
            return []
        never = [name for name, precision in self.precision.items() if precision is None]
        lines = []
        if self.accuracy <= self.majority:
            lines.append("no better than always answering the most frequent class")
        if never:
            lines.append(f"never predicted: {', '.join(map(repr, never))}")
        return lines


def is_uneven(counts: np.ndarray) -> bool:
    """Tell whether some classes have many more examples than others, (classes,)."""
    return bool(counts.max() > UNEVEN * counts.min())


def score(probabilities: np.ndarray, y: np.ndarray, class_names: tuple[str, ...]) -> Scores:
    """Return how well probabilities answer.

    Args:
        probabilities: (examples, classes); of a single output that of the second class.
        y: labels, 0..C-1, (examples,).
        class_names: what they stand for.
    """
    probabilities = of_all_classes(probabilities)
    answers = probabilities.argmax(axis=1)
    codes = np.arange(len(class_names))
    confusion = metrics.confusion_matrix(y, answers, labels=codes)
    hits, of_class, of_answer = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits[of_class > 0] / of_class[of_class > 0]
    present = [name for name, count in zip(class_names, of_class, strict=True) if count]
    is_binary = len(class_names) == len(present) == 2
    return Scores(
        examples=len(y),
        accuracy=float((answers == y).mean()),
        majority=float(of_class.max() / len(y)),
        balanced_accuracy=float(recall.mean()),
        recall=dict(zip(present, recall.tolist(), strict=True)),
        precision={
            name: float(hit / count) if count else None
            for name, hit, count in zip(class_names, hits, of_answer, strict=True)
        },
        average_precision=average_precision(probabilities, y) if is_binary else None,
        confusion=confusion.tolist(),
    )


def of_all_classes(probabilities: np.ndarray) -> np.ndarray:
    """Return a column for each class; of a single output, which is the second of two classes."""
    if probabilities.shape[1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=1)


# Scores by name. Each takes probabilities (examples, classes) and labels (examples,).


def balanced_accuracy(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return the mean over classes of the share of examples that is found, 0..1."""
    right = probabilities.argmax(axis=1) == y
    return float(np.mean([right[y == code].mean() for code in np.unique(y)]))


def average_precision(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return the mean precision over all thresholds of a class's probability, 0..1.

    Of two classes it is that of the second; of more, the mean over classes.
    """
    classes = [1] if probabilities.shape[1] == 2 else np.unique(y)
    return float(
        np.mean([metrics.average_precision_score(y == c, probabilities[:, c]) for c in classes])
    )


def expected_calibration_error(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return how far accuracy is from confidence, 0..1, on average over the examples.

    Confidence is the probability of the class that is answered; both are means in each of 15 bins
    of confidence of equal width (Naeini et al. 2015; Guo et al. 2017, equation 3).
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == y
    bins = np.ceil(BINS * confidence).astype(int)  # ((m - 1) / 15, m / 15]
    return float(np.abs(np.bincount(bins, weights=right - confidence)).sum() / len(y))


def brier_score(probabilities: np.ndarray, y: np.ndarray) -> float:
    """Return the mean squared distance of the probabilities from the truth, 0..2 (Brier 1950)."""
    truth = np.eye(probabilities.shape[1])[y]
    return float(np.square(probabilities - truth).sum(axis=1).mean())


SCORES = {
    function.__name__: function
    for function in (balanced_accuracy, average_precision, expected_calibration_error, brier_score)
}
