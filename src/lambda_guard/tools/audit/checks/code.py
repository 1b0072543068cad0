"""Does the code do what the template says?"""

from collections.abc import Iterator
from typing import Any

from lambda_guard import _names
from lambda_guard.templates.survey.model import Function, Source
from lambda_guard.templates.survey.nodes import Unknown
from lambda_guard.tools.audit.findings import Found, Open, Subject, Yield, known
from lambda_guard.tools.audit.handler_code import dependency_named

_PARTIAL = {"sqs", "kinesis", "dynamodb", "kafka"}
_BATCH = {"sqs": 10.0, "kinesis": 100.0, "dynamodb": 100.0, "kafka": 100.0}


def _batches(subject: Subject) -> Iterator[tuple[Function, Source]]:
    """Yield the mappings that know partial batch responses."""
    for it in subject.watched():
        for source in subject.survey.sources_of(it):
            if source.mapped and source.service in _PARTIAL and source.enabled is not False:
                yield it, source


def answered_not_declared(subject: Subject) -> Yield:
    """Yield functions that answer which items failed, with a mapping that doesn't read it."""
    for it, source in _batches(subject):
        code = subject.code(it)
        if source.partial is False and code.unread:
            yield Open(it.logical_id, code.unread)
        elif source.partial is False and code.answers:
            what = f"{it.logical_id} answers with batchItemFailures, and its mapping doesn't read them"
            yield Found(source.place, what, (it.logical_id,))


def declared_not_answered(subject: Subject) -> Yield:
    """Yield mappings that read which items failed, of functions that never say it."""
    for it, source in _batches(subject):
        if source.partial is True and subject.code(it).never_answers:
            what = f"{it.logical_id} never answers with batchItemFailures, which its mapping reads"
            yield Found(source.place, what, (it.logical_id,))


def whole_batches(subject: Subject) -> Yield:
    """Yield mappings with several items a batch that all come again when one fails."""
    for it, source in _batches(subject):
        size = _BATCH[source.service] if source.batch_size is None else source.batch_size
        if source.partial is not False or subject.code(it).answers:
            continue
        if isinstance(size, Unknown):
            yield Open(it.logical_id, "the batch size of its mapping isn't settled")
        elif size is not None and size > 1:
            what = f"{it.logical_id} gets up to {size:g} items at once; when one fails, all come again"
            yield Found(source.place, what, (it.logical_id,))


def receive_count(subject: Subject) -> Yield:
    """Yield functions that are told another number of receives than the redrive policy has."""
    for it, said, receives in _receives(subject):
        if known(said) and str(said) != f"{receives:g}":
            what = f"{_names.ENV_MAX_RECEIVE_COUNT} is {said}, and maxReceiveCount {receives:g}"
            place = it.at("Environment.Variables", "Environment")
            yield Found(place, f"{it.logical_id}: {what}", (it.logical_id,))


def no_receive_count(subject: Subject) -> Yield:
    """Yield guarded functions that can't tell which attempt is the last."""
    for it, said, _ in _receives(subject):
        if said is None and subject.code(it).guarded:
            what = f"{it.logical_id} isn't told the maxReceiveCount of its queue"
            yield Found(it.place, what, (it.logical_id,))


def _receives(subject: Subject) -> Iterator[tuple[Function, Any, float]]:
    for it, source in _batches(subject):
        queue = subject.survey.queue(source.source)
        if queue is not None and isinstance(queue.receives, float):
            yield it, it.variable(_names.ENV_MAX_RECEIVE_COUNT), queue.receives


def undecorated(subject: Subject) -> Yield:
    """Yield functions whose handler isn't decorated."""
    for it in subject.watched():
        code = subject.code(it)
        if code.unread:
            yield Open(it.logical_id, code.unread)
        elif code.guarded is False and it.variable("AWS_LAMBDA_EXEC_WRAPPER") is None:
            yield Found(it.at("Handler"), f"{it.logical_id}'s handler isn't decorated", (it.logical_id,))


def no_dependency(subject: Subject) -> Yield:
    """Yield functions that import lambda_guard, and have it neither as a dependency nor in a layer."""
    for it in subject.survey.functions:
        code = subject.code(it)
        if (code.imports or code.guarded) and dependency_named(it) is False:
            what = f"{it.logical_id} imports lambda_guard, which is in no layer and no list of dependencies"
            yield Found(it.at("CodeUri", "Code", "Handler"), what, (it.logical_id,))
