"""Writing the page: data, style and script in one file, which needs no network and may not use any.

What stands in logs is data throughout: it stands in the page as JSON in which `<`, `>` and `&` are
escaped, and drawn as text. A content security policy allows this page's own style and script, by their
hashes, and nothing else.
"""

import base64
import hashlib
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import chain
from string import Template
from typing import Final

import msgspec

from lambda_guard._printable import visible
from lambda_guard.tools.logs.model import Stray
from lambda_guard.tools.logs.system.survey import System, survey
from lambda_guard.tools.logs.traces.tree import Trace
from lambda_guard.tools.logs.views.html.page_data import page_data
from lambda_guard.tools.logs.views.html.page_file import PageFile
from lambda_guard.tools.logs.views.html.rows import ROW_BYTES_MOST
from lambda_guard.tools.logs.views.map.picture import LEGEND, left_out, markup, picture
from lambda_guard.tools.logs.views.map.table import tables
from lambda_guard.tools.terminal import say

INVOCATIONS_MOST: Final = 20_000
"""A page with more would be of no use, and hard on a browser."""


def write_page(
    traces: Sequence[Trace],
    system: System,
    file: PageFile,
    *,
    title: str,
    strays: Iterable[Stray] = (),
    by_cause: bool = False,
) -> str:
    """Write one self-contained HTML page.

    Args:
        traces: what to show, as `build_traces` gives it.
        system: their system, as `survey` gives it.
        file: where it goes.
        title: the page's heading.
        strays: lines that belong to no invocation; they are shown after the traces.
        by_cause: whether the table of causes is open from the beginning.

    Returns:
        What there was no room for; empty where the page has everything.

    Raises:
        OSError: the file can't be written.
    """
    drawn = _drawn(system)
    head, rows = page_data(
        traces,
        title=title,
        strays=strays,
        by_cause=by_cause,
        edges_of=system.edges_of,
        size=ROW_BYTES_MOST - sum(len(part.encode()) for part in drawn.values()),
    )
    style = _part("map/themes.css") + _part("html/page.css") + _part("map/map.css")
    script = "".join(map(_part, ("html/map.js", "html/time.js", "html/page.js")))
    filled_in = {
        **drawn,
        "title": html.escape(visible(title)),
        "style": style,
        "style_hash": _hash(style),
        "script": script,
        "script_hash": _hash(script),
    }
    before, _, after = _part("html/page.html").partition("$data")
    around = [Template(part).substitute(filled_in).encode() for part in (before, after)]
    file.write(chain(around[:1], _embedded(head, rows), around[1:]))
    return msgspec.json.decode(head["left_out"], type=str)


def write_files(
    traces: Sequence[Trace],
    files: Mapping[str, PageFile],
    *,
    title: str,
    strays: Iterable[Stray] = (),
    by_cause: bool = False,
) -> str:
    """Write the page and the map's picture, where they are asked for, and say so; arguments as in `write_page`."""
    missing, system = "", survey(traces)
    if (page := files.get("--html")) is not None:
        missing = write_page(traces, system, page, title=title, strays=strays, by_cause=by_cause)
        say(f"wrote {page.path}")
    if (file := files.get("--map")) is not None:
        file.write([picture(system, f"{title}. {_about(system)}").encode()])
        say(f"wrote {file.path}")
    return missing


def _embedded(head: dict[str, msgspec.Raw], rows: Iterable[msgspec.Raw]) -> Iterator[bytes]:
    """Yield the data in parts: as one, they would be held twice."""
    yield msgspec.json.encode(head)[:-1] + b',"nodes":['
    for at, row in enumerate(rows):
        yield (b"," if at else b"") + bytes(row)
    yield b"]}"


def _drawn(system: System) -> dict[str, str]:
    """Draw the map; of logs without an invocation there is none."""
    about = _about(system)
    return {
        "about_map": html.escape(about),
        "map": markup(system, about) if system.places else "",
        "legend": html.escape(LEGEND),
        "map_left_out": html.escape(left_out(system)),
        "tables": tables(system),
    }


def _about(system: System) -> str:
    """Say in a few words what the map shows."""
    functions = [place for place in system.places if place.key.kind == "function"]
    failing = sum(place.failed > 0 for place in functions)
    parts = [f"{len(functions):,} function{'s' * (len(functions) != 1)}"]
    parts += [f"{failing:,} of them failed"] if failing else []
    dead = [edge for edge in system.edges if edge.target.kind == "dead"]
    letters = sum(edge.count for edge in dead)
    parts += [f"{letters:,} message{'s' * (letters != 1)} went to a dead-letter queue"] if letters else []
    return f"Map of the system: {', '.join(parts)}"


def _part(path: str) -> str:
    return (files("lambda_guard.tools.logs.views") / path).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
