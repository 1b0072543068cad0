"""The files that the commands write: who can read them, what they never replace, and what a full disk says."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from lambda_guard.tools.group import run

from .conftest import Logs, invocation_id
from .dlq.fakes import FakeSqs, order
from .dlq.server import served

LOGS = Logs()
COMMANDS = {"invocations": ("invocations",), "trace": ("trace", invocation_id(1))}


@pytest.fixture
def log(write):
    return write([LOGS.line(1, 0, "hello"), LOGS.record(1, 5, 5.0)])


def rights(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=COMMANDS.values(), ids=COMMANDS)
def page(request, log, capsys):
    """Write a page with one of the commands; gives the exit code and what it says, its first line alone."""

    def write_page(path, *options, source=log):
        code = run([*request.param, str(source), "--html", str(path), *options])
        return code, capsys.readouterr().err.splitlines()[0]

    return write_page


def test_a_page_is_its_owner_s_alone(page, tmp_path):
    """It holds log lines; an earlier page that others could read is written anew, for nobody else."""
    path = tmp_path / "page.html"
    assert page(path)[0] == 0
    assert rights(path) == 0o600
    path.chmod(0o644)
    assert page(path)[0] == 0
    assert rights(path) == 0o600


@pytest.mark.parametrize("as_source", [False, True])
def test_a_page_replaces_nothing_but_a_page(page, log, tmp_path, as_source):
    """A source, least of all: with --force it does what it is told."""
    path = Path(log) if as_source else tmp_path / "thesis.tex"
    path.write_text("precious" if not as_source else path.read_text())
    before = path.read_text()
    hint = f"lambda-guard: --html {path} is there already, and isn't such a page: name another file, or add --force"
    assert page(path) == (2, hint)
    assert path.read_text() == before
    assert page(path, "--force")[0] == 0
    assert path.read_text().startswith("<!doctype html>")


def test_a_map_replaces_an_earlier_map_and_nothing_else(log, tmp_path, capsys):
    """The same care as for pages: neither a page nor a log nor anybody's picture is lost to it; it may be made beside a page."""
    page, picture = tmp_path / "page.html", tmp_path / "map.svg"
    for _ in range(2):
        assert run(["invocations", log, "--html", str(page), "--map", str(picture)]) == 0
    assert picture.read_text().startswith("<svg ")
    assert picture.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg>mine</svg>")
    for other, what in ((drawing, "picture"), (page, "picture"), (Path(log), "picture")):
        before = other.read_bytes()
        assert run(["invocations", log, "--map", str(other)]) == 2
        assert f"--map {other} is there already, and isn't such a {what}" in capsys.readouterr().err
        assert other.read_bytes() == before
    assert run(["invocations", log, "--html", str(page), "--map", str(page)]) == 2
    assert run(["invocations", log, "--json", "--map", str(picture)]) == 2
    assert run(["invocations", log, "--follow", "--map", str(picture)]) == 2
    said = capsys.readouterr().err
    assert "name the same file" in said
    assert "--map writes a picture and --json writes lines" in said
    assert "--map is done when reading ends" in said


def test_an_empty_file_may_become_a_page_unless_it_is_read(page, tmp_path):
    """`mktemp` makes one; a log that has no line yet is a source, named or in a directory that is."""
    path, quiet = tmp_path / "made.html", tmp_path / "logs" / "quiet.log"
    quiet.parent.mkdir()
    path.touch()
    quiet.touch()
    assert page(path)[0] == 0
    for source in (quiet, quiet.parent):
        assert page(quiet, source=source)[0] == 2
        assert quiet.read_text() == ""


@pytest.mark.parametrize("there", [True, False])
def test_a_page_goes_through_no_link(page, tmp_path, there):
    """Whoever may write to the directory could let it lead anywhere, also to a file that isn't there yet."""
    link, aim = tmp_path / "page.html", tmp_path / "aim"
    link.symlink_to(aim)
    if there:
        aim.write_text("precious")
    assert page(link) == (
        2, f"lambda-guard: --html {link} is a link to {aim}: name the file itself, or add --force",
    )  # fmt: skip
    assert (aim.read_text() if there else aim.exists()) == ("precious" if there else False)
    assert page(link, "--force")[0] == 0
    assert aim.read_text().startswith("<!doctype html>")
    assert link.is_symlink()


def test_a_link_that_comes_while_the_logs_are_read_is_not_followed(log, tmp_path, monkeypatch):
    """The check comes first, and reading may take minutes."""
    from lambda_guard.tools.logs.views.html.page_file import PageFile

    link, aim = tmp_path / "page.html", tmp_path / "aim"
    link.symlink_to(aim)
    monkeypatch.setattr(PageFile, "check", lambda *_: None)
    assert run(["invocations", log, "--html", str(link)]) == 1
    assert not aim.exists()


