"""Fits every recipe's template under the backend of Keras that KERAS_BACKEND names.

It needs Keras and NumPy only, and prints a line for each recipe: name, loss after an epoch.

python -m tests.backends
"""

import keras
import numpy as np

from recipes._lab import catalogue


def main():
    """Fit each template for an epoch."""
    rng = np.random.default_rng(0)
    for name in catalogue.names():
        names = {"__name__": "pasted"}
        exec(catalogue.read(name).template, names)
        keras.utils.set_random_seed(0)
        model = names["build_model"]()
        x = rng.normal(size=(64, *model.input_shape[1:])).astype("float32")
        history = model.fit(x, np.arange(64) % 10, epochs=1, verbose=0).history
        print(name, history["loss"][0], flush=True)


if __name__ == "__main__":
    main()
