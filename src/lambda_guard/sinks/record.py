"""The invocation record: the result of an invocation, in one line that is also an EMF document.

It is written on every invocation, so the parts that every record has are formatted as text, and only optional parts go
through the encoder. `docs/records.md` explains the keys.
"""

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from time import process_time
from typing import TYPE_CHECKING, Any, Final

from .. import _failsafe, _json, _names, _process, _stdout
from .._invocation import Invocation, Outcome, function_arn
from .._scope import Scope
from ..failure import attempts, exceptions
from ..trigger.read import LAMBDA
from ..trigger.table import TABLE
from . import Sink

if TYPE_CHECKING:
    from .._settings import Settings
    from ..propagation.calls import AwsCalls
    from ..trigger.read import Trigger

# A log event holds 1 MB: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_BYTES_MOST: Final = 900_000
_LEVELS: Final = {
    _names.SUCCESS: "INFO",
    _names.FAILURE: "ERROR",
    _names.TIMEOUT: "ERROR",
    _names.SUSPENDED: "INFO",
}
# The CPU clock starts before the handler and stops after it: a few µs of our own lie between, up to 50 where caches are
# cold, and the kernel reports it in µs. From this duration on that is 5 % at most.
_CPU_SHARE_LEAST_MS: Final = 1.0
_FUNCTION_ARN_FIELDS: Final = 7  # arn:aws:lambda:REGION:ACCOUNT:function:NAME, and maybe a qualifier


class Record(Sink):
    """Writes the invocation record, together with the metrics that haven't been written yet."""

    part = "record"

    def leave(self, scope: Scope, outcome: Outcome) -> None:
        """Write the whole record, or, if that fails, the part of it that nothing broken can affect."""
        before, scope.unwritten = scope.unwritten, ""
        try:
            line = line_of(scope, outcome)
            if len(line) > _BYTES_MOST // 4 and len(line.encode()) > _BYTES_MOST:
                line = _json.fit(json.loads(line), _BYTES_MOST)
        except Exception as error:
            _failsafe.failed("record", error)
            line = _bare_line_of(scope, outcome)
        _stdout.write(before + line)

    warn = leave


class Usage(Sink):
    """Measures memory and CPU."""

    part = "process"

    def enter(self, scope: Scope) -> None:
        """Note what the process has used before the handler runs."""
        scope.cpu_s = process_time()

    def leave(self, scope: Scope, _: Outcome) -> None:
        """Note what the process has used when the handler is done."""
        scope.used = _process.used(scope.cpu_s)


_START: Final = f'{{"{_names.LEVEL}":"'
_MESSAGE: Final = f'","{_names.MESSAGE}":'
_TIMESTAMP: Final = f',"{_names.TIMESTAMP}":"'
_SERVICE: Final = f'","{_names.SERVICE}":'
_OUTCOME: Final = f',"{_names.RECORD}":"{_names.RECORD_INVOCATION}","{_names.OUTCOME}":"'
_SEVERITY: Final = f'","{_names.SEVERITY_TEXT}":"'
_TRIGGER: Final = f',"{_names.TRIGGER}":{{"{_names.TYPE}":"'
_SOURCE: Final = f'","{_names.SOURCE}":'
_RECORDS: Final = f',"{_names.RECORDS}":'
_DURATION: Final = f',"{_names.DURATION_MS}":'
_REMAINING: Final = f',"{_names.REMAINING_MS}":'
_USED: Final = f',"{_names.MEMORY_USED_MB}":'
_LIMIT: Final = f',"{_names.MEMORY_LIMIT_MB}":'
_CPU: Final = f',"{_names.CPU_MS}":'
_TRIGGER_TYPE: Final = f',"{_names.TRIGGER_TYPE}":"'
_EMF: Final = f',"{_names.EMF}":{{"{_names.EMF_TIMESTAMP}":'
_TRACE: Final = f',"{_names.TRACE_ID}":"'
_LAMBDA_TRACE: Final = f',"{_names.LAMBDA_TRACE_ID}":"'
_SPAN: Final = f',"{_names.SPAN_ID}":"'
_PARENT: Final = f',"{_names.PARENT_ID}":"'
_METRIC: Final = {name: f',"{name}":' for name in _names.UNITS}


