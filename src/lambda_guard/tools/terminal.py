"""Writing to a terminal: colours only if someone sees them, and nothing that steers it but ours."""

import codecs
import io
import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, Literal, TextIO

from lambda_guard._printable import json_escape, visible

ESCAPED: Final = "lambda_guard.escaped"
"""How streams that can't take a character write it, so that JSON stays JSON: the name for `errors=`."""

IN_ASCII: Final = "lambda_guard.in_ascii"
"""How streams that can't take what we draw with write it, for eyes: likewise."""

When = Literal["auto", "always", "never"]

_CODES: Final = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "bold_red": "1;31",
    "bold_green": "1;32",
    "bold_yellow": "1;33",
    "bold_magenta": "1;35",
    "reverse_red": "1;37;41",
}

_CONTINUED: Final = "\n    "

# Each of the same width: what stands below it stays below it.
_DRAWN: Final = {
    **dict(zip("─│├└┄·█▉▊▋▌▍▎▏✓✗→↻☠◷‖⋯…µ", "-|+`.-#####   +x>~!!=..u", strict=True)),
    "\N{MULTIPLICATION SIGN}": "x",
}


class Palette:
    """The colours, or none: `palette.paint("red", text)`."""

    def __init__(self, *, on: bool) -> None:
        self.on = on

    def paint(self, style: str, text: str) -> str:
        """Return `text` in the style; unchanged where colours are off."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.on and text else text


def encoder(draw: Callable[..., Iterable[str]], encoding: str, errors: str) -> Callable[[object], bytes]:
    """Return what draws as the bytes that a stream takes; it can be pickled.

    Args:
        draw: gives the pieces of a text; those that are ASCII are encoded several times as fast as others.
        encoding: as for `str.encode`.
        errors: likewise.
    """
    return partial(_encoded, draw, encoding, errors)


def _encoded(draw: Callable[..., Iterable[str]], encoding: str, errors: str, what: object) -> bytes:
    return b"".join([piece.encode(encoding, errors) for piece in draw(what)])


def palette_for(when: When) -> Palette:
    """Choose the colours for standard output: a terminal, and neither NO_COLOR (no-color.org) nor a dumb terminal."""
    if when != "auto":
        return Palette(on=when == "always")
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    on = not plain and sys.stdout.isatty()
    if on and sys.platform == "win32":
        from colorama import just_fix_windows_console

        just_fix_windows_console()  # which may not obey colours yet
    return Palette(on=on)


def columns() -> int | None:
    """Return the width of the terminal; None where standard output isn't one."""
    if not sys.stdout.isatty():
        return None
    import shutil

    return shutil.get_terminal_size().columns


def say(text: str) -> None:
    """Write a line about the work itself to standard error; what it names may be anybody's."""
    sys.stderr.write(f"{visible(text, _CONTINUED)}\n")


def warn(text: str) -> None:
    """Write a line about what went wrong to standard error, under the program's name."""
    say(f"lambda-guard: {text}")


def progress(text: str) -> None:
    """Show on a terminal how far something is, in place of what was shown last; an empty text takes it away."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{visible(text)}")
        sys.stderr.flush()


def write_with(errors: str, *streams: TextIO) -> None:
    """Have streams write what they can't take in one of our ways."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def _as_json_does(error: UnicodeError) -> tuple[str, int]:
    """Escape what an encoding doesn't have: unlike `backslashreplace`, so that JSON stays JSON."""
    assert isinstance(error, UnicodeEncodeError)
    return json_escape(error.object[error.start : error.end]), error.end


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Draw with what every encoding has; the rest is escaped."""
    assert isinstance(error, UnicodeEncodeError)
    found = error.object[error.start : error.end]
    return "".join([_DRAWN.get(char) or json_escape(char) for char in found]), error.end


codecs.register_error(ESCAPED, _as_json_does)
codecs.register_error(IN_ASCII, _in_ascii)
