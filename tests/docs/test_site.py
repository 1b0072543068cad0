"""The documentation as a site, as `make test-docs` builds it: nothing missing, nothing far, nothing from the network."""

import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from ..tools.logs.webdriver import CHROMIUM, DRIVER, Browser

PYTHON = os.environ.get("SITE_PYTHON")
PICTURES = Path(os.environ["PICTURES"]).absolute() if "PICTURES" in os.environ else None
ROOT = Path(__file__).parents[2]
WIDTHS = {"desktop": 1360, "phone": 390}
VISIBLE = """
    const seen = (link) => link.checkVisibility({ visibilityProperty: true, opacityProperty: true })
    return [...document.querySelectorAll("a[href]")].filter(seen).map((link) => link.href)
"""
FETCHED = """
    const names = performance.getEntriesByType("resource").map((one) => one.name)
    return names.filter((name) => !/^(file|data|blob):/.test(name))
"""
FOUND = """
    return new Promise((done) => {
        const look = () => {
            const roots = [...document.querySelectorAll("*")].map((one) => one.shadowRoot).filter(Boolean)
            const link = roots.map((root) => root.querySelector("a[href*='?h=']")).find(Boolean)
            link ? done(link.href) : requestAnimationFrame(look)
        }
        look()
    })
"""

pytestmark = pytest.mark.skipif(not PYTHON, reason="needs the site's builder: make test-docs")
in_chromium = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver")


def build(root, folder="build/site"):
    """Build the site of a checkout into a folder of it; the finished process."""
    command = [PYTHON, "docs/site/build.py", str(root / folder)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """Return a copy of what the site is made of."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("docs", "examples", "tests", "benchmarks", "src"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (*ROOT.glob("*.md"), ROOT / "LICENSE", ROOT / "Makefile", ROOT / "pyproject.toml"):
        shutil.copy(file, root)
    return root


@pytest.fixture(scope="module")
def site(checkout):
    """Return the folder of the built site."""
    built = build(checkout)
    assert built.returncode == 0, built.stdout + built.stderr
    return checkout / "build" / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


class Page(HTMLParser):
    """A page of the site: what it links to, what it loads, and which anchors it has."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.anchors = [], [], set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors |= {attributes[name] for name in ("id", "name") if attributes.get(name)}
        if tag == "a":
            self.links.append(attributes.get("href") or "")
        elif attributes.get("rel") != "canonical":
            self.loads += [attributes[name] for name in ("src", "href", "srcset") if attributes.get(name)]


def pages(site):
    return {path: Page(path) for path in site.rglob("*.html") if path.name != "404.html"}


def own_links(path, page):
    """Return the page's links that stay on the site, as files and anchors."""
    links = [urlsplit(link) for link in page.links]
    own = [link for link in links if not (link.scheme or link.netloc)]
    return [
        (path.parent.joinpath(unquote(link.path)).resolve() if link.path else path, link.fragment)
        for link in own
    ]


def test_every_page_of_the_repository_is_a_page_of_the_site(site):
    """README is the first one; each Markdown file of the root and of `docs` is another, without a second copy."""
    sources = {path.name.lower() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]} - {"readme.md"}
    assert {path.name for path in site.glob("*.html")} == {
        "index.html",
        "404.html",
        *(name.replace(".md", ".html") for name in sources),
    }


def test_every_link_leads_to_a_page_and_a_section(site):
    """In the HTML, whatever the builder has checked: each file is there, each anchor is on its page."""
    built = pages(site)
    broken = [
        (path.name, target.name, anchor)
        for path, page in built.items()
        for target, anchor in own_links(path, page)
        if not target.exists()
        or (anchor and target in built and unquote(anchor) not in built[target].anchors)
    ]
    assert broken == []


def test_the_first_pages_list_is_nested(site):
    """The tasks stand below "How to", as on the README's page: GitHub and the site's builder differ in what is nested."""
    html = (site / "index.html").read_text(encoding="utf-8")
    assert re.search(r"<strong>How to</strong>\s*<ul>\s*<li>handle what comes in", html)


