"""Batches: what a record costs beside Powertools' processors, and what thousands of traces cost.

    python -m benchmarks.batch

Each contender runs in processes of its own, in turn with the others. A record's cost is the slope between a
small batch and a large one in the same process, so that what an invocation costs by itself is left out; the
handler parses its message, an order of 1 KB, as every handler does. Standard output is a pipe, the daemon a
UDP socket that is read.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from . import budgets, contenders

ROUNDS = 7
REPEATS = 15
SMALL, LARGE = 10, 100  # up to 100 records have documents of their own
MIXED = 10_000
LIMIT_MS = 10  # that tracing may take for them

ORDER = {
    "order_id": "o-1",
    "customer": {
        "name": "A. Customer",
        "address": {"street": "1 Example Street", "city": "Example", "zip": "12345"},
    },
    "lines": [
        {"sku": f"sku-{n:04}", "name": f"product number {n}", "count": n, "price": 12.5} for n in range(12)
    ],
}


def event(count, headers=None):
    """Return a batch of `count` messages of SQS; `headers` makes the trace header of each."""
    queue = "arn:aws:sqs:eu-west-1:123456789012:orders"
    record = {
        "receiptHandle": "receipt",
        "body": json.dumps(ORDER),
        "messageAttributes": {},
        "md5OfBody": "0" * 32,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue,
        "awsRegion": "eu-west-1",
    }
    attributes = {"ApproximateReceiveCount": "1", "SentTimestamp": "1764083045135", "SenderId": "AIDAEXAMPLE"}
    return {
        "Records": [
            {
                **record,
                "messageId": f"00000000-0000-4000-8000-{number:012}",
                "attributes": {**attributes, **({"AWSTraceHeader": headers(number)} if headers else {})},
            }
            for number in range(count)
        ]
    }


def header(number):
    return f"Root=1-6742a1b5-{number:024x};Parent={number + 1:016x};Sampled=1"


def bare():
    """Powertools' processor alone."""
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    processor = BatchProcessor(event_type=EventType.SQS)

    def each(record):
        return record.json_body

    return lambda batch, context: process_partial_response(
        event=batch, record_handler=each, processor=processor, context=context
    )


def guard():
    """The same by us."""
    from lambda_guard import production

    @production(each_record=True, report_batch_item_failures=True)
    def handler(record):
        record.json_body  # noqa: B018 - parsing is the work

    return handler


def by_hand():
    """Powertools' processor, with its logger and its tracer for each record, as its documentation has it."""
    from aws_lambda_powertools import Logger, Tracer
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    logger, tracer = Logger(), Tracer()
    processor = BatchProcessor(event_type=EventType.SQS)

    @tracer.capture_method
    def each(record):
        tracer.put_annotation("message_id", record.message_id)
        logger.append_keys(message_id=record.message_id)
        logger.info("order accepted", order_id=record.json_body["order_id"])

    @logger.inject_lambda_context
    @tracer.capture_lambda_handler
    def handler(batch, context):
        return process_partial_response(
            event=batch, record_handler=each, processor=processor, context=context
        )

    return handler


def guard_logging():
    """The same by us: keys, subsegment and annotations come by themselves."""
    from lambda_guard import logger, production

    @production(each_record=True, report_batch_item_failures=True)
    def handler(record):
        logger.info("order accepted", order_id=record.json_body["order_id"])

    return handler


def guard_idle():
    """A handler of records that does nothing."""
    from lambda_guard import production

    return production(each_record=True)(lambda _: None)


def guard_plain():
    """A handler of whole batches that does nothing."""
    from lambda_guard import production

    return production(lambda *_: None)


CONTENDERS = {each.__name__: each for each in (bare, guard, by_hand, guard_logging, guard_idle, guard_plain)}


def slope(handler):
    """Return the µs of one record, beyond what an invocation costs: the lower quartile of the slopes."""
    small, large, context = event(SMALL), event(LARGE), contenders.Context()
    slopes = []
    for number in range(-3, REPEATS):
        times = [_timed(handler, batch, context) for batch in (small, large)]
        if number >= 0:
            slopes.append((times[1] - times[0]) / (LARGE - SMALL) * 1e6)
    return sorted(slopes)[len(slopes) // 4]


def mixed(handler):
    """Return the ms of a batch of 10,000 records from 10,000 traces: the lower quartile."""
    batch, context = event(MIXED, header), contenders.Context()
    times = [_timed(handler, batch, context) * 1e3 for _ in range(REPEATS)]
    return sorted(times)[len(times) // 4]


def _timed(handler, batch, context):
    started = time.perf_counter()
    handler(batch, context)
    return time.perf_counter() - started


def main():
    with budgets._daemon() as port:  # noqa: SLF001 - the same daemon for all benchmarks
        off, on = contenders.environment(port, tracing=False), contenders.environment(port)
        records = _rounds(
            "slope",
            {
                "bare": ("bare", off),
                "guard": ("guard", off),
                "by hand": ("by_hand", on),
                "traced": ("guard_logging", on),
            },
        )
        traces = _rounds(
            "mixed",
            {
                "each, off": ("guard_idle", off),
                "each": ("guard_idle", on),
                "whole, off": ("guard_plain", off),
                "whole": ("guard_plain", on),
            },
        )
    each, whole = (traces[key] - traces[f"{key}, off"] for key in ("each", "whole"))
    rows = [
        (
            "a record, tracing off",
            "Powertools' BatchProcessor alone",
            records["guard"] / records["bare"],
            1.3,
        ),
        (
            "a record: a line, a subsegment",
            "the same, logger and tracer by hand",
            records["traced"] / records["by hand"],
            0.7,
        ),
        (
            f"{MIXED:,} traces, record by record",
            f"{LIMIT_MS} ms more than with tracing off",
            each / LIMIT_MS,
            1.0,
        ),
        (
            f"{MIXED:,} traces, a plain handler",
            f"{LIMIT_MS} ms more than with tracing off",
            whole / LIMIT_MS,
            1.0,
        ),
    ]
    print(f"\n{'what':42}{'against':40}{'ratio':>8}{'budget':>9}")
    for what, against, ratio, budget in rows:
        print(f"{what:42}{against:40}{ratio:8.2f}{budget:9.1f}  {'met' if ratio <= budget else 'MISSED'}")
    print("\nin µs a record:", ", ".join(f"{name} {value:.1f}" for name, value in records.items()))
    print(f"in ms a batch of {MIXED:,}:", ", ".join(f"{name} {value:.1f}" for name, value in traces.items()))
    return 0 if all(ratio <= budget for *_, ratio, budget in rows) else 1


def _rounds(what, runs):
    """Return the median over the rounds of what each contender's process says."""
    found = {key: [] for key in runs}
    for _ in range(ROUNDS):
        for key, (name, environment) in runs.items():
            found[key].append(_run(what, name, environment))
    return {key: statistics.median(values) for key, values in found.items()}


def _run(what, name, environment):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.batch", what, name],
        env={**environment, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return float(done.stderr)


def _contend(what, name):
    from awslambdaric.bootstrap import Unbuffered

    with contextlib.redirect_stdout(Unbuffered(sys.stdout)):
        measured = {"slope": slope, "mixed": mixed}[what](CONTENDERS[name]())
    print(measured, file=sys.stderr)
    sys.stderr.flush()
    os._exit(0)  # the SDK's socket is open


if __name__ == "__main__":
    sys.exit(_contend(*sys.argv[1:]) if len(sys.argv) > 1 else main())
