"""A function that ends in the way that its event says."""

import ctypes
import os
import sys
import time

from lambda_guard import production

DO = {
    "return": lambda event: {"order": 1},
    "raise": lambda event: {}["order"],
    "exit": lambda event: sys.exit(1),
    "no JSON": lambda event: object(),
    "answer 503": lambda event: {"statusCode": 503},
    "answer nothing": lambda event: None,
    "out of time": lambda event: time.sleep(30),
    "os._exit": lambda event: os._exit(1),
    "crash": lambda event: ctypes.string_at(0),
    "kill": lambda event: os.kill(os.getpid(), 9),
    "lose a part": lambda event: sys.stdout.close(),
}


@production
def handler(event, context):
    """Do what the event, or the body of a request, says."""
    return DO[event.get("do") or event["body"]](event)


def refuse(record):
    """Refuse one of the messages of a batch."""
    if record.body == "bad":
        raise ValueError("refused")


in_all = production(each_record=True)(refuse)
in_part = production(each_record=True, report_batch_item_failures=True)(refuse)
