"""Recipes and claims -> the generated parts of README.md."""

import re

from recipes._lab import catalogue, evidence
from recipes._lab.files import write
from recipes._lab.publishing import claims

ROOT = catalogue.FOLDER.parent
README = ROOT / "README.md"
WIDTH = 260  # pixels of a picture in the table
DAGGER = "†"  # marks what is stale


def update():
    """Write README.md with its generated parts made anew."""
    write(README, renewed(README.read_text(encoding="utf-8")))


def renewed(text):
    """Return README's text with its generated parts made anew, of all recipes with results.

    Each part stands between two comments, `<!-- name: ... -->` and `<!-- /name -->`.

    Raises:
        ValueError: a part is not there, or more than once.
    """
    recipes = [
        recipe for recipe in catalogue.everything() if catalogue.results(recipe.name)["runs"]
    ]
    entries = claims.entries(recipes)
    parts = {
        "symptoms": symptoms(recipes),
        "gallery": gallery_table(recipes, entries),
        "claims": claims_table(entries),
    }
    for name, content in parts.items():
        text = _replaced(text, name, content)
    return text


def _replaced(text, name, content):
    between = rf"(<!-- {name}: written by make gallery -->\n).*?(<!-- /{name} -->)"
    # By a function, since content may hold what re takes for a reference, such as \1.
    text, count = re.subn(between, lambda m: m[1] + content + m[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"README.md has the part {name!r} {count} times instead of once")
    return text


def symptoms(recipes):
    """Return the index from symptom to recipes as Markdown."""
    rows = []
    for symptom, concerned in catalogue.by_symptom(recipes).items():
        places = [f"[`{recipe.name}`](recipes/{recipe.name}.py)" for recipe in concerned]
        if command := catalogue.COMMANDS.get(symptom):
            places.append(f"`{command}`")
        rows.append((symptom, ", ".join(places)))
    return _table(("what you see", "where to look"), rows)


def gallery_table(recipes, entries):
    """Return all recipes by topic as Markdown: figure, question, command, verdicts, setting."""
    parts = [_legend(entries)]
    for topic, of_topic in catalogue.by_topic(recipes).items():
        rows = [_row(recipe, claims.of(recipe, entries)) for recipe in of_topic]
        parts.append(f"### {topic}\n\n" + _table(("", "question", "verdicts"), rows))
    return "\n".join(filter(None, parts))


def _row(recipe, entries):
    figure = ""
    if recipe.pictures:
        path = recipe.pictures[0].relative_to(ROOT)
        figure = f'<img src="{path}" width="{WIDTH}" alt="Figure of {recipe.name}">'
    question = f"**{recipe.question}**<br>`make recipe NAME={recipe.name}`"
    if recipe.use:
        question += f"<br>Use: {recipe.use}"
    return figure, question, "<br>".join(map(_marks, claims.tallies(entries)))


def _marks(tally):
    counts = {evidence.MARKS[verdict]: count for verdict, count in tally.counts.items() if count}
    marks = " ".join(f"{count}&nbsp;{mark}" for mark, count in counts.items())
    return f"{_on(tally)}{', ours' if tally.ours else ''}: {marks}"


def _on(tally):
    return tally.data + (DAGGER if tally.stale else "")


def claims_table(entries):
    """Return what became of the claims as Markdown: in numbers, and the primary ones in words."""
    tallies, datasets = claims.tallies(entries), claims.datasets(entries)
    head = ["claims of", "on", *evidence.MARKS]
    counts = [[tally.whose, _on(tally), *tally.counts.values()] for tally in tallies]
    if any(tally.stale for tally in tallies):
        head.append(f"{DAGGER} {claims.STALE}")
        for row, tally in zip(counts, tallies, strict=True):
            row.append(tally.stale)
    primary = [
        (f"{entry.claim.text} ({entry.claim.source})", *(_cell(entry, data) for data in datasets))
        for entry in entries
        if entry.claim.primary
    ]
    parts = (
        _table(head, counts),
        "The first claim of each recipe:\n",
        _legend(entries),
        _table(("claim", *datasets), primary),
    )
    return "\n".join(filter(None, parts))


def _legend(entries):
    """Return what the dagger means as Markdown, if there is one."""
    return f"{DAGGER} {claims.STALE}\n" if any(entry.stale for entry in entries) else ""


def _cell(entry, data):
    """Return a verdict and its numbers in a table's cell."""
    if data not in entry.by_data:
        return "–"
    if data not in entry.counted:
        return "the same: it does not depend on the data"
    claim = entry.by_data[data]
    dagger = DAGGER if data in entry.stale else ""
    return f"**{claim.mark} {claim.verdict}**{dagger}<br>{claim.detail}"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
