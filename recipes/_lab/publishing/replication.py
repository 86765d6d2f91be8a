"""Reference runs and their checks with other seeds -> which verdicts changed.

A verdict rests on a sample of seeds and splits. Close ones change with other seeds, mostly to not
detected; that one turns into its opposite should be rare.
"""

from collections import Counter
from dataclasses import dataclass

from recipes._lab import catalogue
from recipes._lab.claim import Claim
from recipes._lab.evidence import DOES_NOT_HOLD, HOLDS, NOT_DETECTED
from recipes._lab.publishing.claims import is_stale

SAME = "unchanged"
UNDECIDED = "not detected in one of the two runs"
NO_DIFFERENCE = "without a difference in one of the two runs"
OPPOSITE = "reversed"
CHANGED = (UNDECIDED, NO_DIFFERENCE, OPPOSITE)
# Never counted together; an exact check is no statistics, so other seeds should change nothing.
TEXTBOOKS, OURS, EXACT = "published claims", "claims of our own", "exact checks"
KINDS = (TEXTBOOKS, OURS, EXACT)


@dataclass(frozen=True)
class Pair:
    """A claim as the reference run judges it, and with other seeds.

    Attributes:
        recipe: the `catalogue.Recipe`.
        data: display name.
        reference: the `Claim` as the reference run judges it.
        check: the `Claim` as it is judged with other seeds.
    """

    recipe: catalogue.Recipe
    data: str
    reference: Claim
    check: Claim

    @property
    def outcome(self) -> str:
        """`SAME`, or one of `CHANGED`."""
        verdicts = {self.reference.verdict, self.check.verdict}
        if len(verdicts) == 1:
            return SAME
        if NOT_DETECTED in verdicts:
            return UNDECIDED
        return OPPOSITE if verdicts == {HOLDS, DOES_NOT_HOLD} else NO_DIFFERENCE

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        if self.reference.judgement.kind == "exact":
            return EXACT
        return OURS if self.reference.ours else TEXTBOOKS


def pairs_of(recipe):
    """Return a `Pair` for each claim of a recipe that has been checked with its present code.

    A claim that does not depend on the data is there once.
    """
    result, pairs = catalogue.results(recipe.name), {}
    for data, check in result.get("check", {}).items():
        run = result["runs"].get(data)
        if run is None or is_stale(recipe, run) or is_stale(recipe, check):
            continue
        checked = {content["claim"]: Claim.from_json(content) for content in check["claims"]}
        for reference in map(Claim.from_json, run["claims"]):
            key = reference.text, None if reference.any_data else data
            if reference.text in checked:
                pairs.setdefault(key, Pair(recipe, data, reference, checked[reference.text]))
    return list(pairs.values())


def changed_verdicts(pairs):
    """Return a line of text on each of a recipe's pairs whose verdicts differ."""
    return [
        f"{pair.reference.text}, on {pair.data}: {pair.reference.verdict}; with other seeds: "
        f"{pair.check.verdict}"
        for pair in pairs
        if pair.outcome != SAME
    ]


def counts(pairs):
    """Return a line of text on each kind of claims: how many verdicts changed, and how."""
    lines = []
    for kind in KINDS:
        outcomes = Counter(pair.outcome for pair in pairs if pair.kind == kind)
        words = [f"{outcomes[SAME]} {SAME}"]
        words += [f"{outcomes[outcome]} {outcome}" for outcome in CHANGED if outcomes[outcome]]
        if outcomes:
            lines.append(f"{outcomes.total()} {kind}: {', '.join(words)}")
    return lines
