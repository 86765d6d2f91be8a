"""Arguments, messages, exit codes: `python -m recipes run NAME`, `python -m recipes list`."""

import argparse
import contextlib
import os
import re
import shlex
import socket
import sys
import threading
import time
from pathlib import Path

from recipes._lab import catalogue, quiet
from recipes._lab.errors import UserError, nearest

SITE = Path("runs/gallery")


def main(recipe=None):
    """Run the command line; a recipe that is started as a program passes its own path."""
    arguments = sys.argv[1:]
    if recipe is not None:
        arguments = ["run", Path(recipe).stem, *arguments]
    sys.stdout.reconfigure(errors="replace")  # a terminal that knows no ± shows ?
    try:
        options = _parser().parse_args(arguments)
        options.command(options)
        sys.stdout.flush()
    except UserError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; the same command resumes", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who reads, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message):
        message = re.sub(r"argument --([a-z-]+)", _with_variable, message)
        raise UserError(f"{message}; see {self.prog} --help")


def _with_variable(match):
    """Return "argument --header (HEADER=)": what it is called here, and for make."""
    variable = {"save-model": "SAVE"}.get(match[1], match[1].upper())
    return f"{match[0]} ({variable}=)"


def _parser():
    parser = _Parser(
        prog="python -m recipes",
        description="Recipes for training neural networks, each checked over many seeds.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, text):
        """Add a command and return the function that adds its arguments."""
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(command=function)
        return added.add_argument

    command("list", list_recipes, "list the recipes with their questions")
    add = command(
        "run", run_recipe, "run a recipe: train every variant with every seed, judge the claims"
    )
    _add_common(add)
    _add_training(add)
    _add_cluster(add)
    _add_model(add)
    add = command("search", search_recipe, "search a recipe's hyperparameters")
    _add_common(add)
    _add_search(add)
    _add_cluster(add)
    _add_model(add)
    add = command("predict", predict_rows, "predict the classes of new examples with a saved model")
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
        inspect_data,
        "show how your data are read, which labels are doubtful and which examples repeat",
    )
    _add_data(add)
    _add_out(add)
    add = command("tensorboard", serve_tensorboard, "serve the logs of runs on 127.0.0.1")
    add("name", metavar="NAME", nargs="?", default="", help="name of a recipe (default: all)")
    _add_port(add, 6006)
    _add_out(add)
    add = command("new", write_new, "write a recipe of your own, to start from")
    add("name", metavar="NAME", help="name of the new recipe, such as my_question")
    add(
        "--from",
        metavar="NAME",
        dest="source",
        help="name of a recipe to copy (default: a small recipe is written)",
    )
    add = command("notebook", write_notebook, "write a recipe as a Jupyter notebook")
    _add_common(add)
    _add_training(add)
    add("--check", action="store_true", help="check the name and the data, write nothing")
    add = command(
        "gallery",
        build_gallery,
        "produce the reference results; the same command resumes an interrupted build",
    )
    _add_gallery(add)
    _add_cluster(add)
    add = command("site", serve_site, "serve the gallery's pages on 127.0.0.1")
    _add_port(add, 8000)
    return parser


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


def list_recipes(_):
    """List the recipes with their questions, and the seconds that they took for the gallery."""
    width = max(map(len, catalogue.names()))
    for topic, recipes in catalogue.by_topic(catalogue.everything()).items():
        print(topic)
        for recipe in recipes:
            seconds = catalogue.results(recipe.name).get("seconds")
            duration = f"{seconds:4.0f} s" if seconds else " " * 6
            print(f"  {recipe.name:{width}}  {duration}  {recipe.question}")


def run_recipe(arguments):
    """Run a recipe and show what came of it."""
    _check_name(arguments.name)
    _check_model_path(arguments)
    start = time.perf_counter()
    quiet.import_tensorflow()
    from recipes._lab import lab, run
    from recipes._lab.output import terminal

    console = terminal.new_console()
    log, progress = terminal.log_and_progress(console)
    options = lab.Options(**_options(arguments))
    finished, folder = run.run(arguments.name, options, log, progress)
    terminal.show_run(console, finished, folder, time.perf_counter() - start)
    if not arguments.quick:  # what decides nothing advises nothing
        terminal.show_use(console, catalogue.read(arguments.name), finished.claims)


def search_recipe(arguments):
    """Search a recipe's hyperparameters and show what came of it."""
    _check_name(arguments.name)
    _check_model_path(arguments)
    if arguments.trials and arguments.stages > arguments.trials:
        raise UserError(
            f"{arguments.trials} trials are too few for {arguments.stages} stages; give one or "
            "more for each (--trials, TRIALS=...)"
        )
    start = time.perf_counter()
    quiet.import_tensorflow()
    from recipes._lab.output import terminal
    from recipes._lab.tuning import search

    console = terminal.new_console()
    log, progress = terminal.log_and_progress(console)
    options = search.Options(**_options(arguments))
    findings, folder = search.run(arguments.name, options, log, progress)
    path = arguments.save_model or folder / "best.keras"
    terminal.show_search(console, findings, folder, path, time.perf_counter() - start)


def inspect_data(arguments):
    """Show what is understood of a table, or what other data are."""
    from recipes._lab import data

    if arguments.data in data.NAMES:
        quiet.import_tensorflow()
    from recipes._lab import files, inspection
    from recipes._lab.output import inspecting, terminal

    console = terminal.new_console()
    source = data.read(arguments.data, arguments.target, arguments.header, arguments.group)
    path = Path(arguments.out) / "inspect" / f"{files.slug(source.name)}.html"
    with console.status("looking at every label"):
        result = inspection.inspect(source)
    files.write(path, inspecting.page(source, result))
    terminal.show_data(console, source, result, path)


