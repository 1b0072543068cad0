"""The blocks that mend findings of the audit: where they go, and what they say.

SAM gives a function's role what the blocks need (to send dead letters, to trace, to let CodeDeploy shift traffic):
https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambda_guard import _names
from lambda_guard.templates.marks import Steps
from lambda_guard.templates.survey.model import Function
from lambda_guard.tools.audit.checks.queues import least_visibility
from lambda_guard.tools.audit.findings import Finding, Subject
from lambda_guard.tools.harden import canary
from lambda_guard.tools.harden.settings import Settings

FUNCTION: Final = "AWS::Serverless::Function"
_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Block:
    """One insertion.

    Attributes:
        rule: of the finding that it mends.
        what: in a few words.
        steps: the mapping that it extends.
        content: keys and values, intrinsics in their long form.
    """

    rule: str
    what: str
    steps: Steps
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a maker of blocks gets."""

    finding: Finding
    subject: Subject
    settings: Settings

    @property
    def functions(self) -> Iterator[Function]:
        """The functions of the finding that SAM makes: roles and aliases of others are the template's own affair."""
        for it in self.subject.survey.functions:
            if it.logical_id in self.finding.functions and self.is_sam(it.logical_id):
                yield it

    def is_sam(self, logical_id: str) -> bool:
        """Return whether a resource is a function of SAM's."""
        return self.subject.survey.kinds.get(logical_id) == FUNCTION

    def block(self, what: str, steps: Steps, content: Mapping[str, Any]) -> Block:
        """Return a block that mends the finding."""
        return Block(self.finding.rule, what, steps, content)


def _properties(logical_id: str) -> Steps:
    """Return the steps to a resource's properties."""
    return ("Resources", logical_id, "Properties")


def _dead_letters(logical_id: str, asked: Asked, *, fifo: bool = False) -> dict[str, Any]:
    """Return a dead-letter queue: messages stay as long as they can, for somebody to look at them."""
    kind = {"FifoQueue": True} if fifo else {}
    retention = {"MessageRetentionPeriod": asked.settings.dead_letter_days * _DAY}
    return {logical_id: {"Type": "AWS::SQS::Queue", "Properties": {**kind, **retention}}}


def _of_asynchronous(asked: Asked) -> Iterator[Block]:
    for it in asked.functions:
        letters = f"{it.logical_id}DeadLetters"
        yield asked.block(
            f"a dead-letter queue for {it.logical_id}", ("Resources",), _dead_letters(letters, asked)
        )
        target = {"Type": "SQS", "TargetArn": {"Fn::GetAtt": [letters, "Arn"]}}
        yield asked.block(
            "its failed events go there", _properties(it.logical_id), {"DeadLetterQueue": target}
        )


def _event(asked: Asked) -> Steps | None:
    """Return the steps to the properties of the event or mapping that a finding is about."""
    steps = asked.finding.place.steps
    if "Events" in steps:
        return (*steps[: steps.index("Events") + 2], "Properties")
    mapped = asked.subject.survey.kinds.get(str(steps[1])) if len(steps) > 1 else None
    return _properties(str(steps[1])) if mapped == "AWS::Lambda::EventSourceMapping" else None


def _of_stream(asked: Asked) -> Iterator[Block]:
    steps = _event(asked)
    for it in asked.functions if steps else ():
        assert steps is not None
        letters = f"{it.logical_id}Undelivered"
        yield asked.block(
            f"a queue for what {it.logical_id} gives up", ("Resources",), _dead_letters(letters, asked)
        )
        target = {"Type": "SQS", "Destination": {"Fn::GetAtt": [letters, "Arn"]}}
        yield asked.block(
            "its stream's mapping sends it there", steps, {"DestinationConfig": {"OnFailure": target}}
        )


def _end_of_retries(asked: Asked) -> Iterator[Block]:
    if steps := _event(asked):
        content = {"MaximumRetryAttempts": asked.settings.retry_attempts, "BisectBatchOnFunctionError": True}
        yield asked.block(
            "a failing record is given up some time, and found by halving the batch", steps, content
        )


def _partial(asked: Asked) -> Iterator[Block]:
    if steps := _event(asked):
        content = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
        yield asked.block("the mapping reads which items failed", steps, content)


def _counted(asked: Asked) -> Iterator[Block]:
    if steps := _event(asked):
        yield asked.block(
            "the mapping counts its events", steps, {"MetricsConfig": {"Metrics": ["EventCount"]}}
        )


