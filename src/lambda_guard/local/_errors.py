"""The errors of the local cloud.

LambdaGuardError
├── LocalCloudError      something of the local cloud can't start or is used wrongly
│   └── OptionError      an option has a value that it can't have                      (also a ValueError)
└── TemplateError        the template can't be read or declares something impossible   (also a ValueError)
"""

from importlib.util import find_spec

from lambda_guard.errors import LambdaGuardError, MissingExtraError


class LocalCloudError(LambdaGuardError):
    """Something of the local cloud can't start, or is used in a way that it doesn't support."""


class OptionError(LocalCloudError, ValueError):
    """An option has a value that it can't have; the message says what it may be."""

    exit_code = 2


def require(who: str, *modules: str, extra: str) -> None:
    """Check that the modules of an extra are installed, without importing them.

    Raises:
        MissingExtraError: one isn't; the message says what to install.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"{who} needs {', '.join(missing)}: pip install 'aws-lambda-guard[{extra}]'")
