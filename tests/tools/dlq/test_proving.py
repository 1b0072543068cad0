"""A proving replay: the records of what was sent decide whether more is sent."""

import json
import time

import pytest

from lambda_guard.tools.dlq.causes import Causes, Logs
from lambda_guard.tools.dlq.journal import Journal
from lambda_guard.tools.dlq.proving import Prover
from lambda_guard.tools.dlq.queue import Reading, find_queue
from lambda_guard.tools.dlq.recognition import recognise
from lambda_guard.tools.dlq.replay import Pace, Planner, Replay
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.targets import TargetFinder
from lambda_guard.tools.stopping import Stop

from .conftest import AtOnce
from .fakes import FakeSqs, order

OLD = {"type": "KeyError", "message": "'sku'", "fingerprint": "aaaaaaaaaaaaaaaa", "stack": []}
NEW = {"type": "ValueError", "message": "no", "fingerprint": "bbbbbbbbbbbbbbbb", "stack": []}


class Worker(FakeSqs):
    """A queue whose function leaves a record for each message at once: what it dies of is told by `verdict`."""

    def __init__(self, log, verdict):
        super().__init__(dead=[], source=[])
        self.log, self.verdict = log, verdict

    def send_message_batch(self, QueueUrl, Entries):
        answer = super().send_message_batch(QueueUrl, Entries)
        for told in answer["Successful"]:
            error = self.verdict(len(self.sent))
            if error != "silent":
                with self.log.open("a") as file:
                    file.write(record(told["MessageId"], error) + "\n")
        return answer


def _outcome(error):
    return error if isinstance(error, str) else "error" if error else "success"


def record(message_id, error):
    return json.dumps(
        {
            "level": "ERROR" if error else "INFO", "message": "-", "timestamp": "2026-11-23T15:00:00.000Z",
            "record": "invocation", "outcome": _outcome(error), "invocation_id": f"i-{message_id}",
            "function_name": "worker", "upstreams": [{"trace_id": None, "message_ids": [message_id]}],
            **({"error": error} if isinstance(error, dict) else {}), "duration_ms": 1.0,
        },
        separators=(",", ":"),
    )  # fmt: skip


@pytest.fixture
def prove(tmp_path, monkeypatch):
    """Prove 150 letters that died of OLD; gives the proof, and how many were sent."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock.__setitem__(0, clock[0] + 0.05) or clock[0])
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    def run(verdict):
        log = tmp_path / "worker.log"
        sqs = Worker(log, verdict)
        log.write_text("".join(record(sqs.put("dead", order(number)), OLD) + "\n" for number in range(150)))
        logs, stop, queue = Logs((str(log),)), Stop(), find_queue("dead", sqs)
        causes = Causes.read(logs)
        with Journal(tmp_path / "j.jsonl") as journal, Reading(queue, sqs, stop=stop, seconds=30) as reading:
            planner = Planner(TargetFinder(queue, sqs), journal.history, run=journal.run)
            understand = lambda message: causes.explain(recognise(message))  # noqa: E731 - what the loop is given
            loop = Replay(
                reading,
                understand,
                planner,
                journal,
                Sender(sqs),
                Pace(None, stop),
                stop,
                lambda _n: None,
                AtOnce(),
            )
            return Prover(loop, logs, 3.0, stop).run(), len(sqs.sent)

    return run


def test_all_is_sent_where_all_succeed(prove):
    """And every letter has its record."""
    proof, sent = prove(lambda _count: None)
    assert (proof.succeeded, dict(proof.died), proof.silent, proof.stopped, sent) == (150, {}, 0, "", 150)
    assert proof.exit_code == 0


def test_it_stops_at_the_first_letter_that_dies_of_the_same(prove):
    """One was sent, not a hundred and fifty."""
    proof, sent = prove(lambda _count: OLD)
    assert (proof.succeeded, dict(proof.died), sent) == (0, {"KeyError: 'sku'": 1}, 1)
    assert proof.stopped == "KeyError: 'sku' came back"
    assert proof.exit_code == 1


def test_it_stops_in_the_second_wave(prove):
    """The first one was lucky; one of the ten shows it."""
    proof, sent = prove(lambda count: OLD if count > 1 else None)
    assert (proof.succeeded, sent) == (1, 11)


def test_a_new_error_of_the_first_letters_stops_it_too(prove):
    """A letter that dies of something else proves no fix."""
    proof, sent = prove(lambda _count: NEW)
    assert (proof.stopped, sent) == ("the first letters died of ValueError: no", 1)


def test_a_new_error_later_on_is_counted(prove):
    """The rest goes on; the end says how many died of what."""
    proof, sent = prove(lambda count: NEW if count == 150 else None)
    assert (proof.succeeded, dict(proof.died), sent) in [
        (150 - died, {"ValueError: no": died}, 150) for died in range(1, 11)
    ]
    assert proof.exit_code == 1


def test_without_records_nothing_more_is_sent(prove):
    """Wrong logs, or a consumer that is switched off."""
    proof, sent = prove(lambda _count: "silent")
    assert (proof.silent, sent) == (1, 1)
    assert proof.stopped.startswith("no record of 1 replayed within 3 s")


def test_an_execution_that_waits_proves_nothing_yet(prove):
    """A durable function has suspended its execution: it may still fail."""
    proof, sent = prove(lambda _count: "suspended")
    assert (proof.succeeded, proof.silent, sent) == (0, 1, 1)
