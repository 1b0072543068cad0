"""Queues that functions read: redrive, visibility, and who is throttled.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from lambda_guard.templates.survey.model import Function, Queue, Source
from lambda_guard.templates.survey.nodes import Place
from lambda_guard.tools.audit.findings import Found, Open, Subject, Yield, known, seconds, unread

_RECEIVES: Final = 5
_TIMES: Final = 6
_COUNTED: Final = {"sqs", "kinesis", "dynamodb"}
_VISIBILITY: Final = 30.0
_RETENTION: Final = 345_600.0


def _read(subject: Subject) -> Iterator[tuple[Function, Source, Queue | None]]:
    """Yield the queues that functions read, with their mapping; None for one that isn't here."""
    for it in subject.survey.functions:
        for source in subject.survey.sources_of(it):
            if source.kind == "queue" and source.enabled is not False:
                yield it, source, subject.survey.queue(source.source)


def _dead_letter_queues(subject: Subject) -> set[str]:
    targets = [it.dead_letters for it in subject.survey.queues]
    targets += [target for it in subject.survey.functions for target in (it.dead_letter, it.on_failure)]
    targets += [source.on_failure for source in subject.survey.sources]
    return {queue.logical_id for target in targets if (queue := subject.survey.queue(target)) is not None}


def no_redrive(subject: Subject) -> Yield:
    """Yield queues whose failing messages come again until they expire."""
    yield from unread(subject, "mappings")
    letters = _dead_letter_queues(subject)
    for it, source, queue in _read(subject):
        if source.hidden:
            what = f"{it.logical_id} reads a queue that SAM makes for its subscription, without redrive"
            yield Found(source.place, what, (it.logical_id,))
        elif queue is None:
            yield Open(it.logical_id, "its queue isn't here")
        elif queue.dead_letters is None and queue.logical_id not in letters:
            yield Found(queue.place, f"{queue.logical_id} has no redrive policy", (it.logical_id,))


def few_receives(subject: Subject) -> Yield:
    """Yield queues that give a message up after too few attempts."""
    for it, _, queue in _read(subject):
        if queue is None or not known(queue.receives):
            continue
        assert isinstance(queue.receives, float)
        if queue.receives < _RECEIVES:
            receives = "1 receive" if queue.receives == 1 else f"{queue.receives:g} receives"
            what = f"{queue.logical_id} gives a message up after {receives}"
            yield Found(queue.at("RedrivePolicy"), what, (it.logical_id,))


def short_retention(subject: Subject) -> Yield:
    """Yield dead-letter queues that delete messages sooner than their source does."""
    for queue in subject.survey.queues:
        letters = subject.survey.queue(queue.dead_letters)
        if letters is None or letters is queue:
            continue
        kept = _RETENTION if letters.retention is None else letters.retention
        of_source = _RETENTION if queue.retention is None else queue.retention
        if isinstance(kept, float) and isinstance(of_source, float) and kept < of_source:
            what = (
                f"{letters.logical_id} keeps messages for {seconds(kept)}, counted from when they were sent to "
                f"{queue.logical_id}, which keeps them for {seconds(of_source)}"
            )
            yield Found(letters.at("MessageRetentionPeriod"), what, _readers(subject, queue))


def fifo_mismatch(subject: Subject) -> Yield:
    """Yield FIFO queues with a standard dead-letter queue, and the reverse."""
    for queue in subject.survey.queues:
        letters = subject.survey.queue(queue.dead_letters)
        if letters is None or not all(one.fifo in (True, False, None) for one in (queue, letters)):
            continue
        if bool(queue.fifo) != bool(letters.fifo):
            kinds = ("a FIFO queue", "a standard queue")
            kind, other = kinds if queue.fifo else kinds[::-1]
            what = f"{queue.logical_id} is {kind}, and its dead-letter queue {letters.logical_id} {other}"
            yield Found(queue.at("RedrivePolicy"), what, _readers(subject, queue))


def _readers(subject: Subject, queue: Queue) -> tuple[str, ...]:
    return tuple(it.logical_id for it, _, read in _read(subject) if read is queue)


def least_visibility(timeout: float, window: float) -> float:
    """Return for how long a queue should hide its messages, in seconds.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    return _TIMES * timeout + window


def short_visibility(subject: Subject) -> Yield:
    """Yield queues that show a message again while the function may still be at work with it."""
    for it, source, queue in _read(subject):
        if queue is None and not source.hidden:
            continue
        visibility = _VISIBILITY if queue is None or queue.visibility is None else queue.visibility
        window = 0.0 if source.window is None else source.window
        if not all(isinstance(one, float) for one in (it.seconds, visibility, window)):
            yield Open(it.logical_id, "its timeout or its queue's visibility timeout isn't settled")
            continue
        assert isinstance(it.seconds, float)
        assert isinstance(visibility, float)
        assert isinstance(window, float)
        least = least_visibility(it.seconds, window)
        if visibility < least:
            place = source.place if queue is None else queue.at("VisibilityTimeout")
            found = _short(it, queue, visibility, least, place)
            # cfn-lint compares the two in plain CloudFormation, where the mapping is a resource.
            also = visibility < it.seconds and "Events" not in source.place.steps
            yield replace(found, known="E3505") if also else found


def _short(it: Function, queue: Queue | None, visibility: float, least: float, place: Place) -> Found:
    name = "the queue of its subscription" if queue is None else queue.logical_id
    assert isinstance(it.seconds, float)
    what = (
        f"{name} hides a message for {seconds(visibility)}; with {it.logical_id}'s timeout of "
        f"{seconds(it.seconds)} it should be {least:g} s"
    )
    return Found(place, what, (it.logical_id,))


def throttled_mapping(subject: Subject) -> Yield:
    """Yield mappings that take more batches at once than the function's reserved concurrency lets through."""
    for it, source, _ in _read(subject):
        reserved, most = it.reserved, source.concurrency
        if isinstance(reserved, float) and isinstance(most, float) and reserved < most:
            what = f"{it.logical_id} reserves a concurrency of {reserved:g}, and its mapping takes {most:g} batches"
            yield Found(source.place, f"{what} at once", (it.logical_id,))


def unbounded_mapping(subject: Subject) -> Yield:
    """Yield mappings without a bound on functions with one: what is throttled counts as received."""
    for it, source, _ in _read(subject):
        if isinstance(it.reserved, float) and it.reserved > 0 and source.concurrency is None:
            what = (
                f"{it.logical_id} reserves a concurrency of {it.reserved:g}, and its mapping has no maximum"
            )
            yield Found(source.place, what, (it.logical_id,))


def no_event_count(subject: Subject) -> Yield:
    """Yield mappings whose metrics don't say how many events were filtered, failed or dropped."""
    for it in subject.watched():
        for source in subject.survey.sources_of(it):
            if source.service in _COUNTED and source.mapped and source.metrics is False:
                what = f"the mapping of {it.logical_id} counts no events"
                yield Found(source.place, what, (it.logical_id,))
