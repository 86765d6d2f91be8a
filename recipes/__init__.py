"""Recipes for training neural networks with Keras: one file, one question."""

import sys


def main(path):
    """Run the command line of a recipe that is started as a program: `main(__file__)`."""
    from recipes._lab import cli

    cli.main(path)


# `python -m recipes.<name>` comes by here before the recipe imports Keras.
if sys.argv[:1] == ["-m"] and any(word.startswith("recipes.") for word in sys.orig_argv):
    from recipes._lab.quiet import import_tensorflow

    import_tensorflow()
