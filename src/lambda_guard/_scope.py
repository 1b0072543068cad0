"""The running invocation: its facts, and the data that it has gathered so far.

A scope is kept in a context variable, so that the handler's tasks see their own. Threads start with an empty context;
`_threads` marks each with the work that started it. Work that outlives its invocation belongs to none, whichever
invocation happens to be open: a closed scope stands for it.
"""

from contextvars import ContextVar, Token
from functools import lru_cache
from math import inf
from threading import current_thread, get_ident
from time import time
from typing import TYPE_CHECKING, Any, Final

from . import _failsafe, _json, _names, _stdout

if TYPE_CHECKING:
    from ._durable import Execution
    from ._invocation import Invocation
    from ._settings import Settings
    from .propagation.calls import AwsCalls
    from .propagation.place import Place


class Work:
    """A running invocation, or a batch item that is being processed.

    Attributes:
        scope: the invocation's scope.
        started: epoch seconds.
        tail: the log keys as JSON, from the comma on, since every line ends with them.
        about: those of them that are a batch item's own, as JSON, from the comma on.
        keys: the log keys, which replace those of the invocation that have the same name.
        place: its place in its trace; `None` if there is no trace.
        trace: the tracer's own state.
        recorded: whether the tracer has to be notified when it ends.
        user_keys: the keys that its handler appended to its logger.
    """

    # Class attributes for what most objects never have: setting them on each would cost more than everything else.
    scope: "Scope"
    started: float
    tail: str
    about = ""
    keys: dict[str, Any]
    place: "Place | None" = None
    trace: Any = None
    recorded = False
    user_keys: dict[str, Any] | None = None

    def header(self) -> str | None:
        """Return the header that passes the trace on from here: it names the innermost span that is open now."""
        if (place := self.place) is None:
            return None
        tracer = self.scope.tracer
        return place.text(tracer.current_id(self) if tracer is not None else None)


