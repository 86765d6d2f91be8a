"""`recipes/results/` -> every claim, what each data set says of it, and how many can be luck."""

import dataclasses

from scipy import stats

from recipes._lab import evidence, menu

VERDICTS = tuple(evidence.MARKS)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A claim of a recipe.

    Attributes:
        recipe: the `menu.Recipe`.
        claim: in words.
        source: where it is made.
        primary: whether it is the recipe's first.
        found: `{data: what was found, as in claims.json, and its q_value}`.
    """

    recipe: menu.Recipe
    claim: str
    source: str
    primary: bool
    found: dict[str, dict]


def entries(recipes):
    """Return an `Entry` for each claim of recipes, in their order.

    A `q_value` is the false discovery rate at which its claim is decided either way: the expected
    share of wrong ones among all claims of the ledger with a q-value as small (Benjamini and
    Hochberg 1995, J. R. Stat. Soc. B 57:289). It is None where no test was made.
    """
    ledger = []
    for recipe in recipes:
        by_claim = {}
        for data, run in menu.results(recipe.name)["runs"].items():
            for found in run["claims"]:
                new = Entry(recipe, found["claim"], found["source"], found["primary"], {})
                by_claim.setdefault(found["claim"], new).found[data] = dict(found)
        ledger += by_claim.values()
    findings = [found for entry in ledger for found in entry.found.values()]
    tested = [found for found in findings if found["p_value"] is not None]
    q_values = stats.false_discovery_control([found["p_value"] for found in tested])
    for found in findings:
        found["q_value"] = None
    for found, q_value in zip(tested, q_values, strict=True):
        found["q_value"] = float(q_value)
    return ledger


def of(recipe, ledger):
    """Return the entries of one recipe."""
    return [entry for entry in ledger if entry.recipe is recipe]


def datasets(ledger):
    """Return the display names of all data, in the order in which they come."""
    return list(dict.fromkeys(data for entry in ledger for data in entry.found))


def count(ledger, data):
    """Return how many claims have each verdict on some data, `{verdict: count}`."""
    found = [entry.found[data]["verdict"] for entry in ledger if data in entry.found]
    return {verdict: found.count(verdict) for verdict in VERDICTS}
