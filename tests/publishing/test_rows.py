"""Rows of claims: order by effect and surprise, anchors, sources, the answer in a sentence."""

from recipes._lab import catalogue, evidence
from recipes._lab.claim import OURS, Claim
from recipes._lab.publishing import claims
from recipes._lab.publishing.rows import families, family, outcome, rows, statement

RECIPE = catalogue.parse("one", '"""Is it?"""')
BETTER, WORSE = [1, 2, 3, 2, 1, 3], [-3, -2, -1, -2, -3, -1]
MUCH_WORSE = [-31, -30, -29, -30, -31, -29]


def entry(text, *judgements, source="a book"):
    made = [Claim(text, source, True, judgement) for judgement in judgements]
    return claims.Entry(RECIPE, dict(zip(("digits", "mnist"), made, strict=False)))


def difference(values, **options):
    return evidence.judge_difference(values, **options)


ENTRIES = [
    entry("holds", difference(BETTER), difference(MUCH_WORSE)),
    entry("surely holds", difference([-value for value in MUCH_WORSE])),
    entry("barely refuted", difference(WORSE)),
    entry("refuted", difference(MUCH_WORSE)),
    entry("equal", evidence.judge_equality([value + 10 for value in MUCH_WORSE], within=40)),
    entry("unequal", evidence.judge_equality([30 - value for value in MUCH_WORSE], within=4)),
    entry("no matter", difference([value / 100 for value in BETTER], matters=1)),
    entry("exact", evidence.judge_exact([0], 1e-6)),
    entry("open", difference([1, -1, 2, -2, 3, -3])),
]


def test_the_most_surprising_claim_is_the_one_furthest_from_its_verdict():
    found = sorted(rows(ENTRIES), key=lambda row: row.by_surprise)
    assert [row.entry.claim.text for row in found] == [
        "unequal",  # by 67 deviations
        "refuted",  # by 34
        "barely refuted",
        "no matter",
        "holds",  # depends on the data
        "open",
        "equal",
        "exact",
        "surely holds",
    ]


def test_effects_are_sorted_by_size_where_they_are_smallest():
    found = sorted(rows(ENTRIES), key=lambda row: row.by_effect)
    texts = [row.entry.claim.text for row in found]
    assert texts[:4] == ["unequal", "surely holds", "refuted", "equal"]
    assert sorted(texts[4:7]) == ["barely refuted", "holds", "no matter"]  # 2.2 deviations each
    assert texts[7:] == ["open", "exact"]


def test_an_anchor_is_made_of_recipe_and_words():
    (row,) = rows([entry("β of 0.9: faster, by 2 %", difference(BETTER))])
    assert row.anchor == "one-β-of-0-9-faster-by-2"


def test_anchors_of_the_committed_claims_are_unique():
    anchors = [row.anchor for row in rows(claims.entries(catalogue.everything()))]
    assert len(set(anchors)) == len(anchors) > 0


def test_sources_go_by_book_course_or_paper():
    cases = {
        "after Deep Learning from Scratch, 6.1.5": "Deep Learning from Scratch",
        "Deep Learning from Scratch, 6.4; CS231n": "Deep Learning from Scratch",
        "notes on the Deep Learning Specialization, course 2": "Deep Learning Specialization",
        "Goyal et al. 2017, 2.2": "Goyal et al. 2017",
    }
    assert {source: family(source) for source in cases} == cases
    entries = [entry(source, difference(BETTER), source=source) for source in (*cases, OURS)]
    books = ["Deep Learning Specialization", "Deep Learning from Scratch"]
    assert families(entries) == (books, ["Goyal et al. 2017"])
    assert [row.family for row in rows(entries)] == [*cases.values(), "ours"]


def test_an_outcome_says_the_verdict_and_the_numbers_of_each_data_set():
    both = entry("BN is better", difference(BETTER, unit="points"), difference(WORSE, unit="nats"))
    assert outcome(both) == (
        "depends on the data: holds on digits, does not hold on mnist "
        "(digits: +2.0 points; mnist: -2.0 nats)"
    )
    family_of_two = evidence.judge_family([BETTER, BETTER], at_least=2, unit="scales")
    on_one = entry("it is faster", family_of_two)
    assert statement(on_one) == "“It is faster”"
    assert outcome(on_one) == "holds on digits (better at 2 of 2 scales, worse at 0)"
