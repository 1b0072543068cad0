"""Does anything pile up? Invocations of mixed kinds, one after the other in one process: a million of them.

    python -m benchmarks.soak                                # about ten minutes on a quiet machine
    python -m benchmarks.soak --invocations 200000
    python -m benchmarks.soak --tracing otlp --collector

The handlers of `Shop` take turns; half of all invocations are in sampled traces. Each has ids and messages of its own,
but for Lambda's trace ids, which come again after a thousand: the runtime client sets a variable to them, and glibc
keeps each value that it ever had, which isn't what is measured. The lines go nowhere; documents and spans go to
loopback.

Prints the resident memory, the blocks that Python has allocated, threads and file descriptors, as it goes. The first
tenth is warming up: after it memory may grow by 2 MB in all, and threads and descriptors not at all.
"""

import argparse
import asyncio
import contextlib
import gc
import http.server
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from . import cases, contenders, processes

INVOCATIONS = 1_000_000
MARKS = (0.01, 0.1, 0.25, 0.5, 0.75, 1.0)
WARM = 0.1  # of the invocations
GROWTH_MB = 2.0
TRACES = 1000
LATE = 50  # of the hurried ones, one in so many
SHORT_MS = 30  # the alarm of so short an invocation goes off after half of it
LONG_MS = 60_000


class State(NamedTuple):
    """What the process holds."""

    rss_mb: float
    blocks: int
    threads: int
    descriptors: int


class Context(contenders.Context):
    """The context of one invocation."""

    def __init__(self, number, left_ms):
        self.aws_request_id = f"6f0c1d3e-5b51-4c55-9d9e-{number:012}"
        self.deadline_ms = int(time.time() * 1000) + left_ms


class Shop:
    """The handlers, which are decorated late: the process has its environment then."""

    def __init__(self):
        from lambda_guard import logger, metrics

        self.logger, self.metrics, self.other = logger, metrics, logging.getLogger("shop")
        self.client = cases.answering_client()

    def plain(self, event, _):
        """Return the event."""
        return event

    def lines(self, event, _):
        """Write three lines in three ways."""
        self.logger.append_keys(order_id=event["id"])
        self.logger.info("order accepted", count=1)
        self.other.warning("of another logger: %s", event["id"])
        print("printed", event["id"])

    def raising(self, event, _):
        """Raise an exception with a cause."""
        raise ValueError(f"nothing in stock for {event['id']}") from KeyError(event["id"])

    async def waiting(self, event, _):
        """Wait for two tasks."""
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0))
        self.logger.info("order accepted", order_id=event["id"])

    def calling(self, event, _):
        """Send two messages."""
        for _ in range(2):
            self.client.send_message(QueueUrl=cases.URL, MessageBody=event["id"])

    def threaded(self, *_):
        """Leave a thread behind, which writes a line later."""
        threading.Thread(target=self.logger.info, args=("after the invocation",)).start()

    def counting(self, event, _):
        """Add a metric."""
        self.metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
        self.metrics.add_metadata("order_id", event["id"])

    def answering(self, event, _):
        """Answer as an HTTP function does, often with a server error."""
        return {"statusCode": 500 if event["number"] % 3 else 200, "body": event["id"]}

    def hurried(self, event, _):
        """End before the alarm goes off, or seldom after it."""
        if event["number"] // 10 % LATE == 0:
            time.sleep(SHORT_MS / 1000)

    def each(self, record):
        """Process a message; the last one of four fails."""
        self.logger.info("parcel packed", message_id=record.message_id)
        if record.message_id.endswith("3"):
            raise ValueError(f"{record.message_id} can't be packed")


def kinds():
    """Return the kinds of invocations: for each its handler, and what makes its event of a number."""
    from lambda_guard import production

    shop = Shop()
    names = (
        "plain", "lines", "raising", "waiting", "calling", "threaded", "counting", "answering", "hurried"
    )  # fmt: skip
    of_batches = production(each_record=True, report_batch_item_failures=True)
    return {
        **{name: (production(getattr(shop, name)), order) for name in names},
        "each": (of_batches(shop.each), messages),
    }


def order(number):
    """Return the event of an order."""
    return {"id": f"o-{number}", "number": number, "body": "x" * 500}


