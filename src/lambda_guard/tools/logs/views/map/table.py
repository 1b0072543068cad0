"""A map of a system as tables: for who hears it, searches it or copies it."""

from collections.abc import Iterable, Sequence
from typing import Final

from lambda_guard.tools.logs.system.survey import Edge, Place, System
from lambda_guard.tools.logs.views.map.picture import escaped, name_text, percentile, unit_of
from lambda_guard.tools.times import span

_FUNCTIONS: Final = ("Function", "Invocations", "Failed", "Cold starts", "Ran, p50", "p95")
_EDGES: Final = ("From", "To", "How many", "", "Failed", "Delivered again", "Under way, p50", "p95")


def tables(system: System) -> str:
    """Return two tables as HTML: the functions, and what leads from where to where; what is in them can be chosen."""
    functions = [_function(place) for place in system.places if place.key.kind == "function"]
    edges = [_edge(number, edge) for number, edge in enumerate(system.edges)]
    return _table(_FUNCTIONS, functions) + _table(_EDGES, edges)


def _function(place: Place) -> list[str]:
    name = escaped(place.key.name)
    chosen = f'<button type="button" data-fn="{name}" aria-pressed="false">{name}</button>'
    return [chosen, *_counts(place.invocations, place.failed, place.cold), *_times(place.durations)]


def _edge(number: int, edge: Edge) -> list[str]:
    chosen = f'<button type="button" data-on="{number}" aria-pressed="false">{escaped(name_text(edge.source))}</button>'
    failed = edge.failed if edge.target.kind == "function" else 0
    count = f"{edge.count:,}{' or more' if edge.more else ''}"
    told = [chosen, escaped(name_text(edge.target)), count, unit_of(edge)]
    return [*told, *_counts(failed, edge.again), *_times(edge.waits)]


def _counts(*counts: int) -> list[str]:
    return [f"{count:,}" if count else "" for count in counts]


def _times(values: Sequence[float]) -> list[str]:
    return [span(percentile(values, share)) if values else "" for share in (0.5, 0.95)]


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{title}</th>' for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
