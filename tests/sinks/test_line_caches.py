"""What log lines keep from one to the next: names of fields, places of calls, and the second."""

import json

import pytest

from lambda_guard import _stdout, logger
from lambda_guard.sinks.log import fields, lines


def said(capsys):
    """Return the lines written so far."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("stacklevel", [[], None, True, 1.0, "2"])
def test_a_stacklevel_of_no_use_costs_no_line(unheard, capsys, stacklevel):
    """It is the caller's place that the line has then."""
    unheard()
    logger.log("INFO", "a", stacklevel=stacklevel)
    logger.log("INFO", "b", stacklevel=1)
    assert [line["location"].partition(":")[0] for line in said(capsys)] == [
        "test_a_stacklevel_of_no_use_costs_no_line"
    ] * 2


def test_each_place_has_its_own_location_however_often_it_logs(unheard, capsys):
    """Two calls on one line, one call with two callers, and code that is made again under another name."""
    unheard()
    for _ in range(2):
        logger.info("a"), logger.info("b")
        logger.info("c")
    for n in range(lines._LOCATIONS_MOST + 10):
        exec(f"def made_{n}(): logger.info('d')\nmade_{n}()", {"logger": logger})
    a, b, c, *others = (line["location"] for line in said(capsys))
    assert a == b
    assert int(c.partition(":")[2]) == int(a.partition(":")[2]) + 1
    assert others[:3] == [a, b, c]
    assert others[3:] == [f"made_{n}:1" for n in range(lines._LOCATIONS_MOST + 10)]
    assert len(lines._known_locations) <= lines._LOCATIONS_MOST


VALUES = [
    'é\ud800"\n',
    "",
    0,
    -1,
    2**63,
    -(2**63),
    2**3000,
    True,
    False,
    1.5,
    float("nan"),
    [1],
    {"a": None},
    b"x",
]


@pytest.mark.parametrize("value", VALUES, ids=[str(n) for n in range(len(VALUES))])
@pytest.mark.parametrize("name", ["order_id", 'é"\ud800', "n" * 65, "level", "message_id"])
def test_plain_fields_are_written_as_a_mapping_is(monkeypatch, name, value):
    """The quick way and the thorough one come to the same text."""
    quick, thorough = [], []
    for made in (quick, thorough):
        for _ in range(2):
            made.append(lines.make_line(20, '"a:1"', "said", 1.5, "l", {"first": 1, name: value}, None, None))
        monkeypatch.setattr(fields, "_plainly", lambda _: None)
    assert quick == thorough


def test_names_made_of_data_are_not_kept_for_good():
    """A handler may log a payload's keys."""
    for n in range(fields._NAMES_MOST * 2):
        lines.make_line(20, '"a:1"', "said", 1.5, "l", {f"key-{n}": n}, None, None)
    assert len(fields._known_names) <= fields._NAMES_MOST


def test_timestamps_are_right_whichever_second_came_before():
    """Forth and back, at the edges of seconds and of the epoch."""
    shown = [_stdout.timestamp(at) for at in (1.999, 2, 2.0004, 1.0, 0.5, 1764435480.25, 0)]
    assert shown == [
        "1970-01-01T00:00:01.999Z", "1970-01-01T00:00:02.000Z", "1970-01-01T00:00:02.000Z", "1970-01-01T00:00:01.000Z",
        "1970-01-01T00:00:00.500Z", "2025-11-29T16:58:00.250Z", "1970-01-01T00:00:00.000Z",
    ]  # fmt: skip
