"""The errors of the local cloud.

LambdaGuardError
├── LocalCloudError                something of the local cloud can't start or is used wrongly
│   ├── OptionError                an option has a value that it can't have                      (also a ValueError)
│   ├── FunctionAbsentError        a function of the template can't run on this machine
│   ├── ThrottledError             a function's reserved concurrency is 0
│   └── SystemNotSupportedError    functions' processes can't be run on this system
└── TemplateError                  the template can't be read or declares something impossible   (also a ValueError)
"""

import sys
from importlib.util import find_spec
from typing import Final

from lambda_guard.errors import LambdaGuardError, MissingExtraError

CLOUD: Final = ("moto", "flask", "samtranslator", "awslambdaric", "boto3", "yaml")
"""What the extra `local` installs, as it is imported."""


class LocalCloudError(LambdaGuardError):
    """Something of the local cloud can't start, or is used in a way that it doesn't support."""


class OptionError(LocalCloudError, ValueError):
    """An option has a value that it can't have; the message says what it may be."""

    exit_code = 2


class FunctionAbsentError(LocalCloudError):
    """A function of the template can't run on this machine; the message says why."""


class ThrottledError(LocalCloudError):
    """A function may not run: its reserved concurrency is 0, as on AWS when somebody stops it."""


class SystemNotSupportedError(LocalCloudError):
    """Processes can't be stopped and ended here as on Linux and macOS; the message says what to use instead."""

    exit_code = 2


def require(who: str, *modules: str, extra: str) -> None:
    """Check that the system is one for functions' processes, and that the modules of an extra are installed.

    Raises:
        SystemNotSupportedError: it is Windows.
        MissingExtraError: a module isn't installed; the message says what to install.
    """
    if sys.platform == "win32":
        raise SystemNotSupportedError(
            f"{who} needs Linux or macOS: on Windows, run it in WSL (wsl --install, then pip install "
            f"'aws-lambda-guard[{extra}]' there)"
        )
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise MissingExtraError(f"{who} needs {', '.join(missing)}: pip install 'aws-lambda-guard[{extra}]'")
