"""Text from outside is data: what would steer the terminal or the eye that looks at it is written as an escape.

Control characters begin the sequences that a terminal obeys (C0, DEL, C1), and format characters hide text or turn it
around (bidirectional marks): `str.isprintable` is true of none of them, as the Unicode database has it.
https://docs.python.org/3/library/stdtypes.html#str.isprintable
"""

import json
from typing import Final

_SPACES: Final = "\t\xa0"
"""Not printable by that database, and harmless: the runtime client indents tracebacks by no-break spaces."""


def visible(text: str, newline: str = "\\n") -> str:
    """Make visible in a text what can't be seen.

    Args:
        text: of anybody's.
        newline: what a line is ended by and the next one begins with, where the text may have several.
    """
    if text.isprintable():
        return text
    lines = (
        [char if char.isprintable() or char in _SPACES else ascii(char)[1:-1] for char in line]
        for line in text.split("\n")
    )
    return newline.join(map("".join, lines))


def visible_json(document: str) -> str:
    r"""Write as `\u` escapes what can't be seen in a line of JSON, so that it says what it said before."""
    if (document.isascii() and "\x7f" not in document) or document.isprintable():
        return document
    return "".join([char if char.isprintable() else json_escape(char) for char in document])


def json_escape(text: str) -> str:
    """Return a text as it stands between the quotes of a JSON string, in ASCII."""
    return json.dumps(text)[1:-1]
