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
SEEDS_HELP = "how many seeds (if not the recipe's own number, most often 6)"
EXAMPLES_HELP = "train on so many; recipe: as many as the recipe takes of its own data"
CLUSTER_HELP = "train on Ray: auto, or where it runs"


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
        print("stopped; the same command goes on from here", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who reads, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message):
        message = re.sub(r"argument --([a-z-]+)", _with_variable, message)
        raise UserError(f"{message}; see {self.prog} --help")


def _with_variable(found):
    """Return "argument --header (HEADER=)": what it is called here, and for make."""
    variable = {"save-model": "SAVE"}.get(found[1], found[1].upper())
    return f"{found[0]} ({variable}=)"


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
    # Seeds from 1000 on are the gallery's.
    add("--seeds", type=_count(1000), metavar="N", help=SEEDS_HELP)
    add("--epochs", type=_count(10**6), metavar="N", help="how many (if not the recipe's own)")
    add("--examples", type=_examples, metavar="N", help=EXAMPLES_HELP)
    add("--cluster", metavar="ADDRESS", help=CLUSTER_HELP)
    _add_model(add)
    add = command("search", search_recipe, "search a recipe's hyperparameters")
    _add_common(add)
    add("--trials", type=_count(10**5), metavar="N", help="how many (if not 100, or 8 if quick)")
    add("--stages", type=_count(20), default=1, metavar="N", help="stages, from coarse to fine")
    oracles = ("random", "sobol", "bayesian")
    add("--oracle", choices=oracles, default="random", help="if not random")
    add("--start", metavar="VALUES", help="of the first trial: learning_rate=0.01,units=32")
    add("--minutes", type=_count(10**5), metavar="N", help="after which no batch begins")
    add("--seeds", type=_count(1000), default=1, metavar="N", help="of each trial (if not 1)")
    add("--epochs", type=_count(10**6), metavar="N", help="of a trial (if not 20)")
    add("--examples", type=_count(10**9), metavar="N", help="train on so many (if not all)")
    add("--discard", action="store_true", help="prune the worse half of each batch, twice")
    add("--cluster", metavar="ADDRESS", help=CLUSTER_HELP)
    _add_model(add)
    add = command("predict", predict_rows, "predict the classes of new examples with a saved model")
    add("model", type=_path, metavar="MODEL", help="a .keras file that a run or a search has saved")
    add("data", type=_path, metavar="DATA", help="a table, an .npz or a folder of images")
    add("--out", type=_path, metavar="FILE", help="a .csv (if not runs/predictions/<data>.csv)")
    add = command(
        "inspect", inspect_data, "show what is in your data: what is understood, doubtful labels"
    )
    _add_data(add)
    add("--out", type=_path, default="runs", metavar="FOLDER", help="of the page (if not runs)")
    add = command("tensorboard", serve_tensorboard, "serve the logs of runs on 127.0.0.1")
    add("name", metavar="NAME", nargs="?", default="", help="one recipe (if not all)")
    add("--port", type=_count(65535), default=6006, metavar="N", help="if not 6006")
    add("--out", type=_path, default="runs", metavar="FOLDER", help="if not runs")
    add = command("new", write_new, "write a recipe of your own, to start from")
    add("name", metavar="NAME", help="of the new recipe, such as my_question")
    add("--from", metavar="NAME", dest="source", help="copy this recipe (if not a small one)")
    add = command("notebook", write_notebook, "write a recipe as a Jupyter notebook")
    _add_common(add)
    add("--seeds", type=_count(1000), metavar="N", help=SEEDS_HELP)
    add("--epochs", type=_count(10**6), metavar="N", help="how many (if not the recipe's own)")
    add("--examples", type=_examples, metavar="N", help=EXAMPLES_HELP)
    add("--check", action="store_true", help="only check the name and the data, write nothing")
    add = command("gallery", build_gallery, "make the reference results; goes on where it was")
    add("name", metavar="NAME", nargs="*", help="of a recipe (if not all)")
    add("--mnist", type=_path, metavar="FILE", help="MNIST as .npz (if not downloaded)")
    add("--fashion", type=_path, metavar="FILE", help="Fashion-MNIST as .npz (if not downloaded)")
    add("--check", action="store_true", help="compare with other seeds, on digits and files given")
    add("--times", action="store_true", help="measure only how long default runs take")
    add("--pages", action="store_true", help="only write the pages, train nothing")
    add("--address", default="", metavar="URL", help="where the site is published, for previews")
    add("--cluster", metavar="ADDRESS", help=CLUSTER_HELP)
    add = command("site", serve_site, "serve the gallery's pages on 127.0.0.1")
    add("--port", type=_count(65535), default=8000, metavar="N", help="if not 8000")
    return parser


