"""The static site: its pages, links and escapes, and what a browser makes of them."""

import errno
import json
import re
import signal
import socket
import time
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from socket import gethostname
from urllib.parse import unquote, urlsplit

import keras
import numpy as np
import pytest

from recipes._lab import catalogue, evidence
from recipes._lab.claim import OURS, Claim
from recipes._lab.errors import UserError
from recipes._lab.evidence import Judgement
from recipes._lab.files import write
from recipes._lab.publishing import claims, rows, site
from tests.browser import Browser, find

NASTY = '<script>alert("&")</script>'
LEGEND = "† made by an earlier version of the code"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "gallery"
    site.build(folder)
    return folder


class Page(HTMLParser):
    """What a page refers to and what it says, but for drawings.

    Attributes:
        links: values of href and src.
        anchors: values of id.
        about: contents of meta elements, by property or name.
        text: all of it, with single spaces.
        claims: of each claim, what its row says and what that opens to.
    """

    def __init__(self, page):
        super().__init__()
        self.links, self.anchors, self.about, self.text, self.claims = [], [], {}, "", []
        self._in_claim, self._drawings = False, 0
        self.feed(page)
        self.text = " ".join(self.text.split())
        self.claims = [" ".join(words.split()) for words in self.claims]

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.links += [attributes[name] for name in ("href", "src") if name in attributes]
        self.anchors += [attributes["id"]] if "id" in attributes else []
        if tag == "meta":
            name = attributes.get("property") or attributes.get("name")
            self.about[name] = attributes.get("content")
        if tag == "details" and attributes.get("class") == "claim":
            self.claims.append("")
            self._in_claim = True
        self._drawings += tag == "svg"

    def handle_endtag(self, tag):
        self._in_claim &= tag != "details"
        self._drawings -= tag == "svg"

    def handle_data(self, data):
        if not self._drawings:
            self.text += data
            if self._in_claim:
                self.claims[-1] += data


@pytest.fixture
def pages_of(tmp_path, monkeypatch):
    """`pages_of({data: claims})` returns the pages of a recipe with such results, by file.

    Those on data among `stale` were made by an earlier version of the code.
    """
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)

    def of(by_data, source='"""Is it?"""', stale=(), **results):
        recipe = catalogue.parse("one", source)
        (tmp_path / "one.png").touch()
        write_results(tmp_path, recipe, by_data, stale, **results)
        return site.pages([recipe], claims.entries([recipe]), "https://example.org/")

    return of


def write_results(folder, recipe, by_data, stale=(), **results):
    about = {"seeds": [1000], "versions": {NASTY: NASTY}}
    runs = {
        data: about
        | {"claims": [claim.to_json() for claim in made]}
        | {"digest": "another" if data in stale else recipe.digest}
        for data, made in by_data.items()
    }
    (folder / f"{recipe.name}.json").write_text(json.dumps({"runs": runs} | results))


def claim(text, verdict="holds", **options):
    judgement = Judgement(verdict, "difference", 1.0, p_value=0.01, finding=f"found of {text}")
    return Claim(text, judgement=judgement, **{"source": "a book", "primary": False} | options)


def measured(text, differences, **options):
    judgement = evidence.judge_difference(differences, unit="points", matters=1)
    return Claim(text, judgement=judgement, **{"source": "a book", "primary": False} | options)


def test_every_recipe_has_a_page_and_every_link_leads_somewhere(built):
    pages = {path.name: Page(path.read_text(encoding="utf-8")) for path in built.glob("*.html")}
    expected = {f"{name}.html" for name in catalogue.names()} | {"index.html", "claims.html"}
    assert set(pages) == expected
    for name, page in pages.items():
        assert len(page.anchors) == len(set(page.anchors))
        for link in page.links:
            place = urlsplit(link)
            assert not place.netloc
            assert link == "data:," or place.path == "" or (built / place.path).is_file(), link
            target = pages.get(place.path or name)
            assert not place.fragment or unquote(place.fragment) in target.anchors, link
    assert expected - {"index.html"} <= {urlsplit(link).path for link in pages["index.html"].links}


