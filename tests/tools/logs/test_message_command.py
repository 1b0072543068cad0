"""`lambda-guard message`: a message's whole life, and how it ended."""

import json
from pathlib import Path

import pytest

from ..conftest import ACCOUNT, BEGAN, TRACE, Logs, invocation_id, stamp

LOGS = Logs()
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders-dead"
LIFE = f"""\
message m-1
    2026-11-23 15:04:05.000  → sent by orders: sqs SendMessage orders  message m-1
                               invocation {invocation_id(1)}  {{orders}}
    2026-11-23 15:04:05.100  ✗ billing: attempt 1, error after 20 ms
                               PaymentRefused: card declined  #1f2e3d4c5b6a7988
                               at billing.py:30 in charge
                               invocation {invocation_id(2)}  {{billing}}
                                    +1.0 ms INFO     charging  amount=12.5  message_id=m-1
    2026-11-23 15:04:05.400  ✗ billing: attempt 2, error after 20 ms
                               PaymentRefused: card declined  #1f2e3d4c5b6a7988
                               at billing.py:30 in charge
                               invocation {invocation_id(3)}  {{billing}}
                                    +1.0 ms INFO     charging  amount=12.5  message_id=m-1
    2026-11-23 15:04:05.420  ✗ in the dead-letter queue
    2026-11-23 15:04:05.700  ✓ rescue: success after 60 ms
                               invocation {invocation_id(4)}  {{rescue}}
    ended: succeeded in rescue in attempt 3 that these logs have

"""


def journal(*letters, queue=QUEUE):
    """Write what `dlq replay` keeps: for each letter its id, the new one, and when, in ms after `BEGAN`."""
    at = {"at": stamp(BEGAN)}
    lines = [{"do": "run", "run": "a", "command": "replay", "queue": queue, **at}]
    for old, new, ms in letters:
        at = {"message_id": old, "at": f"{stamp(BEGAN + ms)[:19]}Z"}
        lines += [{"do": "letter", **at}, {"do": "send", "target": f"{ACCOUNT}:orders", "number": 1, **at}]
        lines.append({"do": "delivered", "new_id": new, **at})
    return list(map(json.dumps, lines))


def received(number, at, message, *, outcome="success", **more):
    """Write the record of an invocation that was given one message of the queue."""
    return LOGS.record(
        number,
        at,
        5.0,
        function="billing",
        outcome=outcome,
        trigger={"type": "sqs", "source": f"{ACCOUNT}:orders", "records": 1},
        upstreams=[{"trace_id": TRACE, "parent_id": "aa", "message_ids": [message]}],
        **more,
    )


def kinds(lambda_guard, *arguments):
    result = lambda_guard("message", *arguments, "--json")
    assert result.returncode == 0, result.stderr
    (life,) = map(json.loads, result.stdout.decode().splitlines())
    told = [(one["kind"], one.get("outcome", ""), one.get("replay", False)) for one in life["events"]]
    return told, life["ended"]["text"]


def test_a_message_has_a_life(lambda_guard, shop):
    """The whole text: the sender, each attempt with outcome, time, place and lines, the dead-letter queue, the end."""
    orders, billing, rescue = shop
    result = lambda_guard("message", "m-1", *shop)
    assert result.stdout.decode() == LIFE.format(orders=orders, billing=billing, rescue=rescue)
    assert result.returncode == 0
    assert result.stderr.decode() == "4 invocations, 2 failed; 11 lines read\n"


def test_conditions_find_messages_by_what_their_lines_say(lambda_guard, shop):
    """An order's number is what one has at night: its messages are found; of a line that names one, that alone."""
    lives = lambda_guard("message", "--where", "order_id=o-17", *shop, "--json").stdout.decode().splitlines()
    assert [json.loads(life)["message_id"] for life in lives] == ["m-1", "m-9"]
    assert json.loads(lives[1])["ended"]["text"] == "sent; no invocation in these logs was given it"
    assert (
        lambda_guard("message", "--where", "amount=12.5", *shop).stdout.decode().startswith("message m-1\n")
    )
    assert lambda_guard("message", "--where", "order_id=o-99", *shop).returncode == 1


def test_standard_input_is_read_as_often_as_it_takes(lambda_guard, shop):
    """Conditions first, then ids: a pipe is kept."""
    text = "".join(Path(path).read_text(encoding="utf-8") for path in shop)
    result = lambda_guard("message", "--where", "amount=12.5", "-", stdin=text)
    assert "ended: succeeded in rescue" in result.stdout.decode()


@pytest.mark.parametrize("command", ["message", "trace"])
def test_what_is_no_id_but_a_field_is_told_with_the_command_that_finds_it(lambda_guard, shop, command):
    """The answer can be pasted, and finds it."""
    result = lambda_guard(command, "o-17", *shop)
    assert (result.returncode, result.stdout) == (1, b"")
    said = result.stderr.decode().splitlines()[-1]
    assert "o-17 is no id of an invocation, a trace or a message, but the order_id of 1 invocation: " in said
    typed = said.partition("lambda-guard ")[2].split()
    assert typed == [command, "--where", "order_id=o-17", *shop]
    assert "m-1" in lambda_guard(*typed).stdout.decode()


@pytest.mark.parametrize("command", ["message", "trace"])
def test_something_must_be_asked_for(lambda_guard, command):
    """Neither an id nor a condition: nothing is read, not even standard input."""
    result = lambda_guard(command)
    assert result.returncode == 2
    assert "name an ID, or what to look for with --where" in result.stderr.decode()


