"""TensorBoard, to read back what was written."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path

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
            self.url = server.launch()

    def ask(self, path, question):
        """Return the JSON with which an endpoint answers the JSON of a question."""
        request = urllib.request.Request(
            f"{self.url}data/{path}",
            data=json.dumps(question).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as response:
            return json.load(response)

    def get(self, plugin, run, tag, *, points, deadline=30):
        """Return the [wall time, step, value] rows of a tag as soon as there are so many."""
        query = urllib.parse.urlencode({"run": run, "tag": tag})
        url = f"{self.url}data/plugin/{plugin}?{query}"
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
