"""What tests share: a clean process to start from, and the ways in which a handler can end."""

import asyncio
import functools
import gc
import logging
import os
import shlex
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import nullcontext
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import hypothesis
import pytest
from hypothesis.internal.entropy import deterministic_PRNG

import lambda_guard
from lambda_guard import _failsafe, production
from lambda_guard.sinks.log.lines import LineLogger
from lambda_guard.testing import capture

from . import tracing_modes


class Without:
    """Refuses imports, as if packages weren't there: `WITHOUT="aws_xray_sdk wrapt" pytest …`."""

    packages = frozenset(os.environ.get("WITHOUT", "").split())

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.packages:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


if Without.packages:
    sys.meta_path.insert(0, Without())
_SOURCE = str(Path(lambda_guard.__file__).parents[1])
_LONG = (
    "tests/local/test_shop.py",
    "tests/local/test_dead_letters.py",
    "tests/release/",
    "tests/tools/alarms/test_incidents.py",
    "tests/tools/layer/test_build.py",
    "tests/local/",
    "tests/tools/logs/test_cloudwatch_moto.py",
    "tests/tools/layer/",
    "tests/runtime/",
)
_FOREIGN = ("AWS_", "LAMBDA_GUARD_", "OTEL_", "POWERTOOLS_", "_X_AMZN_")


# A busy machine is no failure: no example has a deadline, and drawing one may take its time. A fixture of ours is the
# same for all examples. Where the same tests run once more, with other versions, they take fewer: `EXAMPLES=20 pytest …`.
hypothesis.settings.register_profile(
    "lambda_guard",
    max_examples=int(os.environ.get("EXAMPLES", "100")),
    deadline=None,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
hypothesis.settings.load_profile("lambda_guard")


@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    """Have one seed for the tests' order, for `random` and for Hypothesis' examples: pytest-randomly's."""
    if hypothesis.core.global_force_seed is None:
        hypothesis.core.global_force_seed = _seed(config)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection():
    """Look for no garbage among ten thousand tests while they are collected, which takes a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, or one process would be at them when all others have ended."""
    items.sort(
        key=lambda item: next(
            (at for at, long in enumerate(_LONG) if item.nodeid.startswith(long)), len(_LONG)
        )
    )


def pytest_terminal_summary(terminalreporter, config):
    """Say of each test that failed how to run it alone."""
    failed = [*terminalreporter.stats.get("failed", ()), *terminalreporter.stats.get("error", ())]
    if failed:
        terminalreporter.section("to run one alone", sep="-")
    seed = "" if _seed(config) is None else f" --randomly-seed={_seed(config)}"
    for name in dict.fromkeys(report.nodeid for report in failed):
        terminalreporter.write_line(f"{os.path.relpath(sys.executable)} -m pytest{seed} {shlex.quote(name)}")


def _seed(config):
    seed = getattr(config.option, "randomly_seed", None)
    return seed if isinstance(seed, int) else None


@pytest.fixture(autouse=True)
def clean_process(request, monkeypatch):
    """Begin each test without variables that mean something here, and with every failure of ours still unsaid."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    if tracing_modes.MODE and request.node.get_closest_marker("documents"):
        pytest.skip("of X-Ray's documents alone")
    for name, value in tracing_modes.environ.items():
        monkeypatch.setenv(name, value)
    if tracing_modes.environ:
        tracing_modes.send_what_is_captured(monkeypatch)
    stdout, factory = sys.stdout, logging.getLogRecordFactory()
    _failsafe.forget()
    _failsafe.take_count()
    with warnings.catch_warnings():
        # A process has one socket for its traces, which it never closes; each test's tracer has its own.
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        gc.collect()  # what the test before this one left; nothing else is looked at, as the rest is frozen
    gc.freeze()  # the test runner's heap is no function's: to collect it holds the GIL for longer than deadlines last
    yield
    _failsafe.forget()
    _failsafe.take_count()
    lambda_guard.logger.setLevel("INFO")  # it stays as the last handler had it
    sys.stdout = stdout
    logging.setLogRecordFactory(factory)
    LineLogger.formats = False


@pytest.fixture
def heeding_ctrl_c():
    """Have the programs that a test starts heed Ctrl-C: what a shell starts in the background is made to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _receiver():
    """Have something that receives spans, where `TRACING` says that they are sent."""
    with tracing_modes.receiver() if tracing_modes.MODE else nullcontext():
        yield


@pytest.fixture(scope="session", autouse=True)
def _read_once():
    """Have botocore read the models of its services once; each session reads them for itself otherwise, and keeps them."""
    import botocore.session  # late: no test of imports is to find it because of this

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(botocore.session.create_loader))
        yield


