"""Functions that run in the real runtime client, one environment each, shared by the tests of a module."""

import contextlib
import json
from pathlib import Path

import pytest

from lambda_guard.local import Function

FUNCTIONS = Path(__file__).parent / "functions"
_PLATFORM_TEXT = ("INIT_START ", "START ", "END ", "REPORT ", "XRAY ", "RequestId: ", "Runtime.", "[ERROR]")
_DUMP = ("Timeout (", "Thread 0x", "Current thread 0x", "  File ")


@pytest.fixture(scope="module")
def start():
    """Start a function, or return it where it runs already: `start("shop.guarded", "JSON")`."""
    with contextlib.ExitStack() as stack:
        running = {}

        def get(handler, log_format="Text", code=FUNCTIONS, **settings):
            key = handler, log_format, str(code), repr(settings)
            if key not in running:
                function = Function(
                    name="shop", handler=handler, code=code, log_format=log_format, **settings
                )
                running[key] = stack.enter_context(function)
            return running[key]

        yield get


@pytest.fixture
def own_lines():
    """Return the function's own lines of an invocation, parsed: all but the platform's and the runtime client's.

    Where the machine is too busy for the watchdog to wake in time, faulthandler's dump is there beside its record.
    """

    def read(result):
        found = []
        for line in result.lines:
            if not line.startswith(_PLATFORM_TEXT + _DUMP) and "Task timed out" not in line and line:
                document = json.loads(line)
                if not str(document.get("type")).startswith("platform.") and "stackTrace" not in document:
                    found.append(document)
        return found

    return read
