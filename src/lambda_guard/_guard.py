"""The loop around a handler: sinks in, handler, sinks out in reverse, and the outcome untouched.

Only `enter` and `leave` run around the handler. Each sink runs through the failsafe separately, so one that fails
doesn't stop the others.
"""

from collections.abc import Iterable, Iterator
from math import isfinite, nan
from sys import modules
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from . import _imports, _names, _process, _scope, _threads
from ._failsafe import Step, attempt, attempt_all, failed
from ._invocation import Outcome, read
from ._settings import UNKNOWN, Settings
from .batch import PartialResponse
from .failure.attempts import Attempts
from .propagation.header import parse
from .sinks import Sink
from .sinks.log import lines, other_loggers
from .sinks.log.printed import Print
from .sinks.metrics import UserMetrics
from .sinks.record import Record, Usage
from .timeout import watchdog
from .trigger.read import messages_of, raw_event
from .trigger.table import TABLE

if TYPE_CHECKING:
    from ._durable import Execution
    from .sinks.tracer import Tracer
    from .trigger.read import Trigger


class Guard:
    """The state of a decorated handler that lasts as long as the process.

    The sinks are chosen here, once, and not on every invocation.

    Args:
        settings: resolved at decoration.
        handler: the handler's name.

    Attributes:
        entering, leaving, warning: the steps of the sinks before the handler, after it, and when its time runs out.
    """

    __slots__ = ("_init_ms", "_settings", "_tracer", "entering", "leaving", "warning")

    def __init__(self, settings: Settings, handler: str) -> None:
        self._settings = settings
        snapstart = settings.initialization_type == _names.SNAP_START
        self._init_ms = None if snapstart else attempt("process.age", _process.age_ms)
        self._tracer = (
            attempt("trace.install", _make_tracer, settings.tracing, handler) if settings.tracing else None
        )
        sinks = tuple(self._sinks())
        self.entering = _steps(sinks, "enter")
        if settings.service == settings.function_name == UNKNOWN:  # in tests: only the context has a name
            self.entering = (("service.enter", _name_service), *self.entering)
        self.leaving = _steps(reversed(sinks), "leave")
        self.warning = _steps(sinks, "warn")
        attempt("log.install", _install_logging, settings)
        attempt("calls.install", _install_calls)
        attempt("threads.install", _threads.watch)
        if snapstart:
            attempt("snapstart.install", _install_snapstart, self._tracer)
        if settings.initialization_type:
            attempt("init", _prepare, settings)

    def _sinks(self) -> Iterator[Sink]:
        """Yield the sinks in the order in which they are entered; they are left in reverse."""
        yield lines.LogKeys()
        if self._settings.log_sample_rate is not None:
            from .sinks.log import sampling  # late: only an operator's word needs it

            yield sampling.SampledDebug(self._settings.log_sample_rate)
        yield Attempts()
        yield Record()  # it reports the results of all sinks below
        if self._settings.max_receive_count is not None:
            from .sinks.log import final_attempt  # late: without it, no attempt is known to be final

            yield final_attempt.FinalAttempt()
        yield UserMetrics()
        if self._settings.capture_print:
            yield Print()
        if self._settings.tracing:
            from .propagation import adoption  # late: without tracing, it isn't imported

            yield adoption.Adoption()
        if self._tracer is not None:
            yield self._tracer
        yield PartialResponse()
        yield watchdog.Watchdog(self.warn)
        yield Usage()  # innermost: the resources that the other sinks use aren't the handler's

    def enter(self, event: object, context: object) -> _scope.Scope | None:
        """Begin an invocation; return `None` if it has begun already, as in a handler that is decorated twice."""
        own = _scope.own()
        if own is not None and own.context is context:
            return None
        durable = attempt("durable", _durable, event, context) if _names.DURABLE_SDK in modules else None
        if durable is not None:
            if _scope.has_begun(durable.context):
                return None  # it stands on both sides of the SDK's decorator, and has begun outside
            event = durable.event
        elif type(event) is not dict:
            event = raw_event(event)
        inner = context if durable is None else durable.context
        invocation = read(event, inner, self._settings, self._init_ms)
        scope = _scope.Scope(invocation, self._settings, inner, self._tracer)
        scope.event, scope.durable = event, durable
        if invocation.trigger.type in TABLE.queues and not self._settings.each_record:
            scope.messages = attempt("batch.messages", _messages, event) or ()
        _scope.enter(scope)
        try:
            attempt_all(self.entering, scope)
        except BaseException:  # Ctrl-C, for example: the handler won't be called
            _scope.leave(scope)
            raise
        scope.clock = perf_counter()
        return scope

    def leave(self, scope: _scope.Scope, error: BaseException | None, value: Any) -> None:
        """End an invocation."""
        kind = _names.FAILURE if error is not None else _names.SUCCESS
        if scope.durable is not None:
            kind, error, value = attempt("durable", scope.durable.ended, error, value) or (kind, error, value)
        outcome = _outcome(scope, kind, error, value)
        if self._settings.managed_instances:
            _hold_against_deadline(scope, outcome)
        try:
            attempt_all(self.leaving, scope, outcome)
        finally:
            _scope.leave(scope)  # even after Ctrl-C: the next invocation isn't part of this one

    def warn(self, scope: _scope.Scope) -> None:
        """Report that an invocation is running out of time, and where it is stuck, while its handler is running."""
        _scope.lend(scope)
        try:
            if scope.durable is not None:
                scope.thread = attempt("durable", scope.durable.thread, scope.thread) or scope.thread
            scope.stuck = attempt("watchdog.snapshot", _look, scope)
            attempt_all(self.warning, scope, _outcome(scope, _names.TIMEOUT, None, None))
        finally:
            _scope.lend(None)


