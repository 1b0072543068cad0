"""A replay over queues in memory."""

import time
from concurrent.futures import Executor, Future

import pytest

from lambda_guard.tools.dlq.journal import Journal
from lambda_guard.tools.dlq.queue import Reading, find_queue
from lambda_guard.tools.dlq.recognition import recognise
from lambda_guard.tools.dlq.replay import Pace, Planner, Replay, recover
from lambda_guard.tools.dlq.sending import Sender
from lambda_guard.tools.dlq.targets import TargetFinder
from lambda_guard.tools.stopping import Stop

from .fakes import FakeSqs


class AtOnce(Executor):
    """Does in the foreground what a thread would, so that a test knows the order of all calls."""

    def submit(self, work, /, *args, **kwargs):
        done = Future()
        done.set_result(work(*args, **kwargs))
        return done


@pytest.fixture
def sqs():
    return FakeSqs(dead=[], source=[])


@pytest.fixture
def replay(tmp_path, monkeypatch):
    """Replay a queue to its end, as the command does, with its journal in `tmp_path`; gives the tally."""
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)

    def run(
        sqs,
        *,
        to="source",
        again=False,
        limit=None,
        name="dead",
        wanted=lambda _letter: True,
        on_sent=None,
        rate=None,
        stop=None,
    ):
        queue = find_queue(name, sqs)
        finder, stop = TargetFinder(queue, sqs, to), stop or Stop()
        with (
            Journal(tmp_path / "journal.jsonl") as journal,
            Reading(queue, sqs, stop=stop, seconds=30) as reading,
        ):
            recover(reading, journal.history)
            journal.begin("replay", queue)

            def understand(message):
                letter = recognise(message)
                return letter if wanted(letter) else None

            planner = Planner(finder, journal.history, run=journal.run, again=again)
            loop = Replay(
                reading,
                understand,
                planner,
                journal,
                Sender(sqs),
                Pace(rate, stop),
                stop,
                lambda _count: None,
                AtOnce(),
            )
            run.tally = loop.tally
            for sent in loop.send(limit):
                if on_sent:
                    on_sent(sent)
        return loop.tally

    run.journal = tmp_path / "journal.jsonl"
    return run
