"""Recipes and claims -> the generated parts of README.md."""

from recipes._lab import catalogue, evidence
from recipes._lab.files import write
from recipes._lab.publishing import claims

ROOT = catalogue.FOLDER.parent
README = ROOT / "README.md"
WIDTH = 260  # pixels of a picture in the table


def update():
    """Write README.md with its generated parts made anew."""
    write(README, renewed(README.read_text(encoding="utf-8")))


def renewed(text):
    """Return README's text with its generated parts made anew, of all recipes with results.

    Each part stands between two comments, `<!-- name: ... -->` and `<!-- /name -->`.
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
        start, end = f"<!-- {name}: written by make gallery -->", f"<!-- /{name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{content}{end}{after}"
    return text


def symptoms(recipes):
    """Return the index from symptom to recipes as Markdown."""
    rows = [
        (symptom, ", ".join(f"[`{recipe.name}`](recipes/{recipe.name}.py)" for recipe in concerned))
        for symptom, concerned in catalogue.by_symptom(recipes).items()
    ]
    return _table(("what you see", "where to look"), rows)


def gallery_table(recipes, entries):
    """Return all recipes by topic as Markdown: figure, question, command, verdicts, setting."""
    parts = []
    for topic, of_topic in catalogue.by_topic(recipes).items():
        rows = [_row(recipe, claims.of(recipe, entries)) for recipe in of_topic]
        parts.append(f"### {topic}\n\n" + _table(("", "question", "verdicts"), rows))
    return "\n".join(parts)


def _row(recipe, entries):
    figure = ""
    if recipe.pictures:
        path = recipe.pictures[0].relative_to(ROOT)
        figure = f'<img src="{path}" width="{WIDTH}" alt="Figure of {recipe.name}">'
    question = f"**{recipe.question}**<br>`make recipe NAME={recipe.name}`"
    if recipe.use:
        question += f"<br>Use: {recipe.use}"
    verdicts = []
    for data in claims.datasets(entries):
        of = claims.count(entries, data)
        marks = " ".join(
            f"{number}&nbsp;{evidence.MARKS[verdict]}" for verdict, number in of.items() if number
        )
        verdicts.append(f"{data}: {marks}")
    return figure, question, "<br>".join(verdicts)


def claims_table(entries):
    """Return what became of the claims as Markdown: in numbers, and the primary ones in words."""
    datasets = claims.datasets(entries)
    counts = [(data, *claims.count(entries, data).values()) for data in datasets]
    primary = [entry for entry in entries if entry.primary]
    rows = [
        (f"{entry.claim} ({entry.source})", *(_effect(entry.found.get(data)) for data in datasets))
        for entry in primary
    ]
    return (
        _table(("claims on", *claims.VERDICTS), counts)
        + "\nThe first claim of each recipe:\n\n"
        + _table(("claim", *datasets), rows)
    )


def _effect(found):
    """Return a verdict and its numbers in a table's cell."""
    if not found:
        return "–"
    verdict = found.judgement.verdict
    return f"**{evidence.MARKS[verdict]} {verdict}**<br>{found.judgement.detail}"


def _table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    cells = ([str(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
