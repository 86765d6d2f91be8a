"""Builds and fits every recipe's template under the backend of Keras that KERAS_BACKEND names.

It needs Keras and NumPy only, and prints a line for each recipe: name, loss after an epoch.
"""

import importlib.util
import sys
from pathlib import Path

import keras
import numpy as np

ROOT = Path(__file__).parent.parent


def load_menu():
    """Return the module that reads recipes, without importing the package of the recipes."""
    spec = importlib.util.spec_from_file_location("menu", ROOT / "recipes" / "_lab" / "menu.py")
    menu = importlib.util.module_from_spec(spec)
    sys.modules["menu"] = menu  # dataclasses look it up
    spec.loader.exec_module(menu)
    return menu


def main():
    """Fit each template for an epoch."""
    menu = load_menu()
    rng = np.random.default_rng(0)
    for name in menu.names():
        names = {"__name__": "pasted"}
        exec(menu.read(name).template, names)
        keras.utils.set_random_seed(0)
        model = names["build_model"]()
        x = rng.normal(size=(64, *model.input_shape[1:])).astype("float32")
        history = model.fit(x, np.arange(64) % 10, epochs=1, verbose=0).history
        print(name, history["loss"][0], flush=True)


if __name__ == "__main__":
    main()
