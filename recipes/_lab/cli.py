"""Commands, messages, exit codes: `python -m recipes run NAME`, `python -m recipes list`."""

import contextlib
import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path

from recipes._lab import catalogue, quiet
from recipes._lab.arguments import parser
from recipes._lab.errors import UserError, nearest

SITE = Path("runs/gallery")
RESUMED = ("run", "search", "gallery")  # commands that go on where they were interrupted


def main(recipe=None):
    """Run the command line; a recipe that is started as a program passes its own path."""
    arguments = sys.argv[1:]
    if recipe is not None:
        arguments = ["run", Path(recipe).stem, *arguments]
    sys.stdout.reconfigure(errors="replace")  # a terminal that knows no ± shows ?
    try:
        options = parser(COMMANDS).parse_args(arguments)
        options.command(options)
        sys.stdout.flush()
    except UserError as error:
        print("error:", " ".join(str(error).split()), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        resumes = bool(arguments) and arguments[0] in RESUMED
        print("stopped; the same command resumes" if resumes else "stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # who reads, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


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
    written = notebook.write(catalogue.read(arguments.name), path, options)
    program = os.path.relpath(Path(sys.executable).parent / "jupyter")
    if written != path:
        print(f"kept        {path}, which differs")
    print(f"notebook    {written}")
    print(f"Jupyter     {shlex.join([program, 'lab', str(written)])}")


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


COMMANDS = {
    "list": list_recipes,
    "run": run_recipe,
    "search": search_recipe,
    "predict": predict_rows,
    "inspect": inspect_data,
    "tensorboard": serve_tensorboard,
    "new": write_new,
    "notebook": write_notebook,
    "gallery": build_gallery,
    "site": serve_site,
}
