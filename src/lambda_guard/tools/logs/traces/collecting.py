"""Collecting a trace: from one id to everything connected to it, in as many passes as it takes.

Each pass reads the sources again and keeps only what names an id known so far, so that memory holds one
trace, not the logs. The ids of what was found are asked for in the next pass: other traces that a batch came
from, messages sent on.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lambda_guard.tools.logs.invocation import Block, Invocation
from lambda_guard.tools.logs.reading.attempts import merge_late
from lambda_guard.tools.logs.selection import identities
from lambda_guard.tools.logs.traces.membership import Focus

PASSES_MOST: Final = 8
INVOCATIONS_MOST: Final = 20_000

_PATTERN_IDS_MOST: Final = 64
"""A pattern tries its alternatives one by one: beyond this many, reading what it would spare costs less."""

Pass = Callable[[frozenset[str]], Iterable[Block]]
"""Reads the sources once, for invocations that name one of these ids; it may give more than that."""


def collect(wanted: str, read: Pass) -> Focus:
    """Collect all invocations that are connected to an id.

    Args:
        wanted: an invocation id, a trace id, or a message id.
        read: reads the sources once.

    Returns:
        What belongs to the id, at most 20,000 invocations; no member if nothing names the id.
    """
    focus = Focus(wanted)
    for _ in range(PASSES_MOST):
        ids = focus.ids
        focus = Focus(wanted, merge_late(_naming(ids, read(ids))))
        if focus.ids <= ids:
            break
    return focus


def _naming(ids: frozenset[str], blocks: Iterable[Block]) -> Iterator[Invocation]:
    """Keep the invocations that are known by one of the ids, or one of whose lines names one."""
    pattern = _pattern_of(ids) if len(ids) <= _PATTERN_IDS_MOST else None
    kept = 0
    for block in blocks:
        if not isinstance(block, Invocation) or (pattern and not any(map(pattern.search, block.raw))):
            continue
        if ids & identities(block):
            yield block
            kept += 1
            if kept == INVOCATIONS_MOST:
                return


def _pattern_of(ids: frozenset[str]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(re.escape(one.encode("utf-8", "surrogatepass")) for one in sorted(ids)))
