"""docs/incidents.md: what goes wrong, in the local cloud, and which alarms see it."""

import json
import re
from pathlib import Path

import pytest

from lambda_guard.local import LogEvent

from . import incidents, rehearsing

PAGE = Path(__file__).parents[3] / "docs" / "incidents.md"


@pytest.fixture(scope="module")
def ours():
    """Return which of our alarms ring in each incident, as the page has it."""
    return rehearsing.ours(incidents.collected())


@pytest.mark.slow
def test_the_table_of_the_page_is_what_happens(ours):
    """Each incident with the alarms that ring, and after how many minutes; also those that nothing sees."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    titles = {incident.title: incident.title + " ¹" * incident.by_hand for incident in incidents.INCIDENTS}
    expected = [(titles[title], rang) for title, rang in ours.items()]
    assert [row for row in rows if row[0] in titles.values()] == expected
    seen = sum(rang != rehearsing.NOTHING for rang in ours.values())
    assert f"Ours see {seen} of {len(ours)}" in PAGE.read_text(encoding="utf-8")


def test_a_line_is_moved_to_the_minute_in_which_it_happened():
    """Texts, records, metrics and ages alike; in proportion within its half, and never beyond the ends."""
    marks = [1_000, 2_000, 2_100, 5_000]
    began = incidents.BEGAN_MS
    assert [
        incidents.moved(at, marks) - began for at in (0, 1_000, 1_500, 2_000, 2_050, 9_000)
    ] == pytest.approx([0, 0, 15_000, 30_000, 45_000, 89_970])
    record = {
        "timestamp": incidents.stamp(2_050),
        "_aws": {"Timestamp": 2_050},
        "MessageAge": 550,
        "duration_ms": 7,
    }
    stream = "2026/11/29/[1]0123"
    time, moved_stream, text = incidents.moved_line(LogEvent(2_050, stream, json.dumps(record)), marks).split(
        " ", 2
    )
    moved = {
        "timestamp": time,
        "_aws": {"Timestamp": int(began + 45_000)},
        "MessageAge": 30_000,
        "duration_ms": 7,
    }
    assert (time, moved_stream) == ("2026-11-23T15:00:45.000Z", stream)
    assert json.loads(text) == moved
    plain = incidents.moved_line(LogEvent(1_500, "s", "REPORT a\nXRAY b"), marks)
    assert plain == "2026-11-23T15:00:15.000Z REPORT a\rXRAY b"
