"""Reports what lambda_guard changes in objects that aren't its own: JSON on the last line, step → names.

A program of its own for `test_architecture.py`: it begins where nothing of ours has been imported, has everything of
others in place first, and compares their attributes before and after each step.
"""

import contextlib
import importlib
import json
import logging
import os
import sys
import types

import botocore.client
import botocore.session
import snapshot_restore_py
from aws_xray_sdk.core import xray_recorder
from awslambdaric import bootstrap

ALREADY_THERE = (
    "asyncio", "concurrent.futures.thread", "encodings.idna", "logging.handlers", "resource", "unicodedata", "warnings", "wrapt",
    "aws_lambda_powertools.logging.formatter", "aws_lambda_powertools.metrics", "aws_lambda_powertools.utilities.batch",
    "aws_xray_sdk.core.patcher", "moto.cloudwatch.responses", "moto.sns.models", "moto.sqs.models", "moto.sqs.responses", "moto.core.responses", "flask_cors",
    "moto.dynamodb.models.table", "moto.dynamodbstreams.models", "moto.events.models", "moto.kinesis.models", "moto.logs.models", "moto.s3.models",
    "moto.s3.notifications", "moto.s3.responses", "moto.stepfunctions.responses",
)  # fmt: skip

OWN = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
UPSTREAM = "Root=1-6742a1b5-0123456789abcdef01234567;Parent=53995c3f42cd8ad8;Sampled=1"
# What changes by itself when it is used.
THEIRS = {
    "asyncio.events._event_loop_policy",
    "aws_xray_sdk.sdk_config.SDKConfig._SDKConfig__SDK_ENABLED",
    "weakref.finalize._dirty",
    "weakref.finalize._registered_with_atexit",
    "wrapt.importer._post_import_hooks_init",
}
HOOKS = ("_before_snapshot_registry", "_after_restore_registry")
at_fork = []
runtimes = []  # the runtime client's handlers


def spy_on_fork():
    """Have registrations noted, which Python has no list of."""
    original = os.register_at_fork

    def register_at_fork(**hooks):
        if sys._getframe(1).f_globals.get("__name__", "").startswith("lambda_guard"):
            at_fork.extend(hooks)
        original(**hooks)

    os.register_at_fork = register_at_fork


def as_in_lambda():
    """Put the runtime client's handler on the root logger, and return a client that module-level code made."""
    handler = bootstrap.LambdaLoggerHandler(bootstrap.StandardLogSink())
    handler.setFormatter(logging.Formatter("%(levelname)s\t%(aws_request_id)s\t%(message)s\n"))
    logging.root.addHandler(handler)
    runtimes.append(handler)
    logging.getLogger("users").addHandler(logging.StreamHandler(sys.stdout))
    return botocore.session.get_session().create_client(
        "sqs",
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:9",  # nobody listens there
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=botocore.client.Config(retries={"max_attempts": 0}),
    )


class Snapshot:
    """The attributes of all modules that aren't ours and of their classes, and what is inside of some objects."""

    def __init__(self, client, modules=None):
        self.modules = modules or {
            name for name in sys.modules if not name.startswith(("lambda_guard", "__main__"))
        }
        self.found = dict(self._attributes())
        self.found |= {f'os.environ["{key}"]': value for key, value in os.environ.items()}
        self.found |= {
            f'logging.root.manager.loggerDict["{name}"]': logger
            for name, logger in logging.root.manager.loggerDict.items()
        }
        self.found |= {
            "client.meta.events": sorted(client.meta.events._emitter._unique_id_handlers),
            "logging.root.handlers": [*logging.root.handlers],
            "logging.StreamHandler().stream": [each.stream for each in logging.getLogger("users").handlers],
            "logging.root.handlers[].formatter": [handler.formatter for handler in runtimes],
            "logging.LogRecord().__dict__": type(vars(logging.getLogger().makeRecord("", 20, "", 1, "", (), None))),
            "os.register_at_fork": [*at_fork],
            "sys.get_asyncgen_hooks": [*sys.get_asyncgen_hooks()],
            "sys.meta_path": [type(each).__name__ for each in sys.meta_path],
            "xray_recorder.context": xray_recorder.context,
            "xray_recorder.emitter": xray_recorder.emitter,
            "xray_recorder.emitter.__class__": type(xray_recorder.emitter),
        }  # fmt: skip

    def _attributes(self):
        for name in self.modules:
            for key, value in list(vars(sys.modules[name]).items()):
                if isinstance(value, types.ModuleType):
                    continue  # a submodule has been imported
                yield f"{name}.{key}", value
                if isinstance(value, type) and value.__module__ == name and value.__name__ == key:
                    for attribute, inner in list(vars(value).items()):
                        yield f"{name}.{key}.{attribute}", inner

    def changed_since(self, before):
        """Return the names that mean something else than before, or that weren't there."""
        return sorted(
            name
            for name in self.found.keys() | before.found.keys()
            if name not in THEIRS and not _same(self.found.get(name, ...), before.found.get(name, ...))
        )


