"""The errors of `lambda-guard dlq`.

LambdaGuardError
├── DeadLetterError        a queue, a filter, a journal or a target can't be used as asked
│   ├── NoEventError       what failed can't be had from a letter
│   └── NoSuchLetterError  nothing in the queue matches what was asked for              (exit code 3)
└── CloudError             AWS couldn't be asked, or refused (`tools.aws`)
"""

from functools import partial
from typing import Final

from lambda_guard.errors import LambdaGuardError
from lambda_guard.tools.aws import explained

NOTHING_MATCHED: Final = 3


class DeadLetterError(LambdaGuardError):
    """A queue, a filter, a journal or a target can't be used as asked; the message says what to do."""

    exit_code = 2


class NoEventError(DeadLetterError):
    """What failed can't be had, from the letter or from the stream that it points into; the message says why."""


class NoSuchLetterError(DeadLetterError):
    """Nothing in the queue matches what was asked for."""

    exit_code = NOTHING_MATCHED


asked: Final = partial(explained, when_throttled="it throttles the calls; slow down with --rate")
"""Turns botocore's errors into `CloudError`s: `tools.aws.explained`, where a rate can be set."""