@pytest.fixture(scope="session", autouse=True)
def _warm():
    """Have the cold start behind us, so that records don't depend on the tests' order."""
    with capture():
        production(lambda event, context: None)({}, None)
    with (
        deterministic_PRNG()
    ):  # what it makes with the first example, it would look for among what is frozen, in vain
        pass
    yield
    if (sdk := sys.modules.get("aws_xray_sdk.core")) is not None:
        sdk.xray_recorder.emitter._socket.close()  # which the SDK never does, and Python complains of it at the end


class Raises:
    """A handler's body that raises the one exception, which can be looked at before and after."""

    def __init__(self, error):
        self.error = error

    def __call__(self):
        raise self.error


class Returns:
    """A handler's body that returns the one object."""

    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value


class Recurses(Raises):
    """A handler's body that exceeds the interpreter's recursion limit for real."""

    def __init__(self):
        super().__init__(None)

    def __call__(self):
        def deeper():
            deeper()

        try:
            deeper()
        except RecursionError as error:
            self.error = error
            raise


class Hostile:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name):
        raise RuntimeError(f"no {name}")

    def __eq__(self, other):
        raise RuntimeError("no ==")

    __hash__ = None

    def __bool__(self):
        raise RuntimeError("no bool()")

    def __len__(self):
        raise RuntimeError("no len()")

    def __iter__(self):
        raise RuntimeError("no iter()")

    def __str__(self):
        raise RuntimeError("no str()")

    __repr__ = __str__


class HostileDict(dict):
    """A dict whose methods raise."""

    def get(self, *_):
        raise RuntimeError("no get()")

    __getitem__ = __contains__ = __iter__ = keys = items = get


class FalseError(Exception):
    """An exception that is empty, and therefore false."""

    def __len__(self):
        return 0


class UndecidedError(Exception):
    def __bool__(self):
        raise RuntimeError("neither true nor false")


class WordlessError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class ExitingError(Exception):
    """An exception whose text ends the process."""

    def __str__(self):  # noqa: PLE0307 - it exits
        sys.exit(3)


class FacelessError(Exception):
    def __repr__(self):
        raise RuntimeError("no face")

    __str__ = None


class NoTextError(Exception):
    def __str__(self):
        return 42  # noqa: PLE0307 - what is tested


@dataclass(frozen=True)
class FrozenError(Exception):
    order: str


class SlottedError(Exception):
    __slots__ = ("order",)

    def __init__(self, order):
        self.order = order


class ArgumentativeError(Exception):
    """An exception that can't be made again from its `args`."""

    def __init__(self, order, *, reason):
        super().__init__(f"{order}: {reason}")


class SecretiveError(Exception):
    """An exception whose attributes raise, but for those that the interpreter itself looks at."""

    def __getattribute__(self, name):
        if name.startswith("__") and name not in ("__notes__", "__cause__", "__dict__"):
            return super().__getattribute__(name)
        raise RuntimeError(f"no {name}")


class Nameless(type):
    """A class whose name can't be asked for."""

    def __getattribute__(cls, name):
        if name in ("__name__", "__qualname__", "__module__"):
            raise RuntimeError(f"no {name}")
        return super().__getattribute__(name)


class NamelessError(Exception, metaclass=Nameless):
    pass


class LeavingError(Exception):
    """An exception whose attributes end the process."""

    @property
    def response(self):
        sys.exit(3)

    __notes__ = response


class UnclassifiedError(Exception):
    @property
    def __class__(self):
        raise RuntimeError("no class")


class PartlessError(ExceptionGroup):
    @property
    def exceptions(self):
        raise RuntimeError("no parts")


class Text(str):
    """A text that can't be looked at."""

    __slots__ = ()

    def __getitem__(self, _):
        raise RuntimeError("no characters")

    __len__ = __iter__ = __getitem__


class OwnTextError(Exception):
    def __str__(self):
        return Text("own")


