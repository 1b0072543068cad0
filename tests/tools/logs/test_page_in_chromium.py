"""The page in a real browser: what a reader sees and does there."""

import os
from pathlib import Path

import pytest

from ..conftest import Logs, invocation_id
from .storefront import storefront
from .webdriver import CHROMIUM, DRIVER, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver on the PATH"),
]

LOGS = Logs()
PICTURES = Path(os.environ["PICTURES"]).absolute() if "PICTURES" in os.environ else None
ATTACK = "</script><script>window.caught = 1</script><img src=x onerror='window.caught = 2'>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def trace_page(browser, lambda_guard, shop, tmp_path):
    """Open the page of the shop's trace."""
    page = tmp_path / "trace.html"
    assert lambda_guard("trace", "m-1", *shop, "--html", str(page)).returncode == 0
    browser.open(page)
    return page


def names(browser):
    return browser.texts("#list .row .text")


def test_the_waterfall_and_the_first_failure_are_there_at_once(browser, trace_page):
    """One looks, and sees: all rows in their order, and the first that failed with its error and its lines."""
    assert names(browser) == [
        "orders apigateway shop",
        "billing sqs orders · attempt 1",
        "↻ billing sqs orders · attempt 2, the last",
        "dead-letter queue orders-dead message m-1",
        "rescue dead letter · sqs orders-dead",
    ]
    assert browser.texts("#title") == ["Trace 1-6742a1b5-0123456789abcdef01234567"]
    assert browser.texts("#summary") == [
        "4 invocations · 2 failed · 3 functions · 2026-11-23 15:04:05.000 UTC, 760 ms"
    ]
    assert browser.texts(".error strong") == ["PaymentRefused: card declined"]
    assert browser.texts(".error li") == ["billing.py:14 in handler", "billing.py:30 in charge"]
    assert browser.texts(".entry .what") == ["charging  amount=12.5  message_id=m-1"]
    assert browser.console() == []


def test_a_link_leads_to_its_invocation_and_a_broken_one_to_the_page(browser, trace_page):
    """Mail programs cut links: what is left of one must not leave the page empty."""
    for link, chosen in ((f"#{invocation_id(4)}", "rescue"), ("#%E0", "billing")):
        browser.open("/dev/null")
        browser.open(trace_page, link)
        assert browser.texts(".verdict")[0].startswith(chosen)
        assert len(names(browser)) == 5


def test_a_click_shows_that_invocation(browser, trace_page):
    """The lines stand beside the waterfall, for the row that was clicked."""
    browser.click("#row-4")
    assert browser.texts(".verdict .badge") == ["SUCCESS"]
    assert browser.texts(".entry .what") == ["looking into it"]
    assert browser.run("return location.hash") == f"#{invocation_id(4)}"


def test_the_pointer_over_a_bar_tells_what_it_is(browser, trace_page):
    """Hovering needs no click."""
    browser.hover("#row-1 .bar")
    assert browser.texts("#tip span") == [
        "2026-11-23 15:04:05.100 UTC",
        "queued 90 ms",
        invocation_id(2),
        "PaymentRefused: card declined",
    ]
    browser.hover("#row-4 .text")
    assert browser.texts("#tip strong") == ["rescue · success · 60 ms"]


def test_keys_do_what_the_mouse_does(browser, trace_page):
    """Move, fold, jump to failures, search and clear, with no mouse."""

    def chosen():
        return browser.texts("#list .row[aria-selected=true] .text")

    browser.press("Down")
    assert chosen() == ["↻ billing sqs orders · attempt 2, the last"]
    browser.press("p")
    assert chosen() == ["billing sqs orders · attempt 1"]
    browser.press("Left")
    assert chosen() == ["orders apigateway shop"]
    browser.press("Left")
    assert names(browser) == ["orders apigateway shop"]
    browser.press("Right")
    assert len(names(browser)) == 5
    browser.press("/", *"looking")
    assert names(browser) == ["rescue dead letter · sqs orders-dead"]
    browser.press("Escape")
    assert len(names(browser)) == 5


def test_the_table_of_causes_selects(browser, lambda_guard, logs, write, tmp_path):
    """A click on a cause leaves its failures, a second one brings the others back; the example is chosen."""
    error = {"type": "PaymentRefused", "message": "declined", "fingerprint": "1f2e"}
    lines = [
        logs.record(number, 9 * number, 5.0, function=function, outcome="error", error=told)
        for number, function, told in (
            (1, "billing", error),
            (2, "orders", {**error, "type": "KeyError", "fingerprint": "0a"}),
            (3, "billing", error),
        )
    ]
    page = tmp_path / "page.html"
    lambda_guard("invocations", write(lines), "--by", "cause", "--html", str(page))
    browser.open(page)
    assert browser.texts("#causes summary") == ["What failed, and why: 2 causes"]
    assert [text.split(" #")[0] for text in browser.texts("#causes td:nth-child(2)")] == [
        "PaymentRefused: declined",
        "KeyError: declined",
    ]
    assert browser.texts("#causes td:first-child") == ["2", "1"]
    browser.click("#causes tr:nth-child(2) button")
    assert len(names(browser)) == 1
    browser.click("#causes tr:nth-child(2) button")
    assert len(names(browser)) == 3
    browser.click("#causes tr:first-child td:last-child button")
    assert len(names(browser)) == 2
    assert browser.run("return location.hash") == f"#{invocation_id(3)}&cause=1f2e"
    assert browser.console() == []


