"""The map in a real browser: what a click, a key and a screen reader make of it."""

import os
from pathlib import Path

import pytest

from ..conftest import invocation_id
from . import systems
from .storefront import storefront
from .webdriver import CHROMIUM, DRIVER, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the PATH"),
]

PICTURES = Path(os.environ["PICTURES"]).absolute() if "PICTURES" in os.environ else None
PARCELS = "#map .place[data-fn=parcels]"
ORDERS_TO_BILLING = "#map .line.failing .grip"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        browser.resize(1600, 1100)
        yield browser


@pytest.fixture
def page(browser, lambda_guard, write, tmp_path):
    """Open the page of the storefront's trace."""
    page = tmp_path / "trace.html"
    assert lambda_guard("trace", "7d1f-order", write(storefront()), "--html", str(page)).returncode == 0
    browser.open(page)
    return page


def rows(browser):
    return [text.split(" ")[0].removeprefix("↻") or "↻" for text in browser.texts("#list .row .text")]


def pressed(browser):
    return browser.run(
        "return [...document.querySelectorAll('#map [aria-pressed=true] title')].map((one) => one.textContent.split(',')[0])"
    )


def test_a_click_on_a_function_leaves_its_invocations(browser, page):
    """A second click brings the others back; the choice is the same one as that of the list of functions."""
    browser.click(PARCELS)
    assert rows(browser) == ["parcels"]
    assert pressed(browser) == ["function parcels"]
    assert browser.run("return document.getElementById('function').value") == "parcels"
    browser.click(PARCELS)
    assert len(rows(browser)) == 9
    assert pressed(browser) == []
    browser.run(
        "const at = document.getElementById('function'); at.value = 'mailer'; at.dispatchEvent(new Event('change'))"
    )
    assert pressed(browser) == ["function mailer"]
    assert browser.console() == []


def test_a_function_has_one_colour(browser, lambda_guard, write, tmp_path):
    """That of its bar is the map's, also where the map has a function whose log isn't there."""
    story = systems.Story()
    calls = [f"arn:aws:lambda:eu-west-1:123456789012:function:{name}" for name in ("absent", "mailer")]
    story.runs("mailer", after=story.runs("checkout", sends=calls)[1:])
    page = tmp_path / "colours.html"
    assert lambda_guard("invocations", write(story.lines), "--html", str(page)).returncode == 0
    browser.open(page)
    hues = """
        const hue = (one) => getComputedStyle(one).getPropertyValue('--hue').trim();
        const of_bars = [...document.querySelectorAll('#list .row')].map((row) =>
            [row.querySelector('.text').textContent.split(' ')[0], hue(row.querySelector('.bar'))]);
        const of_map = [...document.querySelectorAll('#map [data-fn]')].map((one) => [one.dataset.fn, hue(one.querySelector('.own'))]);
        return [Object.fromEntries(of_bars), Object.fromEntries(of_map)]"""
    of_bars, of_map = browser.run(hues)
    assert of_bars == of_map
    assert len(set(of_bars.values())) == len(of_bars) == 2


def test_a_click_on_a_line_leaves_what_went_along_it(browser, page):
    """Between a queue and its function: the attempts; what the line is connected with stays bright."""
    number = browser.run(
        "const line = [...document.querySelectorAll('#map .line')].find((one) => one.textContent.startsWith('SQS queue orders →'));"
        "line.querySelector('text').dispatchEvent(new MouseEvent('click', { bubbles: true })); return line.dataset.on"
    )
    assert rows(browser) == ["billing", "↻", "dead-letter"]
    assert browser.run("return document.querySelectorAll('#map .near').length") == 3
    assert (
        browser.run("return getComputedStyle(document.querySelector('#map .place:not(.near)')).opacity")
        == "0.28"
    )
    assert browser.run("return location.hash").endswith(f"&on={number}")


def test_a_click_on_a_dead_letter_queue_leaves_who_put_in_and_who_took_out(browser, page):
    """Where do messages end, and why: the last attempt, and the rescue."""
    browser.click("#map .place.dead")
    assert rows(browser) == ["↻", "dead-letter", "order-rescue"]
    assert pressed(browser) == ["dead-letter queue orders-dead"]


def test_keys_alone_reach_choose_and_clear(browser, page):
    """Tab leads from part to part, Enter and space choose, Escape clears."""
    browser.run("document.querySelector('#system summary').focus()")
    for _ in range(4):
        browser.press("Tab")
    focused = "return document.activeElement.querySelector('title').textContent"
    assert browser.run(focused) == "HTTP API shop"
    browser.press("Tab")
    assert browser.run(focused).startswith("function billing")
    browser.press("Enter")
    assert rows(browser) == ["billing", "↻", "dead-letter"]
    browser.press("Escape")
    assert len(rows(browser)) == 9
    browser.run("document.querySelector(arguments[0]).focus()", PARCELS)
    browser.press(" ")
    assert rows(browser) == ["parcels"]
    assert browser.run("return document.activeElement.dataset.fn") == "parcels"


