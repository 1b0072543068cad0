"""What a template declares, with every reference resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDeclaration:
    """A function.

    Attributes:
        timeout: seconds.
        memory: MB.
        reserved_concurrency: the most environments at once.
        tracing: whether tracing is `Active`; else `PassThrough`.
        dead_letter_arn: the function's own dead-letter queue or topic.
        on_failure: the destination of failed asynchronous invocations.
        on_success: the destination of those that succeeded.
        retries_most: how often a failed asynchronous invocation is repeated.
        event_age_most: seconds after which an event is no longer repeated.
    """

    logical_id: str
    name: str
    handler: str
    code: Path
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    log_format: Literal["Text", "JSON"] = "Text"
    tracing: bool = False
    reserved_concurrency: int = 10
    dead_letter_arn: str | None = None
    on_failure: str | None = None
    on_success: str | None = None
    retries_most: int = 2
    event_age_most: float = 21_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDeclaration:
    """A queue, with the attributes of CreateQueue."""

    logical_id: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeclaration:
    """A topic, with the attributes of CreateTopic."""

    logical_id: str
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionDeclaration:
    """A subscription, with the attributes of Subscribe."""

    logical_id: str
    topic_arn: str
    protocol: str
    endpoint: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDeclaration:
    """An event source mapping of a queue.

    Attributes:
        batch_size: the most messages at once.
        window: seconds that it waits for more.
        report_batch_item_failures: whether the answer's `batchItemFailures` are read.
        concurrency_most: the most batches at work at once.
    """

    logical_id: str
    function: str
    queue_arn: str
    batch_size: int = 10
    window: float = 0.0
    report_batch_item_failures: bool = False
    concurrency_most: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDeclaration:
    """A rule or schedule that invokes functions.

    Attributes:
        arn: of the rule or schedule.
        source: `aws.events` for a rule, `aws.scheduler` for a schedule.
        expression: `rate(…)` or `cron(…)`.
        function: the function's name.
        payload: a fixed event; None for the service's own.
        enabled: whether it fires by itself.
    """

    logical_id: str
    name: str
    arn: str
    source: Literal["aws.events", "aws.scheduler"]
    expression: str
    function: str
    payload: Any = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDeclaration:
    """A route of an API; `version` is that of the event: `1.0` for REST, `2.0` for HTTP APIs."""

    api: str
    method: str
    path: str
    function: str
    version: Literal["1.0", "2.0"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Everything that a template declares.

    Attributes:
        warnings: what of the template isn't honoured here, a sentence each.
        outputs: the template's outputs.
    """

    functions: tuple[FunctionDeclaration, ...] = ()
    queues: tuple[QueueDeclaration, ...] = ()
    topics: tuple[TopicDeclaration, ...] = ()
    subscriptions: tuple[SubscriptionDeclaration, ...] = ()
    mappings: tuple[MappingDeclaration, ...] = ()
    schedules: tuple[ScheduleDeclaration, ...] = ()
    routes: tuple[RouteDeclaration, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
