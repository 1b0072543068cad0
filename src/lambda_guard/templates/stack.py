"""The declarations of a template, with every reference resolved."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionDeclaration:
    """A function.

    Attributes:
        runtime: for example `python3.13`; None for a container image.
        handler: None where the template has none that is text.
        code: the local directory of the code; None where the code is in S3, in an image, or inline.
        inline_code: the text of `InlineCode`.
        timeout: seconds.
        memory: MB.
        reserved_concurrency: the most environments at once; None where nothing is reserved.
        log_level: of its lines, in the JSON format.
        log_group: the name that `LoggingConfig` gives it; None for Lambda's own.
        tracing: whether tracing is `Active`; else `PassThrough`.
        dead_letter_arn: the function's own dead-letter queue or topic.
        on_failure: the ARN of the destination of failed asynchronous invocations.
        on_success: the ARN of the destination of those that succeeded.
        retry_attempts: how often a failed asynchronous invocation is repeated.
        event_age: seconds after which an event is no longer repeated.
        layers: the ARNs of its layers, in their order; one that can't be resolved as it is written.
    """

    logical_id: str
    name: str
    runtime: str | None = "python"
    handler: str | None = None
    code: Path | None = None
    inline_code: str | None = None
    timeout: float = 3.0
    memory: int = 128
    environment: Mapping[str, str] = field(default_factory=dict)
    log_format: Literal["Text", "JSON"] = "Text"
    log_level: str = "INFO"
    log_group: str | None = None
    tracing: bool = False
    reserved_concurrency: int | None = None
    dead_letter_arn: str | None = None
    on_failure: str | None = None
    on_success: str | None = None
    retry_attempts: int = 2
    event_age: float = 21_600.0
    layers: tuple[str, ...] = ()

    @property
    def logs_to(self) -> str:
        """The name of the log group it writes to."""
        return self.log_group or default_log_group(self.name)


def default_log_group(function: str) -> str:
    """Return the name of the log group of a function that has no other."""
    return f"/aws/lambda/{function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentFunction:
    """A function that can't run where the stack is to run.

    Attributes:
        reason: why it can't; it goes on after the function's name.
        queues: the ARNs of the queues that would be polled for it.
    """

    logical_id: str
    name: str
    reason: str
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDeclaration:
    """A version of a layer.

    Attributes:
        name: of the layer.
        arn: of its version, with which functions name it.
        content: the local directory or zip archive of its content; None where it is in S3.
        build_method: how `sam build` makes the content; None where it needn't.
    """

    logical_id: str
    name: str
    arn: str
    content: Path | None = None
    build_method: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDeclaration:
    """A queue; `dead_letter_arn` is of the queue that its redrive policy names."""

    logical_id: str
    name: str
    dead_letter_arn: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeclaration:
    """A topic."""

    logical_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MappingDeclaration:
    """An event source mapping.

    Attributes:
        source_arn: of the queue, stream, …; empty where the source has none.
        batch_size: the most messages at once.
        batching_window: seconds that it waits for more.
        report_batch_item_failures: whether the answer's `batchItemFailures` are read.
        maximum_concurrency: the most batches at work at once; None where it isn't limited.
        enabled: whether the source is polled.
        filters: the patterns of `FilterCriteria`, as JSON; a record that matches none of them isn't sent.
        starting_position: of a stream: `LATEST`, `TRIM_HORIZON` or `AT_TIMESTAMP`.
        starting_timestamp: seconds since the epoch, for `AT_TIMESTAMP`.
        parallelization: how many batches of a shard are at work at once.
        bisect: whether a batch of a stream that fails is split in two.
        retry_attempts: how often a batch of a stream is repeated; None for as long as its records are there.
        record_age: seconds after which a stream's record is discarded; None for never.
        on_failure: the ARN of the queue or topic that is told of discarded records.
    """

    logical_id: str
    function: str
    source_arn: str
    batch_size: int = 10
    batching_window: float = 0.0
    report_batch_item_failures: bool = False
    maximum_concurrency: int | None = None
    enabled: bool = True
    filters: tuple[str, ...] = ()
    starting_position: str = "TRIM_HORIZON"
    starting_timestamp: float | None = None
    parallelization: int = 1
    bisect: bool = False
    retry_attempts: int | None = None
    record_age: float | None = None
    on_failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDeclaration:
    """A rule or schedule, with one of its targets.

    Attributes:
        arn: of the rule or schedule.
        source: `aws.events` for a rule, `aws.scheduler` for a schedule.
        expression: `rate(…)` or `cron(…)`.
        target: the function's name; the ARN of any other target.
        payload: a fixed event; None for the service's own.
        enabled: whether it fires by itself.
    """

    logical_id: str
    name: str
    arn: str
    source: Literal["aws.events", "aws.scheduler"]
    expression: str
    target: str
    payload: Any = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CorsDeclaration:
    """The CORS configuration of an HTTP API; `*` stands for all.

    Attributes:
        exposed: the headers of answers that a page may read.
        max_age: seconds for which a preflight counts; None for the browser's own.
        credentials: whether cookies may be sent.
    """

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None
    credentials: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDeclaration:
    """A REST or HTTP API, or the URL of a function.

    Attributes:
        function_url: whether it's the URL of a function.
        stage: the name of its stage; `$default` has no part of the path.
        variables: the stage's.
        binary: the media types of a REST API whose bodies are binary.
        cors: of an HTTP API.
    """

    logical_id: str
    rest: bool
    stage: str
    variables: Mapping[str, str] = field(default_factory=dict)
    binary: tuple[str, ...] = ()
    cors: CorsDeclaration | None = None
    function_url: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizerDeclaration:
    """Who decides on requests to a route.

    Attributes:
        kind: `token` or `request`, by a function; `jwt` or `cognito_user_pools`.
        function: the function's name.
        identity: where the caller's identity is, as `$request.header.Authorization` or `method.request.header.Auth`.
        pattern: what a token must match as a whole.
        ttl: seconds for which a decision counts.
        version: of the event's format.
        simple: whether the function answers with `isAuthorized`, not a policy.
    """

    name: str
    kind: str
    function: str | None = None
    identity: tuple[str, ...] = ()
    pattern: str | None = None
    ttl: float = 0.0
    version: Literal["1.0", "2.0"] = "2.0"
    simple: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MockAnswer:
    """What a route answers by itself: status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDeclaration:
    """A route of an API.

    Attributes:
        function: the function's name; None where the route isn't integrated with a function.
        version: of the event's format: `1.0`, or `2.0`, which only HTTP APIs have.
        rest: whether it's a REST API's.
        function_url: whether it's the URL of a function.
        scopes: of which a token must have one.
        iam: whether the request must be signed.
        api_key: whether it needs an API key.
        mock: the answer where there is no integration, as SAM makes it for CORS.
    """

    api: str
    method: str
    path: str
    function: str | None
    version: Literal["1.0", "2.0"]
    rest: bool = False
    function_url: bool = False
    authorizer: AuthorizerDeclaration | None = None
    scopes: tuple[str, ...] = ()
    iam: bool = False
    api_key: bool = False
    mock: MockAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Everything that a template declares.

    Attributes:
        absent: the functions that can't run where the stack is to run; they aren't among `functions`.
        unresolved_layers: why a function's layer can't be resolved, by how it is written.
        unresolved_variables: why a function's variable can't be resolved, by `NAME of FUNCTION`.
        outputs: the template's outputs.
        unresolved_outputs: why an output isn't among them, by its name.
    """

    functions: tuple[FunctionDeclaration, ...] = ()
    absent: tuple[AbsentFunction, ...] = ()
    layers: tuple[LayerDeclaration, ...] = ()
    unresolved_layers: Mapping[str, str] = field(default_factory=dict)
    unresolved_variables: Mapping[str, str] = field(default_factory=dict)
    queues: tuple[QueueDeclaration, ...] = ()
    topics: tuple[TopicDeclaration, ...] = ()
    mappings: tuple[MappingDeclaration, ...] = ()
    schedules: tuple[ScheduleDeclaration, ...] = ()
    apis: tuple[ApiDeclaration, ...] = ()
    routes: tuple[RouteDeclaration, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    unresolved_outputs: Mapping[str, str] = field(default_factory=dict)
