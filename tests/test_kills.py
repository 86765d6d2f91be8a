"""A recipe or a search that is killed, at any moment, goes on and ends as if nothing had been."""

import signal
import time

import numpy as np
import pytest

COMMANDS = {
    "run": ("run", "bn_vs_nobn", "--quick"),
    "search": ("search", "bn_vs_nobn", "--quick", "--stages", "2", "--discard"),
}
KILLS = 12  # of each command


def results(out):
    """What does not depend on the time of day: tables, figures and verdicts."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.glob("bn_vs_nobn/**/*"))
        if path.suffix in (".csv", ".png") or path.name == "claims.json"
    }


@pytest.fixture(scope="module")
def undisturbed(recipes, tmp_path_factory):
    """`undisturbed(kind)` returns the results of a whole command, and its seconds."""
    done = {}

    def run(kind):
        if kind not in done:
            out, start = tmp_path_factory.mktemp(kind), time.perf_counter()
            assert recipes.run(*COMMANDS[kind], "--out", out)[0] == 0
            done[kind] = results(out), time.perf_counter() - start
        return done[kind]

    return run


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
@pytest.mark.parametrize("kind", COMMANDS)
def test_a_kill_at_any_moment_changes_nothing(kind, number, undisturbed, recipes, tmp_path):
    expected, seconds = undisturbed(kind)
    assert expected
    moments = np.random.default_rng(number).uniform(0.2, 1, size=2)
    for moment in moments:  # twice in a row
        with recipes.start(*COMMANDS[kind], "--out", tmp_path) as process:
            time.sleep(moment * seconds)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
    code, _, err = recipes.run(*COMMANDS[kind], "--out", tmp_path)
    assert (code, err) == (0, "")
    assert results(tmp_path) == expected