def messages(number):
    """Return a batch of four messages from two traces, one of which fails."""
    found = cases.batch(
        4, AWSTraceHeader=lambda n: f"Root=1-6742a1b5-{number:023x}{n % 2};Parent={number + 1:016x};Sampled=1"
    )
    for n, record in enumerate(found["Records"]):
        record["messageId"] = f"{number:08x}-0000-4000-8000-00000000000{n}"
    return found


def invoke(number, name, handler, make):
    """Invoke a handler once, as the runtime client does: the header is in the environment."""
    trace, sampled = number % TRACES, number // 10 % 2
    os.environ["_X_AMZN_TRACE_ID"] = f"Root=1-6742a1b6-{trace:024x};Parent={trace + 1:016x};Sampled={sampled}"
    with contextlib.suppress(ValueError):
        handler(make(number), Context(number, SHORT_MS if name == "hurried" else LONG_MS))


def state():
    """Return what this process holds, its garbage collected and the threads of its invocations at their end."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    gc.collect()
    return State(
        rss_mb(),
        sys.getallocatedblocks(),
        sum(1 for _ in Path("/proc/self/task").iterdir()),
        sum(1 for _ in Path("/proc/self/fd").iterdir()) - 1,
    )


def rss_mb():
    """Return this process's resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024**2


def run(invocations, report):
    """Invoke so many times; `report(done, state)` is called at each mark."""
    everything = list(kinds().items())
    marks = {max(1, round(invocations * mark)) for mark in MARKS}
    for number in range(1, invocations + 1):
        name, (handler, make) = everything[number % len(everything)]
        invoke(number, name, handler, make)
        if number in marks:
            report(number, state())


def child(invocations):
    """Run, with the lines into nothing, and write a line of JSON for each mark to the standard output there was."""
    said = os.fdopen(os.dup(1), "w")
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 1)
    from awslambdaric.bootstrap import LambdaLoggerHandler, StandardLogSink, Unbuffered

    logging.getLogger().addHandler(LambdaLoggerHandler(StandardLogSink()))
    sys.stdout = Unbuffered(sys.stdout)
    run(invocations, lambda done, found: print(json.dumps([done, *found]), file=said, flush=True))


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what it is sent."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Read the spans."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        """Say nothing."""


@contextlib.contextmanager
def collector():
    """Run a collector on loopback; gives its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def soaked(invocations, tracing, report, *, with_collector=False):
    """Run in a process of its own; return the state at each mark.

    Args:
        invocations: how many.
        tracing: `on`, `otlp` or `off`.
        report: called with each mark's number of invocations and state.
        with_collector: whether spans go to a collector instead of the daemon.
    """
    found = {}
    with processes.daemon() as port, collector() as address:
        environment = {
            **processes.environment(port, "traced"),
            "LAMBDA_GUARD_TRACING": tracing,
            **({"OTEL_EXPORTER_OTLP_ENDPOINT": address} if with_collector else {}),
        }
        command = [sys.executable, "-m", "benchmarks.soak", "--child", "--invocations", str(invocations)]
        with subprocess.Popen(
            command, env=environment, cwd=processes.ROOT, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                done, *rest = json.loads(line)
                found[done] = State(*rest)
                report(done, found[done])
        if process.returncode:
            raise RuntimeError(f"the process ended with {process.returncode}")
    return found


def main():
    """Print the state as it goes; end with 1 where something has piled up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--invocations", type=int, default=INVOCATIONS)
    parser.add_argument("--tracing", choices=("on", "otlp", "off"), default="on")
    parser.add_argument("--collector", action="store_true", help="spans go to a collector on loopback")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        return child(asked.invocations)
    print(f"{'invocations':>12}{'RSS, MB':>10}{'blocks':>10}{'threads':>9}{'descriptors':>13}{'s':>8}")
    began = time.monotonic()

    def report(done, found):
        figures = f"{found.rss_mb:10.2f}{found.blocks:10}{found.threads:9}{found.descriptors:13}"
        print(f"{done:12}{figures}{time.monotonic() - began:8.0f}", flush=True)

    found = soaked(asked.invocations, asked.tracing, report, with_collector=asked.collector)
    warm, last = found[round(asked.invocations * WARM)], found[asked.invocations]
    grown = last.rss_mb - warm.rss_mb
    left = (last.threads, last.descriptors) > (warm.threads, warm.descriptors)
    print(f"\nafter the first tenth: {grown:+.2f} MB, of {GROWTH_MB} MB that are allowed")
    return 1 if grown > GROWTH_MB or left else 0


if __name__ == "__main__":
    sys.exit(main())
