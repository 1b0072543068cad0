"""`lambda-guard trace`: what hangs together, drawn as a tree."""

import json
from pathlib import Path

import pytest

from ..conftest import BEGAN, TRACE, Logs, invocation_id

LOGS = Logs()
TIMES = "\N{MULTIPLICATION SIGN}"
TREE = f"""\
trace {TRACE}
4 invocations · 3 functions · 760 ms · 2 failed · 2026-11-23 15:04:05.000 · idle stretches folded: 280 ms, 280 ms

✓ orders:$LATEST       ███████████████                                                                            40 ms
  │  apigateway shop · cold 180 ms · {invocation_id(1)}
  │  → sns Publish audit  message m-9  (no invocation of it here)
✗ ├─ billing:$LATEST      ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄████████                                              20 ms
  │     sqs orders · queued 90 ms · attempt 1 · {invocation_id(2)}
  │     PaymentRefused: card declined
  │     · dynamodb PutItem orders {TIMES}2
✗ └─ ↻ billing:$LATEST                                              ┄┄┄┄┄████████                                 20 ms
     │  sqs orders · again after 280 ms · attempt 2, the last · {invocation_id(3)}
     │  PaymentRefused: card declined
     │  → dead-letter queue  message m-1
     │  · dynamodb PutItem orders {TIMES}2
✓    └─ rescue:$LATEST                                                           ┄┄┄┄┄███████████████████████     60 ms
           sqs orders-dead · from the dead-letter queue after 280 ms · {invocation_id(4)}

"""


@pytest.mark.parametrize("wanted", [TRACE, invocation_id(1), invocation_id(4), "m-1", "m-9"])
def test_any_id_leads_to_the_whole_trace(lambda_guard, shop, wanted):
    """A trace id, an invocation id or a message id: the same tree, from whatever end it is pulled."""
    result = lambda_guard("trace", wanted, *shop)
    assert result.stdout.decode() == TREE
    assert result.returncode == 0


def test_standard_input_can_be_read_as_often_as_it_takes(lambda_guard, shop):
    """Following a trace takes several passes; a pipe is kept for them."""
    text = "".join(Path(path).read_text(encoding="utf-8") for path in shop)
    assert lambda_guard("trace", "m-1", stdin=text).stdout.decode() == TREE


@pytest.mark.parametrize("at", [60 - BEGAN, 253_402_300_000_000 - BEGAN], ids=["1970", "9999"])
@pytest.mark.parametrize("recorded", [True, False])
def test_a_time_that_cannot_be_true_moves_nothing(lambda_guard, shop, write, at, recorded):
    """The range and the waterfall are those of the others; the one whose clock is off has no bar, and says why."""
    lines = [LOGS.line(5, at, "what time is it?", function="clock")]
    lines += [LOGS.record(5, at, 5.0, function="clock")] if recorded else []
    files, page = [*shop, write(lines, "clock.log")], Path(write([], "page.html"))
    text = lambda_guard("trace", TRACE, *files).stdout.decode()
    head, below = text.split("\n\n", 1)
    assert head == TREE.split("\n\n", 1)[0].replace(
        "4 invocations · 3 functions", "5 invocations · 4 functions"
    )
    assert below.startswith(TREE.split("\n\n", 1)[1].rstrip("\n"))
    assert below.splitlines()[-3:-1] == [
        f"     {invocation_id(5)}",
        "     the clock jumped: times that can't be true are shown as written, and count for nothing",
    ]
    lambda_guard("trace", TRACE, *files, "--html", str(page))
    assert '"about":"2026-11-23 15:04:05.000 UTC, 760 ms"' in page.read_text()


def test_json_is_the_tree(lambda_guard, shop):
    """Children stand under their parents, with how they are linked and how long they waited."""
    (line,) = lambda_guard("trace", "m-1", *shop, "--json").stdout.decode().splitlines()

    def shape(node):
        return [
            node["invocation_id"][:8],
            node["link"],
            node["waited_ms"],
            node["dead_letters"],
            [shape(child) for child in node["children"]],
        ]

    (root,) = json.loads(line)["roots"]
    assert shape(root) == [
        "00000001",
        "root",
        None,
        [],
        [
            ["00000002", "message", 90.0, [], []],
            ["00000003", "retry", 280.0, ["m-1"], [["00000004", "dead-letter", 280.0, [], []]]],
        ],
    ]


def test_an_id_that_stands_nowhere_is_said(lambda_guard, shop):
    """Nothing found is an error, with what to check."""
    result = lambda_guard("trace", "nobody", *shop)
    assert (result.returncode, result.stdout) == (1, b"")
    assert (
        b"nothing in these logs names nobody: is the id complete, and do --since and --until include it?"
        in result.stderr
    )


REASONS = {
    "ValueError: no": ['[ERROR] ValueError: no\rTraceback (most recent call last):\r  File "app.py"'],
    "Runtime.ExitError: Runtime exited with error: exit status 3": [
        f"RequestId: {invocation_id(1)} Error: Runtime exited with error: exit status 3",
        "Runtime.ExitError",
    ],
    "Runtime.OutOfMemory": [
        f"RequestId: {invocation_id(1)} Error: Runtime exited with error: signal: killed"
    ],
}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("command", ["trace", "message"])
def test_a_failure_without_a_record_has_its_reason(lambda_guard, write, command, reason):
    """What the runtime reports, or Lambda: for an asynchronous event, the request id is the message's."""
    kind = (
        "" if reason.startswith("ValueError") else f"\tStatus: error\tError Type: {reason.partition(':')[0]}"
    )
    path = write([LOGS.start(1), *REASONS[reason], LOGS.end(1), LOGS.report(1) + kind])
    found = lambda_guard(command, invocation_id(1), path).stdout.decode().splitlines()
    assert reason in map(str.strip, found)
