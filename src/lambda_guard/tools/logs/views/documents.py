"""An invocation as one JSON object: the shape of `--json`, and of the data in the HTML page."""

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import asdict

from lambda_guard import _names as names
from lambda_guard._printable import visible_json
from lambda_guard.tools.logs.invocation import Block, Invocation
from lambda_guard.tools.logs.model import Stray

if TYPE_CHECKING:  # only for those who show traces
    from lambda_guard.tools.logs.traces.tree import Node, Trace

_encode_quickly: Final = msgspec.json.Encoder(enc_hook=str).encode

_EMPTY: Final[tuple[object, ...]] = (None, "", {})


def encoded(document: object) -> str:
    """Write a line of JSON that any reader takes.

    NaN and Infinity, which Python's JSON alone knows, become null; what can't be seen is escaped.
    """
    try:
        text = _encode_quickly(document).decode()
    except (ValueError, OverflowError):  # halves of surrogate pairs, integers beyond 64 bits
        plain = _finite(msgspec.to_builtins(document, enc_hook=str))
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), default=str)
    return f"{visible_json(text)}\n"


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def block_pieces(block: Block) -> tuple[str]:
    """Return a block as a line of JSON, in one piece."""
    return (encoded(as_document(block)),)


def as_document(block: Block) -> dict[str, object]:
    """Return what is known of a block, under the names of the record; times in milliseconds since 1970."""
    head = {"source": block.source} if isinstance(block, Stray) else head_document(block)
    return {**head, "lines": block.lines}


def head_document(invocation: Invocation) -> dict[str, object]:
    """Return everything of an invocation but its lines."""
    told: dict[str, object] = {
        names.INVOCATION_ID: invocation.invocation_id,
        names.OUTCOME: invocation.outcome,
        names.FAILED: invocation.failed,
        names.FUNCTION_NAME: invocation.function,
        names.FUNCTION_VERSION: invocation.version,
        "start_ms": invocation.start_ms,
        "end_ms": invocation.end_ms,
        names.DURATION_MS: invocation.duration_ms,
        names.ATTEMPT: invocation.attempt,
        "late": invocation.late or None,
        "clock_jumped": invocation.clock_jumped or None,
        "source": invocation.source,
        names.RECORD: invocation.record,
        "platform": None if invocation.report.is_empty() else filled(asdict(invocation.report)),
    }
    return filled(told)


def trace_line(trace: "Trace") -> str:
    """Return a trace as a line of JSON: the tree under `roots`.

    It is put together node by node: a trace may be deeper than the stack of any encoder.
    """
    parts = [_open_ended({"trace_id": trace.trace_id, names.FAILED: trace.failed}, "roots")]
    above = -1
    for depth, node in trace.walk():
        if depth <= above:
            parts.append("]}" * (above - depth + 1) + ",")
        parts.append(_open_ended(_node_document(node), "children"))
        above = depth
    parts.append("]}" * (above + 2) + "\n")
    return "".join(parts)


def _open_ended(document: dict[str, object], key: str) -> str:
    """Write an object up to the list that is its last entry."""
    return f'{encoded(document).rstrip()[:-1]},"{key}":['


def _node_document(node: "Node") -> dict[str, object]:
    document = {
        **as_document(node.invocation),
        "link": node.link,
        "waited_ms": node.waited_ms,
        "dead_letters": node.dead_letters,
        **({"replay": True} if node.replay else {}),
        names.FAILED: node.failed,
    }
    if node.others is not None:
        document["shared_with"] = filled({"messages": node.others.messages, "traces": node.others.traces})
    return document


def filled(document: Mapping[str, object]) -> dict[str, object]:
    """Leave out what is not known: a key that is there has a value."""
    return {key: value for key, value in document.items() if value or value not in _EMPTY}
