"""The command line -> options of each command, and messages on what is wrong with it."""

import argparse
import os
import re

from recipes._lab.errors import UserError


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message):
        message = re.sub(r"argument --([a-z-]+)", _with_variable, message)
        raise UserError(f"{message}; see {self.prog} --help")


def _with_variable(match):
    """Return "argument --header (HEADER=)": what it is called here, and for make."""
    variable = {"save-model": "SAVE"}.get(match[1], match[1].upper())
    return f"{match[0]} ({variable}=)"


def parser(functions):
    """Return the parser of the command line.

    Args:
        functions: `{name of a command: function}`, which is called with the parsed arguments.
    """
    whole = _Parser(
        prog="python -m recipes",
        description="Recipes for training neural networks, each checked over many seeds.",
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name, text):
        """Add a command and return the function that adds its arguments."""
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=functions[name])
        return added.add_argument

    command("list", "list the recipes with their questions")
    add = command("run", "run a recipe: train every variant with every seed, judge the claims")
    _add_common(add)
    _add_training(add)
    _add_cluster(add)
    _add_model(add)
    add = command("search", "search a recipe's hyperparameters")
    _add_common(add)
    _add_search(add)
    _add_cluster(add)
    _add_model(add)
    add = command("predict", "predict the classes of new examples with a saved model")
    add("model", type=_path, metavar="MODEL", help=".keras file that a run or a search has saved")
    add("data", type=_path, metavar="DATA", help="a table, an .npz file or a folder of images")
    add(
        "--out",
        type=_path,
        metavar="FILE",
        help=".csv file for the predictions (default: runs/predictions/<data>.csv)",
    )
    add = command(
        "inspect",
        "show how your data are read, which labels are doubtful and which examples repeat",
    )
    _add_data(add)
    _add_out(add)
    add = command("tensorboard", "serve the logs of runs on 127.0.0.1")
    add("name", metavar="NAME", nargs="?", default="", help="name of a recipe (default: all)")
    _add_port(add, 6006)
    _add_out(add)
    add = command("new", "write a recipe of your own, to start from")
    add("name", metavar="NAME", help="name of the new recipe, such as my_question")
    add(
        "--from",
        metavar="NAME",
        dest="source",
        help="name of a recipe to copy (default: a small recipe is written)",
    )
    add = command("notebook", "write a recipe as a Jupyter notebook")
    _add_common(add)
    _add_training(add)
    add("--check", action="store_true", help="check the name and the data, write nothing")
    add = command(
        "gallery",
        "produce the reference results; the same command resumes an interrupted build",
    )
    _add_gallery(add)
    _add_cluster(add)
    add = command("site", "serve the gallery's pages on 127.0.0.1")
    _add_port(add, 8000)
    return whole


def _add_common(add):
    """Add what all commands take that train a recipe."""
    add("name", metavar="NAME", help="name of the recipe, as shown by the command list")
    _add_data(add)
    add(
        "--quick",
        action="store_true",
        help="few seeds, epochs and examples: to try things out, not to judge claims",
    )
    _add_out(add)


def _add_data(add):
    """Add what says which data to take."""
    add(
        "--data",
        default="digits",
        help="digits, mnist, fashion_mnist, cifar10, or the path of a table, an .npz file or a "
        "folder of images (default: digits)",
    )
    add(
        "--target",
        metavar="COLUMN",
        help="column of a table that holds the classes (default: the last)",
    )
    add(
        "--header",
        choices=("first", "none"),
        help="'first' if a table's first row holds the names of its columns, 'none' if it has no "
        "names (default: detected)",
    )
    add(
        "--group",
        metavar="COLUMN",
        help="column of a table; rows with equal values stay in the same part of the split",
    )


