"""Does anybody learn that a function fails?"""

import re
from collections.abc import Iterator
from typing import Final

from lambda_guard import _names
from lambda_guard.templates.survey.model import Alarm, Function, Metric, Survey
from lambda_guard.templates.survey.nodes import Unknown
from lambda_guard.tools.audit.findings import Found, Open, Subject, Yield

_FROM: Final = re.compile(r"""\bFROM\s+(?:SCHEMA\s*\(\s*)?(?:"([^"]+)"|'([^']+)'|([\w/]+))""", re.IGNORECASE)
LAMBDA: Final = "AWS/Lambda"

_BY_NAME: Final = ("FunctionName", "Resource", _names.FUNCTION_NAME)
_QUEUE: Final = "AWS/SQS"


def no_alarm(subject: Subject) -> Yield:
    """Yield one finding for all functions that no alarm looks at."""
    closed = next((it.unread["alarms"] for it in _together(subject) if "alarms" in it.unread), None)
    if closed is not None:
        yield from (Open(it.logical_id, closed) for it in subject.survey.functions)
        return
    alarms = [(survey, alarm) for survey in _together(subject) for alarm in survey.alarms]
    silent = [
        it
        for it in subject.watched("WG101")
        if not _by_fleet(subject, it)
        and not any(_looks_at(alarm, it, subject.survey, survey) for survey, alarm in alarms)
    ]
    if silent:
        names = ", ".join(it.logical_id for it in silent)
        every = "no function" if len(silent) == len(subject.survey.functions) else f"not {names}"
        what = "no alarm looks at a function here" if every == "no function" else f"no alarm looks at {names}"
        yield Found(silent[0].place, what, tuple(it.logical_id for it in silent))


def unseen_by_fleet(subject: Subject) -> Yield:
    """Yield functions whose metrics go to another namespace than the fleet alarms watch."""
    watched = _fleet(subject) - {LAMBDA}
    for it in subject.watched() if watched else ():
        namespace = it.variable(_names.ENV_NAMESPACE)
        if isinstance(namespace, Unknown):
            yield Open(it.logical_id, "its namespace isn't settled")
        elif namespace is not None and str(namespace) not in watched:
            listed = ", ".join(sorted(watched))
            what = f"{it.logical_id} writes its metrics to {namespace}; the fleet alarms watch {listed}"
            yield Found(it.at("Environment"), what, (it.logical_id,))


def _together(subject: Subject) -> tuple[Survey, ...]:
    return (subject.survey, *subject.others)


def _fleet(subject: Subject) -> frozenset[str]:
    """Return the namespaces that Metrics Insights queries watch for every function."""
    queries = [query for survey in _together(subject) for alarm in survey.alarms for query in alarm.queries]
    found = (match for query in queries for match in _FROM.finditer(str(query)))
    return subject.covered | {next(part for part in match.groups() if part) for match in found}


def _by_fleet(subject: Subject, function: Function) -> bool:
    fleet = _fleet(subject)
    if LAMBDA in fleet:
        return True
    namespace = function.variable(_names.ENV_NAMESPACE) or _names.DEFAULT_NAMESPACE
    named = isinstance(namespace, Unknown) or str(namespace) in fleet
    return bool(fleet) and named and subject.code(function).guarded is not False


def _looks_at(alarm: Alarm, function: Function, survey: Survey, of: Survey) -> bool:
    """Return whether an alarm sees, or may see, a function; what isn't settled may."""
    if not alarm.metrics and not alarm.queries:
        return (
            alarm.rule is None
        )  # an alarm on log lines, or one that isn't settled; a composite one has others
    return any(_metric_sees(metric, function, survey, of) for metric in alarm.metrics)


def _metric_sees(metric: Metric, function: Function, survey: Survey, of: Survey) -> bool:
    namespace = str(metric.namespace)
    if isinstance(metric.dimensions, Unknown) or isinstance(metric.namespace, Unknown):
        return True
    if namespace == _QUEUE:
        return _queue_of(metric, function, survey)
    named = [metric.dimensions[key] for key in _BY_NAME if key in metric.dimensions]
    if namespace == LAMBDA or named:
        return not named or any(_means(value, function, of) for value in named)
    return not namespace.startswith("AWS/")  # an application's own metric: whose it is can't be told


def _means(value: object, function: Function, of: Survey) -> bool:
    found = of.function(value)
    if found is not None:
        return found is function  # another template may have one of the same logical id
    if isinstance(value, Unknown):
        return True
    name = str(value).split(":")[0]
    return function.name is not None and (str(function.name) == name or isinstance(function.name, Unknown))


def _queue_of(metric: Metric, function: Function, survey: Survey) -> bool:
    """Return whether an alarm looks at the dead letters of a function: their queue is where failures show."""
    assert not isinstance(metric.dimensions, Unknown)
    queue = survey.queue(metric.dimensions.get("QueueName"))
    if queue is None:
        return False
    return queue.logical_id in set(_letters(function, survey))


def _letters(function: Function, survey: Survey) -> Iterator[str]:
    targets = [function.dead_letter, function.on_failure]
    for source in survey.sources_of(function):
        read = survey.queue(source.source)
        targets += [source.on_failure, None if read is None else read.dead_letters]
    for target in targets:
        if (queue := survey.queue(target)) is not None:
            yield queue.logical_id
