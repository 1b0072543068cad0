"""`lambda-guard` itself: help, version, completion, extras, colours, pipes, and how little it imports to start."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from .conftest import TRACE, Logs, invocation_id

LOGS = Logs()


def python(code, **env):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=240, env={**os.environ, **env}, check=False
    )


def test_help_teaches_with_examples(lambda_guard):
    """Each help has examples that can be copied."""
    for arguments in ((), ("invocations",), ("trace",)):
        result = lambda_guard(*arguments, "--help")
        assert result.returncode == 0
        assert (
            b"Examples:\n    lambda-guard " in result.stdout or b"Examples:\n  lambda-guard " in result.stdout
        )


def test_version_is_the_packages(lambda_guard):
    """One source for the version."""
    from lambda_guard import __version__

    assert lambda_guard("--version").stdout.decode() == f"lambda-guard {__version__}\n"


def test_help_imports_click_and_nothing_heavy():
    """What a command needs is imported when it runs: the list of them costs what click costs."""
    code = (
        "import sys; from lambda_guard.tools.group import run; run(['--help'])\n"
        "print([name for name in ('boto3', 'botocore', 'rich', 'aws_xray_sdk', 'lambda_guard.tools.logs.invocation',"
        " 'lambda_guard.tools.logs.commands') if name in sys.modules], file=sys.stderr)"
    )
    assert python(code).stderr == b"[]\n"


def test_reading_files_imports_no_boto3(shop):
    """boto3 takes longer to import than a file takes to read."""
    code = (
        "import sys; from lambda_guard.tools.group import run; run(['trace', 'm-1', *sys.argv[1:]])\n"
        "print([name for name in ('boto3', 'botocore', 'rich') if name in sys.modules], file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *shop], capture_output=True, timeout=240, check=False
    )
    assert result.stderr.endswith(b"[]\n")


def test_without_click_one_line_says_what_to_install():
    """No traceback for a missing extra."""
    code = "import sys; sys.modules['click'] = None; from lambda_guard.tools.cli import main; main()"
    result = python(code)
    said = b"lambda-guard: the command-line tools aren't installed: pip install 'aws-lambda-guard[tools]'\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, b"", said)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_a_ctrl_c_while_it_starts_ends_it_quietly(tmp_path):
    """Half of the time until a file is read goes by with imports."""
    (tmp_path / "click.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    result = python("from lambda_guard.tools.cli import main; main()", PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (130, b"", b"")


def test_without_boto3_one_line_says_what_to_install():
    """Files can be read without it, log groups can't."""
    code = (
        "import sys; sys.modules['boto3'] = None\n"
        "sys.argv = ['lambda-guard', 'invocations', '--log-group', 'x']\n"
        "from lambda_guard.tools.cli import main; main()"
    )
    result = python(code)
    said = b"lambda-guard: calling AWS needs boto3, which isn't installed: pip install 'aws-lambda-guard[tools]'\n"
    assert (result.returncode, result.stderr) == (2, said)


def test_a_command_whose_extra_is_missing_names_it():
    """`local` is there only with its extra; the list of commands is there always."""
    code = (
        "import sys; sys.modules['lambda_guard.local.cli'] = None\n"
        "sys.argv = ['lambda-guard', 'local']\n"
        "from lambda_guard.tools.cli import main; main()"
    )
    result = python(code)
    assert result.returncode == 2
    assert result.stderr.endswith(b"pip install 'aws-lambda-guard[local]'\n")
    assert result.stderr.count(b"\n") == 1


def test_an_unknown_command_is_a_usage_error(lambda_guard):
    """Exit code 2, and where to look."""
    result = lambda_guard("frobnicate")
    assert result.returncode == 2
    assert b"No such command 'frobnicate'" in result.stderr