@pytest.mark.parametrize("place", ["/dev/stdout", ">(cat)"])
def test_a_page_may_go_to_standard_output_and_into_a_pipe(log, place):
    """They are links, too, but nobody else's."""
    command = f"{sys.executable} -m lambda_guard.tools invocations {log} --html {place} | cat"
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=240, check=False)
    assert result.stdout.startswith(b"<!doctype html>")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_what_is_no_file_is_written_to_and_not_replaced(log, tmp_path):
    """A pipe here; /dev/null, replaced by a file by somebody who may, would break the machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert run(["export", "otlp", log, "--output", str(pipe)]) == 0
        assert os.read(reading, 1) == b"{"
    finally:
        os.close(reading)
    assert pipe.is_fifo()


def test_standard_output_by_its_path_is_standard_output(log, tmp_path):
    """Also where it is a file: the link to it stays."""
    with (tmp_path / "out").open("wb") as out:
        command = [sys.executable, "-m", "lambda_guard.tools", "export", "otlp", log, "--output", "/dev/fd/1"]
        subprocess.run(command, stdout=out, timeout=240, check=True)
    assert (tmp_path / "out").read_bytes().startswith(b"{")


# --- A full disk ------------------------------------------------------------------------------------------------------


def limited(size):
    """Let no file of the process grow beyond `size`: writing fails as on a full disk, with another code."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def on_a_full_disk(*arguments, size=1_000, cwd=None, stdin=b"", env=None):
    """Run a command whose files may have this many bytes; gives its exit code and the last line that it says."""
    pytest.importorskip("resource", reason="limits of files are POSIX's")
    result = subprocess.run(
        [sys.executable, "-m", "lambda_guard.tools", *arguments],
        preexec_fn=lambda: limited(size),
        capture_output=True,
        timeout=240,
        check=False,
        cwd=cwd,
        input=stdin,
        # Python would write byte code as far as it may, and each later process would fail on it.
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
    )
    assert b"Traceback" not in result.stderr
    assert b"Exception ignored" not in result.stderr
    return result.returncode, result.stderr.decode().splitlines()[-1]


def test_a_full_disk_under_the_page_names_it(log, tmp_path):
    """Not "File too large" alone: of several files it might be."""
    path = tmp_path / "page.html"
    assert on_a_full_disk("invocations", log, "--html", str(path)) == (
        1,
        f"lambda-guard: {path}: File too large",
    )


def test_a_full_disk_under_standard_output_says_so(log, tmp_path):
    """Also where all that is written fits into the buffer, so that it fails at the very end."""
    command = f"{sys.executable} -m lambda_guard.tools trace {invocation_id(1)} {log} > /dev/full"
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=240, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == b"lambda-guard: standard output: No space left on device"


def test_a_full_disk_under_what_was_piped_in_names_the_copy(log, tmp_path):
    """`trace` reads its input more than once, so a copy is kept."""
    told = on_a_full_disk(
        "trace", "m-1", "-", stdin=Path(log).read_bytes() * 10, env={"TMPDIR": str(tmp_path)}
    )
    assert told[0] == 1
    assert told[1].startswith(f"lambda-guard: {tmp_path}/lambda-guard-")
    assert told[1].endswith(": File too large")


@pytest.fixture
def queue(monkeypatch):
    sqs = FakeSqs(dead=[], source=[])
    for number in range(30):
        sqs.put("dead", order(number))
    with served(sqs, monkeypatch.setenv):
        yield sqs


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_a_full_disk_under_the_journal_names_it_and_loses_nothing(queue, tmp_path, command):
    """A letter that isn't in the journal is neither sent nor deleted."""
    told = on_a_full_disk("dlq", command, "dead", "--yes", "--journal", "journal.jsonl", cwd=tmp_path)
    assert told == (1, "lambda-guard: journal.jsonl: File too large")
    kept = [
        json.loads(line).get("message_id")
        for line in (tmp_path / "journal.jsonl").read_text().splitlines()[:-1]
    ]
    bodies = [*queue.bodies("dead"), *queue.bodies("source")]
    assert sorted(bodies) == sorted(map(order, range(30)))
    assert len(queue.bodies("source")) <= len(kept)


def test_a_full_disk_under_letters_to_try_names_the_directory(queue, tmp_path):
    """The file itself has no name."""
    (tmp_path / "app.py").write_text("def handler(event, context): pass")
    told = on_a_full_disk(
        "dlq", "try", "dead", "--handler", "app.handler", cwd=tmp_path, env={"TMPDIR": str(tmp_path)}
    )
    assert told == (1, f"lambda-guard: {tmp_path}: File too large")
    assert len(queue.bodies("dead")) == 30
