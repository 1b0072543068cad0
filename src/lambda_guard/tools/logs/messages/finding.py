"""Finding what to follow: by conditions, or where an id that isn't one stands in a field."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

from lambda_guard.tools.logs.invocation import Block, Invocation, invocations_of
from lambda_guard.tools.logs.readers import Reader
from lambda_guard.tools.logs.reading.line_owner import load
from lambda_guard.tools.logs.selection import Selection, Target

FOUND_MOST = 20
"""So many messages or traces are followed at once: whoever finds more means something narrower."""

_DEPTH_MOST = 8


def matching(reader: Reader, target: Target, selection: Selection) -> Iterator[Invocation]:
    """Yield the invocations that conditions select; the reader can read again afterwards."""
    blocks: Iterable[Block] = reader.read() if target.in_the_cloud else reader.read_naming(frozenset())
    return (one for one in invocations_of(blocks) if selection.matches(one))


def fields_holding(value: str, blocks: Iterable[Block]) -> dict[str, int]:
    """Return the fields whose value is this, with dots where they lead into objects, and in how many invocations."""
    found: dict[str, int] = {}
    sought = value.encode("utf-8", "surrogatepass")
    for invocation in invocations_of(blocks):
        documents = [load(raw) for raw in invocation.raw if raw[:1] == b"{" and sought in raw]
        for path in {path for one in documents if one is not None for path in _paths(value, one)}:
            found[path] = found.get(path, 0) + 1
    return found


def _paths(value: str, document: object, path: str = "", depth: int = 0) -> Iterator[str]:
    if isinstance(document, Mapping) and depth < _DEPTH_MOST:
        for key, one in document.items():
            yield from _paths(value, one, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(document, list):
        for one in document:
            yield from _paths(value, one, path, depth + 1)
    elif path and document is not None and str(document) == value:
        yield path


def not_found(command: str, wanted: str, reader: Reader, target: Target, selection: Selection) -> str:
    """Say that nothing has the id, or meets the conditions; where a field has it, name the command that finds it."""
    if not wanted:
        return "no invocation in these logs matches"
    held = fields_holding(wanted, reader.read_naming(frozenset((wanted,))))
    if not held:
        return f"nothing in these logs names {wanted}: is the id complete, and do --since and --until include it?"
    key, count = max(held.items(), key=lambda one: (one[1], one[0]))
    typed = shlex.join(
        ["lambda-guard", command, "--where", f"{key}={wanted}", *sources(target), *times(selection)]
    )
    plural = "s" * (count != 1)
    of = f"but the {key} of {count:,} invocation{plural}"
    return f"{wanted} is no id of an invocation, a trace or a message, {of}: {typed}"


def sources(target: Target) -> Sequence[str]:
    """Write where to read from as it is typed."""
    options = (("--log-group", target.groups), ("--function", target.functions), ("--stack", target.stacks))
    return [
        *target.paths,
        *(text for option, values in options for value in values for text in (option, value)),
    ]


def times(selection: Selection) -> Sequence[str]:
    """Write between when to read as it can be typed: log groups are read for an hour where nothing is said."""
    told = (("--since", selection.since_ms), ("--until", selection.until_ms))
    return [
        text
        for option, ms in told
        if ms is not None
        for text in (option, datetime.fromtimestamp(ms / 1_000.0, UTC).isoformat(timespec="milliseconds"))
    ]
