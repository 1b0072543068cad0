"""The loop around a handler: sinks in, handler, sinks out in reverse, and the outcome untouched.

`enter` and `leave` are all that runs besides the handler. Each of their parts runs through the seam, on its
own, so that one that fails takes no other with it; neither of the two raises.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import _names, _process, _scope
from ._failsafe import attempt, attempt_all
from ._invocation import Outcome, read
from ._settings import Settings
from .failure import attempts
from .sinks import record
from .sinks.log import final_attempt, lines, printed
from .timeout import snapshot, watchdog
from .trigger.read import messages_of
from .trigger.table import TABLE

Step = tuple[str, Callable[..., object]]


class Guard:
    """What a decorated handler has for as long as the process lives.

    Which parts run around the handler is decided here, once, and not on every invocation.

    Attributes:
        settings: resolved at decoration.
        name: the handler's name in traces, `## <name>`.
        init_ms: what the process needed up to the decoration, in milliseconds.
        entering: the parts that run before the handler, in order; each gets the scope.
        leaving: the parts that run after it, in order; each gets the scope and the outcome.
        warning: the parts that run when its time runs out, on the watchdog's thread; as those that leave.
    """

    __slots__ = ("entering", "init_ms", "leaving", "name", "settings", "warning")

    def __init__(self, settings: Settings, name: str) -> None:
        self.settings = settings
        self.name = f"## {_traceable(name)}"
        self.init_ms = attempt("process.age", _process.age_ms)
        attempt("process.peak", _process.note_peak)
        self.entering = tuple(self._entering())
        self.leaving = tuple(self._leaving())
        self.warning = tuple(self._warning())
        attempt("log.install", _install_logging, settings)
        if settings.tracing:
            attempt("trace.install", _install_tracing)
        attempt("calls.install", _install_calls)

    def _entering(self) -> Iterator[Step]:
        yield "log.enter", lines.enter
        if self.settings.capture_print:
            yield "log.print.enter", printed.enter
        if self.settings.tracing:
            from .sinks.xray import span  # late: who doesn't trace doesn't pay for it

            yield "trace.enter", partial(span.enter, self.name)
        yield "watchdog.arm", partial(watchdog.arm, self.warn)
        yield "process.enter", record.enter  # last: what the others use isn't the handler's

    def _leaving(self) -> Iterator[Step]:
        yield "process.leave", record.leave  # first: what the others use isn't the handler's
        yield "watchdog.disarm", watchdog.disarm
        yield "batch.observe", _observe_batch
        if self.settings.capture_print:
            yield "log.print.leave", printed.leave
        if self.settings.tracing:
            from .sinks.xray import span

            yield "trace.leave", span.leave
            yield "trace.close", partial(span.close, self.name)
        yield "metrics.flush", _flush_metrics
        yield "attempts.warn", final_attempt.warn
        yield "record", record.write
        yield "attempts.remember", attempts.remember
        yield "log.leave", lines.leave
        yield "scope.leave", _scope.leave

    def _warning(self) -> Iterator[Step]:
        yield (
            "record.timeout",
            record.write,
        )  # first of all: should anything below get stuck, it has been said
        yield "attempts.warn", final_attempt.warn
        yield "metrics.timeout", _flush_metrics_so_far
        if self.settings.capture_print:
            yield "log.print.timeout", printed.leave
        if self.settings.tracing:
            from .sinks.xray import timeout

            yield "trace.timeout", partial(timeout.send, self.name)

    def enter(self, event: object, context: object) -> "_scope.Scope | None":
        """Begin an invocation; `None` where one is at work already, or where it can't even be read."""
        own = _scope.own()
        if own is not None and own.context is context:
            return None  # decorated twice: the outer one has it
        scope = attempt("read", self._begin, event, context)
        if scope is not None:
            try:
                attempt_all(self.entering, scope)
            except BaseException:  # Ctrl-C, say: the handler won't be called
                _scope.leave(scope)
                raise
            scope.clock = time.perf_counter()
        return scope

    def _begin(self, event: object, context: object) -> "_scope.Scope":
        scope = _scope.Scope(read(event, context, self.settings, self.init_ms), self.settings, context)
        if scope.invocation.trigger.type in TABLE.queues and not self.settings.each_record:
            scope.messages = attempt("messages", _messages, event) or ()
        _scope.enter(scope)
        return scope

    def leave(self, scope: "_scope.Scope", error: BaseException | None, value: Any) -> None:
        """End an invocation."""
        duration_ms = (time.perf_counter() - scope.clock) * 1000
        kind = _names.FAILURE if error is not None else _names.SUCCESS
        try:
            attempt_all(self.leaving, scope, Outcome(kind, error, value, duration_ms, time.time()))
        finally:
            if scope.open:  # cut short, by Ctrl-C, say: the next invocation is no part of this one
                _scope.leave(scope)

    def warn(self, scope: "_scope.Scope") -> None:
        """Say that an invocation's time is running out, and where it stands, while the handler is at work."""
        _scope.lend(scope)
        try:
            scope.stuck = attempt("watchdog.look", snapshot.look, scope) or snapshot.UNSEEN
            duration_ms = (time.perf_counter() - scope.clock) * 1000
            attempt_all(self.warning, scope, Outcome(_names.TIMEOUT, None, None, duration_ms, time.time()))
        finally:
            _scope.lend(None)


def _install_logging(settings: Settings) -> None:
    _scope.Defaults.set(settings)
    logger = lines.line_logger()
    logger.setLevel(settings.log_level)
    lines.install_records()
    lines.take_over_runtime_handler()
    for warning in settings.warnings:
        logger.warning("%s", warning)


def _traceable(name: str) -> str:
    return "".join(char for char in name if char.isalnum() or char in " _.:/%&#=+-@")[:180] or "handler"


def _install_tracing() -> None:
    import os

    if os.environ.get(_names.ENV_DAEMON_ADDRESS):  # INIT has a full CPU, an invocation a fraction of one
        from .sinks.xray import span

        span.recorder().ready()


def _install_calls() -> None:
    import wrapt

    wrapt.register_post_import_hook(_botocore_imported, "botocore.client")


def _botocore_imported(module: Any) -> None:
    attempt("calls.install", _watch_calls, module)


def _watch_calls(module: Any) -> None:
    from ._aws_calls import Calls
    from .propagation import inject

    inject.watch(module, Calls())


def _flush_metrics(scope: "_scope.Scope", _: Outcome) -> None:
    if scope.metrics is not None:
        scope.metrics.leave(scope)


def _flush_metrics_so_far(scope: "_scope.Scope", _: Outcome) -> None:
    if (metrics := scope.metrics) is not None:
        metrics.flush_so_far(scope)


def _messages(event: object) -> tuple[Any, ...]:
    """Return the messages that Lambda took from a queue, which the handler may take out of the event."""
    if issubclass(type(event), list):  # from a pipe, which reads answers by rules of its own
        return ()
    return tuple(messages_of(event) or ())


def _observe_batch(scope: "_scope.Scope", outcome: Outcome) -> None:
    """Look at the failures that a plain handler answers with by itself."""
    value = outcome.value
    if type(value) is not dict or scope.records is not None:
        return
    failures: Any = value.get("batchItemFailures")
    if issubclass(type(failures), list) and scope.invocation.trigger.type in TABLE.batches:
        from .batch import partial_response  # late: most handlers never answer so

        partial_response.observe(scope, failures)
