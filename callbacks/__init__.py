"""Keras callbacks to paste: one class per file, which imports only keras, tensorflow and numpy."""
