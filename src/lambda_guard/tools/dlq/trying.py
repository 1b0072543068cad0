"""Running letters through a handler on this machine: which would pass now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lambda_guard.shapes import sqs
from lambda_guard.tools.dlq.causes import failures_of
from lambda_guard.tools.dlq.errors import DeadLetterError, NoEventError
from lambda_guard.tools.dlq.letter import Failure, Letter, Origin
from lambda_guard.tools.dlq.message import SOURCE_ATTRIBUTE
from lambda_guard.tools.logs.invocation import Invocation, invocations_of
from lambda_guard.tools.logs.reading.grouping import Grouper
from lambda_guard.tools.logs.reading.runtime_errors import tells_of_an_error
from lambda_guard.tools.logs.reading.streams import Stream

if TYPE_CHECKING:
    from lambda_guard.local.runtime.function import Function
    from lambda_guard.local.runtime.result import InvocationResult

_BROKEN: Final = frozenset(
    {
        "Runtime.ImportModuleError",
        "Runtime.HandlerNotFound",
        "Runtime.UserCodeSyntaxError",
        "Runtime.MalformedHandlerName",
    }
)
"""A handler that can't be loaded would fail for every letter, which says nothing about them."""

_MISSING: Final = frozenset({"ImportError", "ModuleNotFoundError"})
"""Likewise what an import inside of the handler raises, unless that is what the letter died of."""


@dataclass(slots=True, frozen=True)
class Trial:
    """What came of one letter.

    Attributes:
        failure: what it died of now; None where it passed.
        same: whether that is what it died of before; None where that is not known.
        duration_ms: milliseconds; None where it could not be run.
        problem: why it could not be run; empty where it was.
        lines: what the handler wrote.
    """

    message_id: str
    failure: Failure | None = None
    same: bool | None = None
    duration_ms: float | None = None
    problem: str = ""
    lines: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it would pass now."""
        return self.failure is None and not self.problem


@dataclass(slots=True)
class Trials:
    """What came of all of them, counted."""

    count: int = 0
    passed: int = 0
    causes: Counter[str] = field(default_factory=Counter)

    def add(self, trial: Trial) -> None:
        """Count one."""
        self.count += 1
        self.passed += trial.passed
        if trial.failure is not None:
            self.causes[trial.failure.sentence] += 1


def local_function(handler: str, code: str, **settings: Any) -> "Function":
    """Make the function that letters are run through.

    Raises:
        MissingExtraError: the runtime client isn't installed.
        DeadLetterError: the handler's name or file can't be right.
        LocalCloudError: the code isn't a directory.
    """
    module, _, attribute = handler.rpartition(".")
    if not (module and attribute.isidentifier()):
        raise DeadLetterError(
            f"invalid --handler {handler!r}: write module.function, for example app.handler"
        )
    path = Path(code, *module.replace("/", ".").split("."))
    if Path(code).is_dir() and not (path.with_suffix(".py").exists() or path.is_dir()):
        raise DeadLetterError(
            f"--handler {handler!r}: there is no {path.with_suffix('.py')}; the code's directory is --code"
        )
    from lambda_guard.local.runtime.function import Function

    return Function(name=module.rpartition(".")[2] or module, handler=handler, code=code, **settings)


def event_of(letter: Letter, queue_arn: str) -> Any:
    """Build the event: a queue's message in a batch of one, as Lambda's poller gives it; others as they were.

    Args:
        letter: the letter; for streams, the records must be read from the stream instead.
        queue_arn: the queue that the message is said to come from, where the letter doesn't name it.

    Raises:
        NoEventError: there is none.
    """
    if letter.problem:
        raise NoEventError(letter.problem)
    if _is_for_a_queue(letter):
        message = letter.message
        received = {
            "MessageId": message.message_id,
            "ReceiptHandle": message.receipt or "-",
            "Body": letter.payload,
            "Attributes": {name: text for name, text in message.system.items() if name != SOURCE_ATTRIBUTE},
            "MessageAttributes": message.attributes,
        }
        record = sqs.record(received, letter.target if letter.target.startswith("arn:") else queue_arn)
        return {"Records": [record]}
    if letter.event is None and letter.payload.strip() != "null":
        raise NoEventError("its body isn't JSON, so that no function takes it")
    return letter.event


def _is_for_a_queue(letter: Letter) -> bool:
    if letter.origin is Origin.SUBSCRIPTION:
        return isinstance(letter.event, Mapping) and letter.event.get("Type") == "Notification"
    to_a_queue = ":sqs:" in letter.target or letter.target.startswith(("https://", "http://"))
    return letter.origin in {Origin.QUEUE, Origin.UNKNOWN} or to_a_queue


def run(function: "Function", letter: Letter, event: Any) -> Trial:
    """Run a letter through the function.

    Raises:
        DeadLetterError: the handler can't be loaded at all.
    """
    result = function.invoke(event, trace_header=letter.trace_header or None)
    if result.status != "killed" and (result.error_type in _BROKEN or _died_before_the_start(result)):
        raise DeadLetterError(f"the handler can't be loaded: {result.error_type}: {result.error_message}")
    failure = _failure_of(result, letter)
    if failure is not None and failure.type in _MISSING and letter.failure.type != failure.type:
        problem = f"{failure.sentence}: install it where this runs, or name the code's directory with --code"
        return Trial(letter.message_id, duration_ms=result.duration_ms, problem=problem, lines=result.lines)
    same = None if failure is None else _is_the_same(letter.failure, failure)
    return Trial(letter.message_id, failure, same, result.duration_ms, lines=result.lines)


def _died_before_the_start(result: "InvocationResult") -> bool:
    """Return whether the module couldn't be imported: the runtime reports an error of any type before START."""
    before = takewhile(lambda line: not line.startswith("START RequestId: "), result.lines)
    told = f"[ERROR] {result.error_type}".encode()
    raws = [line.encode() for line in before]
    return result.status == "error" and any(raw.startswith(told) and tells_of_an_error([raw]) for raw in raws)


def _is_the_same(old: Failure, new: Failure) -> bool | None:
    """Compare fingerprints: one type may be raised in many places. Where one has none, only types that differ tell."""
    if old.fingerprint and new.fingerprint:
        return old.fingerprint == new.fingerprint
    return False if old.type and new.type and old.type != new.type else None


def _failure_of(result: "InvocationResult", letter: Letter) -> Failure | None:
    """Return what it died of: a partial batch response that names the letter is a failure, too."""
    told = _recorded(result.lines, letter)
    if result.status != "success":
        return told or Failure(type=result.error_type or result.status, message=result.error_message or "")
    refused = result.payload.get("batchItemFailures") if isinstance(result.payload, dict) else None
    if not refused:
        return None
    return told or Failure(type="batchItemFailures", message="the handler gave the letter back")


def _recorded(lines: Iterable[str], letter: Letter) -> Failure | None:
    """Read the error with its fingerprint from the invocation record, where the handler writes one."""
    for invocation in invocations(lines):
        if invocation.record is not None:
            told = dict(failures_of(invocation)) if invocation.failed else {}
            return told.get(letter.message_id) or told.get(invocation.invocation_id)
    return None


def invocations(lines: Iterable[str]) -> Iterator[Invocation]:
    """Read what the handler wrote as `lambda-guard invocations` does."""
    grouper = Grouper()
    grouper.feed([line.encode() for line in lines], Stream("try", exact=True))
    grouper.finish()
    return invocations_of(grouper.take())
