"""All benchmarks, one after the other: `make bench`.

Each can be run for itself: `python benchmarks/logs_throughput.py --megabytes 1000`. What a function costs is measured
by the Python that is named as an argument: `make bench` names one with the newest versions of everything, as
`pip install aws-lambda-guard` gives them today.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
OF_A_FUNCTION = (
    ("-m", "benchmarks.budgets"),
    ("-m", "benchmarks.runtime_client"),
    ("-m", "benchmarks.watchdog"),
)
OF_THE_TOOLS = (("-m", "benchmarks.layer"), (str(HERE / "logs_throughput.py"),), (str(HERE / "replay.py"),))


def main():
    newest = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    commands = [(newest, *rest) for rest in OF_A_FUNCTION] + [
        (sys.executable, *rest) for rest in OF_THE_TOOLS
    ]
    missed = 0
    for command in commands:
        print(f"\n== {command[-1].removeprefix('benchmarks.').rpartition('/')[2]}\n", flush=True)
        missed += subprocess.run(command, cwd=HERE.parent, check=False).returncode != 0
    print(f"\n{len(commands) - missed} of {len(commands)} benchmarks within their budgets")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
