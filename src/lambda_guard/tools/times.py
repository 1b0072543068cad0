"""Times and durations as people type and read them."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from lambda_guard.errors import LambdaGuardError

_UNIT_MS: Final = {
    "ms": 1.0,
    "s": 1_000.0,
    "m": 60_000.0,
    "h": 3_600_000.0,
    "d": 86_400_000.0,
    "w": 604_800_000.0,
}
_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_HOUR_MINUTES: Final = 60
_THREE_DIGITS_MS: Final = 100
_YEAR_10000_MS: Final = 253_402_300_800_000
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")


class TimeFormatError(LambdaGuardError, ValueError):
    """A time or duration was typed in a way that can't be read."""

    exit_code = 2


def duration_ms(text: str) -> float:
    """Read a duration such as `250ms`, `2s`, `1m30s` or `2h`.

    Returns:
        Milliseconds.

    Raises:
        TimeFormatError: it isn't one.
    """
    compact = text.replace(" ", "").lower()
    parts = _DURATION.findall(compact)
    if not parts or "".join(number + unit for number, unit in parts) != compact:
        raise TimeFormatError(f"invalid duration {text!r}: use 250ms, 2s, 15m, 2h or 1h30m")
    return sum(float(number) * _UNIT_MS[unit] for number, unit in parts)


def moment_ms(text: str, now_ms: float) -> float:
    """Read a moment: how long ago (`15m`, `2h`), or an ISO 8601 date or time.

    Without a zone it is local time.

    Returns:
        Milliseconds since 1970, UTC.

    Raises:
        TimeFormatError: it isn't one.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000.0
    except (ValueError, OverflowError, OSError):  # Windows has no local time before 1970
        pass
    try:
        return now_ms - duration_ms(text)
    except TimeFormatError:
        raise TimeFormatError(
            f"invalid time {text!r}: use how long ago (15m, 2h, 3d) or an ISO time (2026-11-23T15:04:05Z)"
        ) from None


def clock(time_ms: float | None) -> str:
    """Write a moment as `15:04:05.123`, UTC; blanks where there is none."""
    return date_and_clock(time_ms)[11:] or " " * 12


def date_and_clock(time_ms: float | None) -> str:
    """Write a moment as `2026-11-23 15:04:05.123`, UTC; empty where there is none."""
    if time_ms is None or not 0 <= time_ms < _YEAR_10000_MS:
        return ""
    minute, ms = divmod(int(time_ms), _MINUTE_MS)
    return f"{_minute(minute)}:{ms // 1_000:02}.{ms % 1_000:03}"


@lru_cache(64)
def _minute(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d %H:%M}"


def span(ms: float | None) -> str:
    """Write a duration with the precision that it deserves: `0.42 ms`, `12.3 ms`, `1.24 s`, `2m 05s`, `3h 12m`."""
    if ms is None:
        return "?"
    if abs(ms) < _SECOND_MS:
        return f"{ms:.3g} ms" if abs(ms) < _THREE_DIGITS_MS else f"{ms:.0f} ms"
    if abs(ms) < _MINUTE_MS:
        return f"{ms / 1_000:.3g} s"
    minutes, seconds = divmod(round(ms / 1_000), 60)
    if minutes < _HOUR_MINUTES:
        return f"{minutes}m {seconds:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"
