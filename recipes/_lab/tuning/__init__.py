"""Searches: keras-tuner's oracles, whole batches of trials trained together."""
