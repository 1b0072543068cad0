"""How the X-Ray SDK's recorder sends: in documents that fit, and in a test to the test.

Ours go the same way, because the user may have given the recorder an emitter of another kind.
"""

from time import time
from typing import Any, Final

from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter

from ... import _names
from ..._failsafe import attempt
from ..daemon import HEADER
from . import document, sending

_PROTOCOL: Final = HEADER.decode()


class TrimmingEmitter(UDPEmitter):  # type: ignore[misc]  # the SDK has no types
    """The SDK's emitter, which loses a document over 64 KB whole, with documents that fit."""

    def send_entity(self, entity: Any) -> None:
        """Send an entity, or a document of ours, in as many datagrams as it takes."""
        attempt("trace.send", self._send, entity)

    def _send(self, entity: Any) -> None:
        content = entity.content if isinstance(entity, Prepared) else _finished(entity.to_dict(), time())
        for line in [content] if isinstance(content, str) else document.datagrams(content):
            self._send_data(_PROTOCOL + line)


class Prepared:
    """A document of ours, in the place where emitters expect an entity."""

    def __init__(self, content: "dict[str, Any] | str") -> None:
        self.content = content

    def to_dict(self) -> dict[str, Any]:
        """Return the document, as an entity would."""
        import json

        found: dict[str, Any] = json.loads(self.content) if isinstance(self.content, str) else self.content
        return found

    def serialize(self) -> str:
        """Return the document's JSON, cut to fit, for emitters that aren't ours."""
        return self.content if isinstance(self.content, str) else list(document.datagrams(self.content))[-1]


def ready() -> None:
    """Have the recorder send documents that fit; an emitter of the user's own stays as it is."""
    emitter = xray_recorder.emitter
    if type(emitter) is UDPEmitter:
        emitter.__class__ = TrimmingEmitter
    elif type(emitter) is _Collector:  # outside Lambda, Powertools' Tracer switches the SDK off
        global_sdk_config.set_sdk_enabled(True)  # unless `AWS_XRAY_SDK_ENABLED` is set


def renew() -> None:
    """Open the socket to the daemon again, unless the emitter is somebody else's kind."""
    emitter = xray_recorder.emitter
    if type(emitter) in (UDPEmitter, TrimmingEmitter):
        emitter._socket.close()  # noqa: SLF001 - the SDK never closes it
        UDPEmitter.__init__(emitter, f"{emitter.ip}:{emitter.port}")


def send(content: "dict[str, Any] | str") -> None:
    """Send one document of ours: a dict, or JSON that is known to fit into a datagram."""
    emitter = xray_recorder.emitter
    if type(emitter) is not TrimmingEmitter:
        emitter.send_entity(Prepared(content))
    elif type(content) is str:
        emitter._send_data(_PROTOCOL + content)  # noqa: SLF001 - the SDK's way to a datagram
    else:
        attempt("trace.send", _send_whole, emitter, content)


def _send_whole(emitter: Any, content: dict[str, Any]) -> None:
    for line in document.datagrams(content):
        emitter._send_data(_PROTOCOL + line)  # noqa: SLF001 - as above


def children(stack: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return the documents of the subsegments below the handler's that haven't been sent.

    What is still open ends now, in the document only: the entity may be at work in a thread of the user's.
    """
    handler = stack[1]
    found = [attempt("trace.child", child.to_dict) for child in list(handler.subsegments) if child.sampled]
    return [_finished(document, time()) for document in found if document]


def open_children(stack: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Return the documents of the subsegments below the handler's that are open, as in progress and faults."""
    handler = stack[1]
    found = [
        attempt("trace.child", child.to_dict)
        for child in list(handler.subsegments)
        if child.in_progress and child.sampled
    ]
    return [_marked(document) for document in found if document]


def _marked(found: dict[str, Any]) -> dict[str, Any]:
    """Mark what the user's code has begun and not ended; what it has ended inside is complete as it is."""
    if not found.get(_names.SEGMENT_IN_PROGRESS):
        return _finished(found, time())
    found.pop("cause_document", None)
    found[_names.SEGMENT_FAULT] = True
    if children := found.get(_names.SEGMENT_SUBSEGMENTS):
        found[_names.SEGMENT_SUBSEGMENTS] = [_marked(child) for child in children]
    return found


def _finished(found: dict[str, Any], now: float) -> dict[str, Any]:
    if found.pop(_names.SEGMENT_IN_PROGRESS, False):
        found[_names.SEGMENT_END_TIME] = now
    if (error := found.pop("cause_document", None)) is not None:
        found[_names.SEGMENT_CAUSE] = error
    for child in found.get(_names.SEGMENT_SUBSEGMENTS, ()):
        _finished(child, now)
    return found


class _Collector(TrimmingEmitter):
    """Passes documents to a test instead of the daemon, as they would have been sent.

    Attributes:
        before, enabled: the recorder's emitter, and whether the SDK was on, before the test.
    """

    def __init__(self) -> None:
        self.before = xray_recorder.emitter
        self.enabled = global_sdk_config.sdk_enabled()

    def _send_data(self, data: str) -> None:
        sending.send(data[len(_PROTOCOL) :])


def collect() -> None:
    """Pass what the SDK sends to the test that collects documents, or to the daemon again if none does any longer."""
    emitter = xray_recorder.emitter
    if sending.is_collected():
        if type(emitter) is not _Collector:
            xray_recorder.emitter = _Collector()
    elif type(emitter) is _Collector:
        xray_recorder.emitter = emitter.before
        global_sdk_config.set_sdk_enabled(emitter.enabled)