def test_conditions_lead_to_each_trace_once(lambda_guard, shop, write):
    """The invocations that agree may be in one trace or in several."""
    other = "1-6742a1b5-ffffffffffffffffffffffff"
    more = write(
        [LOGS.line(9, 1, "hi", amount=12.5, trace=other), LOGS.record(9, 5, 5.0, trace=other)], "x.log"
    )
    result = lambda_guard("trace", "--where", "amount=12.5", *shop, more, "--json")
    traces = [json.loads(line)["trace_id"] for line in result.stdout.decode().splitlines()]
    assert sorted(traces) == sorted([TRACE, other])


def test_a_replay_goes_on_with_the_same_life(lambda_guard, write):
    """The journal joins the ids: from whichever one asks, before or after, it is one life; the attempt is marked."""
    path = write(
        [
            received(1, 100, "m-1", outcome="error", attempt=3, final_attempt=True),
            received(2, 9_000, "n-1", attempt=1),
        ]
    )
    told = write(journal(("m-1", "n-1", 5_000)), "j.jsonl")
    expected = [
        ("attempt", "error", False),
        ("dead letter", "", False),
        ("dead letter", "", False),
        ("replayed", "", False),
        ("attempt", "success", True),
    ]
    for one in ("m-1", "n-1"):
        found, ended = kinds(lambda_guard, one, path, "--journal", told)
        assert found == expected
        assert ended == "succeeded in billing in attempt 2 that these logs have, after a replay"
    assert kinds(lambda_guard, "m-1", path)[1] == "in the dead-letter queue"


def test_a_second_replay_within_the_second_in_which_it_died_comes_after_it(lambda_guard, write):
    """A journal has whole seconds: what it tells of a letter comes after its death."""
    path = write([received(1, 700, "m-1", outcome="error", attempt=3, final_attempt=True)])
    told = write(journal(("m-1", "n-1", 800)), "j.jsonl")
    found, ended = kinds(lambda_guard, "m-1", path, "--journal", told)
    assert found[-1][0] == "replayed"
    assert ended == "replayed; no invocation in these logs was given it since"


def test_journals_of_the_current_directory_are_read_by_themselves(lambda_guard, write, tmp_path):
    """`dlq replay` keeps them there."""
    path = write([received(1, 100, "m-1", outcome="error")])
    (tmp_path / ".lambda-guard").mkdir()
    write(journal(("m-1", "n-1", 5_000)), ".lambda-guard/dlq-orders-dead.jsonl")
    result = lambda_guard("message", "m-1", path, cwd=tmp_path)
    assert "↻ replayed to orders as n-1" in result.stdout.decode()


def test_a_damaged_journal_that_nobody_named_keeps_no_trace_from_being_shown(lambda_guard, shop, tmp_path):
    """It is found by itself, and said."""
    (tmp_path / ".lambda-guard").mkdir()
    (tmp_path / ".lambda-guard" / "dlq-a.jsonl").write_text('{"do":"ru\n', encoding="utf-8")
    result = lambda_guard("trace", "m-1", *shop, cwd=tmp_path)
    assert result.returncode == 0
    assert "what it tells of replays is missing" in result.stderr.decode()


def test_a_trace_marks_what_a_replay_sent(lambda_guard, write):
    """A replay stays in the message's trace, where it would pass for another attempt."""
    path = write([received(1, 100, "m-1", outcome="error"), received(2, 9_000, "n-1")])
    told = write(journal(("m-1", "n-1", 5_000)), "j.jsonl")
    rows = lambda_guard("trace", TRACE, path, "--journal", told).stdout.decode().splitlines()
    assert [invocation_id(2) in row for row in rows if "replayed by dlq replay" in row] == [True]
    assert "replayed" not in lambda_guard("trace", TRACE, path).stdout.decode()
    (line,) = lambda_guard("trace", TRACE, path, "--journal", told, "--json").stdout.decode().splitlines()
    assert [root.get("replay") for root in json.loads(line)["roots"]] == [None, True]


def test_of_a_batch_only_what_became_of_the_message_counts(lambda_guard, write):
    """Its neighbour failed; of what the record doesn't list, nothing is said."""
    error = {"type": "KeyError", "message": "'sku'", "fingerprint": "0a"}
    failures = [{"message_id": "m-2", "outcome": "error", "error": error}]

    def ended(message, failed):
        path = write(
            [received(1, 5, message, records={"total": 200, "failed": failed, "failures": failures})]
        )
        return kinds(lambda_guard, message, path)[1]

    assert ended("m-1", 1) == "succeeded in billing"
    assert ended("m-2", 1) == "failed in billing; nothing later is known"
    assert ended("m-1", 101) == "not known: the record in billing lists only a part of what failed"


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such journal"), ("hello", "isn't a journal"), ("[1]", "isn't a journal")]
)
def test_what_is_no_journal_is_refused(lambda_guard, shop, tmp_path, content, said):
    """A mistyped name would look like a message that was never replayed."""
    path = tmp_path / "j.jsonl"
    if content is not None:
        path.write_text(f"{content}\n", encoding="utf-8")
    result = lambda_guard("message", "m-1", *shop, "--journal", str(path))
    assert result.returncode == 2
    assert said in result.stderr.decode()
