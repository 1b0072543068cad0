"""Which invocations belong to one id, when they share batches with others. Pure.

A batch brings messages of many traces together. Whoever follows one message wants to see that batch once, and what
became of that message: not the other traces' own invocations, and not the retries of other messages.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import Invocation
from lambda_guard.tools.logs.model import as_number
from lambda_guard.tools.logs.selection import (
    Delivery,
    deliveries,
    identities,
    own_trace_ids,
    received_ids,
    sent_ids,
    trace_ids,
)

_TRACE_PREFIX: Final = "1-"


@dataclass(slots=True, frozen=True)
class Others:
    """What else was in a batch.

    Attributes:
        message_ids: the ids of the messages that belong elsewhere, as far as the record tells them.
        messages: how many they are; None where the record does not tell.
        traces: how many other traces they came from; 0 where they came without one.
    """

    message_ids: frozenset[str]
    messages: int | None
    traces: int


class Told:
    """What a record says about ids, read once: an invocation is looked at again for each id that is new.

    Attributes:
        single: whether it was invoked with one message, so that whatever led to it led to that.
        unsettled: the deliveries from which something may still be learned.
    """

    __slots__ = (
        "deliveries",
        "listed",
        "own",
        "received",
        "sent",
        "shared",
        "single",
        "unsettled",
        "upstream",
    )

    def __init__(self, invocation: Invocation) -> None:
        self.deliveries = deliveries(invocation)
        self.unsettled = self.deliveries
        self.own = own_trace_ids(invocation)
        self.received = received_ids(invocation)
        self.sent = sent_ids(invocation)
        self.listed = frozenset[str]().union(*(one.message_ids for one in self.deliveries))
        self.upstream = {one.trace_id for one in self.deliveries} - {""}
        self.shared = len({one.trace_id for one in self.deliveries}) > 1 or bool(
            invocation.number(names.UPSTREAMS_MORE)
        )
        records = as_number(invocation.trigger.get(names.RECORDS))
        count = records or sum(len(one.message_ids) for one in self.deliveries)
        self.single = len(self.deliveries) <= 1 and (count == 1 if records else count <= 1)


class Focus:
    """Finds what hangs together with an id.

    An invocation that names a trace or a message of ours belongs here. Its own trace becomes ours, and so do the
    traces that its messages came from; but of a batch that joins several traces, only those that led here. If the
    id names that batch itself, everything that led to it is ours, one level up.

    Args:
        wanted: an invocation id, a trace id, or a message id.
        invocations: those among which to look; some may not belong here.

    Attributes:
        members: those that belong here, in the order in which they were given.
    """

    def __init__(self, wanted: str, invocations: Iterable[Invocation] = ()) -> None:
        found = list(invocations)
        self._wanted = wanted
        self._traces = {wanted}
        self._messages = {wanted}
        self._invocations = {wanted}
        self._sent: dict[str, set[str]] = {}
        self._waiting: list[str] = []
        self._named: dict[str, list[Invocation]] = defaultdict(list)
        self._joined = set[int]()
        self._told = {id(one): Told(one) for one in found}
        for one in found:
            for known in identities(one):
                self._named[known].append(one)
        self._grow()
        self.members = [one for one in found if id(one) in self._joined]
        self._elsewhere = {
            message
            for one in found
            if id(one) not in self._joined
            for message in self._told[id(one)].received
        }

    @property
    def ids(self) -> frozenset[str]:
        """All ids that lead here, or on from here."""
        return frozenset(self._traces | self._messages | self._invocations | set(self._sent))

    @property
    def name(self) -> str:
        """The id of the trace that was asked for, or the one that the invocation or message belongs to."""
        if self._wanted.startswith(_TRACE_PREFIX):
            return self._wanted
        named = self._named[self._wanted]
        came_with = (
            delivery.trace_id
            for one in named
            for delivery in deliveries(one)
            if self._wanted in delivery.message_ids
        )
        return next(filter(None, came_with), "") or next(filter(None, (one.trace_id for one in named)), "")

    def others(self, invocation: Invocation) -> Others | None:
        """Return what else was in a batch; None if all of it belongs here."""
        told = deliveries(invocation)
        foreign = [one for one in told if one.trace_id and not self._is_ours(one)]
        more = int(invocation.number(names.UPSTREAMS_MORE) or 0)
        loose = {message for one in told if not one.trace_id for message in one.message_ids - self._messages}
        if not (foreign or loose or more) or id(invocation) not in self._joined:
            return None
        ids = frozenset(loose.union(*(one.message_ids for one in foreign)))
        traces = len({one.trace_id for one in foreign}) + more
        return Others(ids, None if more else _count_of(ids, told, invocation), traces)

    def is_received_elsewhere(self, message: str) -> bool:
        """Return whether an invocation that doesn't belong here received the message."""
        return message in self._elsewhere

    def _grow(self) -> None:
        """Follow the ids until none is new; an invocation is looked at again when one of its ids is."""
        for one in self._named[self._wanted]:
            if self._is_origin(one):
                self._learn(self._traces, trace_ids(one))
                self._learn(self._messages, received_ids(one))
                self._join(one)
        self._waiting.append(self._wanted)
        while self._waiting:
            for one in self._named.get(self._waiting.pop(), ()):
                if id(one) in self._joined:
                    self._settle(self._told[id(one)])
                elif self._belongs(one):
                    self._join(one)

    def _is_origin(self, invocation: Invocation) -> bool:
        """Return whether the id names this very invocation, its own trace, or what it sent by itself."""
        told = self._told[id(invocation)]
        if self._wanted == invocation.invocation_id:
            return True
        if self._wanted in told.sent:
            return not told.upstream & self._traces_of_message(self._wanted)
        return self._wanted in told.own and self._wanted not in told.upstream

    def _traces_of_message(self, message: str) -> set[str]:
        told = (delivery for one in self._named[message] for delivery in deliveries(one))
        return {one.trace_id for one in told if message in one.message_ids} - {""}

    def _belongs(self, invocation: Invocation) -> bool:
        told = self._told[id(invocation)]
        return bool(
            invocation.invocation_id in self._invocations
            or told.own & self._traces
            or any(map(self._is_ours, told.deliveries))
            or told.sent & self._messages
            or any(map(self._is_known, told.received - told.listed))
        )

    def _is_known(self, message: str) -> bool:
        return message in self._messages or message in self._sent

    def _is_ours(self, delivery: Delivery) -> bool:
        return (
            delivery.trace_id in self._traces
            or not self._messages.isdisjoint(delivery.message_ids)
            or any(self._was_sent_here(message, delivery.trace_id) for message in delivery.message_ids)
        )

    def _was_sent_here(self, message: str, trace_id: str) -> bool:
        """A batch that handles each record in its own trace also sends what belongs to the others."""
        upstream = self._sent.get(message)
        return upstream is not None and (not trace_id or trace_id not in upstream)

    def _join(self, invocation: Invocation) -> None:
        told = self._told[id(invocation)]
        self._joined.add(id(invocation))
        self._learn(self._invocations, {invocation.invocation_id})
        self._learn(self._traces, told.own - told.upstream if told.shared else told.own | told.upstream)
        self._settle(told)
        if told.single:
            self._learn(self._messages, told.received)
        for message in told.sent:
            if message not in self._sent:
                self._sent[message] = told.upstream if told.shared else set()
                self._waiting.append(message)

    def _settle(self, told: Told) -> None:
        """Learn from the deliveries that are ours by now; one that came with a trace tells all at once."""
        unsettled = list[Delivery]()
        for one in told.unsettled:
            if not self._is_ours(one):
                unsettled.append(one)
                continue
            if one.trace_id:
                self._learn(self._traces, {one.trace_id})
                self._learn(self._messages, one.message_ids)
                continue
            known = set(filter(self._is_known, one.message_ids))
            self._learn(self._messages, known)
            if len(known) < len(one.message_ids):
                unsettled.append(one)
        told.unsettled = unsettled

    def _learn(self, known: set[str], ids: Iterable[str]) -> None:
        fresh = set(ids) - known
        known |= fresh
        self._waiting += fresh


def _count_of(ids: frozenset[str], told: list[Delivery], invocation: Invocation) -> int | None:
    """Count messages by their ids; a message in an envelope may have two, so that ids alone don't tell."""
    total = int(as_number(invocation.trigger.get(names.RECORDS)) or 0)
    listed = sum(len(one.message_ids) for one in told)
    if not total or listed not in (total, 2 * total):
        return None
    return len(ids) * total // listed
