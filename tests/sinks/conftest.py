"""Invocations in one call."""

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from botocore.client import BaseClient

from lambda_guard import logger, production
from lambda_guard.testing import Captured, capture, make_context

from .aws_clients import answered_sqs


def _schema(name: str) -> Any:
    return jsonschema.Draft202012Validator(json.loads((Path(__file__).parents[1] / name).read_text()))


_SCHEMA = _schema("emf_schema.json")
_X_RAY_SCHEMA = _schema("xray_schema.json")


def check_documents(captured: Captured) -> None:
    """Hold every metric document to EMF's schema, and to what the schema can't say."""
    for text in captured.output.split("\n"):
        if '"_aws":' in text and "_aws" in (line := json.loads(text)):
            _SCHEMA.validate(line)
            for directive in line["_aws"]["CloudWatchMetrics"]:
                check_members(line, directive)


def check_segments(captured: Captured) -> None:
    """Hold every document of a trace to X-Ray's schema, to its size, and to what the schema can't say."""
    for segment in captured.segments:
        document = segment.document
        _X_RAY_SCHEMA.validate(document)
        assert len(json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")) < 64_000
        causes = document.get("cause", {}).get("exceptions", [])
        assert {each["cause"] for each in causes if "cause" in each} <= {each["id"] for each in causes}
        assert document.get("end_time", document["start_time"]) >= document["start_time"]


def check_members(line: dict[str, Any], directive: dict[str, Any]) -> None:
    """Hold the members that a directive names to what CloudWatch takes."""
    names = [metric["Name"] for metric in directive["Metrics"]]
    assert len(names) == len(set(names))
    for name in names:
        values = line[name] if isinstance(line[name], list) else [line[name]]
        assert 1 <= len(values) <= 100
        assert all(type(value) in (int, float) for value in values), (name, values)
    for name in {name for dimensions in directive["Dimensions"] for name in dimensions}:
        assert isinstance(line[name], str), (name, line[name])
        assert 1 <= len(line[name]) <= 1024
        assert name not in names


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Have our logger as it is in a function, where pytest doesn't listen to its records."""
    ours = logging.getLogger(logger.name)
    handlers, propagate = ours.handlers, ours.propagate
    ours.handlers = [handler for handler in handlers if type(handler).__module__.startswith("lambda_guard")]
    ours.propagate = False
    try:
        yield
    finally:
        ours.handlers, ours.propagate = handlers, propagate


@pytest.fixture
def invoke() -> Callable[..., Captured]:
    """Run a function as a decorated handler and return what it emitted; what it raised is in `.raised`.

    What it answered is appended to `answers`.
    """

    def run(
        handler: Callable[..., Any],
        event: object = None,
        *,
        header: str | None = None,
        context: Any = None,
        heard: bool = False,
        guard_errors: bool = False,
        answers: list[Any] | None = None,
        **options: Any,
    ) -> Captured:
        decorated = production(**{"service": "orders", **options})(handler)
        with contextlib.nullcontext() if heard else unheard(), capture(header) as captured:
            try:
                answer = decorated({} if event is None else event, context or make_context(timeout_ms=60_000))
                (answers if answers is not None else []).append(answer)
            except BaseException as error:
                captured.raised = error
            else:
                captured.raised = None
        assert ("could not do its part" in captured.output) is guard_errors, captured.output
        check_documents(captured)
        check_segments(captured)
        return captured

    return run


@pytest.fixture
def recorder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The X-Ray SDK's recorder with a fresh context: of the kind that is asked for, or the SDK's plain one."""
    from aws_xray_sdk import global_sdk_config  # late: some tests do without it
    from aws_xray_sdk.core import xray_recorder
    from aws_xray_sdk.core.context import Context

    global_sdk_config.set_sdk_enabled(True)  # whatever a Tracer of another test did
    # Not by its `configure`, which makes a client of X-Ray's service each time.
    context = getattr(request, "param", Context)()
    context.context_missing = "IGNORE_ERROR"
    monkeypatch.setattr(xray_recorder, "context", context)
    monkeypatch.setattr(xray_recorder, "streaming_threshold", 30)
    return xray_recorder


@pytest.fixture
def sqs() -> BaseClient:
    """A client of SQS that sends nothing: `sqs.sent` has the requests, `sqs.answer` what they are answered."""
    return answered_sqs()


@pytest.fixture
def header() -> str:
    """A sampled trace header."""
    return "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a87bd80c:1|5dd5f2f6:0"
