from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from tests.server import TensorBoardServer


@pytest.fixture(scope="session")
def tensorboard(tmp_path_factory):
    return TensorBoardServer(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def read_logs():
    return read_events


def read_events(log_dir):
    """Return {(tag, step): scalar, text or histogram rows} from the event files of a directory."""
    logs = {}
    for path in sorted(Path(log_dir).glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                scalar = value.WhichOneof("value") == "simple_value"
                content = value.simple_value if scalar else tf.make_ndarray(value.tensor)
                logs[value.tag, event.step] = content
    return logs


@pytest.fixture(scope="session")
def digits():
    """x in [0, 1] of shape (1797, 64), y from 0 to 9, shuffled."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return (data.data[order] / 16).astype("float32"), data.target[order]


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)
