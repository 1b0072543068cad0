"""The errors of `lambda-guard dlq`, and AWS's errors in words that say what to do.

LambdaGuardError
├── DeadLetterError        a queue, a filter, a journal or a target can't be used as asked
│   ├── NoEventError       what failed can't be had from a letter
│   └── NoSuchLetterError  nothing in the queue matches what was asked for              (exit code 3)
└── CloudError             AWS couldn't be asked, or refused (`tools.aws`)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.aws import CloudError, NoSuchResourceError, NotPermittedError, explained

NOTHING_MATCHED: Final = 3
_MISSING: Final = ("NonExistentQueue", "QueueDoesNotExist", "InvalidAddress")
_KEY: Final = ("KMS.", "Kms")


class DeadLetterError(LambdaGuardError):
    """A queue, a filter, a journal or a target can't be used as asked; the message says what to do."""

    exit_code = 2


class NoEventError(DeadLetterError):
    """What failed can't be had, from the letter or from the stream that it points into; the message says why."""


class NoSuchLetterError(DeadLetterError):
    """Nothing in the queue matches what was asked for."""

    exit_code = NOTHING_MATCHED


@contextmanager
def asked(what: str) -> Iterator[None]:
    """Turn botocore's errors into ours, those of SQS and of its keys in their own words.

    Args:
        what: the sentence's end: "AWS refused to …".

    Raises:
        NoSuchResourceError: there isn't such a queue, function or stream.
        NotPermittedError: the permission is missing, for the call or for the queue's key.
        CloudError: everything else.
    """
    from botocore.exceptions import ClientError

    with explained(what):
        try:
            yield
        except ClientError as error:
            _raise_known(error_code(error), what, error)
            raise


def error_code(error: Exception) -> str:
    """Return the code of a service's error; empty for any other error."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", ""))


def _raise_known(code: str, what: str, error: Exception) -> None:
    if any(known in code for known in _MISSING):
        raise NoSuchResourceError(
            f"AWS could not {what}: there is no such queue in this account and region"
        ) from error
    if code.startswith(_KEY) or ".Kms" in code:
        raise NotPermittedError(
            f"AWS could not {what}: the queue is encrypted, and its key can't be used ({code}); "
            "the permissions kms:Decrypt and, to send, kms:GenerateDataKey are needed on the key"
        ) from error
    if "Throttl" in code:
        raise CloudError(f"AWS could not {what}: it throttles the calls; slow down with --rate") from error
