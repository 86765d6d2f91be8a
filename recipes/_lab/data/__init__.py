"""A name or a path -> examples, labels and class names, in three parts."""

from recipes._lab.data.dataset import Dataset, Split
from recipes._lab.data.sources import load
from recipes._lab.data.wording import NAMES

__all__ = ["NAMES", "Dataset", "Split", "load"]
