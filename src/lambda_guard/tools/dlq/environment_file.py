"""A function's variables from a file: `KEY=VALUE` lines as Docker and dotenv have them, or a JSON object."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lambda_guard.tools.dlq.errors import DeadLetterError

_LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)=(.*)")


def read_environment(path: str) -> dict[str, str]:
    """Read variables.

    Raises:
        DeadLetterError: a line isn't a variable, or the file isn't text in UTF-8; the message says which.
        OSError: the file can't be read.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DeadLetterError(f"{path} isn't text in UTF-8 (byte {error.start})") from error
    if text.lstrip().startswith("{"):
        return _from_json(text, path)
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        matched = _LINE.fullmatch(stripped)
        if matched is None:
            raise DeadLetterError(f"{path}, line {number}: write KEY=VALUE, not {stripped!r}")
        found[matched[1]] = _unquoted(matched[2].strip())
    return found


def _from_json(text: str, path: str) -> dict[str, str]:
    """Read `{"KEY": "VALUE"}`, and `{"Variables": {…}}` as Lambda's configuration has it."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise DeadLetterError(f"{path} isn't JSON: {error}") from error
    variables = document.get("Variables", document)
    if not isinstance(variables, Mapping) or not all(isinstance(value, str) for value in variables.values()):
        raise DeadLetterError(f"{path}: use KEY=VALUE lines, or a JSON object whose values are strings")
    return dict(variables)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value
