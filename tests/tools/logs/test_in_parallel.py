"""Drawing in bulk: what other processes draw is what this one would have drawn, whatever becomes of them."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import TimedLine
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.streams import Stream
from lambda_guard.tools.logs.views import in_parallel
from lambda_guard.tools.logs.views.documents import block_pieces
from lambda_guard.tools.logs.views.in_parallel import AHEAD, ALONE_MOST, BATCH, Helper, drawn, drawn_in_bulk
from lambda_guard.tools.logs.views.text import TIMES, TextView
from lambda_guard.tools.terminal import ESCAPED, Palette, encoder

from ..conftest import Logs

LOGS = Logs()
VERY_MANY = ALONE_MOST + 3 * BATCH + 7  # the last batch isn't a full one
VIEWS = [
    encoder(view, "utf-8", ESCAPED)
    for view in (TextView(Palette(on=True), 100).pieces, TextView(Palette(on=False)).pieces, block_pieces)
]
AS_JSON = VIEWS[-1]


def blocks_of(count):
    """Read a log that has something of everything."""
    lines = [b"before anything else"]
    for number in range(count):
        lines += [
            LOGS.start(number).encode(),
            TimedLine.at(LOGS.line(number, number * 10, "Zürich \\ud83d").encode(), 1.7e12, "a stream"),
            *([LOGS.line(number, -1e9, "long before").encode()] if number % 7 == 0 else []),
            *([LOGS.line(number, 1, "again").encode()] * 2 if number % 11 == 0 else []),
            *(
                [f'{{"invocation_id":"{number:08x}-5b51-4c55-9d9e-1f2c64d3a001", cut'.encode()]
                if number % 9 == 0
                else []
            ),
            *([LOGS.record(number, number * 10 + 5, 5.0, outcome="error").encode()] if number % 5 else []),
            LOGS.end(number).encode(),
            LOGS.report(number).encode(),
        ]
        if number == 3:
            lines.append(b"between two")
    grouper = Grouper(grace_lines=0)
    grouper.feed(lines, Stream("a file"))
    grouper.feed([LOGS.line(1, 20, "late").encode()], Stream("a file"))
    grouper.finish()
    return list(grouper.take())


def came_to(some):
    """Add up what was drawn."""
    some = list(some)
    return b"".join(one.text for one in some), *map(sum, zip(*(one[1:] for one in some), strict=True))


class Started(Helper):
    """One that takes batches from the first on."""

    def __init__(self, draw):
        super().__init__(draw)
        until = time.monotonic() + 240
        while not self.has_room:
            assert self.process is not None
            assert time.monotonic() < until
            time.sleep(0.01)


@pytest.mark.parametrize("draw", VIEWS, ids=["in colour", "plain", "as JSON"])
def test_in_bulk_is_what_it_is_one_by_one(draw, monkeypatch):
    """Very many blocks come out the same, in their order, and so do the counts of what was odd."""
    monkeypatch.setattr(in_parallel, "Helper", Started)
    monkeypatch.setattr(in_parallel, "_helpers", lambda: 2)
    text, shown, failed, broken, jumps = came_to(drawn(blocks_of(VERY_MANY), draw))
    assert came_to(drawn_in_bulk(iter(blocks_of(VERY_MANY)), draw)) == (text, shown, failed, broken, jumps)
    assert shown == VERY_MANY
    assert failed > 0
    assert broken > VERY_MANY / 10
    assert jumps > VERY_MANY / 10
    assert text.count(b"again") > VERY_MANY / 12
    assert text.count(b"again") == text.count(f"({TIMES}2)".encode()) + text.count(b'"times":2')


@pytest.mark.parametrize("count", [0, 1, BATCH])
def test_few_are_drawn_here(count, monkeypatch):
    """A log that holds no more than a screen or two has no process started, and each block comes by itself."""
    monkeypatch.setattr(subprocess, "Popen", None)
    blocks = blocks_of(count)
    assert len(list(drawn_in_bulk(iter(blocks), AS_JSON))) == len(blocks)


def test_nobody_waits_for_a_helper_that_is_starting(monkeypatch):
    """It has no room until then: what there is meanwhile is drawn here."""
    monkeypatch.setattr(in_parallel, "_START", "import time; time.sleep(240)")
    helper = Helper(AS_JSON)
    assert not helper.has_room
    assert helper.process is not None
    helper.close()
    monkeypatch.setattr(in_parallel, "_helpers", lambda: 1)
    blocks = blocks_of(ALONE_MOST + 40 * BATCH)
    assert came_to(drawn_in_bulk(iter(blocks), AS_JSON)) == came_to(drawn(blocks, AS_JSON))


def test_a_helper_draws_and_nobody_waits_for_the_other_to_read():
    """It takes several batches that are larger than any pipe before anything of it is taken, and answers in order."""
    helper = Started(AS_JSON)
    batches = [[Invocation(f"{number}", raw=[b"x" * 2**20] * 4)] for number in range(AHEAD)]
    for batch in batches:
        assert helper.has_room
        helper.give(batch)
    assert not helper.has_room
    assert [helper.take() for _ in batches] == [next(drawn(batch, AS_JSON)) for batch in batches]
    assert helper.process is not None, "it has ended, and all was drawn here"
    helper.close()


@pytest.mark.parametrize("before", [True, False], ids=["before it is asked", "while it draws"])
def test_what_a_killed_helper_was_given_is_drawn(before):
    """A helper that ends (out of memory, say) takes nothing with it, and what it is given afterwards is drawn, too."""
    helper, blocks = Started(AS_JSON), blocks_of(BATCH)
    if before:
        helper.process.kill()
        helper.process.wait()
    helper.give(blocks)
    if not before:
        helper.process.kill()
    expected = came_to(drawn(blocks_of(BATCH), AS_JSON))
    assert came_to([helper.take()]) == expected  # perhaps it was quicker than the kill
    helper.give(blocks)
    assert came_to([helper.take()]) == expected
    assert helper.process is None


def test_what_cannot_be_handed_over_is_drawn():
    """A line of no invocation that is nested more deeply than pickling goes takes nothing with it."""
    depth = 700 if sys.version_info < (3, 12) else 6_000  # what is read, and is too deep to be pickled
    deep = f'{{"message":"deep","timestamp":"2026-11-23T15:04:05.000Z","at":{"[" * depth}{"]" * depth}}}'.encode()
    grouper = Grouper()
    grouper.feed([deep], Stream("a file"))
    grouper.finish()
    (stray,) = grouper.take()
    helper = Started(AS_JSON)
    helper.give([stray])
    assert came_to([helper.take()]) == came_to(drawn([stray], AS_JSON))
    assert helper.process is None


def no_interpreter(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")


def no_file(monkeypatch):
    def refuse(**_):
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(multiprocessing, "Pipe", refuse)


@pytest.mark.parametrize("missing", [no_interpreter, no_file])
def test_no_helper_to_start(monkeypatch, missing):
    """Where no process can be started, everything is drawn here."""
    missing(monkeypatch)
    with pytest.raises(OSError):
        Helper(AS_JSON)
    blocks = blocks_of(VERY_MANY)
    assert came_to(drawn_in_bulk(iter(blocks), AS_JSON)) == came_to(drawn(blocks, AS_JSON))


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX's")
@pytest.mark.usefixtures("heeding_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, getattr(signal, "SIGKILL", None)])
def test_helpers_end_with_the_command(tmp_path, number):
    """A terminal's Ctrl-C and kill -9 of the command leave no helper and no traceback."""
    log = tmp_path / "app.log"
    log.write_text(
        "".join(f"{LOGS.line(n, n, 'x' * 500)}\n{LOGS.record(n, n + 5, 5.0)}\n" for n in range(VERY_MANY * 3))
    )
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", str(log)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    read = 0
    while read < ALONE_MOST * 700:  # by then they are at work, and nobody has read what they have drawn since
        read += len(os.read(process.stdout.fileno(), 2**20))
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    _, said = process.communicate(
        timeout=240
    )  # ends when nobody holds the other ends of the pipes, helpers neither
    assert b"Traceback" not in said
    assert process.returncode == (130 if number == signal.SIGINT else -number)
