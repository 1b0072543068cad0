"""A function whose process has a copy at the snapshot, as environments with SnapStart are copies of one."""

import ctypes
import os
import random

import snapshot_restore_py
from aws_xray_sdk.core import xray_recorder
from managed import meet

from lambda_guard import logger, production


@snapshot_restore_py.register_before_snapshot  # the first one, so that it runs last
def copy():
    # C's own fork: Python's would tell Python's modules, and `random` would draw a new seed.
    ctypes.PyDLL(None).fork()


@snapshot_restore_py.register_before_snapshot
def warm_up():
    handler({"warm": "up"}, None)


@production
def without_id(event, context):
    return event


@production
def handler(event, context):
    if "warm" in event:
        return None
    logger.info("at work")
    with xray_recorder.in_subsegment("theirs"):
        meet(event["folder"], "begun", 2)
    without_id(event, None)
    return {"pid": os.getpid(), "drawn": random.random()}
