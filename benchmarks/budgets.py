"""The budgets of warm calls and cold starts, as ratios in one run.

    python -m benchmarks.budgets

Instructions are the gate: valgrind (`--tool=callgrind`) counts the same number for the same code, where the hash seed
is fixed. Time stands beside them. Each contender runs in processes of its own, in turn with the others, so that a
change of the machine's speed meets them all. Standard output is a pipe through the runtime client's own unbuffered
stream, and the daemon a UDP socket that is read. Cold starts are whole processes, less what an interpreter needs
that only imports the contenders.
"""

import contextlib
import importlib.metadata
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import contenders

ROUNDS = 7
BATCHES = 100
CALLS = 30
PROCESSES = 15
COUNTED = (300, 1300)  # calls of two processes, the difference of which is what warm calls cost
CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")

SETUP = """
import sys
from awslambdaric.bootstrap import Unbuffered
from benchmarks import contenders
sys.stdout = Unbuffered(sys.stdout)
handler, context = contenders.CONTENDERS[sys.argv[1]](), contenders.Context()
"""
TIMED = f"""{SETUP}
import time
times = []
for batch in range(-20, {BATCHES}):
    started = time.perf_counter()
    for _ in range({CALLS}):
        handler(contenders.EVENT, context)
    if batch >= 0:
        times.append((time.perf_counter() - started) / {CALLS} * 1e6)
print(sorted(times)[len(times) // 10], file=sys.stderr)
"""
CALLED = f"""{SETUP}
for _ in range(int(sys.argv[2])):
    handler(contenders.EVENT, context)
"""
COLD = """
import sys
from benchmarks import contenders
if sys.argv[1] != "interpreter":
    contenders.CONTENDERS[sys.argv[1]]()(contenders.EVENT, contenders.Context())
"""

# What lambda_guard is measured in, and beside what; the budget is a share of the other's instructions.
ROWS = (
    (
        "warm call: a log line, a metric, a sampled trace",
        ("warm", "lambda_guard"),
        "Powertools' three decorators",
        ("warm", "powertools"),
        0.39,
    ),
    ("the same", ("warm", "lambda_guard"), "two lines and a datagram by hand", ("warm", "floor"), 1.9),
    (
        "cold path: import, decorate, first sampled call",
        ("cold", "lambda_guard"),
        "Powertools' three, as documented",
        ("cold", "powertools"),
        0.62,
    ),
    (
        "cold path, tracing off",
        ("untraced", "lambda_guard"),
        "the same, traced",
        ("cold", "powertools"),
        0.57,
    ),
    (
        "cold path, tracing off",
        ("untraced", "lambda_guard"),
        "the same, untraced",
        ("untraced", "powertools"),
        1.05,
    ),
)
COLD_PATHS = [(kind, name) for kind in ("cold", "untraced") for name in ("lambda_guard", "powertools")]


def main():
    print(machine())
    with daemon() as port:
        times = warm_times(port) | cold_times(port)
        counts = instructions(port)
    print(f"\n{'what':50}{'against':34}{'time':>6}{'instructions':>14}{'budget':>8}")
    missed = 0
    for what, ours, against, other, budget in ROWS:
        ratio = counts[ours] / counts[other] if counts else 0.0
        missed += ratio > budget
        verdict = ("met" if ratio <= budget else "MISSED") if counts else ""
        counted = f"{ratio:14.3f}" if counts else f"{'-':>14}"
        print(f"{what:50}{against:34}{_middle(times, ours, other):6.2f}{counted}{budget:8.2f}  {verdict}")
    print(f"\nwarm, in µs a call: {_said(times, 'warm', 1)}; cold, in ms: {_said(times, 'cold', 1000)}")
    if not counts:
        print("Without valgrind no instructions are counted, and no budget is judged.")
    return 1 if missed else 0


def warm_times(port):
    """Return each contender's µs a call, a figure for each round: the first decile of its batches."""
    found = {("warm", name): [] for name in contenders.CONTENDERS}
    for number in range(ROUNDS):
        for (_, name), times in found.items():
            times.append(float(_run(TIMED, name, environment=contenders.environment(port)).stderr))
        _progress("warm calls", number + 1, ROUNDS)
    return found


def cold_times(port):
    """Return the seconds of each cold path, a figure for each round."""
    found = {key: [] for key in COLD_PATHS}
    for number in range(PROCESSES):
        interpreter = _seconds("interpreter", environment(port, "cold"))
        for (kind, name), times in found.items():
            times.append(_seconds(name, environment(port, kind)) - interpreter)
        _progress("cold starts", number + 1, PROCESSES)
    return found


def instructions(port):
    """Return the instructions of a warm call and of each cold path; nothing where valgrind isn't installed."""
    if shutil.which("valgrind") is None:
        return {}
    few, many = COUNTED
    cold = environment(port, "cold")
    counts = {
        ("warm", name): (_count(CALLED, name, many, cold) - _count(CALLED, name, few, cold)) / (many - few)
        for name in contenders.CONTENDERS
    }
    interpreter = _count(COLD, "interpreter", 1, cold)
    for kind, name in COLD_PATHS:
        counts[kind, name] = _count(COLD, name, 1, environment(port, kind)) - interpreter
    return counts


def environment(port, kind):
    return {**contenders.environment(port, tracing=kind != "untraced"), "PYTHONHASHSEED": "0"}


def _middle(times, one, other):
    """Return the median of the rounds' ratios: what slows the machine for a while slows both of a round."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def _said(times, kind, factor):
    of_kind = {
        name: statistics.median(found) * factor for (which, name), found in times.items() if which == kind
    }
    return ", ".join(f"{name} {value:.0f}" for name, value in of_kind.items())


def _seconds(name, environment):
    started = time.perf_counter()
    _run(COLD, name, environment=environment)
    return time.perf_counter() - started


def _count(code, name, calls, environment):
    return count(code, name, str(calls), environment=environment)


def count(code, *arguments, environment, options=()):
    """Return the instructions of a process of this interpreter."""
    said = _run(code, *arguments, environment=environment, prefix=CALLGRIND, options=options).stderr
    return int(re.search(r"Collected : (\d+)", said)[1])


def _run(code, *arguments, environment, prefix=(), options=()):
    return subprocess.run(
        [*prefix, sys.executable, *options, "-c", code, *arguments],
        env={"PYTHONPATH": str(Path(__file__).parent.parent), **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


@contextlib.contextmanager
def daemon():
    """Read what the X-Ray SDK sends; gives the port."""
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


def machine():
    """Return the versions that are measured."""
    versions = ("aws-lambda-powertools", "aws-xray-sdk", "wrapt", "boto3")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in versions)
    return f"CPython {platform.python_version()}, {found}"


def _progress(what, done, total):
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
