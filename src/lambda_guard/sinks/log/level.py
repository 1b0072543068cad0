"""The level of our logger, as the handler sets it. Imported with the first change."""

import logging
import os

from ... import _json, _settings
from . import lines


def set_level(level: object) -> None:
    """Set the level of our logger; what isn't a level is said in the log.

    Args:
        level: a name in any case, a number, or `None` for the level that the environment asks for.
    """
    if level is None:
        level = _settings.resolve({}, os.environ).log_level
    logger = lines.line_logger()
    if type(level) is int and level >= 0:
        logger.setLevel(level)
    elif (known := number(level)) is not None:
        logger.setLevel(known)
    else:
        lines.warn(f"setLevel({_json.text(level, 64)!r}) has no effect: {_A_LEVEL}")


_A_LEVEL = "a level is a name, such as DEBUG, INFO, WARNING, ERROR or CRITICAL, or a number"


def number(level: object) -> int | None:
    """Return the number of a level's name; `None` if it is none."""
    if not issubclass(type(level), str):
        return None
    name = _json.text(level).strip().upper()
    return logging.getLevelNamesMapping().get(_settings.LEVEL_ALIASES.get(name, name))


def draw_again() -> None:
    """Decide anew whether DEBUG lines are written, if they are sampled."""
    rate = _settings.resolve({}, os.environ).log_sample_rate
    if rate is not None:
        from . import sampling

        sampling.draw(rate)