HOSTILE = {
    "name raises": lambda: NamelessError("x"),
    "attributes exit": lambda: LeavingError("x"),
    "class raises": lambda: UnclassifiedError("x"),
    "parts raise": lambda: PartlessError("x", [ValueError("part")]),
    "text of its own kind": OwnTextError,
}


def caused(error, cause):
    """Give an exception a cause, as `raise … from` does."""
    error.__cause__ = cause
    return error


def in_context(error, context):
    """Give an exception a context, as raising it in an `except` block does."""
    error.__context__ = context
    return error


def noted(error, *notes):
    """Give an exception notes."""
    for note in notes:
        error.add_note(note)
    return error


def looped():
    """Make two exceptions that cause each other."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def with_attributes():
    """Make an exception that carries what handlers put on theirs."""
    error = ValueError("refused")
    error.response = {"Error": {"Code": "Refused"}}
    return error


def nested_group():
    """Make a group of groups."""
    inner = ExceptionGroup("inner", [KeyError("a"), ValueError("b")])
    return ExceptionGroup("outer", [inner, OSError(5, "io"), WordlessError()])


RAISING = {
    **HOSTILE,
    "ValueError": lambda: ValueError("refused"),
    "SystemExit": lambda: SystemExit(1),
    "SystemExit 0": lambda: SystemExit(0),
    "KeyboardInterrupt": KeyboardInterrupt,
    "CancelledError": lambda: asyncio.CancelledError("stop"),
    "GeneratorExit": GeneratorExit,
    "BaseException": lambda: BaseException("bare"),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("both", [KeyboardInterrupt(), ValueError("b")]),
    "ExceptionGroup": nested_group,
    "str() raises": WordlessError,
    "str() exits": ExitingError,
    "str() is no text": NoTextError,
    "repr() raises": FacelessError,
    "3 MB message": lambda: ValueError("x" * 3_000_000),
    "3 MB of arguments": lambda: ValueError(b"x" * 3_000_000, {"a": "y"}),
    "frozen": lambda: FrozenError("o-1"),
    "slots": lambda: SlottedError("o-1"),
    "required arguments": lambda: ArgumentativeError("o-1", reason="stock"),
    "attributes raise": lambda: SecretiveError("secret"),
    "false": FalseError,
    "bool() raises": UndecidedError,
    "cause": lambda: caused(ValueError("outer"), KeyError("inner")),
    "cause of itself": looped,
    "context": lambda: in_context(ValueError("outer"), KeyError("inner")),
    "notes": lambda: noted(ValueError("x"), "first", "\ud800"),
    "no notes to speak of": with_attributes,
    "MemoryError": MemoryError,
    "OSError": lambda: FileNotFoundError(2, "No such file", "/tmp/x"),
    "UnicodeEncodeError": lambda: UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    "lone surrogate": lambda: ValueError("\udcff and \x00 and \n"),
    "line breaks": lambda: ValueError("one\ntwo\r\nthree\u2028four"),
    "AssertionError": lambda: AssertionError({"not": "text"}),
}
ONLY_SYNC = {"StopIteration": lambda: StopIteration(7), "StopAsyncIteration": lambda: StopAsyncIteration(7)}


def recursive():
    """Make a list that holds itself, in a dict that holds it."""
    ring = []
    ring.append(ring)
    return {"ring": ring}


RETURNING = {
    "None": lambda: None,
    "text": lambda: "done",
    "zero": lambda: 0,
    "NaN": lambda: float("nan"),
    "bytes": lambda: b"\xff\x00",
    "tuple": lambda: (1, 2),
    "set": lambda: {1, 2},
    "Decimal": lambda: Decimal("1.10"),
    "object": object,
    "class": lambda: Hostile,
    "exception": lambda: ValueError("returned, not raised"),
    "function": lambda: print,
    "generator": lambda: (number for number in range(3)),
    "iterator": lambda: iter([1, 2, 3]),
    "lock": threading.Lock,
    "hostile": Hostile,
    "hostile dict": lambda: HostileDict(batchItemFailures=[1]),
    "hostile in dict": lambda: {"statusCode": Hostile(), "batchItemFailures": Hostile()},
    "hostile item": lambda: {"batchItemFailures": [Hostile(), HostileDict()]},
    "recursive": recursive,
    "2 MB": lambda: {"body": "x" * 2_000_000},
    "statusCode null": lambda: {"statusCode": None},
    "statusCode text": lambda: {"statusCode": "5xx", "body": None},
    "statusCode 500": lambda: {"statusCode": 500, "body": "failed"},
    "failures rubbish": lambda: {"batchItemFailures": "rubbish"},
    "failures null": lambda: {"batchItemFailures": None},
    "failures mixed": lambda: {
        "batchItemFailures": [None, 1, {}, {"itemIdentifier": None}, {"itemIdentifier": "m-1"}]
    },
    "failures endless": lambda: {"batchItemFailures": [{"itemIdentifier": str(n)} for n in range(10_000)]},
    "surrogate keys": lambda: {"\ud800": "\udfff"},
    "keys of all kinds": lambda: {1: 2, None: 3, (1, 2): 4},
}


def _body(name):
    if name == "RecursionError":
        return Recurses()
    if name in RETURNING:
        return Returns(RETURNING[name]())
    return Raises((RAISING | ONLY_SYNC)[name]())


@pytest.fixture(params=[*RAISING, *RETURNING, "RecursionError"])
def body(request):
    """A handler's body: it returns one object or raises one exception, which stand in `.value` or `.error`."""
    return _body(request.param)


