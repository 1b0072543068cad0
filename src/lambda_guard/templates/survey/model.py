"""What is known of an application's functions, whether a template says so or an account.

A value that isn't settled is `Unknown`; None means that it isn't set.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from lambda_guard.templates.survey.nodes import Number, Place, Text, Unknown, references

Flag = bool | Unknown | None
Kind = Literal["asynchronous", "queue", "stream", "poll", "synchronous"]
_REFERENCE: Final = re.compile(r"\$\{(\w+)(?:\.\w+)*\}")
_SEGMENTS: Final = re.compile(r"[:/](?![^{]*\})")
_FUNCTION: Final = re.compile(r"(?:^|:)function:((?:\$\{[^}]+\}|[^:/$])+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """How a function's new version takes over.

    Attributes:
        preference: the type, such as `Canary10Percent5Minutes`.
        alarms: those that roll it back; unknown where an intrinsic stands for the list.
        hooks: whether functions check the version before or after.
    """

    preference: Text
    alarms: tuple[Text, ...] | Unknown
    hooks: bool
    place: Place
    enabled: Flag = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function.

    Attributes:
        logical_id: in a template; an account's functions have their names there.
        places: of its properties, by their names in CloudFormation or SAM.
        runtime: None for an image.
        code: the local directory or file of its code.
        inline: the text of its code.
        code_known: whether it was settled where the code is.
        timeout: seconds.
        memory: MB.
        environment: the variables; unknown where an intrinsic stands for all of them.
        dead_letter: the target of `DeadLetterConfig`.
        on_failure: the destination of failed asynchronous invocations.
        durable_seconds: how long a durable execution may take; None for any other function.
        vpc: whether it runs in a VPC.
        custom_resource: whether CloudFormation calls it.
        hook: whether CodeDeploy calls it, to check a new version.
    """

    logical_id: str
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict)
    name: Text = None
    runtime: Text = None
    image: bool = False
    handler: Text = None
    code: Path | None = None
    inline: str | None = None
    timeout: Number = None
    memory: Number = None
    environment: Mapping[str, Any] | Unknown = field(default_factory=dict)
    tracing: Text = None
    log_format: Text = None
    log_group: Text = None
    application_log_level: Text = None
    reserved: Number = None
    dead_letter: Text = None
    on_failure: Text = None
    layers: tuple[Text, ...] | Unknown = ()
    deployment: Deployment | None = None
    alias: Text = None
    durable_seconds: Number = None
    custom_resource: bool = False
    hook: bool = False

    def at(self, *keys: str) -> Place:
        """Return the place of the first of these properties that is written, else the function's."""
        return next((self.places[key] for key in keys if key in self.places), self.place)

    @property
    def seconds(self) -> float | Unknown:
        """The timeout, by default Lambda's."""
        return 3.0 if self.timeout is None else self.timeout

    def variable(self, name: str) -> Any:
        """Return an environment variable, None where it isn't set, or `Unknown`."""
        return self.environment if isinstance(self.environment, Unknown) else self.environment.get(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What invokes a function.

    Attributes:
        kind: how: `asynchronous` with retries by Lambda; `queue`, `stream` and `poll` through an event source mapping;
            `synchronous` where the caller gets the error.
        service: `sqs`, `sns`, `s3`, `schedule`, `kinesis`, `api` …
        function: the logical id; None where that isn't known.
        source: the queue's, topic's or stream's ARN or reference.
        hidden: a queue that SAM makes for a subscription, and that no resource shows.
        partial: whether the answer's `batchItemFailures` are read.
        on_failure: the destination of what a mapping gave up.
    """

    kind: Kind
    service: str
    function: str | None
    place: Place
    source: Text = None
    hidden: bool = False
    batch_size: Number = None
    window: Number = None
    partial: Flag = False
    on_failure: Text = None
    retries: Number = None
    age: Number = None
    concurrency: Number = None
    metrics: Flag = False
    enabled: Flag = True
    seconds: Number = None

    @property
    def mapped(self) -> bool:
        """Whether an event source mapping reads it."""
        return self.kind in {"queue", "stream", "poll"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue.

    Attributes:
        visibility: seconds; None for 30.
        retention: seconds; None for 4 days.
        dead_letters: the queue of its redrive policy; None without one.
        receives: `maxReceiveCount`.
    """

    logical_id: str
    place: Place
    places: Mapping[str, Place] = field(default_factory=dict)
    name: Text = None
    fifo: Flag = False
    visibility: Number = None
    retention: Number = None
    dead_letters: Text = None
    receives: Number = None

    def at(self, key: str) -> Place:
        """Return the place of a property, else the queue's."""
        return self.places.get(key, self.place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement of a policy, one that allows.

    Attributes:
        kind: `identity` for what a role may, `resource` for who may use a resource, `key` for a KMS key's.
        owner: the logical id of the role, policy or resource it stands in.
        functions: the functions of the role, as far as the template shows it.
        managed: the name of an AWS managed policy, in place of a statement.
    """

    kind: Literal["identity", "resource", "key"]
    owner: str
    place: Place
    actions: tuple[Text, ...] = ()
    resources: tuple[Text, ...] = ()
    principals: tuple[Text, ...] = ()
    all_but_actions: bool = False
    all_but_resources: bool = False
    conditioned: bool = False
    managed: str | None = None
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric that an alarm looks at.

    Attributes:
        period: seconds.
    """

    namespace: Text
    name: Text
    dimensions: Mapping[str, Any] | Unknown
    period: Number = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A metric alarm, a composite one, or one on log lines.

    Attributes:
        metrics: those it looks at, in metric math too.
        queries: its Metrics Insights queries.
        rule: of a composite alarm, as it is written.
        datapoints: how many of `periods` must breach.
    """

    logical_id: str
    place: Place
    name: Text = None
    metrics: tuple[Metric, ...] = ()
    queries: tuple[Text, ...] = ()
    rule: Text = None
    periods: Number = None
    datapoints: Number = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGroup:
    """A log group.

    Attributes:
        retention: days; None for ever.
        kind: its class.
    """

    logical_id: str
    place: Place
    name: Text = None
    retention: Number = None
    kind: Text = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All that is known of one template, stack or account.

    Attributes:
        file: the template's name, or the account's and Region's.
        deployed: whether it was read from an account.
        kinds: the types of all resources, by logical id.
        targets: for aliases and versions, the function they are of.
        ignored: the findings that `Metadata` silences, with reasons, by logical id; by None for the whole template.
        places: where those stand.
        notes: what couldn't be read, a sentence each.
        unread: parts that aren't all there, such as `alarms`, and the reason: an account's permissions, a template's
            macros.
    """

    file: str
    deployed: bool = False
    functions: tuple[Function, ...] = ()
    sources: tuple[Source, ...] = ()
    queues: tuple[Queue, ...] = ()
    statements: tuple[Statement, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    log_groups: tuple[LogGroup, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    targets: Mapping[str, str] = field(default_factory=dict)
    ignored: Mapping[str | None, Mapping[str, Any]] = field(default_factory=dict)
    places: Mapping[str | None, Place] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)

    def sources_of(self, function: Function) -> Iterator[Source]:
        """Yield what is known to invoke a function."""
        return (source for source in self.sources if source.function == function.logical_id)

    def function(self, value: Any) -> Function | None:
        """Return the function that an ARN, a name or a reference means."""
        return _named(value, self.functions, self.targets)

    def queue(self, value: Any) -> Queue | None:
        """Return the queue that an ARN, a URL or a reference means."""
        return _named(value, self.queues, self.targets)

    def concerns(self, raw: Any) -> Iterator[Function]:
        """Yield the functions that a value names anywhere within."""
        for name in references(raw):
            if (function := self.function(Unknown(f"${{{name}}}"))) is not None:
                yield function


Thing = TypeVar("Thing", Function, Queue)


def _named(value: Any, things: tuple[Thing, ...], targets: Mapping[str, str]) -> Thing | None:
    if value is None:
        return None
    text = str(value)
    if reference := _REFERENCE.fullmatch(text):
        wanted = targets.get(reference[1], reference[1])
        return next((thing for thing in things if thing.logical_id == wanted), None)
    found = _FUNCTION.search(text)
    name = found[1] if found else _SEGMENTS.split(text)[-1]
    named = next((thing for thing in things if thing.name is not None and str(thing.name) == name), None)
    return _named(Unknown(name), things, targets) if named is None and _REFERENCE.fullmatch(name) else named