def _add_training(add):
    """Add how many seeds, epochs and examples a run takes."""
    add(
        "--seeds",
        type=_count(1000),  # those from 1000 on are the gallery's
        metavar="N",
        help="number of seeds (default: the recipe's own, usually 6)",
    )
    add(
        "--epochs",
        type=_count(10**6),
        metavar="N",
        help="epochs of the longest training (default: the recipe's own)",
    )
    add(
        "--examples",
        type=_examples,
        metavar="N",
        help="train on at most N examples; 'recipe' for the recipe's own number (default: all of "
        "your own data, else 'recipe')",
    )


def _add_search(add):
    """Add what says how to search."""
    add(
        "--trials",
        type=_count(10**5),
        metavar="N",
        help="number of trials (default: 100, or 8 with --quick)",
    )
    add(
        "--stages",
        type=_count(20),
        default=1,
        metavar="N",
        help="number of stages, each on ranges narrowed around the best trials so far (default: 1)",
    )
    add(
        "--oracle",
        choices=("random", "sobol", "bayesian"),
        default="random",
        help="search strategy (default: random)",
    )
    add(
        "--start",
        metavar="VALUES",
        help="values of the first trial, such as learning_rate=0.01,units=32",
    )
    add(
        "--minutes",
        type=_count(10**5),
        metavar="N",
        help="start no new batch of trials after N minutes",
    )
    add(
        "--seeds",
        type=_count(1000),
        default=1,
        metavar="N",
        help="trainings per trial, each with its own seed (default: 1)",
    )
    add("--epochs", type=_count(10**6), metavar="N", help="epochs per trial (default: 20)")
    add(
        "--examples",
        type=_count(10**9),
        metavar="N",
        help="train on at most N examples (default: all)",
    )
    add(
        "--discard",
        action="store_true",
        help="prune the worse half of each batch of trials, twice",
    )


def _add_gallery(add):
    """Add what the gallery is made of, and what else to do with it."""
    add("name", metavar="NAME", nargs="*", help="names of recipes (default: all)")
    add("--mnist", type=_path, metavar="FILE", help="MNIST as .npz (default: downloaded)")
    add("--fashion", type=_path, metavar="FILE", help="Fashion-MNIST as .npz (default: downloaded)")
    add(
        "--check",
        action="store_true",
        help="repeat the claims with other seeds, on digits and the files given",
    )
    add(
        "--times",
        action="store_true",
        help="only measure how long each recipe takes with default options",
    )
    add("--pages", action="store_true", help="only write the pages, train nothing")
    add(
        "--address",
        default="",
        metavar="URL",
        help="where the site will be published, for link previews",
    )


def _add_cluster(add):
    add(
        "--cluster",
        metavar="ADDRESS",
        help="train on Ray: 'auto' for this machine, or the address of a cluster",
    )


def _add_model(add):
    """Add what keeps the best model."""
    add("--save-model", type=_path, metavar="FILE", help="save the best model as a .keras file")
    add(
        "--refit",
        action="store_true",
        help="train that model once more, on training and validation data together",
    )


def _add_out(add):
    add(
        "--out",
        type=_path,
        default="runs",
        metavar="FOLDER",
        help="folder of all results (default: runs)",
    )


def _add_port(add, default):
    add(
        "--port",
        type=_count(65535),
        default=default,
        metavar="N",
        help=f"port of the server (default: {default})",
    )


def _count(most):
    """Return a parser of whole numbers from 1 to `most`."""

    def parse(text):
        number = text.lstrip("0") if text.isascii() and text.isdigit() else ""
        if not number or len(number) > len(str(most)) or int(number) > most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(number)

    return parse


def _examples(text):
    """Return a number of examples, or "recipe" for that of the recipe."""
    return text if text == "recipe" else _count(10**9)(text)


def _path(text):
    """Return a path; make leaves the ~ of OUT=~/runs to us."""
    if not text:
        raise argparse.ArgumentTypeError("'' is no path")
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} holds what is no letter, digit or sign")
    return os.path.expanduser(text)
