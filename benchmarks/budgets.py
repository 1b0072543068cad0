"""The budgets of warm calls and cold starts, as ratios in one run.

    python -m benchmarks.budgets            # with CPU time beside the instructions
    python -m benchmarks.budgets --gate     # instructions alone, with a tolerance of 6 %: what CI asks

Instructions are the gate: valgrind (`--tool=callgrind`) counts the same number for the same code, where the hash seed
is fixed. A warm call is the difference between N and 2 N calls of a process that has been warmed up. A cold start is a
whole process, less what an interpreter needs that only imports the contenders. CPU time stands beside them: contenders
call in turn for slices of it, so that a change of the machine's speed meets them all. No absolute time is judged.
"""

import contextlib
import importlib.metadata
import os
import platform
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from . import cases, processes

ROUNDS = 15
SLICE_MS = 40
WARM = 200  # calls before a slice is timed
# How many calls of a case are counted: few of those that take long.
FEW = {
    "10 lines": 40,
    "100 lines": 6,
    "batch": 30,
    "no calls": 50,
    "calls": 15,
    "spaced": 6,
    "traces": 1,
    "traces, whole": 1,
}
FEW_OTHERWISE = 200
# Counts of warm calls differ a little from run to run, with what else the process's threads do.
TOLERANCE = 1.06
APART_MS = 300
OURS, POWERTOOLS, FLOOR = "lambda_guard", "powertools", "floor"


class Cost(NamedTuple):
    """What is measured: one call of a contender, or its start.

    Attributes:
        case: one of `cases.CASES`, `spaced` (the standard case, with pauses between), or `cold`.
        contender: one of `contenders.CONTENDERS`.
        kind: `traced`, `untraced`, `otlp` or `unnamed`; see `processes.environment`.
    """

    case: str
    contender: str
    kind: str = "traced"


class Row(NamedTuple):
    """A ratio, and what it may be.

    Attributes:
        what: our cost in words.
        ours: what is added up of costs, each with its factor.
        against: the other in words.
        theirs: the same of the other.
        budget: the most that the ratio may be; None where the row is there to be seen.
    """

    what: str
    ours: dict
    against: str
    theirs: dict
    budget: float | None = None


def one(case, contender, kind="traced"):
    """Return one cost as such."""
    return {Cost(case, contender, kind): 1}


def line_more(contender):
    """Return what a line more costs: a ninetieth of what a hundred cost more than ten."""
    return {Cost("100 lines", contender): 1 / 90, Cost("10 lines", contender): -1 / 90}


def call_more(contender):
    """Return what is added to an AWS call: its share of a few, less the call itself."""
    share = 1 / cases.CALLS
    added = {Cost("calls", contender): share, Cost("no calls", contender): -share}
    return added | {Cost("calls", FLOOR): -share, Cost("no calls", FLOOR): share}


CALL_NAMED = {Cost("calls", OURS): 1, Cost("calls", OURS, "unnamed"): -1}
CALL_ITSELF = {Cost("calls", FLOOR): 1, Cost("no calls", FLOOR): -1}
THREE = "Powertools' three decorators"
ROWS = (
    Row(
        "cold: import, decorate, first sampled call",
        one("cold", OURS),
        "Powertools' three, traced",
        one("cold", POWERTOOLS),
        0.16,
    ),
    Row(
        "cold, tracing off",
        one("cold", OURS, "untraced"),
        "Powertools' three, traced",
        one("cold", POWERTOOLS),
        0.15,
    ),
    Row(
        "cold, tracing off",
        one("cold", OURS, "untraced"),
        "the same, untraced",
        one("cold", POWERTOOLS, "untraced"),
        0.33,
    ),
    Row("a line, a metric, a sampled trace", one("standard", OURS), THREE, one("standard", POWERTOOLS), 0.34),
    Row(
        "a line, a metric, a sampled trace",
        one("standard", OURS),
        "the same by hand",
        one("standard", FLOOR),
        1.55,
    ),
    Row(
        "nothing but a record, untraced",
        one("plain", OURS, "untraced"),
        f"{THREE}, no line",
        one("plain", POWERTOOLS, "untraced"),
        1.0,
    ),
    Row("a line more", line_more(OURS), "the same by hand", line_more(FLOOR), 1.0),
    Row("10 lines", one("10 lines", OURS), THREE, one("10 lines", POWERTOOLS)),
    Row("100 lines", one("100 lines", OURS), THREE, one("100 lines", POWERTOOLS)),
    Row("an exception", one("exception", OURS), THREE, one("exception", POWERTOOLS)),
    Row("async def", one("async", OURS), f"{THREE}, asyncio.run", one("async", POWERTOOLS)),
    Row(
        "10 messages of a batch, a line each",
        one("batch", OURS),
        "Powertools' BatchProcessor",
        one("batch", POWERTOOLS),
        0.4,
    ),
    Row(
        f"{cases.TRACES:,} traces, message by message",
        one("traces", OURS),
        "the same, tracing off",
        one("traces", OURS, "untraced"),
        1.25,
    ),
    Row(
        f"{cases.TRACES:,} traces, a plain handler",
        one("traces, whole", OURS),
        "the same, tracing off",
        one("traces, whole", OURS, "untraced"),
        1.25,
    ),
    Row("what an AWS call costs more", call_more(OURS), "the X-Ray SDK's patch", call_more(POWERTOOLS), 0.75),
    Row(
        "naming what an AWS call is about",
        CALL_NAMED,
        "the call itself, without a network",
        CALL_ITSELF,
        0.015,
    ),
    Row(
        "a line, a metric, OpenTelemetry's spans",
        one("standard", OURS, "otlp"),
        "with X-Ray's documents",
        one("standard", OURS),
        1.9,
    ),
    Row(f"calls {APART_MS} ms apart", one("spaced", OURS), THREE, one("spaced", POWERTOOLS), 0.34),
    Row(f"calls {APART_MS} ms apart", one("spaced", OURS), "without pauses", one("standard", OURS), 1.1),
)


