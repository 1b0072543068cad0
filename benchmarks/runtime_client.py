"""INIT, the first invocation, warm ones, and memory, through AWS's runtime client.

    python -m benchmarks.runtime_client

Each process is an execution environment: awslambdaric asks a runtime API on loopback for invocations. What a process
has had of the CPU is read whenever it asks for the next one, so that waiting doesn't count. Contenders take turns.
Of each figure the lower quartile counts, since what else the machine does only adds to it. What a bare handler takes
is subtracted: the rows say what each adds to it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

from lambda_guard.local.runtime.runtime_api import Invocation, RuntimeApi

from . import budgets, cases, contenders, processes

ROUNDS = 12
WARM = 20
WAIT_SECONDS = 120
CONTENDERS = ("bare", budgets.POWERTOOLS, budgets.OURS)
# What is added to a bare handler, against what Powertools adds.
ROWS = (("INIT", 0.2), ("first invocation", 0.8), ("warm invocation", None), ("memory", None))


def cpu_ns(pid):
    """Return the nanoseconds of CPU that all threads of a process have had.

    https://docs.kernel.org/scheduler/sched-stats.html
    """
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def memory_mb(pid):
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def lived(contender, case, port):
    """Return what a process took: ms of CPU for INIT, the first invocation and a warm one, and its MB."""
    api = RuntimeApi()
    environment = {
        **processes.environment(port, "traced"),
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "LAMBDA_TASK_ROOT": str(processes.ROOT),
        "CONTENDER": contender,
        "CASE": case,
    }
    command = [sys.executable, "-m", "awslambdaric", "benchmarks.entry.handler"]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=environment, cwd=processes.ROOT, **pipes)
    try:
        if not api.wait_until_ready(time.monotonic() + WAIT_SECONDS):
            process.kill()
            raise RuntimeError(f"{contender} doesn't start: {process.stderr.read().decode()}")
        used = [0, cpu_ns(process.pid)]
        for number in range(WARM + 1):
            api.deliver(invocation(number, case))
            reply = api.wait_for_reply(time.monotonic() + WAIT_SECONDS)
            if reply is None or reply.error_type:
                raise RuntimeError(f"{contender} failed: {reply}")
            used.append(cpu_ns(process.pid))
        taken = [(after - before) / 1e6 for before, after in pairwise(used)]
        return [*taken[:2], statistics.median(taken[2:]), memory_mb(process.pid)]
    finally:
        api.close()
        process.kill()
        process.communicate()


def invocation(number, case):
    """Return the invocation of this number."""
    return Invocation(
        request_id=f"6f0c1d3e-5b51-4c55-9d9e-{number:012}",
        event=json.dumps(cases.event(case)).encode(),
        deadline_ms=int(time.time() * 1000) + 900_000,
        function_arn=contenders.Context.invoked_function_arn,
        trace_header=contenders.HEADER,
    )


def main():
    """Print a table for the standard case and one for examples/handlers/sqs.py; end with 1 where a budget is missed."""
    print(budgets.machine())
    missed = 0
    with processes.daemon() as port:
        for case in ("standard", "sqs"):
            rounds = [{name: lived(name, case, port) for name in CONTENDERS} for _ in range(ROUNDS)]
            missed += table(case, rounds)
    return 1 if missed else 0


def table(case, rounds):
    """Print what each adds to a bare handler; return how many budgets are missed."""
    names = "".join(f"{name:>14}" for name in CONTENDERS)
    print(f"\n{f'{case}, CPU in ms, memory in MB':36}{names}{'added':>8}{'budget':>8}")
    missed = 0
    for number, (what, budget) in enumerate(ROWS):
        found = {name: [one[name][number] for one in rounds] for name in CONTENDERS}
        bare, theirs, ours = (statistics.quantiles(found[name], n=4)[0] for name in CONTENDERS)
        ratio = (ours - bare) / (theirs - bare)
        judged = budget if case == "standard" else None
        verdict = "" if judged is None else "met" if ratio <= judged else "MISSED"
        missed += verdict == "MISSED"
        figures = "".join(f"{value:14.2f}" for value in (bare, theirs, ours))
        print(f"{what:36}{figures}{ratio:8.2f}{'-' if judged is None else judged:>8}  {verdict}".rstrip())
    return missed


if __name__ == "__main__":
    sys.exit(main())