def _durable(event: object, context: object) -> "Execution | None":
    from . import _durable as durable  # late: only a durable function needs it

    return durable.read(event, context, _running)


def _running() -> "Execution | None":
    scope = _scope.current()
    return scope.durable if scope is not None else None


def _look(scope: _scope.Scope) -> Any:
    from .timeout import snapshot  # late: the watchdog has imported it, since it takes time

    return attempt("watchdog.look", snapshot.look, scope) or snapshot.UNSEEN


def _outcome(scope: _scope.Scope, kind: str, error: BaseException | None, value: Any) -> Outcome:
    try:
        # Rounded to µs here, by integers: a figure rounded twice isn't the record's any more in its message.
        # In this order: where the process is stopped between, it begins no later than the first of its lines.
        ended, duration_ms = time(), int((perf_counter() - scope.clock) * 1_000_000 + 0.5) / 1000
        if not isfinite(duration_ms + ended):
            raise ValueError(f"a duration of {duration_ms} ms, at {ended}")  # noqa: TRY301 - to be logged below
    except Exception as clock:  # the clock returns nonsense: the record reports that, and everything else
        failed("clock", clock)
        duration_ms = ended = nan
    if scope.invocation.trigger.http is not None:
        scope.http = attempt("http", _http, scope.invocation.trigger, kind, value)
    return Outcome(kind, error, value, duration_ms, ended)


def _http(trigger: "Trigger", kind: str, value: Any) -> dict[str, Any]:
    from .trigger.answer import http_of  # late: most functions aren't asked by HTTP

    return http_of(trigger, value, kind == _names.SUCCESS)


def _hold_against_deadline(scope: _scope.Scope, outcome: Outcome) -> None:
    """Make an end after the deadline a timeout, where that isn't enforced: the caller has had a timeout error."""
    deadline = scope.invocation.deadline
    if deadline is not None and outcome.ended > deadline:
        scope.overran, outcome.kind = outcome.kind, _names.TIMEOUT
        if scope.http is not None:
            scope.http.pop(_names.STATUS, None)  # of an answer that nobody got


def _steps(sinks: Iterable[Sink], way: str) -> tuple[Step, ...]:
    """Return the method `way` of each sink that has it, with the name of the part that would be missing."""
    return tuple(
        (f"{sink.part}.{way}", getattr(sink, way))
        for sink in sinks
        if getattr(type(sink), way) is not getattr(Sink, way)
    )


def _name_service(scope: _scope.Scope) -> None:
    scope.settings = scope.settings.for_function(scope.invocation.function)


def _install_logging(settings: Settings) -> None:
    _scope.Defaults.set(settings)
    logger = lines.line_logger()
    lines.set_level_of(settings)
    other_loggers.install_records()
    other_loggers.take_over_runtime_handler()
    if not settings.replayed_lines:
        from .sinks.log import replayed  # late: only an operator's word needs it

        replayed.install()
    for warning in settings.warnings:
        logger.warning("%s", warning)


def _make_tracer(kind: str, handler: str) -> "Tracer":
    from .sinks.tracer import make  # late: without tracing, it isn't imported

    return make(kind, handler)


def _prepare(settings: Settings) -> None:
    """Do in INIT, which has a full CPU, what the first invocation would do on a fraction of one."""
    watchdog.start()
    _process.resident_mb()
    if settings.tracing:
        parse("")


def _install_snapstart(tracer: "Tracer | None") -> None:
    from . import _snapstart  # late: most functions have no SnapStart

    _snapstart.install(tracer)


def _install_calls() -> None:
    _imports.when_imported("botocore.client", "calls.install", _watch_calls)


def _watch_calls(module: Any) -> None:
    from ._aws_calls import Calls
    from .propagation import inject

    inject.watch(module, Calls())


def _messages(event: object) -> tuple[Any, ...]:
    """Return the messages that Lambda took from a queue, kept because the handler may remove them from the event."""
    if issubclass(type(event), list):  # from a pipe, which has its own rules for responses
        return ()
    return tuple(messages_of(event) or ())
