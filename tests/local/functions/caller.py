"""Makes the calls that its event lists, and answers with the errors; fails where it is told to."""

import boto3
from botocore.exceptions import ClientError


def handler(event, context):
    if event.get("fail"):
        raise ValueError("never works")
    return [_error(*call) for call in event["calls"]]


def _error(service, operation, parameters):
    try:
        getattr(boto3.client(service), operation)(**parameters)
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"


def unsigned(event, context):
    """Read a public object without a signature."""
    from botocore import UNSIGNED
    from botocore.config import Config

    anonymous = boto3.client("s3", config=Config(signature_version=UNSIGNED))
    return anonymous.get_object(Bucket=event["bucket"], Key=event["key"])["ContentLength"]


def presigned(event, context):
    """Fetch an object by a URL that it has signed itself."""
    import urllib.error
    import urllib.request

    url = boto3.client("s3").generate_presigned_url(
        "get_object", {"Bucket": event["bucket"], "Key": event["key"]}
    )
    try:
        return urllib.request.urlopen(url).status
    except urllib.error.HTTPError as error:
        return error.code
