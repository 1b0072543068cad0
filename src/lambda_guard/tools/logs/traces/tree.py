"""Joining invocations into traces, from their records alone.

No trace backend is asked, and nothing is sampled.

Which invocation caused which follows from, in this order: a message id that one sent and the other received; the
id of the span that sent; the id of the span that called. A message that comes again is a retry; one that comes from
another queue than before comes from the dead-letter queue, for a redrive keeps the message's id.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, Literal

from lambda_guard import _names as names
from lambda_guard.tools.logs.invocation import UNFINISHED, Invocation
from lambda_guard.tools.logs.model import as_number
from lambda_guard.tools.logs.reading.attempts import merge_late
from lambda_guard.tools.logs.selection import failures, identities, queue_ids, received_ids
from lambda_guard.tools.logs.traces.membership import Focus, Others
from lambda_guard.tools.logs.traces.timescale import Timescale
from lambda_guard.tools.replays import Replays

LinkKind = Literal["root", "message", "span", "retry", "resumed", "dead-letter"]
_FAR: Final = 1e18


@dataclass(slots=True, eq=False)
class Node:
    """An invocation in its trace.

    Attributes:
        link: how it is known to follow from what stands above it.
        sent: the entry of the sender's record that led here, where it is known.
        waited_ms: from the send to the start, or for a retry from the end of the attempt before, ms; None
            where unknown.
        other_senders: how many more invocations sent something of its batch.
        unreceived: what it sent that no invocation in these logs received.
        dead_letters: ids of messages whose last attempt this was, and failed.
        replay: whether a replay of a dead letter sent what it was invoked with.
        others: what of its batch belongs to other traces than the one that is shown.
    """

    invocation: Invocation
    link: LinkKind = "root"
    sent: Mapping[str, object] = field(default_factory=dict)
    waited_ms: float | None = None
    other_senders: int = 0
    children: list["Node"] = field(default_factory=list)
    unreceived: list[Mapping[str, object]] = field(default_factory=list)
    dead_letters: list[str] = field(default_factory=list)
    replay: bool = False
    others: Others | None = None

    @property
    def received(self) -> set[str]:
        """The messages that it was invoked with and that belong to the trace that is shown."""
        return received_ids(self.invocation) - (self.others.message_ids if self.others else frozenset())

    @property
    def given(self) -> list[str]:
        """The same, one id for each: copies of an event in several queues have nothing in common."""
        others = self.others.message_ids if self.others else frozenset[str]()
        return [one for one in queue_ids(self.invocation) if one not in others]

    @property
    def failed(self) -> bool:
        """Whether it failed, other than for messages of other traces alone."""
        invocation = self.invocation
        if self.others is None or invocation.outcome not in names.NO_FAILURE:
            return invocation.failed
        return invocation.failed_records > sum(map(self.is_of_others, failures(invocation)))

    def is_of_others(self, failure: Mapping[str, object]) -> bool:
        """Return whether a failed record of the batch is a message of another trace."""
        return self.others is not None and str(failure.get(names.MESSAGE_ID)) in self.others.message_ids

    def walk(self, depth: int = 0) -> Iterator[tuple[int, "Node"]]:
        """Yield it and all below, top down, with their depths. A trace may be deeper than Python's stack."""
        waiting = [(depth, self)]
        while waiting:
            level, node = waiting.pop()
            yield level, node
            waiting.extend((level + 1, child) for child in reversed(node.children))