def test_a_screen_reader_hears_what_a_part_is_and_finds_tables(browser, page):
    """A role, a name and a state; the tables have the same facts, and buttons that choose the same."""
    assert browser.hears(PARCELS) == ("button", "function parcels, 1 invocation, 1 failed, ran 200 ms")
    assert browser.hears("#map") == (
        "group",
        "Map of the system: 6 functions, 2 of them failed, 1 message went to a dead-letter queue",
    )
    browser.click("#tables summary")
    assert browser.texts("#tables tbody tr:first-child td")[:6] == ["billing", "2", "2", "", "88 ms", "96 ms"]
    browser.click("#tables button[data-fn=parcels]")
    assert rows(browser) == ["parcels"]
    assert pressed(browser) == ["function parcels"]
    browser.press("Escape")
    assert rows(browser)[0] == "checkout"


def test_it_can_be_made_larger_and_smaller(browser, page):
    """By buttons, and by keys while the map has the focus; all of it fits where that is asked for."""
    width = "return document.getElementById('map').getBoundingClientRect().width"
    before = browser.run(width)
    browser.click("[data-zoom=in]")
    assert browser.run(width) == pytest.approx(before * 1.25, rel=0.01)
    browser.run("document.querySelector(arguments[0]).focus()", PARCELS)
    browser.press("-")
    browser.press("-")
    assert browser.run(width) == pytest.approx(before / 1.25, rel=0.01)
    browser.press("+")
    browser.press("+", "+", "+")
    browser.press("0")
    fits = "const map = document.getElementById('map').getBoundingClientRect(), room = document.getElementById('canvas');"
    assert browser.run(f"{fits} return map.width <= room.clientWidth && map.height <= room.clientHeight")
    assert len(rows(browser)) == 9


def test_a_link_leads_to_the_page_as_it_is_now(browser, page):
    """What is chosen and what is looked for stand in the address; a link with nonsense leads to the whole page."""
    browser.run(
        "Object.defineProperty(navigator, 'clipboard',"
        " { configurable: true, value: { writeText: async (text) => { window.copied = text; } } })"
    )
    browser.click("#map .place.dead")
    browser.type("#search", "asked for another")
    browser.click("#link")
    browser.settle()
    assert browser.texts("#link") == ["copied"]
    link = browser.run("return window.copied")
    browser.open("/dev/null")
    browser.visit(link)
    browser.settle()
    assert rows(browser) == ["order-rescue"]
    assert browser.run("return document.getElementById('search').value") == "asked for another"
    assert pressed(browser) == ["dead-letter queue orders-dead"]
    browser.open("/dev/null")
    browser.open(page, f"#{invocation_id(6)}&on=99&fn=nobody&level=7&cause=none&failed=x")
    assert len(rows(browser)) == 9
    assert browser.texts(".verdict")[0].startswith("parcels")
    assert browser.console() == []


def test_the_way_of_the_chosen_invocation_is_marked(browser, page):
    """Where in the system is this one? The lines that it came and went along are thicker."""
    browser.click("#row-0")
    lit = "return [...document.querySelectorAll('#map .line.lit title')].map((one) => one.textContent.split(':')[0]).sort()"
    assert browser.run(lit) == [
        "HTTP API shop → function checkout",
        "function checkout → SNS topic order-events",
        "function checkout → SQS queue orders",
    ]


def test_bars_show_cold_starts_and_the_end_in_the_dead_letter_queue(browser, page):
    """A cold start stands before its bar, a dead-letter queue is a row below the last attempt, and the legend names both."""
    cold = browser.run(
        "const [init, bar] = ['.init', '.bar'].map((one) => document.querySelector('#row-0 ' + one).getBoundingClientRect());"
        "return [Math.abs(init.right - bar.left) < 2, init.width / bar.width]"
    )
    assert cold[0]
    assert cold[1] == pytest.approx(412 / 182, rel=0.05)
    assert browser.texts(".row.died .text") == ["dead-letter queue orders-dead message 7d1f-order"]
    browser.click(".row.died")
    assert browser.texts(".facts li")[-2:] == ["attempt 2, the last", "left2.91 s"]
    assert "cold start" in browser.texts("#overview > .legend")[0]


def test_a_part_of_the_time_can_be_looked_at(browser, page):
    """Dragged over on the axis, or by keys around the chosen bar: with more and rounder moments, and back to all of it."""
    share = (
        "const bar = document.querySelector('#row-4 .bar').getBoundingClientRect(), track = document.querySelector('#row-4 .track')"
        ".getBoundingClientRect(); return [bar.width / track.width, (bar.left + bar.right - track.left - track.right) / 2 / track.width]"
    )
    browser.click("#row-4")
    before, _ = browser.run(share)
    browser.press("+", "+", "+")
    width, off_the_middle = browser.run(share)
    assert width == pytest.approx(8 * before, rel=0.05)
    assert abs(off_the_middle) < 0.05
    ticks = browser.texts("#ticks span:not(.crowded)")
    assert len(ticks) > 2
    assert set(ticks) <= {f"{ms} ms" for ms in range(600, 760, 10)}
    browser.click("#whole")
    assert browser.run(share)[0] == pytest.approx(before, rel=0.01)
    browser.drag("#ticks", 0.0, 0.5)
    assert browser.run(share)[0] == pytest.approx(2 * before, rel=0.05)
    browser.press("0")
    assert browser.run("return document.getElementById('whole').hidden")
    browser.press("-")
    assert browser.run(share)[0] == pytest.approx(before, rel=0.01)
    assert browser.console() == []


