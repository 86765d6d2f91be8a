"""The static site: its pages, links and escapes, and what a browser makes of them."""

import json
import signal
import socket
import urllib.request
from html.parser import HTMLParser
from socket import gethostname

import keras
import numpy as np
import pytest

from recipes._lab import catalogue
from recipes._lab.claim import OURS, Claim
from recipes._lab.errors import UserError
from recipes._lab.evidence import MARKS, Judgement
from recipes._lab.publishing import claims, site
from tests.browser import Browser, find

HEAD = ("claims of", "on", *(f"{mark} {verdict}" for verdict, mark in MARKS.items()))
NASTY = '<script>alert("&")</script>'


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "gallery"
    site.build(folder)
    return folder


class Page(HTMLParser):
    """What a page refers to, all of its text, and the texts of its tables' cells."""

    def __init__(self, page):
        super().__init__()
        self.links, self.text, self.cells, self._in_cell = [], "", [], False
        self.feed(page)
        self.cells = [" ".join(cell.split()) for cell in self.cells]

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src")]
        if tag in ("td", "th"):
            self.cells.append("")
            self._in_cell = True
        if tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag):
        self._in_cell &= tag not in ("td", "th")

    def handle_data(self, data):
        self.text += data
        if self._in_cell:
            self.cells[-1] += data

    @property
    def words(self):
        """The text with single spaces."""
        return " ".join(self.text.split())


@pytest.fixture
def pages_of(tmp_path, monkeypatch):
    """`pages_of({data: claims})` returns the pages of a recipe with such results, by file.

    Those on data among `stale` were made by an earlier version of the code.
    """
    monkeypatch.setattr(catalogue, "RESULTS", tmp_path)

    def of(by_data, source='"""Is it?"""', stale=(), **results):
        recipe = catalogue.parse("one", source)
        about = {"seeds": [1000], "versions": {NASTY: NASTY}}
        runs = {
            data: about
            | {"claims": [claim.to_json() for claim in made]}
            | {"digest": "another" if data in stale else recipe.digest}
            for data, made in by_data.items()
        }
        (tmp_path / "one.png").touch()
        (tmp_path / "one.json").write_text(json.dumps({"runs": runs} | results))
        return site.pages([recipe], claims.entries([recipe]))

    return of


def claim(text, verdict="holds", **options):
    judgement = Judgement(verdict, "difference", 1.0, p_value=0.01, finding=f"found of {text}")
    return Claim(text, judgement=judgement, **{"source": "a book", "primary": False} | options)


def test_every_recipe_has_a_page_and_every_link_leads_somewhere(built):
    pages = {path.name: Page(path.read_text(encoding="utf-8")) for path in built.glob("*.html")}
    expected = {f"{name}.html" for name in catalogue.names()} | {"index.html", "claims.html"}
    assert set(pages) == expected
    for page in pages.values():
        for link in page.links:
            assert link == "data:," or (built / link).is_file(), link  # and to no other host
    assert expected - {"index.html"} <= set(pages["index.html"].links)


def test_a_page_says_what_its_recipe_says(built):
    recipe = catalogue.read("bn_vs_nobn")
    page = Page((built / "bn_vs_nobn.html").read_text(encoding="utf-8"))
    for part in (recipe.question, recipe.claim, recipe.use, recipe.look_for, recipe.template):
        assert part in page.text
    assert "book rate, digits" in page.text  # the caption of its second figure
    cells = [cell.replace("†", "") for cell in page.cells]
    for run in catalogue.results("bn_vs_nobn")["runs"].values():
        for made in map(Claim.from_json, run["claims"]):
            assert f"{made.text} [{made.source}]" in page.cells
            assert f"{made.mark} {made.verdict} {made.detail}" in cells


def test_the_overview_leads_from_symptoms_to_recipes(built):
    text = Page((built / "index.html").read_text(encoding="utf-8")).text
    assert text.index("the loss does not move") < text.index(catalogue.TOPICS[0])


def test_claims_of_textbooks_and_ours_are_shown_and_counted_apart(pages_of):
    book, ours = claim("of a book", "makes no difference"), claim("of ours", source=OURS)
    pages = pages_of({"digits": [book, ours, claim("other")], "mnist": [claim("other")]})
    for name in ("index.html", "claims.html"):
        head, *rows = [tuple(Page(pages[name]).cells[at : at + 6]) for at in (0, 6, 12, 18)]
        assert head == HEAD
        assert rows == [
            ("textbooks", "digits", "1", "0", "1", "0"),
            ("textbooks", "mnist", "1", "0", "0", "0"),
            ("ours", "digits", "1", "0", "0", "0"),
        ]
    text = Page(pages["claims.html"]).words
    places = ("Textbook claims claim", "of a book [", "Our own claims", "of ours [ours]")
    assert sorted(places, key=text.index) == list(places)
    assert "digits: 1 ✓ 1 = mnist: 1 ✓ digits, ours: 1 ✓" in Page(pages["index.html"]).words


