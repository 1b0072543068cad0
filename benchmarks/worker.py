"""One contender with one case, in a process of its own, which calls when it is told.

    python -m benchmarks.worker lambda_guard standard

Reads one command a line: `calls N`, or `pause MS N` for calls with pauses between, or `slice MS`, which calls until
the process has had so much CPU time, or `settle`, after which collections of garbage look at new objects alone: those
of the whole heap are rare, and fall into one count and not into the next. Writes one line to standard error for each:
calls, and nanoseconds of CPU time.
"""

import contextlib
import gc
import sys
import time

from awslambdaric.bootstrap import Unbuffered

from . import cases, contenders


def main(contender, case):
    sys.stdout = Unbuffered(sys.stdout)
    handler, event = contenders.CONTENDERS[contender](case), cases.event(case)
    context = contenders.Context(seconds=0 if case in cases.WITHOUT_DEADLINE else 900)

    def calls(number):
        for _ in range(number):
            with contextlib.suppress(ValueError):
                handler(event, context)
        return number

    def pause(milliseconds, number):
        for _ in range(number):
            time.sleep(milliseconds / 1000)
            calls(1)
        return number

    def slice(milliseconds):  # noqa: A001 - the command's name
        done, end = 0, time.process_time_ns() + milliseconds * 1_000_000
        while time.process_time_ns() < end:
            done += calls(5)
        return done

    def settle():
        gc.collect()
        gc.freeze()
        return 0

    commands = {"calls": calls, "pause": pause, "slice": slice, "settle": settle}
    for line in sys.stdin:
        name, *numbers = line.split()
        started = time.process_time_ns()
        done = commands[name](*map(int, numbers))
        print(done, time.process_time_ns() - started, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