def _redrive(asked: Asked) -> Iterator[Block]:
    for queue in asked.subject.survey.queues:
        if queue.place.steps[:2] == asked.finding.place.steps[:2] and queue.fifo in (True, False, None):
            letters = f"{queue.logical_id}DeadLetters"
            made = _dead_letters(letters, asked, fifo=bool(queue.fifo))
            yield asked.block(f"a dead-letter queue for {queue.logical_id}", ("Resources",), made)
            policy = {
                "deadLetterTargetArn": {"Fn::GetAtt": [letters, "Arn"]},
                "maxReceiveCount": asked.settings.max_receive_count,
            }
            yield asked.block(
                "failed messages go there", _properties(queue.logical_id), {"RedrivePolicy": policy}
            )


def _visibility(asked: Asked) -> Iterator[Block]:
    survey = asked.subject.survey
    readers = [it for it in survey.functions if it.logical_id in asked.finding.functions]
    times = [it.seconds for it in readers if isinstance(it.seconds, float)]
    for queue in survey.queues:
        if queue.place.steps[:2] == asked.finding.place.steps[:2] and queue.visibility is None and times:
            sources = [it for reader in readers for it in survey.sources_of(reader)]
            read = [it.window for it in sources if survey.queue(it.source) is queue]
            window = max((it for it in read if isinstance(it, float)), default=0.0)
            content = {"VisibilityTimeout": round(least_visibility(max(times), window))}
            yield asked.block(
                "a message stays hidden while it is processed", _properties(queue.logical_id), content
            )


def _traced(asked: Asked) -> Iterator[Block]:
    for it in asked.functions:
        yield asked.block(f"{it.logical_id} is traced", _properties(it.logical_id), {"Tracing": "Active"})


def _logged(asked: Asked) -> Iterator[Block]:
    """A group of its own name: Lambda's own, `/aws/lambda/…`, is there already where the function was ever called."""
    for it in asked.functions:
        group = f"{it.logical_id}Logs"
        made = {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"RetentionInDays": asked.settings.retention_days},
        }
        yield asked.block(f"a log group for {it.logical_id}", ("Resources",), {group: made})
        content = {"LoggingConfig": {"LogGroup": {"Ref": group}}}
        yield asked.block("its lines go there, and expire", _properties(it.logical_id), content)


def _as_json(asked: Asked) -> Iterator[Block]:
    for it in asked.functions:
        content = {"LoggingConfig": {"LogFormat": "JSON"}}
        yield asked.block(
            f"Lambda's own lines of {it.logical_id} are JSON", _properties(it.logical_id), content
        )


def _receive_count(asked: Asked) -> Iterator[Block]:
    survey = asked.subject.survey
    for it in asked.functions:
        counts = {
            queue.receives
            for source in survey.sources_of(it)
            if (queue := survey.queue(source.source)) is not None and isinstance(queue.receives, float)
        }
        if len(counts) == 1:
            content = {"Environment": {"Variables": {_names.ENV_MAX_RECEIVE_COUNT: f"{counts.pop():g}"}}}
            yield asked.block(
                f"{it.logical_id} knows which attempt is the last", _properties(it.logical_id), content
            )


def _shifted(asked: Asked) -> Iterator[Block]:
    """Shift traffic, and roll it back by alarms that look at the new version alone."""
    for it in asked.functions:
        made = {f"{it.logical_id}NewVersionFails": canary.errors(it, asked.settings)}
        if canary.tells_versions_apart(it, asked.subject.code(it)):
            made[f"{it.logical_id}NewVersionFailsInPart"] = canary.in_part(it, asked.settings)
        yield asked.block(f"alarms on {it.logical_id}'s new version", ("Resources",), made)
        shifting = {
            "AutoPublishAlias": asked.settings.alias,
            "DeploymentPreference": {
                "Type": asked.settings.preference,
                "Alarms": [{"Ref": name} for name in made],
            },
        }
        yield asked.block(
            "its traffic is shifted, and rolled back by them", _properties(it.logical_id), shifting
        )


MENDS: Final[dict[str, Callable[[Asked], Iterator[Block]]]] = {
    "WG201": _of_asynchronous,
    "WG211": _of_stream,
    "WG212": _end_of_retries,
    "WG301": _redrive,
    "WG306": _visibility,
    "IG310": _counted,
    "EG401": _partial,
    "IG406": _receive_count,
    "IG601": _shifted,
    "IG701": _traced,
    "IG702": _as_json,
    "WG703": _logged,
}
"""By the audit's rule, what writes the blocks that mend a finding; the others are for people."""