def test_shells_complete_commands_and_options():
    """The documented way of completing works for commands and for their options."""
    code = "from lambda_guard.tools.cli import main; main()"
    for words, place, wanted in (
        ("lambda-guard inv", 1, "invocations"),
        ("lambda-guard trace --ht", 2, "--html"),
        ("lambda-guard invocations ba", 2, "ba"),
        ("lambda-guard trace --html pa", 3, "pa"),
    ):
        env = {"_LAMBDA_GUARD_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
        kind, _, completed = python(code, **env).stdout.decode().strip().partition(",")
        assert (kind, completed) == ("plain" if len(wanted) > 2 else "file", wanted)


def test_a_reader_who_leaves_ends_it_quietly(write):
    """`| head` gets its lines, and nobody sees a traceback."""
    path = write([LOGS.record(number, number, 1.0) for number in range(20_000)])
    command = f"{sys.executable} -m lambda_guard.tools invocations {path} | head -n 1"
    result = subprocess.run(command, shell=True, capture_output=True, timeout=240, check=False)
    assert result.stdout.startswith("✓ success  orders:$LATEST".encode())
    assert result.stderr == b""


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colours_unless_it_says_no(shop, env, coloured):
    """Colours are for eyes: on a terminal, but not where NO_COLOR is set or the terminal can't."""
    ours, theirs = pytest.importorskip("pty", reason="pseudo-terminals are POSIX's").openpty()
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", shop[1]]
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen(
        command, stdout=theirs, stderr=subprocess.DEVNULL, env={**clean, "TERM": "xterm", **env}
    )
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 65536):
            text += chunk
    except OSError:
        pass  # Linux says EIO when the other side is closed
    os.close(ours)
    assert process.wait(240) == 0
    assert b"PaymentRefused" in text
    assert (b"\x1b[" in text) is coloured


def test_following_a_file_shows_what_is_added(tmp_path):
    """New invocations appear as they end, also after the file was replaced; Ctrl-C ends it with exit code 0."""
    path = tmp_path / "growing.log"
    path.write_text(f"{LOGS.start(1)}\nfirst\n{LOGS.report(1)}\n")
    command = [
        sys.executable,
        "-u",
        "-m",
        "lambda_guard.tools",
        "invocations",
        str(path),
        "--follow",
        "--json",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        told = [json.loads(process.stdout.readline())]
        with path.open("a") as file:
            file.write(f"{LOGS.line(2, 0, 'second')}\n{LOGS.record(2, 5, 5.0)}\n")
        told.append(json.loads(process.stdout.readline()))
        path.unlink()
        path.write_text(f"{LOGS.line(3, 0, 'third')}\n{LOGS.record(3, 5, 5.0)}\n")
        told.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=240)
    assert [one["lines"][0]["message"] for one in told] == ["first", "second", "third"]
    assert (rest, process.returncode) == (b"", 0)


@contextmanager
def following(*sources, **streams):
    """Follow sources as a process; give a way to read the next invocation, and one to stop it and read the rest."""
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", *map(str, sources), "-f", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **streams) as process:
        yield process, lambda: json.loads(process.stdout.readline())["lines"][0]["message"]


def stopped(process):
    """Stop it by one Ctrl-C; give what it said after that."""
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=240)
    assert process.returncode == 0
    return [json.loads(line)["lines"][0]["message"] for line in rest.splitlines()]


def whole(number, message):
    return f"{LOGS.line(number, 0, message)}\n{LOGS.record(number, 5, 5.0)}\n"


def test_what_was_written_last_before_a_file_was_replaced_is_read(tmp_path):
    """Rotation loses no line: neither those that came just before, nor the first of the new file after a cut one."""
    path = tmp_path / "app.log"
    path.write_text(whole(1, "before"))
    with following(path) as (process, message):
        told = [message()]
        with path.open("a") as file:
            file.write(whole(2, "last") + LOGS.line(3, 0, "cut")[:-40])
        path.rename(tmp_path / "app.log.1")
        path.write_text(whole(4, "first"))
        told += [message(), message()]
        assert len(stopped(process)) == 1
    assert told == ["before", "last", "first"]


def test_all_files_are_followed(tmp_path):
    """Not the last one alone: functions log side by side."""
    paths = [tmp_path / "a.log", tmp_path / "b.log"]
    for number, path in enumerate(paths):
        path.write_text(whole(number, path.name))
    with following(*paths) as (process, message):
        told = [message(), message()]
        for number, path in enumerate(paths):
            with path.open("a") as file:
                file.write(whole(number + 2, f"more in {path.name}"))
            told.append(message())
        stopped(process)
    assert told == ["a.log", "b.log", "more in a.log", "more in b.log"]


