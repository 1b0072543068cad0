"""The environment's trace header, which the process has one of, among invocations that are at work at once."""

import os
import subprocess
import sys
import threading

import pytest

from lambda_guard import current_invocation, production
from lambda_guard.testing import events, make_context

NAME = "_X_AMZN_TRACE_ID"
LAMBDAS = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1"
ANOTHER = "Root=1-5759e988-0000000000000000000000ff;Parent=53995c3f42cd8ad8;Sampled=1"
PATIENCE = 60  # seconds, for what comes at once


def upstream(number):
    return f"Root=1-6742a1b5-{number:024x};Parent=4c721bf33e3caf8f;Sampled=1"


def message(number):
    """Return an event with a message that comes from a trace of its own."""
    return events.sqs("a", trace_header=upstream(number))


class Running:
    """An invocation on a thread of its own, which has begun, and which ends when `end` is called."""

    def __init__(self, event):
        self.header, self.trace_id = None, None
        self._begun, self._proceed = threading.Event(), threading.Event()
        context = make_context(timeout_ms=120_000)
        self._thread = threading.Thread(target=production(self._handle), args=(event, context), daemon=True)
        self._thread.start()
        assert self._begun.wait(PATIENCE)

    def _handle(self, event, context):
        self.header = os.environ.get(NAME)
        self.trace = current_invocation().trace
        self.trace_id = current_invocation().trace_id
        self._begun.set()
        assert self._proceed.wait(PATIENCE)

    def end(self):
        self._proceed.set()
        self._thread.join()


@pytest.fixture(params=[LAMBDAS, None])
def header(request, monkeypatch, captured):
    """Set the header that Lambda, or nobody, has set."""
    if request.param is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, request.param)
    return request.param


def test_an_adopted_trace_is_not_taken_for_anothers_own(header):
    """An invocation that begins while another one has adopted a trace has the trace that Lambda has set, or none."""
    first = Running(message(1))
    second, plain = Running(message(2)), Running({})
    assert first.header.startswith(upstream(1))
    assert second.header.startswith(upstream(2))
    roots = [each.trace.root if each.trace else None for each in (first, second, plain)]
    assert roots == [header[5:40] if header else None] * 3
    assert [first.trace_id, second.trace_id] == [upstream(1)[5:40], upstream(2)[5:40]]
    for each in first, second, plain:
        each.end()


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_the_last_one_leaves_the_environment_as_it_was(header, order):
    """Whichever ends first, an ended invocation's trace is never left behind, nor an open one's taken away."""
    running = [Running(message(number)) for number in range(3)]
    adopted = [each.header for each in running]
    open_ones = {*range(3)}
    for number in order:
        running[number].end()
        open_ones.remove(number)
        left = {adopted[each] for each in open_ones} or {header}
        assert os.environ.get(NAME) in left
    assert os.environ.get(NAME) == header


def test_a_header_that_is_set_for_one_invocation_is_its_own(header, monkeypatch):
    """A server that sets the variable before each invocation is heeded, also while another one has adopted a trace."""
    first = Running(message(1))
    monkeypatch.setenv(NAME, ANOTHER)
    second, third = Running({}), Running(message(3))
    assert second.trace_id == third.trace.root == ANOTHER[5:40]
    first.end()
    assert os.environ[NAME] == third.header
    third.end()
    assert os.environ[NAME] == ANOTHER
    second.end()


def test_an_invocation_inside_another_one_is_part_of_its_trace(header):
    """A decorated handler that a handler calls works for the trace that this one has adopted."""
    inner = production(lambda event, context: current_invocation().trace_id)
    outer = production(lambda event, context: inner({}, make_context()))
    assert outer(message(1), make_context()) == upstream(1)[5:40]
    assert os.environ.get(NAME) == header


def test_an_items_trace_is_set_in_python_alone(header):
    """The C library would keep the header of every item; what an invocation adopts is set there, too, once each."""
    printing = [sys.executable, "-I", "-c", f"import os; print(os.environ.get({NAME!r}))"]

    @production(each_record=True)
    def each(record):
        found.append(os.environ[NAME])
        inherited.append(subprocess.check_output(printing, text=True).strip())
        given.append(subprocess.check_output(printing, text=True, env=os.environ).strip())

    found, inherited, given = [], [], []
    two = [message(number)["Records"][0] for number in (1, 2)]
    each({"Records": two}, make_context())
    assert [value[: len(upstream(1))] for value in found] == [upstream(1), upstream(2)]
    assert (inherited, given) == ([str(header)] * 2, found)
    assert os.environ.get(NAME) == header
    whole = production(lambda event, context: subprocess.check_output(printing, text=True).strip())
    assert whole(message(1), make_context()).startswith(upstream(1))
