"""What a user types, right or wrong: messages of one line, exit codes, and the Makefile."""

import argparse
import ast
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from recipes._lab import arguments, catalogue, cli, quiet


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    """`refused(*arguments)` returns the one line with which a command is refused."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        before = sorted(tmp_path.rglob("*"))
        monkeypatch.setattr(sys, "argv", ["__main__.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main()
        out, err = capsys.readouterr()
        assert (caught.value.code, out) == (2, "")
        assert err.startswith("error: ")
        assert err.endswith("\n")
        message = err[:-1]
        assert message.isprintable(), "more than one line"
        assert sorted(tmp_path.rglob("*")) == before, "something was written"
        return message

    return run


@pytest.mark.parametrize("name", ["bn_vs_nobm", "bn-vs-nobn", "BN_vs_nobn", "bn_vs_nobn.py"])
def test_an_unknown_recipe_gets_the_nearest_name(name, refused):
    message = refused("run", name)
    assert f"no recipe is called {name!r} (did you mean 'bn_vs_nobn'?); `make list`" in message


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x", "../recipes/bn_vs_nobn", "/etc/passwd", "_lab", "__init__", "*"),
        *("os", "digits", "results", "recipes.bn_vs_nobn", "bn_vs_nobn\n\x1b[31m"),
    ],
)
def test_what_is_no_recipe_is_refused(name, refused):
    assert f"no recipe is called {name!r}" in refused("run", name)
    if name:
        assert f"no recipe is called {name!r}" in refused("tensorboard", name)


@pytest.mark.parametrize("option", ["--seeds", "--epochs"])
@pytest.mark.parametrize(
    "value",
    ["0", "-1", "1.5", "1e3", "five", "", " ", "1000001", "9" * 5000, "0x10", "1_000", "٣", "²"],
)
def test_seeds_and_epochs_are_whole_numbers_from_one(option, value, refused, monkeypatch):
    monkeypatch.setattr(quiet, "import_tensorflow", lambda: pytest.fail("it was accepted"))
    message = refused("run", "bn_vs_nobn", option, value)
    allowed = {
        "--seeds": "(SEEDS=): {!r} is not a whole number from 1 to 1000; see",
        "--epochs": "(EPOCHS=): {!r} is not a whole number from 1 to 1000000; see",
    }
    assert f"argument {option} {allowed[option].format(value)}" in message


def test_a_port_is_a_port(refused):
    for value in ("0", "65536", "http"):
        message = refused("tensorboard", "--port", value)
        assert f"{value!r} is not a whole number from 1 to 65535" in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: COMMAND"),
        (["train"], "'train' (choose from"),
        (["run"], "required: NAME"),
        (["run", "bn_vs_nobn", "another"], "unrecognized arguments: another"),
        (["run", "bn_vs_nobn", "two\nlines"], "unrecognized arguments: two lines"),
        (["run", "bn_vs_nobn", "--learning-rate", "1"], "unrecognized arguments: --learning-rate"),
        (["run", "bn_vs_nobn", "--seeds"], "argument --seeds (SEEDS=): expected one argument"),
        (
            ["run", "bn_vs_nobn", "--quick=yes"],
            "argument --quick (QUICK=): ignored explicit argument 'yes'",
        ),
        (["list", "all"], "unrecognized arguments: all"),
    ],
)
def test_unknown_commands_and_options_are_refused(arguments, words, refused):
    message = refused(*arguments)
    assert words in message
    assert re.search(r"; see python -m recipes( run)? --help$", message)


COMMANDS = {
    name: parser
    for action in arguments.parser(cli.COMMANDS)._subparsers._group_actions
    for name, parser in action.choices.items()
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_help_explains_every_argument_and_gives_its_default(command):
    for argument in command._actions:
        assert argument.help
        if argument.default not in (None, False, "", argparse.SUPPRESS):
            assert f"(default: {argument.default})" in argument.help


@pytest.mark.parametrize("path", ["best.h5", "best", "best.keras/", "best_keras", "x.KERAS"])
def test_a_model_is_saved_as_keras_only(path, refused):
    message = refused("run", "bn_vs_nobn", "--save-model", path)
    assert f"--save-model {path!r} must end in .keras" in message


PATHS = [("--out", "OUT"), ("--save-model", "SAVE")]


@pytest.mark.parametrize(("option", "variable"), PATHS)
def test_an_empty_path_is_refused(option, variable, refused):
    message = refused("run", "bn_vs_nobn", option, "")
    assert f"argument {option} ({variable}=): '' is no path" in message


@pytest.mark.parametrize(("option", "variable"), PATHS)
@pytest.mark.parametrize("path", ["a\nb.keras", "\udcff.keras", "\x1b[31m.keras"])
def test_a_path_that_cannot_be_shown_is_refused(option, variable, path, refused):
    message = refused("run", "bn_vs_nobn", option, path)
    expected = f"argument {option} ({variable}=): {path!r} holds what is no letter, digit or sign"
    assert expected in message


@pytest.mark.parametrize("path", ["folder.keras", "file/best.keras"])
def test_a_model_that_cannot_be_saved_is_said_before_it_is_trained(path, refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder.keras").mkdir()
    message = refused("run", "bn_vs_nobn", "--save-model", path)
    words = "is a folder" if path == "folder.keras" else "can't write 'file/best.keras': "
    assert words in message
    assert "(SAVE=)" in message


@pytest.mark.parametrize("out", ["file", "file/below", "file/far/below"])
def test_an_out_that_cannot_be_written_is_explained(out, refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    message = refused("run", "bn_vs_nobn", "--quick", "--out", out)
    assert message.startswith(f"error: can't write '{out}/bn_vs_nobn/digits': ")
    assert message.endswith("give another folder (OUT=... or --out ...)")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("digit", "no data is called 'digit' (did you mean 'digits'?)"),
        ("", "'' is no data"),
        (".", "has no folders with images"),
        ("nowhere.csv", "the file 'nowhere.csv' does not exist"),
        ("notes.doc", "ends in '.doc'"),
        ("notes.txt", "has no rows below a header"),
        ("empty.csv", "is empty"),
        ("constant.csv", "has only the class 'a'"),
        ("text.npz", "is no .npz archive"),
        ("keys.npz", "holds the arrays 'a'"),
        ("nan.npz", "has 1 of 20 values that are NaN"),
    ],
)
def test_bad_data_is_explained(data, words, refused, tmp_path):
    (tmp_path / "notes.doc").write_text("x")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "constant.csv").write_text("x,y\n" + "1,a\n" * 9)
    (tmp_path / "text.npz").write_text("x")
    np.savez(tmp_path / "keys.npz", a=np.ones(2))
    x = np.ones((10, 2))
    x[0, 0] = np.nan
    np.savez(tmp_path / "nan.npz", x=x, y=np.arange(10) % 2)
    assert words in refused("run", "bn_vs_nobn", "--data", data)


def test_data_that_needs_a_download_says_what_works_offline(refused, monkeypatch):
    def load_data():
        raise Exception("URL fetch failure on https://...: None -- no route\nto host")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    message = refused("run", "bn_vs_nobn", "--data", "mnist")
    assert "'mnist' is not in Keras's cache and could not be downloaded" in message
    assert "offline, give 'digits' or a path" in message


def test_a_target_needs_a_table_that_has_it(refused, tmp_path):
    arguments = ("run", "bn_vs_nobn", "--target", "species")
    assert (
        "the target 'species' is for a table, such as a .csv file, which 'digits' is not"
        in refused(*arguments)
    )
    (tmp_path / "flowers.csv").write_text("size,kind\n" + "1,a\n2,b\n" * 9)
    message = refused(*arguments, "--data", "flowers.csv")
    assert "has no column 'species'" in message
    assert "its columns are 'size', 'kind'" in message


@pytest.mark.parametrize("command", [["run", "bn_vs_nobn"], ["search", "bn_vs_nobn"], ["inspect"]])
def test_a_header_is_the_first_row_or_none(command, refused):
    message = refused(*command, "--header", "2")
    assert (
        "argument --header (HEADER=): invalid choice: '2' (choose from 'first', 'none')" in message
    )
    message = refused(*command, "--header", "none")
    assert "the header 'none' is for a table, such as a .csv file, which 'digits' is not" in message


OWN_TABLE = "".join(f"{n}.5,{'xy'[n % 3 % 2]},{'ab'[n % 2]},n{n}\n" for n in range(40))


def test_inspect_shows_what_is_in_a_table(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.csv").write_text("size,[red]\x1b[31m,kind,name\n" + OWN_TABLE + "9,x,,m\n")
    monkeypatch.setattr(sys, "argv", ["", "inspect", "--data", "own.csv", "--target", "kind"])
    monkeypatch.setenv("COLUMNS", "100")
    cli.main()
    out, err = capsys.readouterr()
    assert err == ""
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[:12] == [
        "table     own.csv",
        "rows      41 read, 40 used; left out, no label: 1",
        "split     24 train, 8 validate, 8 test; each seed draws its own",
        "target    'kind', 2 classes: 'a' 50.0%, 'b' 50.0%",
        "columns   numeric: 1, categories: 1; inputs of a model: 3",
        "left out  identifier: 1",
        "",
        "column           understood as         inputs",
        "size             numeric               1",
        r"'[red]\x1b[31m'  categories            2",
        "name             identifier, left out  0       all different",
        "",
    ]
    assert lines[12].startswith("forest      a random forest classifies ")
    assert lines[-1] == "page        runs/inspect/own.html"
    page = (tmp_path / "runs" / "inspect" / "own.html").read_text(encoding="utf-8")
    assert "Labels least believed" in page


def test_inspect_shows_other_data_shortly(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["", "inspect"])
    cli.main()
    first, second, third, *_ = capsys.readouterr().out.splitlines()
    assert (first, second) == ("data        digits", "examples    1797 of 8 x 8")
    assert third.startswith("labels      10 classes: '0' 9.9%, '1' 10.1%")
    np.savez(
        tmp_path / "a.npz",
        **{f"x_{part}": np.ones((n, 3)) for part, n in (("train", 20), ("test", 4))},
        **{f"y_{part}": np.arange(n) % 2 for part, n in (("train", 20), ("test", 4))},
    )
    monkeypatch.setattr(sys, "argv", ["", "inspect", "--data", str(tmp_path / "a.npz")])
    cli.main()
    out = capsys.readouterr().out
    assert "examples    20 of 3, and 4 for the test\n" in out
    assert "warning     no better than always answering" in out


def test_there_is_nothing_to_show_before_a_run(refused):
    assert "no logs in 'runs/bn_vs_nobn'; run a recipe first" in refused(
        "tensorboard", "bn_vs_nobn"
    )


def test_a_tilde_that_the_shell_left_is_the_home_folder(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").write_text("a file")
    message = refused("run", "bn_vs_nobn", "--out", "~/runs")
    assert f"can't write '{tmp_path}/home/runs/bn_vs_nobn/digits'" in message


@pytest.fixture
def gallery(monkeypatch, tmp_path):
    """`gallery(*arguments)` returns what the command calls, with names and data; nothing is run."""
    from recipes._lab.publishing import gallery, github, pictures, readme, site

    calls = []
    everything = {
        gallery: ("build", "check", "time_runs"),
        pictures: ("update_thumbnails",),
        **dict.fromkeys((readme, github), ("update",)),
        site: ("build",),
    }
    for module, functions in everything.items():
        for function in functions:
            name = f"{module.__name__.rpartition('.')[2]}.{function}"

            def record(*arguments, name=name, **_):
                calls.append((name, arguments))

            monkeypatch.setattr(module, function, record)

    def run(*arguments):
        calls.clear()
        monkeypatch.setattr(sys, "argv", ["__main__.py", "gallery", *arguments])
        cli.main()
        return [name for name, _ in calls], calls[0][1][:2]

    run.calls = calls
    return run


PAGES_OF_GALLERY = ["pictures.update_thumbnails", "readme.update", "github.update", "site.build"]


def test_the_gallery_does_one_thing_and_writes_all_pages(gallery, tmp_path):
    data = tmp_path / "mine.npz"
    np.savez(data, x=np.random.default_rng(0).normal(size=(60, 3)), y=np.arange(60) % 3)
    assert gallery("--pages")[0] == PAGES_OF_GALLERY
    called, (names, _) = gallery("dropout", "--times")
    assert called == ["gallery.time_runs", *PAGES_OF_GALLERY]
    assert names == ["dropout"]
    called, (names, shown) = gallery("--check", "--mnist", str(data))
    assert called == ["gallery.check", *PAGES_OF_GALLERY]
    assert names == catalogue.names()
    assert shown == {"digits": "digits", str(data): "mine"}
    called, (_, shown) = gallery("--mnist", str(data), "--fashion", str(data))
    assert called == ["gallery.build", *PAGES_OF_GALLERY]
    assert shown == {"digits": "digits", str(data): "mine"}


def test_link_previews_get_the_address_where_the_site_is_published(gallery):
    gallery("--pages")
    assert gallery.calls[-1] == ("site.build", (cli.SITE, ""))
    gallery("--pages", "--address", "https://example.org/recipes")
    assert gallery.calls[-1] == ("site.build", (cli.SITE, "https://example.org/recipes/"))


def test_the_gallerys_mistakes_are_said_before_anything_is_run(refused):
    assert "--check (CHECK=1) and --pages (PAGES=1) are two" in refused(
        "gallery", "--pages", "--check"
    )
    for option in ("--mnist", "--fashion"):
        assert "'gone.npz' does not exist" in refused("gallery", "--check", option, "gone.npz")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "bn_vs_nobn"], "stopped; the same command resumes\n"),
        (["search", "bn_vs_nobn"], "stopped; the same command resumes\n"),
        (["gallery"], "stopped; the same command resumes\n"),
        (["predict", "a.keras", "a.csv"], "stopped\n"),
        (["inspect"], "stopped\n"),
        (["new", "my_question"], "stopped\n"),
        (["list"], "stopped\n"),
    ],
)
def test_ctrl_c_is_one_line_that_promises_no_more_than_is_so(arguments, line, capsys, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.COMMANDS, arguments[0], stop)
    monkeypatch.setattr(sys, "argv", ["__main__.py", *arguments])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 130
    out, err = capsys.readouterr()
    assert (out, err) == ("", line)


# In processes of their own, as a user starts them.


def test_a_mistake_in_a_real_process_is_one_line(recipes):
    code, out, err = recipes.run("run", "bn_vs_nobm")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "did you mean 'bn_vs_nobn'?" in err


def test_a_mistake_found_after_the_imports_is_one_line(recipes, tmp_path):
    (tmp_path / "file").write_text("mine")
    arguments = ("--out", tmp_path / "file" / "below")
    code, out, err = recipes.run(*arguments, module="recipes.bn_vs_nobn")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"error: can't write '{tmp_path}/file/below/bn_vs_nobn/digits': ")


def test_a_quick_run_tells_everything_on_stdout_and_nothing_on_stderr(quick_run):
    run = quick_run()
    assert run.stderr == ""
    first, *rest = run.stdout.splitlines()
    assert first == "training 96 models: 48 variants x 2 seeds"
    assert "Traceback" not in run.stdout
    assert "\x1b" not in run.stdout, "colours in a pipe"
    words = {line.split()[0]: line.split(maxsplit=1)[1] for line in rest if " " in line}
    assert re.fullmatch(r"\d+\.\d s", words["took"])
    assert words["page"] == str(run.folder / "report.html")
    assert words["model"] == str(run.out / "best.keras")
    figures = [line.split(maxsplit=1)[1] for line in rest if line.startswith("figure ")]
    assert set(figures) == {str(path) for path in run.folder.glob("figure*.png")}
    program, *options = shlex.split(words["TensorBoard"])
    assert Path(program).name == "tensorboard"
    assert options == ["--host", "127.0.0.1", "--logdir", str(run.folder / "tensorboard")]
    assert "QUICK: few seeds, epochs and examples; the verdicts mean nothing." in rest
    assert "use" not in words, "advice that follows from a quick run"


def test_the_list_shows_every_recipe_with_its_question_and_imports_nothing_slow(root, environment):
    code = (
        "import runpy, sys\n"
        "sys.argv = ['__main__.py', 'list']\n"
        "runpy.run_module('recipes', run_name='__main__')\n"
        "slow = {'tensorflow', 'keras', 'numpy', 'scipy', 'sklearn', 'matplotlib', 'rich'}\n"
        "print(sorted(slow & set(sys.modules)), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "[]\n")
    files = [path for path in (root / "recipes").glob("*.py") if not path.name.startswith("_")]
    shown = re.findall(r"^  (\w+) +(?:(\d+) s)? +(\S.*)$", done.stdout, flags=re.M)
    assert sorted(name for name, _, _ in shown) == sorted(path.stem for path in files)
    for name, seconds, question in shown:
        text = (root / "recipes" / f"{name}.py").read_text(encoding="utf-8")
        assert question == ast.get_docstring(ast.parse(text)).splitlines()[0]
        assert question.endswith("?")
        measured = catalogue.results(name).get("seconds")
        assert seconds == (f"{measured:.0f}" if measured else "")


def test_a_terminal_without_the_sign_shows_a_question_mark(root, environment):
    code = (
        "import sys\n"
        "from recipes._lab import cli\n"
        "cli.COMMANDS['list'] = lambda _: print('80 ± 1')\n"
        "sys.argv = ['__main__.py', 'list']\n"
        "cli.main()\n"
    )
    command = [sys.executable, "-c", code]
    ascii_only = environment | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=root, env=ascii_only, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "80 ? 1\n", "")


def test_a_reader_that_has_seen_enough_is_no_error(recipes):
    with recipes.start("list") as process:
        process.stdout.close()  # as `| head -0` does
        err = process.stderr.read()
    assert (process.returncode, err) == (1, "")


# The Makefile


@pytest.fixture
def make(root, environment):
    """Run make as a user would, without touching .venv."""
    inherited = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    clean = {name: value for name, value in environment.items() if name not in inherited}

    def run(*arguments, **variables):
        command = [shutil.which("make"), "-o", ".venv/installed", *arguments]
        return subprocess.run(
            command, cwd=root, env=clean | variables, capture_output=True, text=True
        )

    return run


def test_make_alone_shows_every_target(make, root):
    makefile = (root / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (help .*)$", makefile, flags=re.M)
    described = dict(re.findall(r"^([a-z-]+):.*## (.*)$", makefile, flags=re.M))
    assert list(described) == phony.split()
    alone, asked = make(), make("help")
    assert alone.returncode == asked.returncode == 0
    assert alone.stdout == asked.stdout
    for target, description in described.items():
        assert re.search(rf"^  make {target} +{re.escape(description)}$", alone.stdout, flags=re.M)


def test_make_recipe_without_a_name_says_what_to_give(make):
    done = make("recipe", NAME="desktop")  # in the environment, as on WSL
    assert done.returncode == 2
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first.startswith("error: no recipe given; say for example make recipe NAME=bn_vs_nobn")
    assert "Error 2" in second  # make's own


def command_of(done):
    """The arguments of the one `python -m recipes` that `make -n` shows."""
    assert done.returncode == 0, done.stderr
    (command,) = re.findall(r"-m recipes (.*)$", done.stdout.replace("\\\n", " "), flags=re.M)
    return shlex.split(command)


def test_make_recipe_passes_every_option(make):
    options = {
        "DATA": "Bob's $b $(x) data.csv",
        "TARGET": "a b",
        "HEADER": "none",
        "GROUP": "$1",
        "EXAMPLES": "500",
        "SEEDS": "3",
        "EPOCHS": "7",
        "QUICK": "1",
        "OUT": "my runs",
        "SAVE": "my best.keras",
        "REFIT": "1",
    }
    given = [f"{name}={value}" for name, value in options.items()]
    done = make("-n", "recipe", "NAME=bn_vs_nobn", *given)
    flags = {"QUICK": ["--quick"], "REFIT": ["--refit"]}
    names = {"SAVE": "--save-model"}
    expected = [
        flags.get(name) or [names.get(name, f"--{name.lower()}"), value]
        for name, value in options.items()
    ]
    assert command_of(done) == ["run", "bn_vs_nobn", *itertools.chain(*expected)]


def test_make_predict_passes_every_option(make):
    options = ("MODEL=my best.keras", "DATA=new $x.csv")
    expected = ["predict", "my best.keras", "new $x.csv"]
    assert command_of(make("-n", "predict", *options)) == expected
    done = make("-n", "predict", *options, "OUT=p.csv")
    assert command_of(done) == [*expected, "--out", "p.csv"]
    checks = [line for line in done.stdout.splitlines() if line.startswith("test ")]
    assert len(checks) == 2
    for check in checks:  # that DATA and MODEL are given
        assert subprocess.run(["sh", "-c", check]).returncode == 0


@pytest.mark.parametrize("folder", ["recipes", "tests", "callbacks", "docs", "runs"])
def test_a_folder_is_no_target(folder, make):
    done = make(folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert re.search("make (recipe|test|shows)", done.stderr)


def test_make_recipe_leaves_the_defaults_to_the_command(make):
    for options in ((), ("QUICK=0",)):
        done = make("-n", "recipe", "NAME=bn_vs_nobn", *options)
        assert command_of(done) == ["run", "bn_vs_nobn", "--data", "digits", "--out", "runs"]


def test_make_inspect_passes_every_option(make):
    options = ("DATA=Bob's data.csv", "TARGET=a b", "HEADER=none")
    assert command_of(make("-n", "inspect", *options)) == [
        *("inspect", "--data", "Bob's data.csv", "--target", "a b", "--header", "none"),
        *("--out", "runs"),
    ]


@pytest.mark.parametrize("target", ["recipe", "search", "inspect"])
def test_make_installs_what_a_table_needs(target, make):
    install = "-r requirements-tables.txt && touch"
    for data, is_needed in [("my table.xlsx", True), ("a.parquet", True), ("a.csv", False)]:
        done = make("-n", "-W", "requirements-tables.txt", target, "NAME=dropout", f"DATA={data}")
        assert (install in done.stdout) == is_needed
        assert command_of(done)[0] in ("run", "search", "inspect")


def test_make_tensorboard_passes_every_option(make):
    done = make("-n", "tensorboard")
    assert command_of(done) == ["tensorboard", "--out", "runs"]
    done = make("-n", "tensorboard", "NAME=bn_vs_nobn", "PORT=7000", "OUT=my runs")
    options = ["--port", "7000", "--out", "my runs"]
    assert command_of(done) == ["tensorboard", "bn_vs_nobn", *options]


def test_make_gallery_passes_every_option(make):
    done = make("-n", "gallery", "PAGES=1")
    assert command_of(done) == ["gallery", "--pages"]
    assert "tests.screenshot" not in done.stdout
    done = make("-n", "gallery", "NAME=dropout", "MNIST=m.npz", "FASHION=f.npz", "CHECK=1")
    files = ["--mnist", "m.npz", "--fashion", "f.npz"]
    assert command_of(done) == ["gallery", "dropout", *files, "--check"]
    assert "tests.screenshot" in make("-n", "gallery").stdout


def test_make_ends_with_the_exit_code_of_a_mistake(make):
    python = f"VENV={os.path.dirname(sys.executable)}"
    done = make(python, "recipe", "NAME=../x")
    assert done.returncode == 2
    assert done.stderr.splitlines()[0].startswith("error: no recipe is called '../x'")
