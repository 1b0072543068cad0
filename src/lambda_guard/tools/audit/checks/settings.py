"""The function's own settings: timeout, memory, runtime."""

from datetime import date, timedelta
from typing import Final

from lambda_guard.templates.survey.model import Source
from lambda_guard.tools.audit.findings import Found, Subject, Yield

_CALLERS: Final = {"api": 29.0, "http-api": 30.0, "cognito": 5.0, "appsync": 30.0, "alexa": 8.0, "edge": 30.0}
"""Seconds that a caller waits.

https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html,
https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html,
https://docs.aws.amazon.com/general/latest/gr/appsync.html
"""
_MAPPING_WAITS: Final = 900.0
_SOON: Final = timedelta(days=180)


def no_timeout(subject: Subject) -> Yield:
    """Yield functions that have Lambda's default timeout."""
    for it in subject.watched():
        if it.timeout is None and not subject.survey.deployed:
            yield Found(it.place, f"{it.logical_id} has no Timeout: it is 3 s", (it.logical_id,))


def no_memory(subject: Subject) -> Yield:
    """Yield functions that have Lambda's default memory."""
    for it in subject.watched():
        if it.memory is None and not subject.survey.deployed:
            yield Found(it.place, f"{it.logical_id} has no MemorySize: it is 128 MB", (it.logical_id,))


def longer_than_caller(subject: Subject) -> Yield:
    """Yield functions that may work on after their caller has given up."""
    for it in subject.survey.functions:
        limits = {
            source.service: limit
            for source in subject.survey.sources_of(it)
            if (limit := _waits(source)) is not None
        }
        if not limits or not isinstance(it.seconds, float):
            continue
        service = min(limits, key=lambda name: limits[name])
        if it.seconds > limits[service]:
            what = f"{it.logical_id} may take {it.seconds:g} s; its caller ({service}) waits {limits[service]:g} s"
            yield Found(it.at("Timeout"), what, (it.logical_id,))


def _waits(source: Source) -> float | None:
    if source.seconds is not None:
        return source.seconds / 1000 if isinstance(source.seconds, float) else None
    return _CALLERS.get(source.service)


def durable_mapping(subject: Subject) -> Yield:
    """Yield durable functions whose executions outlast the mapping that waits for them."""
    for it in subject.survey.functions:
        mapped = [source for source in subject.survey.sources_of(it) if source.mapped]
        if mapped and isinstance(it.durable_seconds, float) and it.durable_seconds > _MAPPING_WAITS:
            what = f"{it.logical_id}'s executions may take {it.durable_seconds:g} s; its mapping waits 900 s"
            yield Found(it.at("DurableConfig"), what, (it.logical_id,))


def old_runtime(subject: Subject) -> Yield:
    """Yield functions whose runtime gets no security updates any more, or soon."""
    for it in subject.survey.functions:
        end = subject.runtimes.get(it.runtime) if isinstance(it.runtime, str) else None
        if end is not None and end - subject.today < _SOON:
            yield Found(
                it.at("Runtime"),
                f"{it.logical_id}: {it.runtime} {_ends(end, subject.today)} {end.isoformat()}",
                (it.logical_id,),
                "W2531" if end <= subject.today else None,
            )


def _ends(end: date, today: date) -> str:
    return "has had no security updates since" if end <= today else "gets no security updates after"