def test_a_page_says_what_its_recipe_says(built):
    recipe = catalogue.read("bn_vs_nobn")
    text = (built / "bn_vs_nobn.html").read_text(encoding="utf-8")
    page = Page(text)
    for part in (recipe.question, recipe.claim, recipe.use, recipe.look_for):
        assert part in page.text
    assert " ".join(recipe.template.split()) in page.text
    found = [words.replace("†", "") for words in page.claims]
    for entry in claims.entries([recipe]):
        (words,) = [words for words in found if words.startswith(entry.claim.text + " [")]
        assert f"[{entry.claim.source}]" in words
        assert entry.overall.words in words
        for data, made in entry.by_data.items():
            assert f"{data} {made.mark} {made.verdict}: {made.detail}" in words


def test_a_recipe_page_begins_with_its_answer_and_shows_it_to_link_previews(pages_of):
    found = {"digits": [measured("A beats B", [3.0, 4.0, 5.0], primary=True)]}
    page = Page(pages_of(found, '"""Is it?\n\nUse: B.\n"""')["one.html"])
    answer = "“A beats B” [a book] holds on digits (+4.0 points)"
    parts = (answer, "Use: B", "figure, on digits", "The claims")
    places = [page.text.index(words) for words in parts]
    assert places == sorted(places)
    assert page.about["og:title"] == "Is it?"
    assert page.about["og:description"] == "“A beats B”: holds on digits (+4.0 points)."
    assert page.about["og:image"] == "https://example.org/one.png"


def test_a_recipe_without_results_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)
    pages = site.pages([catalogue.parse("one", '"""Is it?"""')], [])
    assert "No reference results yet" in Page(pages["one.html"]).text
    assert "no results yet Is it? one" in Page(pages["index.html"]).text


def test_claims_of_textbooks_and_ours_are_shown_and_counted_apart(pages_of):
    """By the verdict over both data sets; ours come last."""
    digits = [claim("b", "makes no difference"), claim("c", source=OURS), claim("a", primary=True)]
    mnist = [claim("a", "does not hold", primary=True)]
    pages = pages_of({"digits": digits, "mnist": mnist})
    page = Page(pages["claims.html"])
    counts = "holds 0 does not hold 0 makes no difference 1 not detected 0 depends on the data 1"
    assert f"Of 2 textbook claims, over all data sets {counts}" in page.text
    assert "and 1 of our own" in page.text
    assert [words[:4] for words in page.claims] == ["b [a", "a [a", "c [o"]
    assert "depends on the data: holds on digits, does not hold on mnist" in page.claims[1]
    assert "Of 2 textbook claims: 1 make no difference 1 depend on the data" in (
        Page(pages["index.html"]).text
    )


def test_shares_add_up_to_a_bar(pages_of, tmp_path):
    verdicts = ["holds", "holds", "does not hold", "not detected"]
    pages_of({"digits": [claim(f"{n}", verdict) for n, verdict in enumerate(verdicts)]})
    entries = claims.entries([catalogue.parse("one", '"""Is it?"""')])
    parts = site.shares(rows.rows(entries))
    assert [(part["verdict"], part["count"], part["start"], part["share"]) for part in parts] == [
        ("holds", 2, 0, 50),
        ("does not hold", 1, 50, 25),
        ("makes no difference", 0, 75, 0),
        ("not detected", 1, 75, 25),
        ("depends on the data", 0, 100, 0),
    ]


def test_a_claim_that_does_not_depend_on_the_data_is_shown_once(pages_of):
    made = [claim("everywhere", any_data=True)]
    pages = pages_of({"digits": made, "mnist": made})
    for name in ("claims.html", "one.html"):
        (words,) = Page(pages[name]).claims
        assert (
            "holds, independent of the data set independent ✓ holds: found of everywhere" in words
        )


def test_q_values_stand_beside_textbook_claims_only(pages_of):
    found = [claim("a"), claim("b", source=OURS)]
    book, ours = Page(pages_of({"digits": found})["claims.html"]).claims
    assert "found of a; q = 0.01" in book
    assert "q =" not in ours


def test_what_data_sets_say_of_others_is_told(pages_of):
    """Equal means of 4 and errors: the mean is 4, whatever the weights."""
    made = [measured("a", [3.0, 4.0, 5.0])]
    page = Page(pages_of({"digits": made, "mnist": made})["claims.html"])
    assert "on other data +4 points is to be expected (95 % interval" in page.claims[0]
    assert "spread by 0 points" in page.claims[0]
    assert "that is 0 % of the variance" in page.claims[0]


