"""Arguments, messages, exit codes: `python -m recipes run NAME`, `python -m recipes list`."""

import argparse
import contextlib
import difflib
import functools
import gc
import logging
import os
import shlex
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from recipes._lab import menu
from recipes._lab.errors import UserError

SITE = Path("runs/gallery")
STYLE = {"holds": "green", "does not hold": "red", "not detected": "yellow"}


def main(module=None):
    """Run the command line; a recipe's own file passes its `__name__` to run itself."""
    arguments = sys.argv[1:]
    if module is not None:
        arguments = ["run", Path(sys.argv[0]).stem, *arguments]
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
        raise UserError(f"{message}; see {self.prog} --help")


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
    add("--seeds", type=_count(1000), metavar="N", help="how many seeds (if not 5)")
    add("--epochs", type=_count(10**6), metavar="N", help="how many (if not the recipe's own)")
    add("--save-model", type=_path, metavar="FILE", help="keep the best model as a .keras file")
    add = command("search", search_recipe, "search a recipe's hyperparameters")
    _add_common(add)
    add("--trials", type=_count(10**5), default=100, metavar="N", help="how many (if not 100)")
    add("--stages", type=_count(20), default=1, metavar="N", help="rounds, from coarse to fine")
    add("--oracle", choices=("random", "bayesian"), default="random", help="if not random")
    add("--seeds", type=_count(1000), default=1, metavar="N", help="of each trial (if not 1)")
    add("--epochs", type=_count(10**6), metavar="N", help="of a trial (if not 20)")
    add("--discard", action="store_true", help="give up the worse half early, twice")
    add("--cluster", metavar="ADDRESS", help="train on Ray: auto, or where it runs")
    add = command("tensorboard", serve_tensorboard, "serve the logs of runs on 127.0.0.1")
    add("name", metavar="NAME", nargs="?", default="", help="one recipe (if not all)")
    add("--port", type=_count(65535), default=6006, metavar="N", help="if not 6006")
    add("--out", type=_path, default="runs", metavar="FOLDER", help="if not runs")
    add = command("new", write_new, "write a recipe of your own: a copy to start from")
    add("name", metavar="NAME", help="of the new recipe, such as my_question")
    add("--from", default="bn_vs_nobn", metavar="NAME", dest="source", help="if not bn_vs_nobn")
    add = command("notebook", write_notebook, "write a recipe as a Jupyter notebook")
    _add_common(add)
    add("--seeds", type=_count(1000), metavar="N", help="how many seeds (if not 5)")
    add("--epochs", type=_count(10**6), metavar="N", help="how many (if not the recipe's own)")
    add = command("gallery", build_gallery, "make the reference results; goes on where it was")
    add("name", metavar="NAME", nargs="*", help="of a recipe (if not all)")
    add("--mnist", default="mnist", metavar="FILE", help="MNIST as .npz (if not downloaded)")
    add = command("site", serve_site, "serve the gallery's pages on 127.0.0.1")
    add("--port", type=_count(65535), default=8000, metavar="N", help="if not 8000")
    return parser


def _add_common(add):
    """Add what all commands take that train a recipe."""
    add("name", metavar="NAME", help="the recipe, as `list` shows it")
    add("--data", default="digits", help="digits, mnist, fashion_mnist, cifar10, .npz, .csv")
    add("--target", metavar="COLUMN", help="column of a .csv that holds the classes (if not last)")
    add("--quick", action="store_true", help="seconds; for trying, not for judging")
    add("--out", type=_path, default="runs", metavar="FOLDER", help="of results (if not runs)")


def _count(most):
    """Return a parser of whole numbers from 1 to `most`."""

    def parse(text):
        number = text.lstrip("0") if text.isascii() and text.isdigit() else ""
        if not number or len(number) > len(str(most)) or int(number) > most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(number)

    return parse


def _path(text):
    """Return a path; make leaves the ~ of OUT=~/runs to us."""
    if not text:
        raise argparse.ArgumentTypeError("'' is no path")
    if not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} holds what is no letter, digit or sign")
    return os.path.expanduser(text)


def list_recipes(_):
    """List the recipes with their questions, and the seconds that they took for the gallery."""
    width = max(map(len, menu.names()))
    for topic, recipes in menu.by_topic(menu.everything()).items():
        print(topic)
        for recipe in recipes:
            seconds = menu.results(recipe.name).get("seconds")
            duration = f"{seconds:4.0f} s" if seconds else " " * 6
            print(f"  {recipe.name:{width}}  {duration}  {recipe.question}")


