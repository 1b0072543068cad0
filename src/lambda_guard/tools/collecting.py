"""Collecting a trace: from one id to everything that hangs together with it, in as many passes as it takes.

Each pass reads the sources again and keeps only what names an id known so far, so that memory holds one
trace, not the logs. The ids of what was found are asked for in the next pass: other traces that a batch came
from, messages sent on.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lambda_guard.tools.invocation import Block, Invocation
from lambda_guard.tools.selection import identities, received_ids, sent_ids, trace_ids
from lambda_guard.tools.trace_tree import merge_late

PASSES_MOST: Final = 8
INVOCATIONS_MOST: Final = 20_000

Pass = Callable[[frozenset[str]], Iterable[Block]]
"""Reads the sources once, for invocations that name one of these ids; it may give more than that."""


def collect(wanted: str, read: Pass) -> list[Invocation]:
    """Collect all invocations that hang together with an id.

    Args:
        wanted: an invocation id, a trace id, or a message id.
        read: reads the sources once.

    Returns:
        The invocations, at most 20,000, in the order of the logs; empty where the id stands nowhere.
    """
    ids, found = frozenset({wanted}), list[Invocation]()
    for _ in range(PASSES_MOST):
        found = list(_naming(ids, read(ids)))
        linked = ids.union(*map(_links, found))
        if linked == ids:
            break
        ids = linked
    return merge_late(found)


def _naming(ids: frozenset[str], blocks: Iterable[Block]) -> Iterator[Invocation]:
    """Keep the invocations that are known by one of the ids, or one of whose lines names one."""
    pattern = re.compile(b"|".join(re.escape(one.encode()) for one in sorted(ids)))
    kept = 0
    for block in blocks:
        if not isinstance(block, Invocation) or not any(map(pattern.search, block.raw)):
            continue
        if ids & identities(block):
            yield block
            kept += 1
            if kept == INVOCATIONS_MOST:
                return


def _links(invocation: Invocation) -> set[str]:
    return (
        {invocation.invocation_id} | trace_ids(invocation) | sent_ids(invocation) | received_ids(invocation)
    )
