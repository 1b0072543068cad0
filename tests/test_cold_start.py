"""A cold start pays for nothing that it doesn't need: what is imported, and when, in a fresh interpreter."""

import json
import sys
from unittest.mock import ANY

import pytest

import lambda_guard

OURS = {
    "", "_failsafe", "_guard", "_handler", "_imports", "_invocation", "_json", "_names", "_process", "_production", "_scope", "_settings",
    "_stdout", "_threads", "batch", "errors", "failure", "failure.attempts", "failure.exceptions", "failure.stack_frames",
    "propagation", "propagation._envelope", "propagation.extract", "propagation.header", "propagation.place", "sinks",
    "sinks.log", "sinks.log.fields", "sinks.log.lines", "sinks.log.other_loggers", "sinks.log.printed", "sinks.metrics", "sinks.record",
    "timeout", "timeout.watchdog", "trigger", "trigger.read", "trigger.table",
}  # fmt: skip
TRACE = [
    "_socket",
    "lambda_guard.propagation.adoption",
    "lambda_guard.sinks.daemon",
    "lambda_guard.sinks.tracer",
    *(f"lambda_guard.sinks.xray{name}" for name in ("", ".document", ".sending", ".span", ".tracer")),
]
TYPING = {
    "collections", "contextlib", "copyreg", "functools", "itertools", "keyword", "operator", "re", "reprlib", "types", "typing",
    "warnings",
}  # fmt: skip
STANDARD = TYPING | {
    "atexit", "contextvars", "enum", "importlib", "json", "linecache", "logging", "math",
    "resource", "string", "textwrap", "threading", "token", "tokenize", "traceback", "weakref",
}  # fmt: skip
NOT_UNTIL_ASKED_FOR = {
    "ast",
    "asyncio",
    "aws_lambda_powertools",
    "aws_xray_sdk",
    "botocore",
    "inspect",
    "wrapt",
}
AWS = {"boto3", "botocore", "s3transfer"}
LAMBDA = {
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "LAMBDA_TASK_ROOT": "/var/task",
}
HEADER = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled="
STEPS = """
    import json, os, sys

    class Context:
        aws_request_id, function_name, function_version, memory_limit_in_mb = "6f0c", "orders", "1", "128"
        def get_remaining_time_in_millis(self): return 3000

    found, known = {}, set(sys.modules)
    def note(step):
        found[step] = sorted(sys.modules.keys() - known)
        known.update(sys.modules)

    import lambda_guard; note("face")
    lambda_guard.production; note("import")
    @lambda_guard.production
    def handler(event, context):
        print("at work")
    note("decorate")
    handler({"id": 1}, Context()); note("call")
    lambda_guard.logger.info("at work"); note("logger")
    lambda_guard.metrics.add_metric("Orders", "Count", 1); note("metrics")
    print(json.dumps(found))
"""


def imported(fresh, **environ):
    """Return what each step imports that wasn't there before, in a fresh interpreter."""
    return json.loads(fresh(STEPS, **environ).splitlines()[-1])


def roots(modules):
    """Return the top-level names of modules, the interpreter's own parts left out."""
    return {name.split(".")[0] for name in modules if not name.startswith("_")}


def test_the_decorator_imports_what_it_needs(fresh):
    """There are our core and a few modules of the standard library, and none of the packages that we depend on."""
    found = imported(fresh)
    modules = [*found["face"], *found["import"]]
    assert {name[len("lambda_guard.") :] for name in modules if name.startswith("lambda_guard")} == OURS
    assert roots(modules) - {"lambda_guard"} <= STANDARD
    assert not STANDARD & NOT_UNTIL_ASKED_FOR


def test_the_face_alone_imports_nothing(fresh):
    """The desk's commands, which share a name or two with the runtime, are started without it."""
    found = imported(fresh)["face"]
    assert [name for name in found if name.startswith("lambda_guard")] == ["lambda_guard"]
    assert roots(found) <= {"lambda_guard"} | TYPING


