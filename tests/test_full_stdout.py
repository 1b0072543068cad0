"""A standard output that is full and doesn't block: no line is lost without a word, and no handler notices."""

import fcntl
import io
import json
import os
import subprocess
import sys
import textwrap
import threading

import pytest

PATIENCE = 240  # seconds, for what comes at once

STREAMS = {
    "Python's": ((), ""),
    "unbuffered": (("-u",), ""),
    "the runtime client's": (
        (),
        "bootstrap = pytest.importorskip('awslambdaric.bootstrap'); sys.stdout = bootstrap.Unbuffered(sys.stdout)",
    ),
}
PROGRAM = """
    import json, os, sys, pytest
    {stream}
    from lambda_guard import logger, metrics, production
    from lambda_guard.testing import make_context

    def said(word):
        os.write(2, (word + "\\n").encode())

    def wait():
        assert sys.stdin.readline()
"""


class Program:
    """A program whose standard output is a pipe that is full, and that nobody has read from yet."""

    def __init__(self, stream, body):
        options, setting = STREAMS[stream]
        self._end, out = os.pipe()
        fcntl.fcntl(out, fcntl.F_SETFL, fcntl.fcntl(out, fcntl.F_GETFL) | os.O_NONBLOCK)
        with io.FileIO(out, "wb") as pipe:
            self.filler = 0
            while (written := pipe.write(b"\n" * 4096)) is not None:
                self.filler += written
            text = textwrap.dedent(PROGRAM).format(stream=setting) + textwrap.dedent(body)
            self._process = subprocess.Popen(
                [sys.executable, *options, "-c", text],
                stdin=subprocess.PIPE, stdout=pipe, stderr=subprocess.PIPE, text=True,
                env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            )  # fmt: skip
        self._read = bytearray()
        self._reading = threading.Thread(target=self._read_all, daemon=True)

    def waits(self):
        """Return once the program has come to `said`."""
        word = self._process.stderr.readline()
        assert word == "here\n", word + self._process.stderr.read()

    def proceed(self):
        """Let it go on behind `wait`."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def _read_all(self):
        with io.FileIO(self._end) as pipe:
            while some := pipe.read(65536):
                self._read += some

    def read(self):
        """Begin to read."""
        self._reading.start()

    def lines(self):
        """Return all the lines that it has written, once it has ended."""
        return [json.loads(line) for line in self.text().splitlines()]

    def text(self):
        """Return all that it has written, once it has ended."""
        assert self._process.wait(PATIENCE) == 0, self._process.stderr.read()
        self._reading.join(PATIENCE)
        self._process.stderr.close()
        self._process.stdin.close()
        return bytes(self._read[self.filler :]).decode()


@pytest.fixture(params=STREAMS)
def run(request):
    """Start a program with each kind of stream."""
    return lambda body: Program(request.param, body)


def test_a_line_waits_for_a_slow_reader(run):
    """Lines of every kind come out whole, once and in order, where their reader comes late; the outcome is the same."""
    program = run("""
        @production
        def handler(event, context):
            said("here")
            for number in range(100):
                print(number, "p" * 900)
                logger.info(f"{number} " + "l" * 900)
            print("long " + "x" * 150_000)
            metrics.add_metric("Orders", "Count", 1)
            print("flushed", end="", flush=True)
            return event

        event = {}
        assert handler(event, make_context(timeout_ms=240_000)) is event
        assert sys.stdout.write("plain") == 5
        print()
        print(json.dumps("the end"))
    """)
    program.waits()
    program.read()
    *lines, plain, end = program.text().splitlines()
    assert (plain, end) == ("plain", '"the end"')
    *logs, own, record = map(json.loads, lines)
    numbered = [f"{number} {letter * 900}" for number in range(100) for letter in "pl"]
    assert [line["message"] for line in logs] == [*numbered, "long " + "x" * 150_000, "flushed"]
    assert own["Orders"] == 1
    assert record["outcome"] == "success"
    assert "GuardErrors" not in record


def test_a_line_that_no_buffer_holds_comes_out_whole(run):
    """Of a long line, the stream's buffer takes the beginning, and we keep the rest."""
    program = run("""
        @production
        def handler(event, context):
            said("here")
            print("long", "é" * 100_000)
            print("longer", "x" * 150_000)

        handler({}, make_context(timeout_ms=240_000))
    """)
    program.waits()
    program.read()
    first, second, record = program.lines()
    assert first["message"] == "long " + "é" * 100_000
    assert second["message"] == "longer " + "x" * 150_000
    assert record["record"] == "invocation"


