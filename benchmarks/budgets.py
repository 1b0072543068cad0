"""The budgets of warm calls and cold starts, as ratios in one run.

    python -m benchmarks.budgets

Each contender runs in processes of its own, in turn with the others, so that a change of the machine's speed
meets them all. Standard output is a pipe through the runtime client's own unbuffered stream, and the daemon a
UDP socket that is read. Cold starts are whole processes, less what an interpreter needs that only imports the
contenders.
"""

import contextlib
import importlib.metadata
import platform
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

WARM = f"""
import sys, time
from awslambdaric.bootstrap import Unbuffered
from benchmarks import contenders
sys.stdout = Unbuffered(sys.stdout)
handler, context, times = contenders.CONTENDERS[sys.argv[1]](), contenders.Context(), []
for batch in range(-20, {BATCHES}):
    started = time.perf_counter()
    for _ in range({CALLS}):
        handler(contenders.EVENT, context)
    if batch >= 0:
        times.append((time.perf_counter() - started) / {CALLS} * 1e6)
print(sorted(times)[len(times) // 10], file=sys.stderr)
"""
COLD = """
import sys
from benchmarks import contenders
if sys.argv[1] != "interpreter":
    contenders.CONTENDERS[sys.argv[1]]()(contenders.EVENT, contenders.Context())
"""


def main():
    print(_machine())
    with _daemon() as port:
        warm = warm_calls(port)
        cold = cold_starts(port)
    rows = [
        (
            "warm call: a log line, a metric, a sampled trace",
            "Powertools' three decorators",
            _middle(warm, "lambda_guard", "powertools"),
            0.5,
        ),
        ("the same", "two lines and a datagram by hand", _middle(warm, "lambda_guard", "floor"), 3.0),
        (
            "cold path: import, decorate, first sampled call",
            "Powertools' three, as documented",
            cold["lambda_guard"],
            0.5,
        ),
        ("cold path, tracing off", "the same", cold["tracing off"], 0.3),
    ]
    print(f"\n{'what':52}{'against':36}{'ratio':>8}{'budget':>9}")
    for what, against, ratio, budget in rows:
        print(f"{what:52}{against:36}{ratio:8.2f}{budget:9.1f}  {'met' if ratio <= budget else 'MISSED'}")
    said = ", ".join(f"{name} {statistics.median(times):.0f}" for name, times in warm.items())
    print(f"\nwarm, in µs a call: {said}")
    return 0 if all(ratio <= budget for *_, ratio, budget in rows) else 1


def warm_calls(port):
    """Return each contender's µs a call, a figure for each round: the first decile of its batches."""
    found = {name: [] for name in contenders.CONTENDERS}
    for number in range(ROUNDS):
        for name, times in found.items():
            times.append(float(_run(WARM, name, contenders.environment(port)).stderr))
        _progress("warm calls", number + 1, ROUNDS)
    return found


def _middle(times, one, other):
    """Return the median of the rounds' ratios: what slows the machine for a while slows both of a round."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def cold_starts(port):
    """Return lambda_guard's cold path over Powertools', with tracing and without it."""
    on, off = contenders.environment(port), contenders.environment(port, tracing=False)
    runs = {
        "interpreter": ("interpreter", on),
        "powertools": ("powertools", on),
        "lambda_guard": ("lambda_guard", on),
        "tracing off": ("lambda_guard", off),
    }
    times = {key: [] for key in runs}
    for number in range(PROCESSES):
        for key, (name, environment) in runs.items():
            started = time.perf_counter()
            _run(COLD, name, environment)
            times[key].append(time.perf_counter() - started)
        _progress("cold starts", number + 1, PROCESSES)
    net = {
        key: [b - a for a, b in zip(times["interpreter"], found, strict=True)]
        for key, found in times.items()
        if key != "interpreter"
    }
    print(
        f"cold, in ms less the interpreter's {statistics.median(times['interpreter']) * 1000:.0f}:", end=" "
    )
    print(", ".join(f"{key} {statistics.median(found) * 1000:.0f}" for key, found in net.items()))
    return {key: _middle(net, key, "powertools") for key in net}


def _run(code, name, environment):
    return subprocess.run(
        [sys.executable, "-c", code, name],
        env={**environment, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


@contextlib.contextmanager
def _daemon():
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


def _machine():
    versions = ("aws-lambda-powertools", "aws-xray-sdk", "wrapt", "boto3")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in versions)
    return f"CPython {platform.python_version()}, {found}"


def _progress(what, done, total):
    if sys.stderr.isatty():
        print(f"\r{what} {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
