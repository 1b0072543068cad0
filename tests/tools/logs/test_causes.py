"""`invocations --by cause`: what failed, and why, one row for each cause."""

import json

import pytest

from ..conftest import BEGAN, TRACE, Logs, invocation_id

LOGS = Logs()
TIMES = "\N{MULTIPLICATION SIGN}"
REFUSED = {"type": "PaymentRefused", "message": "card declined", "fingerprint": "1f2e3d4c5b6a7988"}


def rows(lambda_guard, *arguments):
    result = lambda_guard("invocations", *arguments, "--by", "cause", "--json")
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


def causes(lambda_guard, *arguments):
    return [(row["cause"], row["count"]) for row in rows(lambda_guard, *arguments)]


def failed(number, at, error, *, function="orders", **more):
    return LOGS.record(number, at, 5.0, function=function, outcome="error", error=error, **more)


def test_the_failures_of_one_cause_are_a_row(lambda_guard, shop):
    """The whole text: count, error and fingerprint, functions, first and last, the latest one as an example."""
    result = lambda_guard("invocations", *shop, "--by", "cause")
    assert result.stdout.decode() == (
        f"{TIMES}2  PaymentRefused: card declined  #1f2e3d4c5b6a7988\n"
        "    billing  first 2026-11-23 15:04:05.100  last 2026-11-23 15:04:05.400\n"
        f"    for example {invocation_id(3)}  trace {TRACE}\n"
        "\n"
    )
    assert result.stderr.decode() == "2 of 4 invocations and 2 of 2 failures shown; 11 lines read\n"


def test_json_has_one_object_a_cause(lambda_guard, shop):
    """The whole object, times in milliseconds."""
    assert rows(lambda_guard, *shop) == [
        {
            "cause": "1f2e3d4c5b6a7988",
            "fingerprint": "1f2e3d4c5b6a7988",
            "type": "PaymentRefused",
            "message": "card declined",
            "count": 2,
            "first_ms": BEGAN + 100.0,
            "last_ms": BEGAN + 400.0,
            "functions": {"billing": 2},
            "example": {
                "invocation_id": invocation_id(3),
                "function_name": "billing",
                "xray_trace_id": TRACE,
                "source": shop[1],
            },
        }
    ]


def test_one_fingerprint_is_one_cause_whatever_the_message_and_the_function(lambda_guard, write):
    """Messages vary by ids in them; the row shows the latest, whatever the order of the files."""
    late = {**REFUSED, "message": "card 2 declined"}
    path = write([failed(2, 900, late), failed(1, 100, REFUSED, function="billing"), failed(3, 500, REFUSED)])
    (row,) = rows(lambda_guard, path)
    assert (row["count"], row["message"]) == (3, "card 2 declined")
    assert row["functions"] == {"orders": 2, "billing": 1}
    assert row["example"]["invocation_id"] == invocation_id(2)


def test_the_most_frequent_stands_first_and_a_limit_is_one_of_causes(lambda_guard, write):
    """`--limit` counts rows here: the counts of what is shown are of everything."""
    rare = {**REFUSED, "type": "Rare", "fingerprint": "00"}
    path = write([failed(1, 1, rare), failed(2, 2, REFUSED), failed(3, 3, REFUSED)])
    assert causes(lambda_guard, path) == [("1f2e3d4c5b6a7988", 2), ("00", 1)]
    result = lambda_guard("invocations", path, "--by", "cause", "--limit", "1")
    assert result.stdout.decode().startswith(f"{TIMES}2  PaymentRefused")
    assert "Rare" not in result.stdout.decode()
    assert "2 causes; the 1 most frequent are shown" in result.stderr.decode()


