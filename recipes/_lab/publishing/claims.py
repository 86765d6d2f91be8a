"""`recipes/results/` -> every claim, what each data set says of it, and how many can be luck."""

import dataclasses

from scipy import stats

from recipes._lab import catalogue, evidence

VERDICTS = tuple(evidence.MARKS)
JUDGEMENT = [field.name for field in dataclasses.fields(evidence.Judgement)]


@dataclasses.dataclass(frozen=True)
class Found:
    """What one data set says of a claim.

    Attributes:
        judgement: the verdict with its numbers.
        q_value: the false discovery rate at which the claim is decided either way: the expected
            share of wrong ones among all tested claims with a q-value as small (Benjamini
            and Hochberg 1995, J. R. Stat. Soc. B 57:289). None where no test was made.
    """

    judgement: evidence.Judgement
    q_value: float | None = None


@dataclasses.dataclass(frozen=True)
class Entry:
    """A claim of a recipe.

    Attributes:
        recipe: the `catalogue.Recipe`.
        claim: in words.
        source: where it is made.
        primary: whether it is the recipe's first.
        found: what was found, by data.
    """

    recipe: catalogue.Recipe
    claim: str
    source: str
    primary: bool
    found: dict[str, Found]


def entries(recipes):
    """Return an `Entry` for each claim of recipes, in their order."""
    all_claims = []
    for recipe in recipes:
        by_claim = {}
        for data, run in catalogue.results(recipe.name)["runs"].items():
            for claim in run["claims"]:
                new = Entry(recipe, claim["claim"], claim["source"], claim["primary"], {})
                judgement = evidence.Judgement(**{name: claim[name] for name in JUDGEMENT})
                by_claim.setdefault(claim["claim"], new).found[data] = Found(judgement)
        all_claims += by_claim.values()
    # One after the other, all findings that rest on a test.
    tested = [
        (entry.found, data)
        for entry in all_claims
        for data, found in entry.found.items()
        if found.judgement.p_value is not None
    ]
    p_values = [found[data].judgement.p_value for found, data in tested]
    for (found, data), q_value in zip(tested, stats.false_discovery_control(p_values), strict=True):
        found[data] = Found(found[data].judgement, float(q_value))
    return all_claims


def of(recipe, all_claims):
    """Return the entries of one recipe."""
    return [entry for entry in all_claims if entry.recipe is recipe]


def datasets(all_claims):
    """Return the display names of all data, in the order in which they come."""
    return list(dict.fromkeys(data for entry in all_claims for data in entry.found))


def count(all_claims, data):
    """Return how many claims have each verdict on some data, `{verdict: count}`."""
    found = [entry.found[data].judgement.verdict for entry in all_claims if data in entry.found]
    return {verdict: found.count(verdict) for verdict in VERDICTS}
