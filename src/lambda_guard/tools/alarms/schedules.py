"""How long a schedule may be silent: the longest time between two of its invocations.

Expressions: https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html.
"""

import re
from calendar import monthrange
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

_RATE: Final = re.compile(r"rate\(\s*([0-9]{1,9})\s+(minute|hour|day)s?\s*\)")
_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86_400}
_DAY: Final = 86_400
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_YEARS: Final = range(2023, 2029)  # with a leap year among them; what fires in none of them fires too rarely
_FIELDS: Final = 6


def longest_silence(expression: str) -> int | None:
    """Return the longest time between two invocations, in seconds.

    Returns:
        None for a schedule that fires once (`at(…)`), never, or in a way that isn't read here.
    """
    if rate := _RATE.fullmatch(expression.strip()):
        return int(rate[1]) * _UNITS[rate[2]] or None
    found = re.fullmatch(r"cron\(([^()]*)\)", expression.strip())
    fields = found[1].upper().split() if found else []
    if len(fields) != _FIELDS:
        return None
    try:
        return _of_cron(fields)
    except ValueError:
        return None


def _of_cron(fields: list[str]) -> int | None:
    minute, hour, day, month, weekday, year = fields
    times = sorted(h * 3600 + m * 60 for h in _values(hour, 0, 23) for m in _values(minute, 0, 59))
    months, years = _values(month, 1, 12, _MONTHS), _values(year, 1970, 2199)
    days = [
        (each - date(_YEARS[0], 1, 1)).days
        for each in _dates()
        if each.month in months
        and (year == "*" or each.year in years)
        and _is_day(day, each)
        and _is_weekday(weekday, each)
    ]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    overnight = _DAY - times[-1] + times[0]
    gaps += [(later - earlier - 1) * _DAY + overnight for earlier, later in pairwise(days)]
    return max(gaps) if len(days) > 1 and year == "*" else None


def _dates() -> list[date]:
    first, last = date(_YEARS[0], 1, 1), date(_YEARS[-1], 12, 31)
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _is_day(text: str, when: date) -> bool:
    last = monthrange(when.year, when.month)[1]
    if text == "?":
        return True
    if text == "L":
        return when.day == last
    return when.day in _values(text, 1, 31)


def _is_weekday(text: str, when: date) -> bool:
    number = when.isoweekday() % 7 + 1  # from 1, a Sunday
    if text == "?":
        return True
    if nth := re.fullmatch(r"(\w+)#([1-5])", text):
        return number in _values(nth[1], 1, 7, _WEEKDAYS) and (when.day + 6) // 7 == int(nth[2])
    if text.endswith("L") and text != "L":
        last = monthrange(when.year, when.month)[1]
        return number in _values(text[:-1], 1, 7, _WEEKDAYS) and when.day + 7 > last
    return number in _values(text, 1, 7, _WEEKDAYS)


def _values(text: str, least: int, most: int, names: tuple[str, ...] = ()) -> set[int]:
    """Return what a field allows: `*`, lists, ranges and steps.

    Raises:
        ValueError: it is written in another way, or allows nothing.
    """
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = span.partition("-")
        if span in ("*", "?"):
            low, high = str(least), str(most)
        elif not dash:
            high = str(most) if slash else low
        first, last = (names.index(it) + least if it in names else int(it) for it in (low, high))
        found |= set(range(first, last + 1, int(step) if slash else 1))
    if not found or min(found) < least or max(found) > most:
        raise ValueError(text)
    return found