def test_lambdas_own_words_are_the_cause_where_no_record_tells(lambda_guard, write):
    """The runtime's line of an error, REPORT's error type, a timeout: each a row of its own."""
    told = '{"errorType":"TypeError","errorMessage":"x is not a function","stack":[]}'
    path = write(
        [
            LOGS.start(1),
            "[ERROR] ValueError: no number: 'x'\rTraceback (most recent call last):\r  File \"app.py\"",
            LOGS.end(1),
            LOGS.report(1),
            LOGS.start(2),
            LOGS.end(2),
            f"{LOGS.report(2, status='error')}\tError Type: Runtime.OutOfMemory",
            LOGS.start(3),
            f"2026-11-23T15:04:08.000Z {invocation_id(3)} Task timed out after 3.00 seconds",
            LOGS.end(3),
            LOGS.report(3),
            LOGS.start(4),
            LOGS.end(4),
            LOGS.report(4),
            LOGS.start(6),
            f"RequestId: {invocation_id(6)} Error: Runtime exited with error: exit status 1",
            "Runtime.ExitError",
            LOGS.end(6),
            LOGS.report(6),
            LOGS.start(7),
            "no: shop.Bad",
            "shop.Bad: no",
            "\tat shop.Handler.handle(Handler.java:1)",
            LOGS.end(7),
            LOGS.report(7),
            f"2026-11-23T15:04:05.000Z\t{invocation_id(5)}\tERROR\tInvoke Error \t{told}",
            f"2026-11-23T15:04:05.000Z\t{invocation_id(8)}\tERROR\tUncaught Exception \t{{",
            '    "errorType": "RangeError",',
            '    "errorMessage": "too long"',
            "}",
        ]
    )
    found = {row["cause"]: row.get("message") for row in rows(lambda_guard, path)}
    assert found == {
        "ValueError": "no number: 'x'",
        "Runtime.OutOfMemory": None,
        "timeout": None,
        "TypeError": "x is not a function",
        "Runtime.ExitError": "Runtime exited with error: exit status 1",
        "shop.Bad": "no",
        "RangeError": "too long",
    }


def test_each_cause_in_a_batch_counts_its_records(lambda_guard, write):
    """A batch that failed in part is an invocation of each of its causes; what wasn't begun has none."""
    key_error = {"type": "KeyError", "message": "'sku'", "fingerprint": "0a"}
    failures = [
        {"message_id": "m-1", "outcome": "error", "error": key_error},
        {"message_id": "m-2", "outcome": "error", "error": REFUSED},
        {"message_id": "m-3", "outcome": "error", "error": key_error},
        {"message_id": "m-4", "outcome": "skipped"},
    ]
    path = write([LOGS.record(1, 5, 5.0, records={"total": 9, "failed": 4, "failures": failures})])
    found = [(row["cause"], row["count"], row["records"]) for row in rows(lambda_guard, path)]
    assert sorted(found) == [("0a", 1, 2), ("1f2e3d4c5b6a7988", 1, 1)]


def test_an_answer_that_tells_of_an_error_is_a_failure_too(lambda_guard, write):
    """Without an exception, the status is what there is to say."""
    path = write([LOGS.record(1, 5, 5.0, http={"method": "GET", "route": "/", "status": 503})])
    assert causes(lambda_guard, path) == [("answered 503", 1)]


def test_filters_hold(lambda_guard, shop):
    """Causes of what was selected alone."""
    assert causes(lambda_guard, *shop, "--where", "attempt=1") == [("1f2e3d4c5b6a7988", 1)]
    assert causes(lambda_guard, shop[0]) == []


@pytest.mark.parametrize("option", ["--follow", "-f"])
def test_counting_has_an_end(lambda_guard, shop, option):
    """What is followed never ends, and nothing would be shown."""
    result = lambda_guard("invocations", shop[0], "--by", "cause", option)
    assert (result.returncode, result.stdout) == (2, b"")
    assert "--by is done when reading ends" in result.stderr.decode()


def test_the_page_has_the_table(lambda_guard, shop, tmp_path):
    """The data that the page draws: one row a cause, and in each row of the waterfall the keys of its causes."""
    page = tmp_path / "page.html"
    lambda_guard("invocations", *shop, "--by", "cause", "--html", str(page))
    text = page.read_text(encoding="utf-8")
    data = json.loads(text.partition('type="application/json">')[2].partition("</script>")[0])
    assert data["by_cause"]
    assert [node["causes"] for node in data["nodes"]] == [["1f2e3d4c5b6a7988"]] * 2
    assert data["causes"] == [
        {
            "key": "1f2e3d4c5b6a7988",
            "text": "PaymentRefused: card declined",
            "fingerprint": "1f2e3d4c5b6a7988",
            "count": 2,
            "first": "2026-11-23 15:04:05.100",
            "last": "2026-11-23 15:04:05.400",
            "functions": "billing",
            "example": invocation_id(3),
            "at": 1,
        }
    ]
