"""Files are written whole or not at all, and a run's folder survives whatever ends the run."""

import contextlib
import errno
import fcntl
import io
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from recipes._lab import files
from recipes._lab.errors import UserError
from recipes._lab.files import RunFolder, Store, explained, slug, write


def contents(folder):
    """Every file below a folder, with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def in_another_process(code, *arguments, **options):
    """Run Python code that has `files`, `os`, `signal` and `sys` in a process of its own."""
    code = f"import os, signal, sys\nfrom recipes._lab import files\n{code}"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def killed(code, *arguments):
    """Run code that must end by kill -9."""
    with in_another_process(code, *arguments) as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, err


# write


@pytest.mark.parametrize("content", ["± 1\n", b"\x00\xff", b""])
def test_write_makes_folders_and_replaces_the_file(content, tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    write(path, "longer than what follows")
    write(str(path), content)
    expected = content.encode() if isinstance(content, str) else content
    assert contents(tmp_path) == {"new/folder/file.txt": expected}


def test_a_written_file_has_the_usual_permissions(tmp_path):
    umask = os.umask(0o027)
    try:
        write(tmp_path / "file", "x")
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), MemoryError()])
def test_a_failing_write_leaves_the_old_file_and_nothing_else(step, error, tmp_path, monkeypatch):
    write(tmp_path / "file", "old")

    def fail(*_):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(UserError if isinstance(error, OSError) else MemoryError):
        write(tmp_path / "file", "new")
    assert contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_process_killed_in_mid_write_leaves_the_old_file(step, tmp_path):
    write(tmp_path / "file", "old")
    killed(
        f"os.{step} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write(sys.argv[1], 'new' * 10**6)",
        tmp_path / "file",
    )
    assert (tmp_path / "file").read_text() == "old"
    write(tmp_path / "file", "newer")
    assert (tmp_path / "file").read_text() == "newer"


def test_what_the_user_may_have_changed_is_kept(tmp_path):
    path, second, third = (tmp_path / name for name in ("a.ipynb", "a-2.ipynb", "a-3.ipynb"))
    assert files.write_beside(path, "±") == path
    assert files.write_beside(path, "±") == path
    path.write_text("changed")
    assert files.write_beside(path, "±") == second
    assert files.write_beside(path, "±") == second
    assert files.write_beside(path, "other options") == third
    assert contents(tmp_path) == {
        "a.ipynb": b"changed",
        "a-2.ipynb": "±".encode(),
        "a-3.ipynb": b"other options",
    }


def test_unfinished_work_that_nobody_resumes_is_deleted(tmp_path):
    names = ("0" * 24, "1" * 24, "search-my_x-" + "2" * 16, "search-my_x-" + "3" * 16, "mine")
    old, new, search, current, mine = folders = [tmp_path / ".cache" / name for name in names]
    month = time.time() - files.KEEP_UNFINISHED_SECONDS
    for folder in folders:
        write(folder / "stage" / "file", "x")
        for path in (folder / "stage" / "file", folder / "stage", folder):
            os.utime(path, (month - 60, month - 60))
    os.utime(new, (month + 60, month + 60))
    os.utime(current / "stage" / "file", (month + 60, month + 60))
    with RunFolder(tmp_path, "r", "d"):
        assert [f.exists() for f in (old, search)] == [False, False]
        assert [f.exists() for f in (new, current, mine)] == [True, True, True]


def test_tables_are_joined_behind_what_tells_them_apart():
    tables = [((1,), [("a", "b"), (2, "x,y")]), ((2,), [("a", "b"), (3, 4), (5, 6)])]
    joined = files.joined(("n",), tables)
    assert joined == [("n", "a", "b"), (1, 2, "x,y"), (2, 3, 4), (2, 5, 6)]
    assert files.csv_text(joined) == 'n,a,b\n1,2,"x,y"\n2,3,4\n2,5,6\n'


def message_of(action):
    """The message of the UserError that an action raises, as one line."""
    with pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert message.isprintable()
    return message


@pytest.mark.parametrize("where", ["file/below", "file/far/below"])
def test_writing_below_a_file_is_explained(where, tmp_path):
    write(tmp_path / "file", "mine")
    message = message_of(lambda: write(tmp_path / where, "x"))
    assert repr(str(tmp_path / where)) in message
    assert "OUT=" in message
    assert contents(tmp_path) == {"file": b"mine"}


def test_writing_over_a_folder_is_explained(tmp_path):
    write(tmp_path / "folder" / "file", "mine")
    assert "Is a directory" in message_of(lambda: write(tmp_path / "folder", "x"))
    assert contents(tmp_path) == {"folder/file": b"mine"}


def test_a_full_disk_is_explained_and_leaves_the_old_file(tmp_path):
    write(tmp_path / "file", "old")
    code = (  # Files may not grow beyond 1,000 bytes, so writing fails as on a full disk.
        "import resource\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    files.write(sys.argv[1], 'new' * 1000)\n"
        "except files.UserError as error:\n"
        "    print(error)"
    )
    with in_another_process(code, tmp_path / "file") as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.count("\n") == 1
    assert f"can't write {str(tmp_path / 'file')!r}: File too large; free some space" in out
    assert contents(tmp_path) == {"file": b"old"}


@pytest.mark.parametrize(
    ("number", "remedy", "advice"),
    [
        (errno.ENOSPC, "give another (SAVE=)", "free some space or give another (SAVE=)"),
        (errno.ENOSPC, None, "free some space"),
        (errno.EACCES, "give another (SAVE=)", "give another (SAVE=)"),
        (errno.EACCES, None, "see to it that it can be written"),
    ],
)
def test_what_is_advised_can_be_done(number, remedy, advice, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    message = message_of(lambda: write(tmp_path / "file", "new", remedy=remedy))
    assert message == f"can't write {str(tmp_path / 'file')!r}: {os.strerror(number)}; {advice}"


def test_errors_of_tensorflow_are_explained_and_others_pass():
    def fail(error):
        with explained("folder"):
            raise error

    full = tf.errors.ResourceExhaustedError(None, None, "events; No space left on device")
    assert "can't write 'folder': events; No space left" in message_of(lambda: fail(full))
    for error in (ValueError("mine"), UserError("mine"), KeyboardInterrupt("mine")):
        with pytest.raises(type(error), match=r"^mine$"):
            fail(error)


# slug


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("with BN, lr 0.05, std 0.54", "with_BN_lr_0.05_std_0.54"),
        ("BN, Keras's defaults", "BN_Keras_s_defaults"),
        ("momentum=.9", "momentum=.9"),
        ("+1e-3", "+1e-3"),
        ("é µ", "é_µ"),
        ("a/b\\c\nd", "a_b_c_d"),
        ("../../etc", "etc"),
        ("..", "_"),
        ("", "_"),
        ("<script>", "script"),
    ],
)
def test_a_slug_names_one_folder(name, folder):
    assert slug(name) == folder


# Store


ARRAYS = {
    "history": np.array([[np.nan, np.inf, -np.inf, -0.0, 5e-324]]),
    "float32": np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 7,
    "0/final/0": np.array(3, np.int32),
    "empty": np.zeros((0, 4), np.float16),
    "flags": np.array([True, False]),
    "names": np.array(["µ", ""]),
}


def test_a_store_gives_back_what_it_was_given_bit_by_bit(tmp_path):
    store = Store(tmp_path / "store")
    store.save("key", ARRAYS)
    loaded = Store(tmp_path / "store").load("key")
    assert list(loaded) == list(ARRAYS)
    for name, array in ARRAYS.items():
        given = loaded[name]
        assert (given.dtype, given.shape) == (array.dtype, array.shape)
        assert given.tobytes() == array.tobytes()


def test_a_store_makes_its_folder_when_it_is_needed_and_forgets_everything(tmp_path):
    store = Store(tmp_path / "store")
    assert store.load("key") is None
    store.clear()
    assert not store.folder.exists()
    store.save("key", {"x": np.ones(1)})
    assert list(contents(tmp_path)) == ["store/key.npz"]
    store.clear()
    assert store.load("key") is None
    assert not store.folder.exists()


def damages():
    """Yield what may stand in a store's file after a full disk or a loss of power."""
    file = io.BytesIO()
    np.savez(file, **ARRAYS)
    whole = file.getvalue()
    for size in (0, 1, 30, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        yield pytest.param(whole[:size], id=f"first {size} bytes")
    for start in (40, len(whole) // 2, len(whole) - 60):
        torn = whole[:start] + bytes(20) + whole[start + 20 :]
        yield pytest.param(torn, id=f"zeros at {start}")
    yield pytest.param(bytes(len(whole)), id="zeros")
    yield pytest.param(b"not an archive", id="text")
    file = io.BytesIO()
    np.save(file, np.ones(3))
    yield pytest.param(file.getvalue(), id="an .npy")
    file = io.BytesIO()
    np.savez(file, x=np.array([{}], dtype=object))
    yield pytest.param(file.getvalue(), id="pickled")


@pytest.mark.parametrize("content", list(damages()))
def test_a_damaged_file_of_a_store_counts_as_missing(content, tmp_path):
    store = Store(tmp_path)
    (tmp_path / "key.npz").write_bytes(content)
    assert store.load("key") is None
    store.save("key", {"x": np.ones(2)})
    np.testing.assert_array_equal(store.load("key")["x"], np.ones(2))


# RunFolder


def finished_run(out, **texts):
    """Write the given files as one run of recipe r on data d."""
    with RunFolder(out, "r", "d") as folder:
        for name, text in texts.items():
            write(folder.work / name, text)
        folder.finish()


def failing_run(out, error):
    with RunFolder(out, "r", "d") as folder:
        write(folder.work / "one", "half")
        raise error


def test_a_finished_run_replaces_the_previous_one_whole(tmp_path):
    finished_run(tmp_path, one="1", two="2")
    assert contents(tmp_path / "r" / "d") == {"one": b"1", "two": b"2"}
    finished_run(tmp_path, two="3")
    assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d/two": b"3"}


def test_a_failing_run_leaves_the_previous_one(tmp_path):
    finished_run(tmp_path, one="1")
    with pytest.raises(KeyboardInterrupt):
        failing_run(tmp_path, KeyboardInterrupt)
    assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d/one": b"1"}
    finished_run(tmp_path, one="3")  # the lock is free


def test_a_first_run_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        failing_run(tmp_path, ZeroDivisionError)
    assert contents(tmp_path) == {".cache/r-d.lock": b""}
    assert not (tmp_path / "r" / "d").exists()


OWNER = (
    "with files.RunFolder(sys.argv[1], 'r', 'd') as folder:\n"
    "    files.write(folder.work / 'half', 'x')\n"
    "    print('ready', flush=True)\n"
    "    input()\n"
    "    folder.finish()"
)


def test_a_second_run_is_refused_until_the_first_one_ends_even_by_kill(tmp_path):
    finished_run(tmp_path, one="1")
    with in_another_process(OWNER, tmp_path) as owner:
        assert owner.stdout.readline() == "ready\n"
        message = message_of(lambda: finished_run(tmp_path, one="2"))
        assert f"another run is writing to {str(tmp_path / 'r' / 'd')!r}; wait" in message
        everything = {".cache/r-d.lock": b"", ".cache/r-d.new/half": b"x", "r/d/one": b"1"}
        assert contents(tmp_path) == everything
        owner.kill()
    assert contents(tmp_path) == everything
    with RunFolder(tmp_path, "r", "d"):  # the lock went with its owner, the half run goes now
        assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d/one": b"1"}


def test_a_refused_run_does_not_disturb_the_first(tmp_path):
    with in_another_process(OWNER, tmp_path) as owner:
        assert owner.stdout.readline() == "ready\n"
        message_of(lambda: finished_run(tmp_path, one="2"))
        owner.communicate("go\n", timeout=60)
    assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d/half": b"x"}


def test_runs_of_other_recipes_and_data_may_go_on_at_the_same_time(tmp_path):
    with contextlib.ExitStack() as stack:
        for recipe, data in (("r", "d"), ("r", "e"), ("s", "d")):
            folder = stack.enter_context(RunFolder(tmp_path, recipe, data))
            write(folder.work / "own", f"{recipe} {data}")
            folder.finish()
    del folder
    assert {name: text for name, text in contents(tmp_path).items() if text} == {
        "r/d/own": b"r d",
        "r/e/own": b"r e",
        "s/d/own": b"s d",
    }


@pytest.mark.parametrize(
    ("renames", "left"),
    [
        (0, {"r/d/one": b"old", ".cache/r-d.new/one": b"new"}),
        (1, {".cache/r-d.old/one": b"old", ".cache/r-d.new/one": b"new"}),
        (2, {"r/d/one": b"new", ".cache/r-d.old/one": b"old"}),
    ],
)
def test_a_run_killed_while_it_swaps_folders_loses_no_finished_run(renames, left, tmp_path):
    finished_run(tmp_path, one="old")
    killed(
        "def die(*_, **__):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "def replace(*paths, real=os.replace, calls=[]):\n"
        "    calls.append(paths)\n"
        f"    die() if len(calls) > {renames} else real(*paths)\n"
        "with files.RunFolder(sys.argv[1], 'r', 'd') as folder:\n"
        "    files.write(folder.work / 'one', 'new')\n"
        "    os.replace, files.shutil.rmtree = replace, die\n"
        "    folder.finish()",
        tmp_path,
    )
    assert contents(tmp_path) == {".cache/r-d.lock": b""} | left
    survivor = b"new" if renames == 2 else b"old"
    with RunFolder(tmp_path, "r", "d"):
        assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d/one": survivor}
    finished_run(tmp_path, one="newer")
    assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d/one": b"newer"}


def test_an_out_that_is_a_file_is_refused(tmp_path):
    write(tmp_path / "file", "mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        message = message_of(lambda out=out: finished_run(out, one="1"))
        assert f"can't write {str(out / 'r' / 'd')!r}: " in message
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_file_in_the_place_of_the_results_is_refused_and_kept(tmp_path):
    write(tmp_path / "r" / "d", "mine")
    assert "Not a directory" in message_of(lambda: finished_run(tmp_path, one="1"))
    assert contents(tmp_path) == {".cache/r-d.lock": b"", "r/d": b"mine"}


def test_a_disk_without_locks_is_not_taken_for_another_run(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    message = message_of(lambda: finished_run(tmp_path, one="1"))
    assert "No locks available" in message
    assert "another run" not in message


def test_stores_are_told_apart_by_every_text_they_depend_on(tmp_path):
    folder = RunFolder(tmp_path, "r", "d")
    same = folder.store("ab", "c")
    assert same.folder == RunFolder(tmp_path, "s", "e").store("ab", "c").folder
    assert same.folder.parent == tmp_path / ".cache"
    others = [("a", "bc"), ("ab",), ("ab", "c", ""), ("ab", "C"), ("c", "ab")]
    assert len({folder.store(*parts).folder for parts in [("ab", "c"), *others]}) == 6
