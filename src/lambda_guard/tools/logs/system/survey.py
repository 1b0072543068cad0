"""A system, surveyed from the records of its invocations. Pure.

A function has an edge to each place that it sent to, and each place one to the functions that it invoked. Between a
topic and the queue that is subscribed to it, nobody writes a record: that a message was sent to the one and received
from the other shows the edge. What no record tells isn't there.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import UNFINISHED
from lambda_guard.tools.logs.model import as_number
from lambda_guard.tools.logs.selection import failures
from lambda_guard.tools.logs.system.places import (
    DEAD,
    DIRECT,
    EVENTS,
    REPLAY,
    UNKNOWN,
    Key,
    function_place,
    target_place,
    trigger_place,
)
from lambda_guard.tools.logs.traces.tree import Node, Trace

PLACES_MOST: Final = 150
"""A map of more would be a carpet: the places where the most failed and happened are kept."""

_HAS_SENDERS: Final = frozenset({"queue", "topic"})
"""Places whose messages somebody has sent: a function, or who isn't in these logs."""


@dataclass(slots=True, eq=False)
class Place:
    """A function, or what carries messages between functions.

    Attributes:
        invocations: how many of a function; 0 of other places, and of functions that no log here is of.
        durations: of its invocations, as far as known, ms.
        unlisted: how many more messages it sent than its records list.
    """

    key: Key
    invocations: int = 0
    failed: int = 0
    cold: int = 0
    durations: list[float] = field(default_factory=list)
    unlisted: int = 0


@dataclass(slots=True, eq=False)
class Edge:
    """What went from one place to another.

    Attributes:
        count: messages, or requests; deliveries count each time.
        failed: those among them that the function failed on.
        again: those that had been delivered before.
        waits: how long they were under way, where that is known, ms: of a batch, the oldest message.
        more: whether there were more than `count`, as records list a part only.
    """

    source: Key
    target: Key
    count: int = 0
    failed: int = 0
    again: int = 0
    waits: list[float] = field(default_factory=list)
    more: bool = False
    messages: set[object] = field(default_factory=set)

    def note(self, messages: Iterable[object]) -> None:
        """Count messages once, however often they are received."""
        self.messages.update(messages)
        self.count = len(self.messages)


@dataclass(slots=True)
class System:
    """Places and edges, each in an order that doesn't depend on that of the logs.

    Attributes:
        edges_of: for each invocation, in the order in which the traces are walked, the places of its edges in `edges`.
        left_out: how many places there were no room for.
    """

    places: list[Place]
    edges: list[Edge]
    edges_of: list[list[int]]
    left_out: int = 0


class _Sender(NamedTuple):
    function: Key
    sent: Mapping[str, object]


def survey(traces: Iterable[Trace]) -> System:
    """Survey the system that invocations belong to."""
    return _Survey([node for trace in traces for _, node in trace.walk()]).system()


