"""What README and docs/ say is so: their code runs, their numbers are those of the program."""

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
from recipes._lab.lab import QUICK, SEEDS, Options
from recipes._lab.publishing import claims, readme
from recipes._lab.training.fitting import prepare
from recipes._lab.tuning import search

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {
    path: path.read_text(encoding="utf-8") for path in (readme.README, *sorted(DOCS.glob("*.md")))
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SCREENS = 120  # lines: two screens, of which the figure takes half a one


def code_with(word):
    """The one example in Python, of any page, that holds a word."""
    blocks = [re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) for text in PAGES.values()]
    (found,) = [code for of_page in blocks for code in of_page if word in code]
    return found


@pytest.fixture
def names():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(160, 20)).astype("float32")  # whole batches, even of four fifths
    y = rng.integers(0, 3, 160)

    def ready(function):
        """The model that a recipe's function returns, as fast to train as can be."""
        return lambda *arguments, **options: prepare(function(*arguments, **options), y)

    return {
        "np": np,
        "x": x,
        "y": y,
        "classes": np.unique(y),
        "build_model": ready(bn_vs_nobn.build_model),
        "build_tunable": ready(bn_vs_nobn.build_tunable),
        "DistributionLogger": DistributionLogger,
        "TrainingMonitor": TrainingMonitor,
    }


def test_a_pasted_template_and_the_callbacks_train(names, tmp_path, monkeypatch):
    """One after the other, and all of the same model: it is traced once."""
    monkeypatch.chdir(tmp_path)
    for example, epochs in (
        ("callbacks.training_monitor", 20),
        ("DistributionLogger(", 10),
        ("epochs=10, callbacks=[monitor]", 10),
    ):
        exec(code_with(example), names)
        assert names["model"].history.epoch == list(range(epochs))
    assert list((tmp_path / "logs" / "first").glob("events*"))


def test_a_template_pasted_with_raw_data_trains(names):
    exec(code_with("np.unique"), names)
    assert names["model"].history.epoch == list(range(20))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # keras-tuner's
def test_a_pasted_search_runs(names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = code_with("RandomSearch").replace("max_trials=20", "max_trials=1")
    exec(code.replace("epochs=20", "epochs=1"), names)
    assert names["model"].output_shape == (None, 3)


def test_a_saved_model_predicts(quick_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(quick_run().out)
    exec(code_with("load_digits"), {})
    predicted = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"\['\d'(, '\d'){4}\]", predicted)
    assert keras.saving.load_model("best.keras").input_shape == (None, 8, 8)


def options_of(page):
    """The defaults in a page's table of options, by option."""
    rows = re.findall(r"^\| `(\w+)=.*?` \| .* \| (.*?) \|$", PAGES[DOCS / page], flags=re.MULTILINE)
    return dict(rows)


def test_options_and_defaults_are_those_of_the_makefile_and_the_program():
    run, searched = options_of("running.md"), options_of("search.md")
    for option in (*run, *searched):
        assert re.search(rf"^{option} +=", MAKEFILE, flags=re.MULTILINE), option
    assert run["SEEDS"] == f"{SEEDS}, or the recipe's own number: `random_search` has 3"
    assert "repetitions=3" in catalogue.read("random_search").source
    assert run["DATA"] == f"`{Options().data}`"
    assert run["OUT"] == f"`{Options().out}`"
    seeds, epochs, examples = QUICK["seeds"], QUICK["epochs"], QUICK["examples"]
    quick = f"| `QUICK=1` | {seeds} seeds, {epochs} epochs, {examples} examples at most"
    assert quick in PAGES[DOCS / "running.md"]
    defaults = search.Options()
    assert searched["TRIALS"] == f"{search.TRIALS}, or {search.QUICK_TRIALS} of a quick search"
    for option in ("STAGES", "SEEDS"):
        assert searched[option] == str(getattr(defaults, option.lower()))
    assert searched["ORACLE"] == f"`{defaults.oracle}`"
    assert searched["EPOCHS"] == str(search.EPOCHS)
    assert search.DISCARD == (1 / 9, 1 / 3)
    assert "after a ninth and again after a third" in PAGES[DOCS / "search.md"]


@pytest.mark.parametrize("page", PAGES.values(), ids=[path.name for path in PAGES])
def test_what_make_is_asked_for_exists(page):
    for target in set(re.findall(r"(?:`|^)make ([\w-]+)", page, flags=re.MULTILINE)):
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE), target
    for name in set(re.findall(r"(?:NAME|FROM)=(\w+)", page)) - {"my_question"}:
        assert name in catalogue.names()
    for command in re.findall(r"(?:`|^)make [^`\n#]+", page, flags=re.MULTILINE):
        for variable in re.findall(r"\b([A-Z_]+)=", command):
            assert re.search(rf"^{variable} *=", MAKEFILE, flags=re.MULTILINE), variable


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_and_pictures_are_there(path):
    links = re.findall(r"\]\(([^)#]+)\)|src=\"(.*?)\"", PAGES[path])
    for link in {markdown or html for markdown, html in links}:
        target = (path.parent / link).resolve()
        assert link.startswith("https://") or target.exists(), link


