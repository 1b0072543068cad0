"""`lambda-guard audit --rates`: whether a canary sees enough to mean anything, from what was invoked in the past."""

import json
import math
import random

import pytest

from lambda_guard.tools.audit.checks.shifting import steps
from lambda_guard.tools.audit.rates import PREFERENCES, seen, trials, window
from lambda_guard.tools.group import run

from ..conftest import BEGAN, Logs

LOGS = Logs()
HOUR = 3_600_000
TO_THE_HOUR = -4 * 60_000 - 5_000
"""The logs' clock begins at 15:04:05."""


def invocations(function, hours, each, *, first=0):
    """Return the records of so many invocations an hour, evenly, in each of these hours after 15:00."""
    told = []
    for hour in hours:
        for number in range(each):
            at = TO_THE_HOUR + hour * HOUR + number * HOUR / each
            told.append((at, LOGS.record(first + len(told), at, 0.0, function=function)))
    return told


def text_of(*several):
    return [line for _, line in sorted(entry for some in several for entry in some)]


@pytest.fixture
def rates(write, capsys):
    """Run the command over lines, and return its exit code, its output and what it says beside."""

    def go(lines, *options):
        code = run(["audit", "--rates", write(lines), *options])
        out, err = capsys.readouterr()
        return code, out, err

    return go


@pytest.fixture
def a_day():
    """Return a day of a busy function, and of one that is quiet in its first hour."""
    busy = invocations("orders", range(25), 120)
    quiet = invocations("billing", [0], 24, first=10_000) + invocations(
        "billing", range(1, 25), 30, first=20_000
    )
    return text_of(busy, quiet)


def test_a_sentence_for_each_function_says_what_its_canary_sees(rates, a_day):
    """The quietest function first; what would be enough, or what to do instead."""
    code, out, err = rates(a_day)
    assert code == 0
    assert out.splitlines() == [
        "billing: 0.5 invocations a minute in the median hour, 0.45 in the quietest, 15:00 UTC",
        (
            "  Canary10Percent10Minutes sees 0.45 invocations in the quietest hour: a version that always fails would be "
            "seen in 4 of 10 deployments, one that fails for 10 % in hardly any, one that fails for 1 % in hardly any"
        ),
        "  Linear10PercentEvery2Minutes is the quickest that shows a version which always fails, at any hour",
        "orders: 2 invocations a minute in the median hour, 2 in the quietest, 00:00 UTC",
        (
            "  Canary10Percent10Minutes sees 2 invocations in the quietest hour: a version that always fails would be "
            "seen in 9 of 10 deployments, one that fails for 10 % in 2 of 10 deployments, one that fails for 1 % in hardly any"
        ),
        "  Linear10PercentEvery1Minute is the quickest that shows a version which always fails, at any hour",
    ]
    assert "hours of a day" not in err


def test_json_has_every_hour_and_every_preference(rates, a_day):
    """With the numbers that the sentences are made of, by the formula: one minus e to the minus expected failures."""
    code, out, _ = rates(a_day, "--json")
    told = json.loads(out)
    assert (code, told["hours_known"], told["untimed"]) == (0, list(range(24)), 0)
    assert told["last_ms"] - told["first_ms"] == 25 * HOUR - 30_000
    _, orders = told["functions"]
    assert (orders["function"], orders["invocations"]) == ("orders", 3000)
    assert orders["per_minute"]["by_hour"]["09"] == 2.0
    assert list(orders["preferences"]) == list(PREFERENCES)
    canary = orders["preferences"]["Canary10Percent10Minutes"]
    assert canary["window_minutes"] == 10
    assert canary["median"]["expected"] == 2.0
    expected = {"100": 0.8647, "10": 0.1813, "1": 0.0198}
    assert canary["median"]["seen_by_percent_failing"] == expected
    assert expected["10"] == round(1 - math.exp(-0.2), 4)


def test_the_table_has_all_preferences(rates, a_day):
    """For choosing: median and quietest hour beside each other."""
    _, out, _ = rates(a_day, "--table")
    row = next(line for line in out.splitlines() if line.split()[:1] == ["Linear10PercentEvery10Minutes"])
    told = " ".join(row.split())
    assert told == "Linear10PercentEvery10Minutes 22 >99 % 89 % 20 % 20 >99 % 87 % 18 %"


def test_a_preference_of_ones_own_is_judged(rates, a_day):
    """`Canary20Percent60Minutes`; one that shifts at once is none."""
    _, out, _ = rates(a_day, "--preference", "Canary20Percent60Minutes")
    assert "Canary20Percent60Minutes sees 24 invocations" in out
    assert (
        "that is enough for a version that always fails; Linear10PercentEvery1Minute is the quickest" in out
    )
    code, _, err = rates(a_day, "--preference", "AllAtOnce")
    assert code == 2
    assert "'AllAtOnce' shifts nothing step by step" in err