class _Survey:
    """Reads all records twice: who sent and received what, and then what that makes of each invocation."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._places: dict[Key, Place] = {}
        self._edges: dict[tuple[Key, Key], Edge] = {}
        self._on: list[dict[Edge, None]] = [{} for _ in nodes]
        self._messages: dict[str, _Sender] = {}
        self._spans: dict[str, _Sender] = {}
        self._receivers: dict[str, list[Node]] = defaultdict(list)
        self._accounts: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._given = {node: node.given for node in nodes}
        for node in nodes:
            self._index(node)
        self._triggers = {node: self._trigger(node) for node in nodes}
        self._died: list[dict[Node, set[str]]] = [self._dead_before(node) for node in nodes]
        self._dead = {self._triggers[node] for node, died in zip(nodes, self._died, strict=True) if died}

    def system(self) -> System:
        letters: dict[tuple[Key, Key | None], Key] = {}
        for at, node in enumerate(self._nodes):
            self._add_function(node)
            self._add_sent(at, node)
            self._add_trigger(at, node)
            if self._died[at] and (queue := self._triggers[node]) is not None:
                for before in self._died[at]:
                    letters[_function(before), self._triggers[before]] = self._place(queue)
                    self._add_letters(at, before, self._place(queue))
        for at, node in enumerate(self._nodes):
            if node.dead_letters:
                function, source = _function(node), self._triggers[node]
                unnamed = Key("dead", DEAD, "", source.name if source is not None else function.name)
                self._add_letters(at, node, letters.get((function, source), unnamed))
        return self._ordered()

    def _ordered(self) -> System:
        places = sorted(self._places.values(), key=_weight)[:PLACES_MOST]
        kept = {place.key for place in places}
        edges = [edge for edge in self._edges.values() if edge.source in kept and edge.target in kept]
        edges.sort(key=lambda edge: (edge.source, edge.target))
        numbers = {edge: number for number, edge in enumerate(edges)}
        return System(
            sorted(places, key=lambda place: place.key),
            edges,
            [[numbers[edge] for edge in on if edge in numbers] for on in self._on],
            len(self._places) - len(places),
        )

    def _index(self, node: Node) -> None:
        invocation, function = node.invocation, _function(node)
        if span := invocation.text(names.SPAN_ID):
            self._spans.setdefault(span, _Sender(function, {}))
        for sent in invocation.entries(names.SENT):
            sender = _Sender(function, sent)
            if message := sent.get(names.MESSAGE_ID):
                self._messages.setdefault(str(message), sender)
            if sent.get(names.SPAN_ID):
                self._spans[str(sent[names.SPAN_ID])] = sender
            self._note_account(target_place(sent))
        for message in self._given[node]:
            self._receivers[message].append(node)
        if (place := trigger_place(invocation.trigger)) is not None:
            self._note_account(place)

    def _note_account(self, key: Key) -> None:
        if key.account:
            self._accounts[key.what, key.name].add(key.account)

    def _whole(self, key: Key) -> Key:
        """Complete a name by the account that others name it with, where there is but one."""
        accounts = self._accounts.get((key.what, key.name), set())
        return key if key.account or len(accounts) != 1 else key._replace(account=next(iter(accounts)))

    def _trigger(self, node: Node) -> Key | None:
        """Return what invoked it, which may turn out to be a dead-letter queue."""
        place = trigger_place(node.invocation.trigger)
        return place and self._whole(place)

    def _place(self, key: Key) -> Key:
        key = self._whole(key)
        if key in self._dead:
            key = key._replace(kind="dead", what=DEAD)
        self._places.setdefault(key, Place(key))
        return key

    def _edge(self, at: int, source: Key, target: Key) -> Edge:
        edge = self._edges.get((source, target))
        if edge is None:
            edge = self._edges[source, target] = Edge(source, target)
            self._places.setdefault(source, Place(source))
            self._places.setdefault(target, Place(target))
        self._on[at][edge] = None
        return edge

    def _add_function(self, node: Node) -> None:
        invocation = node.invocation
        place = self._places.setdefault(_function(node), Place(_function(node)))
        place.invocations += 1
        place.failed += node.failed
        place.cold += invocation.cold
        place.unlisted += int(invocation.number(names.SENT_MORE) or 0)
        if invocation.duration_ms is not None:
            place.durations.append(invocation.duration_ms)

    def _add_sent(self, at: int, node: Node) -> None:
        unreceived = {id(sent) for sent in node.unreceived}
        for sent in node.invocation.entries(names.SENT):
            place = target_place(sent)
            if not place.name:
                place = self._where_it_arrived(sent) or place
            if place.kind != "function" or (id(sent) in unreceived and place.name):
                self._edge(at, _function(node), self._place(place)).count += 1
            # else the function that it invoked tells how that went, and is counted there

    def _where_it_arrived(self, sent: Mapping[str, object]) -> Key | None:
        """Return where a message was received from, if the record leaves the name of its target out."""
        receivers = self._receivers.get(str(sent.get(names.MESSAGE_ID)), ())
        found = (trigger_place(one.invocation.trigger) for one in receivers)
        return next((place for place in found if place is not None), None)

    def _add_trigger(self, at: int, node: Node) -> None:
        """Add what invoked it."""
        place = self._triggers[node]
        senders, unknown = self._senders_of(node)
        if place is not None and place.what == EVENTS:
            place = next((one for one in map(_target, senders) if one.kind == "bus"), place)
        if place is None:
            source = self._invoker(node, senders)
            if source is not None:
                _deliver(self._edge(at, source, _function(node)), node)
            return
        place = self._place(place)
        _deliver(self._edge(at, place, _function(node)), node)
        if not self._died[at]:
            self._add_way_here(at, node, place, senders, unknown)

    def _invoker(self, node: Node, senders: list[_Sender]) -> Key | None:
        """Return who invoked it with nothing in between; of a function without records, what its messages tell."""
        if senders:
            target = _target(senders[0])
            return senders[0].function if target.kind == "function" else self._place(target)
        return Key("unknown", DIRECT, "", node.invocation.function) if node.invocation.trigger else None

    # one way for each message: through a topic or a bus, straight from a caller, or from where no log here tells
    def _add_way_here(
        self, at: int, node: Node, place: Key, senders: list[_Sender], unknown: list[str]
    ) -> None:
        for sender in senders:
            target = _target(sender)
            if not sender.sent:
                self._edge(at, sender.function, place).note([node])
            elif target.name and target.kind != "function" and (via := self._place(target)) != place:
                self._edge(at, via, place).note([id(sender.sent)])
        if unknown and place.kind in _HAS_SENDERS:
            origin = Key("unknown", REPLAY if node.replay else UNKNOWN, "", f"{place.what} {place.name}")
            edge = self._edge(at, origin, place)
            edge.note(unknown)
            edge.more |= _delivered(node) > len(unknown) + len(senders)

    def _add_letters(self, at: int, before: Node, queue: Key) -> None:
        """Add the messages that an invocation was the last to fail on."""
        messages = self._died[at].get(before) or before.dead_letters
        edge = self._edge(at, _function(before), queue)
        edge.note(messages)
        edge.failed = edge.count

    def _senders_of(self, node: Node) -> tuple[list[_Sender], list[str]]:
        """Return who sent what it was invoked with, one for each message, and the messages of nobody."""
        found, unknown = dict[int, _Sender](), list[str]()
        given, foreign = set(self._given[node]), node.others.message_ids if node.others else frozenset[str]()
        for entry in node.invocation.entries(names.UPSTREAMS):
            listed = entry.get(names.MESSAGE_IDS)
            ids = [str(one) for one in listed] if isinstance(listed, list) else []
            mine = [one for one in ids if one not in foreign]
            if ids and not mine:
                continue
            known = [self._messages[one] for one in mine if one in self._messages]
            parent = self._spans.get(str(entry.get(names.PARENT_ID) or ""))
            senders = known or ([parent] if parent is not None else [])
            found.update((id(one.sent) if one.sent else id(one), one) for one in senders)
            if parent is None:  # of the messages with an envelope, one id or the other is known
                nobodys = [one for one in mine if one in given and one not in self._messages]
                unknown += nobodys[len(known) - sum(one in self._messages for one in mine if one in given) :]
        if not found and not unknown and (parent := self._parent_of(node)) is not None:
            found[0] = parent
        return list(found.values()), unknown

    def _parent_of(self, node: Node) -> _Sender | None:
        """Return who called it, by the span; of a function without records, who sent what its lines name."""
        senders = (self._messages[one] for one in self._given[node] if one in self._messages)
        return self._spans.get(node.invocation.text(names.PARENT_ID)) or next(senders, None)

    def _dead_before(self, node: Node) -> dict[Node, set[str]]:
        """Return who was the last to fail on the messages that came to this one through a dead-letter queue."""
        queue, died = self._triggers[node], defaultdict[Node, set[str]](set)
        if queue is None or queue.kind != "queue":
            return {}
        for message in self._given[node]:
            receivers, sender = self._receivers[message], self._messages.get(message)
            if sender is not None and _target(sender).kind != "queue":
                continue  # copies of what was published have its id
            if len(receivers) == 1 or self._triggers[min(receivers, key=_start)] == queue:
                continue
            before = [
                one for one in receivers if _start(one) < _start(node) and self._is_other_queue(one, queue)
            ]
            if before:
                died[max(before, key=_start)].add(message)
        return dict(died)

    def _is_other_queue(self, node: Node, queue: Key) -> bool:
        place = self._triggers[node]
        failed = node.failed or node.invocation.outcome == UNFINISHED
        return failed and place is not None and place.kind == "queue" and place != queue


def _function(node: Node) -> Key:
    return function_place(node.invocation.function)


def _target(sender: _Sender) -> Key:
    return target_place(sender.sent) if sender.sent else sender.function


def _start(node: Node) -> float:
    start = node.invocation.start_ms
    return float("inf") if start is None else start


def _weight(place: Place) -> tuple[bool, int, int, Key]:
    return place.key.kind == "unknown", -place.failed, -place.invocations, place.key


def _deliver(edge: Edge, node: Node) -> None:
    """Count what an invocation was given."""
    count = _delivered(node)
    edge.count += count
    edge.again += count if node.link == "retry" or (node.invocation.attempt or 1) > 1 else 0
    edge.failed += _failed(node, count)
    waited = _waited(node)
    if waited is not None:
        edge.waits.append(waited)


def _delivered(node: Node) -> int:
    """Return how many messages it was given, without those of other traces than the one that is shown."""
    records = int(as_number(node.invocation.trigger.get(names.RECORDS)) or 1)
    if node.others is None:
        return records
    return max(1, len(node.received) if node.others.messages is None else records - node.others.messages)


def _failed(node: Node, count: int) -> int:
    if not node.failed:
        return 0
    if node.invocation.outcome in names.NO_FAILURE and node.invocation.failed_records:
        own = [one for one in failures(node.invocation) if not node.is_of_others(one)]
        return min(count, len(own) if node.others else node.invocation.failed_records)
    return count


def _waited(node: Node) -> float | None:
    """Return how long it was under way, ms; a wait before another attempt is no queue's fault."""
    if node.link in {"retry", "resumed"} or (node.invocation.attempt or 1) > 1:
        return None
    if node.waited_ms is not None or node.others is not None:
        return node.waited_ms
    return as_number(node.invocation.facts.get(names.MESSAGE_AGE))
