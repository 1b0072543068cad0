"""Causes as text, and as JSON: one row each."""

from collections.abc import Iterator, Mapping
from typing import Final

from lambda_guard import _names as names
from lambda_guard._printable import visible
from lambda_guard.tools.logs.causes import Cause
from lambda_guard.tools.logs.views.documents import encoded, filled
from lambda_guard.tools.logs.views.text import INDENT, TIMES, error_text
from lambda_guard.tools.terminal import Palette
from lambda_guard.tools.times import date_and_clock

_FUNCTIONS_MOST: Final = 5
_WITHIN: Final = f"\n{INDENT}    "


def cause_line(cause: Cause) -> str:
    """Return a cause as a line of JSON; times in milliseconds since 1970."""
    error, example = cause.error, cause.example
    told = {
        "cause": cause.key,
        names.FINGERPRINT: error.get(names.FINGERPRINT),
        names.TYPE: error.get(names.TYPE),
        names.MESSAGE: error.get(names.MESSAGE),
        "count": cause.count,
        names.RECORDS: cause.records or None,
        "first_ms": cause.first_ms,
        "last_ms": cause.last_ms,
        "functions": dict(cause.functions.most_common()),
        "example": filled(
            {
                names.INVOCATION_ID: example.invocation_id,
                names.FUNCTION_NAME: example.function,
                names.XRAY_TRACE_ID: example.trace_id,
                "source": example.source,
            }
        ),
    }
    return encoded(filled(told))


def cause_block(cause: Cause, palette: Palette) -> str:
    """Draw a cause: how often and of what, then where and when, then an example."""
    count = palette.paint("bold_red", f"{TIMES}{cause.count:,}")
    fingerprint = cause.error.get(names.FINGERPRINT)
    mark = f"  {palette.paint('dim', f'#{visible(str(fingerprint))}')}" if fingerprint else ""
    text = palette.paint("bold", visible(error_text(cause.error), _WITHIN))
    drawn = [f"{count}  {text}{mark}"]
    drawn.append(f"{INDENT}{visible('  '.join(_where_and_when(cause)))}")
    drawn.append(INDENT + palette.paint("dim", visible(example_text(cause))))
    return "\n".join(drawn) + "\n\n"


def _where_and_when(cause: Cause) -> Iterator[str]:
    yield functions_text(cause.functions)
    if cause.records:
        yield f"{cause.records:,} record{'s' * (cause.records != 1)} of batches"
    first, last = date_and_clock(cause.first_ms), date_and_clock(cause.last_ms)
    if first:
        yield f"first {first}  last {last}" if cause.count > 1 else first


def example_text(cause: Cause) -> str:
    """Name an invocation to look at."""
    example = cause.example
    trace = f"  trace {example.trace_id}" if example.trace_id else ""
    return f"for example {example.invocation_id}{trace}"


def functions_text(functions: Mapping[str, int]) -> str:
    """Name the functions, the most frequent first, with how often where there are several."""
    ranked = sorted(functions.items(), key=lambda one: (-one[1], one[0]))
    if len(ranked) == 1:
        return ranked[0][0]
    named = [f"{name} {TIMES}{count:,}" for name, count in ranked[:_FUNCTIONS_MOST]]
    more = len(ranked) - _FUNCTIONS_MOST
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
