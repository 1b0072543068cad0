"""Writing the page: data, style and script in one file, which needs no network and may not use any.

What stands in logs is data throughout: it is put into the page as JSON in which `<`, `>` and `&` are
escaped, and drawn as text. A content security policy allows this page's own style and script, by their
hashes, and nothing else.
"""

import base64
import hashlib
import html
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Final

from lambda_guard._printable import visible
from lambda_guard.tools.logs.model import Stray
from lambda_guard.tools.logs.traces.tree import Trace
from lambda_guard.tools.logs.views.html.page_data import page_data
from lambda_guard.tools.logs.views.html.page_file import PageFile

INVOCATIONS_MOST: Final = 20_000
"""A page with more would be of no use, and hard on a browser."""

_ESCAPES: Final = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def write_page(
    traces: Sequence[Trace],
    file: PageFile,
    *,
    title: str,
    strays: Iterable[Stray] = (),
    by_cause: bool = False,
) -> None:
    """Write one self-contained HTML page.

    Args:
        traces: what to show, as `build_traces` gives it.
        file: where it goes.
        title: the page's heading.
        strays: lines that belong to no invocation; they are shown after the traces.
        by_cause: whether the table of causes is open from the beginning.

    Raises:
        OSError: the file can't be written.
    """
    style, script = _part("page.css"), _part("page.js")
    page = Template(_part("page.html")).substitute(
        title=html.escape(visible(title)),
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=_embedded(page_data(traces, title=title, strays=strays, by_cause=by_cause)),
    )
    file.write(page)


def _embedded(document: object) -> str:
    """Write JSON that can't end the script element that it stands in, whatever the logs say."""
    return json.dumps(_shown(document), separators=(",", ":")).translate(_ESCAPES)


def _shown(value: object) -> object:
    """Make visible in each text what can't be seen: a browser obeys bidirectional marks, too."""
    if isinstance(value, str):
        return visible(value, "\n")
    if isinstance(value, Mapping):
        return {key: _shown(one) for key, one in value.items()}
    return [_shown(one) for one in value] if isinstance(value, list | tuple) else value


def _part(name: str) -> str:
    return (files(__package__ or "") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
