"""The gallery's pages on GitHub, from made-up results; and the committed ones."""

import json

import pytest
from markdown_it import MarkdownIt

from recipes._lab import catalogue
from recipes._lab.claim import OURS, Claim
from recipes._lab.evidence import judge_difference, judge_exact
from recipes._lab.publishing import github, markdown

UP, DOWN, WIDE = [2.0, 3.0, 4.0], [-2.0, -3.0, -4.0], [-9.0, 1.0, 9.0]


def claim(text, differences, **options):
    judgement = judge_difference(differences, unit="points")
    return Claim(text, judgement=judgement, **{"source": "a book", "primary": False} | options)


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe with results on two data sets, of which those on mnist are stale."""
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)
    monkeypatch.setattr(catalogue, "THUMBNAILS", tmp_path / "thumbnails")
    recipe = catalogue.parse("one", '"""Is a | b_c <i>?\n\nTopic: Softmax\n"""')
    exact = Claim("exact", OURS, False, judge_exact([1e-9], 1e-6), any_data=True)
    runs = {
        "digits": [claim("a < b | c_d*", UP, primary=True), claim("b", WIDE), exact],
        "mnist": [claim("a < b | c_d*", DOWN, primary=True), claim("b", DOWN), exact],
    }
    results = {
        data: {"digest": digest, "claims": [c.to_json() for c in runs[data]]}
        for data, digest in (("digits", recipe.digest), ("mnist", "other"))
    }
    (tmp_path / "one.json").write_text(json.dumps({"runs": results}))
    (tmp_path / "one.png").touch()
    return recipe


def pages(*recipes):
    texts = github.pages(list(recipes))
    return texts[github.GALLERY], texts[github.CLAIMS]


def test_each_recipe_is_shown_with_its_figure_its_question_and_its_verdicts(recipe):
    without = catalogue.parse("two", '"""And this?\n\nTopic: Others\n"""')
    gallery, _ = pages(recipe, without)
    assert "## Softmax\n\n| figure | recipe |" in gallery
    assert (
        '| [<img src="thumbnails/one.png" width="320" alt="figure of one">](one.png) '
        "| **Is a \\| b\\_c &lt;i&gt;?**<br>[`one`](../one.py)<br>"
        "✓&nbsp;holds on digits: a &lt; b \\| c\\_d\\*<br>textbooks: ✓ ?<br>ours: ✓ |"
    ) in gallery
    assert "Others" not in gallery  # nor a recipe without results
    # Over the data sets, of which stale ones do not count beside a fresh one.
    assert "| textbooks | 1 | 0 | 0 | 1 | 0 |\n| ours | 1 | 0 | 0 | 0 | 0 |" in gallery


def test_each_claim_is_shown_with_its_verdict_and_its_effects(recipe):
    _, claims = pages(recipe)
    assert "| claim | verdict | digits | mnist |" in claims
    # By hand: the t interval of 2, 3, 4 is 3 ± 4.303 / sqrt(3).
    assert (
        "| **a &lt; b \\| c\\_d\\***<br>a book; [`one`](../one.py) | ✓&nbsp;holds on digits "
        "| ✓&nbsp;+3.0 points<br>+0.5 to +5.5 | ✗&nbsp;-3.0 points†<br>-5.5 to -0.5 |"
    ) in claims
    ours = claims.partition("<details><summary>1 of our own</summary>\n\n")[2]
    assert (
        "| exact<br>[`one`](../one.py) | ✓&nbsp;holds, independent of the data set "
        "| ✓&nbsp;largest deviation +1e-09 | – |"
    ) in ours
    assert "</details>" in ours
    assert "†: made by an earlier version of the code" in claims


def test_a_verdict_of_stale_results_alone_is_marked(recipe):
    path = catalogue.RESULTS / "one.json"
    path.write_text(path.read_text().replace(recipe.digest, "another"))
    gallery, claims = pages(recipe)
    assert "textbooks†: ~ ✗<br>ours†: ✓" in gallery
    assert "~&nbsp;depends on the data: holds on digits, does not hold on mnist†" in claims


def test_what_came_out_otherwise_with_other_seeds_is_shown(recipe):
    assert "other seeds" not in pages(recipe)[0]
    path = catalogue.RESULTS / "one.json"
    results = json.loads(path.read_text())
    again = [claim("a < b | c_d*", UP).to_json(), claim("b", DOWN).to_json()]
    results["check"] = {"digits": {"digest": recipe.digest, "claims": again}}
    path.write_text(json.dumps(results))
    part = pages(recipe)[0].partition("## With other seeds\n")[2]
    assert ("- 2 published claims: 1 unchanged, 1 not detected in one of the two runs\n") in part
    assert "| b; [`one`](../one.py) | digits | ? not detected | ✗ does not hold |" in part
    assert "| a " not in part


def test_what_a_text_holds_is_shown_as_it_is():
    """As a parser of Markdown reads it, in a table, where a | ends a cell elsewhere."""
    text = "a|b <b>c</b> *d* _e_ `f` ~~g~~ [h](i) &amp; \\ 1*2*3"
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    html = parser.render(markdown.table(("head",), [(markdown.escaped(text),)]))
    shown = html.partition("<td>")[2].partition("</td>")[0]
    assert "<" not in shown
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        shown = shown.replace(entity, letter)
    assert shown == text
    assert markdown.escaped("a\n  b") == "a b"


def test_the_committed_pages_are_what_the_committed_results_say():
    for path, text in github.pages(catalogue.everything()).items():
        assert path.read_text(encoding="utf-8") == text, "make gallery PAGES=1 writes it anew"
