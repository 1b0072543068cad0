"""What lambda_guard raises, and only to the programmer: never into an invocation.

LambdaGuardError
├── ConfigurationError       a wrong option, at decoration            (also a TypeError)
├── RunningEventLoopError    an async handler called from a loop      (also a RuntimeError)
└── MissingExtraError        a desk tool without its extra installed  (also an ImportError)
"""


class LambdaGuardError(Exception):
    """The base of every error that lambda_guard raises by itself.

    Attributes:
        exit_code: what a command of ours ends with when this error ends it.
    """

    exit_code = 1


class ConfigurationError(LambdaGuardError, TypeError):
    """An option of `@production` is unknown, of the wrong type, or contradicts another one."""

    exit_code = 2


class RunningEventLoopError(LambdaGuardError, RuntimeError):
    """An `async def` handler was called from inside a running event loop, where it can't be run to completion."""


class MissingExtraError(LambdaGuardError, ImportError):
    """A desk tool needs packages that a function doesn't: the message names the extra to install."""

    exit_code = 2