def test_how_far_data_sets_differ_is_told(pages_of):
    """Means of 4 and 10, both with a squared error of 1/3: 18 is their variance and that error."""
    found = {
        "digits": [measured("a", [3.0, 4.0, 5.0])],
        "mnist": [measured("a", [9.0, 10.0, 11.0])],
    }
    page = Page(pages_of(found)["claims.html"])
    assert f"spread by {(18 - 1 / 3) ** 0.5:.2g} points" in page.claims[0]
    assert "that is 98 % of the variance" in page.claims[0]  # 1 - 1 / (18 / (1 / 3))


def test_what_an_earlier_version_made_is_marked(pages_of):
    """On every page, at every verdict and number of it, and nothing else is."""
    found = {"digits": [claim("a", primary=True)], "mnist": [claim("a", primary=True)]}
    for text in pages_of(found).values():
        assert "†" not in Page(text).text
    pages = {name: Page(text) for name, text in pages_of(found, stale=["digits"]).items()}
    for name, words in (("claims.html", "a [a book] one"), ("one.html", "a [a book]")):
        assert LEGEND in pages[name].text
        assert f"{words} digits† mnist holds on mnist digits† ✓" in pages[name].claims[0]
    about = claims.ABOUT_DATA
    assert f"digits†, {about['digits']}: 1 seed," in pages["one.html"].text
    assert f"mnist, {about['mnist']}: 1 seed," in pages["one.html"].text
    assert "on digits† The claims" in pages["one.html"].text  # the caption of the picture
    assert "†" not in pages["index.html"].text  # its verdicts rest on what is fresh

    pages = {name: Page(text) for name, text in pages_of(found, stale=found).items()}
    for name in ("claims.html", "one.html"):
        assert "holds on both data sets†" in pages[name].claims[0]
    assert "Of 1 textbook claims†: 1 hold" in pages["index.html"].text
    assert "Is it? holds†: a" in pages["index.html"].text
    assert LEGEND in pages["index.html"].text


def test_runs_with_other_seeds_are_counted(pages_of):
    digest = catalogue.parse("one", '"""Is it?"""').digest
    again = [claim("a"), claim("b", "not detected")]
    check = {"digest": digest, "claims": [made.to_json() for made in again]}
    pages = pages_of({"digits": [claim("a"), claim("b")]}, check={"digits": check})
    counts = "2 published claims: 1 unchanged, 1 not detected in one of the two runs"
    for name in ("claims.html", "one.html"):
        assert f"Run again with other seeds and splits: {counts}." in Page(pages[name]).text


def test_seconds_are_those_of_the_code_or_of_an_earlier_version(pages_of):
    digest = catalogue.parse("one", '"""Is it?"""').digest
    by_digest = {digest: "It takes", "another": "An earlier version of the code took"}
    for timed, words in by_digest.items():
        page = Page(pages_of({}, seconds=12.5, cores=2, timed=timed)["one.html"])
        assert f"{words} 12.5 s on 2 cores." in page.text


def test_text_from_data_and_files_is_escaped(pages_of):
    """A class may be called <script>, and so may a file, and a claim may name both."""
    tags = f"Claim: {NASTY}\n\nLook for: {NASTY}\n\n{NASTY}\n\nUse: {NASTY}\nSymptoms: {NASTY}"
    code = "def build_tunable(hp):\n    return '<script>'\n"
    source = f"'''{NASTY}?\n\n{tags}\nTopic: {NASTY}\n'''\n{code}"
    made = [claim(NASTY, source=NASTY, primary=True), measured(f"2 {NASTY}", [1, 2, 3])]
    pages = pages_of({NASTY: made}, source)
    for name in ("index.html", "claims.html", "one.html"):
        assert pages[name].count("<script") == 1  # the site's own
        assert NASTY in Page(pages[name]).text


@pytest.fixture
def few(monkeypatch):
    """Let there be three recipes only: the sites of these tests are built in no time."""
    recipes = [catalogue.read(name) for name in ("dropout", "ensembles", "momentum")]
    monkeypatch.setattr(catalogue, "everything", lambda: recipes)


