"""The map's picture: nothing lies on anything, the same records give the same picture, and text stays text."""

import json
import random
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_guard.tools.logs.system.survey import survey
from lambda_guard.tools.logs.traces.tree import build_traces
from lambda_guard.tools.logs.views.map.layout import Box, Line, lay_out
from lambda_guard.tools.logs.views.map.picture import markup, percentile, picture, times_text
from lambda_guard.tools.logs.views.map.table import tables
from lambda_guard.tools.logs.views.text import TIMES

from . import systems
from .storefront import storefront
from .systems import Story
from .test_system_survey import invocations

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '"><script>caught()</script>&\u202e\x1b[31m\n\ud800]]>'


def drawn(lines):
    return picture(survey(build_traces(invocations(lines))), "The shop")


def texts(svg):
    return ["".join(one.itertext()) for one in ET.fromstring(svg).iter(f"{SVG}text")]


def graph(edges):
    """Make boxes and lines of pairs of numbers."""
    boxes = [
        Box(60.0 + 7 * number % 50, 30.0 + 5 * number % 20)
        for number in range(1 + max(map(max, edges), default=0))
    ]
    return boxes, [Line(boxes[one], boxes[other], 40.0, 24.0) for one, other in edges]


def apart(one, other):
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=24, unique=True)


@settings(max_examples=150, deadline=None)
@given(edges=PAIRS)
def test_nothing_lies_on_anything(edges):
    """Neither boxes nor labels, whatever leads where; all of it is within what is said to be the size."""
    boxes, lines = graph(edges)
    width, height = lay_out(boxes, lines)
    labels = []
    for line in lines:
        if line.source is not line.target:
            bend = line.label
            labels.append(Box(line.width, line.height, bend.x + (bend.width - line.width) / 2, bend.y))
    everything = [*boxes, *labels]
    for at, one in enumerate(everything):
        assert one.x >= -0.01
        assert one.x + one.width <= width + 0.01
        assert one.y >= -0.01
        assert one.y + one.height <= height + 0.01
        assert all(apart(one, other) for other in everything[at + 1 :])


@settings(max_examples=100, deadline=None)
@given(edges=PAIRS)
def test_lines_lead_from_left_to_right_but_for_those_that_close_a_circle(edges):
    """Each begins and ends at its boxes; what goes back is drawn back, with its arrow at its end."""
    boxes, lines = graph(edges)
    lay_out(boxes, lines)
    for line in lines:
        if line.source is line.target:
            assert not line.points
            continue
        first, last = line.ends
        assert first.x + first.width < last.x
        xs = [x for x, _ in line.points]
        assert xs == sorted(xs, reverse=line.turned)
        begin, end = (line.points[0], line.points[-1])[:: -1 if line.turned else 1]
        assert (begin[0], end[0]) == pytest.approx((first.x + first.width, last.x))
        assert first.y <= begin[1] <= first.y + first.height
        assert last.y <= end[1] <= last.y + last.height


def test_a_tree_is_drawn_without_crossings_and_straight_where_it_can_be():
    """One topic, ten queues, ten functions: each queue stands beside its function."""
    boxes, lines = graph([(0, one) for one in range(1, 11)] + [(one, one + 10) for one in range(1, 11)])
    for box in boxes:
        box.height = 40.0
    lay_out(boxes, lines)
    assert [boxes[one].middle for one in range(1, 11)] == pytest.approx(
        [boxes[one].middle for one in range(11, 21)]
    )
    assert boxes[0].middle == pytest.approx((boxes[1].middle + boxes[10].middle) / 2)


def test_what_stands_alone_fills_rows():
    """Thirty functions without records are no tower."""
    boxes = [Box(150.0, 50.0) for _ in range(30)]
    width, height = lay_out(boxes, [])
    assert 900 < width <= 1_150
    assert height < 400
    assert len({box.x for box in boxes}) == 6


@pytest.mark.parametrize("lines", [storefront(), systems.fan_out(), systems.circle(), systems.long_names()])
def test_the_same_records_are_the_same_picture(lines):
    """In whatever order they are read: two pictures of one system can be compared."""
    assert drawn(random.Random(1).sample(lines, len(lines))) == drawn(lines)


