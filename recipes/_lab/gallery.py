"""Reference runs -> `recipes/results/` and the generated parts of README.md."""

import ast
import json
from pathlib import Path

from recipes._lab import experiment
from recipes._lab.files import write

ROOT = Path(__file__).parent.parent.parent
RESULTS = ROOT / "recipes" / "results"
# Seeds from 1000 on are used here and nowhere else, so no setting was chosen by looking at them.
SEEDS, FIRST_SEED = 20, 1000
START, END = "<!-- gallery: written by make gallery -->", "<!-- /gallery -->"


def build(names, tell, track):
    """Run recipes at reference settings and write their results and README's gallery.

    Args:
        names: of the recipes.
        tell: see `experiment.Lab`.
        track: see `experiment.Lab`.
    """
    for name in names:
        tell(name)
        options = experiment.Options(seeds=SEEDS, first_seed=FIRST_SEED, out="runs/gallery")
        lab, folder = experiment.run(name, options, tell, track)
        result = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        result["claims"] = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
        del result["seconds"]  # of this machine
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        write(RESULTS / f"{name}.json", text)
        write(RESULTS / f"{name}.png", lab.figures["figure.png"])
    readme = ROOT / "README.md"
    write(readme, with_gallery(readme.read_text(encoding="utf-8")))


def questions():
    """Return the first line of each recipe, `{name: question}`, without importing it."""
    found = {}
    for path in sorted(RESULTS.parent.glob("[a-z]*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found[path.stem] = text.partition("\n")[0]
    return found


def with_gallery(readme):
    """Return README's text with its gallery made anew from the committed results."""
    before, _, rest = readme.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{render()}{END}{after}"


def render():
    """Return the gallery as Markdown: the menu, and each result's question, figure and verdicts."""
    parts = ["| recipe | question |\n|---|---|\n"]
    parts += [f"| `{name}` | {question} |\n" for name, question in questions().items()]
    parts.append("\n")
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        name = path.stem
        parts.append(
            f"### {result['question']}\n\n`make recipe NAME={name}`\n\n"
            f"![Figure of {name}](recipes/results/{name}.png)\n\n"
            f"On {result['arguments']['data']}, {len(result['seeds'])} seeds:\n\n"
            "| verdict | claim | measured |\n|---|---|---|\n"
        )
        for claim in result["claims"]:
            cells = (claim["verdict"], f"{claim['claim']} [{claim['source']}]", claim["finding"])
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
        parts.append("\n")
    return "".join(parts)
