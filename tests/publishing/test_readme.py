"""What README says is so: its code runs, its numbers are those of the program."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from callbacks.distribution_logger import DistributionLogger
from callbacks.training_monitor import TrainingMonitor
from recipes import bn_vs_nobn
from recipes._lab import catalogue, evidence
from recipes._lab.claim import OURS, Claim
from recipes._lab.lab import SEEDS, Options
from recipes._lab.publishing import claims, readme
from recipes._lab.tuning import search

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def code_with(word):
    (found,) = [code for code in CODE if word in code]
    return found


@pytest.fixture
def names():
    rng = np.random.default_rng(0)
    return {
        "np": np,
        "x": rng.normal(size=(200, 20)).astype("float32"),
        "y": rng.integers(0, 3, 200),
        "build_model": bn_vs_nobn.build_model,
        "build_tunable": bn_vs_nobn.build_tunable,
        "DistributionLogger": DistributionLogger,
        "TrainingMonitor": TrainingMonitor,
    }


def test_a_pasted_template_trains(names):
    exec(code_with("build_model(input_shape"), names)
    assert names["model"].history.epoch == list(range(20))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_a_pasted_search_runs(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = code_with("RandomSearch").replace("max_trials=20", "max_trials=2")
    exec(code.replace("epochs=20", "epochs=1"), names)
    assert names["model"].output_shape == (None, 3)


def test_the_pasted_callbacks_run(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names["model"] = bn_vs_nobn.build_model((20,), 3)
    exec(code_with("DistributionLogger"), names)
    exec(code_with("TrainingMonitor"), names)
    assert list((tmp_path / "logs" / "first").glob("events*"))


def test_a_saved_model_predicts(quick_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(quick_run().out)
    exec(code_with("load_digits"), {})
    predicted = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"\['\d'(, '\d'){4}\]", predicted)
    assert keras.saving.load_model("best.keras").input_shape == (None, 8, 8)


def test_options_and_defaults_are_those_of_the_makefile_and_the_program():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    head, of_search = README.split("## Search\n")
    run, searched = (
        dict(re.findall(r"^\| `(\w+)=.*?` \| .* \| (.*?) \|$", part, flags=re.MULTILINE))
        for part in (head, of_search)
    )
    for option in (*run, *searched):
        assert re.search(rf"^{option} +=", makefile, flags=re.MULTILINE), option
    assert run["SEEDS"] == str(SEEDS)
    assert run["DATA"] == f"`{Options().data}`"
    assert run["OUT"] == f"`{Options().out}`"
    defaults = search.Options()
    assert searched["TRIALS"] == f"{search.TRIALS}, or {search.QUICK_TRIALS} of a quick search"
    for option in ("STAGES", "SEEDS"):
        assert searched[option] == str(getattr(defaults, option.lower()))
    assert searched["ORACLE"] == f"`{defaults.oracle}`"
    assert searched["EPOCHS"] == str(search.EPOCHS)
    assert search.DISCARD == (1 / 9, 1 / 3)
    assert "after a ninth and again after a third" in README


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|^)make ([\w-]+)", README, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target
    for name in set(re.findall(r"(?:NAME|FROM)=(\w+)", README)) - {"my_question"}:
        assert name in catalogue.names()


def test_pythons_are_those_that_the_makefile_accepts():
    versions = re.search(r"Python (3\.\d+), (3\.\d+) or (3\.\d+)", README).groups()
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    low, high = re.search(r"\(3, (\d+)\) <= .* <= \(3, (\d+)\)", makefile).groups()
    assert versions == tuple(f"3.{minor}" for minor in range(int(low), int(high) + 1))


def test_the_level_of_the_intervals():
    assert f"{1 - evidence.LEVEL:.0%}".replace("%", " %") == "95 %"
    assert "the 95 % interval" in README
    assert "with 80 % power" in README


def test_the_generated_parts_are_what_the_committed_results_say():
    assert readme.renewed(README) == README
    for path in catalogue.RESULTS.glob("*.json"):
        assert path.stem in catalogue.names()
        assert f"make recipe NAME={path.stem}" in README


@pytest.mark.parametrize("times", [0, 2])
def test_a_generated_part_is_there_once(times):
    start, end = "<!-- claims: written by make gallery -->\n", "<!-- /claims -->"
    _, _, rest = README.partition(start)
    part = f"{start}{rest.partition(end)[0]}{end}"
    with pytest.raises(ValueError, match=f"'claims' {times} times instead of once"):
        readme.renewed(README.replace(part, times * part))


@pytest.fixture
def entries():
    """A textbook's claim on two data sets, one of them stale; one on any data; one of ours."""

    def entry(text, verdicts, **options):
        by_data = {
            data: Claim(
                text,
                options.get("source", "a book"),
                options.get("primary", False),
                evidence.Judgement(verdict, "exact", 0.0, finding=f"|{text}| on {data}"),
                options.get("any_data", False),
            )
            for data, verdict in verdicts.items()
        }
        return claims.Entry(recipe, by_data, stale=options.get("stale", set()))

    recipe = catalogue.parse("one", '"""Is it?"""')
    holds = {"digits": "holds", "mnist": "holds"}
    return [
        entry("a", holds | {"digits": "makes no difference"}, primary=True, stale={"mnist"}),
        entry("b", holds, any_data=True, primary=True),
        entry("c", {"digits": "does not hold"}, source=OURS),
    ]


def test_claims_are_counted_apart_and_stale_ones_are_marked(entries):
    assert readme.claims_table(entries).splitlines() == [
        "| claims of | on | holds | does not hold | makes no difference | not detected "
        "| † made by an earlier version of the code |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| textbooks | digits | 0 | 0 | 1 | 0 | 0 |",
        "| textbooks | mnist† | 1 | 0 | 0 | 0 | 1 |",
        "| textbooks | any data | 1 | 0 | 0 | 0 | 0 |",
        "| ours | digits | 0 | 1 | 0 | 0 | 0 |",
        "",
        "The first claim of each recipe:",
        "",
        "† made by an earlier version of the code",
        "",
        "| claim | digits | mnist |",
        "| --- | --- | --- |",
        r"| a (a book) | **= makes no difference**<br>\|a\| on digits | "
        r"**✓ holds**†<br>\|a\| on mnist |",
        r"| b (a book) | **✓ holds**<br>\|b\| on digits | "
        "the same: it does not depend on the data |",
    ]
    fresh = readme.claims_table(entries[1:])
    assert "†" not in fresh
    assert "earlier" not in fresh


def test_the_gallery_counts_the_claims_of_a_recipe(entries):
    table = readme.gallery_table([entries[0].recipe], entries)
    assert table.startswith("† made by an earlier version of the code\n\n### Others\n")
    counts = (
        "digits: 1&nbsp;=",
        "mnist†: 1&nbsp;✓",
        "any data: 1&nbsp;✓",
        "digits, ours: 1&nbsp;✗",
    )
    assert f"| {'<br>'.join(counts)} |" in table
    assert "†" not in readme.gallery_table([entries[0].recipe], entries[1:])
