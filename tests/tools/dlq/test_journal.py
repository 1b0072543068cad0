"""The journal: locked, never cut, never joined to a broken line."""

import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.journal import History, Journal, Step, default_path, read_history
from lambda_guard.tools.dlq.letter import Letter, Origin
from lambda_guard.tools.dlq.message import Message
from lambda_guard.tools.dlq.queue import Queue

QUEUE = Queue("http://sqs.local/1/dead", "arn:aws:sqs:eu-west-1:1:dead")


def letter(number=1):
    return Letter(Message(f"m-{number}", "{}", receipt=f"r-{number}"), Origin.QUEUE, "{}")


def test_what_a_journal_knows_is_known_again(tmp_path):
    """Each letter's last step, across runs."""
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path) as journal:
        journal.begin("replay", QUEUE)
        journal.received([letter(number) for number in range(5)])
        journal.sending([(f"m-{number}", "there", 1) for number in range(1, 5)])
        journal.delivered([("m-2", "new-2"), ("m-3", "new-3")])
        journal.deleted(["m-3"])
        journal.failed([("m-4", "no")])
    known = read_history(path)

    assert {one: it.state for one, it in known.letters.items()} == {
        "m-0": Step.RECEIVED, "m-1": Step.SENT, "m-2": Step.DELIVERED, "m-3": Step.DELETED, "m-4": Step.FAILED,
    }  # fmt: skip
    assert set(known.replayed_as) == {"new-2", "new-3"}
    assert {one for one, it in known.letters.items() if it.receipt} == {"m-0", "m-1", "m-2"}


def test_every_line_of_a_journal(tmp_path):
    """What each step writes: an operator and a later run read it, and find the letter there, whole."""
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.begin("replay", QUEUE)
        journal.received([letter(1)])
        journal.discarding([letter(2)])
        journal.sending([("m-1", "there", 1)])
        journal.delivered([("m-1", "new-1")])
        journal.failed([("m-3", "no")])
        journal.deleted(["m-1"])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(datetime.fromisoformat(line.pop("at")).tzinfo is UTC for line in lines)
    whole = [
        {
            "message_id": one.message_id,
            "origin": "queue",
            "digest": one.digest,
            "receipt": one.message.receipt,
            "message": one.message.as_document(),
        }
        for one in (letter(1), letter(2))
    ]
    assert lines == [
        {"do": "run", "run": journal.run, "command": "replay", "queue": QUEUE.arn},
        {"do": "letter", **whole[0]},
        {"do": "discard", **whole[1]},
        {"do": "send", "message_id": "m-1", "target": "there", "number": 1},
        {"do": "delivered", "message_id": "m-1", "new_id": "new-1"},
        {"do": "failed", "message_id": "m-3", "reason": "no"},
        {"do": "deleted", "message_id": "m-1"},
    ]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "body", ["plain", "größer", "del\x7f", "bell\x07 esc\x1b", "\u202eturned", "half \ud83d", '"\\']
)
def test_a_letter_stands_in_printable_ascii(tmp_path, body):
    """Whatever its text is, nothing in the journal steers a terminal, and the letter can be read from it."""
    path = tmp_path / "journal.jsonl"
    one = Letter(Message("m-1", body), Origin.QUEUE, body)
    with Journal(path) as journal:
        journal.received([one])
    line = path.read_text("ascii").removesuffix("\n")
    assert line.isprintable()
    assert Message.from_document(json.loads(line)["message"]) == one.message


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("arn:aws:sqs:eu-west-1:123456789012:dead", "dlq-eu-west-1-123456789012-dead.jsonl"),
        ("http://127.0.0.1:9324/000000000000/dead", "dlq---dead.jsonl"),
    ],
)
def test_the_journal_of_a_queue(arn, name):
    """Queues of one name in two regions or accounts have a journal each; a stand-in that has no ARNs has one, too."""
    assert default_path(Queue("http://sqs.local/1/dead", arn)) == Path(".lambda-guard") / name


def test_a_line_that_was_cut_spoils_nothing(tmp_path):
    """Power failed while the last line was written: it is passed over, and the next one stands for itself."""
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.begin("replay", QUEUE)
        journal.received([letter()])
    path.write_bytes(path.read_bytes() + b'{"do":"send","mess')
    with Journal(path) as journal:
        journal.deleted(["m-1"])
    assert read_history(path).letters["m-1"].state is Step.DELETED
    assert len(path.read_text().splitlines()) == 4


def test_a_damaged_line_takes_no_other_with_it(tmp_path):
    """What is known to be delivered stays known, whichever line before is gone; also the first one may be cut."""
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        journal.begin("replay", QUEUE)
        journal.received([letter()])
        journal.sending([("m-1", "there", 1)])
        journal.delivered([("m-1", "new-1")])
    lines = path.read_bytes().splitlines(keepends=True)
    for at, line in enumerate(lines[:-1]):
        path.write_bytes(b"".join([*lines[:at], line[:20] + b"\n", *lines[at + 1 :]]))
        known = read_history(path)
        assert known.letters["m-1"].state is Step.DELIVERED
        assert set(known.replayed_as) == {"new-1"}


def test_two_replays_at_once_are_refused(tmp_path):
    """The second one would send what the first one is sending."""
    path = tmp_path / "journal.jsonl"
    with Journal(path), pytest.raises(DeadLetterError, match="another replay is at work"):
        Journal(path)
    with Journal(path):
        pass


def test_a_file_of_something_else_is_no_journal(tmp_path):
    """Nothing is appended to it."""
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n")
    with pytest.raises(DeadLetterError, match="isn't a journal"):
        Journal(path)
    assert path.read_text() == "my notes\n"


@pytest.mark.parametrize("use", [Journal, read_history])
def test_a_device_is_no_journal(use):
    """What is written there can't be read again, so that the next run would send everything twice."""
    with pytest.raises(DeadLetterError, match="name a file that stays"):
        use(Path(os.devnull))


def test_lines_of_threads_do_not_mix(tmp_path):
    """Each batch of lines is one write."""
    path = tmp_path / "journal.jsonl"
    with Journal(path) as journal:
        threads = [
            threading.Thread(
                target=lambda: [journal.received([letter(n) for n in range(10)]) for _ in range(20)]
            )
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("step", ["a step of a later version", None, "run"])
def test_a_line_of_an_unknown_step_says_nothing_of_a_letter(step):
    """A journal may have been written by a newer version."""
    history = History()
    history.learn({"do": step, "message_id": "m-1"})
    assert history.letters == {}