def line_of(scope: Scope, outcome: Outcome) -> str:
    """Return the record as one line of JSON."""
    it, settings = scope.invocation, scope.settings
    trigger, ended = it.trigger, outcome.ended
    metrics: dict[str, float | str] = {}
    used = _usage(scope, outcome, metrics)
    if _is_usual(scope, outcome):
        message, rare = f'{_succeeded(it.function)}{outcome.duration_ms:.1f} ms"', ""
        middle = _middle(settings.service, _names.SUCCESS, "INFO")
        if failures := _failsafe.take_count():
            metrics[_names.GUARD_ERRORS] = failures
    else:
        level = _level(scope, outcome)
        message = f"{_START}{level}{_MESSAGE}{_json.quote(_sentence(scope, outcome))}"
        middle = _middle(settings.service, outcome.kind, level)
        _count(scope, outcome, metrics)
        found = _rare(scope, outcome)
        rare = f",{_json.encode(found)[1:-1]}" if found else ""
    left = "" if it.deadline is None else f"{_REMAINING}{max(0, int((it.deadline - ended) * 1000))}"
    dimension = f'{_TRIGGER_TYPE}{trigger.type}"' if _names.TRIGGER in settings.dimensions else ""
    return (
        f"{message}{_TIMESTAMP}{_stdout.timestamp(ended)}{middle}{scope.tail}"
        f"{_DIRECT if trigger is LAMBDA else _trigger(trigger)}{_place(scope)}{rare}"
        f"{_DURATION}{outcome.duration_ms:.3f}{left}{used}{dimension}"
        f"{_emf(settings, settings.dimensions, ended, metrics)}}}"
    )


def _is_usual(scope: Scope, outcome: Outcome) -> bool:
    """Return whether there is nothing to say that only some records have: then nothing is looked for, either."""
    it = scope.invocation
    if it.trigger is not LAMBDA or outcome.kind != _names.SUCCESS or it.cold_start or it.upstreams:
        return False
    if scope.http or scope.durable is not None or scope.overran is not None or scope.settings.metrics_all:
        return False
    found = scope.aws, scope.batch, it.tenant_id, it.init_ms, scope.stuck, scope.final_attempts
    return found == _NOTHING and attempts.number(scope) is None


_NOTHING: Final = (None,) * 6


def _trigger(trigger: "Trigger") -> str:
    source = "null" if trigger.source is None else _json.quote(trigger.source)
    return f"{_TRIGGER}{trigger.type}{_SOURCE}{source}{_RECORDS}{trigger.records}}}"


_DIRECT: Final = _trigger(LAMBDA)


@lru_cache(8)
def _succeeded(function: str) -> str:
    """Return the beginning of a usual record, up to its duration."""
    return f"{_START}INFO{_MESSAGE}{_json.quote(f'{function} succeeded in ')[:-1]}"


@lru_cache(16)
def _middle(service: str, outcome: str, level: str) -> str:
    """Return what stands between the time and the keys of every line."""
    return f'{_SERVICE}{_json.quote(service)}{_OUTCOME}{outcome}{_SEVERITY}{level}"'


def _bare_line_of(scope: Scope, outcome: Outcome) -> str:
    """Return a record that needs no clock, no reading of the process and no exception's message."""
    settings = scope.settings
    level, started = _LEVELS[outcome.kind], scope.invocation.started
    metric = {_names.FAILURE: _names.ERRORS, _names.TIMEOUT: _names.TIMEOUTS}.get(outcome.kind)
    emf = ""
    if isfinite(started):
        metrics = {**({metric: 1} if metric else {}), _names.GUARD_ERRORS: _failsafe.take_count()}
        emf = _emf(settings, (), started, metrics)
    return (
        f"{_START}{level}{_MESSAGE}{_json.quote(f'{scope.invocation.function}: {outcome.kind}')}"
        f'{_SERVICE[1:]}{_json.quote(settings.service)}{_OUTCOME}{outcome.kind}{_SEVERITY}{level}"{scope.tail}{emf}}}'
    )


def _emf(
    settings: "Settings", dimensions: tuple[str, ...], time: float, metrics: Mapping[str, float | str]
) -> str:
    """Return the metrics as an EMF document has them; nothing if there are none, since EMF requires one."""
    if not metrics:
        return ""
    directive = _definitions(settings.namespace, dimensions, tuple(metrics))
    values = "".join([f"{_METRIC[name]}{value}" for name, value in metrics.items()])
    return f"{_EMF}{int(time * 1000)},{directive}}}{values}"


@lru_cache(64)
def _definitions(namespace: str, dimensions: tuple[str, ...], metrics: tuple[str, ...]) -> str:
    """Return the EMF directive for a set of metrics; a function has only a handful of different sets."""
    base = [_names.SERVICE, _names.FUNCTION_NAME]
    more = [_names.TRIGGER_TYPE if name == _names.TRIGGER else name for name in dimensions]
    directive = {
        _names.EMF_NAMESPACE: namespace,
        _names.EMF_DIMENSIONS: [base, [*base, *more]] if more else [base],
        _names.EMF_METRICS: [
            {_names.EMF_NAME: name, _names.EMF_UNIT: _names.UNITS[name]} for name in metrics
        ],
    }
    return f'"{_names.EMF_DIRECTIVES}":[{_json.encode(directive)}]'


