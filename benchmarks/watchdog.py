"""What the watchdog costs an invocation: arming and disarming, against a plain call and other alarms.

    python -m benchmarks.watchdog        # about 20 seconds

The budget is a ratio in the same run: a tenth of what the interpreter's own timer takes that needs no GIL, over two
seconds, so that what our thread does in between is in it. No absolute time is judged.
"""

import faulthandler
import signal
import statistics
import sys
import threading
import time

from lambda_guard._invocation import Outcome, read
from lambda_guard._scope import Scope
from lambda_guard._settings import resolve
from lambda_guard.testing import make_context
from lambda_guard.timeout.watchdog import Watchdog

BUDGET = 0.1
AGAINST = "faulthandler.dump_traceback_later and cancel"
SECONDS = 2.0
AT_ONCE = 1000
IDLE_SECONDS = 0.3
IDLE_ROUNDS = 15


def main():
    """Print the table; end with 1 where the budget is missed."""
    settings = resolve({}, {})
    context = make_context(timeout_ms=900_000)
    scope = Scope(read({}, context, settings), settings, context, tracer=None)

    sink, outcome = Watchdog(plain), Outcome("success", None, None, 1.0, time.time())

    def watchdog():
        sink.enter(scope)
        sink.leave(scope, outcome)

    ways = {
        "a plain function call": plain,
        "the watchdog, armed and disarmed": watchdog,
        "signal.setitimer, set and cleared": interval_timer,
        AGAINST: dump,
        "threading.Timer, started and cancelled": timer,
    }
    micros = {name: measure(way) for name, way in ways.items()}
    floor = micros["a plain function call"]
    print(f"{'':46} {'µs':>8} {'ratio':>8}")
    for name, value in micros.items():
        print(f"{name:46} {value:8.2f} {value / floor:8.0f}")
    for name, way in (
        ("a plain call after an idle while", plain),
        ("the watchdog after an idle while", watchdog),
    ):
        print(f"{name:46} {after_idling(way):8.2f}")
    ratio = micros["the watchdog, armed and disarmed"] / micros[AGAINST]
    print(f"\nbudget: {BUDGET:.2f} of {AGAINST}; the watchdog takes {ratio:.3f}")
    return ratio > BUDGET


def plain(*_):
    """Do nothing."""


def interval_timer():
    signal.setitimer(signal.ITIMER_REAL, 900)
    signal.setitimer(signal.ITIMER_REAL, 0)


def dump():
    faulthandler.dump_traceback_later(900)
    faulthandler.cancel_dump_traceback_later()


def timer():
    alarm = threading.Timer(900, plain)
    alarm.start()
    alarm.cancel()
    alarm.join()


def measure(way):
    """Return the mean microseconds of a call, over all of the time."""
    way()
    calls, taken, end = 0, 0.0, time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        began = time.perf_counter()
        for _ in range(AT_ONCE if way is not timer else 10):
            way()
        taken += time.perf_counter() - began
        calls += AT_ONCE if way is not timer else 10
    return taken / calls * 1e6


def after_idling(way):
    """Return the median microseconds of a first call after a pause."""
    found = []
    for _ in range(IDLE_ROUNDS):
        time.sleep(IDLE_SECONDS)
        began = time.perf_counter()
        way()
        found.append((time.perf_counter() - began) * 1e6)
    return statistics.median(found)


if __name__ == "__main__":
    sys.exit(main())
