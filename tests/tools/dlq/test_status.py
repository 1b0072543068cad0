"""`lambda-guard dlq status`: a journal reconciled with what became of each letter."""

import json
from itertools import permutations

import pytest

from lambda_guard.tools.dlq.causes import Logs as LogsOfFunctions
from lambda_guard.tools.dlq.status import statuses
from lambda_guard.tools.replays import read_replays

from ..conftest import ACCOUNT, TRACE, Logs
from ..logs.test_message_command import journal

LOGS = Logs()
ERROR = {"type": "KeyError", "message": "'sku'", "fingerprint": "0a"}


def got(number, at, message, outcome="success"):
    return LOGS.record(
        number,
        at,
        5.0,
        outcome=outcome,
        trigger={"type": "sqs", "source": f"{ACCOUNT}:orders", "records": 1},
        upstreams=[{"trace_id": TRACE, "parent_id": "aa", "message_ids": [message]}],
        **({"error": ERROR} if outcome == "error" else {}),
    )


@pytest.fixture
def status(lambda_guard, write):
    """Reconcile letters with the records of invocations."""

    def run(letters, records, *options, logs=True):
        told, path = write(letters, "j.jsonl"), write(records)
        return lambda_guard("dlq", "status", "--journal", told, *(["--logs", path] if logs else []), *options)

    return run


FOUR = journal(
    ("m-1", "n-1", 0), ("m-2", "n-2", 0), ("m-3", "n-3", 0), ("m-4", "n-4", 0), ("n-3", "o-3", 5_000)
)
RECORDS = [got(1, 900, "n-1"), got(2, 900, "n-2"), got(3, 900, "n-3", "error"), got(4, 9_000, "o-3")]


def test_each_letter_is_one_however_often_it_was_replayed(status):
    """The sentence of the whole, and below it whatever isn't settled."""
    result = status(FOUR, RECORDS)
    assert result.stdout.decode() == (
        "orders-dead  4 letters: 4 delivered, 3 succeeded, 1 after a second replay, 1 without a record\n"
        "  no record   m-4 as n-4\n"
    )
    assert result.returncode == 1
    settled = status(FOUR, [*RECORDS, got(5, 9_100, "n-4")])
    assert (
        settled.stdout.decode()
        == "orders-dead  4 letters: 4 delivered, 4 succeeded, 1 after a second replay\n"
    )
    assert settled.returncode == 0


ATTEMPTS = {
    "fails, succeeds": ("error", "success"),
    "succeeds, fails": ("success", "error"),
    "fails twice, succeeds": ("error", "error", "success"),
    "fails, succeeds, fails": ("error", "success", "error"),
    "succeeds, fails, succeeds": ("success", "error", "success"),
    "fails, and another one hasn't ended": ("error", "unfinished"),
}


@pytest.mark.parametrize("outcomes", ATTEMPTS.values(), ids=ATTEMPTS)
def test_the_last_attempt_counts(write, outcomes):
    """That which began last, in whichever order the attempts stand in the logs, and in whichever files."""
    attempts = [
        LOGS.start(number) if outcome == "unfinished" else got(number, 900 * number, "n-1", outcome)
        for number, outcome in enumerate(outcomes, 1)
    ]
    replays = read_replays((write(journal(("m-1", "n-1", 0)), "j.jsonl"),))
    last = [outcome for outcome in outcomes if outcome != "unfinished"][-1]
    for order in permutations(attempts):
        apart = [write([line], f"{place}.log") for place, line in enumerate(order)]
        for places in ([write(order)], apart):
            ((fate,),) = [one.fates for one in statuses(replays, LogsOfFunctions(places))]
            assert (fate.state, fate.replays) == ("died again" if last == "error" else "succeeded", 1)
            assert fate.reason == ("KeyError: 'sku'" if last == "error" else "")


def test_a_letter_that_died_again_has_a_line_of_its_own(status):
    """With what it died of; somebody has to look at it."""
    died = status(journal(("m-1", "n-1", 0)), [got(2, 5_000, "n-1", "error"), got(1, 900, "n-1")])
    assert died.stdout.decode() == (
        "orders-dead  1 letter: 1 delivered, 1 died again\n  died again  m-1 as n-1  KeyError: 'sku'\n"
    )
    assert died.returncode == 1


def test_without_logs_nothing_is_said_of_how_it_went(status):
    """The journal knows what was delivered, no more."""
    result = status(FOUR, [], logs=False)
    assert result.stdout.decode() == "orders-dead  4 letters: 4 delivered\n"
    assert "the logs know: name them with --logs" in result.stderr.decode()
    assert result.returncode == 0


def test_what_was_not_delivered_is_told_apart(status):
    """Refused by the target, sent without an answer, taken up and not sent, discarded."""
    lines = journal()
    for number, steps in enumerate(
        [[{"do": "send"}, {"do": "failed", "reason": "no such queue"}], [{"do": "send"}], [], None]
    ):
        known = {"message_id": f"m-{number}", "at": "2026-11-23T15:04:05Z"}
        first = [{"do": "letter"}] if steps is not None else [{"do": "discard"}]
        lines += [json.dumps({**step, **known}) for step in [*first, *(steps or [])]]
    result = status(lines, [])
    assert result.stdout.decode() == (
        "orders-dead  4 letters: 0 delivered, 1 unsure, 1 refused, 1 not sent, 1 discarded\n"
        "  refused     m-0  no such queue\n"
        "  unsure      m-1\n"
        "  not sent    m-2\n"
    )


def test_json_has_each_letter(status):
    """One object a queue."""
    (line,) = status(FOUR, RECORDS, "--json").stdout.decode().splitlines()
    document = json.loads(line)
    assert document["states"] == {"succeeded": 3, "no record": 1}
    assert document["fates"][2] == {"message_id": "m-3", "state": "succeeded", "replays": 2, "new_id": "o-3"}


def test_no_journal_is_not_nothing_to_do(lambda_guard, tmp_path):
    """In another directory, none is found."""
    result = lambda_guard("dlq", "status", cwd=tmp_path)
    assert result.returncode == 3
    assert "name one with --journal" in result.stderr.decode()


def test_what_a_journal_says_does_not_steer(status):
    """A reason is the text of a service, and ids are anybody's."""
    letters = journal(("m\x1b[2J", "n\x1b[2J", 0))
    assert b"\x1b" not in status(letters, [got(1, 9, "n\x1b[2J", "error")]).stdout
