"""A queue service in memory, which can lose power before or after any call, and refuse what it is told to refuse."""

import itertools
import json
from collections import defaultdict
from types import SimpleNamespace

from botocore.exceptions import ClientError, EndpointConnectionError

ACCOUNT = "arn:aws:sqs:eu-west-1:123456789012"


class PowerCut(BaseException):
    """The process ends here, as with kill -9: nothing catches it."""


class FakeSqs:
    """What `lambda-guard dlq` uses of SQS.

    Attributes:
        queues: name → messages, each `{MessageId, Body, Attributes, MessageAttributes}`.
        sent: everything that a send has put anywhere, as (queue, entry).
        cut: at which call the power is cut, counted from 1, and whether before or after its effect.
        refused: bodies → the `Failed` entry that they get.
        broken: operation → error code, raised for the whole call.
        visible_again_at: before which receives, counted from 1, the visibility timeout of all that is in flight is over:
            its receipt handles delete and release nothing from then on.
        stale: what was to be hidden or released by such a receipt handle.
    """

    def __init__(self, **queues):
        self.queues = {name: [] for name in queues} or {"dead": [], "source": []}
        self.sent = []
        self.calls = []
        self.cut = None
        self.refused = {}
        self.broken = {}
        self.visible_again_at = ()
        self.stale = []
        self.in_flight = defaultdict(dict)
        self.attributes = defaultdict(dict)
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_, **__: None))
        self._ids = itertools.count(1)
        self._receipts = itertools.count(1)

    def put(self, name, body, *, source="source", message_id=None, attributes=None, system=None):
        """Put a message into a queue."""
        message_id = message_id or f"m-{next(self._ids)}"
        told = {"SentTimestamp": "1790000000000", "ApproximateReceiveCount": "1", **(system or {})}
        if source:
            told["DeadLetterQueueSourceArn"] = f"{ACCOUNT}:{source}"
        message = {
            "MessageId": message_id,
            "Body": body,
            "Attributes": told,
            "MessageAttributes": attributes or {},
        }
        self.queues.setdefault(name, []).append(message)
        return message_id

    def restart(self):
        """What was in flight is visible again, as after its timeout."""
        self.in_flight.clear()
        self.cut = None

    def bodies(self, name):
        return [message["Body"] for message in self.queues[name]]

    def __call__(self, service):
        assert service == "sqs", service
        return self

    # --- The client's methods ------------------------------------------------------------------------------------

    def get_queue_url(self, QueueName, QueueOwnerAWSAccountId=None):
        with self._call("GetQueueUrl"):
            if QueueName not in self.queues:
                raise refusal("GetQueueUrl", "AWS.SimpleQueueService.NonExistentQueue", "no such queue")
            return {"QueueUrl": url(QueueName)}

    def get_queue_attributes(self, QueueUrl, AttributeNames):
        with self._call("GetQueueAttributes"):
            name = self._existing(QueueUrl)
            count = str(len(self.queues[name]))
            return {
                "Attributes": {
                    "QueueArn": f"{ACCOUNT}:{name}",
                    "ApproximateNumberOfMessages": count,
                    **self.attributes[name],
                }
            }

    def get_paginator(self, operation):
        assert operation == "list_dead_letter_source_queues"
        return self

    def paginate(self, QueueUrl):
        return [{"queueUrls": [url("source")] if "source" in self.queues else []}]

    def receive_message(self, QueueUrl, MaxNumberOfMessages, **_):
        with self._call("ReceiveMessage"):
            name = self._existing(QueueUrl)
            held = self.in_flight[name]
            if self.calls.count("ReceiveMessage") in self.visible_again_at:
                held.clear()
            groups = {
                m["Attributes"].get("MessageGroupId")
                for m in self.queues[name]
                if m["MessageId"] in held.values()
            }
            free = [
                m
                for m in self.queues[name]
                if m["MessageId"] not in held.values()
                and not (name.endswith(".fifo") and m["Attributes"].get("MessageGroupId") in groups)
            ]
            found = []
            for message in free[:MaxNumberOfMessages]:
                receipt = f"r-{next(self._receipts)}"
                held[receipt] = message["MessageId"]
                found.append({**message, "ReceiptHandle": receipt})
            return {"Messages": found} if found else {}

    def send_message_batch(self, QueueUrl, Entries):
        with self._call("SendMessageBatch"):
            assert len(Entries) <= 10
            name, answer = self._existing(QueueUrl), {"Successful": [], "Failed": []}
            for entry in Entries:
                refused = self.refused.get(entry["MessageBody"])
                if refused:
                    answer["Failed"].append({"Id": entry["Id"], **refused})
                    continue
                message_id = self.put(name, entry["MessageBody"], source="")
                self.sent.append((name, entry))
                answer["Successful"].append({"Id": entry["Id"], "MessageId": message_id})
            return answer

    def delete_message_batch(self, QueueUrl, Entries):
        """An old receipt handle: "the request succeeds, but the message might not be deleted".

        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html
        """
        with self._call("DeleteMessageBatch"):
            name, held = self._existing(QueueUrl), self.in_flight[QueueUrl.rpartition("/")[2]]
            gone = {held.pop(entry["ReceiptHandle"], None) for entry in Entries}
            self.queues[name] = [m for m in self.queues[name] if m["MessageId"] not in gone]
            return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, QueueUrl, Entries):
        with self._call("ChangeMessageVisibilityBatch"):
            held = self.in_flight[self._existing(QueueUrl)]
            for entry in Entries:
                if entry["ReceiptHandle"] not in held:
                    self.stale.append(entry)
                elif entry["VisibilityTimeout"] == 0:
                    del held[entry["ReceiptHandle"]]
            return {"Successful": [], "Failed": []}

    # --- Failures ------------------------------------------------------------------------------------------------

    def _existing(self, address):
        name = address.rpartition("/")[2]
        if name not in self.queues:
            raise refusal("Any", "AWS.SimpleQueueService.NonExistentQueue", "no such queue")
        return name

    def _call(self, operation):
        return _Call(self, operation)


class _Call:
    def __init__(self, sqs, operation):
        self.sqs, self.operation = sqs, operation

    def __enter__(self):
        self.sqs.calls.append(self.operation)
        if self.sqs.cut == (len(self.sqs.calls), "before"):
            raise PowerCut
        code = self.sqs.broken.get(self.operation)
        if code == "silence":
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
        if code:
            raise refusal(self.operation, code, f"{code} it is")

    def __exit__(self, kind, *_):
        if kind is None and self.sqs.cut == (len(self.sqs.calls), "after"):
            raise PowerCut


def refusal(operation, code, message):
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(answer, operation)


def url(name):
    return f"http://sqs.local/123456789012/{name}"


def order(number, **more):
    return json.dumps({"id": number, **more})