class BatchCounts:
    """The result of a batch, for the invocation record.

    Attributes:
        total: the number of its items.
        failed: the number of items that are given back.
        failures: what is known of each failure, in the record's form, up to a cap.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.failed = 0
        self.failures: list[dict[str, Any]] = []

    def add(self, failure: dict[str, Any] | None) -> None:
        """Count a failure, and list it unless it is `None`."""
        self.failed += 1
        if failure is not None and len(self.failures) < _names.FAILED_RECORDS_MOST:
            self.failures.append(failure)


class Scope(Work):
    """One invocation, from the first sink's entry to the last one's exit.

    Attributes:
        invocation: the facts, read before the handler ran.
        settings: of the decorated handler.
        context: the handler's context argument; distinguishes an invocation from one inside it.
        tracer: the decorated handler's `sinks.tracer.Tracer`; `None` if it doesn't trace.
        open: true until the invocation has ended.
        clock: `time.perf_counter` right before the handler is called.
        thread: the id of the thread that the handler runs on.
        thread_keys: the keys that Powertools' loggers had for this thread before the handler.
        metrics: the metrics that the handler has added, in the metrics sink's own form.
        aws: the AWS calls made, and the messages that they sent.
        stuck: what the watchdog saw, once it has gone off.
        event: the event, while the invocation lasts.
        sent: what it holds, once somebody has asked whether a printed object is in it.
        messages: the messages of a queue, as a plain handler received them.
        batch: the result of its batch.
        durable: the durable execution that it is a part of.
        at_work: the batch items that are being processed, for the watchdog to see.
        final_attempts: the number of batch items that failed their last attempt, if the items were checked for it.
        http: of an HTTP request, its method and route and the answer's status, in the record's form.
        unwritten: log lines that are written together with the invocation record.
        cpu_s: the CPU seconds that the process had used when the invocation began.
        overran: what the handler came to, if that was after the deadline and Lambda enforces none.
        used: the result of `_process.used` when the handler ended; `None` while it is running.
    """

    open = True
    clock = 0.0
    thread = 0
    thread_keys: dict[str, Any] | None = None
    metrics: Any = None
    aws: "AwsCalls | None" = None
    stuck: Any = None
    event: object = None
    sent: Any = None
    messages: tuple[Any, ...] = ()
    batch: BatchCounts | None = None
    durable: "Execution | None" = None
    at_work: set[Work] | None = None
    final_attempts: int | None = None
    http: dict[str, Any] | None = None
    unwritten = ""
    cpu_s = 0.0
    overran: str | None = None
    used: tuple[float, float | None] | None = None
    token: "Token[Scope | None] | None" = None

    def __init__(self, invocation: "Invocation", settings: "Settings", context: object, tracer: Any) -> None:
        self.invocation = invocation
        self.context = context
        self.settings = settings
        self.tracer = tracer
        self.tail = tail_of(invocation, invocation.trace_id)

    @property
    def scope(self) -> "Scope":  # type: ignore[override]  # nobody sets it
        """Itself."""
        return self

    @property
    def is_server_error(self) -> bool:
        """Whether the handler answered a request with a server error: a failure, though Lambda got an answer."""
        return self.http is not None and self.http.get(_names.STATUS, 0) >= _names.SERVER_ERROR_LEAST

    @property
    def started(self) -> float:  # type: ignore[override]  # as above
        """The time at which the invocation was read."""
        return self.invocation.started

    @property
    def keys(self) -> dict[str, Any]:  # type: ignore[override]  # as above
        """The log keys of every line."""
        it = self.invocation
        keys: dict[str, Any] = {_names.INVOCATION_ID: it.invocation_id}
        if trace_id := it.trace_id:
            keys[_names.XRAY_TRACE_ID] = trace_id
        keys[_names.FUNCTION_NAME] = it.function
        keys[_names.FUNCTION_VERSION] = it.version
        keys[_names.COLD_START] = it.cold_start
        if it.worker_pid is not None:
            keys[_names.WORKER_PID] = it.worker_pid
        return keys


_INVOCATION_ID = f',"{_names.INVOCATION_ID}":'
_TRACE_ID = f',"{_names.XRAY_TRACE_ID}":"'
_FUNCTION = f',"{_names.FUNCTION_NAME}":'
_VERSION = f',"{_names.FUNCTION_VERSION}":'
_COLD = f',"{_names.COLD_START}":true'
_WORKER = f',"{_names.WORKER_PID}":'
_WARM = f',"{_names.COLD_START}":false'


def tail_of(it: "Invocation", trace_id: str | None) -> str:
    """Return an invocation's keys as the end of its log lines, from the comma on."""
    trace = f'{_TRACE_ID}{trace_id}"' if trace_id is not None else ""
    of_function = _tail_of_function(it.function, it.version, it.cold_start, it.worker_pid)
    return f"{_INVOCATION_ID}{_json.quote(it.invocation_id)}{trace}{of_function}"


@lru_cache(8)
def _tail_of_function(function: str, version: str, cold_start: bool, worker_pid: int | None) -> str:
    quote = _json.quote
    worker = f"{_WORKER}{worker_pid}" if worker_pid is not None else ""
    return f"{_FUNCTION}{quote(function)}{_VERSION}{quote(version)}{_COLD if cold_start else _WARM}{worker}"


class Defaults:
    """The values used outside any invocation: set when a handler is decorated, and by module-level code."""

    are_set = False
    service = "unknown"
    namespace = _names.DEFAULT_NAMESPACE
    keys: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed in place

    @classmethod
    def set(cls, settings: "Settings") -> None:
        """Take the permanent values from a handler's settings, or from the environment's before there is a handler."""
        cls.are_set = True
        cls.service, cls.namespace = settings.service, settings.namespace


_current: ContextVar[Scope | None] = ContextVar("lambda_guard", default=None)
_item: ContextVar[Work | None] = ContextVar("lambda_guard_item", default=None)
_open: list[Scope] = []


_STARTED_BY: Final = "_lambda_guard"  # in a thread's `__dict__`: the work that started it
_NOBODY: Final = Scope.__new__(Scope)
_NOBODY.open = False


def enter(scope: Scope) -> None:
    """Make `scope` the scope of this context, and of its thread."""
    scope.token = _current.set(scope)
    scope.thread = get_ident()
    _open.append(scope)


def leave(scope: Scope) -> None:
    """End `scope`: whatever still runs no longer counts as its work."""
    scope.open = False
    scope.event = scope.sent = None  # the context of a pooled thread may keep the scope
    if scope.messages:
        scope.messages = ()
    if scope in _open:
        _open.remove(scope)
    if scope.token is not None:
        _current.reset(scope.token)
        scope.token = None