def test_a_claim_that_does_not_depend_on_the_data_is_shown_once(pages_of):
    made = [claim("everywhere", any_data=True)]
    pages = pages_of({"digits": made, "mnist": made})
    for name in ("claims.html", "one.html"):
        cells = Page(pages[name]).cells
        (cell,) = [cell for cell in cells if "found of everywhere" in cell]
        assert "does not depend on the data" in cell
    assert Page(pages["claims.html"]).cells[6:12] == ["textbooks", "any data", "1", "0", "0", "0"]


def test_q_values_stand_beside_textbook_claims_only(pages_of):
    found = [claim("a"), claim("b"), claim("c", source=OURS)]
    cells = Page(pages_of({"digits": found})["claims.html"]).cells
    assert [cell for cell in cells if "found of" in cell] == [
        "✓ holds found of a q = 0.01",
        "✓ holds found of b q = 0.01",
        "✓ holds found of c",
    ]


def test_what_an_earlier_version_made_is_marked(pages_of):
    """On every page, at every verdict and number of it, and nothing else is."""
    found = {"digits": [claim("a")], "mnist": [claim("a")]}
    legend = "† made by an earlier version of the code"
    for text in pages_of(found).values():
        assert "†" not in Page(text).text
    pages = {name: Page(text) for name, text in pages_of(found, stale=["digits"]).items()}
    for name in ("index.html", "claims.html", "one.html"):
        assert legend in pages[name].words
    for name in ("index.html", "claims.html"):
        assert pages[name].cells[:21] == [
            *(*HEAD, legend),
            *("textbooks", "digits†", "1", "0", "0", "0", "1"),
            *("textbooks", "mnist", "1", "0", "0", "0", "0"),
        ]
    assert "digits†: 1 ✓ mnist: 1 ✓" in pages["index.html"].words
    assert pages["claims.html"].cells[-2:] == [
        "✓ holds† found of a q = 0.01",
        "✓ holds found of a q = 0.01",
    ]
    assert pages["one.html"].cells[-2:] == ["✓ holds† found of a", "✓ holds found of a"]
    assert "digits†: 1 seed," in pages["one.html"].words
    assert "mnist: 1 seed," in pages["one.html"].words
    assert "digits† Run it" in pages["one.html"].words  # the caption of the picture


def test_seconds_are_those_of_the_code_or_of_an_earlier_version(pages_of):
    digest = catalogue.parse("one", '"""Is it?"""').digest
    by_digest = {digest: "It takes", "another": "It took an earlier version of the code"}
    for timed, words in by_digest.items():
        page = Page(pages_of({}, seconds=12.5, cores=2, timed=timed)["one.html"])
        assert f"{words} 12.5 s on 2 cores." in page.words


def test_text_from_data_and_files_is_escaped(pages_of):
    """A class may be called <script>, and so may a file, and a claim may name both."""
    tags = f"Claim: {NASTY}\n\nLook for: {NASTY}\n\n{NASTY}\n\nUse: {NASTY}\nSymptoms: {NASTY}"
    code = "def build_tunable(hp):\n    return '<script>'\n"
    source = f"'''{NASTY}?\n\n{tags}\nTopic: {NASTY}\n'''\n{code}"
    pages = pages_of({NASTY: [claim(NASTY, source=NASTY, primary=True)]}, source)
    for name in ("index.html", "claims.html", "one.html"):
        assert pages[name].count("<script") == 1  # the site's own
        assert NASTY in Page(pages[name]).text


def test_an_old_site_is_replaced(built):
    (built / "old.html").write_text("old")
    site.build(built)
    assert not (built / "old.html").exists()
    assert (built / "index.html").exists()
    assert [path.name for path in built.parent.iterdir()] == [built.name]


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


def test_every_page_opens_without_an_error(browser, served, built):
    for page in sorted(built.glob("*.html")):
        browser.open(f"{served}/{page.name}")
        browser.wait_for("Recipes", "Textbook claims, checked")
        browser.evaluate(f"{LOADED}.then(() => 0)")
        assert browser.evaluate(BROKEN) == []
        # On a phone nothing but tables and code, in boxes of their own, scrolls sideways.
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.errors == []


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
        "while (document.readyState != 'complete') await pause();"  # its script has run
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
