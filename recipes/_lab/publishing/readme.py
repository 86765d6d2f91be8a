"""Recipes, claims and what can be stacked -> the generated parts of README.md and docs/."""

import re

from recipes._lab import catalogue
from recipes._lab.files import write
from recipes._lab.publishing import claims, markdown
from recipes._lab.publishing.claims import DAGGER
from recipes._lab.publishing.meta_analysis import IN_PLURAL
from recipes._lab.publishing.rows import AGAINST_THE_CLAIM
from recipes._lab.training.architecture import trained_how

ROOT = catalogue.FOLDER.parent
README = ROOT / "README.md"
SYMPTOMS = ROOT / "docs" / "symptoms.md"
RUNNING = ROOT / "docs" / "running.md"
SURPRISES = 5
# What README's reader may not know of the words in claims and the names of data.
ABBREVIATIONS = {
    "BN": "batch normalization",
    "lr": "learning rate",
    "std": "standard deviation of the initial weights",
} | claims.ABOUT_DATA


def update():
    """Write the pages with their generated parts made anew."""
    for path in (README, SYMPTOMS, RUNNING):
        write(path, renewed(path, path.read_text(encoding="utf-8")), remedy=None)


def renewed(path, text):
    """Return a page's text with its generated part made anew.

    It stands between two comments, `<!-- name: ... -->` and `<!-- /name -->`.

    Args:
        path: `README`, `SYMPTOMS` or `RUNNING`.
        text: of the page.

    Raises:
        ValueError: the part is not there, or more than once.
    """
    recipes = catalogue.everything()
    if path == SYMPTOMS:
        return _replaced(text, "symptoms", symptoms(recipes))
    if path == RUNNING:
        return _replaced(text, "trained", trained(trained_how()))
    entries = claims.entries(recipes)
    return _replaced(_replaced(text, "counts", counts(entries)), "surprises", surprises(entries))


def _replaced(text, name, content):
    between = rf"(<!-- {name}: written by make gallery -->\n).*?(<!-- /{name} -->)"
    # By a function, since content may hold what re takes for a reference, such as \1.
    text, count = re.subn(between, lambda m: m[1] + content + m[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has the part {name!r} {count} times instead of once")
    return text


def symptoms(recipes):
    """Return the index from symptom to recipes as Markdown, for a page in docs/."""
    rows = []
    for symptom, concerned in catalogue.by_symptom(recipes).items():
        places = [f"[`{recipe.name}`](../recipes/{recipe.name}.py)" for recipe in concerned]
        if command := catalogue.COMMANDS.get(symptom):
            places.append(f"`{command}`")
        rows.append((symptom, ", ".join(places)))
    return markdown.table(("what you see", "where to look"), rows)


def trained(table):
    """Return which of Keras's layers, optimizers and losses are stacked, as Markdown.

    Args:
        table: as of `architecture.trained_how`.
    """
    rows = []
    for kind, how in table.items():
        for way in dict.fromkeys(how.values()):
            names = [name for name in how if how[name] == way]
            if way == "looped":
                rows.append((kind, way, f"the other {len(names)} of Keras, and layers of your own"))
            else:
                rows.append((kind, way, ", ".join(f"`{name}`" for name in names)))
    return markdown.table(("", "trained how", "which"), rows)


def counts(entries):
    """Return how many published claims have each verdict over all data sets, as a sentence."""
    verdicts = claims.verdicts(entry for entry in entries if not entry.claim.ours)
    *parts, last = [f"{verdicts[verdict]} {do}" for verdict, do in IN_PLURAL.items()]
    return f"Of {verdicts.total()} published claims, {', '.join(parts)}, and {last}.\n"


def surprises(entries):
    """Return the most surprising of the published claims as Markdown, one a topic.

    A claim surprises if on every data set it does not hold, or makes no difference. Only those of a
    difference in percentage points can be compared: they are ranked by it, on the data set where it
    is smallest. Claims with fresh results come before those with stale ones, and those that were
    judged on more data sets before the others.
    """
    surprising = [entry for entry in entries if _is_surprising(entry)]
    surprising.sort(key=lambda entry: (len(entry.stale) > 0, -len(entry.counted), -_effect(entry)))
    first_of_topic = {}
    for entry in surprising:
        first_of_topic.setdefault(entry.recipe.topic, entry)
    shown = list(first_of_topic.values())[:SURPRISES]
    counted = {data for entry in shown for data in entry.counted}
    datasets = [data for data in claims.datasets(entries) if data in counted]
    rows = [
        (_claim_cell(entry), *(_result_cell(entry, data) for data in datasets)) for entry in shown
    ]
    table = markdown.table(("the claim", *datasets), rows)
    notes = _notes(shown, datasets)
    return f"{table}\n{notes}\n" if notes else table


def _is_surprising(entry):
    """Tell whether a published claim of a difference in points is refuted on all data sets."""
    judgements = [entry.by_data[data].judgement for data in entry.counted]
    return (
        not entry.claim.ours
        and judgements[0].kind == "difference"
        and "points" in judgements[0].unit
        and all(judgement.verdict in AGAINST_THE_CLAIM for judgement in judgements)
    )


def _effect(entry):
    """Return how far the runs are on the other side where they are closest to the claim."""
    return min(-entry.by_data[data].judgement.estimate for data in entry.counted)


def _claim_cell(entry):
    """Return a claim in words, its source and its recipe."""
    recipe = entry.recipe.name
    return f"{entry.claim.text} ({entry.claim.source}; [`{recipe}`](recipes/{recipe}.py))"


def _result_cell(entry, data):
    """Return a verdict's sign, the mean difference and its interval, in a table's cell."""
    if data not in entry.counted:
        return "–"
    claim = entry.by_data[data]
    judgement = claim.judgement
    dagger = DAGGER if data in entry.stale else ""
    words = f"{claim.mark}&nbsp;{judgement.estimate:+.1f}{dagger}"
    if judgement.low is not None:
        words += f"<br>{judgement.low:+.1f} to {judgement.high:+.1f}"
    return words


def _notes(entries, datasets):
    """Return what abbreviations and the dagger mean, of those that entries have."""
    words = " ".join([*(entry.claim.text for entry in entries), *datasets])
    notes = {
        short: meaning
        for short, meaning in ABBREVIATIONS.items()
        if re.search(rf"(?<![\w-]){short}(?![\w-])", words)
    }
    if any(entry.stale for entry in entries):
        notes[DAGGER] = claims.STALE
    return "; ".join(f"{short}: {meaning}" for short, meaning in notes.items())
