"""A queue server on loopback that costs next to nothing: SQS's JSON protocol over lists in memory.

What a mock server needs for one call grows with the queue, which hides what the client needs. `python queue_server.py`
prints its port and serves until standard input ends.
"""

import itertools
import json
import sys
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ACCOUNT = "123456789012"
QUEUES = {}
LOCK = threading.Lock()
IDS = itertools.count()


class Queue:
    """A queue."""

    def __init__(self, name):
        self.name = name
        self.visible = deque()
        self.in_flight = {}


def queue_of(document):
    name = document["QueueUrl"].rpartition("/")[2]
    return QUEUES.setdefault(name, Queue(name))


def get_queue_url(document):
    return {"QueueUrl": f"http://{ADDRESS}/{ACCOUNT}/{document['QueueName']}"}


def get_queue_attributes(document):
    queue = queue_of(document)
    counts = {"": len(queue.visible), "NotVisible": len(queue.in_flight)}
    told = {f"ApproximateNumberOfMessages{kind}": str(count) for kind, count in counts.items()}
    return {"Attributes": {"QueueArn": f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{queue.name}", **told}}


def receive_message(document):
    queue, found = queue_of(document), []
    while queue.visible and len(found) < document.get("MaxNumberOfMessages", 1):
        message = queue.visible.popleft()
        receipt = f"{next(IDS):0128}"
        queue.in_flight[receipt] = message
        found.append({**message, "ReceiptHandle": receipt})
    return {"Messages": found} if found else {}


def send_message_batch(document):
    queue, answers = queue_of(document), []
    source = queue.name.removesuffix("-dead")
    for entry in document["Entries"]:
        message_id = f"00000000-0000-4000-8000-{next(IDS):012}"
        told = {"SentTimestamp": "1790000000000", "ApproximateReceiveCount": "1"}
        if source != queue.name:
            told["DeadLetterQueueSourceArn"] = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{source}"
        message = {"MessageId": message_id, "Body": entry["MessageBody"], "Attributes": told}
        if entry.get("MessageAttributes"):
            message["MessageAttributes"] = entry["MessageAttributes"]
        queue.visible.append(message)
        answers.append({"Id": entry["Id"], "MessageId": message_id, "MD5OfMessageBody": "-"})
    return {"Successful": answers, "Failed": []}


def delete_message_batch(document):
    queue = queue_of(document)
    for entry in document["Entries"]:
        queue.in_flight.pop(entry["ReceiptHandle"], None)
    return {"Successful": [{"Id": entry["Id"]} for entry in document["Entries"]], "Failed": []}


def change_message_visibility_batch(document):
    return {"Successful": [{"Id": entry["Id"]} for entry in document["Entries"]], "Failed": []}


OPERATIONS = {
    "GetQueueUrl": get_queue_url,
    "GetQueueAttributes": get_queue_attributes,
    "ReceiveMessage": receive_message,
    "SendMessageBatch": send_message_batch,
    "DeleteMessageBatch": delete_message_batch,
    "ChangeMessageVisibilityBatch": change_message_visibility_batch,
}


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self):
        """Answer a call."""
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        with LOCK:
            answer = json.dumps(OPERATIONS[operation](document)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Say nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    ADDRESS = f"127.0.0.1:{server.server_port}"
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