def test_the_picture_says_what_happened():
    """Names, counts, failures and times, as an operator reads them."""
    assert [text.replace(TIMES, "x") for text in texts(drawn(storefront()))[:-2]] == [
        *["1", "82 ms", "1", "1", "1", "1", "1"],
        *["1", "60 ms", "2 · 2 failed", "48 ms", "1 · 1 failed", "40 ms", "1", "1", "38 ms", "1", "33 ms"],
        *["HTTP API", "shop"],
        *["billing", "x2 · 2 failed", "p50 88 ms · max 96 ms", "checkout", "x1 · 1 cold", "182 ms"],
        *["mailer", "x2", "p50 42 ms · max 50 ms", "order-rescue", "x1", "60 ms"],
        *["parcels", "x1 · 1 failed", "200 ms", "stock", "x1 · 1 cold", "75 ms"],
        *["SNS topic", "order-events", "SQS queue", "mails", "SQS queue", "orders", "SQS queue", "parcels"],
        *["dead-letter queue", "orders-dead"],
    ]
    titles = [one.text for one in ET.fromstring(drawn(storefront())).iter(f"{SVG}title")]
    assert titles[0] == "The shop"
    assert (
        "SQS queue orders → function billing: 2 messages, 2 failed, 1 delivered again, under way 48 ms"
        in titles
    )
    assert "function billing, 2 invocations, 2 failed, ran p50 88 ms · max 96 ms" in titles
    assert "HTTP API shop → function checkout: 1 request" in titles


def test_long_names_keep_their_beginning_and_their_end():
    """Two lines at most, and the whole name in the title."""
    svg = drawn(systems.long_names())
    assert "payments-production-eu-wes" in texts(svg)
    assert "…eGeneratorFunction-A1B2C3D" not in texts(svg)
    assert "…GeneratorFunction-A1B2C3D" in texts(svg)
    assert "payments-production-eu-west-1-InvoiceGeneratorFunction-A1B2C3D" in svg


def test_names_of_anybody_stay_text():
    """Nothing of a name is read as markup, and what can't be seen is written as an escape."""
    story = Story()
    story.runs(HOSTILE, kind=HOSTILE, source=HOSTILE, sends=[f"arn:aws:sqs:x:y:{HOSTILE}"])
    lines = [json.dumps(json.loads(line)) for line in story.lines]
    system = survey(build_traces(invocations(lines)))
    for text in (picture(system, HOSTILE), markup(system, HOSTILE), tables(system)):
        assert "<script" not in text
        assert not re.search("[\u202e\x1b\ud800]", text)
        assert "\\u202e\\x1b[31m" in text
        ET.fromstring(f"<x>{text}</x>")
    assert not re.search(r"[a-z]+://(?!www.w3.org/2000/svg)|url\(|@import", picture(system, "x"))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], ""),
        ([5.0], "5 ms"),
        ([5.0, 1.0, 90.0], "p50 5 ms · max 90 ms"),
        ([float(at) for at in range(1, 101)], "p50 50 ms · p95 95 ms"),
    ],
)
def test_times_are_told_by_as_many_values_as_there_are(values, text):
    """Of one it is that one; of few, the 95th percentile would be the longest, and so that is told."""
    assert times_text(values) == text


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_percentile_is_one_of_the_values(values, share):
    """The nearest rank: so many values don't exceed it."""
    found = percentile(values, share)
    assert found in values
    assert sum(one <= found for one in values) >= share * len(values) - 1e-6


def test_the_tables_have_what_the_map_has():
    """For who hears it: a row for each function, and for each edge."""
    found = re.findall(r"<tr>(.*?)</tr>", tables(survey(build_traces(invocations(storefront())))))
    rows = [
        [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in found
    ]
    assert rows[0] == ["Function", "Invocations", "Failed", "Cold starts", "Ran, p50", "p95"]
    assert rows[1] == ["billing", "2", "2", "", "88 ms", "96 ms"]
    assert ["SQS queue orders", "function billing", "2", "messages", "2", "1", "48 ms", "48 ms"] in rows
    assert len(rows) == 1 + 6 + 1 + 12