def test_lines_are_held_while_nobody_reads(run):
    """Where nobody reads, the handler goes on, and its lines come out when somebody does, before all later ones."""
    program = run("""
        @production
        def handler(event, context):
            for number in range(300):
                print(event["begin"] + number, "x" * 900)

        handler({"begin": 0}, make_context())
        said("here")
        wait()
        handler({"begin": 300}, make_context())
    """)
    program.waits()
    program.read()
    program.proceed()
    lines = program.lines()
    records = [line for line in lines if "record" in line]
    assert [line["message"].split()[0] for line in lines if line not in records] == [*map(str, range(600))]
    assert [record["outcome"] for record in records] == ["success", "success"]


def test_what_is_lost_is_counted(run):
    """What would take too much memory is lost, and a line says how much, in its place; the next record counts it."""
    program = run("""
        @production
        def handler(event, context):
            for number in range(event["lines"]):
                logger.info(str(number), filling="x" * 900)

        handler({"lines": 3000}, make_context())
        said("here")
        wait()
        import select
        room = select.poll()
        room.register(1, select.POLLOUT)
        for _ in range(30):  # the reader may pause: whoever comes next goes on with what is held
            room.poll()
            handler({"lines": 1}, make_context())
    """)
    program.waits()
    program.read()
    program.proceed()
    lines = program.lines()
    (at,) = [at for at, line in enumerate(lines) if "lost_lines" in line]
    said = lines[at]
    assert 1000 < said["lost_lines"] < 3000
    assert said == {
        "level": "WARNING",
        "location": "stdout",
        "message": f"standard output was full for too long: {said['lost_lines']} log lines were lost",
        "timestamp": said["timestamp"],
        "logger": "lambda_guard",
        "lost_lines": said["lost_lines"],
    }
    assert [line["message"] for line in lines[:at]] == [*map(str, range(at))]
    assert at + said["lost_lines"] >= 3001  # the first record, too; and whatever came before the reader
    assert sum(line.get("GuardErrors", 0) for line in lines) == 1


def test_nobody_waits_beyond_the_time_that_there_is(run):
    """An invocation that has no time left doesn't wait for a reader."""
    program = run("""
        import select

        def poll():
            os.write(2, b"waited")
            os._exit(1)

        @production
        def handler(event, context):
            for _ in range(100):
                print("x" * 900)

        select.poll, theirs = poll, select.poll
        handler({}, make_context(timeout_ms=0))
        select.poll = theirs
        said("here")
        wait()
    """)
    program.waits()
    program.read()
    program.proceed()
    assert [line.get("message") for line in program.lines()][:100] == ["x" * 900] * 100


@pytest.mark.parametrize("options", [(), ("-u",)])
def test_a_stream_of_somebodys_own_class_is_written_to_as_ever(options):
    """A subclass of Python's stream, and a `write` that somebody has put on it, get each line, buffered or not."""
    text = textwrap.dedent("""
        import io, sys
        from lambda_guard import logger, production

        class Shouting(io.TextIOWrapper):
            def write(self, text):
                return super().write(text.upper())

        @production
        def handler(event, context):
            logger.info("logged")

        out = sys.stdout
        sys.stdout = mine = Shouting(out.buffer)
        handler({}, None)
        sys.stdout = out
        theirs = out.write
        out.write = lambda text: theirs(text.upper())
        handler({}, None)
    """)
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, *options, "-c", text], env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert all(line == line.upper() for line in lines)
