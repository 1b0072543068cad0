"""All benchmarks, one after the other: `make bench`.

Each can be run for itself: `python benchmarks/logs_throughput.py --megabytes 1000`.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BENCHMARKS = (
    ("-m", "benchmarks.budgets"),
    ("-m", "benchmarks.batch"),
    ("-m", "benchmarks.watchdog"),
    (str(HERE / "logs_throughput.py"),),
    (str(HERE / "replay.py"),),
)


def main():
    missed = 0
    for command in BENCHMARKS:
        print(f"\n== {command[-1].removeprefix('benchmarks.').rpartition('/')[2]}\n", flush=True)
        missed += subprocess.run([sys.executable, *command], cwd=HERE.parent, check=False).returncode != 0
    print(f"\n{len(BENCHMARKS) - missed} of {len(BENCHMARKS)} benchmarks within their budgets")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
