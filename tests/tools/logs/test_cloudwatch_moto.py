"""CloudWatch Logs against a server that speaks its protocol, over loopback.

It ignores the filters of Logs Insights: what is asked of them is tested against the documented shapes.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import uuid

import boto3
import pytest

from ..conftest import BEGAN, Logs, invocation_id
from .test_message_command import journal, received

pytestmark = pytest.mark.slow

LOGS = Logs()
SINCE = ("--since", "2026-11-23T15:00:00Z", "--until", "2026-11-23T16:00:00Z")


@pytest.fixture(scope="module")
def server():
    """Start a server, and give the environment that points at it."""
    moto_server = pytest.importorskip("moto.server", reason="needs moto[server]")
    server = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "eu-west-1",
    }
    server.stop()


@pytest.fixture
def client(server):
    """Make clients that talk to the server."""

    def make(service):
        return boto3.client(
            service,
            endpoint_url=server["AWS_ENDPOINT_URL"],
            region_name="eu-west-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    return make


@pytest.fixture
def groups(client):
    """Put the shop's story into log groups of their own."""
    prefix = f"/aws/lambda/{uuid.uuid4().hex[:8]}-"
    for name, lines in LOGS.shop().items():
        put(client("logs"), prefix + name.removesuffix(".log"), "stream-1", lines)
    return prefix


def put(logs, group, stream, lines, *, begin=BEGAN):
    """Write lines, with the times that they tell, to a stream."""
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    events = [{"timestamp": int(begin + place * 50), "message": line} for place, line in enumerate(lines)]
    logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def shown(result):
    assert result.returncode == 0, result.stderr.decode()
    return sorted(json.loads(line)["invocation_id"][:8] for line in result.stdout.decode().splitlines())


def test_log_groups_are_read_whole(lambda_guard, server, groups):
    """A glob finds the groups; all their invocations come out, named after their groups."""
    result = lambda_guard("invocations", "--log-group", f"{groups}*", *SINCE, "--json", env=server)
    assert shown(result) == ["00000001", "00000002", "00000003", "00000004"]


def test_failures_are_found_and_shown_with_all_their_lines(lambda_guard, server, groups):
    """Only those that failed, each with the lines around it."""
    result = lambda_guard(
        "invocations", "--log-group", f"{groups}billing", "--failed", *SINCE, "--json", env=server
    )
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["outcome"], [line["message"] for line in one["lines"]]) for one in documents] == [
        ("error", ["charging"]),
        ("error", ["charging"]),
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "4 invocations, 2 failed; 11 lines read"),
        (("--failed",), "2 of 4 invocations and 2 of 2 failures shown; 11 lines read"),
    ],
)
def test_what_was_read_is_counted(lambda_guard, server, groups, options, said):
    """The last line says how many invocations there were, and how many of them failed."""
    result = lambda_guard("invocations", "--log-group", f"{groups}*", *SINCE, *options, env=server)
    assert result.stderr.decode().startswith(said)


@pytest.mark.parametrize("missing", ["/aws/lambda/no-such-group", "/aws/lambda/no-such-*"])
@pytest.mark.parametrize(
    "command",
    [("invocations", "--json"), ("invocations", "--json", "--failed"), ("trace", "m-1")],
    ids=["all", "failed", "trace"],
)
def test_a_group_that_is_not_there_is_named_and_the_others_are_read(
    lambda_guard, server, groups, command, missing
):
    """One wrong name of ten takes nothing away from the nine."""
    named = ("--log-group", missing, "--log-group", f"{groups}billing", *SINCE)
    result = lambda_guard(*command, *named, env=server)
    expected = lambda_guard(*command, "--log-group", f"{groups}billing", *SINCE, env=server)

    assert expected.returncode == 0
    assert result.returncode == 1
    assert result.stdout == expected.stdout
    assert result.stderr.decode().count(missing) == 1


def test_an_id_finds_its_invocation(lambda_guard, server, groups):
    """By invocation, over all groups."""
    result = lambda_guard(
        "invocations", "--log-group", f"{groups}*", "--id", invocation_id(4), *SINCE, "--json", env=server
    )
    assert shown(result) == ["00000004"]


def test_a_trace_is_collected_over_groups(lambda_guard, server, groups, shop):
    """The same tree as from files."""
    from_groups = lambda_guard("trace", "m-1", "--log-group", f"{groups}*", *SINCE, env=server)
    assert from_groups.stdout == lambda_guard("trace", "m-1", *shop).stdout


def test_prints_between_start_and_end_are_found_by_their_stream(lambda_guard, server, client, groups):
    """Two environments of one function print at the same time: their streams tell them apart."""
    logs = client("logs")
    for number, word in ((11, "mine"), (12, "yours")):
        put(logs, f"{groups}plain", f"stream-{number}", [LOGS.start(number), word, LOGS.report(number)])
    result = lambda_guard("invocations", "--log-group", f"{groups}plain", *SINCE, "--json", env=server)
    documents = [json.loads(line) for line in result.stdout.splitlines()]
    assert sorted(
        (one["invocation_id"][:8], [line["message"] for line in one["lines"]]) for one in documents
    ) == [
        ("0000000b", ["mine"]),
        ("0000000c", ["yours"]),
    ]


