"""An invocation as a value: read before the handler runs, its outcome after."""

import os
from time import time
from typing import Any, Final, NamedTuple

from . import _names, _process
from ._failsafe import failed
from ._settings import Settings
from .propagation.extract import NONE, Upstream, extract
from .propagation.header import TraceHeader, parse
from .propagation.place import own_header
from .trigger.read import UNKNOWN, Trigger, read_trigger

# A restore is a cold start: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-monitoring.html
_NOT_COLD: Final = frozenset({"provisioned-concurrency", _names.MANAGED_INSTANCES})
# Milliseconds, far beyond the maximum: https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html
_REMAINING_MOST: Final = 1_000_000_000


class Invocation(NamedTuple):
    """The facts of one invocation.

    Attributes:
        invocation_id: `context.aws_request_id`, or a generated id if the context has none.
        function: the function's name.
        version: the function's version.
        cold_start: whether this is the first invocation of an environment that was started for it.
        trigger: what invoked it.
        trace: the trace header set by Lambda, or `None`.
        adopted: the upstream header whose trace the work belongs to, or `None` if it belongs to `trace`.
        upstreams: each distinct upstream found in the event.
        memory_limit_mb: the function's memory in MB (2^20 bytes); `None` if it isn't known, or shared by processes.
        deadline: the time at which Lambda ends the invocation, in epoch seconds, or `None`.
        started: epoch seconds.
        init_ms: on a cold start without SnapStart, the milliseconds from the start of the process to the decoration of
            the handler.
        tenant_id: `context.tenant_id`, of a function with tenant isolation; `None` otherwise.
        worker_pid: on Managed Instances, the process, of several in the environment; `None` elsewhere.
    """

    invocation_id: str
    function: str
    version: str
    cold_start: bool
    trigger: Trigger
    trace: TraceHeader | None
    adopted: TraceHeader | None
    upstreams: tuple[Upstream, ...]
    memory_limit_mb: int | None
    deadline: float | None
    started: float
    init_ms: float | None
    tenant_id: str | None
    worker_pid: int | None

    @property
    def trace_id(self) -> str | None:
        """The id of the trace that the work belongs to."""
        header = self.adopted or self.trace
        return header.root if header else None


class Outcome:
    """How an invocation ended.

    Attributes:
        kind: `success`, `error`, `timeout` or `suspended`.
        error: the exception that the handler raised or, of a durable execution, failed with; or `None`.
        value: the handler's return value, or a durable execution's result; never changed.
        duration_ms: milliseconds from right before the handler to right after it.
        ended: epoch seconds.
    """

    __slots__ = ("duration_ms", "ended", "error", "kind", "value")

    def __init__(
        self, kind: str, error: BaseException | None, value: Any, duration_ms: float, ended: float
    ) -> None:
        self.kind, self.error, self.value = kind, error, value
        self.duration_ms, self.ended = duration_ms, ended


class _Process:
    """State of the process rather than of an invocation: whether it has been invoked before."""

    invoked = False


def read(event: object, context: object, settings: Settings, init_ms: float | None = None) -> Invocation:
    """Read the facts of an invocation from the arguments of its handler.

    Args:
        event: anything; read, never copied or changed.
        context: Lambda's context, `None`, a mapping, a mock, or an object that may lack any attribute.
        settings: of the decorated handler.
        init_ms: milliseconds from the start of the process to the decoration, if that was part of this start.
    """
    cold_start, started = not _Process.invoked and _is_cold(settings), time()
    trigger, trace, upstreams = UNKNOWN, None, NONE
    try:  # like the failsafe's `attempt`, without the cost of one call for each
        trigger = read_trigger(event)
        trace = parse(own_header()) if settings.tracing else None
        upstreams = extract(event, trigger, context)
    except Exception as error:
        failed("event", error)
    id_, function, version, memory_mb, remaining_ms, tenant_id = _read_plain(context) or _read_odd(context)
    return Invocation(
        id_ or _new_id(),
        function or settings.function_name,
        version or settings.function_version,
        cold_start,
        trigger,
        trace,
        adoptable(trace, upstreams) if upstreams and settings.tracing and not settings.each_record else None,
        upstreams,
        None if settings.managed_instances else memory_mb or settings.memory_limit_mb,
        remaining_ms if remaining_ms is None else (time() if remaining_ms else started) + remaining_ms / 1000,
        started,
        init_ms if cold_start else None,
        tenant_id,
        os.getpid() if settings.managed_instances else None,
    )


