"""The invocation record: what an invocation came to, in one line that is an EMF document, too.

It is written on every invocation, so the parts that every record has are put together as text, and only what not every
one has goes through the encoder. `docs/records.md` says what the keys mean.
"""

import json
import time
from functools import lru_cache
from typing import Any, Final

from .. import _failsafe, _json, _names, _process, _stdout
from .._invocation import Invocation, Outcome
from .._scope import Scope
from ..failure import attempts, exceptions
from ..trigger.table import TABLE

_BYTES_MOST: Final = 900_000  # a CloudWatch Logs event holds 1 MB
_LEVELS: Final = {_names.SUCCESS: "INFO", _names.FAILURE: "ERROR", _names.TIMEOUT: "ERROR"}


def enter(scope: Scope) -> None:
    """Note what the process has used before the handler runs."""
    if scope.invocation.cold_start:
        _process.note_peak()  # imports have reached it
    scope.cpu_s = time.process_time()


def leave(scope: Scope, _: Outcome) -> None:
    """Note what the process has used when the handler is done."""
    scope.used = _process.used(scope.cpu_s)


def write(scope: Scope, outcome: Outcome) -> None:
    """Write the record of an invocation, and with it what is left to be written of the metrics."""
    before, scope.unwritten = scope.unwritten, ""
    try:
        line = line_of(scope, outcome)
    except Exception:
        if before:
            _stdout.write(before[:-1])
        raise
    if len(line) > _BYTES_MOST // 4 and len(line.encode()) > _BYTES_MOST:
        line = _json.fit(json.loads(line), _BYTES_MOST)
    _stdout.write(before + line)


def line_of(scope: Scope, outcome: Outcome) -> str:
    """Return the record as one line of JSON."""
    it, settings = scope.invocation, scope.settings
    metrics: dict[str, float] = {}
    used = _usage(scope, outcome, metrics)
    _count(scope, outcome, metrics)
    rare = _rare(scope, outcome)
    left = "" if it.deadline is None else max(0, int((it.deadline - outcome.ended) * 1000))
    remaining = f',"remaining_ms":{left}' if left != "" else ""
    directive = _definitions(settings.namespace, settings.dimensions, tuple(metrics))
    trigger_dimension = f',"trigger_type":"{it.trigger.type}"' if "trigger" in settings.dimensions else ""
    return (
        f'{{"level":"{_level(scope, outcome)}","message":{_json.quote(_sentence(scope, outcome))},'
        f'"timestamp":"{_stdout.timestamp(outcome.ended)}","service":{_json.quote(settings.service)},'
        f'"record":"invocation","outcome":"{outcome.kind}"{scope.tail},'
        f'"trigger":{{"type":"{it.trigger.type}","source":{_text(it.trigger.source)},"records":{it.trigger.records}}}'
        f"{_place(scope)}{',' + _json.encode(rare)[1:-1] if rare else ''}"
        f',"duration_ms":{outcome.duration_ms:.3f}{remaining}{used}{trigger_dimension}'
        f',"_aws":{{"Timestamp":{int(outcome.ended * 1000)},{directive}}}'
        f"{''.join([f',{_QUOTED[name]}:{value}' for name, value in metrics.items()])}}}"
    )


_QUOTED: Final = {name: f'"{name}"' for name in _names.UNITS}


def _text(value: str | None) -> str:
    return "null" if value is None else _json.quote(value)


@lru_cache(64)
def _definitions(namespace: str, dimensions: tuple[str, ...], metrics: tuple[str, ...]) -> str:
    """Return EMF's directive for a set of metrics: a function has a handful of them in its life."""
    base = [_names.SERVICE, _names.FUNCTION_NAME]
    more = ["trigger_type" if name == "trigger" else name for name in dimensions]
    directive = {
        "Namespace": namespace,
        "Dimensions": [base, [*base, *more]] if more else [base],
        "Metrics": [{"Name": name, "Unit": _names.UNITS[name]} for name in metrics],
    }
    return f'"CloudWatchMetrics":[{_json.encode(directive)}]'


def _level(scope: Scope, outcome: Outcome) -> str:
    return "WARNING" if outcome.kind == _names.SUCCESS and _failed_records(scope) else _LEVELS[outcome.kind]


def _failed_records(scope: Scope) -> int:
    return scope.records["failed"] if scope.records is not None else 0


def _sentence(scope: Scope, outcome: Outcome) -> str:
    function, took, failed = (
        scope.invocation.function,
        f"{outcome.duration_ms:.1f} ms",
        _failed_records(scope),
    )
    if outcome.kind == _names.TIMEOUT:
        return f"{function} is about to time out after {took}"
    if outcome.kind == _names.FAILURE:
        kind = "unknown" if outcome.error is None else exceptions.type_name(outcome.error)
        return f"{function} failed after {took}: {kind}"
    if failed and scope.records is not None:
        return f"{function} succeeded in {took}, but for {failed} of {scope.records['total']} records"
    return f"{function} succeeded in {took}"


