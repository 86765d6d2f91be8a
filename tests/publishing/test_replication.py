"""Reference runs and checks with other seeds, made up: what is compared, how it is counted."""

import json
from itertools import product

import pytest

from recipes._lab import catalogue, evidence
from recipes._lab.claim import OURS, Claim
from recipes._lab.evidence import Judgement
from recipes._lab.publishing import replication

HOLDS, FAILS, SAME, UNKNOWN = evidence.MARKS


def claim(text, verdict, **options):
    judgement = Judgement(verdict, options.pop("kind", "difference"), 1.0)
    return Claim(text, judgement=judgement, **{"source": "a book", "primary": False} | options)


@pytest.fixture
def checked(tmp_path, monkeypatch):
    """`checked(runs, checks)`, of claims by data, returns a recipe with such results."""
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)
    recipe = catalogue.parse("one", '"""Is it?"""')

    def of(runs, checks, stale=()):
        results = {
            what: {
                data: {
                    "digest": "other" if (what, data) in stale else recipe.digest,
                    "claims": [c.to_json() for c in made],
                }
                for data, made in by_data.items()
            }
            for what, by_data in (("runs", runs), ("check", checks))
        }
        (tmp_path / "one.json").write_text(json.dumps(results))
        return recipe

    return of


def test_what_a_pair_of_verdicts_says():
    outcomes = {
        (a, b): replication.Pair(None, "digits", claim("a", a), claim("a", b)).outcome
        for a, b in product(evidence.MARKS, repeat=2)
    }
    for (a, b), outcome in outcomes.items():
        assert (outcome == replication.SAME) == (a == b)
        assert (outcome == replication.UNDECIDED) == (a != b and UNKNOWN in (a, b))
        assert (outcome == replication.OPPOSITE) == ({a, b} == {HOLDS, FAILS})
    assert outcomes[HOLDS, SAME] == outcomes[SAME, FAILS] == replication.NO_DIFFERENCE


def test_claims_are_counted_by_whose_they_are_and_exact_checks_apart(checked):
    runs = [
        claim("a", HOLDS),
        claim("b", HOLDS),
        claim("c", FAILS),
        claim("d", HOLDS),
        claim("e", UNKNOWN, source=OURS),
        claim("f", HOLDS, kind="exact", source=OURS),
    ]
    checks = [
        claim("a", HOLDS),
        claim("b", UNKNOWN),
        claim("c", HOLDS),
        claim("d", SAME),
        claim("e", FAILS, source=OURS),
        claim("f", HOLDS, kind="exact", source=OURS),
    ]
    pairs = replication.pairs_of(checked({"digits": runs}, {"digits": checks}))
    assert replication.counts(pairs) == [
        "4 published claims: 1 unchanged, 1 not detected in one of the two runs, "
        "1 without a difference in one of the two runs, 1 reversed",
        "1 claims of our own: 0 unchanged, 1 not detected in one of the two runs",
        "1 exact checks: 1 unchanged",
    ]
    assert replication.changed_verdicts(pairs) == [
        "b, on digits: holds; with other seeds: not detected",
        "c, on digits: does not hold; with other seeds: holds",
        "d, on digits: holds; with other seeds: makes no difference",
        "e, on digits: not detected; with other seeds: does not hold",
    ]


def test_data_meet_and_a_claim_on_any_data_is_there_once(checked):
    both = [claim("a", HOLDS), claim("b", FAILS, any_data=True)]
    other = [claim("a", FAILS), claim("b", FAILS, any_data=True)]
    recipe = checked(
        {"digits": both, "mnist": other, "new": both}, {"mnist": other, "digits": both}
    )
    assert [(pair.reference.text, pair.data) for pair in replication.pairs_of(recipe)] == [
        ("a", "mnist"),
        ("b", "mnist"),
        ("a", "digits"),
    ]


@pytest.mark.parametrize("stale", [("runs", "digits"), ("check", "digits")])
def test_what_is_stale_is_not_compared(checked, stale):
    a = {"digits": [claim("a", HOLDS)]}
    assert len(replication.pairs_of(checked(a, a))) == 1
    assert replication.pairs_of(checked(a, a, stale=[stale])) == []
    assert replication.pairs_of(checked(a, {})) == []
