"""X-Ray segment documents: made, and cut to what one datagram holds.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

import os
from collections.abc import Iterable, Iterator
from typing import Any, Final

from ... import _json, _names
from ...failure import exceptions, stack_frames
from ...failure.stack_frames import Frame
from ...propagation.place import new_id

BYTES_MOST: Final = 63_000  # a UDP datagram carries 65,507 at most; the SDK's header goes with it
ANNOTATION_MOST: Final = 1_000  # characters of a value
_NAME_MOST: Final = 180  # characters, with room for a prefix in the 200 that X-Ray takes
_NAME_CHARS: Final = frozenset(" _.:/%&#=+-@")  # besides letters and digits
_FRAMES_MOST: Final = 30
_MESSAGE_MOST: Final = 2_048  # characters
_CHAIN_MOST: Final = 4  # exceptions that a person would read
_KEPT: Final = frozenset((
    _names.SEGMENT_NAME, _names.SEGMENT_ID, _names.SEGMENT_TRACE_ID, _names.SEGMENT_PARENT_ID, _names.SEGMENT_TYPE,
    _names.SEGMENT_NAMESPACE, _names.SEGMENT_START_TIME, _names.SEGMENT_END_TIME, _names.SEGMENT_FAULT,
    _names.ERROR, _names.SEGMENT_THROTTLE, _names.SEGMENT_CAUSE,
))  # fmt: skip


def name_of(said: str) -> str:
    """Return a text as the name of a (sub)segment, without the characters that X-Ray refuses; it may be empty."""
    return "".join(char for char in said[:_NAME_MOST] if char.isalnum() or char in _NAME_CHARS)


def cause(error: BaseException) -> dict[str, Any]:
    """Return an exception as X-Ray's `cause`, built here because the SDK's own way sets attributes on the exception."""
    return _cause(_exceptions(error))


def cause_of_timeout(kind: str, message: str, stack: list[Frame]) -> dict[str, Any]:
    """Return a timeout as X-Ray's `cause`, so that the trace shows where it is stuck.

    Args:
        kind: in the place of an exception's type.
        message: what there is to say.
        stack: outermost frame first.
    """
    return _cause([_entry(new_id(), kind, message, stack)])


def _cause(exceptions: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        _names.SEGMENT_WORKING_DIRECTORY: _directory(),
        _names.EXCEPTIONS: list(exceptions),
    }


def _entry(entry_id: str, kind: str, message: str, stack: list[Frame]) -> dict[str, Any]:
    return {
        _names.SEGMENT_ID: entry_id,
        _names.TYPE: kind,
        _names.MESSAGE: message,
        _names.SEGMENT_REMOTE: False,
        _names.STACK: _stack(stack),
    }


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a path as text is what is wanted
    except OSError:  # it is gone
        return ""


def _stack(frames: list[Frame]) -> list[dict[str, Any]]:
    return [
        {
            _names.SEGMENT_PATH: stack_frames.base(file),
            _names.LINE: line,
            _names.SEGMENT_LABEL: function,
        }
        for file, line, function in reversed(frames[-_FRAMES_MOST:])
    ]


def _exceptions(error: BaseException) -> Iterator[dict[str, Any]]:
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and len(chain) < _CHAIN_MOST and not any(link is each for each in chain):
        chain.append(link)
        link = exceptions.cause_of(link)
    ids = [new_id() for _ in chain]
    for number, each in enumerate(chain):
        message = _json.cut(exceptions.message(each), _MESSAGE_MOST)
        stack = exceptions.frames(exceptions.trace_of(each))
        entry = _entry(ids[number], exceptions.type_name(each), message, stack)
        if number + 1 < len(chain):
            entry[_names.SEGMENT_CAUSE] = ids[number + 1]
        yield entry


def unfinished(found: dict[str, Any]) -> dict[str, Any]:
    """Return the document of work that has ended as one of work that is in progress, with all that it contains."""
    gone = (_names.SEGMENT_END_TIME, _names.SEGMENT_SUBSEGMENTS)
    kept = {key: value for key, value in found.items() if key not in gone}
    kept[_names.SEGMENT_IN_PROGRESS] = True
    if children := found.get(_names.SEGMENT_SUBSEGMENTS):
        kept[_names.SEGMENT_SUBSEGMENTS] = [unfinished(child) for child in children]
    return kept


def datagrams(document: dict[str, Any]) -> Iterator[str]:
    """Yield the JSON of a document, in as many documents as it takes for each to fit into a datagram.

    Subsegments are sent for themselves first where the whole is too large (X-Ray puts them together by their
    ids); what is still too large loses its metadata, then its stacks, then everything but its ids, its times
    and its errors.
    """
    line = _json.encode(document)
    if _size(line) <= BYTES_MOST:
        yield line
        return
    alone = {key: value for key, value in document.items() if key != _names.SEGMENT_SUBSEGMENTS}
    for child in document.get(_names.SEGMENT_SUBSEGMENTS) or ():
        own = {
            _names.SEGMENT_TYPE: _names.SUBSEGMENT,
            _names.SEGMENT_TRACE_ID: document.get(_names.SEGMENT_TRACE_ID),
            _names.SEGMENT_PARENT_ID: document.get(_names.SEGMENT_ID),
        }
        yield from datagrams({**own, **child})
    yield _trimmed(alone)


def _trimmed(document: dict[str, Any]) -> str:
    for trim in (_without_metadata, _without_stacks, _bare):
        line = _json.encode(document)
        if _size(line) <= BYTES_MOST:
            return line
        document = trim(document)
    return _json.fit(document, BYTES_MOST)


def _without_metadata(document: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: value for key, value in document.items() if key != _names.SEGMENT_METADATA},
        _names.SEGMENT_METADATA: _note("metadata"),
    }


def _without_stacks(document: dict[str, Any]) -> dict[str, Any]:
    found = document.get(_names.SEGMENT_CAUSE)
    if not isinstance(found, dict):
        return document
    entries = [
        {**entry, _names.STACK: [], _names.MESSAGE: _json.cut(_json.text(entry.get(_names.MESSAGE, "")), 512)}
        for entry in found.get(_names.EXCEPTIONS, ())[:10]
    ]
    return {
        **document,
        _names.SEGMENT_CAUSE: {**found, _names.EXCEPTIONS: entries},
        _names.SEGMENT_METADATA: _note("metadata, stacks"),
    }


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    annotations = document.get(_names.SEGMENT_ANNOTATIONS)
    kept = {key: value for key, value in document.items() if key in _KEPT}
    if isinstance(annotations, dict):
        kept[_names.SEGMENT_ANNOTATIONS] = {
            key: _json.cut(value, 250) if isinstance(value, str) else value
            for key, value in list(annotations.items())[:50]
        }
    return {
        **kept,
        _names.SEGMENT_METADATA: _note("metadata, stacks, all but ids, times, annotations and errors"),
    }


def _note(what: str) -> dict[str, Any]:
    return {"lambda_guard": {_names.SEGMENT_LEFT_OUT: what}}


def _size(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode())
