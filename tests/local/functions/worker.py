"""Handlers of batches: each message says in its body what becomes of it, and leaves a line."""

import json
import os
import time


def handler(event, context):
    """Fail the whole batch where one message says `fail`; a message is done when its line is out."""
    for record in event["Records"]:
        body = json.loads(record["body"])
        time.sleep(body.get("sleep", 0))
        if body.get("fail"):
            raise RuntimeError(f"message {body['id']} fails")
        print(f"done {body['id']}")  # one write: a kill comes before it or after it
    return {"seen": [record["messageId"] for record in event["Records"]]}


def partial(event, context):
    """Answer with the messages that say `fail`, and with those after them of the same group."""
    failed, groups = [], set()
    for record in event["Records"]:
        body, group = json.loads(record["body"]), record["attributes"].get("MessageGroupId")
        first = record["attributes"]["ApproximateReceiveCount"] == "1"
        if (body.get("fail") and (first or body["fail"] == "always")) or (group and group in groups):
            failed.append({"itemIdentifier": record["messageId"]})
            groups.add(group)
        else:
            print(f"done {body['id']}")
    return {"batchItemFailures": failed}


def malformed(event, context):
    """Answer a partial batch response that names no message of the batch."""
    return {"batchItemFailures": [{"itemIdentifier": "nobody"}]}


def echo(event, context):
    """Answer with the event and the trace header that the function was given."""
    return {"event": event, "trace": os.environ.get("_X_AMZN_TRACE_ID")}


def failing(event, context):
    raise ValueError("never works")


def once(event, context):
    """Fail on the first attempt of a process, then work."""
    if "FAILED" not in os.environ:
        os.environ["FAILED"] = "yes"
        raise ValueError("the first attempt")
    return "worked"