def test_a_function_logs_where_it_is_configured_or_in_its_default_group(lambda_guard, server, client):
    """A function that can't be asked about is looked for in its default group."""
    name = f"orders-{uuid.uuid4().hex[:8]}"
    put(client("logs"), f"/aws/lambda/{name}", "s", LOGS.shop()["orders.log"])
    assert shown(lambda_guard("invocations", "--function", name, *SINCE, "--json", env=server)) == [
        "00000001"
    ]


def test_what_does_not_exist_is_said(lambda_guard, server):
    """No such group, no group that matches, no such stack: each with the name, and exit code 1."""
    for options, said in (
        (("--log-group", "/nowhere"), "read the log group /nowhere"),
        (("--log-group", "/nowhere*"), "no log group matches '/nowhere*'"),
        (("--stack", "nowhere"), "list the resources of the stack nowhere"),
    ):
        result = lambda_guard("invocations", *options, env=server)
        assert result.returncode == 1
        assert said in result.stderr.decode()
        assert b"Traceback" not in result.stderr


def test_letters_are_explained_by_log_groups(lambda_guard, server, client):
    """A name that can be one is asked of CloudWatch Logs; where that knows none, there is no file, either."""
    group = f"/aws/lambda/{uuid.uuid4().hex[:8]}"
    client("logs").create_log_group(logGroupName=group)
    client("sqs").create_queue(QueueName="dead")
    assert lambda_guard("dlq", "list", "dead", "--logs", group, env=server).returncode == 0
    result = lambda_guard("dlq", "list", "dead", "--logs", "logs/nowhere", env=server)
    assert result.returncode == 1
    assert result.stderr.startswith(b"lambda-guard: no such file: logs/nowhere; and AWS could not query")


def test_a_missing_region_is_said(lambda_guard, server):
    """The most common mistake of all gets the sentence that ends it."""
    env = {**server, "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": "/dev/null"}
    result = lambda_guard("invocations", "--log-group", "x", env=env)
    assert (result.returncode, result.stderr.decode()) == (
        1,
        "lambda-guard: no region is set: export AWS_REGION, or choose a profile with AWS_PROFILE\n",
    )


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_PROFILE", "nope", "AWS_PROFILE): The config profile (nope) could not be found"),
        ("AWS_CONFIG_FILE", __file__, "(~/.aws/config, AWS_PROFILE): Unable to parse config file"),
        (
            "AWS_ENDPOINT_URL",
            "localhost:5000",
            "Invalid endpoint: localhost:5000: write AWS_ENDPOINT_URL like",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said(lambda_guard, server, variable, value, said):
    """A typo in the name of a profile, as everyone makes one: one line, no traceback."""
    result = lambda_guard("invocations", "--log-group", "x", env={**server, variable: value})
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert said in result.stderr.decode()


def test_following_shows_what_comes_in_once(server, client):
    """New invocations appear as they end, each once; an interrupt ends it with the way to go on."""
    group = f"/aws/lambda/follow-{uuid.uuid4().hex[:8]}"
    now = time.time() * 1000
    put(client("logs"), group, "a", [LOGS.start(1), "first", LOGS.report(1)], begin=now)
    command = [
        sys.executable,
        "-u",
        "-m",
        "lambda_guard.tools",
        "invocations",
        "--log-group",
        group,
        "--follow",
        "--since",
        "1m",
        "--json",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, **server}
    ) as process:
        first = json.loads(process.stdout.readline())
        put(client("logs"), group, "b", [LOGS.start(2), "second", LOGS.report(2)], begin=now + 5)
        second = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=240)
    assert [one["lines"][0]["message"] for one in (first, second)] == ["first", "second"]
    assert rest == b""
    assert b"to go on from here: --follow --since " in said
    assert process.returncode == 0


def test_a_group_that_goes_while_it_is_followed_takes_nothing_with_it(server, client):
    """The others are followed; when the last one has gone, what is held is shown."""
    logs = client("logs")
    one, other = (f"/aws/lambda/gone-{uuid.uuid4().hex[:8]}" for _ in range(2))
    now = time.time() * 1000
    put(logs, one, "a", [LOGS.start(1), "first", LOGS.report(1)], begin=now)
    put(logs, other, "a", [LOGS.start(2), "held"], begin=now)
    command = [
        sys.executable,
        "-u",
        "-m",
        "lambda_guard.tools",
        "invocations",
        "--follow",
        "--since",
        "1m",
        "--json",
    ]
    with subprocess.Popen(
        [*command, "--log-group", one, "--log-group", other],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **server},
    ) as process:
        first = json.loads(process.stdout.readline())
        logs.delete_log_group(logGroupName=one)
        gone = process.stderr.readline().decode()
        logs.delete_log_group(logGroupName=other)
        rest, said = process.communicate(timeout=240)
    assert first["lines"][0]["message"] == "first"
    assert gone.endswith("; the others are followed\n")
    assert json.loads(rest)["lines"][0]["message"] == "held"
    assert b"lambda-guard: AWS could not read the log group " in said
    assert process.returncode == 1


