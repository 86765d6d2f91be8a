"""A run that is interrupted or killed goes on where it was and ends with the same numbers."""

import signal
import time

import pytest


def wait_for(process, condition, timeout=240):
    """Poll until a condition holds; the process must not end before."""
    end = time.monotonic() + timeout
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


class Run:
    """A quick run in a folder of its own, started again and again."""

    def __init__(self, recipes, out):
        self.recipes, self.out, self.cache = recipes, out, out / ".cache"
        self.arguments = ("run", "bn_vs_nobn", "--quick", "--out", out)
        self.folder = out / "bn_vs_nobn" / "digits"

    def start(self):
        return self.recipes.start(*self.arguments)

    def chunks(self):
        """Return the finished chunks in the store, by what tells one writing from another."""
        try:
            files = {path.name: path.stat() for path in self.cache.glob("*/*.npz")}
        except FileNotFoundError:  # something else has just gone
            return {}
        return {name: (stat.st_mtime_ns, stat.st_ino) for name, stat in files.items()}

    def stop(self, condition, number):
        """Start the run, send it a signal as soon as the condition holds, return what it said."""
        process = self.start()
        wait_for(process, condition)
        process.send_signal(number)
        out, err = process.communicate(timeout=240)
        return process.returncode, out, err


@pytest.fixture(scope="module")
def run(recipes, tmp_path_factory):
    return Run(recipes, tmp_path_factory.mktemp("resume"))


def test_a_run_stopped_and_killed_again_and_again_ends_as_if_nothing_had_been(
    run, quick_run, recipes
):
    new = run.cache / "bn_vs_nobn-digits.new"
    chunks = {}

    def writing():
        return (new / "results.csv").exists()

    def one_more_chunk():
        return len(run.chunks()) > len(chunks) or writing()

    # Ctrl-C in mid-training.
    code, out, err = run.stop(one_more_chunk, signal.SIGINT)
    assert (code, err) == (130, "stopped; the same command goes on from here\n")
    assert out == "training 96 models: 48 variants x 2 seeds\n"
    assert {path.suffix for path in run.cache.iterdir()} == {"", ".lock"}  # a store and the lock
    chunks = run.chunks()
    assert chunks

    # kill -9, twice in training, then while results are written. Finished work is used again: its
    # files are not written anew.
    for moment in (one_more_chunk, one_more_chunk, writing):
        code, _, err = run.stop(moment, signal.SIGKILL)
        assert (code, err) == (-signal.SIGKILL, "")
        now = run.chunks()
        assert now.items() >= chunks.items()
        chunks = now
    assert not run.folder.exists()

    # A second run in the same folder while the first, which now is to finish, stands still.
    first = run.start()
    wait_for(first, lambda: new.exists() and not writing())
    first.send_signal(signal.SIGSTOP)
    try:
        code, out, err = recipes.run(*run.arguments)
    finally:
        first.send_signal(signal.SIGCONT)
    assert (code, out) == (2, "")
    assert err == (
        f"error: another run is writing to {str(run.folder)!r}; "
        "wait for it or give another folder (OUT=... or --out ...)\n"
    )
    out, err = first.communicate(timeout=240)
    assert (first.returncode, err) == (0, "")

    undisturbed = quick_run().folder
    for name in ("results.csv", "claims.json", "figure.png"):
        assert (run.folder / name).read_bytes() == (undisturbed / name).read_bytes()
    # Names of event files hold the time.
    made, expected = (
        sorted(str(path.relative_to(folder).parent) for path in folder.rglob("*"))
        for folder in (run.folder, undisturbed)
    )
    assert made == expected
    assert [path.name for path in run.cache.iterdir()] == ["bn_vs_nobn-digits.lock"]
