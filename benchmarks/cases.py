"""What handlers do in the benchmarks: the same work for every contender, with the contender's own logger and metrics.

Each case has a body, `(event, context) → value`, that gets `log(message, **keys)` and `count(name)`.
"""

import json
from pathlib import Path

EVENT = {"id": "o-1"}
MESSAGES = 10
TRACES = 10_000
CALLS = 4  # of one invocation
# Under valgrind they last so long that the watchdog would look at some of them, and not at others, or what they are
# compared with.
WITHOUT_DEADLINE = {"10 lines", "100 lines", "calls", "no calls"}
URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders"
BODY = json.dumps({"order_id": "o-1", "lines": [{"sku": f"sku-{n:04}", "count": n} for n in range(12)]})


def batch(count, **attributes):
    """Return a batch of this many messages; each attribute is made from the message's number."""
    standing = {"ApproximateReceiveCount": "1", "SentTimestamp": "1764083045135", "SenderId": "AIDAEXAMPLE"}
    return {
        "Records": [
            {
                "messageId": f"00000000-0000-4000-8000-{number:012}",
                "receiptHandle": "receipt",
                "body": BODY,
                "attributes": {**standing, **{name: make(number) for name, make in attributes.items()}},
                "messageAttributes": {},
                "md5OfBody": "0" * 32,
                "eventSource": "aws:sqs",
                "eventSourceARN": QUEUE,
                "awsRegion": "eu-west-1",
            }
            for number in range(count)
        ]
    }


def plain(log, count):
    """Return a value, and nothing else."""
    return lambda event, _: {"accepted": event["id"]}


def standard(log, count):
    """Write one line and add one metric."""

    def handler(event, context):
        log("order accepted", order_id=event["id"])
        count("OrdersAccepted")
        return {"accepted": event["id"]}

    return handler


def lines(number):
    """Return the case that writes this many lines."""

    def case(log, count):
        def handler(event, context):
            for _ in range(number):
                log("order accepted", order_id=event["id"])
            return {"accepted": event["id"]}

        return handler

    return case


def exception(log, count):
    """Raise an exception."""

    def handler(event, context):
        raise ValueError("nothing in stock")

    return handler


def asynchronous(log, count):
    """Await once, as a coroutine function."""
    import asyncio

    async def handler(event, context):
        await asyncio.sleep(0)
        return {"accepted": event["id"]}

    return handler


def calling(number):
    """Return the case that sends this many messages through botocore, whose answers come from memory."""

    def case(log, count):
        client = answering_client()

        def handler(event, context):
            for _ in range(number):
                client.send_message(QueueUrl=URL, MessageBody="{}")
            return {"accepted": event["id"]}

        return handler

    return case


def answering_client():
    """Return a client of SQS whose requests go no further than the last step before the network."""
    import botocore.awsrequest
    import botocore.session

    class Raw:
        def stream(self, **_):
            yield b'{"MessageId": "00000000-0000-4000-8000-000000000000", "MD5OfMessageBody": "%s"}' % MD5

    session = botocore.session.get_session()
    client = session.create_client(
        "sqs", region_name="eu-west-1", aws_access_key_id="example", aws_secret_access_key="example"
    )
    headers = {"x-amzn-requestid": "request-1", "Content-Type": "application/x-amz-json-1.0"}
    client.meta.events.register(
        "before-send.sqs.SendMessage",
        lambda request, **_: botocore.awsrequest.AWSResponse(request.url, 200, headers, Raw()),
    )
    return client


MD5 = b"99914b932bd37a50b983c5e7c90ae93b"  # of the body, which botocore doesn't check, and a real answer has

CASES = {
    "plain": plain,
    "standard": standard,
    "10 lines": lines(10),
    "100 lines": lines(100),
    "exception": exception,
    "batch": None,  # each contender has its own way
    "sqs": None,  # examples/handlers/sqs.py, and the same on Powertools' stack
    "traces": None,  # ours alone, record by record
    "traces, whole": None,
    "async": asynchronous,
    "no calls": calling(0),
    "calls": calling(CALLS),
}


def event(case):
    """Return the event of a case."""
    if case.startswith("traces"):
        return batch(
            TRACES, AWSTraceHeader=lambda n: f"Root=1-6742a1b5-{n:024x};Parent={n + 1:016x};Sampled=1"
        )
    if case == "sqs":
        return json.loads((Path(__file__).parent.parent / "examples/handlers/sqs.json").read_text())
    return batch(MESSAGES) if case == "batch" else EVENT
