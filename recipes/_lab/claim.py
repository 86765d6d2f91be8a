"""A claim and what the runs say of it: the one model of what every page and terminal shows."""

import dataclasses

from recipes._lab.evidence import MARKS, Judgement

OURS = "ours"


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim and what the runs say of it.

    Attributes:
        text: what is claimed, in words.
        source: where; `OURS` if no textbook or paper says so.
        primary: whether it is the first, by which the recipe is known.
        judgement: the verdict with its numbers.
        any_data: whether it does not depend on the data, and counts once for all of them.
    """

    text: str
    source: str
    primary: bool
    judgement: Judgement
    any_data: bool = False

    @property
    def verdict(self) -> str:
        """One of `evidence.MARKS`."""
        return self.judgement.verdict

    @property
    def mark(self) -> str:
        """The sign that stands for the verdict where colour can't."""
        return MARKS[self.verdict]

    @property
    def detail(self) -> str:
        """The numbers, and all else that stands beside a verdict."""
        return self.judgement.detail

    @property
    def ours(self) -> bool:
        """Whether no textbook or paper makes it; never counted together with theirs."""
        return self.source == OURS

    def to_json(self) -> dict:
        """Return the claim as it stands in claims.json, one level deep."""
        return {
            "claim": self.text,
            "source": self.source,
            "primary": self.primary,
            "any_data": self.any_data,
            **dataclasses.asdict(self.judgement),
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, content: dict) -> "Claim":
        """Return a claim of claims.json, or of committed results."""
        names = {field.name for field in dataclasses.fields(Judgement)}
        judgement = Judgement(**{name: content[name] for name in names & content.keys()})
        return cls(
            content["claim"],
            content["source"],
            content["primary"],
            judgement,
            content.get("any_data", False),
        )
