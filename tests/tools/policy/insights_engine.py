"""Logs Insights, as far as the two queries of `policy` go: filter, jsonParse, unnest and stats, as AWS documents them.

moto's ignores `filter`. https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import json
import re
from collections import defaultdict
from datetime import UTC, datetime

COMMAND = re.compile(r"\s*\|\s*(?=(?:filter|fields|unnest|stats|limit)\b)")
CALL = re.compile(r"(\w+)\(([^)]*)\)(?: as (\w+))?")


def answer(query, events):
    """Return the rows of a query over events, (ms since 1970, text) each: field by field, without those that are null."""
    rows = [{"@timestamp": at, "@message": text, "@type": text.split(" ")[0]} for at, text in events]
    for command in COMMAND.split(query):
        name, _, rest = command.partition(" ")
        rows = list(COMMANDS[name](rows, rest))
    return [
        [{"field": key, "value": written(value)} for key, value in row.items() if value is not None]
        for row in rows
    ]


def value(row, path):
    """Follow dots through what jsonParse made; null where there is nothing."""
    outer, _, inner = path.partition(".")
    found = row.get(outer)
    for step in inner.split(".") if inner else ():
        found = found.get(step) if isinstance(found, dict) else None
    return found


def written(found):
    if isinstance(found, bool):
        return "1" if found else "0"
    return json.dumps(found) if isinstance(found, dict | list) else str(found)


def holds(row, condition):
    path, operator, text = re.fullmatch(r"(\S+) (like|=) (\".*\")", condition.strip()).groups()
    found, sought = value(row, path), json.loads(text)
    return isinstance(found, str) and (sought in found if operator == "like" else found == sought)


def filtered(rows, rest):
    for row in rows:
        if any(all(holds(row, one) for one in some.split(" and ")) for some in rest.split(" or ")):
            yield row


def parsed(rows, rest):
    (name,) = re.fullmatch(r"jsonParse\(@message\) as (\w+)", rest).groups()
    for row in rows:
        try:
            yield {**row, name: json.loads(row["@message"])}
        except ValueError:
            yield row


def unnested(rows, rest):
    path, name = rest.split(" into ")
    for row in rows:
        found = value(row, path)
        for one in found if isinstance(found, list) else [found]:
            yield {**row, name: one}


def counted(rows, rest):
    told, by = rest.split(" by ")
    keys = re.split(r", (?![^(]*\))", by)
    groups = defaultdict(list)
    for row in rows:
        groups[
            tuple(written(key_of(row, key)) if key_of(row, key) is not None else None for key in keys)
        ].append(row)
    for values, some in groups.items():
        named = {key.partition(" as ")[2] or key: value for key, value in zip(keys, values, strict=True)}
        yield named | {name: AGGREGATES[function](some, path) for function, path, name in CALL.findall(told)}


def key_of(row, key):
    if key.startswith("datefloor(@timestamp, 1d)"):
        return f"{datetime.fromtimestamp(row['@timestamp'] / 1_000, UTC):%Y-%m-%d} 00:00:00.000"
    return value(row, key)


def numbers(rows, path):
    return [found for row in rows if isinstance(found := value(row, path), int | float)]


COMMANDS = {
    "fields": parsed,
    "filter": filtered,
    "limit": lambda rows, rest: rows[: int(rest)],
    "stats": counted,
    "unnest": unnested,
}
AGGREGATES = {
    "count": lambda rows, path: (
        len(rows) if path == "*" else sum(value(row, path) is not None for row in rows)
    ),
    "latest": lambda rows, path: value(max(rows, key=lambda row: row["@timestamp"]), path),
    "max": lambda rows, path: max(numbers(rows, path), default=None),
    "sum": lambda rows, path: sum(numbers(rows, path)) if numbers(rows, path) else None,
}
