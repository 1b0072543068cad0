"""Where do events go that failed for good: of asynchronous invocations, and of streams?"""

from collections.abc import Iterator

from lambda_guard.templates.survey.model import Function, Source, Survey
from lambda_guard.templates.survey.nodes import Text, Unknown
from lambda_guard.tools.audit.findings import Found, Subject, Yield, unread


def asynchronous_without_destination(subject: Subject) -> Yield:
    """Yield functions that events invoke, and that have neither a dead-letter queue nor a destination."""
    yield from unread(subject, "callers")
    for it in subject.watched():
        callers = _services(subject.survey, it, "asynchronous")
        if callers and it.dead_letter is None and it.on_failure is None:
            what = f"{it.logical_id} is invoked by {callers}; an event that fails three times is gone"
            yield Found(it.place, what, (it.logical_id,))


def _services(survey: Survey, function: Function, kind: str) -> str:
    found = {it.service for it in survey.sources_of(function) if it.kind == kind and it.enabled is not False}
    return ", ".join(sorted(found))


def fifo_dead_letters(subject: Subject) -> Yield:
    """Yield functions whose dead letters go to a FIFO queue or topic, which Lambda can't send to."""
    for it in subject.survey.functions:
        for key, target in (("DeadLetterQueue", it.dead_letter), ("EventInvokeConfig", it.on_failure)):
            queue = subject.survey.queue(target)
            if (queue is not None and queue.fifo is True) or str(target).endswith(".fifo"):
                place = it.at(key, "DeadLetterConfig")
                yield Found(place, f"{it.logical_id} sends failed events to a FIFO target", (it.logical_id,))


def own_source(subject: Subject) -> Yield:
    """Yield functions and queues whose dead letters go back to where they came from."""
    for it in subject.survey.queues:
        if subject.survey.queue(it.dead_letters) is it:
            readers = tuple(
                one.function
                for one in subject.survey.sources
                if one.function is not None and subject.survey.queue(one.source) is it
            )
            yield Found(it.at("RedrivePolicy"), f"{it.logical_id} is its own dead-letter queue", readers)
    for function in subject.survey.functions:
        sources = [one for one in subject.survey.sources_of(function) if one.source is not None]
        for target in (function.dead_letter, function.on_failure):
            if any(_same(subject.survey, target, source.source) for source in sources):
                what = f"{function.logical_id} sends failed events to what invokes it: they go round for ever"
                yield Found(function.at("DeadLetterQueue", "DeadLetterConfig"), what, (function.logical_id,))


def _same(survey: Survey, first: Text, second: Text) -> bool:
    if first is None or second is None:
        return False
    one, other = survey.queue(first), survey.queue(second)
    if one is not None or other is not None:
        return one is other
    return str(first) == str(second)


def useless_dead_letters(subject: Subject) -> Yield:
    """Yield functions with a dead-letter queue of their own that only a queue invokes: it never gets anything."""
    for it in subject.watched():
        kinds = {source.kind for source in subject.survey.sources_of(it)}
        if it.dead_letter is not None and "queue" in kinds and "asynchronous" not in kinds:
            what = f"{it.logical_id} has a dead-letter queue of its own, which its event source doesn't use"
            yield Found(it.at("DeadLetterQueue", "DeadLetterConfig"), what, (it.logical_id,))


def streams(subject: Subject) -> Iterator[tuple[Function, Source]]:
    """Yield the mappings of streams that are at work."""
    for it in subject.watched():
        for source in subject.survey.sources_of(it):
            if source.kind == "stream" and source.enabled is not False:
                yield it, source


def stream_without_destination(subject: Subject) -> Yield:
    """Yield mappings of streams whose failed records nobody gets."""
    for it, source in streams(subject):
        if source.on_failure is None and source.service != "unknown":
            what = f"{it.logical_id} reads {source.service}: what it gives up leaves no trace"
            yield Found(source.place, what, (it.logical_id,))


def stream_without_end(subject: Subject) -> Yield:
    """Yield mappings that repeat a record until it expires, and let nothing behind it pass."""
    for it, source in streams(subject):
        bounds = (source.retries, source.age)
        if source.service not in {"kinesis", "dynamodb"} or any(isinstance(one, Unknown) for one in bounds):
            continue
        if all(one is None or one == -1 for one in bounds):
            what = f"{it.logical_id} repeats a failing batch of {source.service} until it expires"
            yield Found(source.place, what, (it.logical_id,))
