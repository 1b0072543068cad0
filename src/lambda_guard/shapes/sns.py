"""A notification of SNS, as a function gets it and as a queue does.

https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
"""

from collections.abc import Mapping
from typing import Any

from . import arns
from .sample import fill

_FOR_A_FUNCTION = {"SigningCertURL": "SigningCertUrl", "UnsubscribeURL": "UnsubscribeUrl"}


def notification(
    message: str,
    *,
    topic_arn: str,
    message_id: str,
    timestamp: str,
    subject: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    subscription_arn: str = "",
) -> dict[str, Any]:
    """Return the envelope that a queue gets as the body, unless raw message delivery is on.

    Args:
        message: what was published.
        topic_arn: the topic.
        message_id: the id that SNS gave.
        timestamp: when it was published, as `2025-11-25T15:04:05.135Z`.
        subject: left out if None.
        attributes: `{"Type": …, "Value": …}` by name; left out if there are none.
        subscription_arn: in the link that unsubscribes; the topic's if empty.
    """
    return fill(
        "sns",
        locals(),
        region=arns.region(topic_arn),
        attributes=dict(attributes) if attributes else None,
        subscription_arn=subscription_arn or topic_arn,
    )


def for_a_function(notification: Mapping[str, Any]) -> dict[str, Any]:
    """Return a notification under the keys that a function gets: a subject and attributes always, URLs as `Url`."""
    renamed = {_FOR_A_FUNCTION.get(key, key): value for key, value in notification.items()}
    return {"Subject": None, "MessageAttributes": {}} | renamed


def event(notification: Mapping[str, Any], *, subscription_arn: str) -> dict[str, Any]:
    """Return the event of one notification, which stands in it as it is (see `for_a_function`)."""
    return {"Records": [fill("sns-record", locals())]}
