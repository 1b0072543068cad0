"""README's pictures: they are of a real run, their facts are facts, and they need nothing from elsewhere."""

import importlib.util
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
SVG = "{http://www.w3.org/2000/svg}"
pytest.importorskip("termios", reason="the demo runs in a terminal of its own: not on Windows")
ROW = re.compile(r"[✓✗◐] (?:[├└]─ )?((?:↻ )?\w+):\$LATEST")
ERROR = re.compile(
    r"message [0-9a-f-]{36}: (\w+: .*)|(→ dead-letter queue)|✗ (ValueError: .*?)  #([0-9a-f]{16})"
)


@pytest.fixture(scope="module")
def picture():
    """Return the module that draws the pictures."""
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "site" / "picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(svg):
    """Return the lines of the terminal that a picture shows."""
    rows = {}
    for text in ET.fromstring(svg).iter(f"{SVG}text"):
        rows.setdefault(float(text.get("y")), []).append((float(text.get("x")), text.text))
    return ["".join(text for _, text in sorted(row)).replace("\xa0", " ") for _, row in sorted(rows.items())]


def told(lines):
    """Return what a run's lines tell, without what each run has of its own: commands, rows, errors."""
    found = []
    for line in lines:
        command = re.match(r"\$ .*", line)
        found += [re.sub(r"1-[0-9a-f]{8}-[0-9a-f]{24}", "TRACE", command[0]).strip()] if command else []
        found += [ROW.match(line)[1]] if ROW.match(line) else []
        found += [part for error in ERROR.finditer(line) for part in error.groups() if part]
    return found


def mapped(svg):
    """Return what a map tells, but for times and the number of batches and cold starts, which differ from run to run."""
    titles = [title.text for title in ET.fromstring(svg).iter(f"{SVG}title")]
    return [
        re.sub(r"(, ran|, under way).*|, \d+ cold starts?|, \d+ invocations?|\d+ delivered again", "", one)
        for one in titles
    ]


@pytest.mark.skipif("SITE_PYTHON" not in os.environ, reason="runs the demo: make test-docs")
def test_the_demo_prints_what_the_picture_shows(picture):
    """The commands, the invocations, the errors with their fingerprints: as in a run of now, where others may be first.

    So does the map: its places, and how many messages went and failed; times are each run's own.
    """
    now = picture.draw(picture.shown(picture.demo()))
    then = (IMAGES / "demo.svg").read_text()
    assert sorted(told(lines(then))) == sorted(told(lines(now)))
    assert mapped((IMAGES / "map.svg").read_text()) == mapped(picture.demo_map())
    assert [told(lines(now)).count(row) for row in ("orders", "billing", "shipping", "↻ shipping")] == [
        1,
        1,
        1,
        2,
    ]


def test_it_moves_and_can_stand_still():
    """Each line is drawn after the one before; who wants less motion sees all of it at once."""
    svg = (IMAGES / "demo.svg").read_text()
    moving = svg.partition("@media not (prefers-reduced-motion: reduce) {")[2].partition("</style>")[0]
    delays = [float(delay) for delay in re.findall(r"animation-delay: ([\d.]+)s", moving)]
    assert svg.count("animation") == moving.count("animation")
    assert len(delays) == svg.count("<clipPath")
    assert delays == sorted(delays)
    assert 5 < delays[-1] < 20


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_loads_nothing_and_says_what_it_shows(path):
    """No script, no font, no address but the name of the format; a title for who can't see it; small."""
    svg = path.read_text()
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]
    assert re.findall(r"<script|@font-face|@import|xlink|data:|url\((?!#)", svg) == []
    assert ET.fromstring(svg).find(f"{SVG}title").text
    assert path.stat().st_size < 50_000


def test_the_badges_are_facts_of_the_project(picture):
    """Each badge is what pyproject.toml says today, and what its text in README says."""
    drawn = picture.badges()
    assert {path.stem: path.read_text() for path in IMAGES.glob("badge-*.svg")} == drawn
    readme = re.findall(r"!\[([^]]*)\]\(docs/images/(badge-\w+)\.svg\)", (ROOT / "README.md").read_text())
    assert [name for _, name in readme] == list(drawn)
    for text, name in readme:
        [title] = re.findall("<title>(.*)</title>", drawn[name])
        assert text.lower() == title.lower().replace("python: ", "python ")