def predict_rows(arguments):
    """Predict the classes of new examples, and show what came of it."""
    out = arguments.out
    if out is not None and not out.endswith(".csv"):
        raise UserError(f"--out {out!r} (OUT=) must end in .csv")
    quiet.import_tensorflow()
    from recipes._lab import predicting
    from recipes._lab.output import terminal

    console = terminal.new_console()
    predictions, path = predicting.predict(arguments.model, arguments.data, out)
    terminal.show_predictions(console, predictions, path)


def serve_tensorboard(arguments):
    """Serve the logs of one recipe, or of all runs."""
    if arguments.name:
        _check_name(arguments.name)
    quiet.import_tensorflow()
    from recipes._lab.output import tensorboard

    query = tensorboard.serve(Path(arguments.out) / arguments.name, arguments.port)
    _wait(arguments.port, query)


def write_new(arguments):
    """Write a recipe of the user's own."""
    from recipes._lab.publishing import new

    if arguments.source:
        _check_name(arguments.source)
    path = new.create(arguments.name, arguments.source)
    what = f"a copy of {arguments.source}" if arguments.source else "a small recipe"
    print(f"{os.path.relpath(path)} is {what}, to be changed; it runs at once:")
    print(f"make recipe NAME={arguments.name}")


def write_notebook(arguments):
    """Write a recipe as a notebook."""
    from recipes._lab import data
    from recipes._lab.publishing import notebook

    _check_name(arguments.name)
    path = Path(arguments.out) / "notebooks" / f"{arguments.name}.ipynb"
    names = ("target", "header", "group", "examples", "seeds", "epochs", "quick")
    values = {name: getattr(arguments, name) for name in names}
    options = {"data": arguments.data} | {name: value for name, value in values.items() if value}
    if arguments.data not in data.NAMES:  # a notebook runs in its own folder
        options["data"] = os.path.abspath(os.path.expanduser(arguments.data))
    table = (arguments.target, arguments.header, arguments.group)
    if arguments.data not in data.NAMES or any(table):
        data.load(arguments.data, *table)  # a mistake is better said now
    if arguments.check:
        return
    notebook.write(catalogue.read(arguments.name), path, options)
    program = os.path.relpath(Path(sys.executable).parent / "jupyter")
    print(f"notebook    {path}")
    print(f"Jupyter     {shlex.join([program, 'lab', str(path)])}")


def build_gallery(arguments):
    """Make or check the reference results, or measure times; then write all pages."""
    for name in arguments.name:
        _check_name(name)
    chosen = [name for name in ("check", "times", "pages") if getattr(arguments, name)]
    if len(chosen) > 1:
        options = " and ".join(f"--{name} ({name.upper()}=1)" for name in chosen)
        raise UserError(f"{options} are two commands; give one of them")
    quiet.import_tensorflow()
    from recipes._lab.output import terminal
    from recipes._lab.publishing import gallery

    log, progress = terminal.log_and_progress(terminal.new_console())
    names = arguments.name or catalogue.names()
    files = (arguments.mnist, arguments.fashion)
    if arguments.pages:
        _write_pages(log, arguments.address)
        return
    data = gallery.digits_and_files(*files) if chosen else gallery.datasets(log, *files)
    try:
        if arguments.times:
            gallery.time_runs(names, log)
        elif arguments.check:
            gallery.check(names, data, log, progress, cluster=arguments.cluster)
        else:
            gallery.build(names, data, log, progress, cluster=arguments.cluster)
    finally:  # what is finished is shown, whatever stopped the rest
        _write_pages(log, arguments.address)


def _write_pages(log, address):
    """Write all that is made of the committed results: thumbnails, pages for GitHub, the site."""
    from recipes._lab.publishing import github, pictures, readme, site

    pictures.update_thumbnails(catalogue.everything())
    readme.update()
    github.update()
    site.build(SITE, address and f"{address.rstrip('/')}/")
    log(f"site        {SITE / 'index.html'}")


def serve_site(arguments):
    """Build the gallery's pages from the committed results and serve them."""
    from recipes._lab.publishing import site

    site.build(SITE)
    site.serve(SITE, arguments.port)
    _wait(arguments.port)


def _wait(port, query=""):
    """Say where a server is, and wait until the user stops it."""
    print(f"http://127.0.0.1:{port}/{query}")
    print(f"from another machine, first:  ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}")
    print("stop with Ctrl-C", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _options(arguments):
    """Return the options of a command, without its own name and the recipe's, as keywords."""
    options = vars(arguments).items()
    return {name: value for name, value in options if name not in ("command", "name")}


def _check_name(name):
    """Raise a UserError unless a recipe has this name."""
    if name not in catalogue.names():
        hint = nearest(name, catalogue.names())
        raise UserError(f"no recipe is called {name!r}{hint}; `make list` shows them all")


def _check_model_path(arguments):
    """Raise a UserError if a model can't be saved there: before it is trained, not afterwards."""
    path = arguments.save_model
    if path is None:
        if arguments.refit and arguments.command is run_recipe:
            raise UserError("--refit (REFIT=1) is for a model to keep; add --save-model (SAVE=)")
        return
    if os.path.isdir(path):
        raise UserError(
            f"--save-model {path!r} is a folder; give a file that ends in .keras (SAVE=)"
        )
    if not path.endswith(".keras"):
        raise UserError(f"--save-model {path!r} must end in .keras (SAVE=)")
    from recipes._lab import files  # takes NumPy, which `make list` does without

    files.check_writable(path, "give a file in another folder (SAVE=)")
