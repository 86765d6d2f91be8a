"""Claims from made-up results: what meets, what is counted, which can be luck."""

import json

import pytest

from recipes._lab import catalogue
from recipes._lab.claim import OURS, Claim
from recipes._lab.evidence import MARKS, Judgement
from recipes._lab.publishing import claims


def claim(text, verdict="holds", p_value=0.01, **options):
    judgement = Judgement(verdict, "difference", 1.0, p_value=p_value, finding=f"of {text}")
    options = {"source": "a book", "primary": False} | options
    return Claim(text, judgement=judgement, **options)


@pytest.fixture
def entries_of(tmp_path, monkeypatch):
    """`entries_of({recipe: {data: claims}})` returns the entries of such results.

    Those on data among `stale` were made by an earlier version of the code.
    """
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)

    def of(results, stale=()):
        recipes = [catalogue.parse(name, '"""Is it?"""') for name in (*results, "without_results")]
        for recipe, by_data in zip(recipes, results.values(), strict=False):
            runs = {data: {"claims": [c.to_json() for c in made]} for data, made in by_data.items()}
            for data, run in runs.items():
                run["digest"] = "another" if data in stale else recipe.digest
            (tmp_path / f"{recipe.name}.json").write_text(json.dumps({"runs": runs}))
        return claims.entries(recipes)

    return of


def test_claims_of_both_data_sets_meet_by_their_words(entries_of):
    a, other_a, b, c = claim("a", primary=True), claim("a", "not detected"), claim("b"), claim("c")
    runs = {"digits": [a, b], "mnist": [other_a, c]}
    entries = entries_of({"one": runs, "two": {"mnist": [a]}})
    assert [(entry.recipe.name, entry.by_data) for entry in entries] == [
        ("one", {"digits": a, "mnist": other_a}),
        ("one", {"digits": b}),
        ("one", {"mnist": c}),
        ("two", {"mnist": a}),
    ]
    assert claims.datasets(entries) == ["digits", "mnist"]
    assert [entry.claim.text for entry in claims.of_recipe(entries[3].recipe, entries)] == ["a"]


def test_textbooks_and_ours_are_counted_apart_and_any_data_once(entries_of):
    book, anywhere = claim("a", "does not hold"), claim("b", any_data=True)
    ours = [claim("c", "makes no difference", source=OURS), claim("d", source=OURS)]
    mnist = [claim("a", "not detected"), anywhere, ours[0]]
    entries = entries_of({"one": {"digits": [book, anywhere, *ours], "mnist": mnist}})
    none = dict.fromkeys(MARKS, 0)
    assert [(t.whose, t.data, t.counts) for t in claims.tallies(entries)] == [
        ("textbooks", "digits", none | {"does not hold": 1}),
        ("textbooks", "mnist", none | {"not detected": 1}),
        ("textbooks", "independent", none | {"holds": 1}),
        ("ours", "digits", none | {"makes no difference": 1, "holds": 1}),
        ("ours", "mnist", none | {"makes no difference": 1}),
    ]


def test_q_values_are_within_a_recipes_textbook_claims_on_one_data_set(entries_of):
    """By hand, Benjamini and Hochberg: p-values .01, .02 and .3 times 3 / rank.

    Neither claims of ours, exact checks, other data nor other recipes count.
    """
    p_values = {"a": 0.02, "b": 0.01, "c": 0.3, "exact": None}
    digits = [claim(text, p_value=p_value) for text, p_value in p_values.items()]
    digits.append(claim("ours", p_value=0.001, source=OURS))
    runs = {"digits": digits, "mnist": [claim("a", p_value=0.04)]}
    entries = entries_of({"one": runs, "two": {"digits": [claim("a", p_value=0.5)]}})
    q_values = {(e.recipe.name, e.claim.text, d): q for e in entries for d, q in e.q_values.items()}
    assert q_values == {
        ("one", "a", "digits"): pytest.approx(0.03),
        ("one", "b", "digits"): pytest.approx(0.03),
        ("one", "c", "digits"): pytest.approx(0.3),
        ("one", "a", "mnist"): pytest.approx(0.04),
        ("two", "a", "digits"): pytest.approx(0.5),
    }


def test_what_an_earlier_version_made_is_stale(entries_of):
    a, b, ours = claim("a"), claim("b", any_data=True), claim("c", source=OURS)
    results = {"one": {"digits": [a, b, ours], "mnist": [a, b]}}
    for stale, any_data, counts in (
        ((), ["digits"], [0, 0, 0, 0]),
        (("digits",), ["mnist"], [1, 0, 0, 1]),  # of any data rather what is fresh
        (("digits", "mnist"), ["digits"], [1, 1, 1, 1]),
    ):
        entries = entries_of(results, stale)
        assert [entry.stale for entry in entries] == [set(stale), set(stale), {*stale} - {"mnist"}]
        assert entries[1].counted == any_data
        # The textbooks' on digits, on mnist and on any data; ours.
        assert [tally.stale for tally in claims.tallies(entries)] == counts


def test_a_claim_is_judged_over_its_fresh_data_sets(entries_of):
    digits, mnist = claim("a"), claim("a", "does not hold")
    anywhere = claim("b", any_data=True)
    results = {"one": {"digits": [digits, anywhere], "mnist": [mnist, anywhere]}}
    for stale, words in (
        ((), "depends on the data: holds on digits, does not hold on mnist"),
        (("digits",), "does not hold on mnist"),
        (("digits", "mnist"), "depends on the data: holds on digits, does not hold on mnist"),
    ):
        entries = entries_of(results, stale)
        assert entries[0].overall.words == words
        assert entries[1].overall.words == "holds, independent of the data set"


def test_a_run_without_a_digest_is_stale():
    recipe = catalogue.parse("one", "x = 1")
    assert claims.is_stale(recipe, {"code": recipe.digest})
    assert claims.is_stale(recipe, {"digest": catalogue.parse("one", "x = 2").digest})
    assert not claims.is_stale(recipe, {"digest": catalogue.parse("one", "x = 1  # one").digest})


def test_a_claim_is_the_same_after_json():
    judgement = Judgement(
        "not detected", "equality", 0.5, -1.0, 2.0, 0.95, "nats", 6, 2.5, 0.2, 1, 12, "+0.5 nats"
    )
    made = Claim("a", OURS, True, judgement, any_data=True)
    assert Claim.from_json(json.loads(json.dumps(made.to_json()))) == made
