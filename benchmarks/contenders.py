"""The contenders of the benchmarks: the same handlers, made fit in different ways.

Each imports what it needs by itself. Standard output and the X-Ray daemon are real: a pipe, and a UDP socket on
loopback.
"""

import functools
import os
import time

from . import cases

ROOT = "1-6742a1b5-0123456789abcdef01234567"
HEADER = f"Root={ROOT};Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1"


class Context:
    """What the runtime client hands to a handler, as far as the contenders read it.

    Args:
        seconds: until the deadline; with 0 there is none, and the watchdog has nothing to do.
    """

    function_name = "orders"
    function_version = "$LATEST"
    invoked_function_arn = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
    memory_limit_in_mb = "128"
    aws_request_id = "6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001"

    def __init__(self, seconds=900):
        self.deadline_ms = int(time.time() * 1000) + seconds * 1000

    def get_remaining_time_in_millis(self):
        """Return what the runtime client would say."""
        return max(0, self.deadline_ms - int(time.time() * 1000))


def environment(daemon_port, tracing=True):
    """Return the environment in which every contender runs: Lambda's, and nothing else that matters."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONHASHSEED": "0",
        "AWS_REGION": "eu-west-1",
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_LAMBDA_FUNCTION_NAME": "orders",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon_port}",
        "_X_AMZN_TRACE_ID": HEADER,
        "POWERTOOLS_SERVICE_NAME": "orders",
        "POWERTOOLS_METRICS_NAMESPACE": "Orders",
        **({} if tracing else {"POWERTOOLS_TRACE_DISABLED": "true", "LAMBDA_GUARD_TRACING": "off"}),
    }


def bare(case):
    """Nothing around the handler, and no lines or metrics either."""
    body = cases.CASES[case] or (lambda *_: lambda *_: {"batchItemFailures": []})
    return _synchronous(body(_nothing, _nothing))


def guard(case):
    """lambda_guard's decorator."""
    if case == "sqs":
        from examples.handlers.sqs import handler

        return handler
    from lambda_guard import logger, metrics, production

    if case == "batch":

        @production(each_record=True, report_batch_item_failures=True)
        def handler(record):
            logger.info("order accepted", order_id=record.json_body["order_id"])

        return handler
    if case.startswith("traces"):
        return production(_nothing) if case.endswith("whole") else production(each_record=True)(_nothing)
    body = cases.CASES[case](logger.info, lambda name: metrics.add_metric(name=name, unit="Count", value=1))
    return production(body)


def powertools(case):
    """Powertools' three decorators, and its batch processor, as its documentation has them."""
    from aws_lambda_powertools import Logger, Metrics, Tracer

    logger, metrics, tracer = Logger(), Metrics(), Tracer()
    if case == "batch":
        return _powertools_batch(logger, tracer)
    if case == "sqs":
        return _powertools_sqs(logger, metrics, tracer)
    body = cases.CASES[case](logger.info, lambda name: metrics.add_metric(name=name, unit="Count", value=1))

    @logger.inject_lambda_context
    @tracer.capture_lambda_handler
    @metrics.log_metrics
    @functools.wraps(body)
    def handler(event, context):
        return run(event, context)

    run = _synchronous(body)
    return handler


def _powertools_batch(logger, tracer):
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

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


def _powertools_sqs(logger, metrics, tracer):
    """The function of examples/handlers/sqs.py on Powertools' stack, as its documentation has batches."""
    import json

    from aws_lambda_powertools.metrics import MetricUnit
    from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response

    processor = BatchProcessor(event_type=EventType.SQS)

    @tracer.capture_method
    def pack(record):
        order = json.loads(record.body)
        grams = sum(item["grams"] * item["count"] for item in order["items"])
        if not grams:
            raise ValueError("an order without weight can't be shipped")
        metrics.add_metric(name="ParcelWeight", unit=MetricUnit.NoUnit, value=grams)
        logger.info("parcel packed", order_id=order["id"], grams=grams)

    @logger.inject_lambda_context
    @tracer.capture_lambda_handler
    @metrics.log_metrics
    def handler(event, context):
        return process_partial_response(
            event=event, record_handler=pack, processor=processor, context=context
        )

    return handler


def floor(case):
    """Lines of JSON and a datagram for each invocation and message, written by hand for these handlers alone."""
    from .floor import Floor

    hand = Floor()
    if case == "batch":
        return hand.batch
    return hand.around(_synchronous(cases.CASES[case](hand.log, hand.count)))


def _synchronous(body):
    """Return the body; of a coroutine function, what runs it as people do who have no help."""
    import inspect

    if not inspect.iscoroutinefunction(body):
        return body
    import asyncio

    return lambda event, context: asyncio.run(body(event, context))


def _nothing(*_, **__):
    """Do nothing."""


CONTENDERS = {"bare": bare, "lambda_guard": guard, "powertools": powertools, "floor": floor}
