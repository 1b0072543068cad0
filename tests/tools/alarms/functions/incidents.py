"""Handlers that do what the event says: work, or one of the ways in which functions come to grief."""

import os
import re
import resource
import signal
import time
from pathlib import Path

from lambda_guard import logger, production

_kept = []


def hold(path):
    """Run until a file is there, so that nobody else gets this environment."""
    end = time.monotonic() + 200
    while not Path(path).exists() and time.monotonic() < end:
        time.sleep(0.01)


def _used():
    """Bytes; `ru_maxrss` of Linux has the peak of the process that started this one, too, however large that was."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # macOS, where it is this process's own, in bytes
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * resource.getpagesize()


def fill(percent):
    """Use so much of the function's memory."""
    limit = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]) * 2**20
    lacking = limit * percent // 100 - _used()
    if lacking > 0:
        _kept.append(b"x" * lacking)


def _used():
    """Return the bytes used at most; on Linux not by getrusage, whose peak a process has from the one that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


class _Unprintable:
    def __str__(self):
        raise RuntimeError("a value that can't be written")


class _Broken:
    def filter(self, record):
        raise RuntimeError("broken")


def _refuse(_):
    raise ValueError("refused")


def _break_logging(_):
    logger.addFilter(_Broken())
    logger.info("a line")


_DEEDS = {
    "work": lambda _: None,
    "fail": _refuse,
    "hang": lambda _: time.sleep(240),
    "kill": lambda _: os.kill(os.getpid(), signal.SIGKILL),
    "fill": fill,
    "hold": hold,
    "break logging": _break_logging,
}


def _wait():
    """Wait as for a database: a function that only computes has the alarm Cpu ring, and rightly so."""
    time.sleep(0.02)


def plain(event, context):
    """Do it without lambda_guard, as older functions do."""
    _wait()
    deed, _, value = event["do"].partition(":")
    _DEEDS[deed](int(value) if value.isdigit() else value)


guarded = production(plain)
versioned = production(dimensions=("function_version",))(plain)


def _each(record):
    _wait()
    _DEEDS[record.body](None)


whole = production(each_record=True)(_each)
in_parts = production(each_record=True, report_batch_item_failures=True)(_each)
in_parts_versioned = production(
    each_record=True, report_batch_item_failures=True, dimensions=("function_version",)
)(_each)


def plain_records(event, context):
    """Do what a queue's messages say, without lambda_guard."""
    for record in event["Records"]:
        _DEEDS[record["body"]](None)


@production
def answering(event, context):
    """Answer a request: with a server error for one path."""
    _wait()
    return {"statusCode": 500 if event["rawPath"] == "/fail" else 200, "body": ""}
