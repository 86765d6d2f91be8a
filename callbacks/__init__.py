"""Keras callbacks to copy: one per file, which imports keras, tensorflow, numpy and `probe.py`."""