def test_the_version_costs_nothing_until_it_is_asked_for(fresh):
    """It is a constant of the code: no metadata is read, which would take longer to import than the rest."""
    code = """
        import sys
        import lambda_guard
        before = set(sys.modules)
        assert not {"_version", "__version__"} & set(vars(lambda_guard))
        print(lambda_guard.__version__, *sorted(set(sys.modules) - before))
    """
    assert fresh(code).split() == [lambda_guard.__version__, "lambda_guard._version"]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"_X_AMZN_TRACE_ID": f"{HEADER}0"},
        {"LAMBDA_GUARD_TRACING": "off", "_X_AMZN_TRACE_ID": f"{HEADER}1"},
    ],
)
def test_an_unsampled_call_imports_nothing_more(fresh, environ):
    """Decoration and an invocation that isn't sampled are done with what is there, but for the trace sink, if it's on."""
    found = imported(fresh, **environ)
    assert found["decorate"] == ([] if environ.get("LAMBDA_GUARD_TRACING") == "off" else TRACE)
    assert found["call"] == []


def test_a_switched_off_trace_imports_nothing_at_decoration(fresh):
    """With tracing off nothing is imported, though there is a daemon."""
    found = imported(fresh, LAMBDA_GUARD_TRACING="off", AWS_XRAY_DAEMON_ADDRESS="127.0.0.1:2000")
    assert found["decorate"] == []


@pytest.mark.parametrize("environ", [{}, LAMBDA], ids=["elsewhere", "in Lambda"])
def test_a_sampled_call_imports_nothing_more(fresh, environ):
    """Neither the X-Ray SDK nor anything else, whether there is a daemon or not: INIT has imported what there is."""
    found = imported(fresh, **environ, _X_AMZN_TRACE_ID=f"{HEADER}1")
    assert found["decorate"] == TRACE
    assert found["call"] == []


def test_the_first_failure_imports_its_fingerprint_and_nothing_else(fresh, tmp_path):
    """`hashlib` would load OpenSSL, `ast` and `inspect` would take longer than the rest: all it needs is built in."""
    tmp_path.joinpath("orders.py").write_text(
        "from lambda_guard import production\n@production\ndef handler(event, context):\n    raise ValueError('refused')\n"
    )
    code = """
        import sys
        sys.path.append(".")
        from orders import handler

        before = set(sys.modules)
        try:
            handler({}, None)
        except ValueError:
            print(*sorted(set(sys.modules) - before))
    """
    found = fresh(code).splitlines()[-1].split()
    # Since 3.13 linecache imports it with the first file that it reads, not with itself.
    of_linecache = {"_tokenize", "token", "tokenize"} if sys.version_info >= (3, 13) else set()
    assert set(found) == {"_ast", "_blake2", "lambda_guard.failure.fingerprint"} | of_linecache


@pytest.mark.parametrize("kind", ["", "on-demand", "snap-start"])
def test_init_does_what_the_first_invocation_need_not(fresh, kind):
    """In Lambda, INIT starts the watchdog's thread, opens files and compiles patterns; elsewhere decorating does nothing."""
    code = """
        import os, re, threading
        from lambda_guard import production

        class Context:
            aws_request_id, function_name, function_version, memory_limit_in_mb = "6f0c", "orders", "1", "128"
            def get_remaining_time_in_millis(self): return 3000

        compile_, compiled = re.compile, []
        re.compile = lambda *args: compiled.append(args) or compile_(*args)
        def held():
            return threading.active_count(), len(os.listdir("/dev/fd")), len(compiled)

        steps = [held()]
        handler = production(lambda event, context: None)
        steps.append(held())
        handler({}, Context())
        steps.append(held())
        print([after == before for before, after in zip(steps, steps[1:])])
    """
    environ = {"AWS_LAMBDA_INITIALIZATION_TYPE": kind, "_X_AMZN_TRACE_ID": f"{HEADER}0"}
    at_decoration, at_invocation = json.loads(fresh(code, **environ).splitlines()[-1].lower())
    assert (at_decoration, at_invocation) == ((True, False) if not kind else (False, True))


def test_a_coroutine_function_needs_asyncio_and_nothing_else_does(fresh):
    """What runs coroutines comes with the first call of one."""
    code = """
        import sys
        from lambda_guard import production

        @production
        async def handler(event, context):
            return "done"

        production(lambda event, context: None)({}, None)
        before = "asyncio" in sys.modules
        handler({}, None)
        print(before, "asyncio" in sys.modules)
    """
    assert fresh(code).splitlines()[-1] == "False True"


