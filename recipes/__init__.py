"""Recipes for training neural networks with Keras: one file, one question."""