@pytest.mark.parametrize(
    "clipboard",
    ["undefined", "{ writeText: () => Promise.reject(new DOMException('', 'NotAllowedError')) }"],
    ids=["none", "refused"],
)
def test_an_id_that_is_not_copied_is_selected(browser, trace_page, clipboard):
    """Where the browser lets no page at its clipboard, the hand finds the whole id ready to be copied."""
    browser.run(
        f"Object.defineProperty(navigator, 'clipboard', {{ configurable: true, value: {clipboard} }})"
    )
    browser.click(".ids .copy")
    browser.settle()
    assert browser.texts(".ids .copy")[0] == "not copied, but selected"
    assert browser.run("return getSelection().toString()") == invocation_id(2)
    assert browser.console() == []


def test_an_id_that_is_copied_is_said_to_be(browser, trace_page):
    """The button says so, for a moment."""
    browser.run(
        "Object.defineProperty(navigator, 'clipboard',"
        " { configurable: true, value: { writeText: async (text) => { window.copied = text; } } })"
    )
    browser.click(".ids .copy")
    browser.settle()
    assert browser.texts(".ids .copy")[0] == "copied"
    assert browser.run("return window.copied") == invocation_id(2)


def test_search_and_filters_narrow_the_rows(browser, trace_page):
    """By any word of a line, a field or an error; by function, by level, by failure."""
    browser.type("#search", "o-17")
    assert names(browser) == ["orders apigateway shop"]
    assert browser.texts(".entry mark") == ["o-17"]
    browser.press("Escape")
    browser.run(
        "const at = document.getElementById('function'); at.value = 'billing'; at.dispatchEvent(new Event('change'))"
    )
    assert len(names(browser)) == 3
    browser.press("Escape")
    browser.run(
        "const at = document.getElementById('level'); at.value = '30'; at.dispatchEvent(new Event('change'))"
    )
    assert [name.split()[0] for name in names(browser)] == ["billing", "↻", "dead-letter", "rescue"]
    browser.press("Escape")
    browser.click("#failed")
    assert browser.texts("#summary")[0].startswith("2 of 4 invocations · 2 failed")
    browser.press("Escape")
    browser.type("#search", "there is no such thing")
    assert (names(browser), browser.run("return document.getElementById('nothing').hidden")) == ([], False)


def test_a_log_line_with_markup_stays_text(browser, lambda_guard, write, tmp_path):
    """Whatever stands in a message, a field's name or value, an error, an id or a file's name: it is shown, not run."""
    error = {"type": ATTACK, "message": ATTACK, "stack": [ATTACK], "fingerprint": ATTACK}
    lines = [
        LOGS.line(1, 0, ATTACK, level=ATTACK, function=ATTACK, exception=ATTACK, **{ATTACK: ATTACK}),
        LOGS.record(
            1,
            5,
            5.0,
            outcome="error",
            function=ATTACK,
            error=error,
            trigger={"type": ATTACK, "source": ATTACK},
        ),
        ATTACK,
    ]
    page = tmp_path / "attack.html"
    assert lambda_guard("invocations", write(lines), "--html", str(page)).returncode == 0
    browser.open(page)
    assert ATTACK in browser.texts(".entry .what")[0]
    assert browser.texts(".error li") == [ATTACK]
    browser.press("Down")
    browser.press("Down")
    assert browser.run("return window.caught === undefined") is True
    assert browser.run("return document.querySelectorAll('script').length") == 2
    assert browser.run("return document.querySelectorAll('img').length") == 0
    assert browser.run(
        "return [...document.querySelectorAll('#map title')].map((one) => one.textContent)"
    ) == [
        f"{ATTACK} {ATTACK} → {f'function {ATTACK}'}: 1 event, 1 failed",
        f"{ATTACK} {ATTACK}",
        f"function {ATTACK}, 1 invocation, 1 failed, ran 5 ms",
    ]
    cells = "return [...document.querySelectorAll('#tables td:first-child')].map((one) => one.textContent)"
    assert browser.run(cells) == [ATTACK, f"{ATTACK} {ATTACK}"]
    assert browser.console() == []


def test_the_page_asks_nobody_for_anything(browser, trace_page):
    """Self-contained: no request leaves the page, and its policy would not let one."""
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    refused = browser.run(
        "return new Promise((done) => { document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));"
        " fetch('http://127.0.0.1:9/').catch(() => {}); })"
    )
    assert refused == "connect-src"
    browser.console()