_Known = tuple[str | None, str | None, str | None, int | None, float | None, str | None]


def _read_plain(context: Any) -> _Known | None:
    """Read a context made by the runtime client; return `None` for any other."""
    try:
        found = context.aws_request_id, context.function_name, context.function_version
        memory, remaining = context.memory_limit_in_mb, context.get_remaining_time_in_millis()
        tenant_id = getattr(context, "tenant_id", None)  # older runtime clients have none
        plain = (
            type(found[0]) is type(found[1]) is type(found[2]) is type(memory) is str
            and type(remaining) is int
        )
        sound = plain and all(found) and memory.isdecimal() and 0 <= remaining <= _REMAINING_MOST
        known = sound and (tenant_id is None or type(tenant_id) is str)
        return (*found, int(memory), remaining, tenant_id or None) if known else None
    except Exception:  # None, a mapping, an object that lacks an attribute
        return None


def _read_odd(context: object) -> _Known:
    return (
        _text(context, "aws_request_id"),
        _text(context, "function_name"),
        _text(context, "function_version"),
        _memory_limit(context),
        _remaining(context),
        _text(context, "tenant_id"),
    )


def adoptable(own: TraceHeader | None, upstreams: tuple[Upstream, ...]) -> TraceHeader | None:
    """Return the upstream trace that all the work comes from, if there is exactly one and it isn't our own already.

    Lambda starts a new trace for messages from a queue, and only links the sender's. Messages of one trace that were
    sent by several calls have several parents: the first one is used, and `upstreams` lists them all. If the batch
    items come from two traces, or one has no trace, the invocation stays in its own.
    """
    headers = [upstream.header for upstream in upstreams]
    first = headers[0] if headers else None
    if first is None or first.parent is None or (own is not None and own.root == first.root):
        return None
    if getattr(upstreams, "more_traces", False):  # beyond those that `upstreams` lists
        return None
    return first if all(header is not None and header.root == first.root for header in headers) else None


def _new_id() -> str:
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def function_arn(context: object) -> str | None:
    """Return the ARN that the function was invoked by, maybe with a qualifier, if its context has one."""
    return _text(context, "invoked_function_arn")


def set_invoked(invoked: bool) -> None:
    """Set whether an invocation has begun in this environment: the first one is a cold start."""
    _Process.invoked = invoked


def _is_cold(settings: Settings) -> bool:
    set_invoked(True)
    _process.note_peak()  # the imports have reached it
    return settings.initialization_type not in _NOT_COLD


def _attribute(context: object, name: str) -> Any:
    try:
        return context.get(name) if isinstance(context, dict) else getattr(context, name, None)
    except Exception:  # a property that raises: the other attributes are still usable
        return None


def _text(context: object, name: str) -> str | None:
    value = _attribute(context, name)
    return value if isinstance(value, str) and value else None


def _memory_limit(context: object) -> int | None:
    value = _attribute(context, "memory_limit_in_mb")
    if isinstance(value, str):
        return int(value) or None if value.isascii() and value.isdecimal() and len(value) < 8 else None  # noqa: PLR2004
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _remaining(context: object) -> float | None:
    remaining = _attribute(context, "get_remaining_time_in_millis")
    try:
        left = remaining() if callable(remaining) else None
        return left if isinstance(left, int | float) and 0 <= left <= _REMAINING_MOST else None
    except Exception:  # a context written by the user
        return None
