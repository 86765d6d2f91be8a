"""A name or a path -> examples, labels and class names, in three parts, split anew by each seed."""

from recipes._lab.data.dataset import Dataset, Split
from recipes._lab.data.sources import load, read
from recipes._lab.data.splits import Source, Splits
from recipes._lab.data.understood import Understood
from recipes._lab.data.wording import NAMES

__all__ = ["NAMES", "Dataset", "Source", "Split", "Splits", "Understood", "load", "read"]
