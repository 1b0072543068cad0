"""What `lambda-guard harden` writes where the checklist leaves a choice: one file, beside the templates."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError

FILE: Final = "lambda-guard.toml"
_SECTION: Final = "harden"
_ALLOWED: Final[dict[str, range | list[int]]] = {
    # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
    "retention_days": [
        *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557),
        *(2922, 3288, 3653),
    ],
    "dead_letter_days": range(1, 15),
    "max_receive_count": range(1, 1001),
    "retry_attempts": range(10_001),
}


class SettingsError(LambdaGuardError):
    """The file of settings is wrong; the message names it and what to write."""

    exit_code = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The choices.

    Attributes:
        alias: that callers use, and traffic is shifted behind.
        preference: how a new version gets its traffic.
        retention_days: of log lines.
        dead_letter_days: of dead-letter queues; 14 is the most.
        max_receive_count: of redrive policies.
        retry_attempts: of streams, which repeat a record until it expires by default.
    """

    alias: str = "live"
    preference: str = "Canary10Percent10Minutes"
    retention_days: int = 30
    dead_letter_days: int = 14
    max_receive_count: int = 5
    retry_attempts: int = 10


def read_settings(path: Path | None, beside: Path) -> Settings:
    """Return the settings of a file; by default of `lambda-guard.toml` beside the template, where it is.

    Raises:
        SettingsError: the file can't be read, or has what isn't known.
    """
    file = path or beside.parent / FILE
    if path is None and not file.exists():
        return Settings()
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: the settings can't be read: {error}") from error
    section = document.get(_SECTION, {})
    if document.keys() - {_SECTION} or not isinstance(section, dict):
        raise SettingsError(f"{file}: write one table, [{_SECTION}], and the settings in it")
    known = {field.name: type(field.default) for field in fields(Settings)}
    return Settings(**{key: _checked(file, key, value, known) for key, value in section.items()})


def _checked(file: Path, key: str, value: Any, known: dict[str, type]) -> Any:
    if key not in known:
        raise SettingsError(f"{file}: {key!r} isn't a setting of [{_SECTION}]: {', '.join(known)} are")
    if type(value) is not known[key]:
        kind = "a whole number" if known[key] is int else "a text"
        raise SettingsError(f"{file}: {key} must be {kind}, not {value!r}")
    if key in _ALLOWED and value not in (allowed := _ALLOWED[key]):
        span = (
            f"{allowed[0]} to {allowed[-1]}" if isinstance(allowed, range) else ", ".join(map(str, allowed))
        )
        raise SettingsError(f"{file}: {key} can't be {value}: AWS takes {span}")
    return value
