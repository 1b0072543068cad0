"""A handler that logs, with Powertools' Logger and with ours."""

import io
import itertools
import json

from aws_lambda_powertools import Logger

from lambda_guard import logger
from lambda_guard.testing import make_context

from .both import run_ours

_service = itertools.count()
# What each adds to its lines by itself: Powertools' decorator, and ours.
_THEIRS = ("location", "timestamp", "service", "xray_trace_id", "function_name", "cold_start", "stack_trace")
_ADDED = {
    *_THEIRS, "function_memory_size", "function_arn", "function_request_id", "logger", "invocation_id",
    "function_version", "exception",
}  # fmt: skip


def new_service():
    """Return a name that no Logger has yet: Powertools makes one for each, and keeps its keys."""
    return f"theirs-{next(_service)}"


def told(lines):
    """Return what the handler said: the lines without what is added to each."""
    return [{key: value for key, value in line.items() if key not in _ADDED} for line in lines]


def in_both_ways(code, event=None, **options):
    """Run `code(logger, event)` in a handler of each way; return what each said, and what each answered."""
    out = io.StringIO()
    theirs = Logger(service=new_service(), stream=out, level=options.pop("log_level", "INFO"))
    event = {} if event is None else event
    answer = theirs.inject_lambda_context(lambda event, context: code(theirs, event), **options)(
        event, make_context()
    )
    captured, ours = run_ours(lambda event, context: code(logger, event), event)
    return (told(map(json.loads, filter(None, out.getvalue().split("\n")))), answer), (
        told(captured.logs),
        ours,
    )
