"""The loop around a handler: sinks in, handler, sinks out in reverse, and the outcome untouched.

`enter` and `leave` are all that runs besides the handler. Each sink runs through the failsafe, on its own, so that one
that fails takes no other with it.
"""

from collections.abc import Iterable, Iterator
from math import isfinite, nan
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from . import _names, _process, _scope
from ._failsafe import Step, attempt, attempt_all, failed
from ._invocation import Outcome, read
from ._settings import Settings
from .batch import PartialResponse
from .failure.attempts import Attempts
from .propagation.adoption import Adoption
from .sinks import Sink
from .sinks.log import lines
from .sinks.log.final_attempt import FinalAttempt
from .sinks.log.printed import Print
from .sinks.metrics import UserMetrics
from .sinks.record import Record, Usage
from .timeout import snapshot
from .timeout.watchdog import Watchdog
from .trigger.read import messages_of
from .trigger.table import TABLE

if TYPE_CHECKING:
    from .sinks.tracer import Tracer


class Guard:
    """What a decorated handler has for as long as the process lives.

    Which sinks there are is decided here, once, and not on every invocation.

    Args:
        settings: resolved at decoration.
        handler: the handler's name.

    Attributes:
        entering, leaving, warning: the steps of the sinks before the handler, after it, and when its time runs out.
    """

    __slots__ = ("_init_ms", "_settings", "_tracer", "entering", "leaving", "warning")

    def __init__(self, settings: Settings, handler: str) -> None:
        self._settings = settings
        self._init_ms = attempt("process.age", _process.age_ms)
        attempt("process.peak", _process.note_peak)
        self._tracer = attempt("trace.install", _make_tracer, handler) if settings.tracing else None
        sinks = tuple(self._sinks())
        self.entering = _steps(sinks, "enter")
        self.leaving = _steps(reversed(sinks), "leave")
        self.warning = _steps(sinks, "warn")
        attempt("log.install", _install_logging, settings)
        attempt("calls.install", _install_calls)

    def _sinks(self) -> Iterator[Sink]:
        """Yield the sinks in the order in which they are entered; the way out is the same, reversed."""
        yield lines.LogKeys()
        yield Attempts()
        yield Record()  # it says what all below came to
        yield FinalAttempt()
        yield UserMetrics()
        if self._settings.capture_print:
            yield Print()
        if self._settings.tracing:
            yield Adoption()
        if self._tracer is not None:
            yield self._tracer
        yield PartialResponse()
        yield Watchdog(self.warn)
        yield Usage()  # around the handler alone: what the others use isn't the handler's

    def enter(self, event: object, context: object) -> _scope.Scope | None:
        """Begin an invocation; `None` where one is at work already: decorated twice, the outer one has it."""
        own = _scope.own()
        if own is not None and own.context is context:
            return None
        invocation = read(event, context, self._settings, self._init_ms)
        scope = _scope.Scope(invocation, self._settings, context, self._tracer)
        if invocation.trigger.type in TABLE.queues and not self._settings.each_record:
            scope.messages = attempt("batch.messages", _messages, event) or ()
        _scope.enter(scope)
        try:
            attempt_all(self.entering, scope)
        except BaseException:  # Ctrl-C, say: the handler won't be called
            _scope.leave(scope)
            raise
        scope.clock = perf_counter()
        return scope

    def leave(self, scope: _scope.Scope, error: BaseException | None, value: Any) -> None:
        """End an invocation."""
        kind = _names.FAILURE if error is not None else _names.SUCCESS
        try:
            attempt_all(self.leaving, scope, _outcome(scope, kind, error, value))
        finally:
            _scope.leave(
                scope
            )  # also where we were cut short, by Ctrl-C: the next invocation is no part of this one

    def warn(self, scope: _scope.Scope) -> None:
        """Say that an invocation's time is running out, and where it stands, while the handler is at work."""
        _scope.lend(scope)
        try:
            scope.stuck = attempt("watchdog.look", snapshot.look, scope) or snapshot.UNSEEN
            attempt_all(self.warning, scope, _outcome(scope, _names.TIMEOUT, None, None))
        finally:
            _scope.lend(None)


def _outcome(scope: _scope.Scope, kind: str, error: BaseException | None, value: Any) -> Outcome:
    try:
        duration_ms, ended = (perf_counter() - scope.clock) * 1000, time()
        if not isfinite(duration_ms + ended):
            raise ValueError(f"a duration of {duration_ms} ms, at {ended}")  # noqa: TRY301 - to be said below
    except Exception as clock:  # it gives nonsense: the record says so, and all else
        failed("clock", clock)
        duration_ms = ended = nan
    return Outcome(kind, error, value, duration_ms, ended)


def _steps(sinks: Iterable[Sink], way: str) -> tuple[Step, ...]:
    """Return the sinks' methods, where they have one, each with the name of what would be missing."""
    return tuple(
        (f"{sink.part}.{way}", getattr(sink, way))
        for sink in sinks
        if getattr(type(sink), way) is not getattr(Sink, way)
    )


def _install_logging(settings: Settings) -> None:
    _scope.Defaults.set(settings)
    logger = lines.line_logger()
    logger.setLevel(settings.log_level)
    lines.install_records()
    lines.take_over_runtime_handler()
    for warning in settings.warnings:
        logger.warning("%s", warning)


def _make_tracer(handler: str) -> "Tracer":
    from .sinks.tracer import make  # late: whoever doesn't trace doesn't pay for it

    return make("xray", handler)


def _install_calls() -> None:
    import wrapt

    wrapt.register_post_import_hook(_botocore_imported, "botocore.client")


def _botocore_imported(module: Any) -> None:
    attempt("calls.install", _watch_calls, module)


def _watch_calls(module: Any) -> None:
    from ._aws_calls import Calls
    from .propagation import inject

    inject.watch(module, Calls())


def _messages(event: object) -> tuple[Any, ...]:
    """Return the messages that Lambda took from a queue, which the handler may take out of the event."""
    if issubclass(type(event), list):  # from a pipe, which reads answers by rules of its own
        return ()
    return tuple(messages_of(event) or ())
