"""Clients of AWS, and their errors in words that say what to do."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from lambda_guard.errors import LambdaGuardError, MissingExtraError

Clients = Callable[[str], Any]
"""Returns the client of a service: `clients("logs")`."""

FUNCTION_SECONDS_MOST: Final = 5_400
"""No function runs longer; 90 minutes are for those on Managed Instances.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""

_NO_REGION: Final = "no region is set: export AWS_REGION, or choose a profile with AWS_PROFILE"
_MISSING: Final = {"NoSuchEntity", "ResourceNotFoundException", "ValidationError"}
_REFUSED: Final = {
    "AccessDeniedException",
    "AccessDenied",
    "UnauthorizedOperation",
    "UnrecognizedClientException",
}
_ACTIONS: Final = {
    "SendMessageBatch": "SendMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "Invoke": "InvokeFunction",
}
"""Operations whose permission has another name.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html, list_awslambda.html
"""
_NO_QUEUE: Final = ("NonExistentQueue", "QueueDoesNotExist", "InvalidAddress")
_EXPIRED: Final = {"ExpiredTokenException", "ExpiredToken", "InvalidClientTokenId"}


class CloudError(LambdaGuardError):
    """AWS couldn't be reached, or refused; the message says what was asked and what to do."""


class NoSuchResourceError(CloudError):
    """A log group, stack, queue or function of this name does not exist in this account and region."""


class NotPermittedError(CloudError):
    """The credentials in use may not do this; the message names the action."""


def new_clients(**settings: Any) -> Clients:
    """Return clients for the credentials and the Region in use, each made when it is first asked for.

    Args:
        settings: of `botocore.config.Config`, in place of those of `clients_of`.

    Raises:
        MissingExtraError: boto3 isn't installed.
        CloudError: the configuration can't be read, or names no region.
    """
    session = new_session()
    if not session.region_name:
        raise CloudError(_NO_REGION)
    return clients_of(session, **settings)


def clients_of(session: Any, region: str | None = None, **settings: Any) -> Clients:
    """Return clients that back off when they are throttled, each made when it is first asked for.

    Args:
        session: of `new_session`.
        region: in place of the session's own.
        settings: of `botocore.config.Config`, in place of those here.
    """
    from botocore.config import Config

    # Adaptive: the client slows down when the service throttles, as it soon does with FilterLogEvents.
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
    usual = {"retries": {"mode": "adaptive", "max_attempts": 10}, "connect_timeout": 10, "read_timeout": 60}
    config = Config(**(settings or usual))

    @cache
    def client(service: str) -> Any:
        with explained(f"use {service}"):
            try:
                return session.client(service, region_name=region, config=config)
            except ValueError as error:
                raise CloudError(f"{error}: write AWS_ENDPOINT_URL like http://127.0.0.1:5000") from error

    return client


def new_session(**given: Any) -> Any:
    """Return a session of boto3's; it may have no Region.

    Args:
        given: of `boto3.Session`: a profile, keys.

    Raises:
        MissingExtraError: boto3 isn't installed.
        CloudError: the configuration can't be read.
    """
    try:
        import boto3
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            "calling AWS needs boto3, which isn't installed: pip install 'aws-lambda-guard[tools]'",
            name="boto3",
        ) from error
    # boto3 itself reads AWS_DEFAULT_REGION alone; the other tools of AWS read AWS_REGION first.
    with explained("read its configuration (~/.aws/config, AWS_PROFILE)"):
        return boto3.Session(**{"region_name": os.environ.get("AWS_REGION") or None, **given})


@contextmanager
def explained(what: str, *, when_throttled: str = "") -> Iterator[None]:
    """Turn botocore's errors into ours.

    Args:
        what: how the sentence "AWS refused to …" ends.
        when_throttled: what to say where the calls are throttled; empty for the service's own words.

    Raises:
        NoSuchResourceError: nothing has that name.
        NotPermittedError: the permission is missing, for the call or for a queue's key.
        CloudError: anything else that AWS or the network answers, also what is no answer. What is taken out of an
            answer inside of the block is part of it.
    """
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.NoRegionError as error:
        raise CloudError(_NO_REGION) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise CloudError(
            "no credentials for AWS: log in (aws sso login), or choose a profile with AWS_PROFILE"
        ) from error
    except exceptions.ClientError as error:
        raise _translated(error, what, when_throttled) from error
    except exceptions.BotoCoreError as error:
        raise CloudError(f"AWS couldn't be asked to {what}: {error}") from error
    except (ResponseParserError, AttributeError, LookupError, TypeError, ValueError) as error:
        # botocore raises whatever its parsers stumble over.
        raise CloudError(
            f"AWS was asked to {what}, and the answer can't be read ({type(error).__name__}: {error}): check "
            "AWS_ENDPOINT_URL, and whether a proxy answers in its place"
        ) from error


def error_code(error: Exception) -> str:
    """Return the code of a service's error; empty for any other error."""
    response = getattr(error, "response", None) or {}  # None for what failed on the way
    return str(response.get("Error", {}).get("Code", ""))


def _translated(error: Any, what: str, when_throttled: str) -> CloudError:
    code = error_code(error)
    message = str(error.response.get("Error", {}).get("Message", "")) or code
    if any(known in code for known in _NO_QUEUE):
        return NoSuchResourceError(f"AWS could not {what}: there is no such queue in this account and region")
    if code.startswith(("KMS.", "Kms")) or ".Kms" in code:
        return NotPermittedError(
            f"AWS could not {what}: the queue is encrypted, and its key can't be used ({code}); "
            "the permissions kms:Decrypt and, to send, kms:GenerateDataKey are needed on the key"
        )
    if code in _MISSING:
        return NoSuchResourceError(f"AWS could not {what}: {message}; are account and region the right ones?")
    if code in _REFUSED:
        action = _ACTIONS.get(error.operation_name, error.operation_name)
        return NotPermittedError(f"AWS refused to {what}: the permission {action} is missing ({message})")
    if code in _EXPIRED:
        return CloudError("the credentials have expired: log in again (aws sso login)")
    said = when_throttled if when_throttled and "Throttl" in code else f"{code}: {message}"
    return CloudError(f"AWS could not {what}: {said}")
