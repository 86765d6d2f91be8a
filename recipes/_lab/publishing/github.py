"""Recipes and claims -> the gallery on GitHub: README.md and CLAIMS.md in `recipes/results/`."""

import re

from recipes._lab import catalogue
from recipes._lab.files import write
from recipes._lab.publishing import claims, replication
from recipes._lab.publishing.claims import DAGGER
from recipes._lab.publishing.markdown import escaped, table
from recipes._lab.publishing.meta_analysis import MARKS_OVER_DATA

GALLERY = catalogue.RESULTS / "README.md"
CLAIMS = catalogue.RESULTS / "CLAIMS.md"
THUMBNAIL_WIDTH = 320
WRITTEN = "<!-- Written by make gallery; nothing here is typed by hand. -->\n"


def update():
    """Write both pages."""
    for path, text in pages(catalogue.everything()).items():
        write(path, text, remedy=None)


def pages(recipes):
    """Return the texts of both pages, `{path: Markdown}`."""
    entries = claims.entries(recipes)
    return {GALLERY: gallery(recipes, entries), CLAIMS: all_claims(recipes, entries)}


def gallery(recipes, entries):
    """Return the page of recipes with results by topic, with their figures and verdicts."""
    parts = [
        WRITTEN,
        "# Gallery\n",
        "What each recipe asks, its figure, its main claim, and the verdict on each of its claims, "
        f"in their order: {_legend()}. [How verdicts are decided](../../docs/verdicts.md); "
        "[all claims with their numbers](CLAIMS.md). "
        f"Figures are of digits, {claims.ABOUT_DATA['digits']}.\n",
        _counts(entries),
    ]
    # One's own recipe is there once it has results, and changes no committed page before.
    shown = [recipe for recipe in recipes if claims.of_recipe(recipe, entries)]
    for topic, of_topic in catalogue.by_topic(shown).items():
        rows = [(_picture(recipe), _about(recipe, entries)) for recipe in of_topic]
        parts += [f"## {escaped(topic)}\n", table(("figure", "recipe"), rows)]
    parts += [*_replicated(recipes), *_notes(entries)]
    return "\n".join(parts)


def all_claims(recipes, entries):
    """Return the page of all claims by topic: the textbooks', then ours, folded."""
    parts = [
        WRITTEN,
        "# Claims\n",
        "Every claim of every recipe, the verdict over the data sets, and on each data set the "
        f"effect with its interval: {_legend()}. A recipe's first claim is in bold. "
        "[How verdicts are decided](../../docs/verdicts.md); "
        "[the gallery](README.md) shows figures.\n",
        _counts(entries),
    ]
    for topic, of_topic in catalogue.by_topic(recipes).items():
        chosen = [entry for entry in entries if entry.recipe in of_topic]
        textbooks = [entry for entry in chosen if not entry.claim.ours]
        ours = [entry for entry in chosen if entry.claim.ours]
        if chosen:
            parts.append(f"## {escaped(topic)}\n")
        if textbooks:
            parts.append(_claims_table(textbooks, claims.datasets(entries)))
        if ours:
            parts += [
                f"<details><summary>{len(ours)} of our own</summary>\n",
                _claims_table(ours, claims.datasets(entries)),
                "</details>\n",
            ]
    return "\n".join([*parts, *_notes(entries)])


def _legend():
    return ", ".join(f"{mark} {verdict}" for verdict, mark in MARKS_OVER_DATA.items())


def _counts(entries):
    """Return how many claims have each verdict over the data sets, as a table."""
    by_whose = {
        whose: claims.verdicts(entry for entry in entries if entry.claim.ours == (whose == "ours"))
        for whose in ("textbooks", "ours")
    }
    rows = [
        (whose, *(counts[verdict] for verdict in MARKS_OVER_DATA))
        for whose, counts in by_whose.items()
    ]
    head = ("claims of", *(f"{mark} {verdict}" for verdict, mark in MARKS_OVER_DATA.items()))
    return table(head, rows)