def run_recipe(arguments):
    """Run a recipe and show what came of it."""
    _known(arguments.name)
    if arguments.save_model is not None and not arguments.save_model.endswith(".keras"):
        raise UserError(f"--save-model {arguments.save_model!r} must end in .keras")
    start = time.perf_counter()
    import_tensorflow_quietly()
    from recipes._lab import experiment

    console, tell, track = speaking()
    asked = {key: value for key, value in vars(arguments).items() if key not in ("command", "name")}
    options = experiment.Options(**asked)
    lab, folder = experiment.run(arguments.name, options, tell, track)
    _show(console, lab, folder, time.perf_counter() - start)
    if use := menu.read(arguments.name).use:
        console.print(f"use         {use}", markup=False, soft_wrap=True)


def search_recipe(arguments):
    """Search a recipe's hyperparameters and show what came of it."""
    _known(arguments.name)
    if arguments.stages > arguments.trials:
        raise UserError(
            f"{arguments.trials} trials are too few for {arguments.stages} stages; give one or "
            "more for each (--trials, TRIALS=...)"
        )
    start = time.perf_counter()
    import_tensorflow_quietly()
    from recipes._lab import search

    console, tell, track = speaking()
    asked = {key: value for key, value in vars(arguments).items() if key not in ("command", "name")}
    found, folder = search.run(arguments.name, search.Options(**asked), tell, track)
    _show_search(console, found, folder, time.perf_counter() - start)


def serve_tensorboard(arguments):
    """Serve the logs of one recipe, or of all runs."""
    if arguments.name:
        _known(arguments.name)
    import_tensorflow_quietly()
    from recipes._lab import tensorboard

    query = tensorboard.serve(Path(arguments.out) / arguments.name, arguments.port)
    _wait(arguments.port, query)


def write_new(arguments):
    """Write a recipe of the user's own."""
    from recipes._lab import new

    _known(arguments.source)
    path = new.create(arguments.name, arguments.source)
    print(
        f"{os.path.relpath(path)} is a copy of {arguments.source}, to be changed; it runs at once:"
    )
    print(f"make recipe NAME={arguments.name}")


def write_notebook(arguments):
    """Write a recipe as a notebook."""
    from recipes._lab import notebook

    _known(arguments.name)
    path = Path(arguments.out) / "notebooks" / f"{arguments.name}.ipynb"
    given = {name: getattr(arguments, name) for name in ("target", "seeds", "epochs", "quick")}
    options = {"data": arguments.data} | {name: value for name, value in given.items() if value}
    if Path(arguments.data).suffix:
        options["data"] = os.path.abspath(arguments.data)  # a notebook runs in its own folder
    notebook.write(menu.read(arguments.name), path, options)
    program = os.path.relpath(Path(sys.executable).parent / "jupyter")
    print(f"notebook    {path}")
    print(f"Jupyter     {shlex.join([program, 'lab', str(path)])}")


def build_gallery(arguments):
    """Make the reference results, README's generated parts and the site."""
    for name in arguments.name:
        _known(name)
    import_tensorflow_quietly()
    from recipes._lab import gallery, readme, site

    _, tell, track = speaking()
    try:
        gallery.build(arguments.name or menu.names(), ("digits", arguments.mnist), tell, track)
    finally:  # what is finished is shown, whatever stopped the rest
        readme.update()
        site.build(SITE)
    tell(f"site        {SITE / 'index.html'}")


def serve_site(arguments):
    """Build the gallery's pages from the committed results and serve them."""
    from recipes._lab import site

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


def _known(name):
    """Raise a UserError unless a recipe has this name."""
    if name not in menu.names():
        near = difflib.get_close_matches(name, menu.names(), n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UserError(f"no recipe is called {name!r}{hint}; `make list` shows them all")


def import_tensorflow_quietly():
    """Import TensorFlow without its start-up chatter.

    What C++ prints before its logging is set up goes straight to file descriptor 2, so that is
    set aside for the time of the import; if the import fails, it is shown.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Half a million objects live as long as the process; looking through them again and again for
    # garbage would take a second of a short run.
    gc.disable()
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import tensorflow

            tensorflow.config.list_physical_devices()  # the rest of the chatter
        except Exception:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


def speaking():
    """Return a rich console, and the `tell` and `track` of an `experiment.Lab` that speak there."""
    from rich.console import Console

    console = Console(highlight=False)
    tell = functools.partial(console.print, markup=False)
    return console, tell, functools.partial(_track, console)


@contextlib.contextmanager
def _track(console, description, total):
    """Show a progress bar and yield the function that advances it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

    if not console.is_terminal:
        console.print(description, markup=False)
        yield lambda steps: None
        return
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), "epochs")
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda steps: progress.advance(task, steps)


