"""X-Ray segment documents: made, and cut to what one datagram holds.

https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html
"""

import os
from collections.abc import Iterator
from typing import Any, Final

from ... import _json
from ...failure import exceptions
from ...failure.stack_frames import Frame

BYTES_MOST: Final = 63_000  # a UDP datagram carries 65,507 at most; the SDK's header goes with it
_FRAMES_MOST: Final = 30
_MESSAGE_MOST: Final = 2_048  # characters
_KEPT: Final = frozenset(
    (
        "name",
        "id",
        "trace_id",
        "parent_id",
        "type",
        "namespace",
        "start_time",
        "end_time",
        "fault",
        "error",
        "throttle",
    )
)


def new_id() -> str:
    """Return an id for a segment or subsegment: 16 hex digits, also unique among copies of one snapshot."""
    return os.urandom(8).hex()


def cause(error: BaseException) -> dict[str, Any]:
    """Return an exception as X-Ray's `cause`, built here because the SDK's own way sets attributes on the exception."""
    return {"working_directory": _directory(), "exceptions": list(_exceptions(error))}


def cause_of_timeout(kind: str, message: str, stack: list[Frame]) -> dict[str, Any]:
    """Return a timeout as X-Ray's `cause`, so that the trace shows where it is stuck.

    Args:
        kind: in the place of an exception's type.
        message: what there is to say.
        stack: outermost frame first.
    """
    entry = {"id": new_id(), "type": kind, "message": message, "remote": False, "stack": _stack(stack)}
    return {"working_directory": _directory(), "exceptions": [entry]}


def _directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 - a path as text is what is wanted
    except OSError:  # it is gone
        return ""


def _stack(frames: list[Frame]) -> list[dict[str, Any]]:
    return [
        {"path": file.rpartition("/")[2], "line": line, "label": function}
        for file, line, function in reversed(frames[-_FRAMES_MOST:])
    ]


def _exceptions(error: BaseException) -> Iterator[dict[str, Any]]:
    seen: set[int] = set()
    link: BaseException | None = error
    cause_id = new_id()
    while link is not None and id(link) not in seen and len(seen) < 4:  # noqa: PLR2004 - a chain that a person would read
        seen.add(id(link))
        stack = exceptions.frames(exceptions.trace_of(link))
        after = exceptions.cause_of(link)
        entry: dict[str, Any] = {
            "id": cause_id,
            "type": exceptions.type_name(link),
            "message": _json.cut(exceptions.message(link), _MESSAGE_MOST),
            "remote": False,
            "stack": _stack(stack),
        }
        if after is not None:
            entry["cause"] = cause_id = new_id()
        yield entry
        link = after


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
    alone = {key: value for key, value in document.items() if key != "subsegments"}
    for child in document.get("subsegments") or ():
        own = {"type": "subsegment", "trace_id": document.get("trace_id"), "parent_id": document.get("id")}
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
        **{key: value for key, value in document.items() if key != "metadata"},
        "metadata": _note("metadata"),
    }


def _without_stacks(document: dict[str, Any]) -> dict[str, Any]:
    found = document.get("cause")
    if not isinstance(found, dict):
        return document
    exceptions = [
        {**entry, "stack": [], "message": _json.cut(_json.text(entry.get("message", "")), 512)}
        for entry in found.get("exceptions", ())[:10]
    ]
    return {**document, "cause": {**found, "exceptions": exceptions}, "metadata": _note("metadata, stacks")}


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    annotations = document.get("annotations")
    kept = {key: value for key, value in document.items() if key in _KEPT or key == "cause"}
    if isinstance(annotations, dict):
        kept["annotations"] = {
            key: _json.cut(value, 250) if isinstance(value, str) else value
            for key, value in list(annotations.items())[:50]
        }
    return {**kept, "metadata": _note("metadata, stacks, all but ids, times, annotations and errors")}


def _note(what: str) -> dict[str, Any]:
    return {"lambda_guard": {"left_out_for_size": what}}


def _size(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode())
