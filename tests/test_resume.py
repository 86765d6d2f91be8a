"""A run that is interrupted or killed goes on where it was and ends with the same numbers."""

import signal

RECIPE = "softmax_regression"  # small models, first tuned, then trained, in eight chunks


class Run:
    """A quick run in a folder of its own, started again and again."""

    def __init__(self, recipes, out):
        self.recipes, self.out, self.cache = recipes, out, out / ".cache"
        self.options = ("--quick", "--out", out)
        self.folder = out / RECIPE / "digits"

    def start(self):
        """Start the command in a process of its own."""
        return self.recipes.start("run", RECIPE, *self.options)

    def here(self):
        """Run the command in this process, to its end."""
        return self.recipes.run_here("run", RECIPE, *self.options)

    def chunks(self):
        """Return the finished chunks in the store, by what tells one writing from another."""
        try:
            files = {path.name: path.stat() for path in self.cache.glob("*/*.npz")}
        except FileNotFoundError:  # something else has just gone
            return {}
        return {name: (stat.st_mtime_ns, stat.st_ino) for name, stat in files.items()}


def test_a_run_stopped_and_then_killed_ends_as_if_nothing_had_been(recipes, quick_run, tmp_path):
    run = Run(recipes, tmp_path)
    results = run.cache / f"{RECIPE}-digits.new" / "results.csv"

    # Ctrl-C in mid-training.
    process = run.start()
    recipes.wait_for(process, run.chunks)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (130, "stopped; the same command resumes\n")
    assert out.startswith("tuning ")
    assert {path.suffix for path in run.cache.iterdir()} == {"", ".lock"}  # a store and the lock
    chunks = run.chunks()
    assert chunks

    # The same command by its other name; while it stands still in the midst of writing its results,
    # a second run in the same folder; then kill -9.
    process = recipes.start(*run.options, module=f"recipes.{RECIPE}")
    recipes.wait_for(process, results.exists)
    process.send_signal(signal.SIGSTOP)
    try:
        code, out, err = run.here()
    finally:
        process.kill()
    assert (code, out) == (2, "")
    assert err == (
        f"error: another run is writing to {str(run.folder)!r}; "
        "wait for it or give another folder (OUT=... or --out ...)\n"
    )
    _, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (-signal.SIGKILL, "")
    assert not run.folder.exists()
    # Finished work was used again: its files were not written anew.
    now = run.chunks()
    assert now.items() > chunks.items()

    code, _, err = run.here()
    assert (code, err) == (0, "")
    undisturbed = quick_run(RECIPE).folder
    for name in ("results.csv", "claims.json", "figure.png"):
        assert (run.folder / name).read_bytes() == (undisturbed / name).read_bytes()
    # Names of event files hold the time.
    made, expected = (
        sorted(str(path.relative_to(folder).parent) for path in folder.rglob("*"))
        for folder in (run.folder, undisturbed)
    )
    assert made == expected
    assert [path.name for path in run.cache.iterdir()] == [f"{RECIPE}-digits.lock"]
