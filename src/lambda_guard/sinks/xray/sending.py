"""Where documents go: to the X-Ray daemon, or to the test that collects them."""

import os
from collections.abc import Callable
from json import loads
from typing import Any, Final

from ... import _names
from ..daemon import Daemon

_OFF: Final = ("n", "no", "f", "false", "off", "0")  # as the X-Ray SDK reads its switch


class _Receiver:
    """Who gets this process's documents.

    Attributes:
        daemon: `None` until it is there.
        is_missing: whether it couldn't be found: that isn't tried on each invocation.
        take: gets the documents instead of the daemon, in tests.
    """

    daemon: Daemon | None = None
    is_missing = False
    take: Callable[[dict[str, Any]], object] | None = None


def is_enabled() -> bool:
    """Return whether the operator lets X-Ray record: `AWS_XRAY_SDK_ENABLED` is the SDK's switch for that, and ours."""
    return os.environ.get(_names.ENV_XRAY_ENABLED, "").lower() not in _OFF


def is_ready() -> bool:
    """Find the daemon, unless it is there; return whether documents can be sent.

    Raises:
        ValueError: its address is malformed; on the first call alone.
        OSError: likewise, if its host isn't known.
    """
    if _Receiver.daemon is not None or _Receiver.take is not None:
        return True
    if _Receiver.is_missing:
        return False
    _Receiver.is_missing = True
    _Receiver.daemon = Daemon(os.environ.get(_names.ENV_DAEMON_ADDRESS, ""))
    _Receiver.is_missing = False
    return True


def renew() -> None:
    """Open the socket again: a copy of a SnapStart snapshot can't use the one that it has."""
    if _Receiver.daemon is not None:
        _Receiver.daemon.reopen()
    _Receiver.is_missing = False


def send(line: str) -> None:
    """Send the JSON of a document that fits into a datagram.

    Raises:
        OSError: the system doesn't take it; nothing waits until it does.
    """
    if _Receiver.take is not None:
        _Receiver.take(loads(line))
    elif _Receiver.daemon is not None:
        _Receiver.daemon.send(line.encode())


def is_collected() -> bool:
    """Return whether a test collects the documents."""
    return _Receiver.take is not None


def collect(take: Callable[[dict[str, Any]], object]) -> Callable[[], None]:
    """Pass every document to `take` instead of sending it, until the returned function is called."""
    before, _Receiver.take = _Receiver.take, take

    def stop() -> None:
        _Receiver.take = before

    return stop
