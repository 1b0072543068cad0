"""How fast logs are read: against a bare loop of `json.loads` over the same lines, in the same run.

    python benchmarks/logs_throughput.py                # 100 MB, about a minute
    python benchmarks/logs_throughput.py --megabytes 1000

The budgets, for each of the cases: at least 0.6 of the bare loop's throughput, 300 MB of memory at most (not counting
the processes that help with drawing), and the first block within a second where everything is drawn. Each run of the
command is compared with a run of the bare loop right before it and one right after, for machines whose speed drifts;
the median is shown. The command finds its byte code, as it does when it is installed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from logs_corpus import write_corpus

FLOOR = 0.6
MEMORY_MB = 300
FIRST_BLOCK_S = 1.0
START_UP = 2.5
FIRST_MEGABYTES = 10  # enough for the command to start helpers
CASES = {
    "--failed (1 in 100 shown)": ("--failed",),
    "--where order_id~o-12345 (looks at every line)": ("--where", "order_id~o-12345"),
    "everything as text": (),
    "everything as JSON": ("--json",),
}


def main() -> int:
    """Print a table of ratios; end with 1 where a budget is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=100, help="size of the log, MB (default: 100)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each (default: 3)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        _compile_into(Path(folder))
        path = Path(folder) / "functions.log"
        count = write_corpus(path, arguments.megabytes)
        print(f"{path.stat().st_size / 1e6:,.0f} MB, {count:,} invocations, interleaved\n")
        return _measure(path, arguments.repeat)


def _compile_into(folder: Path) -> None:
    """Have all byte code written that the command needs, by its first runs."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "bytecode")
    path = folder / "first.log"
    write_corpus(path, FIRST_MEGABYTES)
    for options in CASES.values():
        _command(path, options)


def _measure(path: Path, repeat: int) -> int:
    print(f"{'':48}{'time':>9}{'throughput':>12}{'memory':>10}{'first block':>13}")
    missed = []
    for name, options in CASES.items():
        ratio, took, memory, first = _compared(path, options, repeat)
        print(f"{name:48}{took:7.2f} s{ratio:12.2f}{memory:7.0f} MB{first:11.2f} s", flush=True)
        missed += _missed(name, ratio, memory, first, options)
    missed += _start_up(repeat)
    print("\nbudgets: " + ("; ".join(missed) if missed else "all kept"))
    return 1 if missed else 0


def _compared(path: Path, options: tuple[str, ...], repeat: int) -> tuple[float, float, float, float]:
    """Run the bare loop and the command by turns.

    Returns:
        The median of the throughputs against the bare loop, the medians of seconds until the end, MB at the largest
        and seconds until the first output.
    """
    runs, before = [], _seconds(lambda: _bare_loop(path))
    for _ in range(repeat):
        took, memory, first = _command(path, options)
        after = _seconds(lambda: _bare_loop(path))
        runs.append(((before + after) / 2 / took, took, memory, first))
        before = after
    ratio, took, memory, first = (statistics.median(column) for column in zip(*runs, strict=True))
    return ratio, took, memory, first


def _start_up(repeat: int) -> list[str]:
    """Compare the start of `--help` with the import of click, without which no command line can be."""
    click = min(_seconds(lambda: _run("-c", "import click")) for _ in range(repeat * 3))
    told = min(_seconds(lambda: _run("-m", "lambda_guard.tools", "--help")) for _ in range(repeat * 3))
    print(f"\n--help takes {told / click:.2f} times `import click` ({told * 1000:.0f} ms)")
    return [f"--help: {told / click:.2f} is over {START_UP}"] if told / click > START_UP else []


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)


def _missed(name: str, ratio: float, memory: float, first: float, options: tuple[str, ...]) -> list[str]:
    """Say which budgets were missed; a filter decides by itself when its first block comes."""
    told = (
        (ratio < FLOOR, f"{name}: {ratio:.2f} is under {FLOOR}"),
        (memory > MEMORY_MB, f"{name}: {memory:.0f} MB are over {MEMORY_MB}"),
        (not options and first > FIRST_BLOCK_S, f"{name}: the first block took {first:.2f} s"),
    )
    return [text for wrong, text in told if wrong]


def _bare_loop(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def _seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _command(path: Path, options: tuple[str, ...]) -> tuple[float, float, float]:
    """Run the command, start-up included.

    Returns:
        Seconds until its end, MB at its largest, seconds until its first output.
    """
    began = time.perf_counter()
    command = [sys.executable, "-m", "lambda_guard.tools", "invocations", str(path), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        output = process.stdout.fileno()
        os.read(output, 1)
        first = time.perf_counter() - began
        while os.read(output, 2**20):
            pass
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return time.perf_counter() - began, usage.ru_maxrss / 1024, first


if __name__ == "__main__":
    sys.exit(main())