@pytest.mark.parametrize("command", ["message", "trace"])
@pytest.mark.parametrize("where", ["order_id=o-17", "amount=12.5", "order_id=o-99"])
def test_conditions_find_the_same_as_in_files(  # noqa: PLR0917 - fixtures
    lambda_guard, server, groups, shop, command, where
):
    """The invocations that agree are looked for in all groups, then what belongs to them, as often as it takes."""
    from_groups = lambda_guard(command, "--where", where, "--log-group", f"{groups}*", *SINCE, env=server)
    from_files = lambda_guard(command, "--where", where, *shop)
    told = from_groups.stdout.decode().replace(groups, "/").replace("  /orders", "  {orders}")
    assert from_groups.returncode == from_files.returncode == (where == "order_id=o-99")
    assert sorted(re.sub(r"(invocation \S+)  .*", r"\1", told).splitlines()) == sorted(
        re.sub(r"(invocation \S+)  .*", r"\1", from_files.stdout.decode()).splitlines()
    )
    if from_groups.returncode:
        assert b"no invocation in these logs matches" in from_groups.stderr


@pytest.mark.parametrize("command", ["message", "trace"])
def test_what_is_no_id_is_told_with_the_command_that_finds_it_in_groups(
    lambda_guard, server, groups, command
):
    """It names the groups, and the time, as they were typed; pasted, it finds it."""
    result = lambda_guard(command, "o-17", "--log-group", f"{groups}*", *SINCE, env=server)
    assert (result.returncode, result.stdout) == (1, b"")
    (typed,) = re.findall(r"lambda-guard (\w+ --where .*)", result.stderr.decode().splitlines()[-1])
    found = lambda_guard(*shlex.split(typed), env=server)
    assert b"m-1" in found.stdout


def test_a_life_says_in_which_group_each_attempt_was(lambda_guard, server, groups):
    """The group's name is where one goes on looking."""
    result = lambda_guard("message", "m-1", "--log-group", f"{groups}*", *SINCE, "--json", env=server)
    (life,) = map(json.loads, result.stdout.decode().splitlines())
    assert [one.get("source", "") for one in life["events"]] == [
        f"{groups}orders", f"{groups}billing", f"{groups}billing", "", f"{groups}rescue"
    ]  # fmt: skip
    assert life["ended"]["outcome"] == "success"


def test_groups_are_merged_by_time(lambda_guard, server, groups):
    """Each group is read by itself; what is shown is in order, and so are the first ones."""
    everything = ("--log-group", f"{groups}*", *SINCE, "--json")
    documents = [
        json.loads(line) for line in lambda_guard("invocations", *everything, env=server).stdout.splitlines()
    ]
    assert [one["invocation_id"][:8] for one in documents] == ["00000001", "00000002", "00000003", "00000004"]
    first = lambda_guard("invocations", *everything, "--limit", "1", env=server)
    assert json.loads(first.stdout)["invocation_id"] == invocation_id(1)
    one_group = ("--log-group", f"{groups}billing", *SINCE, "--json", "--limit", "1")
    only = lambda_guard("invocations", *one_group, env=server)
    assert json.loads(only.stdout)["invocation_id"] == invocation_id(2)


def test_a_journal_is_reconciled_with_log_groups(lambda_guard, server, client, write):
    """What became of each letter stands in the groups; one that has no record there is said, and so is a missing group."""
    group = f"/aws/lambda/{uuid.uuid4().hex[:8]}"
    letters = journal(("m-1", "n-1", 0), ("m-2", "n-2", 0), ("m-3", "n-3", 0))
    records = [received(1, 900, "n-1"), received(2, 950, "n-2", outcome="error")]
    put(client("logs"), group, "s", records, begin=BEGAN + 1_000)
    told = write(letters, "j.jsonl")
    options = ("--journal", told, "--logs", group, "--since", "2026-11-23T15:00:00Z")
    result = lambda_guard("dlq", "status", *options, env=server)
    assert result.stdout.decode() == (
        "orders-dead  3 letters: 3 delivered, 1 succeeded, 1 died again, 1 without a record\n"
        "  died again  m-2 as n-2  error\n"
        "  no record   m-3 as n-3\n"
    )
    assert result.returncode == 1
    missing = lambda_guard(
        "dlq",
        "status",
        "--journal",
        told,
        "--logs",
        "/nowhere",
        "--since",
        "2026-11-23T15:00:00Z",
        env=server,
    )
    assert missing.returncode == 1
    assert b"/nowhere" in missing.stderr
    assert b"Traceback" not in missing.stderr
