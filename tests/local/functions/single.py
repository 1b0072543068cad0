"""Handlers that do what their event says."""

import logging
import os
import sys
import time
from pathlib import Path


def handler(event, context):
    if "sleep" in event:
        print("sleeping")
        time.sleep(event["sleep"])
    if "exit" in event:
        sys.exit(event["exit"])
    if "signal" in event:
        os.kill(os.getpid(), event["signal"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "print" in event:
        sys.stdout.write(event["print"])
    if "log" in event:
        logging.getLogger("orders").warning(event["log"])
    if "size" in event:
        return "x" * event["size"]
    return event.get("answer")


def about(event, context):
    """Answer with everything that the handler can know of its invocation."""
    return {
        "event": event,
        "request_id": context.aws_request_id,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "remaining": context.get_remaining_time_in_millis(),
        "custom": context.client_context.custom if context.client_context else None,
        "identity": context.identity.cognito_identity_id if context.identity else None,
        "log_stream": context.log_stream_name,
        "environ": dict(os.environ),
        "cwd": str(Path.cwd()),
        "pid": os.getpid(),
    }


def not_json(event, context):
    return object()


def background(event, context):
    """Print from a thread for as long as the process is not frozen."""
    import threading

    def tick():
        while True:
            time.sleep(0.01)
            print("tick")

    if event.get("start"):
        threading.Thread(target=tick, daemon=True).start()