def test_readme_leads_to_every_page_and_is_short():
    text = PAGES[readme.README]
    assert len(text.splitlines()) <= SCREENS
    for path in DOCS.glob("*.md"):
        assert f"](docs/{path.name})" in text


def test_pythons_are_those_that_the_makefile_accepts():
    versions = re.search(r"Python (3\.\d+), (3\.\d+) or (3\.\d+)", PAGES[readme.README]).groups()
    low, high = re.search(r"\(3, (\d+)\) <= .* <= \(3, (\d+)\)", MAKEFILE).groups()
    assert versions == tuple(f"3.{minor}" for minor in range(int(low), int(high) + 1))


def test_the_level_of_the_intervals():
    assert f"{1 - evidence.LEVEL:.0%}".replace("%", " %") == "95 %"
    for page in (readme.README, DOCS / "verdicts.md"):
        assert "95 % interval" in PAGES[page]


def test_the_words_for_verdicts_are_those_of_the_program():
    rows = re.findall(r"^\| (.) \| (.*?) \|", PAGES[DOCS / "verdicts.md"], flags=re.MULTILINE)
    assert {verdict: mark for mark, verdict in rows} == evidence.MARKS
    words = " ".join(PAGES[readme.README].split())
    for verdict, mark in evidence.MARKS.items():
        assert f"*{verdict}* ({mark})" in words


def test_the_generated_parts_are_what_the_committed_results_say():
    for path in (readme.README, readme.SYMPTOMS, readme.RUNNING):
        assert readme.renewed(path, PAGES[path]) == PAGES[path]
    for path in catalogue.RESULTS.glob("*.json"):
        assert path.stem in catalogue.names()


def test_the_caption_of_the_figure_says_what_became_of_the_first_claim():
    first = catalogue.results("bn_vs_nobn")["runs"]["digits"]["claims"][0]
    better, worse = re.match(
        r"better at (\d+) of 16 scales, worse at (\d+) ", first["finding"]
    ).groups()
    assert first["verdict"] == evidence.NOT_DETECTED
    caption = f"at 14 of the 16, is not detected: it is faster at {better}, and slower at {worse}."
    assert caption in " ".join(PAGES[readme.README].split())


@pytest.mark.parametrize("times", [0, 2])
def test_a_generated_part_is_there_once(times):
    start, end = "<!-- surprises: written by make gallery -->\n", "<!-- /surprises -->"
    text = PAGES[readme.README]
    _, _, rest = text.partition(start)
    part = f"{start}{rest.partition(end)[0]}{end}"
    with pytest.raises(ValueError, match=f"'surprises' {times} times instead of once"):
        readme.renewed(readme.README, text.replace(part, times * part))


def entry(topic, text, estimates, **options):
    """A claim of a textbook that does not hold, with its estimates by data set."""
    judgement = {"verdict": "does not hold", "kind": "difference", "unit": "percentage points"}
    judgement |= {name: options[name] for name in judgement if name in options}
    by_data = {
        data: Claim(
            text,
            options.get("source", "a book"),
            primary=False,
            judgement=evidence.Judgement(
                estimate=estimate, low=estimate - 1, high=estimate + 0.25, **judgement
            ),
        )
        for data, estimate in estimates.items()
    }
    recipe = catalogue.parse("one", f'"""Is it?\n\nTopic: {topic}\n"""')
    return claims.Entry(recipe, by_data, stale=options.get("stale", set()))


def shown(*entries):
    """The claims of the rows of the table."""
    rows = readme.surprises(list(entries)).splitlines()[2:]
    return [row.removeprefix("| ").partition(" (")[0] for row in rows if row.startswith("|")]