def _level(scope: Scope, outcome: Outcome) -> str:
    if scope.is_server_error:
        return "ERROR"
    in_part = scope.batch is not None and scope.batch.failed and outcome.kind == _names.SUCCESS
    return "WARNING" if in_part else _LEVELS[outcome.kind]


def _sentence(scope: Scope, outcome: Outcome) -> str:
    function, took = scope.invocation.function, f"{outcome.duration_ms:.1f} ms"
    if outcome.kind == _names.TIMEOUT:
        late = f"timed out, and went on for {_overrun_ms(scope, outcome)} ms: {scope.overran}"
        return f"{function} {late if scope.overran is not None else f'is about to time out after {took}'}"
    if outcome.kind == _names.FAILURE:
        kind = "unknown" if outcome.error is None else exceptions.type_name(outcome.error)
        return f"{function} failed after {took}: {kind}"
    if outcome.kind == _names.SUSPENDED:
        return f"{function} was suspended after {took}, and will be invoked again"
    if scope.batch is not None and scope.batch.failed:
        return f"{function} succeeded in {took}, but for {scope.batch.failed} of {scope.batch.total} records"
    if scope.http is not None and scope.is_server_error:
        return f"{function} answered with {scope.http[_names.STATUS]} after {took}"
    return f"{function} succeeded in {took}"


def _place(scope: Scope) -> str:
    it, place = scope.invocation, scope.place
    header = it.adopted or it.trace
    if header is None:
        return ""
    own = f'{_LAMBDA_TRACE}{it.trace.root}"' if it.adopted is not None and it.trace is not None else ""
    span = f'{_SPAN}{place.span_id}"' if place is not None else ""
    parent = f'{_PARENT}{header.parent}"' if header.parent is not None else ""
    return f'{_TRACE}{header.root}"{own}{span}{parent}'


def _rare(scope: Scope, outcome: Outcome) -> dict[str, Any]:
    """Return the keys that only some records have, in the order in which they are written."""
    it = scope.invocation
    found = _asked(scope) if scope.http or scope.durable is not None or it.tenant_id is not None else {}
    if it.upstreams:
        _add_upstreams(found, it)
    if it.cold_start or scope.aws is not None:
        _add_place(found, scope)
    if (batch := scope.batch) is not None:
        found[_names.RECORDS] = {
            _names.TOTAL: batch.total,
            _names.FAILED: batch.failed,
            _names.FAILURES: batch.failures,
        }
    if (number := attempts.number(scope)) is not None:
        found[_names.ATTEMPT] = number
    if (final := attempts.is_final(scope)) is not None:
        found[_names.FINAL_ATTEMPT] = final
    if scope.stuck is not None or scope.overran is not None:
        _add_lateness(found, scope, outcome)
    if outcome.error is not None:
        known = _failsafe.attempt("record.error", exceptions.as_record, outcome.error)
        found[_names.ERROR] = known or {_names.TYPE: exceptions.type_name(outcome.error)}
    if it.init_ms is not None:
        found[_names.INIT_MS] = round(it.init_ms, 1)
    return found


def _asked(scope: Scope) -> dict[str, Any]:
    """Return who asked, and what for."""
    asked: dict[str, Any] = {_names.TENANT_ID: scope.invocation.tenant_id, _names.HTTP: scope.http}
    found = {key: value for key, value in asked.items() if value}
    return found if scope.durable is None else found | {_names.DURABLE: scope.durable.as_record()}


def _add_lateness(found: dict[str, Any], scope: Scope, outcome: Outcome) -> None:
    """Add what the watchdog saw, unless the handler made it after all; note if a record has said it before."""
    if scope.overran is not None:
        found[_names.OVERRUN] = {
            _names.OUTCOME: scope.overran,
            _names.OVERRUN_MS: _overrun_ms(scope, outcome),
        }
    if scope.stuck is None:
        return
    if outcome.kind != _names.TIMEOUT or scope.overran is not None:
        found[_names.TIMEOUT_WARNED] = True
    if outcome.kind != _names.TIMEOUT:
        return
    found[_names.ERROR] = scope.stuck.as_error()
    found[_names.STUCK] = scope.stuck.as_record()


def _overrun_ms(scope: Scope, outcome: Outcome) -> int:
    deadline = scope.invocation.deadline
    return int((outcome.ended - deadline) * 1000) if deadline is not None else 0