def current() -> Scope | None:
    """Return the scope of this task or thread, or `None` if it belongs to no invocation that is running."""
    scope = _current.get()
    if scope is None and (here := _of_thread()) is not None:
        scope = here.scope
    return scope if scope is not None and scope.open else None


def has_begun(context: object) -> bool:
    """Return whether the invocation of Lambda's `context` is running, in whichever thread."""
    return context is not None and any(scope.context is context for scope in _open[:])


def _of_thread() -> Work | None:
    """Return the work of this thread: the innermost invocation that runs on it, or else what started it."""
    thread = get_ident()
    for scope in reversed(_open[:]):  # a copy, because other threads may end invocations meanwhile
        if scope.thread == thread:
            return scope
    started_by: Work | None = vars(current_thread()).get(_STARTED_BY)
    return started_by


def is_nobodys() -> bool:
    """Return whether this is work that outlived its invocation, or that was there before those that are open."""
    return current() is None and bool(_open or _current.get() or _of_thread())


def outlived() -> Scope | None:
    """Return the invocation that this work belonged to, if it is over; `None` also for work that never had one."""
    work = _current.get() or _of_thread()
    return work.scope if work is not None and not work.scope.open else None


def is_held_back(scope: Scope | None) -> bool:
    """Return whether a line that is written there repeats another, and the operator doesn't want such lines."""
    return scope is not None and scope.durable is not None and scope.durable.is_held_back(scope.settings)


def to_hand_on() -> Work | None:
    """Return what a thread or a pool's task that is started here belongs to; `None` outside any invocation."""
    return work() or (_NOBODY if is_nobodys() else None)


def mark(thread: Any, started_by: Work) -> None:
    """Note which work has started a thread, which has no context of its own."""
    vars(thread)[_STARTED_BY] = started_by


def let_go() -> None:
    """Have this thread belong to no work: it serves every invocation, whichever has started it."""
    vars(current_thread()).pop(_STARTED_BY, None)
    lend(None)


def lend(given: Work | None) -> None:
    """Make `given` the work of this thread, until the thread is given other work."""
    _current.set(given.scope if given is not None else None)
    _item.set(given if given is not None and given is not given.scope else None)


def own() -> Scope | None:
    """Return the scope that this context itself has, without what its thread has."""
    scope = _current.get()
    return scope if scope is not None and scope.open else None


def current_item() -> Work | None:
    """Return the batch item that is being processed in this context itself, of whichever invocation."""
    return _item.get()


def set_item(item: Work | None) -> None:
    """Make `item` the batch item that is being processed in this context."""
    _item.set(item)


def item_of(scope: Scope) -> Work | None:
    """Return the item of this invocation's batch that is being processed here, if there is one."""
    item = _item.get()
    if item is None and scope.batch is not None and _current.get() is None:
        item = _of_thread()
    return item if item is not None and item is not scope and item.scope is scope else None


def work() -> Work | None:
    """Return the batch item that is being processed here, or else the invocation; `None` outside an invocation."""
    scope = current()
    return scope if scope is None else item_of(scope) or scope


def current_keys() -> dict[str, Any]:
    """Return the log keys that apply here: the invocation's, and those of the current batch item, if any."""
    at_work = work()
    return keys_of(at_work) if at_work is not None else {}


def keys_of(given: Work) -> dict[str, Any]:
    """Return the log keys of some work: the invocation's, and the batch item's, if it is one."""
    return given.keys if given is given.scope else {**given.scope.keys, **given.keys}


def inherited_keys() -> dict[str, Any]:
    """Return the appended keys that apply here but belong to the surroundings: the process, or an item's invocation."""
    at_work = work()
    if at_work is None or at_work is at_work.scope:
        return Defaults.keys
    return {**Defaults.keys, **(at_work.scope.user_keys or {})}


def _said_of_a_failure() -> dict[str, Any]:
    return {_names.SERVICE: Defaults.service, **current_keys()}


_failsafe.say_with(_said_of_a_failure)


def _time_to_wait() -> float:
    """Return how long a full standard output may be waited for: half of the time that is left, in seconds."""
    scope = current()
    deadline = scope.invocation.deadline if scope is not None else None
    return inf if deadline is None else max(0.0, (deadline - time()) / 2)


def _make_backlog(out: Any) -> Any:
    from ._backlog import Backlog  # late: standard output is hardly ever full

    return Backlog(out, _time_to_wait)


_stdout.when_full(_make_backlog)