def test_following_standard_input_ends_at_the_first_ctrl_c():
    """What is held is shown, and the pipe need not end for it."""
    with following("-", stdin=subprocess.PIPE) as (process, message):
        process.stdin.write(f"{whole(1, 'ended')}{LOGS.line(2, 0, 'running')}\n".encode())
        process.stdin.flush()
        assert message() == "ended"
        process.send_signal(signal.SIGINT)
        assert json.loads(process.stdout.readline())["outcome"] == "unfinished"
        assert process.wait(timeout=240) == 0


def test_a_pipe_that_is_slow_to_begin_is_read_like_any_other():
    """`aws logs filter-log-events` thinks for seconds before it prints its one document."""
    event = {"timestamp": 1795446245000, "message": LOGS.record(1, 5, 5.0), "logStreamName": "s"}
    code = f"import time; time.sleep(3); print({json.dumps({'events': [event]}, indent=4)!r})"
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", "--json"]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as slow:
        result = subprocess.run(command, stdin=slow.stdout, capture_output=True, timeout=240, check=False)
    assert result.stderr == b"1 invocation, 0 failed; 1 line read\n"


@pytest.mark.parametrize("options", [["--follow"], []])
def test_a_pipe_gets_each_block_as_it_ends(options):
    """Whoever watches through `| tee` or `| jq` sees what a terminal shows, not what fills a buffer."""
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", "-", "--json", *options]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as process:
        for number in range(3):
            lines = f"{LOGS.line(number, 0, 'hello')}\n{LOGS.record(number, 5, 5.0)}\n"
            process.stdin.write(lines.encode())
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 30)[0]
            assert json.loads(process.stdout.readline())["invocation_id"] == invocation_id(number)


@pytest.mark.parametrize(("closed", "code"), [("<&-", 0), (">&-", 0), (">/dev/full", 1)])
def test_closed_and_full_streams_leave_no_traceback(write, closed, code):
    """Cron and scripts close them, and disks fill up: a sentence at the most, and the exit code tells."""
    path = write([LOGS.record(1, 5, 5.0)])
    source = "" if closed == "<&-" else path
    command = f"{sys.executable} -m lambda_guard.tools invocations {source} {closed}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, timeout=240, check=False)
    assert result.returncode == code
    assert b"Traceback" not in result.stderr
    assert not code or result.stderr == b"lambda-guard: standard output: No space left on device\n"


def test_text_that_is_no_unicode_is_shown_escaped(lambda_guard, write):
    """A lone surrogate in JSON, or a terminal without UTF-8, ends nothing."""
    path = write([LOGS.line(1, 0, "half").replace("half", "half \\ud83d"), LOGS.record(1, 5, 5.0)])
    for options in ((), ("--json",)):
        result = lambda_guard("invocations", path, *options, env={"PYTHONIOENCODING": "ascii"})
        assert result.returncode == 0
        assert b"\\ud83d" in result.stdout


def test_a_page_is_written_whatever_its_title(lambda_guard, write, tmp_path):
    """The trace's id is its title, and half a surrogate pair in it ends nothing."""
    path = write([LOGS.record(1, 5, 5.0).replace(TRACE, "1-\\ud83d")])
    result = lambda_guard("trace", invocation_id(1), path, "--html", str(tmp_path / "page.html"))
    assert (result.returncode, result.stderr.splitlines()[0][:6]) == (0, b"wrote ")


def test_a_page_and_lines_at_once_are_refused(lambda_guard, shop, tmp_path):
    """Neither is left out in silence."""
    page = tmp_path / "page.html"
    for command in (("invocations",), ("trace", invocation_id(1))):
        result = lambda_guard(*command, shop[0], "--json", "--html", str(page))
        assert (result.returncode, page.exists()) == (2, False)
        assert b"choose one of them" in result.stderr


def test_a_page_that_can_t_be_written_is_said(lambda_guard, shop):
    """The file's name, and why."""
    result = lambda_guard("invocations", shop[0], "--html", "/nowhere/page.html")
    assert result.returncode == 1
    assert (
        result.stderr.decode().splitlines()[-1]
        == "lambda-guard: /nowhere/page.html: No such file or directory"
    )