@pytest.fixture(params=[*HOSTILE])
def hostile_error(request):
    """An exception that raises, or ends the process, when it is asked for something."""
    return HOSTILE[request.param]()


@pytest.fixture(params=[*ONLY_SYNC])
def sync_body(request):
    """A handler's body that ends as no coroutine can."""
    return _body(request.param)


@pytest.fixture
def hostile():
    """An object that raises whatever is asked of it, and a dict that does."""
    return Hostile(), HostileDict(Records=[])


@pytest.fixture
def unheard(monkeypatch):
    """Have our logger, from the call on, as it is in a function, where pytest doesn't listen to its records."""

    def begin():
        ours = logging.getLogger(lambda_guard.logger.name)
        own = [handler for handler in ours.handlers if type(handler).__module__.startswith("lambda_guard")]
        monkeypatch.setattr(ours, "propagate", False)
        monkeypatch.setattr(ours, "handlers", own)

    return begin


@pytest.fixture
def fresh(tmp_path):
    """Run code in a fresh interpreter, which knows nothing of this one's variables; return what it writes."""

    def run(code, **environ):
        done = subprocess.run(
            # The X-Ray SDK never closes its socket.
            [sys.executable, "-W", "error", "-W", "ignore::ResourceWarning", "-c", textwrap.dedent(code)],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "PYTHONPATH": _SOURCE,
                **tracing_modes.environ,
                **environ,
            },
            capture_output=True,
            cwd=tmp_path,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    return run


@pytest.fixture
def wrapped_by():
    """A decorator of the user's own, of the usual kind."""

    def decorate(handler):
        @functools.wraps(handler)
        def wrapper(*args, **kwargs):
            return handler(*args, **kwargs)

        return wrapper

    return decorate


@pytest.fixture(scope="module")
def services():
    """AWS's services, on loopback."""
    if sys.platform == "win32":
        pytest.skip("the local cloud, of which they are, is for Linux and macOS")
    # Late: only the tests of pages and of the runtime need them.
    from lambda_guard.local.aws.moto_process import MotoProcess
    from lambda_guard.local.runtime.guardian import Guardian

    guardian = Guardian()
    found = MotoProcess(guardian, "127.0.0.1:9", region="eu-west-1")
    yield found
    found.close()
    guardian.close()


@pytest.fixture
def serve():
    """Have requests answered by a function of the test's own, of the request's number; gives the address and the requests."""
    from lambda_guard.local.runtime.http_server import LoopbackServer  # late, likewise

    servers = []

    def begin(answer):
        requests = []

        def respond(request):
            requests.append(request)
            return answer(len(requests))

        servers.append(server := LoopbackServer(respond))
        return f"http://{server.address}", requests

    yield begin
    for server in servers:
        server.close()


@pytest.fixture
def own_loop():
    """Have a loop for Mangum, which otherwise makes one, sets it for the thread, and never closes it."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())
        yield
        asyncio.set_event_loop(None)
