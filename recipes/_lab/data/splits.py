"""Labels -> a stratified split; inputs -> scaled by the training part alone."""

from collections import Counter

import numpy as np

from recipes._lab.data.wording import listed
from recipes._lab.errors import UserError

# Not an argument: results are comparable only at one and the same split.
SPLIT_SEED = 0

# Fewer can't be split so that each part says something.
FEWEST_EXAMPLES = 20


def draw_split(
    labels: list[str], where: str, parts: int
) -> tuple[tuple[str, ...], np.ndarray, list[np.ndarray]]:
    """Draw the split; it depends on the labels alone, so changed inputs never change it.

    Returns:
        Class names in order, labels 0..C-1 as int32 (examples,), and the indices of each part:
        training and validation, and test if `parts` is 3.
    """
    counts = Counter(labels)
    if len(counts) == 1:
        raise UserError(
            f"{where} has only the class {listed(counts)} (examples: {len(labels)}); "
            "give at least two classes"
        )
    if len(labels) < FEWEST_EXAMPLES:
        raise UserError(
            f"{where} has {len(labels)} examples; give {FEWEST_EXAMPLES} or more to learn from"
        )
    rare = [label for label, count in counts.items() if count < parts]
    if rare:
        raise UserError(
            f"{where} has fewer than {parts} examples of {listed(rare)} (of all: {len(labels)}); "
            "every class needs one for each part of the split"
        )
    try:
        class_names = tuple(sorted(counts, key=int))
    except ValueError:
        class_names = tuple(sorted(counts))
    y = codes(labels, class_names)
    generator = np.random.default_rng(SPLIT_SEED)
    pieces = []
    for code in range(len(class_names)):
        members = generator.permutation(np.flatnonzero(y == code))
        fifth = max(1, round(len(members) / 5))
        first = len(members) - fifth * (parts - 1)
        pieces.append(np.split(members, range(first, len(members), fifth)))
    # The pieces lie class by class; who takes the first 100 examples expects all classes.
    rows = [generator.permutation(np.concatenate(part)) for part in zip(*pieces, strict=True)]
    return class_names, y, rows


def codes(labels: list[str], class_names: tuple[str, ...]) -> np.ndarray:
    """Return each label's position among the class names, int32 (examples,)."""
    position = {label: code for code, label in enumerate(class_names)}
    return np.array([position[label] for label in labels], np.int32)


def scaled(inputs: list[np.ndarray], where: str) -> list[np.ndarray]:
    """Return the inputs as float32, scaled by the module's rule; the first are for training."""
    train = inputs[0]
    low, high = float(train.min()), float(train.max())
    if train.ndim > 2 or train.dtype == np.uint8:
        divisor = max(-low, high) or 1.0
        with np.errstate(over="ignore"):
            return in_range([np.divide(x, divisor, dtype=np.float32) for x in inputs], where)
    if low >= 0 and high <= 1:
        return [x.astype(np.float32) for x in inputs]
    return in_range([standardized(x, train) for x in inputs], where)


def in_range(scaled: list[np.ndarray], where: str) -> list[np.ndarray]:
    """Return scaled inputs; a UserError if some became infinite."""
    if not all(np.isfinite(x).all() for x in scaled):
        raise UserError(
            f"{where} holds values so far from those of the training part that float32 can't hold "
            "them after scaling; clip them, or leave these examples out"
        )
    return scaled


def standardized(x: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return x as float32 with the training mean 0 and standard deviation 1 in each column."""
    train = train.astype(np.float64)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    # Rounding leaves a constant column a deviation of about 1e-16 of its mean. Such a column has
    # no scale of its own; the division by infinity makes it 0 in every part.
    deviation = np.where(deviation > 1e-12 * np.abs(mean), deviation, np.inf)
    with np.errstate(over="ignore"):
        return ((x - mean) / deviation).astype(np.float32)