def test_a_card_shows_the_thumbnail_or_else_the_main_picture(few, tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(catalogue, "THUMBNAILS", tmp_path / "results" / "thumbnails")
    (tmp_path / "results" / "thumbnails").mkdir(parents=True)
    for file in ("dropout.png", "ensembles.png", "thumbnails/dropout.png"):
        (tmp_path / "results" / file).write_text(file)
    site.build(tmp_path / "site")
    small = {path.name: path.read_text() for path in (tmp_path / "site/thumbnails").iterdir()}
    assert small == {"dropout.png": "thumbnails/dropout.png", "ensembles.png": "ensembles.png"}


def test_an_old_site_is_replaced(few, tmp_path):
    folder = tmp_path / "gallery"
    folder.mkdir()
    (folder / "old.html").write_text("old")
    site.build(folder)
    assert not (folder / "old.html").exists()
    assert (folder / "index.html").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_an_old_site_stays_where_the_new_one_cannot_be_put(few, tmp_path, monkeypatch):
    folder = tmp_path / "gallery"
    folder.mkdir()
    (folder / "old.html").write_text("old")
    rename = Path.rename

    def fail_for_new(path, target):
        if path.name == "new":
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    message = f"can't write {str(folder)!r}: Permission denied; see to it that it can be written"
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        site.build(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"old.html": "old"}
    assert list(tmp_path.iterdir()) == [folder]


def test_a_full_disk_is_explained(few, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    folder = tmp_path / "gallery"
    with pytest.raises(UserError) as caught:
        site.build(folder)
    message = f"can't write {str(folder)!r}: No space left on device; free some space"
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_in_one_line(built):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} can't be used: .*; give another: PORT="):
            site.serve(built, port)


def test_it_is_served_until_ctrl_c(recipes):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with recipes.start("site", "--port", port) as process:
        try:
            address = process.stdout.readline().strip()
            assert process.stdout.readline().endswith(f"{port}:127.0.0.1:{port} {gethostname()}\n")
            assert process.stdout.readline() == "stop with Ctrl-C\n"
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert "Keras training recipes" in answer.read().decode()
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == ("", "")
        finally:
            process.kill()
    assert address == f"http://127.0.0.1:{port}/"
    assert process.returncode == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if find() is None:
        pytest.skip("no Chromium is installed, in which the pages could be opened")
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def served(built):
    """The address of the site, served as `make gallery-serve` serves it."""
    with site.serve(built, 0) as server:
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


BROKEN = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
LOADED = "Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode(); }))"
REQUESTED = "performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin)"
UNFOLDED = "document.querySelectorAll('details').forEach(details => { details.open = true; })"


def test_every_page_opens_without_an_error(browser, served, built):
    """On a phone, with everything unfolded: only tables and code scroll sideways, by themselves."""
    browser.emulate(width=375, scheme="dark")
    for page in sorted(built.glob("*.html")):
        browser.open(f"{served}/{page.name}")
        browser.wait_for("Recipes", "Textbook claims, checked")
        browser.evaluate(UNFOLDED)
        browser.evaluate(f"{LOADED}.then(() => 0)")
        assert browser.evaluate(BROKEN) == []
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.name
        assert {*browser.evaluate(REQUESTED)} == {served}
    assert browser.errors == []
    browser.emulate()


SOURCE = '''"""{question}

Symptoms: {symptoms}
Topic: {topic}
"""
def build_tunable(hp):
    return None
'''


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The folder of a site of two recipes, whose claims are known."""
    folder = tmp_path_factory.mktemp("sample")
    narrow = SOURCE.format(question="Is it narrow?", symptoms="slow", topic="Softmax")
    wide = SOURCE.format(question="Is it wide?", symptoms="unstable", topic="Optimization")
    recipes = [catalogue.parse("narrow", narrow), catalogue.parse("wide", wide)]
    of_narrow = [
        measured("narrow holds", [2.0, 3.0, 4.0], primary=True),
        measured("narrow fails", [-8.0, -9.0, -10.0], source="Smith 2001, 3"),
        measured("narrow is open", [-3.0, 3.0, 1.0]),
    ]
    of_wide = [
        measured("wide fails", [-4.0, -5.0, -6.0], primary=True),
        measured("wide is equal", [0.1, 0.2, 0.3]),
        measured("wide, we say", [-2.0, -3.0, -4.0], source=OURS),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "RESULTS", folder)
        for recipe, made in zip(recipes, (of_narrow, of_wide), strict=True):
            write_results(folder, recipe, {"digits": made})
        for file, text in site.pages(recipes, claims.entries(recipes)).items():
            write(folder / file, text)
    return folder


NARROW = ["narrow-narrow-holds", "narrow-narrow-fails", "narrow-narrow-is-open"]
WIDE = ["wide-wide-fails", "wide-wide-is-equal"]
OUR_OWN = "wide-wide-we-say"
PAUSE = "new Promise(go => setTimeout(go, 50))"
SHOWN = """[...document.querySelectorAll("details.claim, .card")]
  .filter(element => element.checkVisibility())
  .map(element => element.id || element.querySelector("code").textContent)"""
OPEN = "[...document.querySelectorAll('details.claim[open]')].map(claim => claim.id)"
CHOOSE = """(([name, value]) => {
  const fields = [...document.querySelectorAll(`#filters [name=${name}]`)];
  const box = fields.find(field => field.type === "checkbox" && field.value === value);
  if (box) return box.click();
  fields[0].value = value;
  fields[0].dispatchEvent(new Event("input", { bubbles: true }));
})"""


@pytest.fixture
def page(browser, sample):
    """`page("claims.html?...")` opens a page of the sample, from its file."""

    def open_page(place):
        browser.open(f"file://{sample}/{place}")
        browser.wait_for("Textbook claims, checked")
        return browser

    yield open_page
    assert browser.errors == []


def wait_until_complete(browser):
    """Wait until the page has its style and has run its scripts.

    It asks from here, since a promise is never kept where a page may run no scripts.
    """
    while browser.evaluate("document.readyState") != "complete":
        time.sleep(0.02)


def choose(browser, name, value):
    browser.evaluate(f"{CHOOSE}({json.dumps([name, value])})")


def typed(browser, words):
    """Go to the search field by its key, and type."""
    browser.press("/")
    for letter in words:
        browser.press(letter)


def test_claims_are_filtered_and_the_address_remembers_it(page):
    browser = page("claims.html")
    assert browser.evaluate(SHOWN) == NARROW + WIDE  # ours are folded away
    for name, value, shown, count in (
        ("topic", "Optimization", WIDE, "2 of 5 textbook"),
        ("verdict", "does not hold", WIDE[:1], "1 of 5 textbook"),
        ("topic", "", [NARROW[1], WIDE[0]], "2 of 5 textbook"),
        ("source", "Smith 2001", NARROW[1:2], "1 of 5 textbook"),
        ("text", "fails WIDE", [], "0 of 5 textbook"),
        ("source", "", WIDE[:1], "1 of 5 textbook"),
        ("text", "", [NARROW[1], WIDE[0]], "2 of 5 textbook"),
        ("source", "ours", [OUR_OWN], "1 of 1 of our own"),
    ):
        choose(browser, name, value)
        assert browser.evaluate(SHOWN) == shown
        words = browser.evaluate("document.getElementById('count').textContent")
        assert words == f"{count} claims"
    address = browser.evaluate("location.search")
    assert address == "?verdict=does+not+hold&source=ours"
    browser = page(f"claims.html{address}")
    assert browser.evaluate(SHOWN) == [OUR_OWN]
    browser.evaluate("document.querySelector('[type=reset]').click()")
    browser.evaluate(PAUSE)
    assert browser.evaluate(SHOWN) == NARROW + WIDE
    assert browser.evaluate("location.search") == ""


def test_what_is_not_as_the_textbook_says_is_one_click(page):
    """What does not hold, from the clearest case on, then what makes no difference."""
    browser = page("index.html")
    browser.evaluate(
        "[...document.links].find(a => a.textContent == 'Not as the textbook says').click()"
    )
    browser.wait_for("narrow fails")
    wait_until_complete(browser)
    assert browser.evaluate(SHOWN) == [NARROW[1], *WIDE]


def test_claims_are_sorted_and_go_back_to_their_topic(page):
    """Their effects are 3, -9, .1, -5 and 2 standard deviations."""
    browser = page("claims.html")
    choose(browser, "sort", "effect")
    assert browser.evaluate(SHOWN) == [NARROW[1], WIDE[0], NARROW[0], WIDE[1], NARROW[2]]
    choose(browser, "sort", "")
    assert browser.evaluate(SHOWN) == NARROW + WIDE


def test_a_permalink_opens_its_claim(page):
    """Even one of our own, which are folded away, or one that a filter would hide."""
    browser = page(f"claims.html?verdict=holds#{OUR_OWN}")
    assert browser.evaluate(OPEN) == [OUR_OWN]
    assert OUR_OWN in browser.evaluate(SHOWN)
    assert browser.evaluate("document.activeElement.parentElement.id") == OUR_OWN
    browser.evaluate(f"location.hash = '{NARROW[1]}'")
    browser.evaluate(PAUSE)
    assert browser.evaluate(OPEN) == [NARROW[1], OUR_OWN]


def test_claims_are_found_and_opened_by_keyboard(page):
    browser = page("claims.html")
    typed(browser, "equal")
    assert browser.evaluate(SHOWN) == [WIDE[1]]
    for _ in range(10):
        browser.press("Tab")
        if browser.evaluate("document.activeElement.matches('.claim > summary')"):
            break
    browser.press("Enter")
    assert browser.evaluate(OPEN) == [WIDE[1]]


def test_without_scripts_everything_is_shown(page, browser):
    browser.scripts(False)
    try:
        page("claims.html")  # the test's own scripts run nevertheless
        assert browser.evaluate(SHOWN) == NARROW + WIDE
        needs_script = "[...document.querySelectorAll('.needs-script')]"
        assert not browser.evaluate(f"{needs_script}.some(field => field.checkVisibility())")
    finally:
        browser.scripts(True)


def test_signs_and_intervals_are_drawn_where_their_numbers_say(page):
    """2, 3, 4: 3 ± 2.484 deviations, at 50 + 43 asinh(...) / asinh(20) % of the plot's width."""
    browser = page("claims.html")
    places = browser.evaluate(
        f"""(() => {{
          const plot = document.querySelector("#{NARROW[0]} .plot");
          const whole = plot.getBoundingClientRect();
          const place = x => 100 * (x - whole.left) / whole.width;
          const sign = plot.querySelector("use[href='#yes']").getBoundingClientRect();
          const bar = plot.querySelector(".interval").getBoundingClientRect();
          return [sign.left + sign.width / 2, bar.left, bar.right].map(place);
        }})()"""
    )
    assert places == pytest.approx([71.19, 55.78, 78.10], abs=0.4)


def test_recipes_are_found_by_name_question_and_symptom_by_keyboard(page):
    for words, found in (
        ("narrow", ["narrow"]),
        ("IS it", ["narrow", "wide"]),
        ("is unstable", ["wide"]),
        ("slow wide", []),
    ):
        browser = page("index.html")
        typed(browser, words)
        assert browser.evaluate(SHOWN) == found
    browser = page("index.html")
    typed(browser, "unstable")
    browser.press("Enter")
    browser.wait_for("The claims")
    assert browser.evaluate("location.pathname").endswith("/wide.html")


@pytest.mark.parametrize("scheme", ["http", "file"])
def test_the_copied_template_runs(browser, served, built, scheme):
    """From a server, and from a file, where a page may not write to the clipboard by itself."""
    where = served if scheme == "http" else f"file://{built}"
    browser.open(f"{where}/bn_vs_nobn.html")
    browser.wait_for("Paste it")
    browser.evaluate(
        "window.copied = null;"
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async t => {"
        f"if ({json.dumps(scheme)} == 'file') throw 'not here'; window.copied = t; }}}}}});"
        "document.addEventListener('copy', () => { window.copied = getSelection().toString(); });"
    )
    label, text = browser.evaluate(
        "(async () => {"
        "const pause = () => new Promise(go => setTimeout(go, 10));"
        "const button = document.querySelector('button.copy'); button.click();"
        "for (let n = 0; n < 1000 && button.textContent == 'copy'; n++) await pause();"
        "return [button.textContent, window.copied]; })()"
    )
    assert label == "copied"
    assert text.strip() == catalogue.read("bn_vs_nobn").template.strip()
    names = {"__name__": "pasted"}
    exec(text, names)
    model = names["build_model"]((4,), 3)
    assert isinstance(model, keras.Sequential)
    assert model.predict(np.zeros((2, 4)), verbose=0).shape == (2, 3)
