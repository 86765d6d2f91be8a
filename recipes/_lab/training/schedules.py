"""A learning rate or a schedule -> the rate at each step."""

import numpy as np


def rates(learning_rate, steps):
    """Return the learning rate at each step, (steps,) float32, of a number or a schedule."""
    if not callable(learning_rate):
        return np.full(steps, learning_rate, np.float32)
    try:  # Step by step takes two hundred times as long, but a warm-up branches on the step.
        at_once = np.asarray(learning_rate(np.arange(steps)), np.float32)
    except ValueError:
        at_once = np.float32(np.nan)
    if at_once.shape == (steps,):
        return at_once
    return np.array([float(learning_rate(step)) for step in range(steps)], np.float32)