def _show_search(console, found, folder, seconds):
    """Print the best trials, what matters, and where things are."""
    from rich.markup import escape
    from rich.table import Table

    from recipes._lab import space

    names = list(found.best.hyperparameters.values)
    table = Table("trial", "val. accuracy (%)", *names, box=None, pad_edge=False)
    completed = [trial for trial in found.trials if trial.status == "COMPLETED"]
    completed.sort(key=lambda trial: (trial.message is not None, -trial.score))
    for trial in completed[:10]:
        values = [trial.hyperparameters.values.get(name, "") for name in names]
        shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
        table.add_row(trial.trial_id, f"{100 * trial.score:.1f}", *map(escape, shown))
    console.print()
    console.print(table)
    failed = len(found.trials) - len(completed)
    given_up = sum(trial.message is not None for trial in completed)
    console.print(
        f"\n{len(found.trials)} trials, {failed} of them diverged, {given_up} given up early"
    )
    test = 100 * found.test_accuracy.mean()
    console.print(
        f"best on validation: trial {found.best.trial_id}, {100 * found.best.score:.1f} %; "
        f"of so many trials the best looks better than it is: {test:.1f} % on test",
        soft_wrap=True,
    )
    for name, values in sorted(found.importance.items(), key=lambda item: -item[1].mean()):
        mean, half = space.interval(values)
        console.print(f"importance  {escape(name)} {mean:.2f} ± {half:.2f}")
    if not found.importance:
        console.print(f"too few trials to tell what matters; {space.FEWEST_TRIALS} are needed")
    console.print(f"took        {seconds:.1f} s")
    for file in ("trials.csv", *found.figures, "best.keras"):
        kind = {"csv": "trials", "png": "figure", "keras": "model"}[file.rpartition(".")[2]]
        console.print(f"{kind:12}{escape(str(folder / file))}", soft_wrap=True)
    _show_board(console, folder)


def _show(console, lab, folder, seconds):
    """Print the findings, and where things are."""
    from rich.markup import escape

    show_findings(console, lab)
    console.print(f"took        {seconds:.1f} s")
    for file in lab.figures:
        console.print(f"figure      {escape(str(folder / file))}", soft_wrap=True)
    console.print(f"page        {escape(str(folder / 'report.html'))}", soft_wrap=True)
    if lab.options.save_model:
        console.print(f"model       {escape(lab.options.save_model)}", soft_wrap=True)
    _show_board(console, folder)


def show_findings(console, lab):
    """Print the table and the verdicts of an `experiment.Lab`."""
    from rich.markup import escape
    from rich.table import Table

    from recipes._lab import report

    if lab.rows:
        table = Table(*report.COLUMNS, box=None, header_style="bold", pad_edge=False)
        for row in lab.rows:
            table.add_row(*map(escape, row))
        console.print()
        console.print(table)
    console.print()
    for claim in lab.claims:
        verdict = claim.judgement.verdict
        console.print(f"[bold {STYLE[verdict]}]{verdict}[/]  {escape(claim.claim)}", soft_wrap=True)
        source = escape(f"[{claim.source}]")
        console.print(f"    {escape(claim.judgement.detail)}  [dim]{source}[/]", soft_wrap=True)
    console.print()
    for argument, chosen in report.tuned(lab.tuned).items():
        console.print(f"{argument} chosen on validation: {escape(chosen)}", soft_wrap=True)
    if lab.options.quick:
        console.print("QUICK: few seeds, epochs and examples; for trying, not for judging.")


def _show_board(console, folder):
    """Print the command that shows a folder's logs, if it has some."""
    from rich.markup import escape

    if (folder / "tensorboard").exists():
        program = os.path.relpath(Path(sys.executable).parent / "tensorboard")
        options = ["--host", "127.0.0.1", "--logdir", str(folder / "tensorboard")]
        command = shlex.join([program, *options])
        console.print(f"TensorBoard {escape(command)}", soft_wrap=True)
