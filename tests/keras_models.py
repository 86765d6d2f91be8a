"""Models of plain Keras, trained in tests."""

import numpy as np


def built(model, y):
    """Build what `fit` would only build while it traces its step, which it then traces twice.

    Args:
        model: compiled, with an optimizer and weights.
        y: labels as `fit` will get them, (examples, ...).

    Returns:
        The model.
    """
    model.optimizer.build(model.trainable_variables)
    outputs = np.zeros((1, *model.output_shape[1:]), "float32")
    model.compute_metrics(None, y[:1], outputs)
    model.reset_metrics()
    return model
