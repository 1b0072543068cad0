"""A map of a system as SVG: alone, for a README, a ticket or a chat; or in the page, where its parts can be clicked.

What stands in logs is data: all of it is escaped, and what can't be seen is made visible.
"""

import html
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import Final

from lambda_guard._printable import visible
from lambda_guard.tools.logs.system.places import DEAD, DIRECT, UNKNOWN, Key
from lambda_guard.tools.logs.system.survey import Edge, Place, System
from lambda_guard.tools.logs.views.map.layout import Box, Line, lay_out
from lambda_guard.tools.logs.views.text import TIMES
from lambda_guard.tools.times import span

HUES: Final = 12
"""So many colours tell functions apart, here and in the waterfall."""

_NAME_MOST: Final = 26
_NAME_PX: Final = 7.3
_TEXT_PX: Final = 6.5
_SMALL_PX: Final = 5.9
_LINE_PX: Final = 15
_MARGIN: Final = 14.0
_HEAD: Final = 7.0
_LOOP: Final = 26.0
_TITLE_MOST: Final = 400
_P95_LEAST: Final = 20
"""Of fewer values, the 95th of 100 is the longest, and is called so."""

_SEPARATORS: Final = "-_./:"
_ORDER: Final = ("source", "unknown", "function", "topic", "bus", "machine", "stream", "queue", "dead")
_REQUESTS: Final = frozenset({"REST API", "HTTP API", "WebSocket API", "function URL", "load balancer"})
LEGEND: Final = (
    "On a line: how many messages, and how many of them failed; below it: how long they were under way. "
    "In a function: invocations, and how long they ran. p50: half of them took no longer; p95: 95 of 100."
)


def picture(system: System, title: str) -> str:
    """Draw a map that stands alone: an SVG document with its style, light or dark as its reader has it."""
    body, width, height = _drawn(system)
    legend = [LEGEND[: LEGEND.index("In a function")], LEGEND[LEGEND.index("In a function") :]]
    width = max(width, *(len(text) * _SMALL_PX for text in legend))
    notes = "".join(
        f'<text class="what" x="0" y="{height + 26 + 14 * at:.0f}">{escaped(text)}</text>'
        for at, text in enumerate([*legend, *filter(None, [left_out(system)])])
    )
    box = f"{-_MARGIN:.0f} {-_MARGIN:.0f} {width + 2 * _MARGIN:.0f} {height + 66 + _MARGIN:.0f}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="map" data-generator="lambda-guard" viewBox="{box}" role="img">'
        f"<title>{escaped(title)}</title><style>{_style()}</style>"
        f'<rect class="ground" x="{-_MARGIN}" y="{-_MARGIN}" width="100%" height="100%" rx="10"/>{body}{notes}</svg>\n'
    )


def markup(system: System, title: str) -> str:
    """Draw a map for the page: the same, without its style, and with what the page's script looks for."""
    body, width, height = _drawn(system)
    box = f"{-_MARGIN:.0f} {-_MARGIN:.0f} {width + 2 * _MARGIN:.0f} {height + 2 * _MARGIN:.0f}"
    return (
        f'<svg class="map" id="map" viewBox="{box}" role="group" aria-label="{escaped(title)}">{body}</svg>'
    )


def left_out(system: System) -> str:
    """Say what there was no room for; empty where everything is shown."""
    if not system.left_out:
        return ""
    shown = len(system.places)
    return f"The map shows {shown:,} of {shown + system.left_out:,} places: those where the most failed and happened."


