"""What of X-Ray belongs to the process: the daemon, and the X-Ray SDK, which is there or isn't, and whoever imports it when."""

import json
import os
import re
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

OWN, PARENT = "1-5759e988-bd862e3fe1be46a994272793", "53995c3f42cd8ad8"


def in_fresh_process(script, **environment):
    """Run a script in a fresh interpreter and return what it printed last, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
        | environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stdout, done.stderr


@pytest.fixture
def daemon():
    """A socket that stands for the X-Ray daemon."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


HEADER = f"Root={OWN};Parent={PARENT};Sampled=1"
SCRIPT = """
import json, sys
from lambda_guard import production
from lambda_guard.testing import make_context
@production
def handler(event, context):
    return "done"
results = [handler({}, make_context()) for _ in range(3)]
print(json.dumps({"results": results, "modules": sorted(sys.modules)}))
"""


def test_documents_reach_the_daemon(daemon):
    """Each is one datagram: the header line, and the JSON."""
    address = f"127.0.0.1:{daemon.getsockname()[1]}"
    in_fresh_process(
        SCRIPT, _X_AMZN_TRACE_ID=HEADER, AWS_XRAY_DAEMON_ADDRESS=address, LAMBDA_TASK_ROOT="/var/task"
    )
    for _ in range(3):
        first, second = daemon.recv(65_536).split(b"\n", 1)
        assert json.loads(first) == {"format": "json", "version": 1}
        assert json.loads(second)["name"] == "## handler"


@pytest.mark.parametrize(
    "address",
    ["garbage", "127.0.0.1", "127.0.0.1:x", "tcp:1 udp:2", "127.0.0.1:1", "no.such.host.invalid:2000"],
)
def test_a_daemon_that_is_not_there(address):
    """A malformed address, a closed port, an unknown host: the outcome stands and each line is JSON."""
    found, output, _ = in_fresh_process(
        SCRIPT, _X_AMZN_TRACE_ID=HEADER, AWS_XRAY_DAEMON_ADDRESS=address, LAMBDA_TASK_ROOT="/var/task"
    )
    assert found["results"] == ["done"] * 3
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line["outcome"] for line in lines if line.get("record") == "invocation"] == ["success"] * 3
    told = [line for line in lines if "could not do its part" in str(line.get("message"))]
    assert len(told) <= 1


