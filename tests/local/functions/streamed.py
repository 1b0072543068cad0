"""Handlers of streams: each record says in its data what becomes of it, and leaves a line."""

import json
import os
from base64 import b64decode

from lambda_guard import production


def said(record):
    """Return a record's sequence number, and what its sender wrote."""
    if "kinesis" in record:
        return record["kinesis"]["sequenceNumber"], json.loads(b64decode(record["kinesis"]["data"]))
    image = record["dynamodb"].get("NewImage") or record["dynamodb"]["Keys"]
    return record["dynamodb"]["SequenceNumber"], {key: value["S"] for key, value in image.items()}


def whole(event, context):
    """Fail the whole batch where one record says `bad`."""
    sent = [said(record)[1] for record in event["Records"]]
    print("got", *(each["id"] for each in sent))
    if bad := [each["id"] for each in sent if each.get("what") == "bad"]:
        raise ValueError(*bad)
    for each in sent:
        print("done", each["id"])


def partial(event, context):
    """Answer with the first record that says `bad`, as a sequence number."""
    print("got", *(said(record)[1]["id"] for record in event["Records"]))
    for record in event["Records"]:
        number, sent = said(record)
        if sent.get("what") == "bad":
            return {"batchItemFailures": [{"itemIdentifier": number}]}
        print("done", sent["id"])
    return None


def unknown(event, context):
    """Answer a partial batch response that names no record of the batch."""
    return {"batchItemFailures": [{"itemIdentifier": "0"}]}


def echo(event, context):
    """Answer with the event and the trace header that the function was given."""
    return {"event": event, "trace": os.environ.get("_X_AMZN_TRACE_ID")}


@production(each_record=True, report_batch_item_failures=True)
def each(record):
    _, sent = said(record)
    print("done", sent["id"])