def percentile(values: Iterable[float], share: float) -> float | None:
    """Return the value that this share of all don't exceed (the nearest rank); None of no values."""
    ranked = sorted(values)
    return ranked[max(0, -int(-share * len(ranked) // 1) - 1)] if ranked else None


def times_text(values: Sequence[float]) -> str:
    """Describe how long something took: `p50 17 ms · p95 79 ms`; of few values the longest, or the only one."""
    if len(values) <= 1:
        return span(values[0]) if values else ""
    last = (max(values), "max") if len(values) < _P95_LEAST else (percentile(values, 0.95), "p95")
    return f"p50 {span(percentile(values, 0.5))} · {last[1]} {span(last[0])}"


def name_text(key: Key) -> str:
    """Name a place in full: `SQS queue orders`."""
    if key.kind == "unknown":
        return key.what
    unnamed = key.what == DEAD and not key.name
    return _short(f"{key.what} of {key.account}" if unnamed else f"{key.what} {key.name}".strip())


def place_text(place: Place) -> str:
    """Describe a place in full: what its box has no room for."""
    told = [name_text(place.key)]
    if place.key.kind == "function":
        told[0] = f"function {_short(place.key.name)}"
        told += _function_facts(place, names=True) if place.invocations else ["no log of it here"]
    if place.unlisted:
        told.append(f"{place.unlisted:,} more messages sent than its records list")
    return ", ".join(told)


def edge_text(edge: Edge) -> str:
    """Describe an edge in full."""
    unit = unit_of(edge)
    count = f"{edge.count:,}{' or more' if edge.more else ''} {unit if edge.count != 1 else unit[:-1]}"
    told = [f"{name_text(edge.source)} → {name_text(edge.target)}: {count}"]
    told += [f"{edge.failed:,} failed"] if edge.failed and edge.target.kind == "function" else []
    told += [f"{edge.again:,} delivered again"] if edge.again else []
    told += [f"under way {times_text(edge.waits)}"] if edge.waits else []
    return ", ".join(told)


def unit_of(edge: Edge) -> str:
    """Return what an edge counts."""
    if edge.source.kind == "source":
        return "requests" if edge.source.what in _REQUESTS else "events"
    direct = edge.source.kind == edge.target.kind == "function"
    return "invocations" if direct or edge.source.what == DIRECT else "messages"


def _function_facts(place: Place, *, names: bool = False) -> Iterator[str]:
    count = f"{place.invocations:,}"
    yield f"{count} invocation{'s' * (place.invocations != 1)}" if names else f"{TIMES}{count}"
    if place.failed:
        yield f"{place.failed:,} failed"
    if place.cold:
        yield f"{place.cold:,} cold start{'s' * (place.cold != 1)}" if names else f"{place.cold:,} cold"
    if names and place.durations:
        yield f"ran {times_text(place.durations)}"


# --- Boxes ------------------------------------------------------------------------------------------------------------


def _drawn(system: System) -> tuple[str, float, float]:
    places = sorted(system.places, key=lambda place: (_ORDER.index(place.key.kind), place.key))
    hues = {
        key: at % HUES
        for at, key in enumerate(sorted(one.key for one in places if one.key.kind == "function"))
    }
    on: dict[Key, list[int]] = {place.key: [] for place in places}
    for number, edge in enumerate(system.edges):
        for key in dict.fromkeys((edge.source, edge.target)):
            on[key].append(number)
    boxes = {place.key: _box(place) for place in places}
    lines = [Line(boxes[edge.source], boxes[edge.target], *_label_size(edge)) for edge in system.edges]
    for line in lines:
        line.source.height += _LOOP if line.source is line.target else 0
    width, height = lay_out(list(boxes.values()), lines)
    for line in lines:
        line.source.height -= _LOOP if line.source is line.target else 0
    parts = [
        _line(number, edge, line) for number, (edge, line) in enumerate(zip(system.edges, lines, strict=True))
    ]
    parts += [_place(one, boxes[one.key], on[one.key], hues.get(one.key)) for one in places]
    return "".join(parts), width, height


def _box(place: Place) -> Box:
    lines = _lines_of(place)
    width = max(len(text) * px + 26 for _, text, px in lines)
    return Box(max(width, 76.0), 13.0 + _LINE_PX * len(lines))


def _lines_of(place: Place) -> list[tuple[str, str, float]]:
    """Return the lines of a box: class, text and the width of a character."""
    key = place.key
    name = [("name", text, _NAME_PX * _width(text)) for text in _in_lines(key.name)]
    if key.kind != "function":
        of = [("what", f"of {_in_lines(key.account)[0]}", _SMALL_PX)] if key.what == DEAD and not name else []
        what = [key.what] if key.what != UNKNOWN else ["sender not", "in these logs"]
        return [*(("what", text, _SMALL_PX) for text in what), *name, *of]
    if not place.invocations:
        return [*name, ("what", "no log of it here", _SMALL_PX)]
    facts = [" · ".join(_function_facts(place)), times_text(place.durations)]
    return [*name, *(("", text, _TEXT_PX) for text in facts if text)]


def _in_lines(name: str) -> list[str]:
    """Break a name into two lines at most; of a longer one, the middle is left out."""
    name = visible(name)
    most = _NAME_MOST // _width(name)
    if len(name) <= most:
        return [name] if name else []
    if len(name) > 2 * most:
        return [name[:most], f"…{name[1 - most :]}"]
    at = max(name.rfind(sign, len(name) - most - 1, most) + 1 for sign in _SEPARATORS) or most
    return [name[:at], name[at:]]


def _width(text: str) -> int:
    """Return how many columns a character takes, of the widest."""
    return 2 if any(unicodedata.east_asian_width(sign) in "WF" for sign in text) else 1


def _place(place: Place, box: Box, on: list[int], hue: int | None) -> str:
    kind = f"{place.key.kind} failing" if place.failed else place.key.kind
    parts = [
        f"<title>{escaped(place_text(place))}</title>",
        _rect("box", (0, 0), box.width, box.height, _radius(place)),
    ]
    if hue is not None:
        inner = box.height - 2
        failed = inner * place.failed / place.invocations if place.invocations else 0.0
        parts.append(_rect(f"own hue-{hue}", (1, 1), 5, inner, 2))
        parts += [_rect("share", (1, 1 + inner - failed), 5, failed, 2)] if failed else []
    for at, (name, text, _) in enumerate(_lines_of(place)):
        parts.append(f'<text{_class(name)} x="14" y="{19 + _LINE_PX * at}">{_marked(text)}</text>')
    function = f' data-fn="{escaped(place.key.name)}"' if place.invocations else ""
    return (
        f'<g class="place {kind}" transform="translate({box.x:.1f} {box.y:.1f})" tabindex="0" role="button"'
        f' aria-pressed="false" data-on="{" ".join(map(str, on))}"{function}>{"".join(parts)}</g>'
    )


def _rect(kind: str, corner: tuple[float, float], width: float, height: float, radius: int) -> str:
    x, y = corner
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" {size} rx="{radius}"/>'


def _radius(place: Place) -> int:
    return {"topic": 17, "source": 17, "unknown": 12}.get(place.key.kind, 5)


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _marked(text: str) -> str:
    """Escape a text, and mark the part of it that says what failed."""
    return " · ".join(
        f'<tspan class="bad">{escaped(part)}</tspan>' if part.endswith(" failed") else escaped(part)
        for part in text.split(" · ")
    )


# --- Lines ------------------------------------------------------------------------------------------------------------


def _label(edge: Edge) -> list[str]:
    failed = [f"{edge.failed:,} failed"] if edge.failed and edge.target.kind == "function" else []
    count = " · ".join([f"{edge.count:,}{'+' * edge.more}", *failed])
    return [count, times_text(edge.waits)] if edge.waits else [count]


def _label_size(edge: Edge) -> tuple[float, float]:
    label = _label(edge)
    return max(map(len, label)) * _TEXT_PX + 8, 34.0 if len(label) > 1 else 24.0


def _line(number: int, edge: Edge, line: Line) -> str:
    kind = "line failing" if edge.failed else "line guess" if edge.source.kind == "unknown" else "line"
    if line.source is line.target:
        path, head, x, y = _loop(line.source)
    else:
        path, head = _path(line), _arrow(line)
        x, y = line.label.x + line.label.width / 2, line.label.middle
    count, *rest = _label(edge)
    texts = f'<text class="count" x="{x:.1f}" y="{y - 5:.1f}">{_marked(count)}</text>'
    texts += "".join(f'<text x="{x:.1f}" y="{y + 14:.1f}">{escaped(text)}</text>' for text in rest)
    return (
        f'<g class="{kind}" data-on="{number}"><title>{escaped(edge_text(edge))}</title><path class="grip" d="{path}"/>'
        f'<path d="{path}"/><path class="head" d="{head}"/>{texts}</g>'
    )


def _path(line: Line) -> str:
    """Draw a line: bent between columns, straight along what it passes."""
    *points, (x, y) = line.points
    points.append((x + (_HEAD if line.turned else -_HEAD), y))
    drawn = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for at, ((x0, y0), (x1, y1)) in enumerate(pairwise(points)):
        half = (x0 + x1) / 2
        straight = at % 2 or y0 == y1
        drawn.append(
            f"H{x1:.1f}" if straight else f"C{half:.1f} {y0:.1f} {half:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        )
    return "".join(drawn)


def _arrow(line: Line) -> str:
    x, y = line.points[-1]
    return f"M{x:.1f} {y:.1f}l{_HEAD if line.turned else -_HEAD} -4v8z"


def _loop(box: Box) -> tuple[str, str, float, float]:
    """Draw a line from a box to itself, below it."""
    x, y, reach = box.x + box.width / 2, box.y + box.height, 34.0
    path = f"M{x + reach:.1f} {y:.1f}v8q0 8 -8 8h{16 - 2 * reach:.1f}q-8 0 -8 -8v-1"
    return path, f"M{x - reach:.1f} {y:.1f}l-4 {_HEAD}h8z", x, y + 16


# --- Text -------------------------------------------------------------------------------------------------------------


def _short(text: str) -> str:
    return text if len(text) <= _TITLE_MOST else f"{text[: _TITLE_MOST - 1]}…"


def escaped(text: str) -> str:
    """Escape a text of anybody's for HTML and SVG."""
    return html.escape(visible(text))


def _style() -> str:
    """Return the style of a map that stands alone: dark where its reader wants it."""
    light, _, dark = _part("themes.css").partition(':root[data-theme="dark"]')
    return f"{light}@media (prefers-color-scheme: dark) {{ :root{dark}}}\n{_part('map.css')}"


def _part(name: str) -> str:
    return (files(__package__ or "") / name).read_text(encoding="utf-8")
