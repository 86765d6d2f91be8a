"""A claim -> what a page shows of it: its row, by which to find it, how surprising it is."""

import dataclasses
import re

from recipes._lab import evidence
from recipes._lab.claim import OURS
from recipes._lab.publishing import forest
from recipes._lab.publishing.claims import Entry
from recipes._lab.publishing.meta_analysis import DEPENDS

# The verdicts that contradict a claim.
AGAINST_THE_CLAIM = (evidence.DOES_NOT_HOLD, evidence.NO_DIFFERENCE)
# From the most surprising verdict of a textbook's claim to the least.
_SURPRISE = (*AGAINST_THE_CLAIM, DEPENDS, evidence.NOT_DETECTED, evidence.HOLDS)
_YEAR = re.compile(r"\b(19|20)\d\d\b")


@dataclasses.dataclass(frozen=True)
class Row:
    """A claim as the pages show it.

    Attributes:
        entry: the `claims.Entry`.
        lanes: a `forest.Lane` for each data set.
        by_effect: its place among all claims, the largest effect first, wherever it points.
        by_surprise: its place among all claims, the most surprising first.
    """

    entry: Entry
    lanes: list[forest.Lane]
    by_effect: int
    by_surprise: int

    @property
    def anchor(self):
        """The claim's permalink within a page: its recipe and its words, which make the claim."""
        words = re.findall(r"\w+", self.entry.claim.text.lower())
        return "-".join([self.entry.recipe.name, *words])

    @property
    def family(self):
        """The book, the course or the paper behind its source, without chapter; "ours"."""
        claim = self.entry.claim
        return OURS if claim.ours else family(claim.source)

    @property
    def stale(self):
        """Whether all that its verdict rests on was made by an earlier version of the code."""
        return all(lane.stale for lane in self.lanes)


def rows(entries):
    """Return a `Row` for each claim, in their order."""
    lanes = [forest.lanes(entry) for entry in entries]
    by_effect = _ranks([_effect_order(of_claim) for of_claim in lanes])
    by_surprise = _ranks(
        [_surprise_order(entry, of_claim) for entry, of_claim in zip(entries, lanes, strict=True)]
    )
    return list(map(Row, entries, lanes, by_effect, by_surprise))


def _ranks(keys):
    """Return the place of each key among all of them, from 0; equal ones stay in their order."""
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rank_of = {at: rank for rank, at in enumerate(order)}
    return [rank_of[at] for at in range(len(keys))]


def _effect_order(lanes):
    """Return what sorts claims by their effect, on the data set where it is smallest."""
    effects = [abs(lane.effect) for lane in lanes if lane.effect is not None]
    return -min(effects, default=-1)


def _surprise_order(entry, lanes):
    """Return what sorts claims by verdict, then by how far the effects are from the claim.

    The sign of an equality's effect says nothing: the larger, the further from the claim.
    """
    effects = [lane.effect for lane in lanes if lane.effect is not None]
    if entry.claim.judgement.kind == "equality":
        effects = [-abs(effect) for effect in effects]
    return _SURPRISE.index(entry.overall.verdict), min(effects, default=0)


def family(source):
    """Return the book, course or paper of a source, without its chapter and what stands before.

    Such as "Deep Learning from Scratch" of "after Deep Learning from Scratch, 6.1.5".
    """
    work = re.split("[,;]", source)[0]
    return re.sub("^(after |notes on )?(the )?", "", work)


def families(entries):
    """Return the families of textbook claims' sources, `(books and courses, papers)`, sorted.

    What bears a year is a paper.
    """
    names = sorted({family(entry.claim.source) for entry in entries if not entry.claim.ours})
    papers = [name for name in names if _YEAR.search(name)]
    return [name for name in names if name not in papers], papers


def statement(entry):
    """Return a claim as a sentence in quotation marks, which begins with a capital letter."""
    text = entry.claim.text
    return f"“{text[:1].upper()}{text[1:]}”"


def outcome(entry):
    """Return what became of a claim: the verdict, and what was measured on which data."""
    lanes = forest.lanes(entry)
    # Of "+2.4 points (95 % interval +1.7 to +3.2, 20 seeds)" what is in front.
    findings = [lane.claim.judgement.finding.partition(" (")[0] for lane in lanes]
    if len(lanes) > 1:
        findings = [
            f"{lane.data}: {finding}" for lane, finding in zip(lanes, findings, strict=True)
        ]
    return f"{entry.overall.words} ({'; '.join(findings)})"
