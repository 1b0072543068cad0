"""The invocation at work: what is known of it, and what it has gathered so far.

A scope travels in a context variable, so that the handler's tasks see their own. Threads start with an empty context
(before Python 3.14), and pooled threads may carry that of an invocation which is over; for those the one
open invocation of the process is the right answer, and with several open ones there is none.
"""

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any

from . import _json, _names

if TYPE_CHECKING:
    from ._invocation import Invocation
    from ._settings import Settings
    from .batch.report import BatchRecord


class Scope:
    """One invocation, from the first sink's entry to the last one's exit.

    Attributes:
        invocation: the facts, read before the handler ran.
        settings: of the decorated handler.
        context: what the handler got as its context; tells an invocation from one inside it.
        tail: the log keys as JSON, from the comma on, since every line ends with them.
        user_keys: what the handler appended to its logger.
        clock: `time.perf_counter` right before the handler is called.
        thread: the id of the thread that the handler runs on.
        thread_keys: what Powertools' loggers had for this thread before the handler.
        metrics: what the handler has added, in the metrics sink's own form.
        sent: messages sent on; `sent_more` counts those beyond the cap.
        calls: (service, operation, resource) → [count, errors].
        span_id: names this invocation in its trace, in every header that it sends on.
        trace: the trace sink's own state.
        in_flight: AWS calls that have not been answered → `time.perf_counter` when they began.
        stuck: what the watchdog saw, once it has gone off.
        messages: of a queue, as a plain handler got them.
        records: what a batch came to, for the invocation record.
        at_work: the records of a batch that are having their turns, for other threads to see.
        final_attempts: how many records of a batch went back for the last time, where each was looked at.
        unwritten: lines that go out with the invocation record, in one write.
        cpu_s: the CPU seconds that the process had used when the invocation began.
        used: what `_process.used` said when the handler was done; `None` while it is at work.
    """

    # What most invocations never have stands on the class: to set it on each object would cost more than all else.
    open = True
    unwritten = ""
    user_keys: dict[str, Any] | None = None
    metrics: Any = None
    sent: list[dict[str, Any]] | None = None
    sent_more = 0
    calls: dict[tuple[str, str, str | None], list[int]] | None = None
    calls_more = 0
    in_flight: dict[Any, float] | None = None
    stuck: Any = None
    span_id: str | None = None
    trace: Any = None
    messages: tuple[Any, ...] = ()
    records: dict[str, Any] | None = None
    at_work: "set[BatchRecord] | None" = None
    final_attempts: int | None = None
    thread = 0
    clock = 0.0
    cpu_s = 0.0
    used: tuple[float, float | None] | None = None
    thread_keys: dict[str, Any] | None = None
    token: "Token[Scope | None] | None" = None

    def __init__(self, invocation: "Invocation", settings: "Settings", context: object) -> None:
        self.invocation = invocation
        self.context = context
        self.settings = settings
        self.tail = tail_of(invocation, invocation.trace_id)

    @property
    def keys(self) -> dict[str, Any]:
        """The log keys of every line."""
        it = self.invocation
        keys: dict[str, Any] = {_names.INVOCATION_ID: it.invocation_id}
        if trace_id := it.trace_id:
            keys[_names.XRAY_TRACE_ID] = trace_id
        keys[_names.FUNCTION_NAME] = it.function
        keys[_names.FUNCTION_VERSION] = it.version
        keys[_names.COLD_START] = it.cold_start
        return keys


def tail_of(it: "Invocation", trace_id: str | None) -> str:
    """Return the keys of an invocation as they end its lines, from the comma on."""
    quote = _json.quote
    trace = f',"xray_trace_id":"{trace_id}"' if trace_id is not None else ""
    return (
        f',"invocation_id":{quote(it.invocation_id)}{trace},"function_name":{quote(it.function)},'
        f'"function_version":{quote(it.version)},"cold_start":{"true" if it.cold_start else "false"}'
    )


class Defaults:
    """What holds outside of any invocation: set when a handler is decorated, and by module-level code."""

    are_set = False
    service = "unknown"
    namespace = _names.DEFAULT_NAMESPACE
    keys: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed in place

    @classmethod
    def set(cls, settings: "Settings") -> None:
        """Take what is set for good from a handler's settings, or from those of the environment before there is one."""
        cls.are_set = True
        cls.service, cls.namespace = settings.service, settings.namespace


_current: ContextVar[Scope | None] = ContextVar("lambda_guard", default=None)
record_at_work: "ContextVar[BatchRecord | None]" = ContextVar("lambda_guard_record", default=None)
_open: list[Scope] = []


def enter(scope: Scope) -> None:
    """Make `scope` the one of this context, and of threads that have none."""
    scope.token = _current.set(scope)
    _open.append(scope)


def leave(scope: Scope, _: object = None) -> None:
    """End `scope`: nothing that still runs will be taken for its work."""
    scope.open = False
    if scope.messages:
        scope.messages = ()  # the context of a pooled thread may keep the scope
    if scope in _open:
        _open.remove(scope)
    if scope.token is not None:
        _current.reset(scope.token)
        scope.token = None


def current() -> Scope | None:
    """Return the scope of this task or thread, or `None` where no invocation is at work."""
    scope = _current.get()
    if scope is not None and scope.open:
        return scope
    opened = _open[:]  # other threads end invocations while we look
    return opened[0] if len(opened) == 1 else None


def lend(scope: Scope | None) -> None:
    """Make `scope` the one of a thread of our own, which works for it until it is given another one."""
    _current.set(scope)


def own() -> Scope | None:
    """Return the scope that this very context entered; no guess for threads."""
    scope = _current.get()
    return scope if scope is not None and scope.open else None


def record_of(scope: Scope) -> "BatchRecord | None":
    """Return the record of this invocation's batch that is at work here, if one is.

    For a thread that has no context of its own it is the one record that is at work, as for the scope.
    """
    record = record_at_work.get()
    if record is None and scope.at_work and _current.get() is None:
        at_work = tuple(scope.at_work)  # at once: other threads change it
        record = at_work[0] if len(at_work) == 1 else None
    return record if record is not None and record.scope is scope else None


def span_of(scope: Scope) -> Any:
    """Return the trace sink's state for what is at work here: a record of a batch, or the invocation."""
    record = record_of(scope)
    return scope.trace if record is None else record.span or scope.trace


def current_keys() -> dict[str, Any]:
    """Return the log keys that hold here: the invocation's, and the record's where a batch is at work."""
    scope = current()
    if scope is None:
        return {}
    record = record_of(scope)
    return {**scope.keys, **record.keys} if record is not None else scope.keys


def keys_owner() -> "Scope | BatchRecord | None":
    """Return what the keys belong to that are appended to a logger here: a record of a batch, or the invocation."""
    scope = current()
    return scope if scope is None else record_of(scope) or scope


def inherited_keys() -> dict[str, Any]:
    """Return the appended keys that hold here but belong to what is around: the process, or a record's invocation."""
    scope = current()
    if scope is None or record_of(scope) is None:
        return Defaults.keys
    return {**Defaults.keys, **(scope.user_keys or {})}
