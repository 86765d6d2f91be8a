"""The ledger, from made-up results."""

import json
from dataclasses import asdict

import pytest

from recipes._lab import catalogue
from recipes._lab.evidence import Judgement
from recipes._lab.publishing import claims


def found(claim, verdict, p_value, primary=False):
    judgement = Judgement(verdict, 1.0, None, None, "points", 20, None, p_value)
    return {"claim": claim, "source": "a book", "primary": primary} | asdict(judgement)


@pytest.fixture
def entries(tmp_path, monkeypatch):
    """Two recipes; the second has results of one data set only, a third none."""
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)
    runs = {
        "digits": {"claims": [found("a", "holds", 0.01, True), found("b", "not detected", 0.5)]},
        "mnist": {"claims": [found("a", "does not hold", 0.02, True), found("c", "holds", None)]},
    }
    (tmp_path / "one.json").write_text(json.dumps({"runs": runs}))
    runs = {"digits": {"claims": [found("a", "holds", 0.04, True)]}}
    (tmp_path / "two.json").write_text(json.dumps({"runs": runs}))
    return claims.entries(
        [catalogue.parse(name, '"""Is it?"""') for name in ("one", "two", "three")]
    )


def test_claims_of_both_data_sets_meet_by_their_words(entries):
    assert [(e.recipe.name, e.claim, e.primary, list(e.found)) for e in entries] == [
        ("one", "a", True, ["digits", "mnist"]),
        ("one", "b", False, ["digits"]),
        ("one", "c", False, ["mnist"]),
        ("two", "a", True, ["digits"]),
    ]
    assert claims.datasets(entries) == ["digits", "mnist"]
    assert entries[0].found["mnist"].judgement == Judgement(
        "does not hold", 1.0, None, None, "points", 20, None, 0.02
    )


def test_verdicts_are_counted_by_data(entries):
    assert claims.count(entries, "digits") == {"holds": 2, "does not hold": 0, "not detected": 1}
    assert claims.count(entries, "mnist") == {"holds": 1, "does not hold": 1, "not detected": 0}


def test_q_values_are_those_of_benjamini_and_hochberg(entries):
    """By hand: the p-values .01, .02, .04 and .5, each times 4 / its rank."""
    q_values = [of.q_value for entry in entries for of in entry.found.values()]
    assert q_values == pytest.approx([0.04, 0.04, 0.5, None, 0.16 / 3], abs=1e-12)
