"""The pytest plugin: the helpers of `lambda_guard.testing` as fixtures.

It is loaded wherever lambda_guard is installed, so it imports nothing until a fixture is requested.
"""

import sys
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from ._capture import Captured

_FIXTURES: Final = ("captured", "captured_trace")


# Not `wrapper=True`: pluggy before 1.2 doesn't support it, and the session would end here.
@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, None]:
    """Make the test write to its `captured`: since that was created, pytest has installed its own stream."""
    captured = _captured(getattr(item, "funcargs", {}))
    before = sys.stdout
    if captured is not None:
        sys.stdout = captured._stream  # noqa: SLF001 - the other half of `capture`
    yield
    if captured is not None:
        sys.stdout = before


def _captured(funcargs: dict[str, Any]) -> "Captured | None":
    """Return the value of our fixture; a fixture of the user's may have the same name."""
    ours = getattr(sys.modules.get("lambda_guard.testing._capture"), "Captured", ())
    return next((found for name in _FIXTURES if isinstance(found := funcargs.get(name), ours)), None)


@pytest.fixture
def lambda_context() -> Callable[..., Any]:
    """Make contexts: each `lambda_context()` has its own request id; keywords override its attributes."""
    from .context import make_context

    return make_context


@pytest.fixture
def captured() -> "Iterator[Captured]":
    """Collect the output of the test's invocations: `captured.record`, `.logs`, `.metrics`."""
    from ._capture import capture

    with capture() as found:
        yield found


@pytest.fixture
def captured_trace() -> "Iterator[Captured]":
    """Collect the same in a sampled trace, including `captured_trace.segments`."""
    from . import TRACE_HEADER, capture

    with capture(TRACE_HEADER) as found:
        yield found