def _place(scope: Scope) -> str:
    it = scope.invocation
    header = it.adopted or it.trace
    if header is None:
        return ""
    own = f',"lambda_trace_id":"{it.trace.root}"' if it.adopted is not None and it.trace is not None else ""
    span = f',"span_id":"{scope.span_id}"' if scope.span_id is not None else ""
    parent = f',"parent_id":"{header.parent}"' if header.parent is not None else ""
    return f',"traceId":"{header.root}"{own}{span}{parent}'


def _rare(scope: Scope, outcome: Outcome) -> dict[str, Any]:  # noqa: C901 - a list of what may be there
    """Return what only some records have, in the order in which it is written."""
    it = scope.invocation
    found: dict[str, Any] = {}
    if it.upstreams:
        _add_upstreams(found, it)
    if scope.sent:
        found["sent"] = list(scope.sent)
        if scope.sent_more:
            found["sent_more"] = scope.sent_more
    if scope.calls:
        found["calls"] = [
            {
                "service": service,
                "operation": operation,
                "resource": resource,
                "count": count,
                "errors": errors,
            }
            for (service, operation, resource), (count, errors) in list(scope.calls.items())
        ]
        if scope.calls_more:
            found["calls_more"] = scope.calls_more
    if scope.records is not None:
        found["records"] = scope.records
    if (number := attempts.number(scope)) is not None:
        found["attempt"] = number
    if (final := attempts.is_final(scope)) is not None:
        found["final_attempt"] = final
    if scope.stuck is not None:
        _add_stuck(found, scope, outcome)
    if outcome.error is not None:
        known = _failsafe.attempt("record.error", exceptions.as_record, outcome.error)
        found["error"] = known or {"type": exceptions.type_name(outcome.error)}
    if it.init_ms is not None:
        found["init_ms"] = round(it.init_ms, 1)
    return found


def _add_stuck(found: dict[str, Any], scope: Scope, outcome: Outcome) -> None:
    """Add what the watchdog saw; the record that comes after it says only that there was one."""
    if outcome.kind != _names.TIMEOUT:
        found[_names.TIMEOUT_WARNED] = True
        return
    found[_names.ERROR] = scope.stuck.as_error()
    found[_names.STUCK] = scope.stuck.as_record()


def _add_upstreams(found: dict[str, Any], it: Invocation) -> None:
    left = _names.MESSAGE_IDS_MOST
    upstreams = []
    for header, message_ids in it.upstreams[: _names.UPSTREAMS_MOST]:
        upstreams.append(
            {
                "trace_id": header.root if header else None,
                "parent_id": header.parent if header else None,
                "message_ids": list(message_ids[:left]),
            }
        )
        left = max(0, left - len(message_ids))
    found["upstreams"] = upstreams
    if more := len(it.upstreams) - len(upstreams) + getattr(it.upstreams, "more", 0):
        found["upstreams_more"] = more


def _usage(scope: Scope, outcome: Outcome, metrics: dict[str, float]) -> str:
    """Return the keys for memory and CPU, and add their metrics."""
    cpu_ms, used = scope.used or _process.used(scope.cpu_s)
    limit, said = scope.invocation.memory_limit_mb, ""
    if used is not None:
        said = f',"memory_used_mb":{used:.1f}'
        if limit is not None:
            metrics["MemoryUtilization"] = int(used / limit * 1000) / 10
    if limit is not None:
        said += f',"memory_limit_mb":{limit}'
    metrics["CpuUtilization"] = (
        int(cpu_ms / outcome.duration_ms * 1000) / 10 if outcome.duration_ms > 0 else 0.0
    )
    return f'{said},"cpu_ms":{cpu_ms:.1f}'


def _count(scope: Scope, outcome: Outcome, metrics: dict[str, float]) -> None:
    """Add the metrics that count something; nothing says zero, and nothing says again what a timeout's record said."""
    kind = outcome.kind
    first = scope.stuck is None or kind == _names.TIMEOUT
    if kind == _names.FAILURE:
        metrics[_names.ERRORS] = 1
    elif kind == _names.TIMEOUT:
        metrics[_names.TIMEOUTS] = 1
    if first:
        _count_once(scope, metrics)
    if scope.records is not None and scope.records["failed"]:
        metrics[_names.RECORD_FAILURES] = scope.records["failed"]
    if final := _final_attempts(scope, kind, first):
        metrics[_names.FINAL_ATTEMPTS] = final
    if failures := _failsafe.take_count():
        metrics[_names.GUARD_ERRORS] = failures
    if scope.settings.metrics_all and first:
        metrics[_names.INVOCATIONS] = 1
        metrics[_names.DURATION] = round(outcome.duration_ms, 3)


def _count_once(scope: Scope, metrics: dict[str, float]) -> None:
    it = scope.invocation
    if it.cold_start:
        metrics[_names.COLD_STARTS] = 1
    if it.trigger.type in TABLE.batches:
        metrics[_names.RECORD_COUNT] = it.trigger.records
    if it.trigger.oldest_ms is not None:
        metrics[_names.MESSAGE_AGE] = max(0, int(it.started * 1000) - it.trigger.oldest_ms)


def _final_attempts(scope: Scope, kind: str, first: bool) -> int:
    if scope.final_attempts is not None:
        return scope.final_attempts
    return 1 if kind != _names.SUCCESS and first and attempts.is_final(scope) else 0