def _add_upstreams(found: dict[str, Any], it: Invocation) -> None:
    left = _names.MESSAGE_IDS_MOST
    upstreams = []
    for header, message_ids in it.upstreams[: _names.UPSTREAMS_MOST]:
        upstreams.append(
            {
                _names.UPSTREAM_TRACE_ID: header.root if header else None,
                _names.PARENT_ID: header.parent if header else None,
                _names.MESSAGE_IDS: list(message_ids[:left]),
            }
        )
        left = max(0, left - len(message_ids))
    found[_names.UPSTREAMS] = upstreams
    if more := len(it.upstreams) - len(upstreams) + getattr(it.upstreams, "more", 0):
        found[_names.UPSTREAMS_MORE] = more


def _add_place(found: dict[str, Any], scope: Scope) -> None:
    """Add where the function is, and what it has called from there."""
    if (arn := function_arn(scope.context)) is not None:
        found[_names.FUNCTION_ARN] = arn
    if scope.aws is not None:
        _add_aws_calls(found, scope.aws, arn)


def _add_aws_calls(found: dict[str, Any], aws: "AwsCalls", own_arn: str | None) -> None:
    if aws.sent:
        found[_names.SENT] = list(aws.sent)
        if aws.sent_more:
            found[_names.SENT_MORE] = aws.sent_more
    if aws.counts:
        found[_names.CALLS] = aws.as_record(*_own_place(own_arn))
        if aws.more:
            found[_names.CALLS_MORE] = aws.more
        if aws.unnamed:
            found[_names.CALLS_UNNAMED] = True


def _own_place(own_arn: str | None) -> tuple[str | None, str | None]:
    """Return the function's Region and account, as far as they are known."""
    fields = (own_arn or "").split(":")
    if len(fields) >= _FUNCTION_ARN_FIELDS:
        return fields[3], fields[4]
    return os.environ.get(_names.ENV_REGION), None


def _usage(scope: Scope, outcome: Outcome, metrics: dict[str, float | str]) -> str:
    """Return the keys for memory and CPU, and add their metrics."""
    cpu_ms, used = scope.used or _process.used(scope.cpu_s)
    said, share = _memory(used, scope.invocation.memory_limit_mb)
    if share is not None:
        metrics[_names.MEMORY_UTILIZATION] = share
    if (took := outcome.duration_ms) >= _CPU_SHARE_LEAST_MS:
        metrics[_names.CPU_UTILIZATION] = int(cpu_ms / took * 1000) / 10
    return f"{said}{_CPU}{cpu_ms:.1f}"


@lru_cache(8)
def _memory(used: float | None, limit: int | None) -> tuple[str, str | None]:
    """Return the keys for memory, and its share of the limit; most invocations find the size as it was."""
    said = "" if used is None else f"{_USED}{used:.1f}"
    share = str(int(used / limit * 1000) / 10) if used is not None and limit is not None else None
    return (said if limit is None else f"{said}{_LIMIT}{limit}"), share


def _count(scope: Scope, outcome: Outcome, metrics: dict[str, float | str]) -> None:
    """Add the metrics that count something, without zeros and without those that a timeout's record has had already."""
    kind = outcome.kind
    first = scope.stuck is None or (kind == _names.TIMEOUT and scope.overran is None)
    if kind == _names.FAILURE:
        metrics[_names.ERRORS] = 1
    elif kind == _names.TIMEOUT and first:
        metrics[_names.TIMEOUTS] = 1
    if first:
        _count_once(scope, metrics)
    if scope.batch is not None and scope.batch.failed:
        metrics[_names.RECORD_FAILURES] = scope.batch.failed
    if scope.is_server_error:
        metrics[_names.SERVER_ERRORS] = 1
    final = scope.final_attempts
    if final is None and kind not in _names.NO_FAILURE and first and attempts.is_final(scope):
        final = 1
    if final:
        metrics[_names.FINAL_ATTEMPTS] = final
    if failures := _failsafe.take_count():
        metrics[_names.GUARD_ERRORS] = failures
    if scope.settings.metrics_all and first:
        metrics[_names.INVOCATIONS] = 1
        metrics[_names.DURATION] = outcome.duration_ms


def _count_once(scope: Scope, metrics: dict[str, float | str]) -> None:
    it = scope.invocation
    if it.cold_start:
        metrics[_names.COLD_STARTS] = 1
        if it.init_ms is not None:
            metrics[_names.INIT_DURATION] = round(it.init_ms, 1)
    if it.trigger.type in TABLE.batches:
        metrics[_names.RECORD_COUNT] = it.trigger.records
    if it.trigger.oldest_ms is not None:
        metrics[_names.MESSAGE_AGE] = max(0, int(it.started * 1000) - it.trigger.oldest_ms)
