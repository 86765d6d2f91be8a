"""`recipes/results/` -> every claim, what each data set says of it, and how many can be luck."""

import dataclasses
import functools
from collections import Counter

from recipes._lab import catalogue, evidence
from recipes._lab.claim import Claim
from recipes._lab.publishing.meta_analysis import Overall, over_datasets

ANY_DATA = "independent"
DAGGER = "†"  # marks what is stale
STALE = "made by an earlier version of the code"
# What the names of the data in reference results stand for.
ABOUT_DATA = {
    "digits": "scikit-learn's 1,797 images of handwritten digits, 8 x 8 pixels",
    "mnist": "70,000 images of handwritten digits, 28 x 28 pixels",
    "mnist-t10k": "the 10,000 test images of MNIST, handwritten digits of 28 x 28 pixels",
    "fashion_mnist": "70,000 images of clothes, 28 x 28 pixels",
    "breast_cancer": "scikit-learn's table of 569 tumours with 30 measurements",
}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A claim of a recipe.

    Attributes:
        recipe: the `catalogue.Recipe`.
        by_data: the `Claim` as each data set judges it, by display name.
        q_values: by data, the false-discovery rate at which a textbook's claim is decided either
            way, see `evidence.false_discovery_rates`; none of exact checks and of our own claims.
        stale: the data whose results were made by an earlier version of the code.
    """

    recipe: catalogue.Recipe
    by_data: dict[str, Claim]
    q_values: dict[str, float] = dataclasses.field(default_factory=dict)
    stale: set[str] = dataclasses.field(default_factory=set)

    @property
    def claim(self):
        """The `Claim` on the first data: its words and source are the same on all."""
        return next(iter(self.by_data.values()))

    @property
    def counted(self):
        """The data whose verdicts count: all of them, or one if the claim does not depend on it.

        The one is the first that is not stale, if there is such.
        """
        if not self.claim.any_data:
            return list(self.by_data)
        return sorted(self.by_data, key=self.stale.__contains__)[:1]

    @functools.cached_property
    def overall(self) -> Overall:
        """What the data sets that count say together; stale ones only if all of them are."""
        fresh = [data for data in self.counted if data not in self.stale]
        overall = over_datasets(
            {data: self.by_data[data].judgement for data in fresh or self.counted}
        )
        if self.claim.any_data:
            return dataclasses.replace(
                overall, words=f"{overall.verdict}, independent of the data set"
            )
        return overall


@dataclasses.dataclass
class Tally:
    """How many claims have each verdict.

    Attributes:
        ours: whether the claims are ours, or those of textbooks and papers.
        data: on which data, or `ANY_DATA` of claims that do not depend on it.
        counts: `{verdict: count}`, of all verdicts.
        stale: how many of all these are of stale results.
    """

    ours: bool
    data: str
    counts: dict[str, int] = dataclasses.field(
        default_factory=lambda: dict.fromkeys(evidence.MARKS, 0)
    )
    stale: int = 0

    @property
    def whose(self):
        """Who makes the claims, in a word."""
        return "ours" if self.ours else "textbooks"


def is_stale(recipe, run):
    """Tell whether a run of a recipe's results was made by an earlier version of the code."""
    return run.get("digest") != recipe.digest


def entries(recipes):
    """Return an `Entry` for each claim of recipes, in their order."""
    return [entry for recipe in recipes for entry in _judged(recipe)]


def _judged(recipe):
    """Return an `Entry` for each claim of one recipe, with what each data set says of it."""
    by_text = {}
    for data, run in catalogue.results(recipe.name)["runs"].items():
        claims = [Claim.from_json(content) for content in run["claims"]]
        stale = [data] if is_stale(recipe, run) else []
        for claim in claims:  # those of all data meet by their words
            entry = by_text.setdefault(claim.text, Entry(recipe, {}))
            entry.by_data[data] = claim
            entry.stale.update(stale)
        tested = [claim for claim in claims if not claim.ours]
        tested = [claim for claim in tested if claim.judgement.p_value is not None]
        rates = evidence.false_discovery_rates([claim.judgement.p_value for claim in tested])
        for claim, rate in zip(tested, rates, strict=True):
            by_text[claim.text].q_values[data] = float(rate)
    return list(by_text.values())


def of_recipe(recipe, all_entries):
    """Return the entries of one recipe."""
    return [entry for entry in all_entries if entry.recipe is recipe]


def datasets(all_entries):
    """Return the display names of all data, in the order in which they come."""
    return list(dict.fromkeys(data for entry in all_entries for data in entry.by_data))


def verdicts(all_entries):
    """Return a Counter of the verdicts over all data sets."""
    return Counter(entry.overall.verdict for entry in all_entries)


def tallies(all_entries):
    """Return a `Tally` for each data set: of the textbooks' claims, then of ours."""
    by_kind = {}
    for entry in all_entries:
        ours = entry.claim.ours
        for data in entry.counted:
            where = ANY_DATA if entry.claim.any_data else data
            tally = by_kind.setdefault((ours, where), Tally(ours, where))
            tally.counts[entry.by_data[data].verdict] += 1
            tally.stale += data in entry.stale
    return sorted(by_kind.values(), key=lambda tally: (tally.ours, tally.data == ANY_DATA))