@dataclass(slots=True)
class Trace:
    """Invocations that belong together."""

    trace_id: str
    roots: list[Node]

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Yield all nodes, top down, with their depths."""
        for root in self.roots:
            yield from root.walk()

    @property
    def invocations(self) -> list[Invocation]:
        """All its invocations, top down."""
        return [node.invocation for _, node in self.walk()]

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(node.failed for _, node in self.walk())

    def timescale(self, init_ms: Callable[[Invocation], float | None] = lambda _: None) -> Timescale:
        """Return the scale of its waterfall, from the first start to the last end.

        Args:
            init_ms: how long the cold start of an invocation took, if that is drawn, too.
        """
        return Timescale(_spans((node for _, node in self.walk()), init_ms))


def build_traces(
    invocations: Iterable[Invocation], focus: Focus | None = None, replays: Replays | None = None
) -> list[Trace]:
    """Join invocations into traces, in the order of their starts.

    Args:
        invocations: all of them.
        focus: what is looked at. With one, a batch that several traces share is seen from there; without,
            it joins them.
        replays: what journals tell.
    """
    traces = _Joiner(merge_late(invocations), focus).traces()
    if replays is not None and replays.by_new_id:
        for node in (node for trace in traces for _, node in trace.walk()):
            sent = {node.invocation.invocation_id, *node.received}
            node.replay = not sent.isdisjoint(replays.by_new_id)
    return traces


def _spans(
    nodes: Iterable[Node], init_ms: Callable[[Invocation], float | None]
) -> Iterator[tuple[float, float]]:
    for node in nodes:
        start, end = node.invocation.start_ms, node.invocation.end_ms
        if start is not None:
            yield start - (init_ms(node.invocation) or 0.0), max(start, end or start)


class _Joiner:
    """Looks up who sent what, once for all invocations."""

    def __init__(self, invocations: list[Invocation], focus: Focus | None) -> None:
        self._focus = focus
        self._nodes = [
            Node(one, others=focus.others(one) if focus else None) for one in sorted(invocations, key=_start)
        ]
        self._senders: dict[str, tuple[Node, Mapping[str, object]]] = {}
        self._spans: dict[str, tuple[Node, Mapping[str, object]]] = {}
        self._received = set[str]()
        self._latest_run: dict[str, Node] = {}
        self._latest_receiver: dict[str, Node] = {}
        self._parents: dict[Node, Node] = {}
        self._tops: dict[Node, Node] = {}
        for node in self._nodes:
            self._index(node)

    def traces(self) -> list[Trace]:
        roots = [node for node in self._nodes if not self._place(node)]
        for node in self._nodes:
            self._finish(node)
        named = self._focus.name if self._focus else ""
        return [Trace(named or _name_of(group), group) for group in _grouped(roots)]

    def _index(self, node: Node) -> None:
        invocation = node.invocation
        span = invocation.text(names.SPAN_ID)
        if span:
            self._spans.setdefault(span, (node, {}))
        for sent in invocation.entries(names.SENT):
            if sent.get(names.MESSAGE_ID):
                self._senders.setdefault(str(sent[names.MESSAGE_ID]), (node, sent))
            if sent.get(names.SPAN_ID):
                self._spans.setdefault(str(sent[names.SPAN_ID]), (node, sent))
        self._received |= node.received

    def _place(self, node: Node) -> bool:
        """Hang a node where it belongs; False where nothing above it is known."""
        before = self._attempt_before(node)
        if before is not None and self._came_from_another_queue(node, before):
            return self._hang(node, before, "dead-letter", {}, _since(before, node))
        if before is not None:
            node.link = "resumed" if before.invocation.outcome == names.SUSPENDED else "retry"
            node.waited_ms = _since(before, node)
            parent = self._parents.get(before)
            return parent is not None and self._hang(node, parent, node.link, before.sent, node.waited_ms)
        sender = self._sender_of(node)
        if sender is not None:
            return self._hang(node, sender[0], "message", sender[1], _queued(sender[0], node))
        caller = self._caller_of(node)
        if caller is not None:
            return self._hang(node, caller[0], "span", caller[1], _queued(caller[0], node))
        return False

    def _hang(
        self, node: Node, parent: Node, link: LinkKind, sent: Mapping[str, object], waited_ms: float | None
    ) -> bool:
        if self._top(parent) is node:
            return False
        node.link, node.sent, node.waited_ms = link, sent, waited_ms
        self._parents[node] = self._tops[node] = parent
        parent.children.append(node)
        return True

    def _top(self, node: Node) -> Node:
        """Find the root above a node, and halve the way there: a chain may be thousands deep."""
        tops = self._tops
        while node in tops:
            above = tops[node]
            tops[node] = tops.get(above, above)
            node = above
        return node

    def _attempt_before(self, node: Node) -> Node | None:
        """Find the attempt before this one: the same invocation id, execution or message, earlier.

        Nodes are placed in their order, so that the latest one so far is the one before.
        """
        runs = [node.invocation.invocation_id, *filter(None, (node.invocation.execution,))]
        given = node.given
        earlier = [
            *(self._latest_run[one] for one in runs if one in self._latest_run),
            *(before for one in given if (before := self._received_before(one, node)) is not None),
        ]
        self._latest_run.update(dict.fromkeys(runs, node))
        self._latest_receiver.update(dict.fromkeys(given, node))
        return max(earlier, key=_order, default=None)

    def _received_before(self, message: str, node: Node) -> Node | None:
        """Return who had a message last: from another queue only who failed on it, and no copy of an event."""
        before = self._latest_receiver.get(message)
        if before is None or not self._came_from_another_queue(node, before):
            return before
        _, sent = self._senders.get(message, (None, {}))
        is_copy = sent.get(names.SERVICE, "sqs") != "sqs"
        return before if not is_copy and (before.failed or before.invocation.outcome == UNFINISHED) else None

    def _came_from_another_queue(self, node: Node, before: Node) -> bool:
        ours, theirs = _queue(node), _queue(before)
        return bool(ours and theirs and ours != theirs)

    def _sender_of(self, node: Node) -> tuple[Node, Mapping[str, object]] | None:
        found = [self._senders[message] for message in sorted(node.received) if message in self._senders]
        others = [sender for sender in found if sender[0] is not node]
        node.other_senders = max(0, len({id(sender[0]) for sender in others}) - 1)
        return min(others, key=lambda sender: _order(sender[0]), default=None)

    def _caller_of(self, node: Node) -> tuple[Node, Mapping[str, object]] | None:
        parents = [node.invocation.text(names.PARENT_ID)]
        parents += [
            str(entry.get(names.PARENT_ID) or "") for entry in node.invocation.entries(names.UPSTREAMS)
        ]
        found = (self._spans.get(parent) for parent in parents if parent)
        return next((caller for caller in found if caller is not None and caller[0] is not node), None)

    def _finish(self, node: Node) -> None:
        received = {id(child.sent) for child in node.children}
        for sent in node.invocation.entries(names.SENT):
            message = str(sent.get(names.MESSAGE_ID))
            elsewhere = self._focus is not None and self._focus.is_received_elsewhere(message)
            if id(sent) not in received and not elsewhere and message not in self._received:
                node.unreceived.append(sent)
        if node.failed and node.invocation.facts.get(names.FINAL_ATTEMPT) is True:
            node.dead_letters = sorted(_given_up(node))


def _grouped(roots: list[Node]) -> Iterator[list[Node]]:
    """Put roots together that share a trace id, or a message, with anything below one another."""
    marks = {root: tuple(_marks(root)) for root in roots}  # which takes a tenth of the memory of sets
    marked: dict[str, list[Node]] = defaultdict(list)
    for root in roots:
        for mark in marks[root]:
            marked[mark].append(root)
    placed = set[Node]()
    for root in roots:
        group, waiting = list[Node](), [root]
        while waiting:
            one = waiting.pop()
            if one not in placed:
                placed.add(one)
                group.append(one)
                waiting += chain.from_iterable(marked.pop(mark, ()) for mark in marks[one])
        if group:
            yield sorted(group, key=_order)


def _marks(root: Node) -> set[str]:
    return set().union(*(identities(node.invocation) for _, node in root.walk()))


def _given_up(node: Node) -> set[str]:
    """Where the answer named what failed, the rest of the batch is done with."""
    if node.invocation.outcome not in names.NO_FAILURE:
        return set(node.given)
    return set(node.given) & {str(one.get(names.MESSAGE_ID)) for one in failures(node.invocation)}


def _name_of(roots: list[Node]) -> str:
    invocations = [node.invocation for root in roots for _, node in root.walk()]
    return next((one.trace_id for one in invocations if one.trace_id), invocations[0].invocation_id)


def _queue(node: Node) -> str:
    return str(node.invocation.trigger.get(names.SOURCE) or "")


def _start(invocation: Invocation) -> tuple[float, int, str]:
    start = invocation.start_ms
    return (_FAR if start is None else start, invocation.attempt_seen, invocation.invocation_id)


def _order(node: Node) -> tuple[float, int, str]:
    return _start(node.invocation)


def _queued(sender: Node, node: Node) -> float | None:
    """How long the message was under way.

    Its age as the receiver told it, else the time since the sender ended. The age is the one of the oldest
    message of the batch, which may be another trace's.
    """
    age = None if node.others else as_number(node.invocation.facts.get(names.MESSAGE_AGE))
    return age if age is not None else _since(sender, node)


def _since(before: Node, node: Node) -> float | None:
    start, end = node.invocation.start_ms, before.invocation.end_ms
    return max(0.0, start - end) if start is not None and end is not None and start >= end else None
