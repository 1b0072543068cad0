"""Can what happened be read afterwards: traces, log lines, and for how long?"""

from typing import Final

from lambda_guard.templates.survey.model import Function, LogGroup, Survey
from lambda_guard.templates.survey.nodes import Unknown
from lambda_guard.tools.audit.findings import Found, Open, Subject, Yield, known, unread

_WITHOUT_METRICS: Final = {"INFREQUENT_ACCESS", "DELIVERY"}
_DROPS_INFO: Final = {"WARN", "ERROR", "FATAL"}


def no_tracing(subject: Subject) -> Yield:
    """Yield functions that begin no trace of their own."""
    for it in subject.watched():
        if it.tracing in (None, "PassThrough", "Disabled"):
            yield Found(it.at("Tracing", "TracingConfig"), f"{it.logical_id} isn't traced", (it.logical_id,))


def text_format(subject: Subject) -> Yield:
    """Yield functions whose platform lines are text."""
    for it in subject.watched():
        if it.log_format in (None, "Text"):
            place = it.at("LoggingConfig.LogFormat", "LoggingConfig")
            yield Found(place, f"{it.logical_id} logs in text format", (it.logical_id,))


def dropped_lines(subject: Subject) -> Yield:
    """Yield guarded functions whose records Lambda drops, for its own level is above INFO."""
    for it in subject.watched():
        if it.application_log_level in _DROPS_INFO and subject.code(it).guarded:
            place = it.at("LoggingConfig.ApplicationLogLevel", "LoggingConfig")
            what = (
                f"{it.logical_id} drops lines below {it.application_log_level}, invocation records among them"
            )
            yield Found(place, what, (it.logical_id,))


def _group(survey: Survey, function: Function) -> LogGroup | Unknown | None:
    """Return a function's log group; None where Lambda makes it, `Unknown` where it isn't told."""
    named = {
        f"/aws/lambda/{one}" for one in (f"${{{function.logical_id}}}", function.name) if one is not None
    }
    if function.log_group is not None:
        named = {str(function.log_group)}
    for group in survey.log_groups:
        if f"${{{group.logical_id}}}" in named or str(group.name) in named:
            return group
    if function.log_group is not None:
        return Unknown(str(function.log_group))
    unsettled = [one.name for one in survey.log_groups if str(one.name).startswith("{")]
    return Unknown(str(unsettled[0])) if unsettled else None


def no_retention(subject: Subject) -> Yield:
    """Yield functions whose log lines are kept for ever."""
    if "log groups" in subject.survey.unread:
        yield from unread(subject, "log groups")
        return
    for it in subject.survey.functions:
        group = _group(subject.survey, it)
        if isinstance(group, Unknown):
            yield Open(it.logical_id, "its log group isn't here")
        elif group is None:
            what = f"{it.logical_id} has no log group here: Lambda makes one that never expires"
            yield Found(it.place, what, (it.logical_id,))
        elif group.retention is None:
            yield Found(group.place, f"{group.logical_id} keeps log lines for ever", (it.logical_id,))


def wrong_class(subject: Subject) -> Yield:
    """Yield functions whose log group takes no metrics out of log lines."""
    for it in subject.survey.functions:
        group = _group(subject.survey, it)
        if isinstance(group, LogGroup) and known(group.kind) and group.kind in _WITHOUT_METRICS:
            what = f"{group.logical_id} is of class {group.kind}: {it.logical_id}'s metrics are lost"
            yield Found(group.place, what, (it.logical_id,))
