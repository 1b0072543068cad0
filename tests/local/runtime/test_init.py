"""The INIT phase that goes wrong: what is logged and tried again, and how `invocations` reads it."""

import json
import re

import pytest
from click.testing import CliRunner

from lambda_guard.local import Function
from lambda_guard.local.runtime.environment import Environment
from lambda_guard.local.runtime.guardian import Guardian
from lambda_guard.local.runtime.log_group import LogGroup
from lambda_guard.local.runtime.runtime_api import Invocation
from lambda_guard.local.runtime.settings import FunctionSettings
from lambda_guard.tools.group import lambda_guard

TIMES = re.compile(r"[\d.]+ ms")
REQUEST = "6f0c1d3e-5b51-4c55-9d9e-1f2c64d3a001"
REPORT = f"REPORT RequestId: {REQUEST}\tDuration: N\tBilled Duration: N\tMemory Size: 128 MB\tMax Memory Used: 0 MB\t"
FAILING = {
    "an import": ("import a_module_that_is_nowhere", "Runtime.ImportModuleError"),
    "a wrong name": ("", "Runtime.HandlerNotFound"),
    "an exit": ("import sys; sys.exit(3)", "Runtime.ExitError"),
    "an exception": ("1 / 0", "Runtime.Unknown"),
}


@pytest.fixture
def invoke(tmp_path):
    """Return what invokes a function with this code once; its log is in `tmp_path/logs`."""

    def invoke(code, **settings):
        (tmp_path / "app.py").write_text(code)
        log = LogGroup("/aws/lambda/orders", tmp_path / "logs")
        with Function(name="orders", handler="app.handler", code=tmp_path, log=log, **settings) as function:
            return function.invoke({}, request_id=REQUEST)

    return invoke


def read(tmp_path):
    """Return how `invocations` reads the log: outcome and error of each invocation."""
    result = CliRunner().invoke(lambda_guard, ["invocations", str(tmp_path / "logs"), "--json"])
    assert result.exit_code == 0, result.output
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    found = [it for it in documents if "invocation_id" in it]  # the others are of no invocation
    return [(it["invocation_id"], it["outcome"], it["platform"].get("error_type")) for it in found]


@pytest.mark.parametrize(("code", "error_type"), FAILING.values(), ids=list(FAILING))
def test_a_failed_init_is_reported_and_tried_again(invoke, tmp_path, code, error_type):
    """INIT_REPORT for INIT, and for the second one within the invocation, whose REPORT has no Init Duration."""
    result = invoke(f"print('loading')\n{code}")
    own = [
        TIMES.sub("N", line) for line in result.lines if line.startswith(("INIT_", "START", "END", "REPORT"))
    ]
    failed = f"Status: error\tError Type: {error_type}"

    assert result.lines.count("loading") == 2
    assert own[1:] == [
        f"INIT_REPORT Init Duration: N\tPhase: init\t{failed}",
        f"INIT_REPORT Init Duration: N\tPhase: invoke\t{failed}",
        f"START RequestId: {REQUEST} Version: $LATEST",
        f"END RequestId: {REQUEST}",
        f"{REPORT}{failed}\t",
    ]
    assert result.status == "error"
    assert result.duration_ms > 0 < result.init_ms
    assert read(tmp_path) == [(REQUEST, "killed" if "Exit" in error_type else "error", error_type)]


@pytest.mark.parametrize(("code", "error_type"), FAILING.values(), ids=list(FAILING))
def test_a_failed_init_in_the_json_format(invoke, tmp_path, code, error_type):
    """The platform's events say the same, with the status of each."""
    result = invoke(code, log_format="JSON")
    told = [json.loads(line) for line in result.lines if '"platform.' in line]
    common = {"initializationType": "on-demand", "status": "error", "errorType": error_type}

    assert [event["type"].removeprefix("platform.") for event in told][1:6] == [
        *["initRuntimeDone", "initReport"] * 2,
        "start",
    ]
    assert told[1]["record"] == {**common, "phase": "init"}
    assert told[4]["record"].pop("metrics").keys() == {"durationMs"}
    assert told[4]["record"] == {**common, "phase": "invoke"}
    assert "initDurationMs" not in told[-1]["record"]["metrics"]
    assert told[-1]["record"]["status"] == ("failure" if "Exit" in error_type else "error")
    assert [it[:2] for it in read(tmp_path)] == [(REQUEST, "killed" if "Exit" in error_type else "error")]


def test_a_second_init_that_goes_well_serves_the_invocation(invoke, tmp_path):
    """As on AWS, a failure that passes is in the log, and the invocation succeeds."""
    flag = tmp_path / "tried"
    result = invoke(
        f"import pathlib\nflag = pathlib.Path({str(flag)!r})\nif not flag.exists():\n    flag.touch()\n    1 / 0\n"
        "def handler(event, context):\n    return 'served'\n"
    )

    assert (result.status, result.payload, result.cold_start) == ("success", "served", True)
    assert [line.split("\t")[1:] for line in result.lines if line.startswith("INIT_REPORT")] == [
        ["Phase: init", "Status: error", "Error Type: Runtime.Unknown"]
    ]
    assert "Init Duration" not in result.lines[-1]
    assert [it[:2] for it in read(tmp_path)] == [(REQUEST, "success")]


class Slow:
    """An environment whose module waits for a file that is made once INIT_REPORT is logged."""

    def __init__(self, directory, init_seconds):
        self.flag = directory / "go-on"
        (directory / "app.py").write_text(
            f"import pathlib, time\nwhile not pathlib.Path({str(self.flag)!r}).exists():\n    time.sleep(0.01)\n"
            "def handler(event, context):\n    return 'served'\n"
        )
        self.log = LogGroup("/aws/lambda/orders", directory / "logs")
        self.settings = FunctionSettings(name="orders", handler="app.handler", code=directory)
        self.init_seconds = init_seconds

    def run(self):
        guardian = Guardian()
        environment = Environment(self.settings, guardian, self.log, self.init_seconds)
        try:
            return environment.run(Invocation(REQUEST, b"{}", 0, self.settings.arn))
        finally:
            environment.close()
            guardian.close()
            self.log.close()


def test_an_init_that_takes_too_long_is_reported_and_may_go_on(tmp_path):
    """AWS ends it at 10 s; here, where a machine may be busy, it is logged, and the invocation succeeds."""
    slow = Slow(tmp_path, (0.1, 300))
    slow.log.listen(lambda event: slow.flag.touch() if "INIT_REPORT" in event.message else None)
    result = slow.run()

    assert (result.status, result.payload) == ("success", "served")
    assert [TIMES.sub("N", line) for line in result.lines][1:3] == [
        "INIT_REPORT Init Duration: N\tPhase: init\tStatus: timeout",
        f"START RequestId: {REQUEST} Version: $LATEST",
    ]
    assert "Init Duration" not in result.lines[-1]
    assert [it[:2] for it in read(tmp_path)] == [(REQUEST, "success")]


def test_an_init_that_never_ends_is_a_timeout(tmp_path):
    """It is ended at last, and the invocation timed out."""
    result = Slow(tmp_path, (0.1, 0.2)).run()

    assert (result.status, result.error_type) == ("timeout", "Sandbox.Timedout")
    assert [line.split("\t")[1:] for line in result.lines if line.startswith("INIT_REPORT")] == [
        ["Phase: init", "Status: timeout"],
        ["Phase: invoke", "Status: timeout"],
    ]
    assert result.lines[-1].endswith("\tStatus: timeout\t")
    assert read(tmp_path)[0][:2] == (REQUEST, "timeout")
