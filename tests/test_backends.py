"""The templates under Keras's other backends."""

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from recipes._lab import catalogue

ROOT = Path(__file__).parent.parent
JAX = ROOT / ".venv-jax" / "bin" / "python"
MISSING = {
    "jax": None if JAX.exists() else "make .venv-jax/installed makes an environment with JAX",
    "torch": None if importlib.util.find_spec("torch") else "PyTorch is not installed",
}


@pytest.mark.slow
@pytest.mark.parametrize("backend", list(MISSING))
def test_every_template_builds_and_fits(backend):
    if MISSING[backend]:
        pytest.skip(MISSING[backend])
    python = JAX if backend == "jax" else sys.executable
    environment = os.environ | {"KERAS_BACKEND": backend}
    command = [str(python), "-m", "tests.backends"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    losses = dict(line.split() for line in done.stdout.splitlines())
    assert list(losses) == catalogue.names()
    for name, loss in losses.items():
        assert math.isfinite(float(loss)), name
