"""The commands on stand-ins for Windows and macOS: `tests/elsewhere.py` takes away what is missing there."""

import errno
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_guard.tools.group import run as run_here

from .conftest import TRACE, invocation_id
from .dlq.fakes import FakeSqs, order
from .dlq.server import served

pytestmark = pytest.mark.slow

fcntl = pytest.importorskip("fcntl", reason="stand-ins for other systems run on Linux and macOS")

PROGRAM = Path(__file__).parents[1] / "elsewhere.py"
SYSTEMS = pytest.mark.parametrize("system", ["win32", "darwin"])
IN_ASCII = str.maketrans("─│├└█┄✓✗→↻", "-|+`#.+x>~")


def command(system, *arguments):
    return [sys.executable, str(PROGRAM), system, "lambda_guard.tools", *map(str, arguments)]


def run(system, *arguments, given=b"", **options):
    """Run a command; gives its exit code, and what it writes, both as text."""
    done = subprocess.run(
        command(system, *arguments), input=given, capture_output=True, check=False, timeout=240, **options
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode("cp1252")
    encoding = "cp1252" if system == "win32" else "utf-8"
    return done.returncode, *(text.decode(encoding).replace("\r", "") for text in (done.stdout, done.stderr))


@pytest.fixture(params=["as Windows writes lines", "as PowerShell redirects"])
def log(request, shop, tmp_path):
    """Return a log as it comes to be on Windows."""
    lines = Path(shop[1]).read_text(encoding="utf-8").splitlines()
    path = tmp_path / "windows.log"
    path.write_bytes(
        "".join(f"{line}\r\n" for line in lines).encode("utf-8" if "lines" in request.param else "utf-16")
    )
    return str(path)


@SYSTEMS
@pytest.mark.parametrize("asked", [("invocations",), ("trace", TRACE)], ids=["invocations", "trace"])
def test_logs_are_shown_as_here(capsys, system, asked, log):
    """What a code page can't draw is drawn in ASCII, in the same places."""
    assert run_here([*asked, log]) == 0
    expected = capsys.readouterr()
    code, out, err = run(system, *asked, log)
    assert code == 0
    assert err == expected.err
    assert out == (expected.out.translate(IN_ASCII) if system == "win32" else expected.out)


def test_json_is_the_same_everywhere(capsys, log):
    """What a code page can't say is an escape that JSON has."""
    assert run_here(["invocations", log, "--json"]) == 0
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    code, out, _ = run("win32", "invocations", log, "--json")
    assert (code, [json.loads(line) for line in out.splitlines()]) == (0, expected)


def test_json_escapes_what_text_draws(write):
    """A message with an arrow says the arrow."""
    from .conftest import Logs

    logs = Logs()
    path = write([logs.line(1, 0, "a → b ✓"), logs.record(1, 5, 5.0)])
    assert "a > b +" in run("win32", "invocations", path)[1]
    out = run("win32", "invocations", path, "--json")[1]
    assert "a \\u2192 b \\u2713" in out
    assert json.loads(out)["lines"][0]["message"] == "a → b ✓"


def test_a_page_is_the_same_everywhere(log, tmp_path):
    """To the byte: no line ends of the system's, and no characters of its code page."""
    pages = [tmp_path / "here.html", tmp_path / "there.html"]
    assert run_here(["invocations", log, "--html", str(pages[0])]) == 0
    assert run("win32", "invocations", log, "--html", pages[1])[0] == 0
    assert pages[1].read_bytes() == pages[0].read_bytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
@pytest.mark.parametrize("asked", [("invocations",), ("trace", TRACE)], ids=["invocations", "trace"])
def test_what_is_piped_in_is_read_like_a_file(capsys, asked, pack, log):
    """At once, or kept for a second reading; `-` stands for it."""
    assert run_here([*asked, log]) == 0
    expected = capsys.readouterr().out.translate(IN_ASCII)
    assert run("win32", *asked, "-", given=pack(Path(log).read_bytes()))[:2] == (0, expected)


@SYSTEMS
def test_an_invocation_is_shown_while_the_pipe_is_open(system, shop):
    """Where a pipe can't be asked whether there is more, a thread waits for it."""
    with subprocess.Popen(
        command(system, "invocations", "-", "--follow"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reading:
        reading.stdin.write(Path(shop[2]).read_bytes())
        reading.stdin.flush()
        assert invocation_id(4).encode() in reading.stdout.readline()  # nothing was closed yet
        reading.stdin.close()
        reading.stdout.read()
    assert reading.returncode == 0


@pytest.mark.parametrize("of_output", [True, False])
def test_what_windows_calls_an_invalid_argument_is_said_unless_it_is_the_output_s(
    monkeypatch, capfd, log, of_output
):
    """A pipe that nobody reads any more is one there; anything else isn't passed over in silence."""

    class Output:
        buffer = encoding = errors = None

        def write(self, text):
            raise OSError(errno.EINVAL, "Invalid argument")

        def flush(self):
            if of_output:
                raise OSError(errno.EINVAL, "Invalid argument")

        fileno, isatty = sys.stdout.fileno, sys.stdout.isatty

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "stdout", Output())
    monkeypatch.setattr(os, "dup2", lambda *_: None)
    assert run_here(["trace", TRACE, log]) == 1
    told = capfd.readouterr().err
    assert ("Invalid argument" in told) == (not of_output)


# --- Dead letters -----------------------------------------------------------------------------------------------------


@pytest.fixture
def queue(monkeypatch):
    sqs = FakeSqs(dead=[], source=[])
    for number in range(5):
        sqs.put("dead", order(number))
    with served(sqs, monkeypatch.setenv):
        yield sqs


@SYSTEMS
def test_a_replay_is_in_its_journal(system, queue, tmp_path):
    """Which has the line ends that it has everywhere: a system's own would be read by the next one."""
    code, out, _ = run(system, "dlq", "replay", "dead", "--yes", "--journal", "journal.jsonl", cwd=tmp_path)
    assert (code, out.splitlines()[1].split()) == (0, ["to", "source", "5"])
    assert sorted(queue.bodies("source")) == sorted(map(order, range(5)))
    assert queue.bodies("dead") == []
    journal = (tmp_path / "journal.jsonl").read_bytes()
    assert journal.count(b"\n") == 1 + 4 * 5
    assert b"\r" not in journal


def test_two_replays_at_once_are_refused_by_windows_lock(queue, tmp_path):
    """The lock is of a byte that the file will never have, for what Windows locks can't be read by anybody else."""
    journal = tmp_path / "journal.jsonl"
    with journal.open("ab") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 2**40)
        code, _, err = run(
            "win32", "dlq", "replay", "dead", "--yes", "--journal", "journal.jsonl", cwd=tmp_path
        )
    assert code == 2
    assert "another replay is at work with the journal journal.jsonl: wait for it" in err
    assert len(queue.bodies("dead")) == 5


# --- What Windows can't ----------------------------------------------------------------------------------------------


def test_windows_is_told_where_functions_run(queue, tmp_path):
    """One sentence, exit code 2, and nothing done before."""
    (tmp_path / "app.py").write_text("def handler(event, context): pass\n", encoding="utf-8")
    (tmp_path / "template.yaml").write_text("Resources: {}\n", encoding="utf-8")
    wsl = "needs Linux or macOS: on Windows, run it in WSL"
    code, out, err = run("win32", "local", "up", "template.yaml", cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"the local cloud {wsl}" in err
    code, out, err = run("win32", "dlq", "try", "dead", "--handler", "app.handler", cwd=tmp_path)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"a function in the runtime client {wsl}" in err
    assert len(queue.bodies("dead")) == 5


def test_what_windows_cant_run_explains_itself_there():
    """Help is for reading, wherever one sits."""
    code, out, _ = run("win32", "local", "up", "--help")
    assert (code, out[:32]) == (0, "Usage: lambda-guard local up [OP")