def _add_common(add):
    """Add what all commands take that train a recipe."""
    add("name", metavar="NAME", help="the recipe, as `list` shows it")
    _add_data(add)
    add("--quick", action="store_true", help="seconds; for trying, not for judging")
    add("--out", type=_path, default="runs", metavar="FOLDER", help="of results (if not runs)")


def _add_model(add):
    """Add what keeps the best model."""
    add("--save-model", type=_path, metavar="FILE", help="keep the best model as a .keras file")
    add("--refit", action="store_true", help="train it once more, on the validation part as well")


def _add_data(add):
    """Add what says which data to take."""
    add("--data", default="digits", help="digits, mnist, fashion_mnist, cifar10, .npz, .csv, ...")
    add("--group", metavar="COLUMN", help="of a table: equal values stay in one part of a split")
    add("--target", metavar="COLUMN", help="of a table: the one of the classes (if not the last)")
    add(
        "--header",
        choices=("first", "none"),
        help="whether the first row of a table holds names (if that is not found out rightly)",
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

    console, log, progress = terminal.speaking()
    asked = {key: value for key, value in vars(arguments).items() if key not in ("command", "name")}
    options = lab.Options(**asked)
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

    console, log, progress = terminal.speaking()
    asked = {key: value for key, value in vars(arguments).items() if key not in ("command", "name")}
    found, folder = search.run(arguments.name, search.Options(**asked), log, progress)
    path = arguments.save_model or folder / "best.keras"
    terminal.show_search(console, found, folder, path, time.perf_counter() - start)


def inspect_data(arguments):
    """Show what is understood of a table, or what other data are."""
    from recipes._lab import data

    if arguments.data in data.NAMES:
        quiet.import_tensorflow()
    from recipes._lab import files, inspection
    from recipes._lab.output import inspecting, terminal

    console, *_ = terminal.speaking()
    source = data.read(arguments.data, arguments.target, arguments.header, arguments.group)
    path = Path(arguments.out) / "inspect" / f"{files.slug(source.name)}.html"
    with console.status("looking at every label"):
        found = inspection.inspect(source)
    files.write(path, inspecting.page(source, found))
    terminal.show_data(console, source, found, path)


def predict_rows(arguments):
    """Predict the classes of new examples, and show what came of it."""
    out = arguments.out
    if out is not None and not out.endswith(".csv"):
        raise UserError(f"--out {out!r} (OUT=) must end in .csv")
    quiet.import_tensorflow()
    from recipes._lab import predicting
    from recipes._lab.output import terminal

    console, *_ = terminal.speaking()
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
    given = {name: getattr(arguments, name) for name in names}
    options = {"data": arguments.data} | {name: value for name, value in given.items() if value}
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
    """Make the reference results, or what else is asked for; then all pages that show them."""
    for name in arguments.name:
        _check_name(name)
    chosen = [name for name in ("check", "times", "pages") if getattr(arguments, name)]
    if len(chosen) > 1:
        options = " and ".join(f"--{name} ({name.upper()}=1)" for name in chosen)
        raise UserError(f"{options} are two commands; give one of them")
    quiet.import_tensorflow()
    from recipes._lab.output import terminal
    from recipes._lab.publishing import gallery

    _, log, progress = terminal.speaking()
    names = arguments.name or catalogue.names()
    files = (arguments.mnist, arguments.fashion)
    if arguments.pages:
        _write_pages(log, arguments.address)
        return
    data = gallery.given(*files) if chosen else gallery.datasets(log, *files)
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