def _picture(recipe):
    """Return a recipe's thumbnail, which leads to its figure."""
    if not recipe.pictures:
        return ""
    image = (
        f'<img src="{recipe.thumbnail.relative_to(catalogue.RESULTS)}" '
        f'width="{THUMBNAIL_WIDTH}" alt="figure of {recipe.name}">'
    )
    return f"[{image}]({recipe.pictures[0].name})"


def _about(recipe, entries):
    """Return a recipe's question, file, main claim and verdicts, in a table's cell."""
    lines = [f"**{escaped(recipe.question)}**", f"[`{recipe.name}`](../{recipe.name}.py)"]
    of_recipe = claims.of_recipe(recipe, entries)
    main = next((entry for entry in of_recipe if entry.claim.primary), None)
    if main:
        lines.append(f"{_verdict(main)}: {escaped(main.claim.text)}")
    for whose, ours in (("textbooks", False), ("ours", True)):
        chosen = [entry for entry in of_recipe if entry.claim.ours == ours]
        if chosen:
            marks = " ".join(entry.overall.mark for entry in chosen)
            lines.append(f"{whose}{DAGGER if any(map(_is_stale, chosen)) else ''}: {marks}")
    return "<br>".join(lines)


def _verdict(entry):
    """Return the verdict over the data sets: its sign and its words."""
    dagger = DAGGER if _is_stale(entry) else ""
    return f"{entry.overall.mark}&nbsp;{escaped(entry.overall.words)}{dagger}"


def _is_stale(entry):
    """Tell whether the verdict over the data sets rests on stale results alone."""
    return entry.stale.issuperset(entry.counted)


def _claims_table(entries, datasets):
    rows = [
        (
            _claim(entry),
            _verdict(entry),
            *(_effect(entry, data) for data in datasets),
        )
        for entry in entries
    ]
    return table(("claim", "verdict", *map(escaped, datasets)), rows)


def _claim(entry):
    """Return a claim in words, its source and its recipe, in a table's cell."""
    text = escaped(entry.claim.text)
    if entry.claim.primary:
        text = f"**{text}**"
    recipe = f"[`{entry.recipe.name}`](../{entry.recipe.name}.py)"
    source = "" if entry.claim.ours else f"{escaped(entry.claim.source)}; "
    return f"{text}<br>{source}{recipe}"


def _effect(entry, data):
    """Return a verdict's sign, the effect in words and its interval, in a table's cell."""
    if data not in entry.counted:
        return "–"
    claim = entry.by_data[data]
    # As evidence.py words it: "+1.5 points (95 % interval +1.0 to +2.1, 20 seeds)".
    effect, _, rest = claim.judgement.finding.partition(" (")
    interval = re.match(r"\d+ % interval ([^,]+)", rest)
    dagger = DAGGER if data in entry.stale else ""
    words = f"{claim.mark}&nbsp;{escaped(effect)}{dagger}"
    return f"{words}<br>{interval[1]}" if interval else words


def _replicated(recipes):
    """Yield the parts that show which verdicts changed with other seeds, if any were checked."""
    pairs = [pair for recipe in recipes for pair in replication.pairs_of(recipe)]
    if not pairs:
        return
    yield "## With other seeds\n"
    yield "Recipes run again, with other seeds and splits:\n"
    yield "".join(f"- {line}\n" for line in replication.counts(pairs))
    rows = [
        (
            f"{escaped(pair.reference.text)}; [`{pair.recipe.name}`](../{pair.recipe.name}.py)",
            escaped(pair.data),
            f"{pair.reference.mark} {pair.reference.verdict}",
            f"{pair.check.mark} {pair.check.verdict}",
        )
        for pair in pairs
        if pair.outcome != replication.SAME
    ]
    if rows:
        yield table(("changed verdict", "data", "before", "with other seeds"), rows)


def _notes(entries):
    if any(entry.stale for entry in entries):
        yield f"{DAGGER}: {claims.STALE}\n"