@pytest.mark.parametrize(
    "environment",
    [
        {"LAMBDA_GUARD_TRACING": "off"},
        {"POWERTOOLS_TRACE_DISABLED": "true"},
        {"LAMBDA_GUARD_TRACING": "off", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:1"},
    ],
)
def test_with_tracing_off_the_sdk_is_not_imported(environment):
    """No trace, no import, and no trace id in the record."""
    found, output, _ = in_fresh_process(SCRIPT, _X_AMZN_TRACE_ID=HEADER, **environment)
    assert not [name for name in found["modules"] if name.startswith("aws_xray_sdk")]
    assert "xray_trace_id" not in output


def test_an_unsampled_function_does_not_import_the_sdk():
    """Nothing is imported for a trace that nobody records."""
    found, _, _ = in_fresh_process(SCRIPT, _X_AMZN_TRACE_ID=f"Root={OWN};Parent={PARENT};Sampled=0")
    assert not [name for name in found["modules"] if name.startswith("aws_xray_sdk")]


def test_the_sdk_switched_off_by_its_own_variable(daemon):
    """`AWS_XRAY_SDK_ENABLED=false`: nothing is sent, nothing is told as failed."""
    address = f"127.0.0.1:{daemon.getsockname()[1]}"
    _, output, _ = in_fresh_process(
        SCRIPT,
        _X_AMZN_TRACE_ID=HEADER,
        AWS_XRAY_DAEMON_ADDRESS=address,
        AWS_XRAY_SDK_ENABLED="false",
        LAMBDA_TASK_ROOT="/",
    )
    assert "could not do its part" not in output
    daemon.settimeout(0.2)
    with pytest.raises(TimeoutError):
        daemon.recv(65_536)


@pytest.mark.parametrize("form", ["{0}", "udp:{0} tcp:127.0.0.1:9", "tcp:127.0.0.1:9 udp:{0}", "  {0} "])
def test_each_form_of_the_daemons_address(daemon, form):
    """The UDP address of both, in either order; or the one."""
    address = form.format(f"127.0.0.1:{daemon.getsockname()[1]}")
    in_fresh_process(SCRIPT, _X_AMZN_TRACE_ID=HEADER, AWS_XRAY_DAEMON_ADDRESS=address)
    assert b'"name":"## handler"' in daemon.recv(65_536)


def test_a_forked_process_sends_too(daemon):
    """The parent's socket is the child's as well: each document is one datagram."""
    script = SCRIPT.replace("results = [", "child = os.fork()\nresults = [").replace(
        "import json", "import os, json"
    )
    ending = "if child: assert os.waitpid(child, 0)[1] == 0\nelse: sys.stdout.flush(); os._exit(0)\n"
    in_fresh_process(script.replace("print(", f"{ending}print("), **to(daemon))
    assert sum(b'"## handler"' in daemon.recv(65_536) for _ in range(6)) == 6


def test_what_the_system_does_not_take_is_counted(daemon):
    """A document that can't be sent is counted in the next record, and the outcome stands."""
    script = SCRIPT.replace('    return "done"', "    os.closerange(3, 64)\n    return 'done'")
    found, output, _ = in_fresh_process(script.replace("import json", "import os, json"), **to(daemon))
    assert found["results"] == ["done"] * 3
    records = [json.loads(line) for line in output.splitlines() if '"record":"invocation"' in line]
    assert sum(record.get("GuardErrors", 0) for record in records) > 0
    assert sum('"location":"trace.leave"' in line for line in output.splitlines()) == 1


def to(daemon):
    """Return the variables of a traced function whose daemon this is."""
    return {"_X_AMZN_TRACE_ID": HEADER, "AWS_XRAY_DAEMON_ADDRESS": f"127.0.0.1:{daemon.getsockname()[1]}"}


# --- The X-Ray SDK -----------------------------------------------------------------------------------------------

BEGIN = """
import json, os, sys
sys.path.insert(0, os.environ["HERE"])
SDK = os.environ["SDK"]
if SDK == "absent":
    sys.modules["aws_xray_sdk"] = None
elif SDK == "before":
    from aws_xray_sdk.core import xray_recorder
from lambda_guard import production
from lambda_guard.testing import capture, events, make_context
from aws_clients import Clients
HEADER = os.environ.pop("_X_AMZN_TRACE_ID")
clients = Clients()

def upstream(number):
    return f"Root=1-6742a1b{number}-0123456789abcdef01234567;Parent=4c721bf33e3caf8{number};Sampled=1"

def run(handler, event=None, header=HEADER, **options):
    with capture(header) as captured:
        try:
            production(service="orders", **options)(handler)(event or {}, make_context(timeout_ms=60_000))
        except ValueError:
            pass
    assert "could not do its part" not in captured.output, captured.output
    return [segment.document for segment in captured.segments]
"""
EVERYTHING = f"""{BEGIN}
def call(*_):
    clients.call("SQS SendMessage")

def refused(*_):
    try:
        clients.call("DynamoDB PutItem", 400)
    except Exception as error:
        raise ValueError("no") from error

print(json.dumps([
    run(call),
    run(refused),
    run(call, events.sqs("a", trace_header=upstream(1))),
    run(refused, events.sqs("a", "b", trace_header=[upstream(1), upstream(2)])),
    run(call, events.sqs("a", "b", trace_header=[upstream(1), upstream(2)]), each_record=True),
    run(call, events.sqs("a", trace_header=upstream(1)), header=HEADER.replace("Sampled=1", "Sampled=0")),
    run(call, header=HEADER.replace("Sampled=1", "Sampled=0")),
]))
"""


def documents(script, sdk):
    """Run a script in a fresh process, and return what it printed, with ids and times that don't vary."""
    found, *_ = in_fresh_process(
        script,
        SDK=sdk,
        HERE=str(Path(__file__).parent),
        _X_AMZN_TRACE_ID=HEADER,
        LAMBDA_TASK_ROOT="/var/task",
    )
    ids = {}

    def plain(value):
        if isinstance(value, dict):
            gone = ("start_time", "end_time", "invocation_id", "cold_start")
            return {key: plain(inner) for key, inner in value.items() if key not in gone}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        if isinstance(value, str) and re.fullmatch("[0-9a-f]{16}", value):
            return ids.setdefault(value, len(ids))
        return value

    return plain(found)


def test_nothing_is_missing_without_the_sdk():
    """Invocations, adopted and mirrored traces, batch items, AWS calls, errors: the same with the SDK and without."""
    without = documents(EVERYTHING, "absent")
    assert [len(each) for each in without] == [2, 2, 3, 4, 7, 2, 0]
    if importable():
        assert documents(EVERYTHING, "before") == without


def importable():
    """Return whether the X-Ray SDK is there, for scripts in other processes as well."""
    return "aws_xray_sdk" not in os.environ.get("WITHOUT", "")


LATE = f"""{BEGIN}
def plain(event, context):
    from aws_xray_sdk.core import xray_recorder
    with xray_recorder.in_subsegment("theirs"):
        clients.call("SQS SendMessage")

def inside(event, context):
    client = Clients()
    client["sqs"].meta.events.register("before-parameter-build", lambda **_: plain(event, context))
    client.call("SQS SendMessage")

def tracer(event, context):
    from aws_lambda_powertools import Tracer
    traced = Tracer(service="orders", auto_patch=False)
    with traced.provider.in_subsegment("theirs"):
        clients.call("SQS SendMessage")

def patched(event, context):
    from aws_xray_sdk.core import patch
    patch(["botocore"])
    clients.call("SQS SendMessage")

event = events.sqs("a", trace_header=upstream(1)) if os.environ["ADOPTED"] else None
print(json.dumps(run(globals()[os.environ["WHICH"]], event)))
"""


@pytest.mark.skipif(not importable(), reason="the X-Ray SDK isn't there")
@pytest.mark.parametrize("adopted", ["", "1"], ids=["own", "adopted"])
@pytest.mark.parametrize("which", ["plain", "inside", "tracer", "patched"])
def test_the_sdk_may_be_imported_in_the_middle_of_an_invocation(which, adopted):
    """What it records hangs below what is open, an AWS call included; a call that its patch records isn't recorded twice."""
    found, _, _ = in_fresh_process(
        LATE,
        SDK="later",
        WHICH=which,
        ADOPTED=adopted,
        HERE=str(Path(__file__).parent),
        _X_AMZN_TRACE_ID=HEADER,
        LAMBDA_TASK_ROOT="/var/task",
        AWS_LAMBDA_FUNCTION_NAME="orders",
    )
    parts = {}

    def add(document, parent_id):
        document = {"parent_id": parent_id, **document}
        assert parts.setdefault(document["id"], document) is document, "sent twice"
        for child in document.pop("subsegments", ()):
            add(child, document["id"])

    for each in found:
        add(each, None)

    def path(document):
        above = parts.get(document["parent_id"])
        return [*(path(above) if above is not None else ()), document["name"]]

    top = ["orders", f"## {which}"] if adopted else [f"## {which}"]
    below = {
        "plain": ["theirs", "sqs"],
        "inside": ["sqs", "theirs", "sqs"],
        "tracer": ["theirs", "sqs"],
        "patched": ["sqs"],
    }
    deepest = max((path(each) for each in parts.values()), key=len)
    assert deepest == [*top, *below[which]]
    calls = [each for each in parts.values() if each.get("namespace") == "aws"]
    assert len(calls) == below[which].count("sqs")
    assert all(each["aws"]["operation"] == "SendMessage" for each in calls)