def _same(one, other):
    return one is other or (isinstance(one, str | int | list) and type(one) is type(other) and one == other)


class Context:
    """What the runtime client hands over, as far as it is read."""

    aws_request_id, function_name, function_version, memory_limit_in_mb = "6f0c", "orders", "1", "128"

    def get_remaining_time_in_millis(self):
        return 3000


def message(number):
    """Return a message of a queue that came with an upstream trace."""
    return {
        "messageId": f"m-{number}",
        "body": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders",
        "attributes": {"ApproximateReceiveCount": "1", "AWSTraceHeader": UPSTREAM},
    }


def import_powertools_late(logger):
    """Do what its import does where a thread has had keys before."""
    fields = importlib.import_module("lambda_guard.sinks.log.fields")
    fields.ThreadKeys.variable = None
    logger.thread_safe_clear_keys()
    fields.share_thread_keys(sys.modules["aws_lambda_powertools.logging.formatter"])


def of_durable_functions(production, context):
    """Return what changes on loggers and their handlers, without AWS's SDK, which may not be there."""
    sys.modules.setdefault("aws_durable_execution_sdk_python", types.ModuleType("sdk"))
    names = ("aws_durable_execution_sdk_python.execution", "lambda_guard")
    filterers = {f'logging.getLogger("{name}").filters': logging.getLogger(name) for name in names}
    filterers["logging.root.handlers[].filters"] = logging.root.handlers[-1]
    found = {}

    def changed(step, act):
        before = {name: [*each.filters] for name, each in filterers.items()}
        act()
        found[step] = [name for name, each in filterers.items() if each.filters != before[name]]

    changed(
        "durable execution",
        lambda: production(lambda event, context: {})({"DurableExecutionArn": "a"}, context),
    )
    os.environ["LAMBDA_GUARD_REPLAYED_LINES"] = "off"
    changed("replayed lines off", lambda: production(lambda event, context: None))
    return found


def of_snapstart(production):
    """Return which hooks are there that weren't."""
    before = {name: [*getattr(snapshot_restore_py, name)] for name in HOOKS}
    os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
    production(lambda event, context: None)
    return [
        f"snapshot_restore_py.{name}"
        for name, hooks in before.items()
        if getattr(snapshot_restore_py, name) != hooks
    ]


def main():
    """Take each step, and print what it has changed."""
    for name in ALREADY_THERE:
        importlib.import_module(name)
    os.environ["_X_AMZN_TRACE_ID"] = OWN
    spy_on_fork()
    client = as_in_lambda()
    before = Snapshot(client)
    changed = {}

    def note(step, since):
        now = Snapshot(client, before.modules)
        changed[step] = now.changed_since(since)
        return now

    from lambda_guard import logger, production

    during = []

    @production
    def handler(event, context):
        logger.info("at work")
        during.append(Snapshot(client, before.modules))

    @production
    async def task(event, context):
        during.append(Snapshot(client, before.modules))

    @production
    def caller(event, context):
        with contextlib.suppress(botocore.exceptions.EndpointConnectionError):
            client.send_message(QueueUrl="http://127.0.0.1:9/1/orders", MessageBody="")

    decorated = note("decoration", before)
    handler({"Records": [message(1)]}, Context())
    task({}, Context())
    called = note("first invocation", decorated)
    changed["invocation"] = sorted({name for each in during for name in each.changed_since(called)})
    caller({}, Context())
    noted = note("first AWS call", called)
    import_powertools_late(logger)
    noted = note("Powertools imported late", noted)
    error = ValueError("heavy")

    @production(each_record=True)
    def packer(record):
        raise error

    try:
        packer({"Records": [message(1)]}, Context())
    except ExceptionGroup:
        changed["failed batch item"] = ["exception.__notes__"] if hasattr(error, "__notes__") else []
    logging.root.removeHandler(*runtimes)  # no test of a user's has it
    noted = Snapshot(client, before.modules)
    with importlib.import_module("lambda_guard.testing").capture(UPSTREAM):
        note("capture", noted)
    note("after capture", noted)
    logging.root.addHandler(*runtimes)
    noted = Snapshot(client, before.modules)
    importlib.import_module("lambda_guard.local.aws.moto_server").install("http://127.0.0.1:9/")
    note("local cloud", noted)
    changed |= of_durable_functions(production, Context())
    changed["SnapStart"] = of_snapstart(production)
    print("\n" + json.dumps(changed))


if __name__ == "__main__":
    main()
