"""The processes that are measured, and the daemon that reads their datagrams."""

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from . import contenders

ROOT = Path(__file__).parent.parent
CALLGRIND = ("valgrind", "--quiet", "--tool=callgrind")
TIMEOUT = 300
WARMED_UP = 30  # calls after which an interpreter has specialised what it runs (PEP 659)
COLD = """
import sys
from benchmarks import cases, contenders
if sys.argv[1] != "interpreter":
    contenders.CONTENDERS[sys.argv[1]]("standard")(cases.EVENT, contenders.Context())
"""


def environment(port, kind):
    """Return the environment.

    Args:
        port: the daemon's.
        kind: `traced`; `untraced`; `otlp`, traced with OpenTelemetry's spans; `unnamed`, traced, with no resource of a
            call named.
    """
    return {
        "PYTHONPATH": str(ROOT),
        **contenders.environment(port, tracing=kind != "untraced"),
        **({"LAMBDA_GUARD_CALL_RESOURCES": "off"} if kind == "unnamed" else {}),
        **({"LAMBDA_GUARD_TRACING": "otlp"} if kind == "otlp" else {}),
    }


def has_valgrind():
    """Return whether instructions can be counted here."""
    return shutil.which("valgrind") is not None and shutil.which("vgdb") is not None


def cold_instructions(code, *arguments, environment, options=()):
    """Return the instructions of a whole process of this interpreter."""
    with tempfile.TemporaryDirectory() as folder:
        out = f"{folder}/out"
        subprocess.run(
            [*CALLGRIND, f"--callgrind-out-file={out}", sys.executable, *options, "-c", code, *arguments],
            env={"PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            check=True,
            timeout=TIMEOUT,
        )
        return _total(Path(out))


class Worker:
    """A contender that waits for commands; see `benchmarks.worker`."""

    def __init__(self, contender, case, environment, prefix=()):
        command = [*prefix, sys.executable, "-m", "benchmarks.worker", contender, case]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(command, env=environment, text=True, **pipes)
        self.pid = self._process.pid
        threading.Thread(target=self._drain, daemon=True).start()

    def tell(self, command):
        """Let it do something; return what it says: calls, and nanoseconds of CPU time."""
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        said = []
        for line in self._process.stderr:  # a contender's own warnings come first
            if found := re.fullmatch(r"(\d+) (\d+)\n", line):
                return int(found[1]), int(found[2])
            said.append(line)
        raise RuntimeError(f"{self._process.args} has ended: {''.join(said)}")

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.stderr.close()
        self._process.wait(TIMEOUT)

    def _drain(self):
        while self._process.stdout.read(65536):
            pass


def warm_instructions(contender, case, environment, command, few):
    """Return the instructions of one call: of `few` calls and of twice as many, the difference.

    Args:
        contender: one of `contenders.CONTENDERS`.
        case: one of `cases.CASES`.
        environment: the process's.
        command: what the worker is told, e.g. `calls`, to which the number is added.
        few: how many calls.
    """
    with tempfile.TemporaryDirectory() as folder:
        prefix = (*CALLGRIND, "--instr-atstart=no", f"--callgrind-out-file={folder}/out")
        with contextlib.closing(Worker(contender, case, environment, prefix)) as worker:
            worker.tell(f"calls {max(WARMED_UP, few) if few > 1 else 1}")
            worker.tell("settle")
            _monitor(worker.pid, "instrumentation on")  # until here it took a tenth of the time
            counts = []
            for number in (few, few * 2):
                _monitor(worker.pid, "dump")
                worker.tell(f"{command} {number}")
                _monitor(worker.pid, "dump")
                counts.append(_total(_newest(folder)))
    return (counts[1] - counts[0]) / few


def _monitor(pid, command):
    subprocess.run(["vgdb", f"--pid={pid}", command], check=True, capture_output=True, timeout=TIMEOUT)


def _newest(folder):
    return max(Path(folder).iterdir(), key=lambda path: int(path.suffix[1:] or 0))


def _total(path):
    return int(re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)[1])


@contextlib.contextmanager
def daemon():
    """Read what the tracers send; gives the port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.2)
        stop = threading.Event()

        def drain():
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    sock.recv(65536)

        thread = threading.Thread(target=drain)
        thread.start()
        try:
            yield sock.getsockname()[1]
        finally:
            stop.set()
            thread.join()