def test_light_and_dark_follow_the_system_until_one_chooses(browser, trace_page):
    """The system's preference decides; the button overrules it."""
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser.emulate(prefers_color_scheme="dark")
    assert browser.run(ground) == "rgb(18, 21, 26)"
    browser.click("#theme")
    assert browser.run(ground) == "rgb(255, 255, 255)"
    browser.emulate(prefers_color_scheme="light")


def test_paper_gets_everything(browser, trace_page):
    """Printing lays out each shown invocation with its lines, not only what is in sight."""
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return document.querySelectorAll('#print .row').length") == 5
    assert browser.run("return document.querySelectorAll('#print article .entry').length") == 4
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run("return document.querySelectorAll('#print *').length") == 0


def test_paper_has_a_time_axis_above_each_trace(browser, lambda_guard, shop, write, tmp_path):
    """As the screen has it for the chosen one; where labels would stand on each other, some are left out."""
    other = {"trace": "1-6742a1b5-0123456789abcdef0123aaaa", "function": "other"}
    span = {"span_id": "dddddddddddddd00"}
    called = {"parent_id": "dddddddddddddd00"}
    lines = [LOGS.record(8, 300, 300.0, **span, **other), LOGS.record(9, 90_000, 10.0, **called, **other)]
    page = tmp_path / "paper.html"
    assert lambda_guard("invocations", *shop, write(lines), "--html", str(page)).returncode == 0
    browser.open(page)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert browser.run("return [...document.querySelectorAll('#print > *')].map((one) => one.classList[0] || one.tagName)") == [
        *["row", "axis", "row", "row", "row", "row", "row"],
        *["row", "axis", "row", "row"],
        *["ARTICLE"] * 6,
    ]  # fmt: skip
    labels = "return [...document.querySelectorAll(arguments[0])].map((one) => one.textContent)"
    assert browser.run(labels, "#print .axis:nth-child(2) .ticks span") == browser.run(labels, "#ticks span")
    assert {"⋯ 1m 30s", "0", "100 ms"} <= set(browser.run(labels, "#print .axis:nth-child(9) .ticks span"))
    assert browser.run(
        "const boxes = [...document.querySelectorAll('#print .axis:nth-child(2) .ticks span:not(.crowded)')]"
        ".map((one) => one.getBoundingClientRect()).sort((one, other) => one.left - other.left);"
        "return boxes.length > 1 && boxes.every((box, at) => !at || boxes[at - 1].right < box.left)"
    )
    browser.run("dispatchEvent(new Event('afterprint'))")


def test_two_thousand_invocations_keep_the_document_small(browser, lambda_guard, write, tmp_path):
    """Only the rows in sight exist, however many there are; the last can be reached, and searched for."""
    lines = []
    for number in range(1, 2001):
        trace = f"1-6742a1b5-{number // 4:024x}"
        lines += [
            LOGS.line(number, number * 10 + step, f"step {step} of {number}", trace=trace)
            for step in range(9)
        ]
        lines.append(LOGS.record(number, number * 10 + 9, 9.0, trace=trace))
    page = tmp_path / "many.html"
    assert lambda_guard("invocations", write(lines), "--html", str(page), timeout=240).returncode == 0
    browser.open(page)
    count = "return document.querySelectorAll('#list .row').length"
    assert 10 < browser.run(count) < 100
    browser.run(
        "const list = document.getElementById('list'); list.scrollTop = list.scrollHeight; list.dispatchEvent(new Event('scroll'))"
    )
    browser.settle()
    assert 10 < browser.run(count) < 100
    browser.type("#search", "step 3 of 1999")
    assert browser.texts("#summary")[0].startswith("1 of 2,000 invocations")


def test_the_window_can_be_looked_at(browser, lambda_guard, write, tmp_path):
    """Take the pictures that the README shows; PICTURES in the environment names the folder to keep them in."""
    page = tmp_path / "storefront.html"
    write(storefront(), "shop.log")
    assert lambda_guard("trace", "7d1f-order", "shop.log", "--html", str(page), cwd=tmp_path).returncode == 0
    folder = PICTURES or tmp_path
    browser.resize(1360, 760)
    for theme in ("light", "dark"):
        browser.open(page)
        browser.emulate(prefers_color_scheme=theme)
        browser.click("#row-4")
        picture = folder / f"trace-{theme}.png"
        picture.write_bytes(browser.screenshot())
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size > 20_000
    browser.emulate(prefers_color_scheme="light")
    browser.resize(1360, 1000)
    assert names(browser)[0] == "checkout apigateway-v2 shop"


def test_a_suspension_has_a_colour_of_its_own(browser, lambda_guard, write, tmp_path):
    """Neither that of a failure nor that of success, and the filter of failures leaves it out."""
    path = write([LOGS.record(1, 5, 5.0, outcome="suspended", durable={"execution": "arn", "name": "o-7"})])
    page = tmp_path / "suspended.html"
    assert lambda_guard("invocations", path, "--html", str(page)).returncode == 0
    browser.open(page)
    assert browser.texts(".badge.suspended") == ["SUSPENDED"]
    assert "execution o-7" in browser.texts(".facts li")
    assert browser.texts(".row.failed") == []