def test_a_function_that_sees_next_to_nothing_is_sent_to_a_hook(rates):
    """Ten invocations a day: no preference is long enough."""
    lines = text_of(invocations("orders", range(25), 4), invocations("nightly", range(2, 12), 1, first=5_000))
    _, out, _ = rates(lines)
    first = out.splitlines()[:3]
    assert first[1].startswith("  Canary10Percent10Minutes sees 0 invocations in the quietest hour")
    assert first[2].endswith("invoke the new version with sample events in a PreTraffic hook")


def test_hours_that_the_logs_lack_are_said(rates):
    """An afternoon says nothing of the night; ten minutes say nothing."""
    _, out, err = rates(text_of(invocations("orders", range(3), 60)))
    assert "orders: 1 invocations a minute" in out
    assert "the logs have 3 of the 24 hours of a day" in err
    code, out, err = rates(text_of(invocations("orders", [0], 60)[:10]), "--json")
    assert (code, json.loads(out)["functions"]) == (0, [])
    assert "less than half an hour: nothing is known" in err


def test_empty_logs_and_lines_without_a_time(rates):
    """Neither is a rate of 0."""
    assert "nothing is known" in rates([""])[2]
    _, out, err = rates([LOGS.start(1), LOGS.end(1), LOGS.report(1)])
    assert out == ""
    assert "1 invocations have no time, and aren't counted" in err


def test_a_name_that_would_steer_the_terminal_is_shown(rates):
    """Names of functions come from outside."""
    _, out, _ = rates(text_of(invocations("or\x1b[31mders", range(3), 60)))
    assert "\x1b" not in out
    assert "invocations a minute" in out


def test_templates_and_logs_are_not_mixed(rates, capsys):
    """Options of the audit of templates are none here; each has a help of its own."""
    assert rates([""], "--fail-on", "error")[0] == 2
    assert run(["audit", "--rates", "--help"]) == 0
    assert "--preference" in capsys.readouterr().out
    assert run(["audit", "--help"]) == 0
    assert "audit --rates --help" in capsys.readouterr().out


def test_the_steps_are_those_of_code_deploy():
    """A canary has one; a linear deployment goes on until all is shifted."""
    assert steps("CodeDeployDefault.LambdaCanary10Percent5Minutes") == [(0.1, 5)]
    assert steps("Linear10PercentEvery1Minute") == [(tenths / 10, 1) for tenths in range(1, 10)]
    assert steps("AllAtOnce") == []
    assert [window(it) for it in PREFERENCES] == [5, 10, 15, 30, 9, 18, 27, 90]
    assert trials("Linear10PercentEvery2Minutes", 3.0) == pytest.approx(27.0)


def test_the_formula_agrees_with_deployments_that_are_played():
    """20,000 canaries, invocation by invocation: one in ten goes to the new version, one in four of those fails."""
    chance = random.Random(7)
    a_minute, played, rang = 3.0, 20_000, 0
    for _ in range(played):
        at = chance.expovariate(a_minute)
        while at < 10:
            if chance.random() < 0.1 and chance.random() < 0.25:
                rang += 1
                break
            at += chance.expovariate(a_minute)
    assert rang / played == pytest.approx(seen(trials("Canary10Percent10Minutes", a_minute), 25), abs=0.015)


def test_a_log_group_is_read_as_it_is(services, capsys, monkeypatch):
    """Of a function without lambda_guard, in Lambda's text format: its lines have the times that CloudWatch gives them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", services.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    client = services.client("logs")
    group = "/aws/lambda/older"
    client.create_log_group(logGroupName=group)
    client.create_log_stream(logGroupName=group, logStreamName="a")
    events = [
        {"timestamp": int(BEGAN + minute * 60_000), "message": line}
        for minute in range(121)
        for line in (LOGS.start(minute), LOGS.end(minute), LOGS.report(minute))
    ]
    client.put_log_events(logGroupName=group, logStreamName="a", logEvents=events)
    since = ("--since", "2026-11-23T15:00:00Z", "--until", "2026-11-23T18:00:00Z")
    assert run(["audit", "--rates", "--function", "older", *since, "--json"]) == 0
    out, err = capsys.readouterr()
    (told,) = json.loads(out)["functions"]
    assert (told["function"], told["invocations"]) == ("older", 121), err
    assert told["per_minute"]["median"] == pytest.approx(1.0, abs=0.01)