def test_a_bar_shows_how_much_of_it_went_to_aws(browser, page):
    """By the times in the record: how long calls took is known, and not when they were made."""
    shares = browser.run(
        "return [...document.querySelectorAll('.row .bar')].map((bar) => bar.firstChild ? bar.firstChild.getBoundingClientRect().width"
        " / bar.getBoundingClientRect().width : 0)"
    )
    assert shares == pytest.approx([38.2 / 182, 27.9 / 75, 0, 0, 61.4 / 96, 61.4 / 88, 0, 0], abs=0.06)
    browser.click("#row-0")
    assert "in AWS calls38.2 ms" in browser.texts(".facts li")
    assert "\N{MIDDLE DOT} dynamodb PutItem orders, 38.2 ms" in browser.texts(".notes li")


def test_a_map_that_is_too_large_shows_what_is_looked_at(browser, lambda_guard, write, tmp_path):
    """Of thirty functions, that of the chosen invocation is in sight, from the beginning and after each choice."""
    page = tmp_path / "page.html"
    assert lambda_guard("invocations", write(systems.fan_out()), "--html", str(page)).returncode == 0
    browser.open(page)
    seen = (
        "const at = document.querySelector(`#map [data-fn=${arguments[0]}]`).getBoundingClientRect(), room ="
        " document.getElementById('canvas').getBoundingClientRect(); return at.top >= room.top && at.bottom <= room.bottom"
    )
    assert browser.run(seen, "consumer-00")
    assert not browser.run(seen, "consumer-25")
    browser.type("#search", "consumer-25")
    assert browser.run(seen, "consumer-25")


@pytest.mark.parametrize("lines", [systems.fan_out(), systems.circle(), systems.long_names()])
def test_a_system_of_any_shape_is_drawn(browser, lambda_guard, write, tmp_path, lines):
    """Thirty functions, circles, long names: nothing overlaps, and the page says nothing of errors."""
    page = tmp_path / "page.html"
    assert lambda_guard("invocations", write(lines), "--html", str(page)).returncode == 0
    browser.open(page)
    overlapping = browser.run(
        "const boxes = [...document.querySelectorAll('#map .place')].map((one) => one.querySelector('.box').getBoundingClientRect());"
        "return boxes.some((one, at) => boxes.slice(at + 1).some((other) => one.left < other.right && other.left < one.right"
        " && one.top < other.bottom && other.top < one.bottom))"
    )
    assert not overlapping
    spilling = browser.run(
        "return [...document.querySelectorAll('#map .place')].filter((one) => [...one.querySelectorAll('text')].some((text) =>"
        " text.getBoundingClientRect().right > one.querySelector('.box').getBoundingClientRect().right)).map((one) => one.textContent)"
    )
    assert spilling == []
    assert browser.console() == []


def test_traces_that_share_messages_are_called_a_group(browser, lambda_guard, write, tmp_path):
    """A batch joins traces: their heading says that they are several."""
    story = systems.Story()
    sent = []
    for number in (1, 2, 3):
        (message,) = story.runs("web", sends=["arn:aws:sqs:eu-west-1:123456789012:orders"])
        trace = f"1-6742a1b5-00000000000000000000000{number}"
        story.lines[-1] = story.lines[-1].replace(systems.LOGS_TRACE, trace)
        sent.append({**message, "trace": trace})
    story.runs("billing", after=sent)
    page = tmp_path / "page.html"
    assert lambda_guard("invocations", write(story.lines), "--html", str(page)).returncode == 0
    browser.open(page)
    assert browser.texts(".heading-row .text") == [
        "group of 3 traces that share messages, 1-6742a1b5-000000000000000000000001 …"
    ]


@pytest.mark.parametrize("width", [480, 960, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_can_be_looked_at_in_any_width_and_light(browser, page, width, theme):
    """The header, the map's tools and its text stay apart; PICTURES in the environment names a folder for pictures."""
    browser.resize(width, 900)
    browser.emulate(prefers_color_scheme=theme)
    browser.open("/dev/null")
    browser.open(page)
    scrolls = browser.run("return document.documentElement.scrollWidth > innerWidth")
    covered = browser.run(
        "const [tools, said] = ['#system .tools', '#system > summary'].map((one) => document.querySelector(one).getBoundingClientRect());"
        "return said.right > tools.left && said.bottom > tools.top"
    )
    picture = browser.screenshot()
    if PICTURES:
        (PICTURES / f"map-{width}-{theme}.png").write_bytes(picture)
    browser.resize(1600, 1100)
    browser.emulate(prefers_color_scheme="light")
    assert (scrolls, covered) == (False, False)
    assert picture.startswith(b"\x89PNG")
