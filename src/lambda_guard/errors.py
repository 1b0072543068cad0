"""What lambda_guard raises: to the programmer, and as the answer to a batch, which is ours to give with `each_record`.

A plain handler's invocation never sees one of these.

LambdaGuardError
├── ConfigurationError       a wrong option, at decoration            (also a TypeError)
├── RunningEventLoopError    an async handler called from a loop      (also a RuntimeError)
├── NotABatchError           each_record got another kind of event    (also a ValueError)
├── UnidentifiedRecordError  a record of a batch without an id        (also a ValueError)
├── OutOfTimeError           records weren't begun for lack of time   (also a TimeoutError)
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


class NotABatchError(LambdaGuardError, ValueError):
    """A handler with `each_record=True` was invoked with an event that isn't a batch of records it can answer for."""


class UnidentifiedRecordError(LambdaGuardError, ValueError):
    """A record of a batch has no id, so that its failure can't be told from its success: the whole batch is retried."""


class OutOfTimeError(LambdaGuardError, TimeoutError):
    """Records of a batch were not begun, since the invocation would have ended before them: they are retried."""


class MissingExtraError(LambdaGuardError, ImportError):
    """A desk tool needs packages that a function doesn't: the message names the extra to install."""

    exit_code = 2