def test_botocore_is_never_imported_by_us(fresh):
    """No client, no session and no boto3 come with a sampled call, not even the bare package."""
    found = imported(fresh, **LAMBDA, _X_AMZN_TRACE_ID=f"{HEADER}1")
    modules = {name for step in found.values() for name in step}
    assert {name for name in modules if name.split(".")[0] in {*AWS, "aws_xray_sdk"}} == set()


@pytest.mark.parametrize("tracing", ["on", "off"])
def test_a_handler_with_logger_and_metrics_imports_nothing_that_is_not_needed(fresh, tracing):
    """Neither what we depend on nor the standard library's heavy modules, up to the end of the first call."""
    output = fresh(
        """
        import json, sys
        from lambda_guard import production, logger, metrics

        @production(service="orders")
        def handler(event, context):
            logger.info("order accepted", order_id=event["id"])
            metrics.add_metric(name="OrdersAccepted", unit="Count", value=1)
            print("printed")
            return {"accepted": event["id"]}

        handler({"id": "o-1"}, None)
        print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
        """,
        **LAMBDA,
        LAMBDA_GUARD_TRACING=tracing,
        _X_AMZN_TRACE_ID=f"{HEADER}1",
    )
    *lines, found = map(json.loads, output.splitlines())
    assert len(lines) == 4
    assert NOT_UNTIL_ASKED_FOR.isdisjoint(found)


@pytest.mark.parametrize("first", ["boto3", "lambda_guard"])
def test_a_function_with_boto3_works_whoever_is_imported_first(fresh, first):
    """Clients that module-level code makes are seen, whether botocore came before us or after."""
    second = {"boto3": "lambda_guard", "lambda_guard": "boto3"}[first]
    output = fresh(
        f"""
        import {first}
        import {second}
        from botocore.config import Config
        from botocore.exceptions import EndpointConnectionError

        sqs = boto3.client("sqs", config=Config(retries={{"total_max_attempts": 1}}))

        @lambda_guard.production
        def handler(event, context):
            try:
                sqs.send_message(QueueUrl="http://127.0.0.1:9/orders", MessageBody="a")
            except EndpointConnectionError:
                return "refused"

        assert handler({{}}, None) == "refused"
        """,
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_REGION="eu-west-1",
        AWS_DEFAULT_REGION="eu-west-1",
        AWS_ACCESS_KEY_ID="local",
        AWS_SECRET_ACCESS_KEY="local",
        _X_AMZN_TRACE_ID=f"{HEADER}1",
    )
    record = json.loads(output.splitlines()[-1])
    assert record["calls"] == [
        {
            "service": "sqs",
            "operation": "SendMessage",
            "resource": "http://127.0.0.1:9/orders",
            "count": 1,
            "errors": 1,
            "duration_ms": ANY,
        }
    ]
    assert "GuardErrors" not in record


def test_the_first_invocation_is_a_cold_start_wherever_it_fails(fresh):
    """`cold_start` is told by the process, not by a flag that a failed first call would leave up."""
    output = fresh(
        """
        from lambda_guard import production

        @production
        def handler(event, context):
            if event:
                raise ValueError(event)

        for event in ("first", None, None):
            try:
                handler(event, None)
            except ValueError:
                pass
        """
    )
    records = [json.loads(line) for line in output.splitlines()]
    assert [(record["outcome"], record["cold_start"], record.get("ColdStarts")) for record in records] == [
        ("error", True, 1), ("success", False, None), ("success", False, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "cold"),
    [
        ("on-demand", True),
        ("provisioned-concurrency", False),
        ("lambda-managed-instances", False),
    ],
)
def test_an_environment_that_was_made_before_is_no_cold_start(fresh, kind, cold):
    """Nobody waits for the start of an environment that was there before the request."""
    output = fresh(
        "from lambda_guard import production; production(lambda event, context: None)({}, None)",
        AWS_LAMBDA_INITIALIZATION_TYPE=kind,
    )
    record = json.loads(output)
    assert (record["cold_start"], "init_ms" in record) == (cold, cold)
