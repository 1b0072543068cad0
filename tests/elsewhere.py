"""A system that lacks what Windows or macOS lack, on this one: `python elsewhere.py SYSTEM PROGRAM [ARGUMENT…]`.

It is a stand-in: the names that are missing there are missing, and so are the files of /proc; `sys.platform` says what
it says there, to our code. Windows' console is one in cp1252, with its line ends.
"""

import builtins
import importlib
import io
import os
import runpy
import sys
import sysconfig
import types
from pathlib import Path

USED_FIRST = (
    *(
        "asyncio",
        "concurrent.futures.thread",
        "ctypes",
        "email.parser",
        "faulthandler",
        "gzip",
        "http.client",
        "importlib.metadata",
    ),
    *(
        "logging.config",
        "multiprocessing.connection",
        "pickle",
        "queue",
        "random",
        "selectors",
        "shutil",
        "socket",
        "ssl",
    ),
    *("subprocess", "tempfile", "unittest.mock", "uuid", "zipfile", "wrapt"),
)
"""What asks for the system while it's imported, and isn't ours."""

BESIDES = {
    "lambda_guard.tools": (
        "boto3",
        "botocore.session",
        "click",
        "jmespath",
        "msgspec",
        "rich.console",
        "rich.progress",
    ),
    "": (
        "aws_lambda_powertools.metrics",
        "aws_xray_sdk.core",
        "pytest",
        "_pytest.capture",
        "_pytest.faulthandler",
    ),
}

OF_LINUX = {"fcntl": ("F_SETPIPE_SZ",), "os": ("sched_getaffinity", "waitid"), "time": ("CLOCK_BOOTTIME",)}
OF_POSIX = {
    "os": (
        "O_CLOEXEC",
        "O_NOFOLLOW",
        "fchmod",
        "fork",
        "getuid",
        "killpg",
        "pread",
        "register_at_fork",
        "sysconf",
    ),
    "select": ("POLLOUT", "poll"),
    "signal": (
        "SIGALRM",
        "SIGCONT",
        "SIGHUP",
        "SIGKILL",
        "SIGSTOP",
        "SIGUSR1",
        "setitimer",
        "pthread_sigmask",
    ),
    "time": ("clock_gettime",),
}
MODULES_OF_POSIX = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty")


def become(system, program):
    """Take away what `win32` or `darwin` lacks, and give what it has besides."""
    for name in (*USED_FIRST, *BESIDES.get(program, BESIDES[""])):
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    sysconfig.get_config_vars()
    _hide_proc()
    _remove(OF_LINUX)
    if system == "win32":
        import fcntl

        _remove(OF_POSIX)
        io._WindowsConsoleIO = type("_WindowsConsoleIO", (), {})  # for pytest
        sys.modules["msvcrt"] = _msvcrt(fcntl)
        sys.modules.update(dict.fromkeys(MODULES_OF_POSIX))
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name).buffer
            setattr(sys, name, io.TextIOWrapper(stream, "cp1252", "strict", "\r\n", line_buffering=True))
    sys.platform = system


def _remove(names):
    for module, missing in names.items():
        for name in missing:
            if hasattr(sys.modules[module], name):
                delattr(sys.modules[module], name)


def _hide_proc():
    def refusing(function):
        def call(path, *arguments, **more):
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith("/proc"):
                raise FileNotFoundError(2, "No such file or directory", os.fspath(path))
            return function(path, *arguments, **more)

        return call

    builtins.open = io.open = refusing(open)
    os.open, os.stat = refusing(os.open), refusing(os.stat)


def _msvcrt(fcntl):
    """Return Windows' module, in as far as we use it: `locking` of one byte, at the place where the file is."""
    module = types.ModuleType("msvcrt")

    def locking(file, mode, count):
        assert mode == module.LK_NBLCK
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, count, os.lseek(file, 0, os.SEEK_CUR))

    module.LK_NBLCK, module.locking = 2, locking
    return module


if __name__ == "__main__":
    _, system, program, *sys.argv[1:] = sys.argv
    become(system, program)
    sys.argv[0] = program
    sys.path[0] = str(Path(program).parent)
    if program.endswith(".py"):
        runpy.run_path(program, run_name="__main__")
    else:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
