import json
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits
from tensorboard import program


class TensorBoardServer:
    """TensorBoard itself, serving everything under `root`, which it rereads every second."""

    def __init__(self, root):
        self.root = Path(root)
        flags = ["--logdir", str(root), "--host", "127.0.0.1", "--port", "0"]
        flags += ["--load_fast=false", "--reload_multifile=true", "--reload_interval=1"]
        with warnings.catch_warnings():  # from the libraries that TensorBoard bundles
            warnings.simplefilter("ignore", DeprecationWarning)
            server = program.TensorBoard()
            server.configure(argv=["tensorboard", *flags])
            self._url = server.launch()

    def get(self, plugin, run, tag, *, points, deadline=30):
        """Return the [wall time, step, value] rows of a tag as soon as there are so many."""
        query = urllib.parse.urlencode({"run": run, "tag": tag})
        url = f"{self._url}data/plugin/{plugin}?{query}"
        rows = None
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(url) as response:
                    rows = json.load(response)
                if len(rows) >= points:
                    return rows
            except urllib.error.HTTPError as error:  # not loaded yet
                rows = error
            time.sleep(0.2)
        raise TimeoutError(f"{url} gave {rows}, not {points} points, for {deadline} s")


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
