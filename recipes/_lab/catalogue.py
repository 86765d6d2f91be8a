"""The recipes' files -> what they say of themselves, read and never imported: that takes seconds.

A recipe's docstring is its page: the first line asks its question, and the paragraphs that begin
with a word and a colon are what `Recipe` has by that name; all other paragraphs explain.
"""

import ast
import dataclasses
import functools
import json
import re
from pathlib import Path

from recipes._lab import digest
from recipes._lab.errors import UserError

FOLDER = Path(__file__).parent.parent
RESULTS = FOLDER / "results"
THUMBNAILS = RESULTS / "thumbnails"
# Commands that look for a symptom in the user's own data, beside the recipes about it.
COMMANDS = {
    "what is wrong with my data?": "make inspect DATA=...",
    "the test accuracy is too good to be true": "make inspect DATA=...",
    "rare classes are never predicted": "make inspect DATA=...",
}
# In the order in which the gallery shows them.
TOPICS = (
    "Batch normalization",
    "Initial values and activations",
    "Optimization",
    "Regularization",
    "Softmax",
    "Data and sanity",
    "Hyperparameters",
)
# Folders of `runs` that are not a recipe's.
RESERVED = ("gallery", "notebooks", "reference")
_TAGGED = re.compile(r"^(Claim|Look for|Why|Use|Symptoms|Topic): ", flags=re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a recipe's file says of itself.

    Attributes:
        name: of the file, without its ending.
        source: its text.
        question: the first line of its docstring.
        claim: what is claimed, and where.
        look_for: what to look for in the figure and in TensorBoard.
        use: the setting that we would use.
        symptoms: for which somebody would look the recipe up, likely none.
        topic: one of `TOPICS`, or another word for a user's own recipe.
        explanation: why, in paragraphs.
    """

    name: str
    source: str
    question: str
    claim: str
    look_for: str
    use: str
    symptoms: tuple[str, ...]
    topic: str
    explanation: tuple[str, ...]

    @property
    def pictures(self):
        """Paths of the committed pictures, the main one first; empty if there are none."""
        main = RESULTS / f"{self.name}.png"
        return [main, *sorted(RESULTS.glob(f"{self.name}-*.png"))] if main.exists() else []

    @property
    def thumbnail(self):
        """Path of the main picture as small as a card, which is there if there are pictures."""
        return THUMBNAILS / f"{self.name}.png"

    @functools.cached_property
    def body(self):
        """The syntax tree of each statement, without the docstring."""
        tree = ast.parse(self.source)
        return tree.body[ast.get_docstring(tree) is not None :]

    @property
    def functions(self):
        """The functions' syntax trees, by name."""
        return {node.name: node for node in self.body if isinstance(node, ast.FunctionDef)}

    @property
    def template(self):
        """The part to paste: everything from the imports to the end of `build_tunable`."""
        functions = self.functions
        last = functions.get("build_tunable") or functions.get("build_model")
        first = self.body[0].lineno - 1 if self.body else 0
        return "".join(self.source.splitlines(keepends=True)[first : last and last.end_lineno])

    @functools.cached_property
    def digest(self):
        """A digest of all that its results depend on, see `digest.of_recipe`."""
        return digest.of_recipe(self.source)


def names():
    """Return the names of all recipes: the files of the folder, but for an editor's leftovers."""
    stems = (path.stem for path in FOLDER.glob("*.py") if path.is_file())
    return sorted(s for s in stems if s.isidentifier() and s[0] != "_" and s not in RESERVED)


def read(name):
    """Return the `Recipe` of a name.

    Raises:
        UserError: its file can't be read, or is no Python.
    """
    try:
        return parse(name, (FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"recipes/{name}.py can't be read: {error}") from error


def everything():
    """Return all recipes, in the order of `TOPICS`, then of their names."""
    return sorted(map(read, names()), key=lambda recipe: (_place(recipe.topic), recipe.name))


def results(name):
    """Return the committed results of a recipe, as `gallery` writes them: `runs` by data, ..."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"runs": {}}


def by_topic(recipes):
    """Return `{topic: recipes}` in the order in which the recipes come."""
    topics = {}
    for recipe in recipes:
        topics.setdefault(recipe.topic, []).append(recipe)
    return topics


def by_symptom(recipes):
    """Return `{symptom: recipes}`, the symptoms of most recipes first.

    Those of `COMMANDS` are among them, with or without recipes.
    """
    symptoms = {symptom: [] for symptom in COMMANDS}
    for recipe in recipes:
        for symptom in recipe.symptoms:
            symptoms.setdefault(symptom, []).append(recipe)
    return dict(sorted(symptoms.items(), key=lambda item: (-len(item[1]), item[0])))


@functools.lru_cache
def parse(name, source):
    """Return the `Recipe` of a name and the text of its file.

    Raises:
        UserError: it is no Python.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise UserError(f"recipes/{name}.py, line {error.lineno}: {error.msg}") from error
    except ValueError as error:  # a null byte
        raise UserError(f"recipes/{name}.py is no Python: {error}") from error
    question, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    tagged, explanation = {}, []
    for paragraph in rest.strip().split("\n\n"):
        before, *parts = _TAGGED.split(paragraph)
        tagged |= dict(zip(parts[::2], map(_one_line, parts[1::2]), strict=True))
        if before.strip():
            explanation.append(_one_line(before))
    if "Why" in tagged:
        explanation.append(tagged["Why"])
    return Recipe(
        name=name,
        source=source,
        question=question,
        claim=tagged.get("Claim", ""),
        look_for=tagged.get("Look for", ""),
        use=tagged.get("Use", ""),
        symptoms=tuple(filter(None, tagged.get("Symptoms", "").rstrip(".").split("; "))),
        topic=tagged.get("Topic", "Others").rstrip("."),
        explanation=tuple(explanation),
    )


def _place(topic):
    return TOPICS.index(topic) if topic in TOPICS else len(TOPICS)


def _one_line(text):
    return " ".join(text.split())