def test_published_claims_are_counted_by_their_verdict_over_all_data():
    refuted = {"verdict": "does not hold"}
    said = readme.counts(
        [
            entry("A", "right", {"digits": 3.0, "mnist": 3.0}, verdict="holds"),
            entry("A", "wrong", {"digits": -3.0, "mnist": -3.0}, **refuted),
            entry("B", "wrong, too", {"digits": -3.0}, **refuted),
            entry("B", "our own", {"digits": -3.0}, source=OURS, **refuted),
        ]
    )
    assert said == (
        "Of 3 published claims, 1 hold, 2 do not hold, 0 make no difference, 0 are not detected, "
        "and 0 depend on the data.\n"
    )


def test_a_surprise_is_a_textbooks_claim_that_no_data_set_supports():
    holds, equal = {"verdict": "holds"}, {"verdict": "makes no difference"}
    mixed = entry("G", "mixed", {"digits": -3.0, "mnist": 3.0})
    mixed.by_data["mnist"] = entry("G", "mixed", {"mnist": 3.0}, **holds).claim
    assert shown(
        entry("A", "refuted", {"digits": -3.0}),
        entry("B", "equal", {"digits": 0.1}, **equal),
        entry("C", "right", {"digits": 3.0}, **holds),
        entry("D", "unknown", {"digits": -3.0}, verdict="not detected"),
        entry("E", "our own", {"digits": -3.0}, source=OURS),
        entry("F", "a loss", {"digits": -3.0}, unit="nats"),
        entry("H", "an equality", {"digits": -3.0}, kind="equality"),
        mixed,
    ) == ["refuted", "equal"]


def test_surprises_on_more_data_come_first_then_by_their_smallest_effect_one_a_topic():
    assert shown(
        entry("A", "small on mnist", {"digits": -30.0, "mnist": -1.0}),
        entry("B", "a difference", {"digits": -4.0, "mnist": -5.0}),
        entry("B", "of the same topic", {"digits": -3.0}),
        entry("C", "in the middle", {"digits": -2.0}),
        entry("D", "stale", {"digits": -9.0}, stale={"digits"}),
        entry("E", "below its bound", {"digits": 1.0}),
        entry("F", "small", {"digits": -0.5}),
    ) == ["a difference", "small on mnist", "in the middle", "small", "below its bound"]


def test_a_surprise_is_shown_with_its_numbers_and_what_its_signs_mean():
    about = "; ".join(f"{data}: {claims.ABOUT_DATA[data]}" for data in ("digits", "mnist"))
    table = readme.surprises(
        [
            entry("A", "BN |x|", {"digits": -2.5, "mnist": -1.5}, stale={"mnist"}),
            entry("B", "tanh", {"mnist": -0.5}, verdict="makes no difference"),
        ]
    )
    assert table.splitlines() == [
        "| the claim | digits | mnist |",
        "| --- | --- | --- |",
        "| tanh (a book; [`one`](recipes/one.py)) | – | =&nbsp;-0.5<br>-1.5 to -0.2 |",
        r"| BN \|x\| (a book; [`one`](recipes/one.py)) | ✗&nbsp;-2.5<br>-3.5 to -2.2 "
        "| ✗&nbsp;-1.5†<br>-2.5 to -1.2 |",
        "",
        f"BN: batch normalization; {about}; †: made by an earlier version of the code",
    ]
    fresh = readme.surprises([entry("A", "no jargon", {"digits": -2.5})])
    assert "†" not in fresh
    assert "normalization" not in fresh
    small = readme.surprises([entry("A", "no jargon", {"mnist-t10k": -2.5})])
    assert small.splitlines()[-1] == f"mnist-t10k: {claims.ABOUT_DATA['mnist-t10k']}"


def test_the_index_of_symptoms_names_recipes_and_commands():
    one, two = (
        catalogue.parse(name, f'"""Is it?\n\nSymptoms: it is slow{more}\n"""')
        for name, more in (("one", ""), ("two", "; rare classes are never predicted"))
    )
    lines = readme.symptoms([one, two]).splitlines()
    assert "| it is slow | [`one`](../recipes/one.py), [`two`](../recipes/two.py) |" in lines
    assert (
        "| rare classes are never predicted | [`two`](../recipes/two.py), "
        "`make inspect DATA=...` |" in lines
    )


def test_the_table_of_what_is_stacked_names_all_but_what_is_looped():
    table = {
        "layers": {"Dense": "stacked", "LSTM": "looped", "Lambda": "fit", "ReLU": "stacked"},
        "losses": {"dice": "fit"},
    }
    assert readme.trained(table).splitlines()[2:] == [
        "| layers | stacked | `Dense`, `ReLU` |",
        "| layers | looped | the other 1 of Keras, and layers of your own |",
        "| layers | fit | `Lambda` |",
        "| losses | fit | `dice` |",
    ]
