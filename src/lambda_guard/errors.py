"""The exceptions that lambda_guard raises: for programming errors, and as the response to a batch with `each_record`.

The invocation of a plain handler never raises one of these.

LambdaGuardError
├── ConfigurationError       a wrong option, at decoration            (also a TypeError)
├── RunningEventLoopError    an async handler called from a loop      (also a RuntimeError)
├── NotABatchError           each_record got another kind of event    (also a ValueError)
├── UnidentifiedRecordError  a batch item without an id               (also a ValueError)
├── OutOfTimeError           time ran out before some batch items     (also a TimeoutError)
└── MissingExtraError        a command without its extra installed    (also an ImportError)
"""


class LambdaGuardError(Exception):
    """The base class of every error that lambda_guard itself raises.

    Attributes:
        exit_code: the exit code of a command that this error ends.
    """

    exit_code = 1


class ConfigurationError(LambdaGuardError, TypeError):
    """An option of `@production` is unknown, of the wrong type, or contradicts another one."""

    exit_code = 2


class RunningEventLoopError(LambdaGuardError, RuntimeError):
    """An `async def` handler was called from inside a running event loop, where it can't be run to completion."""


class NotABatchError(LambdaGuardError, ValueError):
    """A handler with `each_record=True` was invoked with an event that isn't a batch from a supported source."""


class UnidentifiedRecordError(LambdaGuardError, ValueError):
    """A batch item has no id, so its failure can't be reported on its own: the whole batch is retried."""


class OutOfTimeError(LambdaGuardError, TimeoutError):
    """Some batch items were not started, because the invocation was running out of time: they are retried."""


class MissingExtraError(LambdaGuardError, ImportError):
    """A command needs packages that a function doesn't: the message names the extra to install."""

    exit_code = 2