def main(*options):
    """Print the table; end with 1 where a budget is missed."""
    rows = [row for row in ROWS if row.budget is not None or "--gate" not in options]
    costs = list(dict.fromkeys(cost for row in rows for cost in (*row.ours, *row.theirs)))
    print(machine())
    with processes.daemon() as port:
        counts = instructions(costs, port) if processes.has_valgrind() else {}
        times = {} if "--gate" in options else cpu_times(costs, port)
    if not counts:
        print("Without valgrind no instructions are counted, and no budget is judged.")
    return table(rows, counts, times, tolerance=TOLERANCE if "--gate" in options else 1.0)


def table(rows, counts, times, tolerance=1.0):
    """Print a line for each row; return 1 where a budget is missed by more than the tolerance."""
    print(f"\n{'what':46}{'against':38}{'CPU time':>9}{'instructions':>14}{'budget':>8}")
    missed = 0
    for row in rows:
        counted = ratio(row, counts)
        beside = statistics.median(found) if (found := _ratios(row, times)) else None
        verdict = _verdict(counted, row.budget, tolerance)
        missed += verdict == "MISSED"
        figures = f"{_figure(beside):>9}{_figure(counted, 3):>14}{_figure(row.budget):>8}"
        print(f"{row.what:46}{row.against:38}{figures}  {verdict}".rstrip())
    if counts:
        print("\ninstructions, in thousands:")
        for case, kind in dict.fromkeys((cost.case, cost.kind) for cost in counts):
            found = {
                cost.contender: n for cost, n in counts.items() if (cost.case, cost.kind) == (case, kind)
            }
            print(f"  {case}, {kind}: {', '.join(f'{name} {n / 1000:,.0f}' for name, n in found.items())}")
    return 1 if missed else 0


def _verdict(counted, budget, tolerance):
    if counted is None or budget is None:
        return ""
    return (
        "met" if counted <= budget else "within the tolerance" if counted <= budget * tolerance else "MISSED"
    )


def ratio(row, values):
    """Return the ratio of a row, or None where one of its costs is unknown."""
    if not all(cost in values for cost in (*row.ours, *row.theirs)):
        return None
    ours, theirs = (sum(values[c] * factor for c, factor in side.items()) for side in (row.ours, row.theirs))
    return ours / theirs


def instructions(costs, port):
    """Return the instructions of each cost; several processes count at once, which changes no count."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blank = pool.submit(
            processes.cold_instructions,
            processes.COLD,
            "interpreter",
            environment=processes.environment(port, "traced"),
        )
        counts = dict(zip(costs, pool.map(lambda cost: _counted(cost, port), costs), strict=True))
    return {cost: n - blank.result() if cost.case == "cold" else n for cost, n in counts.items()}


def _counted(cost, port):
    environment = processes.environment(port, cost.kind)
    if cost.case == "cold":
        return processes.cold_instructions(processes.COLD, cost.contender, environment=environment)
    command, case = (f"pause {APART_MS}", "standard") if cost.case == "spaced" else ("calls", cost.case)
    few = FEW.get(cost.case, FEW_OTHERWISE)
    return processes.warm_instructions(cost.contender, case, environment, command, few)


def cpu_times(costs, port):
    """Return the CPU time of each cost in ns, a figure for each round; none for starts and spaced calls."""
    found = {cost: [] for cost in costs if cost.case in cases.CASES}
    for case in dict.fromkeys(cost.case for cost in found):
        with contextlib.ExitStack() as stack:
            workers = {
                cost: stack.enter_context(
                    contextlib.closing(
                        processes.Worker(cost.contender, case, processes.environment(port, cost.kind))
                    )
                )
                for cost in found
                if cost.case == case
            }
            for worker in workers.values():
                worker.tell(f"calls {max(5, WARM // FEW.get(case, 1))}")
            for _ in range(ROUNDS):
                for cost, worker in workers.items():
                    calls, taken = worker.tell(f"slice {SLICE_MS}")
                    found[cost].append(taken / calls)
    return found


def _ratios(row, times):
    if not all(cost in times for cost in (*row.ours, *row.theirs)):
        return []
    rounds = [{cost: values[n] for cost, values in times.items()} for n in range(ROUNDS)]
    return [ratio(row, values) for values in rounds]


def _figure(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def machine():
    """Return the versions that are measured."""
    versions = ("aws-lambda-powertools", "aws-xray-sdk", "wrapt", "boto3")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in versions)
    return f"CPython {platform.python_version()}, {found}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