def test_nothing_is_loaded_from_elsewhere(site):
    """No font, no script, no picture: what a page or a style sheet loads is a file of the site."""
    for path, page in pages(site).items():
        for load in page.loads:
            link = urlsplit(load)
            assert (link.scheme or "data", link.netloc) == ("data", ""), (path.name, load)
            assert link.scheme or (path.parent / unquote(link.path)).exists(), (path.name, load)
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)]*", style.read_text()) == []


@in_chromium
@pytest.mark.parametrize("device", WIDTHS)
def test_each_page_is_two_clicks_from_the_first(device, site, browser):
    """By links that can be seen, on a desktop and on a phone, where the menu stays shut."""
    browser.resize(WIDTHS[device])
    wanted = {path for path in site.glob("*.html") if path.name != "404.html"}
    reached, front = {site / "index.html"}, [site / "index.html"]
    for _ in range(2):
        seen = {target for page in front for target in visible(browser, page)} if wanted - reached else set()
        front = sorted(seen - reached)
        reached |= seen
    assert wanted - reached == set()


@in_chromium
def test_each_page_stands_on_its_own(site, browser):
    """On a phone no page is wider than it, complains, or asks the network for anything."""
    browser.resize(WIDTHS["phone"])
    for page in sorted(set(site.glob("*.html")) - {site / "404.html"}):
        browser.open(page)
        assert browser.run(FETCHED) == [], page.name
        assert browser.console() == [], page.name
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth"), page.name


def visible(browser, page):
    """Return the pages that the visible links of a page lead to."""
    browser.open(page)
    links = [urlsplit(link) for link in browser.run(VISIBLE)]
    return {Path(unquote(link.path)) for link in links if link.scheme == "file"}


@in_chromium
def test_the_search_finds_without_a_server(site, browser):
    """Opened from a file, the site finds a word of a page, and leads there."""
    browser.resize(WIDTHS["desktop"])
    browser.open(site / "index.html")
    browser.press("/")
    for letter in "redrive":
        browser.press(letter)
    page = Path(unquote(urlsplit(browser.run(FOUND)).path))
    assert "redrive" in page.read_text().lower()


@in_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("device", WIDTHS)
def test_it_follows_the_readers_colours(scheme, device, site, browser):
    """Light or dark, as the system says, wide or narrow; PICTURES=folder keeps what was seen."""
    browser.resize(WIDTHS[device])
    browser.emulate(prefers_color_scheme=scheme)
    browser.open(site / "index.html")
    shade = browser.run(
        "return getComputedStyle(document.body).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number)"
    )
    assert all(one < 60 for one in shade) if scheme == "dark" else all(one > 200 for one in shade)
    if PICTURES:
        (PICTURES / f"site-{device}-{scheme}.png").write_bytes(browser.screenshot())


@pytest.mark.parametrize(
    ("page", "link", "complaint"),
    [
        ("docs/why.md", "recordz.md", "docs/why.md links to recordz.md, which doesn't exist"),
        ("docs/why.md", "records.md#no-such-section", "anchor does not exist"),
        ("docs/why.md", "../tests/test_gone.py", "docs/why.md links to ../tests/test_gone.py, which"),
        ("README.md", "docs/quick.md", "README.md links to docs/quick.md, which doesn't exist"),
    ],
    ids=["page", "section", "source", "navigation"],
)
def test_what_is_missing_stops_the_build(page, link, complaint, checkout, site):
    """A link to what isn't there: status 1, and a line that names it; the site that was there stays."""
    file = checkout / page
    text = file.read_text()
    file.write_text(f"{text}\n- **Why**: [There]({link})\n")
    try:
        built = build(checkout)
    finally:
        file.write_text(text)
    assert built.returncode == 1, built.stdout
    assert complaint in built.stdout + built.stderr
    assert (site / "index.html").exists()


def test_a_page_that_nobody_named_is_found_all_the_same(checkout, tmp_path):
    """A new page of `docs` stands under More, and a line says that README doesn't name it."""
    file = checkout / "docs" / "brand-new.md"
    file.write_text("# Brand new\n\nWords.\n")
    try:
        built = build(checkout, tmp_path)
    finally:
        file.unlink()
    assert built.returncode == 0
    assert "README's section Documentation doesn't name brand-new.md" in built.stdout
    assert "brand-new.html" in " ".join(Page(tmp_path / "batches.html").links)
